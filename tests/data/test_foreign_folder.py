"""An encrypted folder that another party changed: every command refuses it alike, and reads no more than it must."""

import hashlib
import os
import socket
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import COMMANDS, KEY, described, first, refused_by_all
from image_bytes import chunk, png, saved
from PIL import Image
from samples import every, noise, save

from vitcrypt.data import folder
from vitcrypt.data.image_files import ImageFile
from vitcrypt.data.listing import Listing
from vitcrypt.data.received import decode_png
from vitcrypt.encryption import Proposed
from vitcrypt.folders import decrypt_folder, encode_png, encrypt_folder
from vitcrypt.folders.origins import numbers

ODD = {
    "pipe": os.mkfifo,
    "endless link": lambda path: path.symlink_to("/dev/zero"),
    "link to a picture": lambda path: path.symlink_to(path.parent.parent.parent / "photos" / "ant" / "000.png"),
    "link without target": lambda path: path.symlink_to("nowhere.png"),
    "socket": lambda path: bound(path),
    "folder": lambda path: path.mkdir(),
    "device": lambda path: os.mknod(path, 0o020600, os.makedev(1, 5)),
}


def bound(path):
    before = Path.cwd()
    os.chdir(path.parent)  # the path of a socket is short
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(before)


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_regular_file_is_refused_at_once_by_every_command(enc, tmp_path, kind):
    path = first(enc)
    path.unlink()
    try:
        ODD[kind](path)
    except PermissionError:
        pytest.skip("not everybody may make a device")
    refused_by_all(enc, tmp_path, path.name)


def test_a_link_in_place_of_a_class_folder_is_refused(enc, tmp_path):
    (enc / "ant").rename(tmp_path / "elsewhere")
    (enc / "ant").symlink_to(tmp_path / "elsewhere")
    refused_by_all(enc, tmp_path, "ant")


def test_a_file_larger_than_its_image_can_be_is_not_read(enc, tmp_path):
    with first(enc).open("r+b") as file:
        file.truncate(2**40)
    refused_by_all(enc, tmp_path, "larger than an image can be")


def picture(kind, mode="RGB", side=16):
    return saved(Image.fromarray(noise(side, side, 3)).convert(mode), kind)


BLACK = np.zeros((16, 16, 3), np.uint8)
SECOND_HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 13300, 13300, 8, 2, 0, 0, 0))
ANIMATION = chunk(b"acTL", struct.pack(">II", 1, 0))
ANIMATION += chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 8, 8, 0, 0, 1, 1, 0, 0))
PICTURES = {
    "two headers": png(BLACK, 8, 2, SECOND_HEADER),
    "16 bits": png(BLACK, 16, 2),
    "a part of one": png(BLACK, 8, 2, ANIMATION),
    "a larger image": picture("PNG", side=32),
    "grey": picture("PNG", "L"),
    "transparent": picture("PNG", "RGBA"),
    "a JPEG": picture("JPEG"),
    "a GIF": picture("GIF"),
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\nshowpage\n",
    "nothing": b"",
    "no pixels": png(BLACK, 8, 2)[:33],
}


@pytest.mark.parametrize("name", PICTURES)
def test_what_the_checksum_fits_but_is_not_the_png_of_the_manifest_is_refused_by_every_command(enc, tmp_path, name):
    path = first(enc)
    path.write_bytes(PICTURES[name])
    name, checksum = path.relative_to(enc).as_posix(), hashlib.sha256(PICTURES[name]).hexdigest()
    described(enc, lambda content: content["files"][name].update(sha256=checksum))
    refused_by_all(enc, tmp_path, path.name)


def test_a_png_of_the_right_size_is_decoded_to_its_bytes():
    image = torch.from_numpy(noise(3, 16, 16))
    assert np.array_equal(decode_png(encode_png(image), 16), image)


JUNK = [".DS_Store", "ant/.DS_Store", "ant/._000000.png", "Thumbs.db", "bee/desktop.ini", "@eaDir/x.png"]
JUNK += ["ant/.ipynb_checkpoints/000000.png", "__MACOSX/ant/._000000.png", "bee/.directory"]


def test_what_file_managers_leave_is_passed_over_by_every_command(enc, tmp_path):
    for name in JUNK:
        (enc / name).parent.mkdir(parents=True, exist_ok=True)
        (enc / name).write_bytes(b"\0\0\0\1Bud1")
    for number, command in enumerate(COMMANDS.values()):
        command(enc, tmp_path / f"out{number}")


@pytest.mark.parametrize("name", ["notes.txt", "ant/foreign.png", "cow/foreign.png", ".hidden.png", "ant/000000.PNG"])
def test_what_else_is_there_is_foreign_to_every_command(enc, tmp_path, name):
    save(enc / "x.png", noise(16, 16, 3))
    (enc / name).parent.mkdir(exist_ok=True)
    (enc / "x.png").rename(enc / name)
    refused_by_all(enc, tmp_path, Path(name).parts[0])


# The order of its images


def test_the_split_goes_by_the_index_whatever_files_are_called(tmp_path):
    for name in ("ant", "bee"):
        for i in range(8):
            suffix = [".jpg", ".k.png", ".png"][i % 3]
            save(tmp_path / "photos" / name / f"{'ab'[i % 2]}{i // 2}{suffix}", noise(16, 16, 3, seed=i))
    encrypt_folder(tmp_path / "photos", tmp_path / "enc", Proposed(4), KEY, 16, keep_names=True)
    decrypt_folder(tmp_path / "enc", tmp_path / "dec", KEY)
    plain, encrypted, decrypted = (folder(str(tmp_path / name), 16) for name in ("photos", "enc", "dec"))
    for part in ("train", "test"):
        want = every(getattr(plain, part))
        assert torch.equal(every(getattr(encrypted, part))["index"], want["index"])
        assert torch.equal(every(getattr(decrypted, part))["image"], want["image"])


@pytest.mark.slow
def test_numbers_of_a_million_images_sort_as_they_count():
    files = [ImageFile(Path(), "", 0, 0, "x")] * 1_000_001
    names = list(numbers(Listing(Path(), ["ant"], files)))
    assert names == sorted(names)
    assert names[:2] == ["ant/0000000.png", "ant/0000001.png"]
