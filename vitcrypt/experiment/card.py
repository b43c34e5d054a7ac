"""The evaluation card: what is commonly measured of image encryption, of all schemes in one table."""

from pathlib import Path

import torch
from torch import Tensor

from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Plain, Proposed, Scheme
from vitcrypt.experiment.sample import sample
from vitcrypt.keys import Key
from vitcrypt.metrics import card, psnr, ssim
from vitcrypt.report.frame import Table, Texts

COLUMNS = "MSE|PSNR, dB|SSIM|MI, bits|KL, bits|chi^2|entropy|adjacent|flatness"
CHANGES = "NPCR, image|UACI, image|NPCR, key|UACI, key"
ACCURACY = "accuracy, %|under another key, %"
KEYS = "test-0", "test-1"
NOTES = (
    "MSE, PSNR, SSIM, MI (mutual information of values in one place): against the plain image. KL: of its values from "
    "those of the ciphertext. Medians of PSNR and SSIM, else means.",
    "chi^2: distance of the values from equally frequent ones. entropy: of the values, in bits. adjacent: correlation "
    "of neighbours. flatness: geometric over arithmetic mean of the power spectrum.",
    "NPCR, UACI: values that change, and by how much of 255, when a value of the image changes by a bit, or the key "
    "is another one; in percent.",
    "another image: taken for a ciphertext. uniform noise: what an ideal cipher shows, with a fresh pad each time.",
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
        encrypted, changed = mine(plain), mine(_one_bit(plain))
        cells = _measures(plain, encrypted)
        for compared in (changed, other(plain)):
            cells += [f"{100 * card.npcr(encrypted, compared):.2f}", f"{100 * card.uaci(encrypted, compared):.2f}"]
        rows.append([scheme.name, *cells, *accuracies.pop(scheme.name, ["", ""])])
    generator = torch.Generator().manual_seed(0)
    pads = [torch.randint(0, 256, plain.shape, dtype=torch.uint8, generator=generator) for _ in range(2)]
    noise = [f"{100 * measure(*pads):.2f}" for measure in (card.npcr, card.uaci)] * 2
    rows.append(["another image", *_measures(plain, plain.roll(1, 0)), *[""] * 6])
    rows.append(["uniform noise", *_measures(plain, pads[0]), *noise, "", ""])
    columns = ["scheme", *COLUMNS.split("|"), *CHANGES.split("|")]
    shown = Texts(rows, columns + ACCURACY.split("|")) if runs else Texts([row[:-2] for row in rows], columns)
    notes = [*NOTES, *([] if runs else ["accuracy: not measured; --run FOLDER names a finished run."])]
    title = f"Evaluation card: {len(plain)} images of {size} x {size}, blocks of {block} x {block}, {what}"
    return Table(title, shown, notes)


def _measures(plain: Tensor, encrypted: Tensor) -> list[str]:
    mse = (plain.double() - encrypted.double()).square().mean()
    decibels = psnr(plain, encrypted).median()
    found = [f"{mse:.0f}", "exact" if decibels.isinf() else f"{decibels:.1f}"]
    found += [f"{ssim(plain, encrypted).median():.3f}", f"{card.mutual_information(plain, encrypted):.3f}"]
    found += [f"{card.divergence(plain, encrypted):.3f}", f"{card.chi_square(encrypted):,.0f}"]
    found += [f"{measure(encrypted):.3f}" for measure in (card.entropy, card.adjacent_correlation)]
    return [*found, f"{card.spectral_flatness(encrypted):.3f}"]


def _one_bit(images: Tensor) -> Tensor:
    """Change the lowest bit of one value of each image."""
    changed = images.clone()
    changed[:, 0, images.shape[2] // 2, images.shape[3] // 2] ^= 1
    return changed


def _accuracies(run: Path) -> tuple[str, list[str]]:
    """Return the scheme of a finished run, and its accuracy in percent on its test images and under another key."""
    from vitcrypt.experiment.evaluate import evaluate, job_of

    job = job_of(run, [])
    keys = [str(job.config.key), next(key for key in KEYS[::-1] if key != job.config.key)]
    found = [evaluate(run, [f"key={key}", "trainer=cpu"])[0] for key in keys]
    return job.config.names.encryption, [f"{100 * metrics['acc']:.2f}" for metrics in found]
