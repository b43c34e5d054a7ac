"""The look at all images before the work: what cannot be read is named together, and what is odd is counted."""

import numpy as np
import pytest
import torch
from image_bytes import LONG, chunk, png, saved, tiff, with_chunks
from PIL import Image
from samples import class_folders, noise

import vitcrypt.data.survey as module
from vitcrypt.data import folder, sources
from vitcrypt.data.decode import read_pixels
from vitcrypt.data.formats import HEAD, plain_png
from vitcrypt.data.survey import map_files, survey
from vitcrypt.encryption import Proposed
from vitcrypt.folders import encrypt_folder
from vitcrypt.keys import Key

PIXELS = noise(8, 8, 3)
GREY16 = noise(8, 8).astype(np.uint16) * 257
IMAGES = [Image.fromarray(noise(8, 8, 3, seed=seed)) for seed in range(3)]
ANIMATED = {"save_all": True, "append_images": IMAGES[1:]}
THUMBNAIL = (noise(2, 2, 3), {254: (LONG, 1, 1)})
KINDS = {
    "plain": ((saved(IMAGES[0], "PNG"), tiff((PIXELS, {})), png(GREY16, 16, 0), tiff((PIXELS, {}), THUMBNAIL)), []),
    "paged": (
        (
            *(saved(IMAGES[0], kind, **ANIMATED) for kind in ("GIF", "WEBP", "PNG", "AVIF", "MPO")),
            tiff((PIXELS, {}), (PIXELS, {})),
            tiff(THUMBNAIL, (PIXELS, {}), (PIXELS, {})),
        ),
        ["7 files have more than one page or frame: the first complete one is read"],
    ),
    "transparent": (
        (saved(IMAGES[0].convert("RGBA"), "PNG"), saved(IMAGES[0].quantize(8), "PNG", transparency=3)),
        ["2 files have transparency: laid on white"],
    ),
    "dark": (
        (png(GREY16 >> 4, 16, 0), tiff((GREY16 >> 6, {})), png(np.stack([GREY16 >> 4] * 3, -1), 16, 2)),
        [
            "3 16-bit images use at most 12 of their bits: the high byte is read, so few levels are left; "
            "scale to all 16 bits, or to 8"
        ],
    ),
}


def files(place, contents):
    place.mkdir(exist_ok=True)
    paths = [place / f"{number:02}.img" for number in range(len(contents))]
    for path, data in zip(paths, contents, strict=True):
        path.write_bytes(data)
    return paths


PLAIN = saved(IMAGES[0], "PNG")
TEXT = chunk(b"tEXt", b"by\0me"), chunk(b"gAMA", bytes(4))
LOOKED_AT_BY_PILLOW = {
    "transparent colour": png(PIXELS, 8, 2, chunk(b"tRNS", bytes(6))),
    "animated": png(PIXELS, 8, 2, chunk(b"acTL", bytes(8))),
    "two headers": png(PIXELS, 8, 2, PLAIN[8:33]),
    "palette": saved(IMAGES[0].quantize(8), "PNG"),
    "with alpha": saved(IMAGES[0].convert("RGBA"), "PNG"),
    "16 bits": png(GREY16, 16, 0),
    "one bit": png(np.zeros((8, 8), np.uint8), 1, 0),
    "interlaced": PLAIN[:28] + b"\1" + PLAIN[29:],
    "too large": PLAIN[:8] + chunk(b"IHDR", b"\0\1\0\0" * 2 + b"\x08\2\0\0\0") + PLAIN[33:],
    "without width": PLAIN[:8] + chunk(b"IHDR", bytes(7) + b"\1\x08\2\0\0\0") + PLAIN[33:],
    "damaged header": PLAIN[:20] + b"\1" + PLAIN[21:],
    "without pixels": PLAIN[:33],
    "much before its pixels": with_chunks(PLAIN, chunk(b"tEXt", b"a\0" + bytes(HEAD))),
    "cut in its header": PLAIN[:30],
    "JPEG": saved(IMAGES[0], "JPEG"),
    "nothing": b"",
}


def test_sizes_of_ordinary_png_files_are_read_without_pillow_and_are_what_it_says():
    wide = Image.fromarray(noise(3, 300, 3))
    for image in (*IMAGES, wide, wide.convert("L")):
        for data in (saved(image, "PNG"), with_chunks(saved(image, "PNG"), *TEXT)):
            assert plain_png(data[:HEAD]) == image.size


@pytest.mark.parametrize("kind", LOOKED_AT_BY_PILLOW)
def test_all_other_files_are_left_to_pillow(kind):
    assert plain_png(LOOKED_AT_BY_PILLOW[kind][:HEAD]) is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_odd_is_counted_by_kind_and_ordinary_images_need_no_word(tmp_path, kind):
    contents, lines = KINDS[kind]
    said = survey(files(tmp_path, contents)).lines()
    assert [line for line in said if kind == "transparent" or "transparency" not in line] == lines


def test_one_file_is_spoken_of_in_the_singular(tmp_path):
    contents = (saved(IMAGES[0], "PNG", **ANIMATED), png(GREY16 >> 4, 16, 0))
    first, second = survey(files(tmp_path, contents)).lines()
    assert first.startswith("1 file has more")
    assert second.startswith("1 16-bit image uses at most 12 of its bits")


def test_all_images_that_cannot_be_opened_are_counted_and_the_first_ones_named(tmp_path):
    whole, damaged = saved(IMAGES[0], "PNG"), b"\0\0\0\x18ftypheic"
    paths = files(tmp_path, [whole, *[damaged] * 13, whole])
    with pytest.raises(ValueError, match="cannot read") as caught:
        survey(paths)
    said = [f"cannot read {path}: it is HEIC; convert it to PNG or JPEG" for path in paths[1:11]]
    assert str(caught.value).splitlines() == [*said, "... and 3 more"]


def test_of_very_many_16_bit_images_the_first_are_looked_into(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOOKED_INTO", 2)
    assert survey(files(tmp_path, [png(GREY16 >> 4, 16, 0)] * 5)).dark == 2


def test_results_come_in_order_and_other_errors_are_not_collected():
    assert list(map_files(lambda number: number**2, list(range(50)), "squares", by="threads")) == [
        n**2 for n in range(50)
    ]
    with pytest.raises(MemoryError):
        list(map_files(lambda _: (_ for _ in ()).throw(MemoryError), [1, 2], "nothing"))


@pytest.mark.parametrize("in_memory_gib", [4.0, 0.0])
def test_a_folder_hands_over_what_is_to_be_said_and_names_all_of_its_damaged_images(tmp_path, in_memory_gib):
    class_folders(tmp_path / "photos", {"ant": 6, "bee": 6})
    (tmp_path / "photos" / "ant" / "x.gif").write_bytes(KINDS["paged"][0][0])
    notes = folder(str(tmp_path / "photos"), 8, in_memory_gib=in_memory_gib).notes
    assert "1 file has more than one page or frame: the first complete one is read" in notes
    for name in ("y.png", "z.jpg"):
        (tmp_path / "photos" / "bee" / name).write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"(?s)cannot read .*y\.png: .*cannot read .*z\.jpg: it is not an image"):
        folder(str(tmp_path / "photos"), 8, in_memory_gib=in_memory_gib)


def test_images_that_fail_only_when_they_are_decoded_are_named_together(tmp_path):
    for split in ("train", "test"):
        class_folders(tmp_path / split, {"ant": 6, "bee": 6}, side=64)
    for name in ("train/ant/001.png", "train/bee/002.png"):
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="truncated") as caught:
        folder(str(tmp_path), 8).loaded()
    assert [line.split(": ")[0][-7:] for line in str(caught.value).splitlines()] == ["001.png", "002.png"]


def test_transparency_is_refused_where_it_is_not_wanted_in_training_and_encrypting_alike(tmp_path):
    class_folders(tmp_path / "photos", {"ant": 6, "bee": 6})
    reading = {
        "run": lambda how: folder(str(tmp_path / "photos"), 8, transparency=how),
        "encrypt": lambda how: encrypt_folder(
            tmp_path / "photos", tmp_path / how, Proposed(4), Key.test("test-0"), 8, transparency=how
        ),
    }
    for read in reading.values():
        read("refuse")
    (tmp_path / "photos" / "bee" / "y.png").write_bytes(KINDS["transparent"][0][1])
    for read in reading.values():
        read("white")
        with pytest.raises(ValueError, match=r"cannot read .*y\.png: it has transparency; .*transparency=white"):
            read("refuse")
        with pytest.raises(ValueError, match="transparency is one of white, refuse; got black"):
            read("black")


def test_of_a_subset_that_was_chosen_before_no_other_image_is_decoded(tmp_path, monkeypatch):
    for split in ("train", "test"):
        class_folders(tmp_path / split, {"ant": 6, "bee": 6}, side=16)
    whole = folder(str(tmp_path), 8).loaded().limit(5, 2, seed=0)
    decoded = []
    monkeypatch.setattr(sources, "read_pixels", lambda *a, **k: decoded.append(a[0]) or read_pixels(*a, **k))
    taken = folder(str(tmp_path), 8).limit(5, 2, seed=0)
    assert not decoded
    for part in ("train", "test"):
        for name in ("images", "labels", "index"):
            assert torch.equal(getattr(getattr(taken.loaded(), part), name), getattr(getattr(whole, part), name))
    assert len(decoded) == 7
