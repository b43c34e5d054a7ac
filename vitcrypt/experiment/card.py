"""The evaluation card: what is commonly measured of image encryption, of all schemes in one table."""

import math
from pathlib import Path

import torch
from torch import Tensor

from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Plain, Proposed, Scheme
from vitcrypt.experiment.sample import sample
from vitcrypt.keys import Key
from vitcrypt.metrics import card
from vitcrypt.report.frame import Table, Texts

DIGITS = {"MSE": ".0f", "PSNR, dB": ".1f", "chi^2": ",.0f"}
"""Of measures that are not told by .3f."""
ACCURACY = "accuracy, %|under another key, %"
KEYS = "test-0", "test-1"
NOTES = (
    "MSE, PSNR, SSIM, MI (mutual information of values in one place): against the plain image. KL: of its values from "
    "those of the ciphertext. Medians of PSNR and SSIM, else means.",
    "chi^2: distance of the values from equally frequent ones. entropy: of the values, in bits; 2D: of a "
    "value with the mean of the 3 x 3 around it. adjacent: correlation of neighbours. flatness: geometric over "
    "arithmetic mean of the power spectrum.",
    "NPCR, UACI: values that change, and by how much of 255, when a value of the image changes by a bit, or the key "
    "is another one; in percent.",
    "another image: taken for a ciphertext. uniform noise: what an ideal cipher shows, with a fresh pad each time.",
    "LPIPS is left out, as it needs the weights of a network: `vitcrypt attack lpips_weights=FILE` measures it.",
    "None of these is a measure of security: `vitcrypt report security` has the attacks.",
)


def evaluation_card(size: int, block: int, count: int, file: Path | None = None, runs: tuple[Path, ...] = ()) -> Table:
    """Measure every scheme on up to `count` images.

    Args:
        size: Side of the images.
        block: Side of the blocks.
        count: How many images; see `sample`.
        file: Where from.
        runs: Folders of finished trainings: of each the accuracy on its test images, and under another key.
    """
    what, plain = sample(size, count, file)
    shape = (3, size, size)
    schemes: list[Scheme] = [Plain(), LE(block), EtC(block), ELE(block), PE(), Proposed(block)]
    accuracies = dict(_accuracies(run) for run in runs)
    rows = []
    for scheme in schemes:
        mine, other = (ImageEncryption(scheme, Key.test(key), shape) for key in KEYS)
        encrypted = mine(plain)
        changes = card.changes(encrypted, mine(card.one_bit(plain)), other(plain))
        cells = [*_told(plain, encrypted).values(), *(f"{change:.2f}" for change in changes.values())]
        rows.append([scheme.name, *cells, *accuracies.pop(scheme.name, ["", ""])])
    generator = torch.Generator().manual_seed(0)
    pads = [torch.randint(0, 256, plain.shape, dtype=torch.uint8, generator=generator) for _ in range(2)]
    noise = [f"{change:.2f}" for change in card.changes(pads[0], pads[1], pads[1]).values()]
    shifted = _told(plain, plain.roll(1, 0))
    rows.append(["another image", *shifted.values(), *[""] * 6])
    rows.append(["uniform noise", *_told(plain, pads[0]).values(), *noise, "", ""])
    columns = ["scheme", *shifted, *changes]
    shown = Texts(rows, columns + ACCURACY.split("|")) if runs else Texts([row[:-2] for row in rows], columns)
    notes = [*NOTES, *([] if runs else ["accuracy: not measured; --run FOLDER names a finished run."])]
    title = f"Evaluation card: {len(plain)} images of {size} x {size}, blocks of {block} x {block}, {what}"
    return Table(title, shown, notes)


def _told(plain: Tensor, encrypted: Tensor) -> dict[str, str]:
    found = card.measures(plain, encrypted).items()
    return {name: "exact" if math.isinf(value) else f"{value:{DIGITS.get(name, '.3f')}}" for name, value in found}


def _accuracies(run: Path) -> tuple[str, list[str]]:
    """Return the scheme of a finished run, and its accuracy in percent on its test images and under another key."""
    from vitcrypt.experiment.evaluate import evaluate, job_of

    job = job_of(run, [])
    keys = [str(job.config.key), next(key for key in KEYS[::-1] if key != job.config.key)]
    found = [evaluate(run, [f"key={key}", "trainer=cpu"])[0] for key in keys]
    return job.config.names.encryption, [f"{100 * metrics['acc']:.2f}" for metrics in found]
