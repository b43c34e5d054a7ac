"""Scoring of an attack by someone who holds the truth: similarity beside its floors, and the share of the key."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vitcrypt.attacks import Observation, Reconstruction
from vitcrypt.metrics import (
    common_symmetry,
    flat_ssim,
    fold_negative,
    identified,
    jigsaw_score,
    key_shares,
    linkage,
    pairwise_correlation,
    pairwise_ssim,
    psnr,
    ssim,
    symmetric_ssim,
)
from vitcrypt.report.measures import (
    AttackMetrics,
    Identified,
    KeyShare,
    Linked,
    OpenQuartiles,
    Quartiles,
    Recognised,
    Similarity,
    SSIMQuartiles,
)
from vitcrypt.report.records import First
from vitcrypt.report.results import finite

AMONG = 1000
"""Among so many originals a restored image is looked for."""
GREYS = torch.arange(0, 257, 32).clamp(max=255).to(torch.uint8)
"""Levels of the constant images that are tried; their negatives count too."""


@dataclass(frozen=True)
class Truth:
    """What the victim holds, and what anyone may hold.

    Args:
        plain: uint8 [n, C, H, W], the true images.
        mean_image: uint8 [C, H, W], the mean of images that are not the victim's; None if there are none.
        subkeys: The victim's, or None if every image has a key of its own.
        labels: int64 [n], classes of the images.
        places: int64 [n], where each image stands in the attacker's gallery; None if there is none.
    """

    plain: Tensor
    mean_image: Tensor | None = None
    subkeys: dict[str, Tensor] | None = None
    labels: Tensor | None = None
    places: Tensor | None = None


def score(
    truth: Truth,
    observation: Observation,
    reconstruction: Reconstruction,
    perceptual: Callable[[Tensor, Tensor], Tensor] | None = None,
    classify: Callable[[Tensor], Tensor] | None = None,
) -> AttackMetrics:
    """Measure a reconstruction.

    Args:
        truth: The true images, and what belongs to them.
        observation: What the attacker held.
        reconstruction: What they made of it.
        perceptual: LPIPS as `vitcrypt.metrics.lpips` returns it, where its weights are at hand.
        classify: uint8 [n, C, H, W] to classes int64 [n], by a network trained on plain images; needs labels.

    Returns:
        For "restored" and each floor (see `AttackMetrics`) quartiles over the images of SSIM as they are and of their
        best version, PSNR, SSIM of folded images, and LPIPS; for restored images and ciphertexts how many find their
        own original, and how many the classifier recognises, in the version that correlates most with the set of
        originals; the share of images restored exactly, and exactly but for a symmetry; the share of every subkey
        beside that of guessing; how blocks were joined.

    Raises:
        ValueError: The reconstruction has another shape than the truth.
    """
    plain, restored = truth.plain, reconstruction.images.cpu()
    if restored.shape != plain.shape:
        raise ValueError(f"the attack returned images {list(restored.shape)} for {list(plain.shape)}")
    far, gallery = reconstruction.distances, observation.gallery
    if far is not None and (gallery is None or far.shape != (len(plain), len(gallery))):
        among = 0 if gallery is None else len(gallery)
        raise ValueError(f"the attack returned distances {list(far.shape)} of {len(plain)} ciphertexts to {among}")
    ciphertexts = observation.pictures.cpu()
    measured, best = similarity(plain, restored, perceptual)
    turned = {"restored": common_symmetry(restored, plain), "ciphertext": common_symmetry(ciphertexts, plain)}
    versions = {"restored": turned["restored"](restored), "ciphertext": turned["ciphertext"](ciphertexts)}
    found: dict[str, Any] = {"restored": measured}
    found |= {name: similarity(plain, images, perceptual)[0] for name, images in floors(truth, ciphertexts).items()}
    if len(plain) > 1:
        for name, images in versions.items():
            found[name] = found[name].model_copy(update={"identified": _identified(images, plain)})
    if classify is not None and truth.labels is not None:
        guessed = {name: classify(images) for name, images in ({"plain": plain} | versions).items()}
        right = {name: float((labels == truth.labels).double().mean()) for name, labels in guessed.items()}
        found["recognised"] = Recognised(**right, chance=float(truth.labels.bincount().max()) / len(plain))
    if truth.places is not None and far is not None and gallery is not None:
        found["linked"] = _linked(far.cpu(), truth.places, gallery)
    for name, images in (("exact_images", restored), ("exact_symmetric", best)):
        found[name] = float((images == plain).flatten(1).all(1).double().mean())
    found |= _of_key(truth, reconstruction)
    return AttackMetrics(**found, images=len(plain), symmetry=str(turned["restored"]))


def similarity(
    plain: Tensor, images: Tensor, perceptual: Callable[[Tensor, Tensor], Tensor] | None = None
) -> tuple[Similarity, Tensor]:
    """Return how much images resemble the true ones, and the version of each image that does most."""
    as_is = ssim(plain, images)
    symmetric, best = symmetric_ssim(images, plain, as_is)
    measures = {"ssim": as_is, "symmetric_ssim": symmetric}
    measures["folded_ssim"] = ssim(fold_negative(plain), fold_negative(images))
    if perceptual:
        measures["lpips"] = perceptual(plain, images)
    kinds = {name: SSIMQuartiles if "ssim" in name else Quartiles for name in measures}
    quartiles: dict[str, Any] = {name: kinds[name](**_quartiles(values)) for name, values in measures.items()}
    return Similarity(**quartiles, psnr=OpenQuartiles(**_quartiles(psnr(plain, images)))), best


def floors(truth: Truth, ciphertexts: Tensor) -> dict[str, Tensor]:
    """Return what it takes no attack to show for each image, by the names of `AttackMetrics`; each as the images."""
    plain, mean = truth.plain, truth.mean_image
    colours = GREYS[:, None].expand(-1, plain.shape[1])
    if mean is not None:
        colours = torch.cat([colours, mean.double().mean((1, 2))[None].round().to(torch.uint8)])
    some = plain[:AMONG]
    values = torch.maximum(flat_ssim(colours, some), flat_ssim(255 - colours, some))
    colour = colours[values.median(1).values.argmax()]
    found = {"ciphertext": ciphertexts, "constant": colour[None, :, None, None].expand_as(plain)}
    if len(plain) > 1:
        found["unrelated"] = plain.roll(1, 0)
    if mean is not None:
        found["mean_image"] = mean.expand_as(plain)
    return found


def first(plain: Tensor, restored: Tensor, ciphertexts: Tensor, count: int) -> First:
    """Return the SSIM of the first images, as they are and of their best version."""
    values: dict[str, list[float]] = {}
    for name, images in (("restored", restored), ("ciphertext", ciphertexts)):
        as_is = ssim(plain[:count], images[:count].cpu())
        values[name] = as_is.tolist()
        values[f"symmetric_{name}"] = symmetric_ssim(images[:count].cpu(), plain[:count], as_is)[0].tolist()
    return First(**values)


def _distinct(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return where each different image stands first, int64 [m], and for each image its number, int64 [n]."""
    numbers: dict[bytes, int] = {}
    first, number = list[int](), list[int]()
    for place, image in enumerate(images.cpu().numpy()):
        number.append(numbers.setdefault(image.tobytes(), len(numbers)))
        if number[-1] == len(first):
            first.append(place)
    return torch.tensor(first), torch.tensor(number)


def _identified(images: Tensor, plain: Tensor) -> Identified | None:
    first, _ = _distinct(plain[:AMONG])
    if len(first) < 2:
        return None
    images, plain = images[first], plain[first]
    rates = {"ssim": pairwise_ssim(images, plain), "features": pairwise_correlation(images, plain)}
    return Identified(among=len(plain), **{name: identified(found) for name, found in rates.items()})


def _linked(distances: Tensor, places: Tensor, gallery: Tensor) -> Linked:
    first, numbers = _distinct(gallery)  # a copy of an image is that image, and hides it from nobody
    distances = distances[:, first]
    found = linkage(distances, numbers[places])
    anonymity = Quartiles(**_quartiles(found.anonymity.double()))
    shares = {"top1": found.top1, "top5": found.top5, "membership": found.membership}
    return Linked(among=distances.shape[1], anonymity=anonymity, **shares)


def _of_key(truth: Truth, reconstruction: Reconstruction) -> dict[str, Any]:
    """Return the share of every subkey beside that of guessing, and how blocks were joined."""
    subkeys, guessed = truth.subkeys, reconstruction.subkeys
    if subkeys is None or not guessed:
        return {}
    shares = key_shares(guessed, subkeys).items()
    found: dict[str, Any] = {
        "key": {name: KeyShare(share=share, guessing=_guessing(subkeys[name])) for name, share in shares}
    }
    if "block_permutation" in subkeys:
        blocks = subkeys["block_permutation"]
        placed = blocks[guessed["block_permutation"].argsort()]
        height, width = truth.plain.shape[-2:]
        side = math.isqrt(height * width // len(blocks))
        found["blocks"] = vars(jigsaw_score(placed, height // side, width // side))
    return found


def _quartiles(values: Tensor) -> dict[str, Any]:
    """Return median, quartiles, least and most; None where infinite (the PSNR of equal images)."""
    points = torch.quantile(values, torch.tensor([0.5, 0.25, 0.75, 0, 1]).double(), interpolation="nearest").tolist()
    named: dict[str, Any] = finite(dict(zip(("median", "lower", "upper", "least", "most"), points, strict=True)))
    return named


def _guessing(subkey: Tensor) -> float:
    """Return the share that a guess gets on average."""
    return 0.5 if subkey.dtype == torch.bool else 1 / (int(subkey.max()) + 1)
