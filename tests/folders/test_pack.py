"""A packed folder: one .npz file or tar files, whole or not at all, and nothing in it but what the manifest knows."""

import errno
import io
import json
import os
import shutil
import subprocess
import tarfile
import tracemalloc
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from samples import class_folders, every, some

from vitcrypt.data import Manifest, folder, npz
from vitcrypt.encryption import LE, Proposed
from vitcrypt.folders import encrypt_folder, pack, pack_npz, pack_shards, png, verify_folder
from vitcrypt.jobs.lock import alone_in
from vitcrypt.keys import Key

KEY = Key.from_bytes(bytes(range(32)))
MIB = 2**20
FORMS = {"x.npz": pack_npz, "x": partial(pack_shards, shard_mib=1)}
in_both_forms = pytest.mark.parametrize("form", FORMS)


def tree(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def encrypted(root, splits=("train", "val", "test"), counts=None, side=16):
    for first, split in enumerate(splits):
        class_folders(root / "photos" / split, counts or {"ant": 4, "bee": 3}, first=1000 * first)
    return encrypt_folder(root / "photos", root / "enc", Proposed(4), KEY, side).manifest


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of a few images, and one of 60 images of 48 KiB with three tar files of it."""
    root = tmp_path_factory.mktemp("made")
    encrypted(root / "few")
    encrypted(root / "many", ("train", "test"), {"ant": 20, "bee": 10}, side=128)
    pack_shards(root / "many" / "enc", root / "many" / "x", 1)
    return root


@pytest.fixture
def enc(made, tmp_path):
    shutil.copytree(made / "few", tmp_path, dirs_exist_ok=True)
    return tmp_path / "enc"


@pytest.fixture
def shards(made, tmp_path):
    shutil.copytree(made / "many", tmp_path, dirs_exist_ok=True)
    return tmp_path / "x"


# One .npz file


@pytest.mark.parametrize("splits", [("train", "test"), ("train", "val", "test"), ("train", "valid"), ("",)], ids=str)
def test_an_npz_gives_the_images_labels_and_indices_of_the_folder_in_their_order(tmp_path, splits):
    encrypted(tmp_path, splits, {"ant": 9, "bee": 7})
    pack_npz(tmp_path / "enc", tmp_path / "x.npz")
    of_folder, of_file = folder(str(tmp_path / "enc"), 16), npz(str(tmp_path / "x.npz"))
    assert of_file.classes == of_folder.classes
    assert len(some(of_file)) == len(some(of_folder)) == max(2, len(splits))
    for one, other in zip(some(of_folder), some(of_file), strict=True):
        for name, value in every(one).items():
            assert torch.equal(value, every(other)[name])
            assert value.dtype == every(other)[name].dtype


def test_an_npz_is_in_the_layout_of_medmnist_with_the_manifest_and_not_compressed(tmp_path, enc):
    pack_npz(enc, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as file:
        arrays = {name: file[name] for name in file.files}
    for split in ("train", "val", "test"):
        assert (arrays[f"{split}_images"].dtype, arrays[f"{split}_images"].shape) == (np.uint8, (7, 16, 16, 3))
        assert arrays[f"{split}_labels"].tolist() == [[0]] * 4 + [[1]] * 3
        for image, path in zip(arrays[f"{split}_images"], sorted((enc / split).rglob("*.png")), strict=True):
            assert np.array_equal(image, np.asarray(Image.open(path)))
    assert arrays["classes"].tolist() == ["ant", "bee"]
    assert json.loads(str(arrays["manifest"])) == json.loads((enc / "manifest.json").read_text())
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        stored = [entry.filename for entry in archive.infolist() if entry.compress_type == zipfile.ZIP_STORED]
        assert sorted(stored) == sorted({name + ".npy" for name in arrays} - {"manifest.npy"})


@pytest.mark.slow
@in_both_forms
def test_memory_does_not_grow_with_the_number_of_images(tmp_path, monkeypatch, form):
    monkeypatch.setattr(pack, "AHEAD", 4)
    monkeypatch.setattr(pack, "GROUP", 1)
    peaks = []
    for count in (20, 80):
        encrypted(tmp_path / str(count), ("train", "test"), {"ant": count // 2 - 1, "bee": 1}, side=128)
        tracemalloc.start()
        FORMS[form](tmp_path / str(count) / "enc", tmp_path / str(count) / form)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    images, more = 60 * 3 * 128**2, peaks[1] - peaks[0]
    assert more < images / 10, f"{more} bytes more for {images} bytes of images"


def test_what_trains_from_an_npz_knows_how_its_images_came(tmp_path, enc):
    made = pack_npz(enc, tmp_path / "x.npz")
    assert Manifest.of(tmp_path / "x.npz") == (tmp_path / "x.npz", made)
    np.savez(tmp_path / "other.npz", manifest=np.array("of something else"))
    assert Manifest.of(tmp_path / "other.npz") is None


def test_an_npz_that_is_not_what_its_manifest_says_is_not_trained_on(tmp_path, enc):
    pack_npz(enc, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as file:
        arrays = {name: file[name] for name in file.files}
    fewer = {f"train_{kind}": arrays[f"train_{kind}"][1:] for kind in ("images", "labels", "index")}
    smaller = {"test_images": arrays["test_images"][:, 4:, 4:]}
    for change in (fewer, smaller, {"classes": np.array(["bee", "ant"])}):
        np.savez(tmp_path / "y.npz", **{**arrays, **change})
        with pytest.raises(ValueError, match=r"y\.npz holds .* of its manifest; pack it again"):
            npz(str(tmp_path / "y.npz"))
    del arrays["val_index"]
    np.savez(tmp_path / "y.npz", **arrays)
    with pytest.raises(ValueError, match="has no val_index"):
        npz(str(tmp_path / "y.npz"))


@pytest.mark.parametrize("name", ["train_images", "test_labels", "manifest"])
def test_a_damaged_npz_is_an_error_whatever_is_damaged(tmp_path, enc, name):
    pack_npz(enc, tmp_path / "x.npz")
    data = bytearray((tmp_path / "x.npz").read_bytes())
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        entry = archive.getinfo(f"{name}.npy")
        data[entry.header_offset + 100 + entry.compress_size // 2] ^= 1
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(ValueError, match=r"cannot read .*x\.npz"):
        npz(str(tmp_path / "x.npz"))


# Tar files


def test_tar_files_are_limited_sorted_and_say_nothing_but_paths(shards):
    files = sorted(shards.glob("*.tar"))
    assert sorted(path.name for path in shards.iterdir()) == ["000000.tar", "000001.tar", "000002.tar", "manifest.json"]
    assert all(MIB - 60_000 < path.stat().st_size <= MIB for path in files[:-1])
    names = []
    for path in files:
        with tarfile.open(path) as shard:
            for member in shard:
                names.append(member.name)
                assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
                assert member.isfile()
    assert names == sorted(Manifest.read(shards / "manifest.json").index)


def test_unpacked_by_tar_they_are_the_folder_again(tmp_path, shards):
    (tmp_path / "again").mkdir()
    for path in sorted(shards.glob("*.tar")):
        subprocess.run(["tar", "xf", path, "-C", tmp_path / "again"], check=True)
    shutil.copy(shards / "manifest.json", tmp_path / "again")
    assert verify_folder(tmp_path / "again")[1] == []
    assert tree(tmp_path / "again") == tree(tmp_path / "enc")


def test_long_and_foreign_names_survive(tmp_path):
    names = {f"{'x' * 120}-{i}": 2 for i in range(2)} | {"größe 大": 2}
    class_folders(tmp_path / "photos", names)
    encrypt_folder(tmp_path / "photos", tmp_path / "enc", LE(4), KEY, 16, keep_names=True)
    pack_shards(tmp_path / "enc", tmp_path / "x")
    subprocess.run(["tar", "xf", tmp_path / "x" / "000000.tar", "-C", tmp_path / "x"], check=True)
    (tmp_path / "x" / "000000.tar").unlink()
    assert tree(tmp_path / "x") == tree(tmp_path / "enc")


def test_an_image_that_fits_into_no_tar_file_is_named_with_a_size_that_fits(tmp_path, monkeypatch):
    monkeypatch.setattr(png, "deflate", png.huffman)
    encrypted(tmp_path, ("train", "test"), {"ant": 1, "bee": 1}, side=600)
    with pytest.raises(ValueError, match=r"000002\.png does not fit into a tar file of 1 MiB; set --shard-mib 2"):
        pack_shards(tmp_path / "enc", tmp_path / "x", 1)
    assert not (tmp_path / "x.part").exists()
    pack_shards(tmp_path / "enc", tmp_path / "x", 2)
    assert verify_folder(tmp_path / "x")[1] == []


def test_timm_reads_them(tmp_path, shards):
    from timm.data import ImageDataset
    from timm.data.readers.reader_image_in_tar import ReaderImageInTar

    reader = ReaderImageInTar(str(shards), cache_tarinfo=False)
    train = [member.path.startswith("train/") for member, *_ in reader.samples]
    reader.samples, reader.targets = reader.samples[train], reader.targets[train]
    dataset = ImageDataset(str(shards), reader=reader)
    paths = sorted((tmp_path / "enc" / "train").rglob("*.png"))
    assert [label for _, label in dataset] == [0] * 20 + [1] * 10
    for (image, _), path in zip(dataset, paths, strict=True):
        assert np.array_equal(np.asarray(image), np.asarray(Image.open(path)))


def test_tar_files_are_not_trained_on_before_they_are_unpacked(shards):
    with pytest.raises(ValueError, match=r"unpack them first: mkdir NEW .* do tar xf"):
        folder(str(shards), 128)


# Verified


def test_whole_tar_files_are_whole(shards):
    manifest, wrong = verify_folder(shards)
    assert (len(manifest.index), wrong) == (60, [])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_a_tar_file_that_is_cut_off_or_missing_is_found(shards, share):
    path = shards / "000001.tar"
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    if share == 0:
        path.unlink()
    wrong = verify_folder(shards)[1]
    assert any("images are in no shard, e.g. t" in line for line in wrong)


def test_a_flipped_bit_of_an_image_or_its_name_is_found(shards):
    path = shards / "000000.tar"
    with tarfile.open(path) as shard:
        members = shard.getmembers()
    whole = path.read_bytes()
    for position in range(0, 20, 3):
        member, data = members[position], bytearray(whole)
        data[member.offset + 3 if position % 2 else member.offset_data + position * 50] ^= 1
        path.write_bytes(data)
        wrong = verify_folder(shards)[1]
        assert any(
            line.startswith((f"000000.tar: {member.name}: changed", f"000000.tar: {member.name}: damaged"))
            or "images are in no shard" in line
            for line in wrong
        )


def test_what_does_not_belong_into_tar_files_is_found(shards):
    names = sorted(Manifest.read(shards / "manifest.json").index)
    (shards / "notes.txt").write_text("mine")
    with tarfile.open(shards / "000003.tar", "w") as shard:
        for name, kind in (("../stolen.png", tarfile.REGTYPE), (names[1], tarfile.SYMTYPE), ("more", tarfile.DIRTYPE)):
            member = tarfile.TarInfo(name)
            member.type = kind
            shard.addfile(member)
        with tarfile.open(shards / "000000.tar") as first:
            shard.addfile(first.getmember(names[0]), first.extractfile(names[0]))
    assert verify_folder(shards)[1] == [
        "000003.tar: ../stolen.png: foreign: the manifest does not know it",
        f"000003.tar: {names[1]}: foreign: no ordinary file but a link, a folder, a device or one with holes",
        "000003.tar: more: foreign: the manifest does not know it",
        f"{names[0]}: 2 times in the shards",
        "notes.txt: foreign: no shard",
    ]


def test_verify_says_what_compares_an_npz(tmp_path, enc):
    pack_npz(enc, tmp_path / "x.npz")
    with pytest.raises(ValueError, match=r"python -m zipfile -t .*x\.npz"):
        verify_folder(tmp_path / "x.npz")


# Whole or not at all


@in_both_forms
def test_equal_folders_give_equal_files(tmp_path, form):
    for base in ("one", "two"):
        encrypted(tmp_path / base)
        FORMS[form](tmp_path / base / "enc", tmp_path / base / form, workers=1 if base == "one" else 3)
        for path in (tmp_path / base / "enc").rglob("*"):
            os.utime(path, (10**9, 10**9))
    one, two = (tmp_path / base / form for base in ("one", "two"))
    assert (tree(one) == tree(two)) if one.is_dir() else (one.read_bytes() == two.read_bytes())


@in_both_forms
@pytest.mark.parametrize("change", ["damaged", "changed", "missing", "foreign"])
def test_a_folder_that_is_not_whole_is_not_packed(tmp_path, enc, form, change):
    path = sorted(enc.rglob("*.png"))[-1]
    if change == "damaged":
        path.write_bytes(path.read_bytes()[:-20])
    elif change == "changed":
        shutil.copy(sorted(enc.rglob("*.png"))[0], path)
    elif change == "missing":
        path.unlink()
    else:
        shutil.copy(path, path.with_name("foreign.png"))
    before = tree(tmp_path)
    said = {"missing": f"1 missing, e.g. .*{path.name}", "foreign": r"1 not of this folder, e.g. .*foreign\.png"}
    with pytest.raises(ValueError, match=said.get(change, rf"{path.name} is not the file of the manifest")):
        FORMS[form](enc, tmp_path / form)
    assert tree(tmp_path) == before
    assert not (tmp_path / f"{form}.part").exists()


@in_both_forms
@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_nothing_is_overwritten(tmp_path, enc, form, there):
    out = tmp_path / form
    {"file": lambda: out.write_text("mine"), "folder": out.mkdir, "link": lambda: out.symlink_to("nowhere")}[there]()
    before = tree(tmp_path)
    with pytest.raises(FileExistsError, match="nothing is overwritten; name another one"):
        FORMS[form](enc, out)
    assert tree(tmp_path) == before


@in_both_forms
def test_what_lies_at_the_place_of_work_is_kept(tmp_path, enc, form):
    (tmp_path / f"{form}.part").mkdir()
    (tmp_path / f"{form}.part" / "thesis.txt").write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(FileExistsError, match=r"remove it: rm -r .*\.part"):
        FORMS[form](enc, tmp_path / form)
    assert before.items() <= tree(tmp_path).items()
    assert not (tmp_path / form).exists()


@in_both_forms
def test_what_cannot_work_is_said(tmp_path, enc, form):
    with pytest.raises(FileNotFoundError, match=r"manifest\.json does not exist; pack takes a folder"):
        FORMS[form](tmp_path / "photos", tmp_path / form)
    with pytest.raises(ValueError, match="lie inside the other"):
        FORMS[form](enc, enc / form)
    with alone_in(tmp_path / f"{form}.part"), pytest.raises(BlockingIOError, match="another process is at work"):
        FORMS[form](enc, tmp_path / form)


class Interrupted(BaseException):
    """Stands for Ctrl-C."""


@in_both_forms
def test_a_job_that_is_interrupted_leaves_nothing(tmp_path, enc, form):
    def advance(done, before, total):
        if done == 10:
            raise Interrupted

    before = tree(tmp_path)
    with pytest.raises(Interrupted):
        FORMS[form](enc, tmp_path / form, advance=advance)
    assert tree(tmp_path) == before
    assert not (tmp_path / f"{form}.part").exists()
    FORMS[form](enc, tmp_path / form)


class Full(io.BufferedWriter):
    """A file on a disk with little room."""

    room = 0

    def write(self, data):
        if self.tell() + len(data) > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


@in_both_forms
@pytest.mark.parametrize("full", [0.0, 0.5, "at last"])
def test_a_full_disk_is_said_and_nothing_is_lost_or_left(tmp_path, enc, monkeypatch, form, full):
    FORMS[form](enc, tmp_path / f"whole-{form}")
    largest = max(len(data) for name, data in tree(tmp_path).items() if name.startswith("whole"))
    before, open_ = tree(tmp_path), Path.open

    def opened(self, mode="r", *arguments, **options):
        return Full(io.FileIO(self, mode)) if mode == "wb" else open_(self, mode, *arguments, **options)

    def no_space(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        if full == "at last":
            patch.setattr("os.fsync", no_space)
        else:
            patch.setattr(Full, "room", int(full * largest))
            patch.setattr(Path, "open", opened)
        with pytest.raises(OSError, match=r"No space left on device; .*nothing is left of .*: free some space"):
            FORMS[form](enc, tmp_path / form)
    assert tree(tmp_path) == before
    assert not (tmp_path / f"{form}.part").exists()
    FORMS[form](enc, tmp_path / form)
    made = {name.removeprefix("whole-"): data for name, data in tree(tmp_path).items() if name.startswith("whole-")}
    assert made.items() <= tree(tmp_path).items()
