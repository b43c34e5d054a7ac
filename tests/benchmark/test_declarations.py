"""A scheme is what it is found to be: honest declarations pass, and each kind of lie is caught."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from networks import unet_file
from samples import noise_tensor as noise

from vitcrypt.benchmark import declarations
from vitcrypt.benchmark.candidate import load
from vitcrypt.benchmark.declarations import examine
from vitcrypt.encryption import SCHEMES as CLASSES
from vitcrypt.keys import Key

SCHEMES = Path(__file__).parent / "schemes"
SHAPE = (3, 16, 16)
IMAGES = noise(4, *SHAPE, seed=1) // 2 + torch.arange(16, dtype=torch.uint8) * 8
SMALL = {"neuracrypt": {"hidden": 32}, "etc_jpeg": {"block_size": 8}}
SMALL |= {"i2p": {"block_size": 2, "weights": unet_file()}}
SMALL |= {name: {"block_size": 4} for name in ("proposed", "pevit_rs")}
ALL = [cls(**SMALL.get(name, {})) for name, cls in CLASSES.items()]


def function(folder, text, name="mine"):
    """A candidate from the text of a file."""
    path = folder / f"{name}.py"
    path.write_text(f"import numpy as np\n{text}")
    return load(str(path)).scheme


@pytest.fixture(autouse=True)
def _few_keys_and_no_module_left(monkeypatch):
    monkeypatch.setattr(declarations, "KEYS", 48)
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(SCHEMES))
    yield
    for name in set(sys.modules) - before:
        if "." not in name and name not in sys.stdlib_module_names:
            del sys.modules[name]


@pytest.mark.parametrize("scheme", ALL, ids=lambda scheme: scheme.name)
def test_the_schemes_of_vitcrypt_are_what_they_declare(scheme):
    examined = examine(scheme, IMAGES)
    assert examined.lies == []
    assert (examined.linear, examined.isometry) == (scheme.properties.linear, scheme.properties.isometry)
    assert examined.invertible == scheme.properties.invertible
    assert examined.key_bits == scheme.effective_key_bits(SHAPE)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ALL), st.integers(0, 99), arrays(np.uint8, (2, *SHAPE)), arrays(np.uint8, SHAPE))
def test_declared_properties_hold_for_any_images_and_key(scheme, number, images, other):
    one, shape = torch.from_numpy(images), tuple(other.shape)
    cipher = scheme.cipher(scheme.subkeys(Key.test(f"test-{number}"), shape), shape)
    made = cipher(one)
    assert (made.dtype, tuple(made.shape[1:])) == (
        getattr(torch, scheme.properties.dtype),
        scheme.output_shape(shape),
    )
    assert torch.equal(cipher(one), made)
    if scheme.properties.invertible:
        assert torch.equal(cipher.inverse()(made), one)
    if scheme.properties.isometry == "bytes":
        apart, encrypted = (pair.flatten(1).double().diff(dim=0).norm() for pair in (one, made))
        scale = 1 if made.dtype == torch.uint8 else 127.5
        assert float(encrypted) * scale == pytest.approx(float(apart), rel=1e-3, abs=1e-2)
    if scheme.properties.linear == "bytes":
        low = torch.from_numpy(other) // 2
        parts = [cipher(each).double() for each in (one[0] // 2 + low, one[0] // 2, low, torch.zeros_like(low))]
        assert torch.allclose(parts[0] + parts[3], parts[1] + parts[2], atol=1e-3)


def test_a_class_of_15_lines_is_linear_and_keeps_distances():
    examined = examine(load(str(SCHEMES / "reversed_blocks.py")).scheme, IMAGES)
    assert (examined.lies, examined.linear, examined.isometry, examined.key_bits) == ([], "bytes", "bytes", 16)


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
        return {"order": torch.from_numpy(np.random.default_rng(int(key.fingerprint, 16)).permutation(768))}
    def cipher(self, subkeys, shape):
        return SignedPermutation(subkeys["order"])
"""
    (lie,) = examine(function(tmp_path, text), IMAGES).lies
    assert lie.what == "key"
    assert "fingerprint" in lie.told


CLASS = "from vitcrypt.encryption import LE\nclass Mine(LE):\n    block_size = 4\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1", "defines no scheme"),
        ("def encrypt(image, key):\n    return image.astype(int)", "returned int64, not uint8"),
        ("def encrypt(image, key):\n    return [1]", "returned list"),
        ("def encrypt(image, key):\n    raise KeyError('a')", "mine.encrypt fails: KeyError"),
        ("def encrypt(image, key):\n    raise SystemExit(0)", "mine.encrypt fails: SystemExit"),
        ("raise SystemExit(0)", "cannot be imported: SystemExit"),
        ("def encrypt(image, key):\n    return np.zeros((3000, 3000), np.uint8)", "9,000,000 values for one image"),
        (f"{CLASS}    name = '../x'", "make it one word"),
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


def test_a_function_may_write_into_what_it_returned_before(tmp_path):
    text = "made = np.zeros(768, np.uint8)\ndef encrypt(image, key):\n    made[:] = image.flatten()\n    return made"
    scheme = function(tmp_path, text)
    ciphertexts = scheme.cipher(scheme.subkeys(Key.test("test-0"), SHAPE), SHAPE)(IMAGES[:2])
    assert not torch.equal(ciphertexts[0], ciphertexts[1])


def test_a_function_of_another_shape_and_type_is_followed(tmp_path):
    text = (
        "dtype = 'float32'\ndef encrypt(image, key):\n    return (image[..., 0] * float(key[0] + 1)).astype('float32')"
    )
    scheme = function(tmp_path, text)
    assert scheme.output_shape(SHAPE) == (1, 16, 16)
    assert examine(scheme, IMAGES).linear == "bytes"
