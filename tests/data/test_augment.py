"""Augmentation: what is drawn, and who does it: the owner on plain images, the provider on encrypted ones."""

import numpy as np
import pytest
import torch
from batches import encrypting, levels, module_of, noise, of_index, seeded
from torchvision.transforms import v2

from vitcrypt.data import Manifest, resize
from vitcrypt.data.augmentation import Augmentation
from vitcrypt.data.steps import seed_of
from vitcrypt.data.transforms import random_crop, random_flip, random_roll
from vitcrypt.encryption import ELE, LE, PE, EtC, Plain, Proposed

SCHEMES = [Proposed(4), LE(4), ELE(4), EtC(4), PE()]


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


LISTED = (v2.RandomResizedCrop(12, scale=(0.05, 1.0)), v2.RandomHorizontalFlip(), v2.RandAugment())


@pytest.mark.slow
def test_listed_transforms_draw_for_each_image_from_seed_epoch_and_index_alone(splits, ran):
    encryption = encrypting()
    state = torch.get_rng_state()
    recorder = ran(module_of(splits, encryption, transforms=LISTED, seed=5), epochs=2)
    divided = module_of(splits, encryption, transforms=LISTED, seed=5, micro_batch_size=3, num_workers=2)
    again = ran(divided, epochs=2, accumulate_grad_batches=divided.division(1).accumulation)
    torch.set_rng_state(state)
    Augmentation(LISTED, 5)(*(splits.train.batch([0, 1])[name] for name in ("image", "index")), 0)
    assert torch.equal(torch.get_rng_state(), state)
    for epoch in range(2):
        seen, parts = (each.together(("train", epoch)) for each in (recorder, again))
        assert all(torch.equal(seen[name], parts[name]) for name in seen)
        image, _ = of_index(splits.train, seen["index"])
        for got, each, index in zip(encryption.decrypt(levels(seen["image"])), image, seen["index"], strict=True):
            torch.manual_seed(seed_of(5, epoch, int(index)))
            for transform in LISTED:
                each = transform(each)
            assert torch.equal(got, resize(each, 16))


def test_what_transforms_make_of_an_image_must_be_images_of_one_size(splits):
    for wrong, told in (
        (v2.CenterCrop((4, 6)), r"torch\.uint8 \[3, 4, 6\]"),
        (v2.ToDtype(torch.float32), r"torch\.float32 \[3, 8, 8\]"),
        (v2.Grayscale(), r"torch\.uint8 \[1, 8, 8\]"),
    ):
        with pytest.raises(ValueError, match=rf"data\.transforms: images must come out as .* {told}"):
            module_of(splits, transforms=[wrong])
    assert module_of(splits, transforms=[v2.CenterCrop((4, 6))], augment="none").augmentation is None


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


def test_auto_leaves_alone_what_comes_encrypted_and_lets_the_owner_augment_the_rest(splits, made):
    received = Manifest.read(made / "enc" / "manifest.json")
    assert module_of(splits, encrypting(), augment="auto").augment == "owner"
    assert module_of(splits, None, augment="auto").augment == "owner"
    assert module_of(splits, None, received=received, augment="auto", crop_padding=2, flip=True).augment == "none"
