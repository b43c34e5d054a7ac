"""The arrays of an .npz file: those that are needed are compared before they are read, and no other is touched."""

import io
import os
import struct
import tracemalloc
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
from samples import medmnist, written

from vitcrypt.data import npz
from vitcrypt.data.archive import Archive, open_archive


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("boom",)


@contextmanager
def watched():
    """Give a list that holds, after the block, the most bytes that were taken at once."""
    peaks = []
    tracemalloc.start()
    try:
        yield peaks
    finally:
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()


def npy(shape, dtype="|u1", data=b""):
    """An array as numpy writes it, with data of any length."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue() + data


def with_member(path, name, data, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "a", compression) as archive:
        archive.writestr(name, data)


def with_flags(path, member, flags=0, method=None):
    """Change what a zip file says of a member: flags, 1 for encrypted, and the method of compression."""
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        local = archive.getinfo(member).header_offset
    central = data.rindex(member.encode()) - 46
    for at in (local + 6, central + 8):
        data[at] |= flags
        if method is not None:
            struct.pack_into("<H", data, at + 2, method)
    path.write_bytes(data)


UNRELATED = {
    "objects": lambda path: written(path, medmnist() | {"other": np.array([Bomb()], dtype=object)}),
    "called as a manifest": lambda path: written(path, medmnist() | {"manifest": np.array([Bomb()], dtype=object)}),
    "a terabyte": lambda path: with_member(path, "other.npy", npy((10**12,))),
    "no array": lambda path: with_member(path, "notes.txt", b"hello"),
    "zeros": lambda path: with_member(path, "other.npy", bytes(10**8), zipfile.ZIP_DEFLATED),
    "encrypted": lambda path: (with_member(path, "other.npy", b"x"), with_flags(path, "other.npy", 1)),
    "compressed in another way": lambda path: (with_member(path, "o.npy", b"x"), with_flags(path, "o.npy", 0, 9)),
}


@pytest.mark.parametrize("name", UNRELATED)
def test_an_array_that_nobody_needs_is_not_read_whatever_it_is(tmp_path, name, monkeypatch):
    path = tmp_path / "x.npz"
    written(path, medmnist())
    UNRELATED[name](path)
    read = []
    real = Archive.read
    monkeypatch.setattr(Archive, "read", lambda self, name, *more: read.append(name) or real(self, name, *more))
    assert len(npz(str(path)).train) == 9
    assert sorted(read) == ["test_images", "test_labels", "train_images", "train_labels"]


def as_objects(path):
    written(path, medmnist() | {"train_images": np.array([Bomb()] * 9, dtype=object)})


def without(path, *names):
    written(path, {name: array for name, array in medmnist().items() if name not in names})


def claiming(path, shape, dtype="|u1", data=b""):
    without(path, "train_images")
    with_member(path, "train_images.npy", npy(shape, dtype, data))


def twice(path):
    with pytest.warns(UserWarning, match="Duplicate"):
        with_member(path, "train_images.npy", npy((9, 6, 6, 3), data=bytes(972)))


REFUSED = {
    "encrypted": (lambda path: with_flags(path, "train_images.npy", 1), "train_images: it is encrypted by a password"),
    "deflate64": (lambda path: with_flags(path, "test_labels.npy", 0, 9), "test_labels: it is compressed by method 9"),
    "objects": (as_objects, "train_images must be uint8"),
    "objects for classes": (
        lambda path: written(path, medmnist() | {"classes": np.array([Bomb()] * 3, dtype=object)}),
        "classes: it holds Python objects",
    ),
    "twice": (twice, "it holds train_images twice"),
    "more than there is": (lambda path: claiming(path, (9, 6, 6, 3), data=bytes(900)), "972 bytes, and has 900"),
    "less than there is": (lambda path: claiming(path, (9, 6, 6, 3), data=bytes(999)), "972 bytes, and has 999"),
    "a petabyte": (lambda path: claiming(path, (9, 10**7, 10**7, 3)), "and has 0"),
    "a negative size": (lambda path: claiming(path, (9, -6, -6, 3), data=bytes(972)), "train_images"),
    "no header": (
        lambda path: (without(path, "train_images"), with_member(path, "train_images.npy", b"\x93NUMPY\1\0\xff\xff")),
        "train_images: ",
    ),
    "a program in the header": (
        lambda path: (
            without(path, "train_images"),
            with_member(
                path, "train_images.npy", b"\x93NUMPY\1\0\x20\0" + b"__import__('os').mkdir('boom')".ljust(31) + b"\n"
            ),
        ),
        "train_images: its header is damaged",
    ),
    "7z": (lambda path: path.write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(40)), "it is a 7z archive"),
    "gzip": (lambda path: path.write_bytes(b"\x1f\x8b" + bytes(40)), "compressed by gzip"),
    "a single array": (lambda path: path.write_bytes(npy((3,), data=bytes(3))), "it holds a single array"),
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "text": (lambda path: path.write_text("images"), "it is no zip archive"),
    "half": (lambda path: path.write_bytes(path.read_bytes()[:500]), "damaged or truncated"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_one_message_that_names_file_and_array_and_not_pickle(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.npz"
    written(path, medmnist())
    make, said = REFUSED[name]
    make(path)
    with pytest.raises(ValueError, match=said) as caught:
        npz(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "pickle" not in str(caught.value)
    assert not (tmp_path / "boom").exists()


def test_a_damaged_byte_of_a_stored_array_is_found(tmp_path):
    path = tmp_path / "x.npz"
    written(path, medmnist(), compressed=False)
    data = path.read_bytes()
    at = data.index(medmnist()["train_images"].tobytes()) + 100
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with pytest.raises(ValueError, match="train_images: Bad CRC-32"):
        npz(str(path))


def test_arrays_larger_than_memory_are_refused_before_they_are_read(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    written(path, medmnist())
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 1000}.get)
    with pytest.raises(ValueError, match=r"x\.npz as \.npz: .*train_images.* would take .* GiB, and this machine has"):
        npz(str(path))


@pytest.mark.parametrize("place", ["numpy.lib.format.read_array", "torch.from_numpy"])
def test_memory_that_is_full_is_a_message(tmp_path, monkeypatch, place):
    def full(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(place, full)
    with pytest.raises(ValueError, match=r"x\.npz.* not fit into memory; pack fewer or smaller images"):
        npz(written(tmp_path / "x.npz", medmnist()))


def test_an_array_may_be_limited(tmp_path):
    path = written(tmp_path / "x.npz", medmnist())
    with open_archive(tmp_path / "x.npz") as archive, pytest.raises(ValueError, match="at most read are"):
        archive.read("train_images", max_bytes=100)
    assert path


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "x.npz")
    with pytest.raises((ValueError, FileNotFoundError), match=r"x\.npz"):
        npz(str(tmp_path / "x.npz"))


def deflated(path, name, start, filling, times):
    """Put a member into an .npz file that unpacks to far more than it is."""
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w", force_zip64=True) as file:
        file.write(start)
        for _ in range(times):
            file.write(filling)


@pytest.mark.parametrize(
    ("dtype", "shape", "data", "told"),
    [
        ("<U0", (10**9,), b"", "takes no bytes"),
        ("|S0", (10**9,), b"", "takes no bytes"),
        ("|V0", (10**9,), b"", "takes no bytes"),
        ("<U1", (2,), b"\xff\xff\xff\xffa\0\0\0", "its text is damaged"),
        (">U1", (2,), b"\0\x11\0\0\0\0\0a", "its text is damaged"),
    ],
)
def test_names_of_classes_that_are_no_text_are_refused(tmp_path, dtype, shape, data, told):
    path = tmp_path / "x.npz"
    written(path, {name: array for name, array in medmnist().items() if name != "classes"})
    with_member(path, "classes.npy", npy(shape, dtype, data))
    with pytest.raises(ValueError, match=rf"x\.npz.*{told}"):
        npz(str(path))


def test_images_without_pixels_are_refused(tmp_path):
    arrays = medmnist()
    arrays["train_images"] = np.zeros((len(arrays["train_images"]), 0, 10, 3), np.uint8)
    with pytest.raises(ValueError, match=r"train_images must be uint8 \[N, H, W, 3\]"):
        npz(written(tmp_path / "x.npz", arrays))


def test_of_a_header_without_end_only_the_beginning_is_unpacked(tmp_path):
    path, size = tmp_path / "x.npz", 2**27
    written(path, {name: array for name, array in medmnist().items() if name != "classes"})
    deflated(path, "classes.npy", b"\x93NUMPY\x02\0" + struct.pack("<I", size), b" " * 2**20, size // 2**20)
    with watched() as peaks, pytest.raises(ValueError, match="classes: its header is damaged"):
        npz(str(path))
    assert peaks[0] < 2**25


def test_a_manifest_that_unpacks_to_far_more_than_the_file_is_not_read(tmp_path):
    path, letters = tmp_path / "x.npz", 2**25
    written(path, medmnist())
    deflated(path, "manifest.npy", npy((), f"<U{letters}"), "{},[".encode("utf-32-le") * 2**16, letters // 2**18)
    with watched() as peaks, pytest.raises(ValueError, match=r"manifest would take .* at most read are"):
        npz(str(path))
    assert peaks[0] < 2**25
