"""Tar files that another party changed: no more is read than the images of the manifest can take."""

import os
import tarfile

import pytest

from vitcrypt.data import Manifest
from vitcrypt.folders import pack_shards, verify_folder


def added(shards, *members):
    """Write tar files anew with a member in front of them."""
    with tarfile.open(shards / "000001.tar", "w", format=tarfile.PAX_FORMAT) as shard:
        for member in members:
            shard.addfile(member)


def entry(name, **values):
    member = tarfile.TarInfo(name)
    for field, value in values.items():
        setattr(member, field, value)
    return member


def test_a_sparse_member_takes_no_memory(enc, tmp_path):
    pack_shards(enc, tmp_path / "x")
    name = min(Manifest.read(enc / "manifest.json").index)
    header = bytearray(entry(name).tobuf(tarfile.GNU_FORMAT))
    header[156:157] = b"S"
    header[386:398], header[398:410] = b"00000000000\0", b"00000000000\0"
    header[483:495] = b"20000000000\0"  # 2 GiB
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    (tmp_path / "x" / "000001.tar").write_bytes(bytes(header) + bytes(1024))
    assert any("000001.tar" in line and "with holes" in line for line in verify_folder(tmp_path / "x")[1])


SIZES = {"size": 2**31, "beyond the file": 2**40}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_member_larger_than_an_image_can_be_is_not_read(enc, tmp_path, size):
    pack_shards(enc, tmp_path / "x")
    name = min(Manifest.read(enc / "manifest.json").index)
    with (tmp_path / "x" / "000001.tar").open("wb") as file:
        file.write(entry(name, size=size).tobuf(tarfile.GNU_FORMAT))
        file.truncate(512 + 2**31)
    assert any(f"{size:,} bytes" in line for line in verify_folder(tmp_path / "x")[1])


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_a_header_without_end_is_not_read(enc, tmp_path, kind):
    pack_shards(enc, tmp_path / "x")
    with (tmp_path / "x" / "000001.tar").open("wb") as file:
        file.write(entry("././@LongLink", type=kind, size=2**31).tobuf(tarfile.GNU_FORMAT))
        file.truncate(512 + 2**31)
    assert any("000001.tar: damaged" in line for line in verify_folder(tmp_path / "x")[1])


def test_a_tar_file_of_very_many_foreign_members_is_given_up(enc, tmp_path):
    pack_shards(enc, tmp_path / "x")
    added(tmp_path / "x", *(entry(f"\x1b[{number}.png") for number in range(500)))
    wrong = verify_folder(tmp_path / "x")[1]
    assert len(wrong) < 50
    assert "000001.tar: not read further" in wrong
    assert all(line.isprintable() for line in wrong)


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_tar_file_is_a_regular_file(enc, tmp_path, kind):
    pack_shards(enc, tmp_path / "x")
    path = tmp_path / "x" / "000000.tar"
    path.rename(tmp_path / "elsewhere.tar")
    os.mkfifo(path) if kind == "pipe" else path.symlink_to(tmp_path / "elsewhere.tar")
    assert any("000000.tar" in line for line in verify_folder(tmp_path / "x")[1])
