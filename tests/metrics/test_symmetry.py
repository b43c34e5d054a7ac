"""The best version of an image, and whether images find their own original."""

import pytest
import torch
from torch.nn.functional import interpolate

from vitcrypt.metrics import (
    common_symmetry,
    flat_ssim,
    identified,
    pairwise_correlation,
    pairwise_ssim,
    ssim,
    symmetric_ssim,
    symmetries,
)


def smooth(count, height=32, width=32, seed=0):
    """Images of coarse areas and some noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 5, generator=generator) * 200
    images = interpolate(coarse, size=(height, width), mode="bicubic")
    return (images + torch.randint(0, 30, images.shape, generator=generator)).clamp(0, 255).to(torch.uint8)


def test_there_are_as_many_versions_as_the_group_has_elements():
    for square, count in ((True, 96), (False, 48)):
        images = smooth(1, 32, 32 if square else 24)
        versions = torch.stack([version(images)[0].flatten() for version in symmetries(3, square)])
        assert len(versions.unique(dim=0)) == len(versions) == count
    assert str(symmetries(3, True)[0]) == "as it is"


@pytest.mark.parametrize("width", [32, 24])
def test_every_version_is_found_and_none_looks_worse_than_as_it_is(width):
    images = smooth(96, 32, width)
    versions = symmetries(3, width == 32)
    turned = torch.cat([version(images[i : i + 1]) for i, version in enumerate(versions)])
    target = images[: len(versions)]
    best, found = symmetric_ssim(turned, target)
    assert best.eq(1).all()
    assert torch.equal(found, target)
    other = target.roll(1, 0)
    assert (symmetric_ssim(other, target)[0] >= ssim(other, target)).all()


def test_the_best_of_a_blurred_and_noisy_version_is_that_of_trying_all():
    images = smooth(40)
    noise = torch.randint(0, 256, images.shape, generator=torch.Generator().manual_seed(1))
    damaged = ((images.int() + noise) // 2).to(torch.uint8)
    version = symmetries(3, True)[37]
    tried = torch.stack([other(version(damaged)) for other in symmetries(3, True)])
    every = torch.stack([ssim(images_, images) for images_ in tried]).max(0).values
    assert symmetric_ssim(version(damaged), images)[0].median() == pytest.approx(float(every.median()), abs=1e-3)
    assert torch.equal(common_symmetry(version(damaged), images)(version(damaged)), damaged)


def test_ssim_of_constants_is_that_of_constant_images():
    images, colours = smooth(3), torch.tensor([[0, 128, 255], [90, 90, 90]], dtype=torch.uint8)
    flat = [ssim(colour[None, :, None, None].expand_as(images).contiguous(), images) for colour in colours]
    assert torch.allclose(flat_ssim(colours, images), torch.stack(flat))


def test_all_windows_of_all_pairs_are_ssim():
    one, other = smooth(5), smooth(4, seed=1)
    expected = [[float(ssim(a[None], b[None])) for b in other] for a in one]
    assert pairwise_ssim(one, other, stride=1).tolist() == [pytest.approx(row, abs=1e-5) for row in expected]


def test_images_find_their_own_in_any_version_and_what_is_equal_for_all_finds_one_of_n():
    images = smooth(50, 64, 64)
    each = torch.cat([symmetries(3, True)[i + 7](images[i : i + 1]) for i in range(50)])
    assert identified(pairwise_correlation(each, images)) == 1
    assert identified(pairwise_ssim(images, images)) == 1
    mean = images.float().mean(0, keepdim=True).to(torch.uint8).expand_as(images)
    for empty in (mean, torch.full_like(images, 128), smooth(1, 64, 64, seed=3).expand_as(images)):
        assert identified(pairwise_ssim(empty, images)) == pytest.approx(1 / 50)
        assert identified(pairwise_correlation(empty, images)) == pytest.approx(1 / 50)
    assert identified(pairwise_correlation(images.roll(1, 0), images)) == 0


def test_images_that_are_there_twice_share_what_finds_them():
    images = smooth(10).repeat(2, 1, 1, 1)
    assert identified(pairwise_ssim(images, images)) == pytest.approx(0.5)
    assert identified(pairwise_correlation(images, images)) == pytest.approx(0.5)
