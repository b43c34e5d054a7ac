"""Keys in memory, and the public test keys."""

import copy
import hashlib
import pickle

import pytest
from vectors import SECRET, VECTORS, spellings

from vitcrypt.keys import Key

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
