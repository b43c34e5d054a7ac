"""Folders of ciphertexts kept as JPEG: what training sees, and nothing else that calls itself JPEG."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from samples import class_folders

from vitcrypt.data import ImageDataModule, Manifest, folder, npz, read_image
from vitcrypt.data.received import read_checked_pixels
from vitcrypt.encryption import EtCJPEG, GrayscaleEtC, ImageEncryption, Noise
from vitcrypt.encryption.jpeg_files import decode_foreign, encode
from vitcrypt.folders import decrypt_folder, encrypt_folder, pack_npz, pack_shards, rotate_folder, verify_folder
from vitcrypt.keys import Key

KEY, SIDE = Key.from_bytes(bytes(range(32))), 32
MADE = [(EtCJPEG(8), "shared"), (EtCJPEG(8), "per_image"), (GrayscaleEtC(table="planes"), "shared")]


@pytest.fixture(scope="module", params=MADE, ids=lambda made: f"{made[0].name}-{made[1]}")
def made(request, tmp_path_factory):
    root, (scheme, scope) = tmp_path_factory.mktemp("jpeg"), request.param
    class_folders(root / "photos", {"ant": 6, "bee": 4})
    manifest = encrypt_folder(root / "photos", root / "enc", scheme, KEY, SIDE, key_scope=scope).manifest
    assert Manifest.read(root / "enc" / "manifest.json").scheme == scheme
    return root, manifest


def test_files_are_jpeg_and_hold_what_the_training_cipher_makes(made):
    root, manifest = made
    assert sorted(manifest.index) == [f"{c}/{i:06}.jpg" for i, c in enumerate(["ant"] * 6 + ["bee"] * 4)]
    encryption = ImageEncryption(manifest.scheme, KEY, (3, SIDE, SIDE), manifest.key_scope)
    photos = sorted((root / "photos").rglob("*.png"))
    for photo, (name, index) in zip(photos, sorted(manifest.index.items()), strict=True):
        expected = encryption(read_image(photo, SIDE), torch.tensor([index]))
        assert np.array_equal(read_checked_pixels(root / "enc", name, manifest), expected)
        with Image.open(root / "enc" / name) as file:
            assert (file.format, file.size) == ("JPEG", (expected.shape[2], SIDE))
            assert np.array_equal(np.atleast_3d(file).transpose(2, 0, 1), expected.numpy())


def test_training_verifying_and_packing_take_them(made, tmp_path):
    root, manifest = made
    splits = folder(str(root / "enc"), SIDE)
    assert tuple(splits.train.images.shape[1:]) == manifest.stored[0]
    data = ImageDataModule(splits, SIDE, None, manifest, augment="none")
    held = splits.train.batch([0, 1])["image"]
    assert torch.equal(data.encrypted(held, torch.arange(2)), held), "nothing is resized"
    assert verify_folder(root / "enc") == (manifest, [])
    pack_npz(root / "enc", tmp_path / "x.npz")
    packed = npz(str(tmp_path / "x.npz"))
    assert torch.equal(packed.train.images, splits.train.images)
    pack_shards(root / "enc", tmp_path / "x")
    assert verify_folder(tmp_path / "x")[1] == []
    name = min(manifest.index)
    file = root / "enc" / name
    kept = file.read_bytes()
    file.write_bytes(encode(torch.zeros(manifest.stored[0], dtype=torch.uint8), 80))
    wrong = verify_folder(root / "enc")[1]
    file.write_bytes(kept[:-9])
    wrong += verify_folder(root / "enc")[1]
    file.write_bytes(kept)
    assert wrong == [
        f"{name}: changed: an image, but not the one of the manifest",
        f"{name}: damaged: no longer a JPEG image that can be read",
    ]


def test_they_decrypt_nearly_to_png_and_are_not_rotated(made, tmp_path):
    root, manifest = made
    decrypt_folder(root / "enc", tmp_path / "dec", KEY)
    plain = read_image(min((root / "photos").rglob("*.png")), SIDE).float()
    name = min(manifest.index).replace(".jpg", ".png")
    found = read_image(tmp_path / "dec" / name, SIDE).float()
    assert 0 < float((found - plain).abs().mean()) < float((found - plain.mean()).abs().mean()) / 2
    with pytest.raises(ValueError, match=r"each rotation would lose more; encrypt the photos"):
        rotate_folder(root / "enc", tmp_path / "new", KEY, Key.test("test-1"))


def test_what_cannot_be_undone_is_said_before_anything_is_written(made, tmp_path):
    encrypt_folder(made[0] / "photos", tmp_path / "enc", Noise(), KEY, SIDE, key_scope="per_image")
    with pytest.raises(ValueError, match="cannot be undone"):
        decrypt_folder(tmp_path / "enc", tmp_path / "dec", KEY)
    with pytest.raises(ValueError, match="of another size, so no folder of PNG files"):
        encrypt_folder(made[0] / "photos", tmp_path / "dec", GrayscaleEtC(quality=None), KEY, SIDE)
    assert not list(tmp_path.glob("dec*"))


def saved(**options):
    file = io.BytesIO()
    image = Image.fromarray(np.arange(3072, dtype=np.uint8).reshape(32, 32, 3))
    image.convert(options.pop("mode", "RGB")).save(file, options.pop("format", "JPEG"), **{"subsampling": 0} | options)
    return file.getvalue()


GOOD = saved()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (saved(progressive=True), "a JPEG progressive"),
        (saved(subsampling=2), "subsampled"),
        (saved(exif=b"Exif\0\0" + bytes(20)), "with Exif"),
        (saved(comment=b"x"), "with a comment"),
        (saved(mode="L"), "1 planes of 8 bits, not 3"),
        (saved(mode="CMYK"), "of Adobe's"),
        (saved(format="PNG", subsampling=0), "no JPEG"),
        (GOOD[:-1], "truncated"),
        (GOOD[:300], "truncated"),
        (GOOD[:3], "truncated"),
        (GOOD + b"\0", "behind its end"),
        (GOOD + GOOD, "behind its end"),
        (GOOD.replace(b"\x00\x20\x00\x20", b"\x7f\xff\x7f\xff", 1), "32767 x 32767, not 32 x 32"),
        (GOOD[:-2] + b"\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00" + GOOD[-50:], "more than one scan"),
    ],
)
def test_any_other_jpeg_is_refused_before_it_is_decoded(data, told):
    with pytest.raises(ValueError, match=told):
        decode_foreign(data, (3, 32, 32))


def test_no_damage_does_more_than_raise_or_give_an_image():
    random = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(GOOD)
        for place in random.integers(0, len(data), 3):
            data[place] = random.integers(256)
        try:
            assert decode_foreign(bytes(data), (3, 32, 32)).shape == (3, 32, 32)
        except ValueError:
            continue
