"""Which images a data set holds, whatever their order and files: a digest by which a published set is known."""

import hashlib
from itertools import chain

from vitcrypt.data.datasets import ArrayDataset, ImageDataset, Splits

COUNTS = (50_000, 10_000)
SHAPE = (3, 32, 32)
"""Of the published sets that are known by content: CIFAR-10 and CIFAR-100. Others are not read for it."""


def content_of(splits: Splits) -> str | None:
    """Return a SHA-256 over the images and labels of training (with validation) and test, in any order.

    Returns:
        64 hexadecimal digits, after half a second; None unless there are 50,000 and 10,000 images of 3 x 32 x 32.
    """
    parts = [splits.train, *([splits.val] if splits.val is not None else [])], [splits.test]
    if tuple(sum(map(len, part)) for part in parts) != COUNTS:
        return None
    if any(not isinstance(each, ArrayDataset) or tuple(each.images.shape[1:]) != SHAPE for each in chain(*parts)):
        return None
    whole = hashlib.sha256()
    for part in parts:
        for digest in sorted(digest for each in part for digest in _digests(each)):
            whole.update(digest)
    return whole.hexdigest()


def _digests(dataset: ImageDataset) -> list[bytes]:
    assert isinstance(dataset, ArrayDataset)
    pairs = zip(dataset.images.numpy(), dataset.labels.tolist(), strict=True)
    return [hashlib.sha256(label.to_bytes(2) + image.tobytes()).digest() for image, label in pairs]
