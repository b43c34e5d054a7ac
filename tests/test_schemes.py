"""Every scheme against the literal oracle, its key space, its errors, and images under keys of their own."""

import copy
import dataclasses
import hashlib
import math
import pickle
import random
import subprocess
import sys
from functools import cache

import numpy as np
import oracle
import pytest
import torch

from vitcrypt.encryption import ELE, LE, MASTER_KEY_BITS, PE, SCHEMES, EtC, ImageEncryption, Plain, Proposed, Scheme
from vitcrypt.keys import Key

ORACLES = {
    Plain: oracle.plain,
    PE: oracle.pe,
    LE: oracle.le,
    ELE: oracle.ele,
    EtC: oracle.etc,
    Proposed: oracle.proposed,
}
BLOCKWISE = [LE, ELE, EtC, Proposed]
PIXELWISE = [Plain(), PE(), PE(channel_shuffle=False)]
SIZES = [(3, 16, 16), (3, 32, 32), (3, 32, 48)]

SMALL = [(cls(block_size=size), shape) for cls in BLOCKWISE for size in (2, 4, 8, 16) for shape in SIZES]
SMALL += [(scheme, shape) for scheme in PIXELWISE for shape in SIZES]
SMALL += [(cls(block_size=4), (1, 16, 16)) for cls in (LE, ELE, Proposed)]  # the others need three channels
LARGE = [(cls(block_size=16), (3, 224, 224)) for cls in BLOCKWISE] + [(PE(), (3, 224, 224))]
ONE_EACH = [*PIXELWISE, *(cls(block_size=4) for cls in BLOCKWISE)]
KEYED = [scheme for scheme in ONE_EACH if not isinstance(scheme, Plain)]

SHAPE = (3, 32, 32)


def label(value):
    if isinstance(value, tuple):
        return "x".join(str(size) for size in value)
    if isinstance(value, int) and value.bit_length() > 64:
        return "many"  # too long to print
    return repr(value) if isinstance(value, Scheme) else None


def case(*cases):
    return pytest.mark.parametrize(("scheme", "shape"), cases, ids=label)


def each(schemes):
    return pytest.mark.parametrize("scheme", schemes, ids=label)


def noise(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


@cache
def drawn(scheme, shape, name="test-0"):
    return scheme.subkeys(Key.test(name), shape)


@cache
def cipher_of(scheme, shape, name="test-0"):
    return scheme.cipher(drawn(scheme, shape, name), shape)


def by_oracle(scheme, subkeys, image):
    arrays = {name: subkey.numpy() for name, subkey in subkeys.items()}
    return torch.from_numpy(ORACLES[type(scheme)](image.numpy(), arrays, scheme.block_size))


@case(*SMALL, *LARGE)
def test_encryption_equals_the_literal_oracle(scheme, shape):
    image = noise(*shape)
    assert torch.equal(cipher_of(scheme, shape)(image), by_oracle(scheme, drawn(scheme, shape), image))


@case(*SMALL, *LARGE)
def test_the_index_is_a_bijection_of_bytes_or_nibbles(scheme, shape):
    cipher = cipher_of(scheme, shape)
    symbols = math.prod(shape) * (2 if isinstance(scheme, LE) else 1)
    assert cipher.bits == (4 if isinstance(scheme, LE) else 8)
    assert torch.equal(cipher.index.sort().values, torch.arange(symbols))


@case(*SMALL, *LARGE)
def test_decryption_gives_the_image_back_exactly(scheme, shape):
    images = noise(2, *shape, seed=1)
    cipher = cipher_of(scheme, shape)
    encrypted = cipher(images)
    assert torch.equal(cipher.inverse()(encrypted), images)
    assert torch.equal(encrypted, images) == isinstance(scheme, Plain)


@case(*SMALL, *LARGE)
def test_one_image_gives_the_bytes_it_gives_in_a_batch(scheme, shape):
    images = noise(3, *shape, seed=2)
    cipher = cipher_of(scheme, shape)
    assert torch.equal(torch.stack([cipher(image) for image in images]), cipher(images))


@case(*((scheme, shape) for scheme, shape in SMALL + LARGE if scheme.key_space_bits(shape) > 32))
def test_a_wrong_key_gives_other_bytes_and_does_not_decrypt(scheme, shape):
    image = noise(*shape, seed=3)
    right, wrong = cipher_of(scheme, shape), cipher_of(scheme, shape, "test-1")
    assert not torch.equal(wrong(image), right(image))
    assert not torch.equal(wrong.inverse()(right(image)), image)


# Small enough to follow by hand, in case that the oracle should misread a definition as well.


def tensor(rows):
    return torch.tensor(rows, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("code", "expected"),
    enumerate(
        [
            [[1, 2], [3, 4]],
            [[2, 4], [1, 3]],  # counter-clockwise: the right column becomes the top row
            [[4, 3], [2, 1]],
            [[3, 1], [4, 2]],
            [[2, 1], [4, 3]],
            [[4, 2], [3, 1]],
            [[3, 4], [1, 2]],
            [[1, 3], [2, 4]],
        ]
    ),
)
def test_etc_turns_counter_clockwise_and_then_flips_left_right(code, expected):
    subkeys = {
        "symmetry": torch.tensor([code]),
        "negation": torch.tensor([False]),
        "channel_permutation": torch.tensor([0]),
        "block_permutation": torch.tensor([0]),
    }
    image = tensor([[[1, 2], [3, 4]]] * 3)
    assert EtC(block_size=2).cipher(subkeys, (3, 2, 2))(image)[0].tolist() == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    enumerate([[10, 20, 30], [10, 30, 20], [20, 10, 30], [20, 30, 10], [30, 10, 20], [30, 20, 10]]),
)
@pytest.mark.parametrize("scheme", [PE(), EtC(block_size=1)], ids=label)
def test_colour_codes_take_red_green_blue_from_rgb_rbg_grb_gbr_brg_bgr(scheme, code, expected):
    codes = torch.tensor([[code]]) if isinstance(scheme, PE) else torch.tensor([code])
    negation = torch.zeros((3, 1, 1) if isinstance(scheme, PE) else (1,), dtype=torch.bool)
    subkeys = {"negation": negation, "channel_permutation": codes}
    if isinstance(scheme, EtC):
        subkeys |= {"symmetry": torch.tensor([0]), "block_permutation": torch.tensor([0])}
    image = tensor([10, 20, 30]).view(3, 1, 1)
    assert scheme.cipher(subkeys, (3, 1, 1))(image).flatten().tolist() == expected


def test_pe_negates_the_source_value_before_the_channels_move():
    subkeys = {
        "negation": torch.tensor([True, False, False]).view(3, 1, 1),
        "channel_permutation": torch.tensor([[3]]),  # GBR
    }
    image = tensor([10, 20, 30]).view(3, 1, 1)
    assert PE().cipher(subkeys, (3, 1, 1))(image).flatten().tolist() == [20, 30, 245]


def test_etc_negates_the_source_block_before_the_blocks_move():
    subkeys = {
        "symmetry": torch.tensor([0, 0, 0]),
        "negation": torch.tensor([True, False, False]),
        "channel_permutation": torch.tensor([0, 0, 0]),
        "block_permutation": torch.tensor([1, 2, 0]),
    }
    image = tensor([10, 20, 30]).expand(3, 1, 3)
    assert EtC(block_size=1).cipher(subkeys, (3, 1, 3))(image)[0, 0].tolist() == [20, 30, 245]


def test_proposed_gathers_blocks_by_k1_and_pixels_of_every_quarter_by_k2():
    subkeys = {"block_permutation": torch.tensor([1, 2, 0]), "pixel_permutation": torch.tensor([1, 2, 3, 0])}
    block = torch.arange(16).view(4, 4)
    image = torch.cat([block, block + 100, block + 200], 1).to(torch.uint8)[None]
    encrypted = Proposed(block_size=4).cipher(subkeys, (1, 4, 12))(image)[0]
    # the quarter [[0, 1], [4, 5]] read as 0 1 4 5 becomes 1 4 5 0
    expected = torch.tensor([[1, 4, 3, 6], [5, 0, 7, 2], [9, 12, 11, 14], [13, 8, 15, 10]])
    assert encrypted.tolist() == torch.cat([expected + 100, expected + 200, expected], 1).tolist()


def test_le_takes_output_nibble_j_from_nibble_permutation_j_and_complements_the_output():
    # one pixel of two channels: nibbles (low 0, low 1, high 0, high 1)
    subkeys = {
        "nibble_permutation": torch.tensor([1, 2, 3, 0]),
        "nibble_inversion": torch.tensor([False, False, False, True]),
    }
    image = tensor([0x21, 0x43]).view(2, 1, 1)  # nibbles 1, 3, 2, 4
    # moved: 3, 2, 4, 1; complemented: 3, 2, 4, 14
    assert LE(block_size=1).cipher(subkeys, (2, 1, 1))(image).flatten().tolist() == [0x43, 0xE2]


def test_ele_shuffles_nibbles_under_the_key_of_the_source_block():
    subkeys = {
        "nibble_permutation": torch.tensor([[1, 0], [0, 1], [0, 1]]),
        "nibble_inversion": torch.tensor([[False, False], [True, False], [False, False]]),
        "block_permutation": torch.tensor([1, 2, 0]),
    }
    image = tensor([[[0x12, 0x34, 0x56]]])
    assert ELE(block_size=1).cipher(subkeys, (1, 1, 3))(image).flatten().tolist() == [0x3B, 0x56, 0x21]


GOLDEN = {
    Plain(): "8353daa4f4652ff9e8dc9521896d86be2c19b26c9798bbea18f5bc05c002977e",
    PE(): "d5eeb4499fb48074c8baa2b4182a83e8e1cf5b065f24b5eaab2f31636c606cf6",
    PE(channel_shuffle=False): "53fc4f6140fdc08f53953d194e68c758494620f19459e124e17b64d466b7a375",
    LE(block_size=4): "06dc30ebd3247634652786e1d400ba4ace63a8d414fec3f1e5f1ad0694c18efc",
    ELE(block_size=4): "42294330056f18576571dfc2743059bd23131cfecd3f286234c572d915826a74",
    EtC(block_size=4): "0b98c5aaf6e393d9d17c37bb00abd529f4840da14be23d4a1de50336f499525a",
    Proposed(block_size=4): "963e7b2a3341c3f73b2643bc51cb35528de5bac216c1e12f99b1c6b819161c68",
}


@pytest.mark.parametrize(("scheme", "checksum"), GOLDEN.items(), ids=label)
def test_the_ciphertext_of_a_fixed_image_never_changes(scheme, checksum):
    image = (torch.arange(3072) * 197 % 251).to(torch.uint8).view(SHAPE)
    encrypted = scheme.cipher(scheme.subkeys(Key.test("test-0"), SHAPE), SHAPE)(image)
    assert hashlib.sha256(encrypted.numpy().tobytes()).hexdigest() == checksum


def test_every_scheme_has_a_golden_checksum():
    assert {type(scheme) for scheme in GOLDEN} == set(SCHEMES.values()) == set(ORACLES)


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
@pytest.mark.parametrize(
    "change", [lambda subkey: subkey[:-1], lambda subkey: subkey[None], lambda subkey: subkey.flatten()[0]]
)
def test_a_subkey_of_another_shape_is_refused(scheme, name, change):
    with pytest.raises(ValueError, match=f"{name} must have shape"):
        scheme.cipher(with_subkey(scheme, name, change), SHAPE)


@pytest.mark.parametrize(("scheme", "name"), STAGES, ids=label)
@pytest.mark.parametrize("dtype", [torch.float32, torch.int32, torch.uint8])
def test_a_subkey_of_another_dtype_is_refused(scheme, name, dtype):
    with pytest.raises(TypeError, match=f"{name} must be torch.*got {dtype}"):
        scheme.cipher(with_subkey(scheme, name, lambda subkey: subkey.to(dtype)), SHAPE)


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


# Key space


F = math.factorial
PIXELS = 32 * 32


@pytest.mark.parametrize(
    ("scheme", "shape", "keys", "published"),
    [
        (Plain(), SHAPE, 1, 0),
        (PE(channel_shuffle=False), SHAPE, 2 ** (3 * PIXELS), 3072),
        (PE(), SHAPE, 2 ** (3 * PIXELS) * 6**PIXELS, 5719),
        (LE(block_size=4), SHAPE, F(96) * 2**96, 594),
        (ELE(block_size=4), SHAPE, (F(96) * 2**96) ** 64 * F(64), 38330),
        (EtC(block_size=4), SHAPE, F(64) * 8**64 * 2**64 * 6**64, 717),
        (EtC(block_size=16), (3, 224, 224), F(196) * 8**196 * 2**196 * 6**196, 2506),
        (Proposed(block_size=16), (3, 224, 224), F(196) * F(64), 1511),
        (Proposed(block_size=16), SHAPE, F(4) * F(64), 301),
        (Proposed(block_size=2), (3, 2, 2), 1, 0),
        (LE(block_size=2), (1, 8, 12), F(8) * 2**8, 23),
    ],
    ids=label,
)
def test_the_key_space_is_that_of_the_published_formula(scheme, shape, keys, published):
    bits = scheme.key_space_bits(shape)
    assert bits == pytest.approx(math.log2(keys), rel=1e-12, abs=1e-9)
    assert round(bits) == published
    assert scheme.effective_key_bits(shape) == pytest.approx(min(256, math.log2(keys)), rel=1e-12, abs=1e-9)


def test_a_key_space_beyond_the_master_key_counts_256_bits_and_a_smaller_one_counts_itself():
    assert MASTER_KEY_BITS == 256
    assert Proposed(block_size=16).effective_key_bits((3, 224, 224)) == 256.0
    assert EtC(block_size=16).effective_key_bits((3, 16, 16)) == pytest.approx(math.log2(8 * 2 * 6))


# Moving by whole blocks


@pytest.mark.parametrize("block_size", [2, 4, 8])
@pytest.mark.parametrize("blocks", [(1, 0), (0, 1), (-2, 3)])
def test_le_commutes_with_moving_an_image_by_whole_blocks(block_size, blocks):
    scheme, images = LE(block_size=block_size), noise(2, 3, 32, 48, seed=4)
    cipher = cipher_of(scheme, (3, 32, 48))
    shifts = [step * block_size for step in blocks]
    assert scheme.translation_by_blocks
    assert torch.equal(torch.roll(cipher(images), shifts, (-2, -1)), cipher(torch.roll(images, shifts, (-2, -1))))
    half = [step * block_size // 2 for step in (1, 1)]
    assert not torch.equal(torch.roll(cipher(images), half, (-2, -1)), cipher(torch.roll(images, half, (-2, -1))))


@each([PE(), ELE(block_size=4), EtC(block_size=4), Proposed(block_size=4)])
def test_other_schemes_do_not_commute_with_moving_an_image_by_a_block_and_say_so(scheme):
    image, cipher = noise(*SHAPE, seed=5), cipher_of(scheme, SHAPE)
    assert not scheme.translation_by_blocks
    assert not torch.equal(torch.roll(cipher(image), 4, -1), cipher(torch.roll(image, 4, -1)))


# The module for pipelines


@each(ONE_EACH)
def test_a_shared_key_encrypts_every_image_by_the_same_cipher(scheme):
    images = noise(3, *SHAPE, seed=6)
    encryption = ImageEncryption(scheme, Key.test("test-0"), SHAPE)
    cipher = cipher_of(scheme, SHAPE)
    assert torch.equal(encryption(images), torch.stack([cipher(image) for image in images]))
    assert torch.equal(encryption(images, torch.tensor([7, 8, 9])), encryption(images))
    assert torch.equal(encryption(images[0]), cipher(images[0]))
    assert torch.equal(encryption.decrypt(encryption(images)), images)
    twins = encryption(images[:1].expand(3, -1, -1, -1))
    assert torch.equal(twins[0], twins[1])
    assert torch.equal(twins[0], twins[2])


@each(ONE_EACH)
def test_row_i_is_encrypted_under_the_key_of_image_index_i(scheme):
    key, images, index = Key.test("test-0"), noise(3, *SHAPE, seed=7), torch.tensor([5, 0, 123456789])
    encryption = ImageEncryption(scheme, key, SHAPE, key_scope="per_image")
    encrypted = encryption(images, index)
    for image, row, i in zip(images, encrypted, index.tolist(), strict=True):
        subkeys = scheme.subkeys(key.for_image(i), SHAPE)
        assert torch.equal(row, scheme.cipher(subkeys, SHAPE)(image))
        assert torch.equal(row, encryption(image, torch.tensor([i])))
    assert torch.equal(encryption.decrypt(encrypted, index), images)
    assert torch.equal(encryption.decrypt(encrypted[1], index[1:2]), images[1])


@each(KEYED)
def test_the_same_image_under_two_indices_differs_and_under_one_index_does_not(scheme):
    encryption = ImageEncryption(scheme, Key.test("test-0"), SHAPE, key_scope="per_image")
    images = noise(*SHAPE, seed=8).expand(3, -1, -1, -1)
    first, second, third = encryption(images, torch.tensor([1, 2, 1]))
    assert not torch.equal(first, second)
    assert torch.equal(first, third)
    assert not torch.equal(first, ImageEncryption(scheme, Key.test("test-0"), SHAPE)(images[0]))
    swapped = encryption.decrypt(torch.stack([first, second]), torch.tensor([2, 1]))
    assert not torch.equal(swapped[0], images[0])


def test_per_image_keys_need_an_index_of_the_right_kind():
    encryption = ImageEncryption(LE(block_size=4), Key.test("test-0"), SHAPE, key_scope="per_image")
    images = noise(2, *SHAPE)
    for apply in (encryption, encryption.decrypt):
        with pytest.raises(ValueError, match="pass index"):
            apply(images)
        with pytest.raises(ValueError, match=r"int64.*got torch.int32 \[2\]"):
            apply(images, torch.tensor([1, 2], dtype=torch.int32))
        with pytest.raises(ValueError, match=r"one for each image.*\[3\]"):
            apply(images, torch.tensor([1, 2, 3]))


def test_an_unknown_key_scope_is_refused():
    with pytest.raises(ValueError, match="'per_batch'"):
        ImageEncryption(LE(), Key.test("test-0"), SHAPE, key_scope="per_batch")


@pytest.mark.parametrize("key_scope", ["shared", "per_image"])
def test_the_module_refuses_what_is_no_uint8_image_of_its_size(key_scope):
    encryption, index = ImageEncryption(EtC(), Key.test("test-0"), SHAPE, key_scope=key_scope), torch.tensor([0])
    for apply in (encryption, encryption.decrypt):
        with pytest.raises(TypeError, match="uint8"):
            apply(noise(1, *SHAPE).float() / 255, index)
        with pytest.raises(ValueError, match=r"images of shape \[3, 32, 32\]"):
            apply(noise(1, 3, 16, 16), index)


@pytest.mark.parametrize("shape", [(3, 64, 16), (32, 32, 3), (2, 32, 32, 3), (1, 48, 64)], ids=label)
def test_the_module_refuses_an_image_of_as_many_bytes_in_another_shape(shape):
    encryption = ImageEncryption(EtC(), Key.test("test-0"), SHAPE)
    with pytest.raises(ValueError, match="shape"):
        encryption(noise(*shape))


@pytest.mark.parametrize("key_scope", ["shared", "per_image"])
@each(ONE_EACH)
def test_a_checkpoint_and_a_repr_of_the_module_hold_nothing_of_the_key(scheme, key_scope):
    one, other = (ImageEncryption(scheme, Key.test(name), SHAPE, key_scope) for name in ("test-0", "test-1"))
    assert torch.nn.Sequential(one, torch.nn.Flatten()).state_dict() == {}
    assert list(one.parameters()) == []
    assert repr(one) == repr(other)


def test_a_module_that_keeps_the_key_does_not_pickle_and_one_that_does_not_keep_it_copies():
    per_image = ImageEncryption(LE(), Key.test("test-0"), SHAPE, key_scope="per_image")
    with pytest.raises(TypeError, match="does not pickle"):
        pickle.dumps(per_image)
    shared, image = ImageEncryption(LE(), Key.test("test-0"), SHAPE), noise(*SHAPE)
    assert torch.equal(copy.deepcopy(shared)(image), shared(image))


@pytest.mark.parametrize("scheme", SCHEMES.values())
def test_schemes_are_values_found_by_their_lowered_names(scheme):
    assert SCHEMES[scheme.__name__.lower()] is scheme
    assert scheme().name == scheme.__name__.lower()
    assert scheme() == scheme()
    assert len({scheme(), scheme()}) == 1
    with pytest.raises(AttributeError):
        scheme().block_size = 2


def test_a_fresh_process_that_imports_encryption_has_no_key_code_and_no_framework():
    code = (
        "import sys, vitcrypt.encryption; "
        "print(sorted(n for n in sys.modules if n.split('.')[0] in ('lightning', 'hydra', 'wandb', 'cryptography') "
        "or n.startswith('vitcrypt')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout
    assert "'vitcrypt.encryption.schemes'" in loaded
    for name in ("vitcrypt.keys", "lightning", "hydra", "wandb", "cryptography"):
        assert f"'{name}" not in loaded


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and this machine has none")
@pytest.mark.parametrize("key_scope", ["shared", "per_image"])
@each(ONE_EACH)
def test_cpu_and_gpu_give_the_same_bytes(scheme, key_scope):
    images, index = noise(4, *SHAPE, seed=9), torch.arange(4)
    on_cpu = ImageEncryption(scheme, Key.test("test-0"), SHAPE, key_scope)(images, index)
    encryption = ImageEncryption(scheme, Key.test("test-0"), SHAPE, key_scope)
    on_gpu = encryption(images.cuda(), index.cuda())
    assert on_gpu.device.type == "cuda"
    assert torch.equal(on_gpu.cpu(), on_cpu)
    assert torch.equal(encryption.decrypt(on_gpu, index.cuda()).cpu(), images)
