"""Encrypting a folder and training on it is training on the folder itself, however messy that is."""

import pytest
import torch
from PIL import Image
from samples import class_folders, every, noise, some

from vitcrypt.data import folder
from vitcrypt.data.formats import EXTENSIONS
from vitcrypt.encryption import ImageEncryption, Proposed
from vitcrypt.folders import encrypt_folder
from vitcrypt.keys import Key

KEY = Key.test("test-0")
FORMATS = {
    ".jp2": "JPEG2000",
    ".j2k": "JPEG2000",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".pgm": "PPM",
    ".avif": "AVIF",
    "": "PNG",
}
SUFFIXES = sorted(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", *FORMATS} & {"", *EXTENSIONS}
)


def picture(path, number):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(20 + number % 3, 24, 3, seed=number)).save(path, format=FORMATS.get(path.suffix))


def of_every_format(base):
    for number, suffix in enumerate(suffix for suffix in SUFFIXES for _ in range(4)):
        picture(base / ("cat", "dog")[number % 2] / f"{number}{suffix}", number)


def of_names_that_sort_in_odd_ways(base):
    for number, name in enumerate(
        ("a.jpg", "a.k.png", "a-b.tif", "B.png", "a/1.png", "a0.JPG", "é.png", "z\uff5a.bmp")
    ):
        for label in ("cat", "dog"):
            picture(base / label / name, 2 * number + (label == "dog"))


def of_splits_in_other_words(base):
    for first, split in enumerate(("Training", "Testing", "VALIDATION", "dev")):
        class_folders(base / split, {"cat": 4, "dog": 3}, side=20, first=10 * first)


def of_photos_among_other_things(base):
    class_folders(base, {"cat": 8, "dog": 7}, side=20)
    for name in (".thumbnails/1.png", "@eaDir/1.png", "cat/.x.png", "cat/@eaDir/1.png", "dog/._000.png", "cover.png"):
        picture(base / name, 99)
    (base / "cat" / "raw.heic").write_bytes(b"\0\0\0\x18ftypheic")
    class_folders(base.parent, {"elsewhere": 5}, side=24, first=50)
    (base / "dog" / "more").symlink_to(base.parent / "elsewhere")


@pytest.mark.parametrize(
    ("messy", "key_scope", "keep_names"),
    [
        (of_every_format, "shared", False),
        (of_names_that_sort_in_odd_ways, "shared", True),
        (of_names_that_sort_in_odd_ways, "per_image", False),
        (of_splits_in_other_words, "per_image", True),
        (of_photos_among_other_things, "shared", True),
    ],
)
def test_an_encrypted_folder_holds_what_training_on_the_plain_one_encrypts(tmp_path, messy, key_scope, keep_names):
    photos, told = tmp_path / "photos", []
    messy(photos)
    encrypt_folder(
        photos, tmp_path / "enc", Proposed(4), KEY, 16, key_scope=key_scope, keep_names=keep_names, tell=told.extend
    )
    plain, encrypted = folder(str(photos), 16), folder(str(tmp_path / "enc"), 16)
    encryption = ImageEncryption(Proposed(4), KEY, (3, 16, 16), key_scope)
    assert plain.classes == encrypted.classes == ["cat", "dog"]
    assert len(some(plain)) == len(some(encrypted))
    for one, other in zip(some(plain), some(encrypted), strict=True):
        mine, theirs = every(one), every(other)
        assert torch.equal(encryption(mine["image"], mine["index"]), theirs["image"])
        for name in ("label", "index"):
            assert torch.equal(mine[name], theirs[name])
    assert tuple(told) == plain.notes, "both say the same"
    assert encrypted.notes[0] == plain.notes[0] or messy is of_splits_in_other_words
