"""Drawing subkeys, and what a cipher refuses."""

import dataclasses
import random

import numpy as np
import pytest
import torch
from cases import (
    BLOCKWISE,
    KEYED,
    ONE_EACH,
    SHAPE,
    drawn,
    each,
    label,
)

from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Plain, Proposed
from vitcrypt.keys import Key

# Subkeys


@each(ONE_EACH)
def test_subkeys_are_pure(scheme):
    torch.manual_seed(1)
    before = (torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate())  # noqa: NPY002
    first = scheme.subkeys(Key.test("test-0"), SHAPE)
    scheme.cipher(first, SHAPE)
    after = (torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate())  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    torch.manual_seed(2)
    second = scheme.subkeys(Key.test("test-0"), SHAPE)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@each(KEYED)
def test_subkeys_depend_on_the_key_the_image_size_and_the_block_size(scheme):
    def differ(one, other):
        length = min(one.numel(), other.numel())
        return not torch.equal(one.flatten()[:length], other.flatten()[:length])

    wide = dataclasses.replace(scheme, block_size=8)
    for name, subkey in drawn(scheme, SHAPE).items():
        assert differ(subkey, drawn(scheme, SHAPE, "test-1")[name])
        assert differ(subkey, drawn(scheme, (3, 32, 48), "test-0")[name])
        assert differ(subkey, drawn(wide, SHAPE)[name])


def test_schemes_with_stages_of_the_same_name_and_size_do_not_share_subkeys():
    tables = [drawn(cls(block_size=4), SHAPE)["block_permutation"] for cls in (ELE, EtC, Proposed)]
    assert len({tuple(table.tolist()) for table in tables}) == 3


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        (Plain(), {}),
        (PE(), {"negation": (torch.bool, (3, 32, 48)), "channel_permutation": (torch.int64, (32, 48))}),
        (PE(channel_shuffle=False), {"negation": (torch.bool, (3, 32, 48))}),
        (LE(block_size=4), {"nibble_permutation": (torch.int64, (96,)), "nibble_inversion": (torch.bool, (96,))}),
        (
            ELE(block_size=4),
            {
                "nibble_permutation": (torch.int64, (96, 96)),
                "nibble_inversion": (torch.bool, (96, 96)),
                "block_permutation": (torch.int64, (96,)),
            },
        ),
        (
            EtC(block_size=8),
            {
                "block_permutation": (torch.int64, (24,)),
                "symmetry": (torch.int64, (24,)),
                "negation": (torch.bool, (24,)),
                "channel_permutation": (torch.int64, (24,)),
            },
        ),
        (
            Proposed(block_size=16),
            {"block_permutation": (torch.int64, (6,)), "pixel_permutation": (torch.int64, (64,))},
        ),
    ],
    ids=label,
)
def test_subkeys_have_the_published_names_dtypes_and_shapes(scheme, expected):
    subkeys = drawn(scheme, (3, 32, 48))
    assert {name: (subkey.dtype, tuple(subkey.shape)) for name, subkey in subkeys.items()} == expected
    assert all(subkey.device.type == "cpu" for subkey in subkeys.values())


def test_all_codes_and_both_signs_are_drawn():
    subkeys = drawn(EtC(block_size=2), SHAPE)
    assert set(subkeys["symmetry"].tolist()) == set(range(8))
    assert set(subkeys["channel_permutation"].tolist()) == set(range(6))
    assert set(subkeys["negation"].tolist()) == {False, True}


# What a cipher refuses


STAGES = [(scheme, name) for scheme in KEYED for name in scheme.stages(SHAPE)]
PERMUTATIONS = [(scheme, name) for scheme, name in STAGES if name in ("block_permutation", "pixel_permutation")]
PERMUTATIONS += [(scheme, name) for scheme, name in STAGES if name == "nibble_permutation"]
CODES = [(PE(), "channel_permutation"), (EtC(), "channel_permutation"), (EtC(), "symmetry")]


def with_subkey(scheme, name, change):
    subkeys = dict(drawn(scheme, SHAPE))
    return subkeys | {name: change(subkeys[name].clone())}


@pytest.mark.parametrize(("scheme", "name"), STAGES, ids=label)
def test_a_missing_subkey_is_refused(scheme, name):
    subkeys = {other: subkey for other, subkey in drawn(scheme, SHAPE).items() if other != name}
    with pytest.raises(ValueError, match=name):
        scheme.cipher(subkeys, SHAPE)


@each(ONE_EACH)
def test_an_unknown_subkey_is_refused(scheme):
    with pytest.raises(ValueError, match="surprise"):
        scheme.cipher(drawn(scheme, SHAPE) | {"surprise": torch.tensor([0])}, SHAPE)


@pytest.mark.parametrize(("scheme", "name"), STAGES, ids=label)
def test_a_subkey_of_another_shape_or_dtype_is_refused(scheme, name):
    for change in (lambda subkey: subkey[:-1], lambda subkey: subkey[None], lambda subkey: subkey.flatten()[0]):
        with pytest.raises(ValueError, match=f"{name} must have shape"):
            scheme.cipher(with_subkey(scheme, name, change), SHAPE)
    for dtype in (torch.float32, torch.int32, torch.uint8):
        with pytest.raises(TypeError, match=f"{name} must be torch.*got {dtype}"):
            scheme.cipher(with_subkey(scheme, name, lambda subkey, dtype=dtype: subkey.to(dtype)), SHAPE)


@pytest.mark.parametrize(("scheme", "name"), PERMUTATIONS, ids=label)
@pytest.mark.parametrize("shift", ["repeat", "from-one", "negative"])
def test_a_subkey_that_is_no_permutation_is_refused(scheme, name, shift):
    def change(subkey):
        last = subkey[-1] if subkey.dim() == 2 else subkey  # of ELE's rows, one bad one
        if shift == "repeat":
            last[0] = last[1]
        else:
            last += 1 if shift == "from-one" else -1
        return subkey

    with pytest.raises(ValueError, match=f"{name} is no permutation of 0..{drawn(scheme, SHAPE)[name].shape[-1] - 1}"):
        scheme.cipher(with_subkey(scheme, name, change), SHAPE)


@pytest.mark.parametrize(("scheme", "name"), CODES, ids=label)
@pytest.mark.parametrize("code", [-1, 6, 8])
def test_a_code_out_of_range_is_refused(scheme, name, code):
    def change(subkey):
        subkey.view(-1)[3] = code
        return subkey

    bound = 8 if name == "symmetry" else 6
    subkeys = with_subkey(scheme, name, change)
    if code in range(bound):
        scheme.cipher(subkeys, SHAPE)
    else:
        with pytest.raises(ValueError, match=rf"{name} must hold codes in 0\.\.{bound - 1}"):
            scheme.cipher(subkeys, SHAPE)


@pytest.mark.parametrize("cls", BLOCKWISE)
@pytest.mark.parametrize("shape", [(3, 30, 32), (3, 32, 30), (3, 4, 32)], ids=label)
def test_a_block_size_that_does_not_divide_the_image_is_refused(cls, shape):
    scheme = cls(block_size=8)
    with pytest.raises(ValueError, match=rf"block_size=8 does not divide.*{shape[1]} x {shape[2]}"):
        scheme.subkeys(Key.test("test-0"), shape)
    with pytest.raises(ValueError, match="block_size=8 does not divide"):
        scheme.cipher(drawn(scheme, SHAPE), shape)
    with pytest.raises(ValueError, match="block_size=8 does not divide"):
        ImageEncryption(scheme, Key.test("test-0"), shape, key_scope="per_image")


def test_the_error_about_a_block_size_proposes_those_that_fit():
    with pytest.raises(ValueError, match=r"\[2, 4\]"):
        Proposed(block_size=16).check_shape((3, 12, 20))


@pytest.mark.parametrize("block_size", [1, 3, 7, 15])
def test_an_odd_block_size_is_refused_by_proposed_alone(block_size):
    with pytest.raises(ValueError, match=f"even; got {block_size}"):
        Proposed(block_size=block_size)
    for cls in (LE, ELE, EtC):
        assert cls(block_size=block_size).block_size == block_size


@pytest.mark.parametrize("cls", BLOCKWISE)
@pytest.mark.parametrize("block_size", [0, -4])
def test_a_block_size_below_one_is_refused(cls, block_size):
    with pytest.raises(ValueError, match=f"at least 1; got {block_size}"):
        cls(block_size=block_size)


@each([PE(), EtC(block_size=4)])
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_colour_schemes_refuse_another_number_of_channels(scheme, channels):
    shape = (channels, 16, 16)
    with pytest.raises(ValueError, match=f"three colour channels, got {channels}"):
        scheme.subkeys(Key.test("test-0"), shape)
    with pytest.raises(ValueError, match=f"three colour channels, got {channels}"):
        scheme.cipher(drawn(scheme, (3, 16, 16)), shape)
