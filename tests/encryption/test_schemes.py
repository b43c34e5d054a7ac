"""Every scheme against the literal oracle, by hand, and against its golden checksum."""

import hashlib
import math

import pytest
import torch
from cases import LARGE, LOSSY, ORACLES, SHAPE, SMALL, by_oracle, case, cipher_of, drawn, label, noise

from vitcrypt.encryption import (
    ELE,
    I2P,
    LE,
    PE,
    SCHEMES,
    EtC,
    EtCJPEG,
    Features,
    GrayscaleEtC,
    Horio,
    NeuraCrypt,
    Noise,
    Orthogonal,
    PEViTRS,
    Pixelise,
    Plain,
    Proposed,
)
from vitcrypt.keys import Key


@case(*SMALL, *LARGE, *LOSSY)
def test_encryption_equals_the_literal_oracle(scheme, shape):
    image = noise(*shape)
    assert torch.equal(cipher_of(scheme, shape)(image), by_oracle(scheme, drawn(scheme, shape), image))


@case(*SMALL, *LARGE)
def test_the_index_is_a_bijection_that_batches_share_and_decryption_undoes_exactly(scheme, shape):
    images, cipher = noise(2, *shape, seed=1), cipher_of(scheme, shape)
    symbols = math.prod(shape) * (2 if isinstance(scheme, LE) else 1)
    assert cipher.bits == (4 if isinstance(scheme, LE) else 8)
    assert torch.equal(cipher.index.sort().values, torch.arange(symbols))
    encrypted = cipher(images)
    assert torch.equal(torch.stack([cipher(image) for image in images]), encrypted)
    assert torch.equal(cipher.inverse()(encrypted), images)
    assert torch.equal(encrypted, images) == isinstance(scheme, Plain)


@case(*((scheme, shape) for scheme, shape in SMALL if scheme.key_space_bits(shape) > 32))
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
    Horio(block_size=4): "e8a922c1a247aed8713c95457e7610e6db371d8cb1f911f1fea7bec30cf90589",
    GrayscaleEtC(quality=None): "e576a4aa7c332770cb3d05e4392314ebd7dad9ca3fa69769eea141754ccbfae9",
    PEViTRS(block_size=4): "50874cff482d15e3579b28da91d935a58ced4b6b870cc80c8af6e8c846f9e9fb",
    Pixelise(block_size=4): "42c53213309b4879df116b7b249bcb0a29ea837c0e527bc64ef05eb5e0869497",
    Noise(): "978f56a01c2ef679220d53c42799e7bbdc51d3adeaa057e0aee2505379af9e0f",
    Noise(block_size=4, distribution="laplace"): "2fbfd822606e1d1bc8657bbbe66fd3536d6f71410cdc266165796df99be2a6dc",
}


@pytest.mark.parametrize(("scheme", "checksum"), GOLDEN.items(), ids=label)
def test_the_ciphertext_of_a_fixed_image_never_changes(scheme, checksum):
    image = (torch.arange(3072) * 197 % 251).to(torch.uint8).view(SHAPE)
    encrypted = scheme.cipher(scheme.subkeys(Key.test("test-0"), SHAPE), SHAPE)(image)
    assert hashlib.sha256(encrypted.numpy().tobytes()).hexdigest() == checksum


def test_every_scheme_has_a_golden_checksum():
    elsewhere = {EtCJPEG}  # whose bytes depend on Pillow's library, and before it are those of EtC
    elsewhere |= {Orthogonal, NeuraCrypt}  # floats: their subkeys have checksums in test_field.py
    elsewhere |= {Features, I2P}  # test_features.py, test_i2p.py
    assert {type(scheme) for scheme in GOLDEN} | elsewhere == set(SCHEMES.values()) == set(ORACLES) | {I2P}
