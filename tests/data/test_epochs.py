"""Order, seeds and shares: what an epoch sees, resumed, repeated, in micro-batches and on several devices."""

from itertools import product
from types import SimpleNamespace

import pytest
import torch
from batches import Recorder, encrypting, levels, module_of, of_index, same

from vitcrypt.data import Splits
from vitcrypt.data.steps import Division, StepSampler
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
    loader = data.train_dataloader()
    for chosen in loader.sampler:
        data.on_after_batch_transfer(loader.dataset[chosen], 0)
    assert torch.equal(torch.get_rng_state(), state)


def test_validation_in_the_middle_of_an_epoch_does_not_change_what_training_sees(splits, ran):
    def build(val):
        return module_of(Splits(splits.train, splits.test, splits.classes, val), crop_padding=2, flip=True)

    without, with_val = ran(build(None), epochs=2), ran(build(splits.val), epochs=2, val_check_interval=2)
    assert len(with_val.seen["val"]) == 2 * 2 * 2
    for epoch in range(2):
        assert same(without.seen["train", epoch], with_val.seen["train", epoch])


@pytest.mark.parametrize("images", [1, 2, 61, 125])
def test_micro_batches_on_all_devices_add_up_to_the_step(images):
    for divided in product([12, 61], [None, 1, 7, 1000], [1, 3, 4]):
        check_that_parts_add_up(images, *divided)


def check_that_parts_add_up(images, batch_size, micro_batch_size, world_size):
    division = Division(batch_size, micro_batch_size, world_size)
    whole = list(StepSampler(images, Division(batch_size), seed=3))
    devices = [list(StepSampler(images, division, rank, seed=3)) for rank in range(world_size)]
    assert {len(device) for device in devices} == {len(StepSampler(images, division, seed=3))}
    for step, (positions, _) in enumerate(whole):
        parts = [part for device in devices for part in device[step * division.accumulation :][: division.accumulation]]
        seen = [position for part, share in parts for position in part[: share.images]]
        assert sorted(seen) == sorted(positions)
        rows = [row for _, share in parts if share.images for row in range(len(positions))[share.rows]]
        assert sorted(rows) == list(range(len(positions)))
        assert sum(share.weight for _, share in parts) == pytest.approx(division.accumulation * world_size)
        sizes = [len(part) for part, share in parts if share.images]
        assert max(sizes) <= (micro_batch_size or max(sizes))
        assert max(sizes) - min(sizes) <= 1 or world_size > 1
        assert all(len(part) >= 1 for part, _ in parts)


@pytest.mark.parametrize(
    ("batch_size", "micro", "sizes"), [(61, 32, [31, 30]), (67, 64, [34, 33]), (512, 64, [64] * 8)]
)
def test_a_prime_batch_is_no_reason_for_small_micro_batches(batch_size, micro, sizes):
    assert [len(positions) for positions, _ in StepSampler(batch_size, Division(batch_size, micro))] == sizes


@pytest.mark.parametrize(("batch_size", "world_size", "suggested"), [(8, 3, 9), (512, 7, 518), (2, 4, 4)])
def test_a_batch_that_the_devices_cannot_share_is_refused_with_one_that_they_can(
    splits, batch_size, world_size, suggested
):
    with pytest.raises(ValueError, match=rf"batch_size={batch_size} .* {world_size} devices; try {suggested}$"):
        module_of(splits, batch_size=batch_size).division(world_size)


@pytest.mark.parametrize(("augment", "key_scope"), [("owner", "per_image"), ("provider", "shared")])
def test_micro_batches_are_the_parts_of_the_step_with_the_same_crops_and_keys(splits, ran, augment, key_scope):
    options = {"encryption": encrypting(LE(4), key_scope), "augment": augment, "crop_padding": 2, "flip": True}
    whole = ran(module_of(splits, **options), epochs=2)
    data = module_of(splits, **options, micro_batch_size=3)
    parts = ran(data, epochs=2, accumulate_grad_batches=data.division(1).accumulation)
    for epoch in range(2):
        stage = "train", epoch
        assert [len(batch["index"]) for batch in whole.seen[stage]] == [8, 8, 8, 2]
        assert [len(batch["index"]) for batch in parts.seen[stage]] == [3, 3, 2] * 3 + [2]
        for name in ("index", "label", "image"):
            assert torch.equal(parts.together(stage)[name], whole.together(stage)[name])


@pytest.mark.parametrize("resident_gib", [4.0, 0.0])
def test_devices_share_the_training_images_between_them_and_see_the_crops_of_one(splits, resident_gib):
    def epoch(world_size, rank):
        data = module_of(splits, crop_padding=2, flip=True, resident_gib=resident_gib, seed=2)
        data.trainer = SimpleNamespace(
            world_size=world_size, global_rank=rank, training=True, current_epoch=1, lightning_module=Recorder()
        )
        loader = data.train_dataloader()
        loader.sampler.set_epoch(1)
        batches = [data.on_after_batch_transfer(batch, 0) for batch in loader]
        return {int(i): image for b in batches for i, image in zip(b["index"], b["image"], strict=True)}

    (alone,), together = [epoch(1, 0)], [epoch(2, rank) for rank in range(2)]
    assert sorted([*together[0], *together[1]]) == sorted(alone) == list(range(26))
    for part in together:
        assert all(torch.equal(image, alone[index]) for index, image in part.items())


@pytest.mark.parametrize("count", [1, 3, 9, 10])
def test_devices_count_every_validation_image_once(splits, count):
    val = splits.val.subset(torch.arange(min(count, 9)))
    data, seen = module_of(Splits(splits.train, splits.test, splits.classes, val), batch_size=4), []
    for rank in range(2):
        data.trainer = SimpleNamespace(world_size=2, global_rank=rank)
        batches = list(data.val_dataloader())
        seen += [int(i) for batch in batches for i in batch["position"][: batch["share"].images]]
        assert len(batches) == len(data.val_dataloader())
    assert sorted(seen) == list(range(len(val)))
