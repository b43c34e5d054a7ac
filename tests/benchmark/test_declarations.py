"""A scheme is what it is found to be: honest declarations pass, and each kind of lie is caught."""

from pathlib import Path

import pytest
import torch
from cases import ONE_EACH, label
from samples import noise_tensor as noise

from vitcrypt.benchmark.candidate import load
from vitcrypt.benchmark.declarations import examine
from vitcrypt.encryption import Plain

SCHEMES = Path(__file__).parent / "schemes"
IMAGES = noise(4, 3, 8, 8, seed=1) // 2 + torch.arange(8, dtype=torch.uint8) * 16


def function(folder, text, name="mine"):
    """A candidate from the text of a file."""
    path = folder / f"{name}.py"
    path.write_text(f"import numpy as np\n{text}")
    return load(str(path)).scheme


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    import sys

    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(SCHEMES))
    yield
    for name in set(sys.modules) - before:
        if "." not in name and name not in sys.stdlib_module_names:
            del sys.modules[name]


@pytest.mark.parametrize("scheme", ONE_EACH, ids=label)
def test_the_schemes_of_vitcrypt_are_what_they_declare(scheme):
    examined = examine(scheme, IMAGES)
    assert examined.lies == []
    assert (examined.linear, examined.isometry) == (scheme.properties.linear, scheme.properties.isometry)
    assert examined.invertible
    assert (examined.key_bits > 0) != isinstance(scheme, Plain)


def test_a_class_of_15_lines_is_linear_and_keeps_distances():
    examined = examine(load(str(SCHEMES / "reversed_blocks.py")).scheme, IMAGES)
    assert (examined.lies, examined.linear, examined.isometry, examined.key_bits) == ([], "bytes", "bytes", 4)


def test_a_function_that_adds_its_key_is_neither():
    examined = examine(load(str(SCHEMES / "added_key.py")).scheme, IMAGES)
    assert (examined.lies, examined.linear, examined.isometry, examined.invertible) == ([], None, None, True)
    assert examined.key_bits == 256


LIES = {
    "deterministic": "def encrypt(image, key):\n    return image ^ np.random.randint(1, 255, dtype=np.uint8) ^ key[0]",
    "keyed": "def encrypt(image, key):\n    return image[::-1]",
    "invertible": "invertible = True\ndef encrypt(image, key):\n    return (image ^ key[0]) & 254\n"
    "def decrypt(image, key):\n    return image ^ key[0]",
    "linear": "linear = True\ndef encrypt(image, key):\n    return image ^ np.uint8(key[0] | 1)",
    "isometry": "isometry = True\ndef encrypt(image, key):\n    return image + np.uint8(key[0] | 64)",
    "key": "def encrypt(image, key):\n    return image ^ key[0]",
    "no key": "keyed = False\ndef encrypt(image, key):\n    return image[::-1]",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_caught(tmp_path, lie):
    found = {finding.what for finding in examine(function(tmp_path, LIES[lie]), IMAGES).lies}
    assert lie in found if lie != "no key" else not found


def test_what_does_not_decrypt_is_told_with_its_place(tmp_path):
    (told,) = [f.told for f in examine(function(tmp_path, LIES["invertible"]), IMAGES).lies if f.what == "invertible"]
    assert "values differ, first at (channel, row, column) (" in told


def test_the_fingerprint_must_not_tell_the_key(tmp_path):
    text = """from vitcrypt.encryption import Scheme, SignedPermutation
import torch
class Leaking(Scheme):
    block_size = 1
    def subkeys(self, key, shape):
        return {"order": torch.from_numpy(np.random.default_rng(int(key.fingerprint, 16)).permutation(192))}
    def cipher(self, subkeys, shape):
        return SignedPermutation(subkeys["order"])
"""
    (lie,) = examine(function(tmp_path, text), IMAGES).lies
    assert lie.what == "key"
    assert "fingerprint" in lie.told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1", "defines no scheme"),
        ("def encrypt(image, key):\n    return image.astype(int)", "returned int64, not uint8"),
        ("def encrypt(image, key):\n    return [1]", "returned list"),
        ("def encrypt(image, key):\n    raise KeyError('a')", "mine.encrypt fails: KeyError"),
        ("linear = 'words'\ndef encrypt(image, key):\n    return image", "linear is 'bytes', 'nibbles' or None"),
        ("key_scope = 'both'\ndef encrypt(image, key):\n    return image", "key_scope is 'shared' or 'per_image'"),
        ("import nowhere_at_all", "cannot be imported: ModuleNotFoundError"),
        ("class A:\n    def cipher(self): ...", "derive the class from it"),
    ],
)
def test_what_is_no_scheme_is_told_what_to_write(tmp_path, text, told):
    with pytest.raises(ValueError, match=told):
        examine(function(tmp_path, text), IMAGES)


def test_a_file_may_not_be_called_as_a_module(tmp_path):
    with pytest.raises(ValueError, match="call the file"):
        function(tmp_path, LIES["key"], name="numpy")


def test_a_function_of_another_shape_and_type_is_followed(tmp_path):
    text = (
        "dtype = 'float32'\ndef encrypt(image, key):\n    return (image[..., 0] * float(key[0] + 1)).astype('float32')"
    )
    scheme = function(tmp_path, text)
    assert scheme.output_shape((3, 8, 8)) == (1, 8, 8)
    assert examine(scheme, IMAGES).linear == "bytes"
