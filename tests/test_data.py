"""The way of the data: augmentation, and the data module inside a real Trainer, byte for byte."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning import LightningModule
from PIL import Image
from torch import nn

from vitcrypt.data import TEST_INDEX, ArrayDataset, FileDataset, ImageDataModule, Splits, normalise, resize
from vitcrypt.data.augment import random_crop, random_flip, random_roll, seed_of
from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Plain, Proposed
from vitcrypt.keys import Key
from vitcrypt.models import ImageClassifier, ResNet18

KEY = Key.test("test-0")
SHAPE = (3, 16, 16)
SCHEMES = [Proposed(4), LE(4), ELE(4), EtC(4), PE()]
PRECISIONS = {"bf16-true": torch.bfloat16, "bf16-mixed": torch.float32, "32-true": torch.float32}


def noise(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def arrays(count, first=0, side=8):
    """Return images, no two of which are alike, with labels that their indices tell."""
    index = torch.arange(count) + first
    return ArrayDataset(noise(count, 3, side, side, seed=first % 101), index % 7, index)


@pytest.fixture(scope="module")
def splits():
    return Splits(arrays(26), arrays(11, TEST_INDEX), [str(i) for i in range(7)], val=arrays(9, TEST_INDEX // 2))


def encrypting(scheme=None, key_scope="shared"):
    return ImageEncryption(scheme or Proposed(block_size=4), KEY, SHAPE, key_scope)


def module_of(splits, encryption=None, **options):
    return ImageDataModule(splits, **{"image_size": 16, "encryption": encryption, "batch_size": 8, **options})


def levels(image):
    """Undo the normalisation."""
    return ((image.float() + 1) * 127.5).round().to(torch.uint8)


class Recorder(LightningModule):
    """Keep every batch that arrives."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.seen = {}

    def keep(self, stage, batch):
        self.seen.setdefault(stage, []).append({name: value.clone() for name, value in batch.items()})
        return self.weight * batch["image"].mean()

    def training_step(self, batch, batch_idx):
        return self.keep(("train", self.current_epoch), batch)

    def validation_step(self, batch, batch_idx):
        self.keep("sanity" if self.trainer.sanity_checking else "val", batch)

    def test_step(self, batch, batch_idx):
        self.keep("test", batch)

    def predict_step(self, batch, batch_idx):
        self.keep("predict", batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def together(self, stage):
        """Return what arrived in a stage as one batch."""
        return {name: torch.cat([batch[name] for batch in self.seen[stage]]) for name in self.seen[stage][0]}


@pytest.fixture
def ran(make_trainer):
    """Return a function that trains a Recorder for some epochs and returns it."""

    def run(data, epochs=1, **options):
        recorder = Recorder()
        make_trainer(max_epochs=epochs, **options).fit(recorder, datamodule=data)
        return recorder

    return run


def same(one, other):
    """Return whether two lists of batches are equal to the bit."""
    return len(one) == len(other) and all(
        torch.equal(a[name], b[name])
        for a, b in zip(one, other, strict=True)
        for name in ("image", "label", "index", *(a.keys() ^ b.keys()))
    )


def of_index(dataset, index):
    """Return images and labels of a data set by their indices."""
    position = {name: i for i, name in enumerate(dataset.index.tolist())}
    batch = dataset.__getitems__([position[name] for name in index.tolist()])
    return batch["image"], batch["label"]


# Augmentation


@pytest.mark.parametrize("padding", [1, 4])
@pytest.mark.parametrize("shape", [(7, 3, 8, 8), (5, 1, 6, 9)])
def test_random_crop_is_a_loop_over_images_with_the_same_draws(shape, padding):
    image = noise(*shape)
    tops, lefts = torch.randint(2 * padding + 1, (2, shape[0]), generator=seeded(3)).tolist()
    padded = np.zeros((*shape[:2], shape[2] + 2 * padding, shape[3] + 2 * padding), np.uint8)
    padded[:, :, padding:-padding, padding:-padding] = image.numpy()
    cropped = random_crop(image, padding, seeded(3))
    assert cropped.dtype == torch.uint8
    for i, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        assert np.array_equal(cropped[i].numpy(), padded[i, :, top : top + shape[2], left : left + shape[3]])


def test_random_crop_reaches_every_place_about_equally_often():
    image = torch.zeros(4000, 1, 5, 5, dtype=torch.uint8)
    image[:, :, 2, 2] = 255
    places = random_crop(image, 1, seeded())[:, 0].flatten(1).argmax(1)
    counts = places.bincount(minlength=25).view(5, 5)[1:4, 1:4]
    assert counts.sum() == 4000
    assert 350 < counts.min() <= counts.max() < 550


def test_random_flip_mirrors_or_leaves_alone_each_about_half_of_the_time():
    image = noise(400, 3, 4, 6)
    flipped = random_flip(image, seeded())
    mirrored = [torch.equal(a, b.flip(2)) for a, b in zip(flipped, image, strict=True)]
    kept = [torch.equal(a, b) for a, b in zip(flipped, image, strict=True)]
    assert all(one != other for one, other in zip(mirrored, kept, strict=True))
    assert 160 < sum(mirrored) < 240


@pytest.mark.parametrize("step", [1, 4])
@pytest.mark.parametrize("shape", [(9, 3, 8, 8), (9, 1, 8, 12)])
def test_random_roll_is_torch_roll_of_each_image_with_the_same_draws(shape, step):
    image = noise(*shape)
    down, right = (torch.randint(-1, 2, (2, shape[0]), generator=seeded(5)) * step).tolist()
    rolled = random_roll(image, step, seeded(5))
    assert rolled.dtype == torch.uint8
    for i in range(shape[0]):
        assert torch.equal(rolled[i], image[i].roll((down[i], right[i]), (1, 2)))
    assert len(set(zip(down, right, strict=True))) > 3


@pytest.mark.parametrize(
    "augmentation",
    [
        lambda image, generator: random_crop(image, 2, generator),
        random_flip,
        lambda image, generator: random_roll(image, 2, generator),
    ],
    ids=["crop", "flip", "roll"],
)
def test_the_generator_alone_decides_and_the_global_one_is_not_touched(augmentation):
    image = noise(40, 3, 8, 8)
    before, state = image.clone(), torch.get_rng_state()
    first = augmentation(image, seeded(1))
    torch.manual_seed(99)
    assert torch.equal(first, augmentation(image, seeded(1)))
    assert not torch.equal(first, augmentation(image, seeded(2)))
    assert torch.equal(image, before)
    torch.set_rng_state(state)
    augmentation(image, seeded(1))
    assert torch.equal(torch.get_rng_state(), state)


def test_neighbouring_seeds_epochs_and_ranks_draw_differently():
    drawn = [seed_of(seed, epoch, rank) for seed in range(8) for epoch in range(20) for rank in range(8)]
    assert len(set(drawn)) == len(drawn)
    assert all(0 <= seed < 2**63 for seed in drawn)
    assert seed_of(1, 2, 3) == seed_of(1, 2, 3)


# Normalisation


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_all_256_levels_stay_distinct_and_the_complement_is_the_negative(dtype):
    level = torch.arange(256, dtype=torch.uint8)
    normal = normalise(level, dtype)
    assert normal.dtype == dtype
    assert normal.unique().numel() == 256
    assert torch.equal(normalise(255 - level, dtype), -normal)
    assert (normal[0], normal[255]) == (-1, 1)
    assert torch.equal(levels(normal), level)


def test_normalisation_is_by_mean_and_deviation_one_half():
    level = torch.arange(256, dtype=torch.uint8)
    assert torch.allclose(normalise(level).double(), (level.double() / 255 - 0.5) / 0.5, atol=1e-7)


def test_normalisation_leaves_its_input_alone():
    level = torch.arange(256, dtype=torch.uint8)
    normalise(level)
    assert torch.equal(level, torch.arange(256, dtype=torch.uint8))


# Inside a Trainer


@pytest.mark.parametrize("resident_gib", [4.0, 0.0], ids=["resident", "from the CPU"])
@pytest.mark.parametrize(
    "scheme",
    [None, Plain(), Proposed(4), LE(4), ELE(4), EtC(4), PE()],
    ids=lambda scheme: getattr(scheme, "name", "none"),
)
def test_what_arrives_in_a_trainer_is_what_prepare_makes_and_decrypts_to_the_resized_image(
    splits, ran, make_trainer, scheme, resident_gib
):
    encryption = encrypting(scheme) if scheme is not None else None
    data = module_of(splits, encryption, augment="none", resident_gib=resident_gib, interpolation="bicubic")
    recorder = ran(data)
    trainer = make_trainer()
    trainer.test(recorder, datamodule=data, verbose=False)
    trainer.predict(recorder, datamodule=data)
    stages = {("train", 0): splits.train, "val": splits.val, "test": splits.test, "predict": splits.test}
    assert recorder.seen.keys() == stages.keys()
    for stage, dataset in stages.items():
        got = recorder.together(stage)
        image, label = of_index(dataset, got["index"])
        assert sorted(got["index"].tolist()) == dataset.index.tolist()
        assert torch.equal(got["label"], label)
        assert torch.equal(got["image"], data.prepare(image, got["index"], training=False))
        assert got["image"].shape[1:] == SHAPE
        received, plain = levels(got["image"]), resize(image, 16, "bicubic")
        assert torch.equal(received if encryption is None else encryption.decrypt(received), plain)
        if scheme is not None and scheme.name != "plain":
            assert not torch.equal(received, plain)


def test_validation_test_and_prediction_see_the_images_in_order(splits, ran, make_trainer):
    data = module_of(splits)
    recorder = ran(data)
    make_trainer().test(recorder, datamodule=data, verbose=False)
    make_trainer().predict(recorder, datamodule=data)
    for stage, dataset in (("val", splits.val), ("test", splits.test), ("predict", splits.test)):
        assert torch.equal(recorder.together(stage)["index"], dataset.index)
    assert not torch.equal(recorder.together(("train", 0))["index"], splits.train.index)


def test_the_sanity_check_and_validate_see_validation_images(splits, make_trainer):
    recorder, data = Recorder(), module_of(splits)
    make_trainer(max_epochs=1, num_sanity_val_steps=1).fit(recorder, datamodule=data)
    assert torch.equal(recorder.together("sanity")["index"], splits.val.index[:8])
    recorder.seen.clear()
    make_trainer().validate(recorder, datamodule=data, verbose=False)
    assert torch.equal(recorder.together("val")["index"], splits.val.index)


def test_without_a_validation_split_nothing_is_validated(splits, ran):
    recorder = ran(module_of(Splits(splits.train, splits.test, splits.classes)))
    assert recorder.seen.keys() == {("train", 0)}


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


def test_the_owner_crops_and_flips_small_images_before_resizing_and_encrypting_them(splits, ran):
    encryption = encrypting()
    data = module_of(splits, encryption, crop_padding=2, flip=True, seed=5)
    recorder = ran(data, epochs=2)
    for epoch in range(2):
        generator = seeded(seed_of(5, epoch, 0))
        for batch in recorder.seen["train", epoch]:
            image, _ = of_index(splits.train, batch["index"])
            augmented = random_flip(random_crop(image, 2, generator), generator)
            assert torch.equal(encryption.decrypt(levels(batch["image"])), resize(augmented, 16))


def test_augmentation_is_for_training_alone(splits, ran, make_trainer):
    data = module_of(splits, encrypting(), crop_padding=2, flip=True)
    recorder = ran(data)
    make_trainer().test(recorder, datamodule=data, verbose=False)
    make_trainer().predict(recorder, datamodule=data)
    for stage, dataset in (("val", splits.val), ("test", splits.test), ("predict", splits.test)):
        got = recorder.together(stage)
        assert torch.equal(got["image"], data.prepare(dataset.images, dataset.index, training=False))
    got = recorder.together(("train", 0))
    image, _ = of_index(splits.train, got["index"])
    assert not torch.equal(got["image"], data.prepare(image, got["index"], training=False))


@pytest.mark.parametrize("resident_gib", [4.0, 0.0])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_cipher_gets_8_bit_images_of_the_networks_size(splits, ran, precision, resident_gib):
    class Spy(ImageEncryption):
        asked: list = []  # noqa: RUF012

        def forward(self, image, index=None):
            self.asked.append((image.dtype, tuple(image.shape[1:]), len(index) == len(image)))
            return super().forward(image, index)

    ran(module_of(splits, Spy(Proposed(4), KEY, SHAPE), resident_gib=resident_gib), precision=precision)
    assert len(Spy.asked) == 4 + 2
    assert set(Spy.asked) == {(torch.uint8, SHAPE, True)}


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


@pytest.mark.parametrize("key_scope", ["shared", "per_image"])
def test_images_on_the_device_and_images_from_the_cpu_make_the_same_batches(splits, ran, key_scope):
    options = {"crop_padding": 2, "flip": True, "seed": 3}
    one, other = (
        ran(module_of(splits, encrypting(key_scope=key_scope), resident_gib=gib, **options), epochs=2) for gib in (4, 0)
    )
    assert one.seen.keys() == other.seen.keys()
    for stage in one.seen:
        assert same(one.seen[stage], other.seen[stage])


def test_files_decoded_by_worker_processes_make_the_batches_that_images_in_memory_make(splits, ran, tmp_path):
    def on_disk(dataset):
        paths = [tmp_path / f"{index}.png" for index in dataset.index.tolist()]
        for path, image in zip(paths, dataset.images, strict=True):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
        return FileDataset(paths, dataset.labels, dataset.index, 8, "bilinear")

    files = Splits(on_disk(splits.train), on_disk(splits.test), splits.classes, on_disk(splits.val))
    options = {"encryption": encrypting(), "crop_padding": 2, "flip": True}
    held = ran(module_of(splits, **options), epochs=2)
    for workers in (0, 2):
        read = ran(module_of(files, **options, num_workers=workers), epochs=2)
        assert held.seen.keys() == read.seen.keys()
        for stage in held.seen:
            assert same(held.seen[stage], read.seen[stage])


@pytest.mark.parametrize("scheme", [Proposed(4), ELE(4), PE()], ids=lambda scheme: scheme.name)
def test_images_under_keys_of_their_own_decrypt_exactly_by_their_index(splits, ran, make_trainer, scheme):
    encryption = encrypting(scheme, "per_image")
    data = module_of(splits, encryption, augment="none")
    recorder = ran(data)
    make_trainer().test(recorder, datamodule=data, verbose=False)
    for stage, dataset in ((("train", 0), splits.train), ("val", splits.val), ("test", splits.test)):
        got = recorder.together(stage)
        image, _ = of_index(dataset, got["index"])
        received, plain = levels(got["image"]), resize(image, 16)
        assert torch.equal(encryption.decrypt(received, got["index"]), plain)
        assert not torch.equal(encryption.decrypt(received, got["index"] + 1), plain)
        alone = ImageEncryption(scheme, KEY.for_image(int(got["index"][0])), SHAPE)
        assert torch.equal(alone.decrypt(received[0]), plain[0])


def test_the_provider_rolls_ciphertexts_of_le_into_ciphertexts_of_rolled_images(splits, ran):
    encryption = encrypting(LE(4))
    got = ran(module_of(splits, encryption, augment="provider", crop_padding=2, flip=True)).together(("train", 0))
    plain = resize(of_index(splits.train, got["index"])[0], 16)
    moves = []
    for received, image in zip(encryption.decrypt(levels(got["image"])), plain, strict=True):
        fits = [
            (down, right)
            for down in (-4, 0, 4)
            for right in (-4, 0, 4)
            if torch.equal(received, image.roll((down, right), (1, 2)))
        ]
        assert len(fits) == 1
        moves += fits
    assert len(set(moves)) > 3


@pytest.mark.parametrize("scheme", [Proposed(4), ELE(4), EtC(4), PE()], ids=lambda scheme: scheme.name)
def test_a_provider_cannot_augment_where_nothing_survives(splits, scheme):
    with pytest.raises(ValueError, match=rf"augment=provider: .*{scheme.name} .*augment=owner or .*augment=none"):
        module_of(splits, encrypting(scheme), augment="provider")


@pytest.mark.parametrize("encryption", [None, encrypting(Plain())], ids=["encrypted elsewhere", "plain"])
def test_a_provider_crops_and_flips_what_it_received(splits, ran, encryption):
    got = ran(module_of(splits, encryption, augment="provider", crop_padding=2, flip=True, seed=4)).seen["train", 0]
    generator = seeded(seed_of(4, 0, 0))
    for batch in got:
        received = resize(of_index(splits.train, batch["index"])[0], 16)
        assert torch.equal(levels(batch["image"]), random_flip(random_crop(received, 2, generator), generator))


def test_a_provider_may_always_leave_the_images_alone(splits):
    for scheme in SCHEMES:
        module_of(splits, encrypting(scheme), augment="none")


# Batches and devices


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


@pytest.mark.parametrize("resident_gib", [4.0, 0.0])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_batches_arrive_in_the_type_of_the_weights_and_a_step_runs(splits, make_trainer, precision, resident_gib):
    seen = []

    class Watched(ImageClassifier):
        def training_step(self, batch, batch_idx):
            seen.append(batch["image"])
            return super().training_step(batch, batch_idx)

    network = ResNet18(num_classes=7, width=2)
    before = network.fc.weight.clone()
    classifier = Watched(network, 7, lambda parameters: torch.optim.SGD(parameters, lr=0.1))
    data = module_of(splits, encrypting(), augment="none", resident_gib=resident_gib)
    make_trainer(max_epochs=1, precision=precision).fit(classifier, datamodule=data)
    assert {image.dtype for image in seen} == {PRECISIONS[precision]}
    assert {parameter.dtype for parameter in network.parameters()} == {PRECISIONS[precision]}
    assert not torch.equal(network.fc.weight.float(), before)
    assert torch.cat([levels(image) for image in seen]).unique().numel() == 256


def test_the_data_module_counts_the_classes(splits):
    assert module_of(splits).num_classes == 7


def test_the_standalone_methods_need_no_trainer(splits):
    data = module_of(splits, encrypting())
    image, index = splits.test.images, splits.test.index
    assert torch.equal(data.plain(image), resize(image, 16))
    assert torch.equal(data.encrypted(image, index), data.encryption(resize(image, 16)))
    assert torch.equal(levels(data.prepare(image, index, training=False)), data.encrypted(image, index))
