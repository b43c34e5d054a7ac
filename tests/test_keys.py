"""Keys, their files, and what is drawn from them: against vectors and a second derivation from the standards alone."""

import base64
import copy
import hashlib
import hmac
import os
import pickle
import re
import stat
from itertools import count, islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitcrypt.keys import Key, Keystream, is_sealed

SECRET = bytes(range(32))
PASSPHRASE = "correct horse battery staple"
posix = pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")


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


VECTORS = {
    "fingerprint": "b2da3cee5f427b03",
    "derive": "cd1ed6f31cbfe6bfdfdb9afc6d12762b1b2ae62485904b3b90bbbebc288752a1",
    "permutation": [34, 53, 8, 21, 63, 44, 32, 6],
    "bits": [1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 1, 1, 1, 0, 0],
    "integers": [1, 4, 0, 253, 825, 683960131],
    "below 6": [1, 4, 4, 5, 3, 1, 5, 1],
    "test-0": "694a10fbdc42e4cc",
}


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


# A key in memory


def test_generated_keys_differ():
    assert len({Key.generate().fingerprint for _ in range(20)}) == 20


@pytest.mark.parametrize("secret", [b"", bytes(31), bytes(33), bytearray(32), "0" * 32, list(range(32)), 7])
def test_anything_but_32_bytes_is_refused(secret):
    with pytest.raises(ValueError, match="exactly 32 bytes"):
        Key.from_bytes(secret)


def test_the_error_about_a_wrong_secret_does_not_show_it():
    with pytest.raises(ValueError, match="got 16 bytes") as error:
        Key.from_bytes(b"sixteen secret b")
    assert "sixteen" not in str(error.value)


def test_keys_are_equal_where_their_secrets_are():
    key, other = Key.from_bytes(SECRET), Key.from_bytes(SECRET[::-1])
    assert key == Key.from_bytes(SECRET)
    assert hash(key) == hash(Key.from_bytes(SECRET))
    assert key != other
    assert key != SECRET


def spellings(secret):
    yield from (secret.hex(), secret.hex().upper(), secret.hex(" "), secret.hex(":"))
    for encode in (base64.b16encode, base64.b32encode, base64.b64encode, base64.urlsafe_b64encode, base64.b85encode):
        yield encode(secret).decode().rstrip("=")
    yield from (repr(list(secret)), repr(tuple(secret)), repr(secret), str(int.from_bytes(secret, "big")))


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, lambda key: repr([{"key": key}])])
def test_no_spelling_of_a_key_shows_its_secret(show):
    secret = hashlib.sha256(b"any secret").digest()
    shown = show(Key.from_bytes(secret))
    assert Key.from_bytes(secret).fingerprint in shown
    for spelling in spellings(secret):
        assert spelling not in shown
        assert spelling.strip("[(b'\"")[:8] not in shown


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_key_does_not_pickle(protocol):
    with pytest.raises(TypeError, match="does not pickle"):
        pickle.dumps(Key.from_bytes(SECRET), protocol)
    with pytest.raises(TypeError, match="does not pickle"):
        pickle.dumps({"config": [Key.from_bytes(SECRET)]}, protocol)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_key_does_not_copy(duplicate):
    with pytest.raises(TypeError, match="does not pickle"):
        duplicate(Key.from_bytes(SECRET))


def test_a_key_has_no_dict_that_a_logger_could_dump():
    with pytest.raises(TypeError):
        vars(Key.from_bytes(SECRET))


# Public test keys


@pytest.mark.parametrize("name", ["test-0", "test-1", "test-42"])
def test_a_test_key_is_the_same_each_time_and_says_that_it_is_public(name):
    assert Key.test(name) == Key.test(name)
    assert Key.test(name).test_name == name
    assert f"public test key {name}" in repr(Key.test(name))
    assert f"public test key {name}" in repr(Key.test(name).for_image(3))
    assert "test" not in repr(Key.from_bytes(SECRET))


def test_test_keys_differ():
    assert len({Key.test(f"test-{number}").fingerprint for number in range(20)}) == 20


def test_the_published_test_key_holds():
    assert Key.test("test-0").fingerprint == VECTORS["test-0"]
    assert Key.test("test-0") == Key.from_bytes(hashlib.sha256(b"vitcrypt public test-0").digest())


@pytest.mark.parametrize(
    "name", ["foo", "", "0", "test", "test-", "test-x", "test--1", "test-1.0", "Test-0", " test-0"]
)
def test_another_name_of_a_test_key_is_refused(name):
    with pytest.raises(ValueError, match="named test-0, test-1") as error:
        Key.test(name)
    assert repr(name) in str(error.value)


@pytest.mark.parametrize("key", [Key.test("test-0"), Key.test("test-0").for_image(1)])
def test_a_test_key_is_not_written_to_a_file(tmp_path, key):
    with pytest.raises(ValueError, match=r"test-0 is .*public"):
        key.write(tmp_path / "owner.key")
    assert list(tmp_path.iterdir()) == []


# The key file


@pytest.fixture
def path(tmp_path):
    return tmp_path / "owner.key"


@pytest.fixture
def written(path):
    Key.from_bytes(SECRET).write(path)
    return path


def overwrite(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    path.chmod(0o600)


def checksummed(text):
    body = text[: text.index("\nchecksum: ")]
    return f"{body}\nchecksum: {hashlib.sha256(body.encode()).hexdigest()[:16]}\n"


def names(path):
    return pytest.raises(ValueError, match=re.escape(str(path)))


def test_a_key_file_gives_the_key_back(path):
    key = Key.generate()
    key.write(path)
    assert Key.read(path) == Key.read(str(path)) == key
    assert not is_sealed(path)


def test_a_key_file_is_the_text_that_is_documented(written):
    header, created, fingerprint, secret, checksum = written.read_text().splitlines()
    assert header == "vitcrypt key, version 1"
    assert created.startswith("created: 20")
    assert fingerprint == f"fingerprint: {VECTORS['fingerprint']}"
    assert secret == "secret: " + base64.b32encode(SECRET).decode().rstrip("=")
    body = "\n".join([header, created, fingerprint, secret])
    assert checksum == "checksum: " + hashlib.sha256(body.encode()).hexdigest()[:16]


@posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_key_file_belongs_to_its_owner_alone(path, umask, passphrase):
    before = os.umask(umask)
    try:
        Key.from_bytes(SECRET).write(path, passphrase)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"something of value", None])
def test_a_file_that_exists_is_never_overwritten(path, content):
    if content is None:
        Key.from_bytes(SECRET[::-1]).write(path)
        content = path.read_bytes()
    else:
        path.write_bytes(content)
    with pytest.raises(FileExistsError, match=r"owner\.key exists"):
        Key.from_bytes(SECRET).write(path)
    assert path.read_bytes() == content


@posix
def test_a_dangling_link_is_not_followed_when_a_key_file_is_made(path, tmp_path):
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError, match=r"owner\.key exists"):
        Key.from_bytes(SECRET).write(path)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_full_disk_leaves_no_file(path, monkeypatch, passphrase):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            Key.from_bytes(SECRET).write(path, passphrase)
    assert list(path.parent.iterdir()) == []
    Key.from_bytes(SECRET).write(path)
    assert Key.read(path) == Key.from_bytes(SECRET)


def test_a_sealed_key_file_opens_with_its_passphrase_alone(path):
    key = Key.from_bytes(SECRET)
    key.write(path, passphrase=PASSPHRASE)
    assert is_sealed(path)
    text = path.read_text()
    assert "\nsealed: " in text
    assert key.fingerprint in text
    for spelling in spellings(SECRET):
        assert spelling not in text
    assert Key.read(path, passphrase=PASSPHRASE) == key
    with names(path) as error:
        Key.read(path, passphrase=PASSPHRASE + " ")
    assert "wrong passphrase" in str(error.value)
    assert PASSPHRASE not in str(error.value)
    with names(path) as error:
        Key.read(path)
    assert "VITCRYPT_PASSPHRASE" in str(error.value)


def test_a_sealed_file_is_sealed_afresh_each_time(tmp_path):
    for name in ("one.key", "other.key"):
        Key.from_bytes(SECRET).write(tmp_path / name, passphrase=PASSPHRASE)
    one, other = ((tmp_path / name).read_text().split("sealed: ")[1] for name in ("one.key", "other.key"))
    assert one[:20] != other[:20]


def test_a_sealed_file_whose_fingerprint_was_exchanged_does_not_open(path):
    key = Key.from_bytes(SECRET)
    key.write(path, passphrase=PASSPHRASE)
    overwrite(path, checksummed(path.read_text().replace(key.fingerprint, "0123456789abcdef")))
    with names(path):
        Key.read(path, passphrase=PASSPHRASE)


def test_a_file_whose_fingerprint_was_exchanged_is_refused(written):
    overwrite(written, checksummed(written.read_text().replace(VECTORS["fingerprint"], "0123456789abcdef")))
    with names(written) as error:
        Key.read(written)
    assert VECTORS["fingerprint"] in str(error.value)
    assert "0123456789abcdef" in str(error.value)


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_another_character_anywhere_in_the_file_is_an_error_that_names_it(path, passphrase):
    Key.from_bytes(SECRET).write(path, passphrase)
    text = path.read_text()
    for position, character in enumerate(text):
        for other in {"A", "b", "7", " ", "\u00e9"} - {character}:
            overwrite(path, text[:position] + other + text[position + 1 :])
            with names(path):
                Key.read(path, passphrase)


def test_a_flipped_bit_anywhere_in_the_file_is_an_error_that_names_it(written):
    data = written.read_bytes()
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            overwrite(written, bytes(flipped))
            with names(written):
                Key.read(written)


def test_a_truncated_file_is_an_error_that_names_it(written):
    data = written.read_bytes()
    for length in range(len(data)):
        overwrite(written, data[:length])
        with names(written):
            Key.read(written)


@pytest.mark.parametrize("line", range(5))
@pytest.mark.parametrize("edit", ["removed", "doubled"])
def test_a_removed_or_doubled_line_is_an_error_that_names_the_file(written, line, edit):
    lines = written.read_text().splitlines(keepends=True)
    lines[line : line + 1] = [] if edit == "removed" else [lines[line]] * 2
    overwrite(written, "".join(lines))
    with names(written):
        Key.read(written)


def test_a_file_of_another_version_says_which_one_is_read(written):
    overwrite(written, checksummed(written.read_text().replace("version 1", "version 2")))
    with names(written) as error:
        Key.read(written)
    assert "version 2" in str(error.value)
    assert "reads version 1" in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\x00\xff\xfe\x80" * 50, b"\x89PNG\r\n", b"-----BEGIN OPENSSH PRIVATE KEY-----\n", SECRET]
)
def test_what_is_no_key_file_is_said_to_be_none(path, content):
    overwrite(path, content)
    with names(path) as error:
        Key.read(path)
    assert "not a vitcrypt key file" in str(error.value)


@posix
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o602])
def test_a_file_that_others_can_open_is_refused(written, mode):
    written.chmod(mode)
    with pytest.raises(PermissionError, match=f"{mode:04o}.*chmod 600") as error:
        Key.read(written)
    assert str(written) in str(error.value)
    written.chmod(0o600)
    assert Key.read(written) == Key.from_bytes(SECRET)


def test_a_missing_file_says_how_to_make_one(path):
    with pytest.raises(FileNotFoundError) as error:
        Key.read(path)
    assert f"vitcrypt key new {path}" in str(error.value)


def test_no_error_about_a_file_shows_the_secret(written):
    text = written.read_text()
    secret = text.split("secret: ")[1].split("\n")[0]
    for damaged in (text.replace("checksum: ", "checksum: 0"), checksummed(text.replace(secret, secret[:-1] + "!"))):
        overwrite(written, damaged)
        with names(written) as error:
            Key.read(written)
        assert secret[:8] not in str(error.value)
        assert error.value.__suppress_context__ or error.value.__context__ is None
