"""Small data that tests make, change and make again."""

from pathlib import Path

import numpy as np
from PIL import Image


def picture(path: Path, seed: int, side: int = 8) -> None:
    """Write a picture that the seed determines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def photos(base: Path, splits: tuple[str, ...] = ("",), count: int = 8) -> None:
    """Write BASE/SPLIT/{cat,dog}/*.png, no two pictures alike."""
    for s, split in enumerate(splits):
        for c, name in enumerate(("cat", "dog")):
            for i in range(count):
                picture(base / split / name / f"{i:03}.png", 1000 * s + 100 * c + i)


def arrays(path: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Write an .npz file of 16 and 8 images of two classes, and return its arrays."""
    generator = np.random.default_rng(seed)
    made = {}
    for split, count in (("train", 16), ("test", 8)):
        made[f"{split}_images"] = generator.integers(0, 255, (count, 8, 8, 3), dtype=np.uint8)
        made[f"{split}_labels"] = np.arange(count) % 2
    np.savez(path, **made)
    return made
