import numpy as np
import pytest
import torch

from vitcrypt.metrics import fold_negative, jigsaw_score, key_shares, psnr, ssim


def pairs() -> tuple[torch.Tensor, torch.Tensor]:
    """Half noise, a negative, a flat image."""
    r = np.random.default_rng(0)
    a = r.integers(0, 256, (3, 3, 16, 12), dtype=np.uint8)
    b = (a // 2 + r.integers(0, 128, a.shape)).astype(np.uint8)
    b[1], b[2] = 255 - a[1], 200
    return torch.from_numpy(a), torch.from_numpy(b)


# scikit-image 0.26, with a and b as above:
#   from skimage.metrics import peak_signal_noise_ratio, structural_similarity
#   [structural_similarity(x, y, channel_axis=0, data_range=255) for x, y in zip(a, b)]
#   [peak_signal_noise_ratio(x, y) for x, y in zip(a, b)]
SSIM = [0.6800343491269706, -0.9796991983314709, 0.009512301985556382]
PSNR = [13.958506441018773, 4.437526447606814, 7.668073838012913]


def test_ssim_and_psnr_are_scikit_images():
    a, b = pairs()
    assert ssim(a, b).tolist() == pytest.approx(SSIM, abs=1e-12)
    assert psnr(a, b).tolist() == pytest.approx(PSNR, abs=1e-12)


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_agrees_with_scikit_image_itself(channels):
    metrics = pytest.importorskip("skimage.metrics")
    r = np.random.default_rng(1)
    smooth = np.cumsum(r.integers(-3, 4, (6, channels, 40, 33)), -1).clip(-128, 127) + 128
    a = smooth.astype(np.uint8)
    b = (smooth + r.integers(-20, 21, smooth.shape)).clip(0, 255).astype(np.uint8)
    b[0] = a[0]
    expected = [metrics.structural_similarity(x, y, channel_axis=0, data_range=255) for x, y in zip(a, b, strict=True)]
    assert ssim(torch.from_numpy(a), torch.from_numpy(b)).tolist() == pytest.approx(expected, abs=1e-9)


def test_ssim_of_a_large_batch_is_that_of_its_images():
    images = torch.randint(0, 256, (5, 3, 300, 300), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    together = ssim(images, images.roll(1, 0))
    apart = torch.cat([ssim(images[i : i + 1], images[i - 1 :][:1]) for i in range(5)])
    assert torch.equal(together, apart)
    assert ssim(images, images).eq(1).all()
    assert psnr(images, images).isinf().all()


def test_a_negative_folds_onto_its_positive():
    a, _ = pairs()
    assert torch.equal(fold_negative(a), fold_negative(255 - a))
    assert ssim(fold_negative(a), fold_negative(255 - a)).eq(1).all()
    assert fold_negative(a).max() <= 127


def test_bad_images_are_named():
    a, _ = pairs()
    with pytest.raises(TypeError, match=r"uint8.*float32"):
        ssim(a.float(), a)
    with pytest.raises(ValueError, match="one shape"):
        psnr(a, a[:2])
    with pytest.raises(ValueError, match=r"7 x 7 window.*16 x 6"):
        ssim(a[..., :6], a[..., :6])


def test_jigsaw_measures_on_a_shifted_layout():
    true = torch.arange(12)
    assert vars(jigsaw_score(true, 3, 4)) == {"direct": 1, "neighbour": 1, "largest": 1}
    # the left column cut off and put on the right: nothing in its place, two parts of 9 and 3 well joined
    shifted = true.view(3, 4).roll(-1, 1).flatten()
    score = jigsaw_score(shifted, 3, 4)
    assert score.direct == 0
    assert score.neighbour == (3 * 2 + 2 * 4) / (3 * 3 + 2 * 4)
    assert score.largest == 9 / 12
    reverse = jigsaw_score(true.flip(0), 3, 4)
    assert (reverse.neighbour, reverse.largest) == (0, 1 / 12)


def test_a_block_at_the_right_edge_does_not_join_the_next_row():
    layout = torch.tensor([1, 2, 3, 0])  # of 2 x 2: block 2 starts the second row, so 1 | 2 is no joint
    assert jigsaw_score(layout, 2, 2).neighbour == 1 / 4  # 1 above 3


def test_key_shares():
    truth = {"permutation": torch.tensor([2, 0, 1, 3]), "bits": torch.tensor([True, False])}
    assert key_shares({"permutation": torch.tensor([2, 1, 0, 3])}, truth) == {"permutation": 0.5, "bits": 0}
    with pytest.raises(ValueError, match="other: no such subkey"):
        key_shares({"other": truth["bits"]}, truth)
    with pytest.raises(ValueError, match=r"shape \[2\], got \[1\]"):
        key_shares({"bits": truth["bits"][:1]}, truth)
