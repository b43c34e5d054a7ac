"""The key space of each scheme at the paper's settings, years of trying all keys, and Shannon's unicity distance."""

from io import BytesIO
from pathlib import Path

from PIL import Image
from torch import Tensor

from vitcrypt.encryption import ELE, LE, PE, EtC, Proposed, Scheme
from vitcrypt.experiment.sample import sample
from vitcrypt.report.frame import Table, Texts
from vitcrypt.report.security import RATE, search_years

FORMULAS = {
    "LE": "(2d)! 2^(2d)",
    "EtC": "N! 8^N 2^N 6^N",
    "ELE": "((2d)! 2^(2d))^N N!",
    "PE": "2^(3P) 6^P",
    "PE, signs only": "2^(3P)",
    "Proposed": "N! ((M/2)^2)!",
}


CODED = 50
"""Images of which the redundancy is estimated."""


def keyspace(rate: float = RATE, images: Path | None = None) -> Table:
    """Return a table of bits, nominal and effective, of the years of a search, and of the unicity distance.

    Args:
        rate: Keys tried in a second.
        images: An .npz file with images of which the redundancy is estimated; None: see `sample`.
    """
    rows, columns = [[name, formula] for name, formula in FORMULAS.items()], ["scheme", "formula"]
    estimates: list[str] = []
    distances: list[list[str]] = [[] for _ in rows]
    last: list[str] = []
    for shape, block in (((3, 32, 32), 4), ((3, 224, 224), 16)):
        what, examples = sample(shape[1], CODED, images)
        spare = redundancy(examples)
        if spare <= 0:
            raise ValueError(f"lossless WebP finds no redundancy in {what}; set --images to a file with photographs")
        estimates.append(f"{spare:,.0f} bits at {shape[1]} ({len(examples)} images: {what})")
        schemes: list[Scheme] = [LE(block), EtC(block), ELE(block), PE(), PE(channel_shuffle=False), Proposed(block)]
        for row, distance, scheme in zip(rows, distances, schemes, strict=True):
            nominal, effective = scheme.key_space_bits(shape), scheme.effective_key_bits(shape)
            row += [f"{nominal:,.1f}", search_years(nominal, rate), f"{effective:,.1f}"]
            distance += [f"{nominal / spare:.2g}", f"{effective / spare:.2g}"]
        columns += [f"{kind}, {shape[1]}, M = {block}" for kind in ("nominal", "years", "effective")]
        last += [f"{kind}, {shape[1]}, M = {block}" for kind in ("unicity", "unicity, effective")]
    notes = [
        "nominal: log2 of the published formula. effective: at most the 256 bits of the key that all is drawn from.",
        "d = 3 M^2 values in a block of M x M pixels, N blocks, P pixels.",
        f"years: until exhaustive search finds the key, half of the nominal space, at {rate:.0e} keys a second; "
        f"{search_years(256, rate)} for 256 bits.",
        "unicity: ciphertexts that determine the key in principle (Shannon 1949), bits of key over the redundancy R of "
        "an image; below 1 a part of one image is enough. First of the nominal, then of the effective bits.",
        f"R is what lossless WebP saves: {'; '.join(estimates)}. A better coder saves more: these are upper estimates.",
        "None of these is a measure of security: the attacks that work do not search for the key.",
    ]
    whole = [row + distance for row, distance in zip(rows, distances, strict=True)]
    return Table("Key space (bits) and exhaustive search", Texts(whole, columns + last), notes, text=2)


def redundancy(images: Tensor) -> float:
    """Return the bits of an image, uint8 [n, 3, S, S], that lossless WebP does without, the mean: a lower estimate."""
    return 8 * (images[0].numel() - sum(map(_coded, images)) / len(images))


def _coded(image: Tensor) -> int:
    file = BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "WEBP", lossless=True)
    return file.tell()
