"""Scoring of an attack by someone who holds the truth: similarity beside its floors, and the share of the key."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vitcrypt.attacks import Observation, Reconstruction
from vitcrypt.metrics import fold_negative, jigsaw_score, key_shares, psnr, ssim
from vitcrypt.report.records import AttackMetrics, KeyShare, OpenQuartiles, Quartiles, Similarity
from vitcrypt.report.results import finite


def score(
    plain: Tensor,
    observation: Observation,
    reconstruction: Reconstruction,
    subkeys: dict[str, Tensor] | None,
    perceptual: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> AttackMetrics:
    """Measure a reconstruction.

    Args:
        plain: uint8 [n, C, H, W], the true images.
        observation: What the attacker held.
        reconstruction: What they made of it.
        subkeys: The victim's, or None if every image has a key of its own.
        perceptual: LPIPS as `vitcrypt.metrics.lpips` returns it, where its weights are at hand.

    Returns:
        For "restored", and the floors "ciphertext" (untouched) and "unrelated" (the next image of the set
        taken for this one), quartiles over the images of SSIM, PSNR, SSIM of folded images, and LPIPS; the share of
        images restored exactly; the share of every subkey beside that of guessing; how blocks were joined.

    Raises:
        ValueError: The reconstruction has another shape than the truth.
    """
    restored = reconstruction.images.cpu()
    if restored.shape != plain.shape:
        raise ValueError(f"the attack returned images {list(restored.shape)} for {list(plain.shape)}")
    compared = {"restored": restored, "ciphertext": observation.ciphertexts.cpu(), "unrelated": plain.roll(1, 0)}
    if len(plain) == 1:
        del compared["unrelated"]
    found: dict[str, Any] = {
        name: Similarity(
            ssim=Quartiles(**_quartiles(ssim(plain, images))),
            psnr=OpenQuartiles(**_quartiles(psnr(plain, images))),
            folded_ssim=Quartiles(**_quartiles(ssim(fold_negative(plain), fold_negative(images)))),
            **({"lpips": Quartiles(**_quartiles(perceptual(plain, images)))} if perceptual else {}),
        )
        for name, images in compared.items()
    }
    if subkeys is not None and reconstruction.subkeys:
        found["key"] = {
            name: KeyShare(share=share, guessing=_guessing(subkeys[name]))
            for name, share in key_shares(reconstruction.subkeys, subkeys).items()
        }
        if "block_permutation" in subkeys:
            blocks = subkeys["block_permutation"]
            placed = blocks[reconstruction.subkeys["block_permutation"].argsort()]
            height, width = plain.shape[-2:]
            side = math.isqrt(height * width // len(blocks))
            found["blocks"] = vars(jigsaw_score(placed, height // side, width // side))
    exact = float((restored == plain).flatten(1).all(1).double().mean())
    return AttackMetrics(**found, images=len(plain), exact_images=exact)


def _quartiles(values: Tensor) -> dict[str, Any]:
    """Return median, quartiles, least and most; None where infinite (the PSNR of equal images)."""
    points = torch.quantile(values, torch.tensor([0.5, 0.25, 0.75, 0, 1]).double(), interpolation="nearest").tolist()
    named: dict[str, Any] = finite(dict(zip(("median", "lower", "upper", "least", "most"), points, strict=True)))
    return named


def _guessing(subkey: Tensor) -> float:
    """Return the share that a guess gets on average."""
    return 0.5 if subkey.dtype == torch.bool else 1 / (int(subkey.max()) + 1)
