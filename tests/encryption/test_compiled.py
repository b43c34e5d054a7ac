"""Compiled by torch, every scheme gives the bytes that it gives without."""

import shutil

import pytest
import torch
from cases import ONE_EACH, SHAPE, by_oracle, cipher_of, drawn, each, label, noise

from vitcrypt.data import ArrayDataset, ImageDataModule, Splits
from vitcrypt.encryption import LE, ImageEncryption, Plain, Proposed, Scheme
from vitcrypt.keys import Key

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="needs a C++ compiler"),
]
KEY = Key.test("test-0")


@pytest.fixture(autouse=True)
def fresh():
    torch.compiler.reset()


def module(encryption, **options):
    some = ArrayDataset(noise(4, 3, 16, 16), torch.zeros(4, dtype=torch.int64), torch.arange(4))
    return ImageDataModule(Splits(some, some, ["0"]), 32, encryption, batch_size=4, **options)


@each([scheme for scheme in ONE_EACH if scheme.name in ("proposed", "ele", "pe")])
def test_a_compiled_cipher_equals_the_oracle_and_decrypts_exactly(scheme):
    cipher = cipher_of(scheme, SHAPE)
    encrypt, decrypt = torch.compile(cipher), torch.compile(cipher.inverse())
    for count in (4, 3, 1):  # other sizes of a batch, as at the end of an epoch
        images = noise(count, *SHAPE, seed=count)
        encrypted = encrypt(images)
        expected = [by_oracle(scheme, drawn(scheme, SHAPE), image) for image in images]
        assert torch.equal(encrypted, torch.stack(expected))
        assert torch.equal(decrypt(encrypted), images)


@pytest.mark.parametrize(
    ("scheme", "dtype"),
    [(Plain(), torch.float32), (Proposed(4), torch.bfloat16), (LE(4), torch.float32)],
    ids=lambda value: label(value) if isinstance(value, Scheme) else "",
)
def test_the_network_sees_the_same_with_data_compile(scheme, dtype):
    encryption = ImageEncryption(scheme, KEY, SHAPE)
    for training in (True, False):
        for count in (4, 3):
            images, index = noise(count, 3, 16, 16, seed=count), torch.arange(count)
            seen = []
            for compiled in (False, True):
                data = module(encryption, compile=compiled, crop_padding=2, flip=True)
                data._generator.manual_seed(0)
                seen.append(data.prepare(images, index, training, dtype))
            assert torch.equal(*seen)
            assert seen[0].dtype == dtype


def test_a_key_for_each_image_is_not_compiled():
    with pytest.raises(ValueError, match=r"data\.compile=false"):
        module(ImageEncryption(Proposed(4), KEY, SHAPE, "per_image"), compile=True)
