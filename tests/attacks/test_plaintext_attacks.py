"""Known and chosen plaintext give the exact key of every scheme, and say what they are certain of."""

import pytest
import torch
from attacked import PUBLIC, SCHEMES, SMALL, VICTIM, encrypt, oracle, scenes

from vitcrypt.attacks import ChosenPlaintext, KnownPlaintext, Observation
from vitcrypt.attacks.plaintext.attack import noise, probes
from vitcrypt.attacks.plaintext.recover import recover_map
from vitcrypt.data import digits, resize
from vitcrypt.encryption import ELE, LE, PE, EtC, Proposed, SignedPermutation
from vitcrypt.metrics import key_shares


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_chosen_plaintext_gives_the_key(scheme):
    plain = noise(2, SMALL, seed=3)
    ciphertexts, subkeys = encrypt(scheme, plain, "test-1")
    asked = oracle(scheme, SMALL, 3, "test-1")
    result = ChosenPlaintext()(Observation(scheme, ciphertexts, oracle=asked))
    assert all(torch.equal(result.subkeys[name], subkeys[name]) for name in subkeys)
    assert torch.equal(result.images, plain)
    # one image, and for ELE as many as tell 96 (or 384) nibbles apart by 8 * 16^(q - 1) signatures
    assert asked.queries == len(probes(scheme, SMALL)) == {ELE(4): 2, ELE(8): 3}.get(scheme, 1)


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_known_plaintext_gives_the_key(scheme):
    pairs, plain = scenes(60, PUBLIC), scenes(2, VICTIM)
    known, subkeys = encrypt(scheme, pairs)
    ciphertexts, _ = encrypt(scheme, plain)
    result = KnownPlaintext()(Observation(scheme, ciphertexts, known=(pairs, known)))
    assert result.details["exact"]
    assert key_shares(result.subkeys, subkeys) == dict.fromkeys(subkeys, 1.0)
    assert torch.equal(result.images, plain)


@pytest.mark.parametrize("scheme", [PE(), LE(4), ELE(4), EtC(4), Proposed(4)], ids=str)
def test_what_known_plaintext_calls_certain_is_right(scheme):
    pairs = resize(digits().train.images[:3], 32)  # grey, and the upper half is black: much stays open
    pairs[:, :, :16] = 0
    known, subkeys = encrypt(scheme, pairs)
    observation = Observation(scheme, known[:1], known=(pairs, known))
    result = KnownPlaintext()(observation)
    assert torch.equal(scheme.cipher(result.subkeys, SMALL)(pairs), known)  # it is a key that fits
    shares = key_shares(result.subkeys, subkeys)
    for name, certain in result.details["certain"].items():
        assert shares[name] >= certain
    assert min(result.details["certain"].values()) < 1 or scheme == LE(4)


@pytest.mark.parametrize("scheme", [PE(), LE(4), ELE(4), EtC(4), Proposed(4)], ids=str)
def test_pairs_under_two_keys_are_refused(scheme):
    pairs = scenes(2, PUBLIC)
    known = torch.cat([encrypt(scheme, pairs[:1], "test-0")[0], encrypt(scheme, pairs[1:], "test-1")[0]])
    with pytest.raises(ValueError, match="one key"):
        KnownPlaintext()(Observation(scheme, known, known=(pairs, known)))


@pytest.mark.parametrize("bits", [8, 4])
def test_a_signed_permutation_of_an_unknown_scheme_is_found_from_pairs(bits):
    symbols = 192 * 8 // bits
    random = torch.Generator().manual_seed(0)
    mask = torch.randint(0, 2, (symbols,), generator=random, dtype=torch.uint8) * (255 if bits == 8 else 15)
    cipher = SignedPermutation(torch.randperm(symbols, generator=random), mask, bits)
    images = noise(9, (3, 8, 8), seed=2)
    found, certain = recover_map(images, cipher(images))
    assert certain.all()
    assert torch.equal(found.inverse()(cipher(images[:1])), images[:1])
    with pytest.raises(ValueError, match="no fixed permutation"):
        recover_map(images, images + 1)
