"""NumPy and torch give the same bytes, and NumPy gives them without torch."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from vitcrypt.encryption import (
    ELE,
    LE,
    PE,
    ArrayEncryption,
    EtC,
    EtCJPEG,
    Horio,
    ImageEncryption,
    Moves,
    Noise,
    PEViTRS,
    Pixelise,
    Plain,
    Proposed,
    SignedPermutation,
)
from vitcrypt.keys import Key

KEY = Key.test("test-0")
INDEX = [5, 2**40 + 1]
MOVES = [PE(), PE(channel_shuffle=False), LE(4), ELE(4), EtC(4), Proposed(4), Horio(4), PEViTRS(4), EtCJPEG(8)]


@dataclass(frozen=True)
class Reversed(Proposed):
    """Someone's own, of torch alone, on top of one of ours."""

    def apply(self, subkeys, shape):
        first = super().apply(subkeys, shape)
        return SignedPermutation(torch.arange(first.index.shape[-1]).flip(0)) @ first


def images(shape):
    return np.random.default_rng(7).integers(0, 256, (2, *shape), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 16, 24)])
@pytest.mark.parametrize("scope", ["shared", "per_image"])
@pytest.mark.parametrize("scheme", [*MOVES, Pixelise(4), Noise(), Plain(), Reversed(4)], ids=str)
def test_both_give_the_same_bytes_and_undo_them(scheme, scope, shape):
    if scope not in scheme.properties.key_scopes:
        pytest.skip("not for this scope")
    plain, index = images(shape), torch.tensor(INDEX)
    arrays, tensors = (cls(scheme, KEY, shape, scope) for cls in (ArrayEncryption, ImageEncryption))
    made = tensors(torch.from_numpy(plain), index).numpy()
    assert np.array_equal(arrays(plain, INDEX), made)
    assert np.array_equal(arrays(plain[1:], INDEX[1:])[0], made[1]), "an image alone too"
    if scheme.jpeg_quality is not None:
        assert arrays.files(plain, INDEX) == tensors.files(torch.from_numpy(plain), index)
    if scheme.properties.invertible:
        assert np.array_equal(arrays.decrypt(made, INDEX), plain)
    elif scheme.jpeg_quality is not None:
        assert np.array_equal(arrays.decrypt(made, INDEX), tensors.decrypt(torch.from_numpy(made), index).numpy())


def test_only_what_torch_computes_needs_it():
    assert [scheme for scheme in MOVES if not scheme.is_moves] == []
    assert not any(scheme.is_moves for scheme in (Pixelise(4), Noise(), Reversed(4)))


@pytest.mark.parametrize("wrong", [images((3, 8, 12)), images((3, 8, 8))[0], images((3, 8, 8)).astype(float)])
def test_images_of_another_kind_are_refused(wrong):
    with pytest.raises(ValueError, match="expected uint8 images"):
        ArrayEncryption(Proposed(4), KEY, (3, 8, 8))(wrong, INDEX)


def test_the_algebra_is_the_same_of_arrays_and_of_tensors():
    """Inverses, lifts and products of maps, with a row for each image or without, of bytes and of nibbles."""
    shape, rows = (3, 8, 8), [KEY.for_image(number) for number in INDEX]
    for one in MOVES[:-1]:
        for other in MOVES[:-1]:
            maps = []
            for kind in (lambda array: array, torch.from_numpy):
                subkeys = {name: kind(drawn) for name, drawn in one.drawn(rows, shape).items()}
                first = {name: kind(drawn[0]) for name, drawn in other.drawn(rows[:1], shape).items()}
                maps.append(one.moves(subkeys, shape) @ other.moves(first, shape).inverse())
            numbers, tensors = maps
            assert same(numbers, tensors)
            assert same(numbers.inverse(), tensors.inverse())
            assert np.array_equal(
                numbers.apply(images(shape)), SignedPermutation.of(tensors)(torch.from_numpy(images(shape)))
            )


def same(numbers: Moves, tensors: Moves) -> bool:
    masks = (numbers.mask is None) == (tensors.mask is None) and (
        numbers.mask is None or np.array_equal(numbers.mask, tensors.mask)
    )
    return masks and np.array_equal(numbers.index, tensors.index) and numbers.bits == tensors.bits
