"""Squares of 224 pixels, cut at native resolution out of photographs that installed packages ship.

    python experiments/photographs.py photographs.npz
    python -m vitcrypt.attack --config-dir experiments --config-name linkage data=npz data.root=photographs.npz \
        names.data=photographs image_size=224 block_size=16 encryption=proposed \
        attack.observation.ciphertexts=100

    python experiments/photographs.py apart.npz --apart

Test images: squares 32 pixels apart, at most 100 of a photograph. They overlap: candidates of a gallery resemble
each other far more than photographs of different scenes do. The label is the photograph. Training images: squares that
begin 16 pixels further. With --apart, test images are of every second photograph and training images of the others: an
attack that is given these as public images has never seen the scenes of its victim. With --jpeg and --noise, squares
have the artefacts of JPEG at that quality (4:2:0), or Gaussian noise of that standard deviation, before encryption.
"""

import argparse
import io
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


def as_jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return what is left of an image that was a JPEG file."""
    Image.fromarray(image).save(file := io.BytesIO(), "jpeg", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--jpeg", type=int, metavar="QUALITY")
    parser.add_argument("--noise", type=float, default=0.0, metavar="SIGMA", help="in grey levels of 255")
    options = parser.parse_args()
    arrays = {"classes": np.array(list(photographs()))}
    random = np.random.default_rng(0)
    for split, first, other in (("train", APART // 2, 1), ("test", 0, 0)):
        scenes = [(i, image) for i, image in enumerate(photographs().values()) if not options.apart or i % 2 == other]
        cut = [(square, i) for i, image in scenes for square in squares(image, first)]
        images = np.stack([square for square, _ in cut])
        if options.noise:
            noisy = images + random.normal(0, options.noise, images.shape).astype(np.float32)
            images = noisy.round().clip(0, 255).astype(np.uint8)
        if options.jpeg:
            images = np.stack([as_jpeg(image, options.jpeg) for image in images])
        arrays[f"{split}_images"] = images
        arrays[f"{split}_labels"] = np.array([label for _, label in cut])
        print(f"{split}: {len(cut)} squares of {len(scenes)} photographs out of {len(NAMES)} packages")
    np.savez(options.out, **arrays)
