"""Resizing against Pillow itself, byte for byte."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from samples import noise_tensor as noise

from vitcrypt.data import resize

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
PAIRS = [(8, 32), (28, 32), (32, 33), (33, 32), (17, 100), (100, 17), (224, 32), (300, 224), (1, 9), (9, 1), (97, 101)]


def contents(side):
    rng = np.random.default_rng(side)
    row, column = np.indices((side, side))
    return {
        "noise": rng.integers(0, 256, (side, side, 3)),
        "coins": rng.integers(0, 2, (side, side, 3)) * 255,
        "checkerboard": np.stack([(row + column) % 2 * 255] * 3, -1),
        "black": np.zeros((side, side, 3)),
        "white": np.full((side, side, 3), 255),
        "ramp": np.stack([row % 256, column % 256, (row + column) % 256], -1),
        "dot": np.where((row == side // 2) & (column == side // 2), 255, 0)[..., None].repeat(3, -1),
    }


def by_pillow(image, size, interpolation):
    """Resize uint8 [h, w, 3] and return uint8 [3, size, size]."""
    resized = Image.fromarray(image).resize((size, size), FILTERS[interpolation])
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(("side", "size"), PAIRS)
def test_every_byte_is_that_of_pillow(side, size, interpolation):
    for name, content in contents(side).items():
        image = content.astype(np.uint8)
        ours = resize(torch.from_numpy(image).permute(2, 0, 1), size, interpolation)
        assert ours.dtype == torch.uint8
        assert torch.equal(ours, by_pillow(image, size, interpolation)), name


@settings(deadline=None, max_examples=60, database=None)
@given(st.integers(1, 48), st.integers(1, 48), st.sampled_from(sorted(FILTERS)), st.integers(0, 2**32))
def test_every_byte_is_that_of_pillow_at_any_size(side, size, interpolation, seed):
    rng = np.random.default_rng(seed)
    image = rng.choice(np.array([0, 1, 127, 128, 254, 255], np.uint8), (side, side, 3))
    assert torch.equal(
        resize(torch.from_numpy(image).permute(2, 0, 1), size, interpolation), by_pillow(image, size, interpolation)
    )


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(("side", "size"), [(8, 20), (20, 8)])
def test_an_image_in_a_batch_is_resized_as_it_is_alone(side, size, interpolation):
    batch = noise(2, 5, 3, side, side)
    together = resize(batch, size, interpolation)
    assert together.shape == (2, 5, 3, size, size)
    assert together.is_contiguous()
    for i in range(2):
        for j in range(5):
            assert torch.equal(together[i, j], resize(batch[i, j], size, interpolation))


def test_an_image_that_is_not_contiguous_is_resized_alike():
    image = noise(9, 9, 3).permute(2, 0, 1)
    assert torch.equal(resize(image, 14, "bicubic"), resize(image.contiguous(), 14, "bicubic"))


@pytest.mark.parametrize("interpolation", FILTERS)
def test_an_image_of_that_size_stays_as_it_is(interpolation):
    image = noise(2, 3, 12, 12)
    assert torch.equal(resize(image, 12, interpolation), image)


def test_bilinear_is_the_default():
    image = noise(3, 7, 7)
    assert torch.equal(resize(image, 11), resize(image, 11, "bilinear"))
    assert not torch.equal(resize(image, 11), resize(image, 11, "bicubic"))


@pytest.mark.parametrize("shape", [(3, 8, 9), (2, 3, 9, 8)])
def test_an_image_that_is_not_square_is_refused(shape):
    with pytest.raises(ValueError, match=r"only square images.*\[.*\].*crop"):
        resize(torch.zeros(shape, dtype=torch.uint8), 8)


@pytest.mark.parametrize("interpolation", FILTERS)
def test_the_input_is_not_changed(interpolation):
    image = noise(3, 10, 10)
    before = image.clone()
    resize(image, 5, interpolation)
    assert torch.equal(image, before)
