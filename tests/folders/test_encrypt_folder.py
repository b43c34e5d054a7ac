"""What comes out of encrypting a folder, and what gets it back."""

import dataclasses
import hashlib
import json
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from samples import MODES, class_folders, in_mode, noise, save
from torchvision.datasets import ImageFolder

from vitcrypt.data import TEST_INDEX, Manifest, read_image
from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Plain, Proposed
from vitcrypt.folders import decrypt_folder, encode_png, encrypt_folder, png, rotate_folder, verify_folder
from vitcrypt.keys import Key

KEY = Key.from_bytes(bytes(range(32)))
encrypted = partial(encrypt_folder, scheme=Proposed(4), key=KEY, image_size=16)


def pixels(path):
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def photos(tmp_path):
    """Images of many sizes in two classes, split."""
    for split, first in (("train", 0), ("test", 50)):
        for i, (width, height) in enumerate([(16, 16), (40, 23), (9, 30), (8, 8), (16, 16), (5, 60)]):
            label = ("ant", "bee")[i % 2]
            save(tmp_path / "photos" / split / label / f"IMG_{i}.png", noise(height, width, 3, seed=first + i))
    return tmp_path / "photos"


@pytest.mark.parametrize("side", [(7, 5), (1, 1), (16, 16), (3, 300)])
@pytest.mark.parametrize("image", ["noise", "ramp", "flat"])
@pytest.mark.parametrize("deflate", [png.huffman, png.deflate], ids=["huffman", "fastest"])
def test_a_png_is_read_as_the_bytes_that_it_was_written_from(tmp_path, monkeypatch, side, image, deflate):
    monkeypatch.setattr(png, "deflate", deflate)
    values = {
        "noise": noise(3, *side),
        "ramp": np.arange(3 * side[0] * side[1]),
        "flat": np.full(3 * side[0] * side[1], 7),
    }
    tensor = torch.from_numpy(values[image].astype(np.uint8)).view(3, *side)
    (tmp_path / "x.png").write_bytes(encode_png(tensor))
    assert torch.equal(pixels(tmp_path / "x.png"), tensor)
    with Image.open(tmp_path / "x.png") as file:
        file.verify()  # the checksums of its parts


@pytest.mark.parametrize("scheme", [Proposed(4), LE(4), ELE(4), EtC(4), PE(), PE(channel_shuffle=False)], ids=repr)
@pytest.mark.parametrize("key_scope", ["shared", "per_image"])
def test_every_file_is_the_resized_image_encrypted_and_is_decrypted_to_the_byte(photos, tmp_path, scheme, key_scope):
    made = encrypted(photos, tmp_path / "enc", scheme=scheme, key_scope=key_scope)
    encryption = ImageEncryption(scheme, KEY, (3, 16, 16), key_scope)
    decrypt_folder(tmp_path / "enc", tmp_path / "dec", KEY)
    originals = [path for split in ("train", "test") for path in sorted((photos / split).rglob("*.png"))]
    for original, (name, index) in zip(originals, made.manifest.index.items(), strict=True):
        plain = read_image(original, 16)
        assert torch.equal(pixels(tmp_path / "enc" / name), encryption(plain, torch.tensor([index])))
        assert torch.equal(pixels(tmp_path / "dec" / name), plain)
    assert list(made.manifest.index.values()) == [*range(6), *range(TEST_INDEX, TEST_INDEX + 6)]
    for folder in ("enc", "dec"):
        assert verify_folder(tmp_path / folder)[1] == []


def test_images_of_every_mode_and_format_become_8_bit_rgb(tmp_path):
    for mode in MODES:
        path = tmp_path / "photos" / "ant" / (mode.replace(";", "") + (".tif" if mode == "CMYK" else ".png"))
        path.parent.mkdir(parents=True, exist_ok=True)
        in_mode(mode)[0].save(path)
    for suffix in (".jpg", ".webp", ".bmp", ".GIF"):
        Image.fromarray(noise(9, 20, 3)).save(tmp_path / "photos" / "ant" / f"x{suffix}")
    save(tmp_path / "photos" / "bee" / "x.png", noise(9, 9, 3))
    made = encrypted(tmp_path / "photos", tmp_path / "enc", interpolation="bicubic")
    decrypt_folder(tmp_path / "enc", tmp_path / "dec", KEY)
    for original, name in zip(sorted((tmp_path / "photos").glob("*/*")), made.manifest.index, strict=True):
        assert torch.equal(pixels(tmp_path / "dec" / name), read_image(original, 16, "bicubic"))


def test_file_names_become_numbers_unless_they_shall_stay(photos, tmp_path):
    encrypted(photos, tmp_path / "numbers")
    assert not any(b"IMG" in data or "IMG" in name for name, data in tree(tmp_path / "numbers").items())
    made = encrypted(photos, tmp_path / "names", keep_names=True)
    assert set(made.manifest.index) == {path.relative_to(photos).as_posix() for path in photos.rglob("*.png")}
    Image.fromarray(noise(9, 9, 3)).save(photos / "train" / "ant" / "IMG_0.jpg")
    with pytest.raises(ValueError, match=r"two images would be called train/ant/IMG_0\.png"):
        encrypted(photos, tmp_path / "more", keep_names=True)


def test_a_validation_folder_is_encrypted_too_and_shares_no_index(tmp_path):
    for first, split in enumerate(("train", "val", "test")):
        class_folders(tmp_path / "photos" / split, {"ant": 2, "bee": 1}, first=10 * first)
    made = encrypted(tmp_path / "photos", tmp_path / "enc", key_scope="per_image")
    assert len(set(made.manifest.index.values())) == 9
    assert {name.split("/")[0] for name in made.manifest.index} == {"train", "val", "test"}


def test_the_manifest_says_how_and_nothing_of_the_key_and_reads_back(photos, tmp_path):
    made = encrypted(photos, tmp_path / "enc", key_scope="per_image", interpolation="bicubic")
    manifest = Manifest.read(tmp_path / "enc" / "manifest.json")
    assert manifest == made.manifest
    assert (manifest.scheme, manifest.image_size, manifest.interpolation) == (Proposed(4), 16, "bicubic")
    assert (manifest.fingerprint, manifest.public_test_key, manifest.key_scope) == (KEY.fingerprint, None, "per_image")
    assert manifest.classes == ["ant", "bee"]
    for name, sha256 in manifest.sha256.items():
        assert hashlib.sha256((tmp_path / "enc" / name).read_bytes()).hexdigest() == sha256
    assert KEY._secret.hex() not in (tmp_path / "enc" / "manifest.json").read_text()
    assert encrypted(photos, tmp_path / "public", key=Key.test("test-0")).manifest.public_test_key == "test-0"


@pytest.mark.parametrize("change", ["fingerprint", "version", "no json", "outside", "another"])
def test_a_manifest_that_was_meddled_with_is_refused(photos, tmp_path, change):
    encrypted(photos, tmp_path / "enc")
    path = tmp_path / "enc" / "manifest.json"
    content = json.loads(path.read_text())
    if change == "outside":
        content["files"]["../../stolen.png"] = {"index": 9}
    changed = {"fingerprint": {"fingerprint": "0" * 16}, "version": {"format": "vitcrypt folder, version 2"}}
    text = json.dumps({**content, **changed.get(change, {})})
    path.write_text({"no json": text[:-9], "another": '{"format": "vitcrypt folder"}'}.get(change, text))
    with pytest.raises(ValueError, match=r"cannot use .*manifest\.json: .*from its owner"):
        Manifest.read(path)
    with pytest.raises(ValueError, match="cannot use"):
        decrypt_folder(tmp_path / "enc", tmp_path / "dec", KEY)
    assert not (tmp_path / "stolen.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["/a.png", "../a.png", "ant/../../a.png", "ant\\\\a.png", "ant/a.jpg", "ant/.png"])
def test_a_manifest_names_png_files_inside_of_its_folder_alone(photos, tmp_path, name):
    manifest = encrypted(photos, tmp_path / "enc").manifest
    with pytest.raises(ValueError, match=r"names no \.png file inside of the folder"):
        dataclasses.replace(manifest, index={name: 0}, sha256={})


def test_the_folder_is_an_ordinary_image_folder_to_torchvision_and_timm(photos, tmp_path):
    from timm.data import create_dataset

    made = encrypted(photos, tmp_path / "enc")
    names = [name for name in made.manifest.index if name.startswith("train/")]
    for dataset in (ImageFolder(tmp_path / "enc" / "train"), create_dataset("", str(tmp_path / "enc"), split="train")):
        assert len(dataset) == 6
        assert [label for _, label in (dataset[i] for i in range(6))] == [0, 0, 0, 1, 1, 1]
        for i, name in enumerate(names):
            read = torch.from_numpy(np.array(dataset[i][0])).permute(2, 0, 1)
            assert torch.equal(read, pixels(tmp_path / "enc" / name))


@pytest.mark.parametrize("key_scope", ["shared", "per_image"])
def test_rotation_gives_the_folder_that_the_new_key_would_have_made(photos, tmp_path, key_scope):
    new = Key.from_bytes(bytes(32))
    encrypted(photos, tmp_path / "old", key_scope=key_scope)
    encrypted(photos, tmp_path / "expected", key=new, key_scope=key_scope)
    rotate_folder(tmp_path / "old", tmp_path / "new", KEY, new)
    one, other = tree(tmp_path / "new"), tree(tmp_path / "expected")
    manifests = json.loads(one.pop("manifest.json")), json.loads(other.pop("manifest.json"))
    assert one == other
    assert manifests[0]["fingerprint"] == manifests[1]["fingerprint"] == new.fingerprint
    with pytest.raises(ValueError, match="the same"):
        rotate_folder(tmp_path / "new", tmp_path / "again", new, new)


def test_a_wrong_key_is_an_error_that_names_both_before_anything_is_written(photos, tmp_path):
    encrypted(photos, tmp_path / "enc")
    wrong = Key.from_bytes(bytes(32))
    for job in (
        lambda: decrypt_folder(tmp_path / "enc", tmp_path / "out", wrong),
        lambda: rotate_folder(tmp_path / "enc", tmp_path / "out", wrong, KEY),
    ):
        with pytest.raises(ValueError, match=f"{KEY.fingerprint}.*{wrong.fingerprint}"):
            job()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["enc", "photos"]


def test_what_is_changed_is_not_decrypted(photos, tmp_path):
    made = encrypted(photos, tmp_path / "enc")
    name = next(iter(made.manifest.index))
    (tmp_path / "enc" / name).write_bytes(encode_png(torch.zeros(3, 16, 16, dtype=torch.uint8)))
    with pytest.raises(ValueError, match=rf"{name} is not the file of the manifest"):
        decrypt_folder(tmp_path / "enc", tmp_path / "dec", KEY)
    assert not (tmp_path / "dec").exists()


def test_verify_names_every_damaged_missing_changed_and_foreign_file(photos, tmp_path):
    enc = tmp_path / "enc"
    names = list(encrypted(photos, enc).manifest.index)
    damaged, missing, changed, flipped = names[:4]
    (enc / damaged).write_bytes((enc / damaged).read_bytes()[:-40])
    (enc / missing).unlink()
    (enc / changed).write_bytes((enc / names[5]).read_bytes())
    data = bytearray((enc / flipped).read_bytes())
    data[len(data) // 2] ^= 1
    (enc / flipped).write_bytes(data)
    save(enc / "train" / "cat" / "foreign.png", noise(8, 8, 3))
    told = dict(line.split(": ", 1) for line in verify_folder(enc)[1])
    assert told.keys() == {damaged, missing, changed, flipped, "train/cat", "train/cat/foreign.png"}
    kinds = {name: complaint.split(":")[0].split(" ")[0] for name, complaint in told.items()}
    assert kinds[damaged] == "damaged"
    assert kinds[missing] == "missing"
    assert kinds[changed] == "changed"
    assert kinds[flipped] in ("changed", "damaged")
    assert kinds["train/cat/foreign.png"] == kinds["train/cat"] == "foreign"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"out": "photos/enc"}, "lie inside the other"),
        ({"source": "nowhere"}, "is no folder"),
        ({"scheme": Proposed(10)}, r"block_size=10 does not divide"),
        ({"interpolation": "nearest"}, "one of bilinear, bicubic"),
        ({"source": "enc"}, "encrypted already"),
    ],
    ids=str,
)
def test_what_cannot_work_is_said_before_anything_is_written(photos, tmp_path, change, message):
    encrypted(photos, tmp_path / "enc")
    before = tree(tmp_path)
    paths = {name: tmp_path / change.pop(name, default) for name, default in (("source", "photos"), ("out", "x"))}
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        encrypted(**paths, **change)
    assert tree(tmp_path) == before


def test_a_folder_that_is_not_encrypted_cannot_be_decrypted(photos, tmp_path):
    encrypt_folder(photos, tmp_path / "resized", Plain(), None, image_size=16)
    with pytest.raises(ValueError, match="is not encrypted"):
        decrypt_folder(tmp_path / "resized", tmp_path / "x", KEY)
    with pytest.raises(FileNotFoundError, match=r"manifest\.json does not exist"):
        decrypt_folder(photos, tmp_path / "x", KEY)


def test_a_class_called_as_the_manifest_is_refused_before_an_image_is_encrypted(tmp_path):
    photos = class_folders(tmp_path / "photos", {"ant": 2, "manifest.json": 2})
    with pytest.raises(ValueError, match=r"a class called manifest\.json .*rename its folder"):
        encrypted(photos, tmp_path / "enc")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
