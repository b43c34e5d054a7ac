"""What is derived and drawn from a key: against vectors and a second derivation from the standards alone."""

import hashlib
import hmac
from itertools import count, islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vectors import SECRET, VECTORS

from vitcrypt.keys import Key, Keystream, keystream

# The second derivation: HKDF-SHA256 of RFC 5869, ChaCha20 of RFC 8439, and draws one word at a time


def hkdf(secret, info, length=32, salt=bytes(32)):
    pseudorandom_key = hmac.new(salt, secret, hashlib.sha256).digest()
    okm, block = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.new(pseudorandom_key, block + info + bytes([counter]), hashlib.sha256).digest()
        okm += block
    return okm[:length]


def chacha_words(subkey):
    def quarter(s, a, b, c, d):
        for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) % 2**32
            s[z] ^= s[x]
            s[z] = (s[z] << turn | s[z] >> (32 - turn)) % 2**32

    def word(data, i):
        return int.from_bytes(data[4 * i : 4 * i + 4], "little")

    start = [word(b"expand 32-byte k", i) for i in range(4)] + [word(subkey, i) for i in range(8)]
    for block in count():
        state = [*start, block, 0, 0, 0]
        mixed = state.copy()
        for _ in range(10):
            for column in range(4):
                quarter(mixed, column, 4 + column, 8 + column, 12 + column)
            for i in range(4):
                quarter(mixed, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
        yield from ((x + y) % 2**32 for x, y in zip(mixed, state, strict=True))


def draw_integer(words, bound):
    limit = 2**32 - 2**32 % bound
    while (word := next(words)) >= limit:
        pass
    return word % bound


def draw_permutation(words, size):
    table = list(range(size))
    for i in range(size - 1, 0, -1):
        j = draw_integer(words, i + 1)
        table[i], table[j] = table[j], table[i]
    return table


def draw_bits(words, number):
    bits = [word >> i & 1 for word in islice(words, -(-number // 32)) for i in range(32)]
    return [bool(bit) for bit in bits[:number]]


def test_the_second_derivation_passes_test_case_1_of_rfc_5869():
    okm = hkdf(bytes([0x0B] * 22), bytes(range(0xF0, 0xFA)), 42, salt=bytes(range(13)))
    assert okm.hex() == ("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")


@pytest.mark.parametrize(
    ("subkey", "skip", "expected"),
    [
        (
            bytes(32),
            0,
            "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
            "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586",
        ),
        (
            bytes(31) + b"\x01",
            64,
            "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
            "8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0",
        ),
    ],
    ids=["appendix-A1-vector-1", "appendix-A1-vector-3"],
)
def test_the_keystream_is_the_chacha20_of_rfc_8439(subkey, skip, expected):
    bits = Keystream(subkey).bits(8 * (skip + 64))[8 * skip :]
    assert np.packbits(bits, bitorder="little").tobytes().hex() == expected
    words = islice(chacha_words(subkey), skip // 4, skip // 4 + 16)
    assert b"".join(word.to_bytes(4, "little") for word in words).hex() == expected


def test_a_subkey_of_another_length_is_refused():
    with pytest.raises(ValueError, match="32 bytes, got 31"):
        Keystream(bytes(31))


# What is derived from a key


@pytest.mark.parametrize("info", ["fingerprint", "test", "image=7", "proposed/block_permutation", ""])
def test_derive_is_hkdf_without_salt_under_the_prefix_of_this_package(info):
    assert Key.from_bytes(SECRET).derive(info) == hkdf(SECRET, f"vitcrypt/1/{info}".encode())


def test_the_fingerprint_comes_from_a_subkey_of_its_own():
    expected = hashlib.sha256(hkdf(SECRET, b"vitcrypt/1/fingerprint")).hexdigest()[:16]
    assert Key.from_bytes(SECRET).fingerprint == expected
    assert not hashlib.sha256(SECRET).hexdigest().startswith(expected)


def test_a_keystream_is_named_by_scheme_stage_and_sizes():
    subkey = hkdf(SECRET, b"vitcrypt/1/proposed/block_permutation/shape=3x224x112/block=16")
    stream = Key.from_bytes(SECRET).keystream("proposed", "block_permutation", shape=(3, 224, 112), block_size=16)
    assert stream.permutation(98).tolist() == draw_permutation(chacha_words(subkey), 98)


def test_no_two_names_or_sizes_share_a_keystream():
    key = Key.from_bytes(SECRET)
    names = [
        ("le", "nibble_permutation", (3, 32, 32), 4),
        ("ele", "nibble_permutation", (3, 32, 32), 4),
        ("le", "nibble_inversion", (3, 32, 32), 4),
        ("le", "nibble_permutation", (3, 32, 64), 4),
        ("le", "nibble_permutation", (3, 64, 32), 4),
        ("le", "nibble_permutation", (1, 32, 32), 4),
        ("le", "nibble_permutation", (3, 32, 32), 8),
    ]
    assert len({tuple(key.keystream(*name).bits(256).tolist()) for name in names}) == len(names)


def test_the_key_of_an_image_is_derived_from_its_index():
    key = Key.from_bytes(SECRET)
    keys = [key, *(key.for_image(index) for index in range(50)), key.for_image(0).for_image(0)]
    assert len({every.fingerprint for every in keys}) == len(keys)
    assert key.for_image(7) == key.for_image(7) == Key.from_bytes(hkdf(SECRET, b"vitcrypt/1/image=7"))
    assert key.for_image(7) != Key.from_bytes(SECRET[::-1]).for_image(7)


def test_the_published_vectors_hold():
    key = Key.from_bytes(SECRET)
    subkey = key.derive("test")
    assert key.fingerprint == VECTORS["fingerprint"]
    assert subkey.hex() == VECTORS["derive"]
    assert Keystream(subkey).permutation(64)[:8].tolist() == VECTORS["permutation"]
    assert Keystream(subkey).bits(16).astype(int).tolist() == VECTORS["bits"]
    assert Keystream(subkey).integers(np.array([2, 6, 8, 256, 1000, 2**32])).tolist() == VECTORS["integers"]
    assert Keystream(subkey).integers_below(6, 8).tolist() == VECTORS["below 6"]


# What is drawn from a keystream

bounds = st.one_of(st.integers(1, 300), st.sampled_from([2**31 - 1, 2**31 + 1, 2**31 + 12345, 3 * 2**30, 2**32]))
draws = st.one_of(
    st.tuples(st.just("bits"), st.integers(0, 100)),
    st.tuples(st.just("integers"), st.lists(bounds, max_size=20)),
    st.tuples(st.just("permutation"), st.integers(1, 40)),
)


@settings(deadline=None, max_examples=60, database=None)
@given(st.binary(min_size=32, max_size=32), st.lists(draws, max_size=6))
def test_draws_one_after_another_equal_the_sequential_definition(subkey, plan):
    stream, words = Keystream(subkey), chacha_words(subkey)
    for kind, what in plan:
        if kind == "bits":
            assert stream.bits(what).tolist() == draw_bits(words, what)
        elif kind == "integers":
            drawn = stream.integers(np.array(what, dtype=np.int64))
            assert drawn.tolist() == [draw_integer(words, bound) for bound in what]
        else:
            assert stream.permutation(what).tolist() == draw_permutation(words, what)


def test_rejected_words_are_skipped_and_no_word_is_lost():
    used = 0

    def counted():
        nonlocal used
        for word in chacha_words(SECRET):
            used += 1
            yield word

    stream, words = Keystream(SECRET), counted()
    table = [2**31 + 1 + step for step in range(200)]
    assert stream.integers(np.array(table)).tolist() == [draw_integer(words, bound) for bound in table]
    assert 300 < used < 500  # about every other word is rejected
    assert stream.permutation(50).tolist() == draw_permutation(words, 50)
    assert stream.bits(70).tolist() == draw_bits(words, 70)


def test_a_word_below_the_limit_is_taken_and_one_at_the_limit_is_rejected():
    subkey = next(bytes([number]) * 32 for number in count() if next(chacha_words(bytes([number]) * 32)) > 2**31)
    words = chacha_words(subkey)
    first = next(words)  # a bound above 2^31 is its own limit
    assert Keystream(subkey).integers_below(first + 1, 1).tolist() == [first]
    assert Keystream(subkey).integers_below(first, 1).tolist() == [next(word for word in words if word < first)]


@pytest.mark.parametrize(("rows", "size"), [(1, 1), (5, 1), (3, 2), (64, 96), (7, 13)])
def test_permutations_are_as_many_permutations_one_after_another(rows, size):
    together, apart = Keystream(SECRET), Keystream(SECRET)
    table = together.permutations(rows, size)
    assert table.shape == (rows, size)
    assert table.dtype == np.int64
    assert table.tolist() == [apart.permutation(size).tolist() for _ in range(rows)]
    assert np.array_equal(together.bits(64), apart.bits(64))


def test_integers_below_are_integers_of_one_bound():
    assert Keystream(SECRET).integers_below(6, 100).tolist() == Keystream(SECRET).integers(np.full(100, 6)).tolist()


def test_permutations_of_four_are_uniform_by_a_chi_square_test():
    draws = 20_000
    table = Keystream(SECRET).permutations(draws, 4)
    _, counts = np.unique(table, axis=0, return_counts=True)
    assert len(counts) == 24
    expected = draws / 24
    assert ((counts - expected) ** 2 / expected).sum() < 49.73  # the 99.9 % point at 23 degrees of freedom


def test_colour_codes_are_uniform_by_a_chi_square_test():
    counts = np.bincount(Keystream(SECRET).integers_below(6, 20_000), minlength=6)
    expected = 20_000 / 6
    assert ((counts - expected) ** 2 / expected).sum() < 20.52  # the 99.9 % point at 5 degrees of freedom


def test_streams_draw_together_what_each_draws_alone_also_where_a_word_is_rejected():
    bounds = np.array([3 * 2**30, 5, 2**32 - 1, 7, 2**31 + 1] * 20)  # a quarter to a half of the words is rejected
    subkeys = [bytes([number]) * 32 for number in range(5)]
    alone = [Keystream(subkey) for subkey in subkeys]
    expected = [(stream.integers(bounds), stream.bits(40)) for stream in alone]
    together = [Keystream(subkey) for subkey in subkeys]
    drawn = together[0].integers_of_each(bounds, *together[1:])
    assert np.array_equal(drawn, [numbers for numbers, _ in expected])
    assert np.array_equal([stream.bits(40) for stream in together], [bits for _, bits in expected])


def test_few_permutations_are_those_of_many():
    few, many = (Keystream(bytes(32)).permutations(rows, 40) for rows in (3, 60))
    assert np.array_equal(few, many[:3])


@pytest.mark.parametrize(("rows", "size"), [(1, 2), (5, 13), (40, 96)])
def test_permutations_of_many_keys_are_those_of_each(monkeypatch, rows, size):
    monkeypatch.setattr(keystream, "LARGE", 1000)  # several of them a call, or fewer than there are
    streams = [Keystream(number.to_bytes(32)) for number in range(1 + 1000 // (rows * size))]
    alone = np.concatenate([Keystream(number.to_bytes(32)).permutations(rows, size) for number in range(len(streams))])
    made = streams[0].permutations(rows, size, *streams[1:], Keystream(bytes(32)))
    assert made.dtype == np.int64
    assert np.array_equal(made[:-rows], alone)
