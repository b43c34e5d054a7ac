"""Pixels of every mode, depth and layout: right, or refused with a word on what to do."""

import io
import struct

import numpy as np
import pytest
from image_bytes import chunk, grey, opened, png, saved, tiff
from PIL import Image
from samples import noise, on_white

from vitcrypt.data import folder, read_image
from vitcrypt.data.decode import is_deep, used_bits, with_image
from vitcrypt.encryption import Proposed
from vitcrypt.folders import decrypt_folder, encrypt_folder
from vitcrypt.keys import Key

G8, C8, A8 = noise(9, 11), noise(9, 11, 3, seed=1), noise(9, 11, 1, seed=2)
G16, C16 = (array.astype(np.uint16) * 256 + 77 for array in (G8, C8))
BITS = {depth: G8 >> (8 - depth) for depth in (1, 2, 4)}
NARROW = struct.pack(">H", 1)


def read(data):
    return read_image(io.BytesIO(data), None).permute(1, 2, 0).numpy()


def twelve_bits():
    """A row of two 12-bit samples in three bytes."""
    return tiff((np.array([[0xAB, 0xCD, 0xEF]], np.uint8), {256: 2, 258: 12}))


RIGHT = {
    "grey16_little.tif": (tiff((G16, {})), grey(G8)),
    "grey16_big.tif": (tiff((G16, {}), order=">"), grey(G8)),
    "grey16_white_is_zero.tif": (tiff((65535 - G16, {262: 0})), grey(G8)),
    "grey8_white_is_zero.tif": (tiff((255 - G8, {262: 0})), grey(G8)),
    "grey8_white_is_zero_big.tif": (tiff((255 - G8, {262: 0}), order=">"), grey(G8)),
    "grey12.tif": (twelve_bits(), grey([[0xAB, 0xDE]])),
    "rgb16_little.tif": (tiff((C16, {})), C8),
    "rgb16_big.tif": (tiff((C16, {}), order=">"), C8),
    "rgb8_planes.tif": (tiff((C8, {284: 2})), C8),
    "grey16.png": (png(G16, 16, 0), grey(G8)),
    "rgb16.png": (png(C16, 16, 2), C8),
    "grey16.pgm": (b"P5 11 9 65535\n" + G16.astype(">u2").tobytes(), grey(G8)),
    "grey12.pgm": (b"P5 11 9 4095\n" + (G16 >> 4).astype(">u2").tobytes(), grey(G8)),
    "grey16.jp2": (saved(Image.fromarray(G16), "JPEG2000"), grey(G8)),
    "grey16_deflate.tif": (saved(Image.fromarray(G16), "TIFF", compression="tiff_adobe_deflate"), grey(G8)),
    "group4.tif": (saved(Image.fromarray(G8 > 127), "TIFF", compression="group4"), grey((G8 > 127) * 255)),
} | {
    f"grey{depth}.png": (png(values, depth, 0), grey(values * (255 // (2**depth - 1))))
    for depth, values in BITS.items()
}


@pytest.mark.parametrize("name", RIGHT)
def test_pixels_of_any_depth_and_layout_become_the_8_bits_that_they_show(name):
    data, expected = RIGHT[name]
    assert np.abs(read(data).astype(int) - expected).max() <= ("pgm" in name)


REFUSED = {
    "half": (tiff((G8.astype(np.float16), {})), "16-bit floating-point numbers"),
    "float": (tiff((G8.astype(np.float32), {})), "floating-point numbers"),
    "float of 0..1, white is zero": (tiff(((G8 / 255).astype(np.float32), {262: 0})), "floating-point numbers"),
    "float in colour": (tiff((C8.astype(np.float32), {})), "3 channels of 32-bit floating-point numbers"),
    "double": (tiff((G8.astype(np.float64), {}), order=">"), "64-bit floating-point numbers"),
    "PFM": (b"Pf 11 9 -1\n" + G8.astype("<f4").tobytes(), "floating-point numbers"),
    "signed 8": (tiff(((G8 // 2).astype(np.int8), {})), "signed integers"),
    "signed 16": (tiff(((G16 >> 1).astype(np.int16), {})), "signed integers"),
    "signed 32": (tiff((G8.astype(np.int32), {}), order=">"), "signed integers"),
    "unsigned 32": (tiff((G8.astype(np.uint32), {})), "32-bit integers"),
    "16-bit planes": (tiff((C16, {284: 2})), "lie in planes"),
    "16-bit grey, white is zero, big-endian": (tiff((G16, {262: 0}), order=">"), "16-bit integers, white is 0"),
    "five channels": (tiff((noise(9, 11, 5), {262: 1})), "5 channels of 8-bit integers"),
    "a 16-bit colour that is transparent": (png(C16, 16, 2, chunk(b"tRNS", bytes(6))), "transparent colour of 16 bits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_pixels_whose_range_is_not_in_the_file_are_refused_with_what_they_are(name):
    data, said = REFUSED[name]
    with pytest.raises(ValueError, match=rf"cannot read the image: .*{said}.*; .*8(-| )bit"):
        read(data)


def la(values=(G8[..., None], A8)):
    return Image.fromarray(np.concatenate(values, -1), "LA")


def rgba():
    return Image.fromarray(np.concatenate([C8, A8], -1))


def palette():
    image = Image.fromarray(BITS[4])
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette(noise(16, 3, seed=3).tobytes())
    return image, noise(16, 3, seed=3)[BITS[4]]


PALETTE, COLOURS = palette()
MASKED = np.where((BITS[4] == 3)[..., None], 255, COLOURS)
SHARES = noise(16, 1, seed=4)
TRANSPARENT = {
    "rgba.png": (saved(rgba(), "PNG"), on_white(C8, A8)),
    "rgba.webp": (saved(rgba(), "WEBP", lossless=True, exact=True), on_white(C8, A8)),
    "rgba.tif": (saved(rgba(), "TIFF"), on_white(C8, A8)),
    "rgba.jp2": (saved(rgba(), "JPEG2000"), on_white(C8, A8)),
    "rgba16.png": (png(np.concatenate([C16, A8.astype(np.uint16) * 257], -1), 16, 6), on_white(C8, A8)),
    "grey_alpha.png": (saved(la(), "PNG"), on_white(grey(G8), A8)),
    "grey_alpha.tif": (saved(la(), "TIFF"), on_white(grey(G8), A8)),
    "grey_alpha.jp2": (saved(la(), "JPEG2000"), on_white(grey(G8), A8)),
    "grey_alpha16.png": (
        png(np.concatenate([G16[..., None], A8.astype(np.uint16) * 257], -1), 16, 4),
        on_white(grey(G8), A8),
    ),
    "premultiplied.tif": (
        tiff((np.concatenate([(C8 * (A8 / 255)).round().astype(np.uint8), A8], -1), {338: 1})),
        on_white((C8 * (A8 / 255)).round() / np.maximum(A8 / 255, 1e-9), A8),
    ),
    "premultiplied_grey.tif": (
        tiff((np.concatenate([(G8[..., None] * (A8 / 255)).round().astype(np.uint8), A8], -1), {338: 1})),
        on_white((grey(G8) * (A8 / 255)).round() / np.maximum(A8 / 255, 1e-9), A8),
    ),
    "palette_index.png": (saved(PALETTE, "PNG", transparency=3), MASKED),
    "palette_index.gif": (saved(PALETTE, "GIF", transparency=3), MASKED),
    "palette_shares.png": (saved(PALETTE, "PNG", transparency=SHARES.tobytes()), on_white(COLOURS, SHARES[BITS[4]])),
    "colour.png": (
        png(C8, 8, 2, chunk(b"tRNS", C8[0, 0].astype(">u2").tobytes())),
        np.where((C8[0, 0] == C8).all(-1)[..., None], 255, C8),
    ),
    "grey16.png": (
        png(G16, 16, 0, chunk(b"tRNS", G16[:1, 0].astype(">u2").tobytes())),
        grey(np.where(G16[0, 0] == G16, 255, G8)),
    ),
    "grey8.png": (
        png(G8, 8, 0, chunk(b"tRNS", G8[:1, 0].astype(">u2").tobytes())),
        grey(np.where(G8[0, 0] == G8, 255, G8)),
    ),
} | {
    f"grey{depth}.png": (
        png(values, depth, 0, chunk(b"tRNS", NARROW)),
        grey(np.where(values == 1, 255, values * (255 // (2**depth - 1)))),
    )
    for depth, values in BITS.items()
}


@pytest.mark.parametrize("name", TRANSPARENT)
def test_what_is_transparent_becomes_white_in_every_format(name):
    data, expected = TRANSPARENT[name]
    assert np.abs(read(data) - expected).max() <= (3 if "premultiplied" in name else 0.5)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_an_opaque_image_stays_the_same_to_the_byte_with_an_alpha_channel(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    opaque = Image.fromarray(np.concatenate([C8, np.full_like(A8, 255)], -1))
    assert np.array_equal(read(saved(opaque, kind, **options)), C8)


def test_different_drawings_in_black_on_transparent_ground_stay_different():
    drawings = set()
    for i in range(6):
        ink = np.zeros((8, 8, 4), np.uint8)
        ink[i, :, 3] = 255
        drawings.add(read(saved(Image.fromarray(ink), "PNG")).tobytes())
    assert len(drawings) == 6


def test_a_photograph_in_cmyk_shows_its_colours_as_jpeg_and_as_tiff():
    smooth = Image.fromarray(C8).resize((64, 64), Image.BICUBIC)
    for kind, options in (("JPEG", {"quality": 100, "subsampling": 0}), ("TIFF", {})):
        shown = read(saved(smooth.convert("CMYK"), kind, **options)).astype(int)
        assert np.abs(shown - np.asarray(smooth)).mean() < 4


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["grey.tif", "grey.png", "colour.png", "alpha.png", "white_is_zero.tif"])
def test_how_many_of_its_16_bits_an_image_uses_is_seen(kind, bits):
    values = (G16 >> (16 - bits)) | (1 << (bits - 1))
    colour = np.repeat(values[..., None], 3, -1)
    data = {
        "grey.tif": lambda: tiff((values, {})),
        "white_is_zero.tif": lambda: tiff((values, {262: 0})),
        "grey.png": lambda: png(values, 16, 0),
        "colour.png": lambda: png(colour, 16, 2),
        "alpha.png": lambda: png(np.concatenate([colour, np.full_like(values, 65535)[..., None]], -1), 16, 6),
    }[kind]()
    assert with_image(io.BytesIO(data), is_deep)
    assert with_image(io.BytesIO(data), used_bits) == bits


def test_images_of_8_bits_are_not_deep():
    for data in (saved(rgba(), "PNG"), saved(la(), "TIFF"), saved(PALETTE, "GIF"), RIGHT["grey4.png"][0]):
        assert not is_deep(opened(data))


@pytest.mark.parametrize("in_memory_gib", [4.0, 0.0])
def test_training_and_encrypting_see_the_same_bytes_of_every_kind(tmp_path, in_memory_gib):
    files = {**RIGHT, **TRANSPARENT}
    for split in ("train", "test"):
        for number, (name, (data, _)) in enumerate(files.items()):
            path = tmp_path / "photos" / split / "ab"[number % 2] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    key = Key.test("test-0")
    encrypt_folder(tmp_path / "photos", tmp_path / "enc", Proposed(4), key, image_size=8)
    decrypt_folder(tmp_path / "enc", tmp_path / "dec", key)
    plain, back = (folder(str(tmp_path / name), 8, in_memory_gib=in_memory_gib) for name in ("photos", "dec"))
    every = list(range(len(files)))
    assert np.array_equal(plain.train.batch(every)["image"], back.train.batch(every)["image"])
