"""Schemes of the field beside the paper's: against their oracles, as declared, and with keys of their own."""

import hashlib

import pytest
import torch
from cases import by_oracle, cipher_of, drawn, each, noise

from vitcrypt.encryption import Horio, ImageEncryption, NeuraCrypt, Orthogonal
from vitcrypt.keys import Key

SHAPE = (3, 16, 24)
FIELD = [Horio(4), Horio(2, 0.0, 0.0), Horio(8, 0.9, 0.3), Orthogonal(4), Orthogonal(2)]
FIELD += [NeuraCrypt(4), NeuraCrypt(8, hidden=40, depth=2)]


@each(FIELD)
@pytest.mark.parametrize("scope", ["shared", "per_image"])
def test_ciphertexts_are_the_oracle_s_alone_and_in_batches_and_are_decrypted_to_the_byte(scheme, scope):
    images, index, key = noise(3, *SHAPE, seed=1), torch.tensor([7, 2, 5]), Key.test("test-0")
    encryption = ImageEncryption(scheme, key, SHAPE, scope)
    made = encryption(images, index)
    assert made.dtype == getattr(torch, scheme.properties.dtype)
    assert tuple(made.shape[1:]) == scheme.output_shape(SHAPE)
    for i, row, image in zip(index.tolist(), made, images, strict=True):
        subkeys = scheme.subkeys(key if scope == "shared" else key.for_image(i), SHAPE)
        assert torch.allclose(row, by_oracle(scheme, subkeys | scheme.common_subkeys(key, SHAPE), image), atol=2e-4)
        assert torch.allclose(row, encryption(image, torch.tensor([i])), atol=1e-5)
    if scheme.properties.invertible:
        assert torch.equal(encryption.decrypt(made, index), images)
        assert torch.equal(encryption.decrypt(made[1], index[1:2]), images[1])
    else:
        with pytest.raises(ValueError, match="cannot be undone"):
            encryption.decrypt(made, index)


@each(FIELD)
def test_another_key_gives_other_ciphertexts_of_the_same_scale(scheme):
    images = noise(8, *SHAPE, seed=3)
    one, other = (cipher_of(scheme, SHAPE, name)(images).float() for name in ("test-0", "test-1"))
    assert (one - other).abs().mean() > 0.1 * one.std()
    if isinstance(scheme, NeuraCrypt):
        assert 0.3 < one.std() < 3


@pytest.mark.parametrize(("scheme", "exact"), [(Horio(4), True), (Orthogonal(4), True), (NeuraCrypt(4), False)])
def test_linear_maps_and_isometries_are_those_that_say_so(scheme, exact):
    a, b, c = noise(3, *SHAPE, seed=2)
    d = (a.int() - b.int() + c.int()).clamp(0, 255).to(torch.uint8)
    inside = (a.int() - b.int() + c.int()) == d.int()
    a, b, c, d = (torch.where(inside, part, 0) for part in (a, b, c, d))  # a - b = d - c, all of them bytes
    made = [cipher_of(scheme, SHAPE)(image).double() for image in (a, b, c, d)]
    rest = (made[0] - made[1] + made[2] - made[3]).abs().max() / made[0].std()
    ratios = [
        float((made[i] - made[j]).norm() / (p.double() - q.double()).norm())
        for i, p in enumerate((a, b, c))
        for j, q in enumerate((a, b, c))
        if i < j
    ]
    assert (rest < 1e-4) == exact == (scheme.properties.linear == "bytes")
    assert (max(ratios) / min(ratios) < 1 + 1e-4) == exact == (scheme.properties.isometry == "bytes")


def test_matrices_are_orthogonal_and_no_direction_is_preferred():
    keys = [Key.test("test-0").for_image(i) for i in range(2000)]
    scheme = Orthogonal(1)
    q = scheme.ciphers(scheme.subkeys_of_each(keys, (3, 1, 1)), (3, 1, 1)).matrix.double()
    assert torch.allclose(q @ q.mT, torch.eye(3, dtype=torch.float64).expand_as(q), atol=1e-6)
    assert q.mean(0).abs().max() < 0.06  # a QR decomposition as LAPACK leaves it has signs that it prefers: 0.5
    trace = q.diagonal(dim1=1, dim2=2).sum(1)
    assert abs(trace.square().mean() - 1) < 0.1  # of Haar's measure on O(n)


def test_horio_keeps_the_published_shares_in_place():
    shape, scheme = (3, 224, 224), Horio(16)
    subkeys = drawn(scheme, shape)
    assert len(subkeys["block_permutation"]) == 196 - 120
    assert len(subkeys["value_permutation"]) == 768 - 500
    places = torch.arange(196)[:, None].expand(196, 768)  # a constant for each block
    image = places.reshape(14, 14, 1, 1, 768)[..., :1].expand(14, 14, 16, 16, 1).permute(4, 0, 2, 1, 3)
    image = image.reshape(1, 224, 224).expand(3, -1, -1).to(torch.uint8).contiguous()
    assert (cipher_of(scheme, shape)(image) == image).float().mean() >= 120 / 196


def test_neuracrypt_has_one_network_for_all_images_and_an_order_for_each():
    key, image = Key.test("test-0"), noise(*SHAPE, seed=5)
    encryption = ImageEncryption(NeuraCrypt(4), key, SHAPE, "per_image")
    one, other = encryption(image.expand(2, -1, -1, -1), torch.tensor([3, 4])).flatten(2)
    assert not torch.allclose(one, other, atol=1e-3)
    assert torch.allclose(one.sort(1).values, other.sort(1).values, atol=1e-5)
    assert repr(encryption) == repr(ImageEncryption(NeuraCrypt(4), Key.test("test-1"), SHAPE, "per_image"))
    assert encryption.state_dict() == ImageEncryption(NeuraCrypt(4), key, SHAPE).state_dict() == {}


GOLDEN = {  # of the subkeys, to six digits: sums of floats may differ in the last one from one machine to another
    Orthogonal(4): "63e1f10f233af8ef266b2019aa56284cea21100d2613a5f0e957247e825ff5d8",
    NeuraCrypt(4, hidden=8): "f90f75494c69155ff6204517fe24ef91d2a224b00c07b2d5c4bc4417d3ba5886",
}


@pytest.mark.parametrize(("scheme", "checksum"), GOLDEN.items(), ids=repr)
def test_what_is_drawn_from_a_key_never_changes(scheme, checksum):
    subkeys = scheme.subkeys(Key.test("test-0"), (3, 32, 32))
    numbers = torch.cat([(subkeys[name].double() * 1e6).round().long().flatten() for name in sorted(subkeys)])
    assert hashlib.sha256(numbers.numpy().tobytes()).hexdigest() == checksum


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Horio(4, fixed_blocks=1.0), "fixed_blocks is a share"),
        (lambda: NeuraCrypt(4, hidden=0), "hidden is a whole number"),
        (lambda: NeuraCrypt(16).check_shape((3, 16, 16)), "one block; set block_size below 16"),
        (lambda: cipher_of(Orthogonal(4), SHAPE).inverse()(noise(*SHAPE)), "float32 as it was encrypted"),
        (lambda: cipher_of(NeuraCrypt(4), SHAPE)(noise(*SHAPE).double()), "uint8"),
    ],
)
def test_what_cannot_be_is_said(make, told):
    with pytest.raises((ValueError, TypeError), match=told):
        make()
