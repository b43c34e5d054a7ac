"""Schemes that lose information: what JPEG, pixelisation and noise make of images, and what they declare."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from cases import SHAPE, cipher_of, drawn, each, noise
from PIL import Image
from torch.nn.functional import interpolate

from vitcrypt.encryption import EtC, EtCJPEG, GrayscaleEtC, ImageEncryption, Noise, PEViTRS, Pixelise, Scheme
from vitcrypt.encryption.compressed import colours, planes
from vitcrypt.encryption.jpeg_files import decode
from vitcrypt.keys import Key

KEY = Key.test("test-0")
COMPRESSED = [EtCJPEG(8), EtCJPEG(), GrayscaleEtC(), GrayscaleEtC(table="planes")]
LOST = [*COMPRESSED, GrayscaleEtC(quality=None), Pixelise(), Noise()]


def scenes(count, seed=0, shape=SHAPE):
    """Smooth images: noise is what JPEG cannot keep."""
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return (255 * interpolate(coarse, shape[1:], mode="bicubic").clamp(0, 1)).round().to(torch.uint8)


def distance(one, other):
    return float((one.float() - other.float()).abs().mean())


def encryption(scheme, name="test-0"):
    return ImageEncryption(scheme, Key.test(name), SHAPE, scheme.properties.key_scopes[-1])


INDEX = torch.tensor([3, 2**40])


@each([*LOST, PEViTRS(4)])
def test_a_batch_is_its_images_each_encrypted_alone_to_what_the_scheme_declares(scheme):
    images, encrypt = scenes(2), encryption(scheme)
    made = encrypt(images, INDEX)
    assert made.dtype == torch.uint8
    assert tuple(made.shape[1:]) == scheme.output_shape(SHAPE)
    for image, row, i in zip(images, made, INDEX, strict=True):
        assert torch.equal(encrypt(image, i[None]), row)
    assert torch.equal(encrypt(images, INDEX), made)
    assert torch.equal(encryption(scheme, "test-1")(images, INDEX), made) != scheme.properties.keyed


@each(COMPRESSED)
@pytest.mark.parametrize("scope", ["shared", "per_image"])
def test_the_ciphertext_is_what_the_jpeg_file_holds(scheme, scope):
    images, encrypt = scenes(2), ImageEncryption(scheme, KEY, SHAPE, scope)
    files = encrypt.files(images, INDEX)
    assert all(file.startswith(b"\xff\xd8\xff") for file in files)
    assert torch.equal(torch.stack([torch.from_numpy(decode(file)) for file in files]), encrypt(images, INDEX))


@each(COMPRESSED)
def test_a_compressed_ciphertext_decrypts_nearly_and_the_nearer_the_higher_the_quality(scheme):
    images, lost = scenes(4), {}
    for quality in (20, 80, 100):
        encrypt = ImageEncryption(replace(scheme, quality=quality), KEY, SHAPE)
        lost[quality] = distance(encrypt.decrypt(encrypt(images)), images)
    assert 0 < lost[100] < lost[80] < lost[20]
    assert lost[80] < 5
    other = ImageEncryption(scheme, Key.test("test-1"), SHAPE)
    assert distance(other.decrypt(encrypt(images)), images) > 30
    assert not scheme.properties.invertible


def test_before_compression_the_steps_are_those_of_etc_under_a_key_of_its_own():
    image, scheme = noise(*SHAPE), EtCJPEG()
    subkeys = drawn(scheme, SHAPE)
    before = scheme.cipher(subkeys, SHAPE).before
    assert torch.equal(before(image), EtC(16).cipher(subkeys, SHAPE)(image))
    assert scheme.key_space_bits(SHAPE) == EtC(16).key_space_bits(SHAPE)


def test_planes_are_those_of_jpeg_and_come_back_but_for_rounding():
    corners = torch.tensor([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]], dtype=torch.uint8)
    luma, blue, red = planes(corners.T[:, None])[0, 0].chunk(3)
    assert luma.tolist() == [0, 255, 76, 150, 29]
    assert blue.tolist() == [128, 128, 85, 44, 255]
    assert red.tolist() == [128, 128, 255, 21, 107]
    images = noise(2, *SHAPE)
    assert int((colours(planes(images)).int() - images.int()).abs().max()) <= 1
    encrypt = ImageEncryption(GrayscaleEtC(quality=None), KEY, SHAPE)
    assert int((encrypt.decrypt(encrypt(images)).int() - images.int()).abs().max()) <= 1


def test_one_table_for_three_planes_lies_between_theirs_and_makes_smaller_files():
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=80)
    luma, colour = (np.array(table) for table in Image.open(file).quantization.values())
    made = [
        ImageEncryption(GrayscaleEtC(table=table), KEY, SHAPE).files(scenes(8)) for table in ("luminance", "planes")
    ]
    found = np.array(Image.open(io.BytesIO(made[1][0])).quantization[0])
    assert ((np.minimum(luma, colour) <= found) & (found <= np.maximum(luma, colour))).all()
    costs = [np.log(table).sum() for table in (luma, colour, found)]
    assert costs[2] == pytest.approx((costs[0] + 2 * costs[1]) / 3, rel=0.01), "together they cost what each would"
    assert sum(map(len, made[1])) < 0.95 * sum(map(len, made[0]))


def test_grayscale_etc_has_three_times_the_blocks_and_as_many_keys():
    blocks = 3 * 16
    keys = math.factorial(blocks) * 8**blocks * 2**blocks
    assert GrayscaleEtC().key_space_bits(SHAPE) == pytest.approx(math.log2(keys))
    with pytest.raises(ValueError, match="convert to RGB"):
        GrayscaleEtC().check_shape((1, 32, 32))


@each([Pixelise(), Noise(), Noise(4)])
def test_nothing_decrypts_pixels_and_noise(scheme):
    encrypt = encryption(scheme)
    with pytest.raises(ValueError, match="cannot be undone"):
        encrypt.decrypt(encrypt(scenes(2), INDEX), INDEX)


@each([Noise(), PEViTRS()])
def test_what_is_drawn_for_one_image_is_not_for_all(scheme):
    with pytest.raises(ValueError, match="set key_scope=per_image"):
        ImageEncryption(scheme, KEY, SHAPE)


@pytest.mark.parametrize("distribution", ["gaussian", "laplace"])
def test_noise_has_the_stated_deviation_and_shape(distribution):
    images = torch.full((40, *SHAPE), 128, dtype=torch.uint8)
    encrypt = ImageEncryption(Noise(1, 10.0, distribution), KEY, SHAPE, "per_image")
    added = encrypt(images, torch.arange(40)).double() - 128
    assert float(added.mean()) == pytest.approx(0, abs=0.15)
    assert float(added.std()) == pytest.approx(10, rel=0.02)
    beyond, tail = float((added.abs() > 30.5).double().mean()), math.exp(-30.5 * math.sqrt(2) / 10)
    assert beyond == pytest.approx(tail if distribution == "laplace" else 0.0023, rel=0.2)


def test_noise_counts_no_keys_as_nobody_needs_one_to_take_it_away():
    assert Noise().effective_key_bits(SHAPE) == Pixelise().effective_key_bits(SHAPE) == 0


@each([PEViTRS(4), Pixelise(), Noise(), GrayscaleEtC(quality=None), *COMPRESSED])
def test_invariants_of_a_ciphertext_are_those_of_its_image_or_nearest_to_them(scheme):
    images = scenes(6, seed=2)
    known, found = scheme.invariants(images), scheme.invariants(encryption(scheme)(images, torch.arange(6)))
    nearest = torch.cdist(found, known, p=1).argmin(1)
    assert nearest.tolist() == list(range(6))
    if scheme.jpeg_quality is None and not isinstance(scheme, Noise):
        assert torch.equal(known, found)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: EtCJPEG(quality=0), "quality.*1 to 100; got 0"),
        (lambda: GrayscaleEtC(quality=101), "got 101"),
        (lambda: GrayscaleEtC(table="own"), "table is luminance or planes; got 'own'"),
        (lambda: Noise(sigma=-1), "sigma.*from 0 on; got -1"),
        (lambda: Noise(sigma=math.inf), "got inf"),
        (lambda: Noise(distribution="cauchy"), "gaussian or laplace; got 'cauchy'"),
        (lambda: Scheme.from_dict({"name": "etc_jpeg", "block_size": 16, "quality": 0}), "quality"),
        (lambda: Scheme.from_dict({"name": "noise", "sigma": -1}), "sigma"),
    ],
)
def test_values_out_of_range_are_refused(made, told):
    with pytest.raises(ValueError, match=told):
        made()


@each(LOST)
def test_a_file_that_describes_a_scheme_gives_it_back(scheme):
    assert Scheme.from_dict(scheme.to_dict()) == scheme


def test_what_is_no_uint8_image_is_refused():
    for scheme in (GrayscaleEtC(), Pixelise(), Noise()):
        with pytest.raises(TypeError, match="uint8"):
            cipher_of(scheme, SHAPE)(scenes(1).float() / 255)
