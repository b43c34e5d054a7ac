"""Small images in every form that a source of data takes."""

import numpy as np
import torch
from PIL import Image

MODES = ["L", "P", "RGB", "RGBA", "LA", "I;16", "1", "CMYK"]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def noise_tensor(*shape, seed=0):
    return torch.from_numpy(noise(*shape, seed=seed))


def some(splits):
    return [part for part in (splits.train, splits.val, splits.test) if part is not None]


def every(dataset):
    return dataset.batch(list(range(len(dataset))))


def shares(labels):
    return np.bincount(labels.numpy()) / len(labels)


def medmnist(side=6, train=9, test=4, val=None, shape=(3,)):
    counts = {"train": train, "test": test} | ({"val": val} if val else {})
    arrays = {}
    for seed, (split, count) in enumerate(counts.items()):
        arrays[f"{split}_images"] = noise(count, side, side, *shape, seed=seed)
        arrays[f"{split}_labels"] = np.arange(count)[:, None] % 3
    return arrays


def written(path, arrays, compressed=True):
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return str(path)


def on_white(colour, alpha):
    """Lay colours on white by their alpha of 0..255, not rounded."""
    share = alpha / 255
    return colour * share + 255 * (1 - share)


def in_mode(mode):
    """Return an image of 12 x 10 pixels in a mode, and its RGB values on white by hand."""
    grey, colour = noise(10, 12), noise(10, 12, 3, seed=1)
    alpha = noise(10, 12, 1, seed=2)
    thrice = np.repeat(grey[..., None], 3, -1)
    if mode == "L":
        return Image.fromarray(grey), thrice
    if mode == "RGB":
        return Image.fromarray(colour), colour
    if mode == "1":
        return Image.fromarray(grey > 127), np.where(thrice > 127, 255, 0)
    if mode == "LA":
        return Image.fromarray(np.concatenate([grey[..., None], alpha], -1), "LA"), on_white(thrice, alpha)
    if mode == "RGBA":
        return Image.fromarray(np.concatenate([colour, alpha], -1)), on_white(colour, alpha)
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 256 + noise(10, 12, seed=2)), thrice
    if mode == "P":
        image, palette = Image.fromarray(grey, "P"), noise(256, 3, seed=3)
        image.putpalette(palette.tobytes())
        return image, palette[grey]
    image = noise(10, 12, 4, seed=1)  # CMYK
    return Image.fromarray(image, "CMYK"), (255 - image[..., :3].astype(int)) * (255 - image[..., 3:].astype(int)) / 255


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def class_folders(root, counts, side=8, first=0):
    """Write `counts[name]` different images into ROOT/name for each class."""
    for name, count in counts.items():
        for i in range(count):
            first += 1
            save(root / name / f"{i:03}.png", noise(side, side, 3, seed=first))
    return root
