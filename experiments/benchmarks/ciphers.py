"""Encryption beside a copy of the same bytes, beside the forms that one would write first, and at every scale."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks.formulations import Images, numpy_form, torch_form
from benchmarks.timing import Row, compare
from vitcrypt.encryption import ELE, LE, PE, EtC, Proposed, Scheme, Shape, SignedPermutation
from vitcrypt.keys import Key

COPY = "clone"


def schemes(block_size: int) -> list[Scheme]:
    """Return one of each scheme that changes anything."""
    return [Proposed(block_size), PE(), EtC(block_size), LE(block_size), ELE(block_size)]


def ciphers(device: str, batch: int, size: int, block_size: int, rounds: int, compiled: bool) -> list[Row]:
    """Time every scheme, eager and compiled, beside `clone` of the same batch, uint8 [batch, 3, size, size]."""
    images = _noise(device, batch, size)
    calls = {COPY: images.clone}
    for scheme in schemes(block_size):
        cipher = _cipher(scheme, images)
        calls[scheme.name] = partial(cipher, images)
        if compiled:
            torch.compiler.reset()
            fast = torch.compile(cipher)
            assert torch.equal(fast(images), cipher(images))
            calls[f"{scheme.name}, compiled"] = partial(fast, images)
    title = f"{batch} x 3 x {size} x {size} uint8, blocks of {block_size}"
    return compare(f"encryption beside a copy: {title}", calls, COPY, batch, rounds)


def first_forms(device: str, batch: int, size: int, block_size: int, rounds: int) -> list[Row]:
    """Time NumPy loops (on the CPU) and the textbook form in torch beside ours, scheme by scheme.

    The loop over blocks changes a block in all images of the batch at once; the loop over images as well is how a
    transform of a data set does it, image by image.
    """
    rows, images = [], _noise(device, batch, size)
    for scheme in schemes(block_size):
        cipher = _cipher(scheme, images)
        subkeys = scheme.subkeys(Key.test("test-0"), _shape(images))
        textbook, loop, array = torch_form(scheme, subkeys, device), numpy_form(scheme, subkeys), images.cpu().numpy()
        expected = cipher(images)
        assert torch.equal(textbook(images), expected)
        assert torch.equal(torch.from_numpy(loop(array).copy()), expected.cpu())
        name = scheme.name
        calls = {name: partial(cipher, images), f"{name}, textbook torch": partial(textbook, images)}
        calls[f"{name}, NumPy over blocks"] = partial(loop, array)
        calls[f"{name}, NumPy over images and blocks"] = partial(_one_by_one, loop, array)
        title = f"{batch} x 3 x {size} x {size} uint8, blocks of {block_size}"
        rows += compare(f"encryption beside its first forms: {title}", calls, name, batch, rounds)
    return rows


def scaling(device: str, rounds: int, largest_bytes: int = 2**26) -> list[Row]:
    """Time `proposed` and `le` over batch sizes 1 to 4096 at 32 x 32, and over image sizes 32 to 1024; per byte."""
    rows = []
    for scheme in (Proposed(4), LE(4)):
        shapes = [(batch, 32) for batch in (1, 8, 64, 512, 4096)]
        shapes += [(largest_bytes // (3 * size * size), size) for size in (32, 64, 128, 256, 512, 1024)]
        calls = {}
        for batch, size in shapes:
            images = _noise(device, batch, size)
            calls[f"{scheme.name}: {batch} x {size} x {size}"] = (partial(_cipher(scheme, images), images), images)
        for name, (call, images) in calls.items():  # one group each: what is compared is the time of a byte
            rows += compare(f"scaling: {name}", {name: call, COPY: images.clone}, COPY, images.numel(), rounds, "bytes")
    return [row for row in rows if row.name != COPY]


def _one_by_one(loop: Callable[[Images], Images], images: Images) -> list[Images]:
    return [loop(image[None]) for image in images]


def _noise(device: str, batch: int, size: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8, generator=generator).to(device)


def _cipher(scheme: Scheme, images: Tensor) -> SignedPermutation:
    shape = _shape(images)
    return scheme.cipher(scheme.subkeys(Key.test("test-0"), shape), shape).to(images.device)


def _shape(images: Tensor) -> Shape:
    channels, height, width = images.shape[1:]
    return channels, height, width
