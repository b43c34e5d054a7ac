"""Draw what the schemes hide of a photograph, and what attackers restore of it: the picture of README.

    python experiments/overview.py docs/overview.png

The victim encrypts six photographs (96 x 96, blocks of 8 x 8) that scikit-image and scikit-learn ship, under one key;
the first is shown. The attacker of the second row holds these six ciphertexts and 300 squares out of other photographs,
the one of the third row 20 images with their ciphertexts. SSIM with the true image is that of the best of 96 versions
(mirrored, turned, negated, channels exchanged). Half a minute on one core.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from photographs import APART, photographs, squares
from torch import Tensor

from vitcrypt.attacks import FR, Attack, Jigsaw, KnownPlaintext, Observation, Statistics
from vitcrypt.data import resize
from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Proposed, Scheme
from vitcrypt.keys import Key
from vitcrypt.metrics import symmetric_ssim
from vitcrypt.report.figures import saved

SIDE, BLOCK, PAIRS = 96, 8, 20
PUBLIC = 300
VICTIM = ("chelsea.png", "coffee.png", "astronaut.png", "rocket.jpg", "flower.jpg", "china.jpg")
OTHERS = ("motorcycle_left.png", "grace_hopper.jpg")
SEEN = ("motorcycle_right.png", "grace_hopper.jpg", "ihc.png", "coins.png", "clock_motion.png")
SCHEMES: dict[Scheme, Attack] = {
    PE(): Statistics(),
    LE(BLOCK): Statistics(),
    EtC(BLOCK): Jigsaw(),
    ELE(BLOCK): FR(),
    Proposed(BLOCK): Jigsaw(),
}
"""Each with what restores most of so few ciphertexts alone in seconds, of what was tried; of ELE that is nothing."""


def images() -> tuple[Tensor, Tensor, Tensor]:
    """Return the victim's images, those that the attacker has in plain, and public ones, all uint8 [n, 3, S, S]."""
    found = photographs()
    plain = torch.cat([resize(_tensor(found[name])[None], SIDE) for name in VICTIM])
    known = torch.stack([_tensor(square) for name in OTHERS for square in squares(found[name], 0)[: PAIRS // 2]])
    seen = torch.stack([_tensor(square) for name in SEEN for square in squares(found[name], APART // 2)])
    return plain, resize(known, SIDE), resize(seen[:: len(seen) // PUBLIC][:PUBLIC], SIDE)


def _tensor(image: np.ndarray) -> Tensor:
    """Return the square in the middle, uint8 [3, S, S]."""
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return torch.from_numpy(image[top : top + side, left : left + side].copy()).permute(2, 0, 1)


def restored(
    scheme: Scheme, attack: Attack, plain: Tensor, known: Tensor, public: Tensor
) -> dict[str, tuple[str, Tensor]]:
    """Return for each row of a column what stands above the image, and the image, uint8 [3, S, S]."""
    encrypt = ImageEncryption(scheme, Key.test("test-0"), tuple(plain.shape[1:]))
    held = Observation(scheme, encrypt(plain), public_images=public)
    paired = Observation(scheme, encrypt(plain), known=(known, encrypt(known)))
    return {
        "encrypted": (scheme.name, held.ciphertexts[0]),
        "from six ciphertexts\nalone": (attack.name, attack(held).images[0]),
        f"from {PAIRS} known\npairs": ("known_plaintext", KnownPlaintext()(paired).images[0]),
    }


def overview(path: Path) -> Path:
    """Draw the picture."""
    plain, known, public = images()
    columns = [restored(scheme, attack, plain, known, public) for scheme, attack in SCHEMES.items()]
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    axes = figure.subplots(len(columns[0]), len(columns) + 1)
    for axis in axes[:, 0]:
        axis.set_axis_off()
    show(axes[0, 0], plain[0], "plain", "")
    for column, found in zip(axes[:, 1:].T, columns, strict=True):
        for axis, (title, image) in zip(column, found.values(), strict=True):
            show(axis, image, title, f"SSIM {symmetric_ssim(image[None], plain[:1])[0].item():.2f}")
    for axis, row in zip(axes[:, 1], columns[0], strict=True):
        axis.set_ylabel(row, rotation=0, ha="right", va="center", labelpad=10, fontsize=11)
    return saved(figure, path, dpi=100)


def show(axis: Axes, image: Tensor, title: str, words: str) -> None:
    """Draw an image between two lines."""
    axis.set_axis_on()
    axis.imshow(image.permute(1, 2, 0).numpy(), interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.set_title(title, fontsize=11)
    axis.set_xlabel(words, fontsize=10)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(overview(Path(sys.argv[1])))
