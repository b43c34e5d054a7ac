"""Order, seeds and shares: what an epoch sees, resumed, repeated, in micro-batches and on several devices."""

from types import SimpleNamespace

import pytest
import torch
from batches import Recorder, encrypting, levels, module_of, of_index, same

from vitcrypt.data import Splits
from vitcrypt.encryption import LE


def test_every_image_is_seen_once_an_epoch_in_another_order_each_time(splits, ran):
    recorder = ran(module_of(splits), epochs=3)
    orders = [tuple(recorder.together(("train", epoch))["index"].tolist()) for epoch in range(3)]
    assert all(sorted(order) == list(range(26)) for order in orders)
    assert len(set(orders)) == 3


def test_labels_and_indices_stay_with_their_images_when_shuffled(splits, ran):
    recorder = ran(module_of(splits, augment="none", image_size=8), epochs=2)
    for epoch in range(2):
        for batch in recorder.seen["train", epoch]:
            image, label = of_index(splits.train, batch["index"])
            assert torch.equal(levels(batch["image"]), image)
            assert torch.equal(batch["label"], label)
            assert batch["label"].dtype == batch["index"].dtype == torch.int64


@pytest.mark.parametrize("augment", ["owner", "provider"])
def test_an_epoch_depends_on_seed_and_number_alone_so_a_resumed_run_repeats_it(splits, tmp_path, make_trainer, augment):
    def build(seed=7):
        return module_of(splits, encrypting(LE(4)), augment=augment, crop_padding=2, flip=True, seed=seed)

    def run(epochs, seed=7, checkpoint=None):
        recorder, trainer = Recorder(), make_trainer(max_epochs=epochs)
        trainer.fit(recorder, datamodule=build(seed), ckpt_path=checkpoint, weights_only=True)
        return recorder.seen, trainer

    whole, _ = run(4)
    _, trainer = run(3)
    trainer.save_checkpoint(tmp_path / "three.ckpt")
    for _ in range(2):
        torch.manual_seed(123)
        resumed, _ = run(4, checkpoint=tmp_path / "three.ckpt")
        assert ("train", 2) not in resumed
        assert same(resumed["train", 3], whole["train", 3])
    assert not same(whole["train", 3], whole["train", 2])
    assert not same(run(1, seed=8)[0]["train", 0], whole["train", 0])


def test_a_second_training_with_the_same_data_module_sees_the_same_batches(splits, ran):
    data = module_of(splits, crop_padding=2, flip=True)
    assert same(ran(data).seen["train", 0], ran(data).seen["train", 0])


def test_two_seeds_never_share_an_order(splits, ran):
    seen = [ran(module_of(splits, seed=seed), epochs=3) for seed in range(3)]
    orders = [tuple(one.together(("train", epoch))["index"].tolist()) for one in seen for epoch in range(3)]
    assert len(set(orders)) == 9


def test_neither_order_nor_augmentation_touches_the_global_generator(splits):
    data = module_of(splits, crop_padding=2, flip=True)
    data.trainer = SimpleNamespace(
        world_size=1, global_rank=0, training=True, current_epoch=1, lightning_module=Recorder()
    )
    state = torch.get_rng_state()
    list(data.train_dataloader().sampler)
    data.on_after_batch_transfer({"position": torch.arange(8)}, 0)
    assert torch.equal(torch.get_rng_state(), state)


def test_validation_in_the_middle_of_an_epoch_does_not_change_what_training_sees(splits, ran):
    def build(val):
        return module_of(Splits(splits.train, splits.test, splits.classes, val), crop_padding=2, flip=True)

    without, with_val = ran(build(None), epochs=2), ran(build(splits.val), epochs=2, val_check_interval=2)
    assert len(with_val.seen["val"]) == 2 * 2 * 2
    for epoch in range(2):
        assert same(without.seen["train", epoch], with_val.seen["train", epoch])


@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("micro_batch_size", [None, 1, 5, 7, 64, 1000])
@pytest.mark.parametrize("batch_size", [24, 120, 504])
def test_micro_batches_on_all_devices_add_up_to_the_batch(splits, batch_size, micro_batch_size, world_size):
    data = module_of(splits, batch_size=batch_size, micro_batch_size=micro_batch_size)
    steps, share = data.accumulation(world_size), batch_size // world_size
    assert share % steps == 0
    limit = micro_batch_size or share
    assert share // steps <= limit
    assert not any(share % fewer == 0 and share // fewer <= limit for fewer in range(1, steps))
    data.trainer = SimpleNamespace(world_size=world_size, global_rank=0)
    assert data.train_dataloader().batch_size * steps * world_size == batch_size


@pytest.mark.parametrize(("batch_size", "world_size", "suggested"), [(8, 3, 9), (512, 7, 518), (2, 4, 4)])
def test_a_batch_that_the_devices_cannot_share_is_refused_with_one_that_they_can(
    splits, batch_size, world_size, suggested
):
    with pytest.raises(ValueError, match=rf"batch_size={batch_size} .* {world_size} devices; try {suggested}$"):
        module_of(splits, batch_size=batch_size).accumulation(world_size)


def test_accumulated_micro_batches_are_the_parts_of_the_batch(splits, ran):
    whole = ran(module_of(splits, batch_size=8)).seen["train", 0]
    data = module_of(splits, batch_size=8, micro_batch_size=3)
    parts = ran(data, accumulate_grad_batches=data.accumulation(1)).seen["train", 0]
    assert [len(batch["index"]) for batch in whole] == [8, 8, 8, 2]
    assert [len(batch["index"]) for batch in parts] == [2] * 13
    assert torch.equal(torch.cat([b["index"] for b in parts]), torch.cat([b["index"] for b in whole]))


@pytest.mark.parametrize("resident_gib", [4.0, 0.0])
def test_two_devices_share_the_training_images_between_them(splits, resident_gib):
    data, seen = module_of(splits, resident_gib=resident_gib, seed=2), []
    for rank in range(2):
        data.trainer = SimpleNamespace(world_size=2, global_rank=rank)
        loader = data.train_dataloader()
        assert loader.batch_size == 4
        loader.sampler.set_epoch(1)
        seen.append([i for batch in loader for i in batch["position" if resident_gib else "index"].tolist()])
    assert sorted(seen[0] + seen[1]) == list(range(26))
