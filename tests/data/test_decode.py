"""One image file: which formats are read, turning, odd metadata, pages, and what is said of a file that fails."""

import io
import os
import struct
import subprocess
import warnings
import zlib

import numpy as np
import pytest
from image_bytes import LONG, chunk, exif, png, saved, tiff, with_chunks, with_exif
from PIL import Image
from samples import noise

from vitcrypt.data import read_image
from vitcrypt.data.decode import with_image
from vitcrypt.data.formats import EXTENSIONS, FORMATS

PIXELS = noise(10, 14, 3)
IMAGE = Image.fromarray(PIXELS)
TURNED = np.rot90(PIXELS, -1)
SIX = (274, 3, 1, 6)
PNG = saved(IMAGE, "PNG")


def read(data):
    return read_image(io.BytesIO(data), None).permute(1, 2, 0).numpy()


def written(path, data):
    path.write_bytes(data)
    return path


def again(kind, **options):
    """The pixels of the image after a lossy format."""
    return np.asarray(Image.open(io.BytesIO(saved(IMAGE, kind, **options))).convert("RGB"))


# Formats


def test_whatever_has_a_known_extension_is_read(tmp_path):
    kinds = {"jfif": "JPEG", "jpe": "JPEG", "apng": "PNG", "pnm": "PPM", "pbm": "PPM", "avifs": "AVIF"}
    Image.init()
    for extension in EXTENSIONS:
        kind = kinds.get(extension[1:], Image.EXTENSION.get(extension))
        image = IMAGE.convert("1") if extension == ".pbm" else IMAGE.convert("L") if extension == ".pgm" else IMAGE
        path = written(tmp_path / f"x{extension}", saved(image, "JPEG2000" if kind is None else kind))
        assert read_image(path, None).shape == (3, 10, 14)
    assert {".jfif", ".jpe", ".pbm", ".j2k"} <= EXTENSIONS


FOREIGN = {
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(x) = quit\n%%EOF\n",
    "PDF": b"%PDF-1.4\n",
    "Photoshop": b"8BPS\0\1" + bytes(40),
    "FITS": b"SIMPLE  =                    T" + bytes(3000),
    "JPEG XL": b"\xff\x0a" + bytes(40),
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(400),
    "raw photograph": b"\0\0\0\x18ftypcrx \0\0\0\0isom" + bytes(400),
    "DICOM": bytes(128) + b"DICM" + bytes(40),
    "icon": saved(IMAGE.resize((16, 16)), "ICO"),
    "not an image": saved(IMAGE, "TGA"),
    "array of NumPy": b"\x93NUMPY\1\0",
    "web page": b"<!DOCTYPE html><html>404</html>",
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
    "AppleDouble": b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(400),
    "zip": b"PK\3\4" + bytes(40),
    "empty": b"",
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_other_formats_are_refused_by_name_whatever_the_file_is_called_and_start_nothing(tmp_path, kind, monkeypatch):
    def started(*arguments, **options):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr(os, "system", started)
    for suffix in (".png", ".eps", ".tif", ""):
        path = written(tmp_path / f"x{suffix}", FOREIGN[kind])
        with pytest.raises(ValueError, match=rf"cannot read .*x{suffix}: it is .*{kind}.*"):
            read_image(path, None)


def test_the_formats_are_named_to_pillow_and_none_of_them_starts_programs(monkeypatch):
    asked = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda *a, **options: asked.append(options["formats"]) or real(*a, **options))
    read(PNG)
    assert asked == [FORMATS]
    assert not {"EPS", "PDF", "PSD", "FLI", "FITS", "WMF", "MIC"} & set(FORMATS)


# Orientation, and metadata that are damaged


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shape", [(9, 14), (14, 9), (10, 15), (8, 12), (7, 7)])
@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGB"), ("PNG", "RGBA"), ("TIFF", "RGB")]
)
def test_a_square_that_is_cut_first_is_that_of_the_upright_image(orientation, shape, kind, mode):
    tags = Image.Exif()
    tags[274] = orientation
    data = saved(Image.fromarray(noise(*shape, 4)).convert(mode), kind, exif=tags)
    height, width, _ = (upright := read(data)).shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    expected = Image.fromarray(upright[top : top + side, left : left + side]).resize((5, 5), Image.Resampling.BILINEAR)
    assert np.array_equal(read_image(io.BytesIO(data), 5).permute(1, 2, 0), np.asarray(expected))


ODD = {
    "a negative denominator": (282, 10, 1, b"\xff\xff\xff\xff\0\0\0\0"),
    "a directory of positions that is nowhere": (0x8825, 4, 1, 0xFFFFFFF0),
    "a text that is nowhere": (0x0131, 2, 70000, 0x00FFFFFF),
    "a text before it that is nowhere": (0x010E, 2, 70000, 0x00FFFFFF),
    "four billion values": (0x010F, 12, 2**32 - 1, 0),
    "an unknown type": (0x0110, 99, 1, 5),
    "text of no alphabet": (0x9286, 2, 9, b"ab\xff\xfe\x80xyz\0"),
    "a list of bytes for text": (700, 1, 5, b"<x:x>"),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_image_is_turned_by_its_orientation_alone_whatever_else_is_in_its_metadata(kind, odd):
    if kind == "TIFF":
        data = tiff((PIXELS, {274: 6, ODD[odd][0]: ODD[odd][1:]}))
    else:
        data = with_exif(IMAGE, kind, exif(ODD[odd], SIX))
    expected = np.rot90(again("JPEG", quality=95), -1) if kind == "JPEG" else TURNED
    assert np.array_equal(read(data), expected)


def test_avif_is_turned_and_read_whatever_its_exif_holds():
    orientation = Image.Exif()
    orientation[274], orientation[282] = 6, 72.0
    whole = saved(IMAGE, "AVIF", exif=orientation)
    assert np.array_equal(read(whole), np.rot90(again("AVIF"), -1))
    start = whole.index(b"II*\0\x08\0\0\0") if b"II*\0\x08\0\0\0" in whole else whole.index(b"MM\0*\0\0\0\x08")
    for damage in (b"\xff\xff", b"\x02\x00"):
        damaged = whole[: start + 8] + damage + b"\xff" * 10 + whole[start + 20 :]
        assert read(damaged).shape == (14, 10, 3)


DAMAGED = {
    "no directory": b"Exif\0\0",
    "no TIFF": b"Exif\0\0\0\x08\0\x02",
    "cut off": b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01",
    "another orientation": exif((274, 3, 1, 9)),
    "none": exif((274, 3, 1, 0)),
    "in letters": exif((274, 2, 2, b"6\0\0\0")),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_image_whose_orientation_is_damaged_is_not_turned(kind, name):
    assert np.array_equal(read(with_exif(IMAGE, kind, DAMAGED[name])), PIXELS)


def test_a_png_is_turned_by_what_stands_behind_its_pixels_and_by_what_imagemagick_writes():
    tail = PNG[:-12] + chunk(b"eXIf", exif(SIX)[6:]) + PNG[-12:]
    text = f"\nexif\n{len(exif(SIX)):8}\n{exif(SIX).hex()}\n".encode()
    profile = with_chunks(PNG, chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)))
    assert np.array_equal(read(tail), TURNED)
    assert np.array_equal(read(profile), TURNED)


def test_the_orientation_of_xmp_alone_turns_nothing_as_in_a_browser():
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    assert np.array_equal(read(saved(IMAGE, "WEBP", lossless=True, xmp=xmp)), PIXELS)


LARGE = zlib.compress(bytes(3_000_000))
BESIDE = {
    "a large text": chunk(b"zTXt", b"a\0\0" + LARGE),
    "a large text, not compressed": chunk(b"iTXt", b"prompt\0\0\0\0\0" + b"x" * 3_000_000),
    "a large profile": chunk(b"iCCP", b"a\0\0" + LARGE),
    "a wrong checksum": chunk(b"tEXt", b"a\0b", checksum=b"none"),
    "a wrong checksum of the date": chunk(b"tIME", bytes(7), checksum=b"none"),
    "a text that is no text": chunk(b"iTXt", b"\xff\xfe"),
}


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("behind", [b"IHDR", b"IDAT"])
def test_a_png_is_read_whatever_is_beside_its_pixels(name, behind):
    assert np.array_equal(read(with_chunks(PNG, BESIDE[name], after=behind)), PIXELS)


def test_a_png_with_a_wrong_checksum_of_its_pixels_is_refused():
    at = PNG.index(b"IDAT") + 40
    with pytest.raises(ValueError, match="cannot read the image"):
        read(PNG[:at] + bytes([PNG[at] ^ 255]) + PNG[at + 1 :])


# Pages

SMALL = noise(3, 4, 3, seed=7)


@pytest.mark.parametrize("kind", [{254: (LONG, 1, 1)}, {255: 2}, {254: (LONG, 1, 4)}, {254: (LONG, 1, 5)}], ids=str)
def test_pages_of_reduced_resolution_and_masks_are_passed_over(kind):
    assert np.array_equal(read(tiff((SMALL, kind), (SMALL, kind), (PIXELS, {}), (SMALL, {}))), PIXELS)


def test_the_first_of_several_whole_pages_is_read():
    assert np.array_equal(read(tiff((PIXELS, {}), (SMALL, {}))), PIXELS)


def test_a_thumbnail_that_is_all_there_is_is_read_but_that_of_a_raw_photograph_is_not():
    reduced = {254: (LONG, 1, 1)}
    assert np.array_equal(read(tiff((SMALL, reduced))), SMALL)
    with pytest.raises(ValueError, match="raw photograph"):
        read(tiff((SMALL, {**reduced, 330: (LONG, 1, 8)})))


# Failures


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_truncated_file_of_any_format_is_named(tmp_path, kind, share):
    data = saved(Image.fromarray(noise(64, 64, 3)), kind)
    path = written(tmp_path / "x.png", data[: int(share * len(data))])
    with pytest.raises(ValueError, match=r"cannot read .*x\.png: .*; "):
        read_image(path, None)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF"])
def test_a_file_damaged_anywhere_is_read_or_named_and_never_ends_in_another_error(kind, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**6)
    data = saved(Image.fromarray(noise(24, 24, 3)), kind)
    random = np.random.default_rng(0)
    for _ in range(40):
        damaged = bytearray(data)
        for at in random.integers(0, min(len(data), 400), 3):
            damaged[at] = random.integers(256)
        try:
            read(bytes(damaged))
        except ValueError as error:
            assert str(error).startswith("cannot read the image: ")  # noqa: PT017


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied"), r"you may not read it; as its owner run: chmod u\+r '.*a b\.png'"),
        (OSError(5, "Input/output error"), "Input/output error; check the disk"),
        (RuntimeError("decoder"), "decoder; replace the file"),
        (struct.error("argument"), "argument; replace the file"),
        (IndexError(), "IndexError; replace the file"),
        (RecursionError("deep"), "deep; replace the file"),
    ],
)
def test_any_failure_names_the_file_and_what_to_do(tmp_path, monkeypatch, error, said):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(ValueError, match=rf"cannot read .*a b\.png: {said}"):
        read_image(written(tmp_path / "a b.png", PNG), None)


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_memory_that_is_full_and_ctrl_c_are_no_fault_of_the_file(monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(error):
        read(PNG)


def test_a_pipe_and_a_folder_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    (tmp_path / "y.png").mkdir()
    for name in ("x", "y"):
        with pytest.raises(ValueError, match=rf"cannot read .*{name}\.png: it is a (named pipe|folder)"):
            read_image(tmp_path / f"{name}.png", None)


def claiming(width, height):
    """A PNG whose header says so; its checksum is right."""
    data = png(np.zeros((1, 1), np.uint8), 1, 0)
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + data[24:29]
    return data[:12] + head + zlib.crc32(head).to_bytes(4, "big") + data[33:]


def test_an_image_of_192_megapixels_is_opened_and_one_of_900_is_refused_with_the_limit():
    assert with_image(io.BytesIO(claiming(16000, 12000)), lambda image: image.size) == (16000, 12000)
    with pytest.raises(ValueError, match="it has 900 megapixels, and at most 268 are read"):
        with_image(io.BytesIO(claiming(30000, 30000)), lambda image: image.size)


def test_what_pillow_says_of_odd_metadata_does_not_reach_the_terminal(tmp_path, capfd):
    palette = IMAGE.quantize(8)
    palette.save(tmp_path / "x.png", transparency=bytes(range(8)))
    written(tmp_path / "y.tif", tiff((PIXELS, {271: (2, 2**32 - 1, 0)})))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("x.png", "y.tif"):
            read_image(tmp_path / name, None)
    assert capfd.readouterr() == ("", "")
