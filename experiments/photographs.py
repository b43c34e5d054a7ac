"""Squares of 224 pixels, cut at native resolution out of photographs that installed packages ship.

    python experiments/photographs.py photographs.npz
    python -m vitcrypt.attack --config-dir experiments --config-name linkage data=npz data.root=photographs.npz \
        names.data=photographs image_size=224 block_size=16 encryption=proposed \
        attack.observation.ciphertexts=100

    python experiments/photographs.py apart.npz --apart

Test images: squares 32 pixels apart, at most 100 of a photograph. They overlap: candidates of a gallery resemble
each other far more than photographs of different scenes do. The label is the photograph. Training images: squares that
begin 16 pixels further. With --apart, test images are of every second photograph and training images of the others: an
attack that is given these as public images has never seen the scenes of its victim.
"""

import sys
from pathlib import Path

import matplotlib
import numpy as np
import skimage
import sklearn.datasets
from numpy.typing import NDArray
from PIL import Image

SIDE, APART, MOST = 224, 32, 100
NAMES = {
    skimage: "astronaut.png brick.png camera.png cell.png chelsea.png clock_motion.png coffee.png coins.png grass.png "
    "gravel.png hubble_deep_field.jpg ihc.png moon.png motorcycle_left.png motorcycle_right.png retina.jpg rocket.jpg",
    sklearn.datasets: "china.jpg flower.jpg",
    matplotlib: "grace_hopper.jpg",
}
FOLDERS = {skimage: "data", sklearn.datasets: "images", matplotlib: "mpl-data/sample_data"}


def photographs() -> dict[str, NDArray[np.uint8]]:
    """Return the photographs by name, uint8 [H, W, 3]."""
    found = {}
    for package, names in NAMES.items():
        for name in names.split():
            file = Path(package.__file__ or "").parent / FOLDERS[package] / name
            found[name] = np.asarray(Image.open(file).convert("RGB"))
    return found


def squares(image: NDArray[np.uint8], first: int) -> list[NDArray[np.uint8]]:
    """Cut out squares that begin at `first` and each 32 pixels further, at most 100 spread over all of them."""
    height, width = image.shape[:2]
    tops, lefts = (range(first, side - SIDE + 1, APART) for side in (height, width))
    cut = [image[top : top + SIDE, left : left + SIDE] for top in tops for left in lefts]
    count = min(len(cut), MOST)
    return [cut[i * len(cut) // count] for i in range(count)]


if __name__ == "__main__":
    apart = sys.argv[2:] == ["--apart"]
    if len(sys.argv) != 2 + apart:
        sys.exit(__doc__)
    arrays = {"classes": np.array(list(photographs()))}
    for split, first, other in (("train", APART // 2, 1), ("test", 0, 0)):
        scenes = [(i, image) for i, image in enumerate(photographs().values()) if not apart or i % 2 == other]
        cut = [(square, i) for i, image in scenes for square in squares(image, first)]
        arrays[f"{split}_images"] = np.stack([square for square, _ in cut])
        arrays[f"{split}_labels"] = np.array([label for _, label in cut])
        print(f"{split}: {len(cut)} squares of {len(scenes)} photographs out of {len(NAMES)} packages")
    np.savez(sys.argv[1], **arrays)
