"""Key space, moving by blocks, and the module that encrypts batches, also under keys of their own."""

import copy
import math
import pickle

import pytest
import torch
from cases import (
    KEYED,
    ONE_EACH,
    SHAPE,
    cipher_of,
    each,
    label,
    noise,
)

from vitcrypt.encryption import (
    ELE,
    LE,
    MASTER_KEY_BITS,
    PE,
    SCHEMES,
    EtC,
    EtCJPEG,
    ImageEncryption,
    Orthogonal,
    Plain,
    Proposed,
    drawn,
)
from vitcrypt.keys import Key

# Key space


F = math.factorial
PIXELS = 32 * 32


@pytest.mark.parametrize(
    ("scheme", "shape", "keys", "published"),
    [
        (Plain(), SHAPE, 1, 0),
        (PE(channel_shuffle=False), SHAPE, 2 ** (3 * PIXELS), 3072),
        (PE(), SHAPE, 2 ** (3 * PIXELS) * 6**PIXELS, 5719),
        (LE(block_size=4), SHAPE, F(96) * 2**96, 594),
        (ELE(block_size=4), SHAPE, (F(96) * 2**96) ** 64 * F(64), 38330),
        (EtC(block_size=4), SHAPE, F(64) * 8**64 * 2**64 * 6**64, 717),
        (EtC(block_size=16), (3, 224, 224), F(196) * 8**196 * 2**196 * 6**196, 2506),
        (Proposed(block_size=16), (3, 224, 224), F(196) * F(64), 1511),
        (Proposed(block_size=16), SHAPE, F(4) * F(64), 301),
        (Proposed(block_size=2), (3, 2, 2), 1, 0),
        (LE(block_size=2), (1, 8, 12), F(8) * 2**8, 23),
    ],
    ids=label,
)
def test_the_key_space_is_that_of_the_published_formula(scheme, shape, keys, published):
    bits = scheme.key_space_bits(shape)
    assert bits == pytest.approx(math.log2(keys), rel=1e-12, abs=1e-9)
    assert round(bits) == published
    assert scheme.effective_key_bits(shape) == pytest.approx(min(256, math.log2(keys)), rel=1e-12, abs=1e-9)


def test_a_key_space_beyond_the_master_key_counts_256_bits_and_a_smaller_one_counts_itself():
    assert MASTER_KEY_BITS == 256
    assert Proposed(block_size=16).effective_key_bits((3, 224, 224)) == 256.0
    assert EtC(block_size=16).effective_key_bits((3, 16, 16)) == pytest.approx(math.log2(8 * 2 * 6))


# Moving by whole blocks


@pytest.mark.parametrize("block_size", [2, 4, 8])
@pytest.mark.parametrize("blocks", [(1, 0), (0, 1), (-2, 3)])
def test_le_commutes_with_moving_an_image_by_whole_blocks(block_size, blocks):
    scheme, images = LE(block_size=block_size), noise(2, 3, 32, 48, seed=4)
    cipher = cipher_of(scheme, (3, 32, 48))
    shifts = [step * block_size for step in blocks]
    assert scheme.translation_by_blocks
    assert torch.equal(torch.roll(cipher(images), shifts, (-2, -1)), cipher(torch.roll(images, shifts, (-2, -1))))
    half = [step * block_size // 2 for step in (1, 1)]
    assert not torch.equal(torch.roll(cipher(images), half, (-2, -1)), cipher(torch.roll(images, half, (-2, -1))))


@each([PE(), ELE(block_size=4), EtC(block_size=4), Proposed(block_size=4)])
def test_other_schemes_do_not_commute_with_moving_an_image_by_a_block_and_say_so(scheme):
    image, cipher = noise(*SHAPE, seed=5), cipher_of(scheme, SHAPE)
    assert not scheme.translation_by_blocks
    assert not torch.equal(torch.roll(cipher(image), 4, -1), cipher(torch.roll(image, 4, -1)))


# The module for pipelines


@each(ONE_EACH)
def test_a_shared_key_encrypts_every_image_by_the_same_cipher(scheme):
    images = noise(3, *SHAPE, seed=6)
    encryption = ImageEncryption(scheme, Key.test("test-0"), SHAPE)
    cipher = cipher_of(scheme, SHAPE)
    assert torch.equal(encryption(images), torch.stack([cipher(image) for image in images]))
    assert torch.equal(encryption(images, torch.tensor([7, 8, 9])), encryption(images))
    assert torch.equal(encryption(images[0]), cipher(images[0]))
    assert torch.equal(encryption.decrypt(encryption(images)), images)
    twins = encryption(images[:1].expand(3, -1, -1, -1))
    assert torch.equal(twins[0], twins[1])
    assert torch.equal(twins[0], twins[2])


@each(ONE_EACH)
def test_row_i_is_encrypted_under_the_key_of_image_index_i(scheme):
    key, images, index = Key.test("test-0"), noise(3, *SHAPE, seed=7), torch.tensor([5, 0, 123456789])
    encryption = ImageEncryption(scheme, key, SHAPE, key_scope="per_image")
    encrypted = encryption(images, index)
    for image, row, i in zip(images, encrypted, index.tolist(), strict=True):
        subkeys = scheme.subkeys(key.for_image(i), SHAPE)
        assert torch.equal(row, scheme.cipher(subkeys, SHAPE)(image))
        assert torch.equal(row, encryption(image, torch.tensor([i])))
    assert torch.equal(encryption.decrypt(encrypted, index), images)
    assert torch.equal(encryption.decrypt(encrypted[1], index[1:2]), images[1])


@each(KEYED)
def test_the_same_image_under_two_indices_differs_and_under_one_index_does_not(scheme):
    encryption = ImageEncryption(scheme, Key.test("test-0"), SHAPE, key_scope="per_image")
    images = noise(*SHAPE, seed=8).expand(3, -1, -1, -1)
    first, second, third = encryption(images, torch.tensor([1, 2, 1]))
    assert not torch.equal(first, second)
    assert torch.equal(first, third)
    assert not torch.equal(first, ImageEncryption(scheme, Key.test("test-0"), SHAPE)(images[0]))
    swapped = encryption.decrypt(torch.stack([first, second]), torch.tensor([2, 1]))
    assert not torch.equal(swapped[0], images[0])


def test_several_owners_have_a_key_each_and_images_are_dealt_to_them_by_index():
    key, images, index = Key.test("test-0"), noise(6, *SHAPE), torch.tensor([0, 1, 2, 3, 4, 10**9])
    encryption = ImageEncryption(LE(block_size=4), key, SHAPE, "per_image", keys=3)
    encrypted = encryption(images, index)
    assert torch.equal(encrypted, ImageEncryption(LE(block_size=4), key, SHAPE, "per_image")(images, index % 3))
    assert torch.equal(encryption.decrypt(encrypted, index), images)
    with pytest.raises(ValueError, match='keys=3: a number, with key_scope="per_image"'):
        ImageEncryption(LE(block_size=4), key, SHAPE, keys=3)


@each([*KEYED, Orthogonal(4), EtCJPEG(8), Plain()])
def test_each_owner_s_images_are_what_the_owner_alone_would_make_of_them(scheme):
    keys = [Key.test(f"test-{number}") for number in range(3)]
    images, index = noise(6, *SHAPE, seed=9), torch.tensor([4, 0, 2**40, 3, 1, 6])
    encryption = ImageEncryption(scheme, keys, SHAPE, "per_image")
    encrypted = encryption(images, index)
    for i, image, row in zip(index.tolist(), images, encrypted, strict=True):
        alone = ImageEncryption(scheme, keys[i % 3], SHAPE)
        assert torch.equal(row, alone(image))
        assert torch.equal(encryption(image, torch.tensor([i])), row)
        assert torch.equal(encryption.decrypt(row, torch.tensor([i])), alone.decrypt(row))
    assert torch.equal(encryption.decrypt(encrypted, index)[5], encryption.decrypt(encrypted[5], index[5:]))
    assert not encryption.state_dict()
    for wrong in ({"key_scope": "shared"}, {"key_scope": "per_image", "keys": 2}):
        with pytest.raises(ValueError, match=r'3 keys of so many owners are for key_scope="per_image"'):
            ImageEncryption(scheme, keys, SHAPE, **wrong)
    with pytest.raises(ValueError, match="each owner alone"):
        encryption.files(images, index)


def test_per_image_keys_need_an_index_of_the_right_kind():
    encryption = ImageEncryption(LE(block_size=4), Key.test("test-0"), SHAPE, key_scope="per_image")
    images = noise(2, *SHAPE)
    for apply in (encryption, encryption.decrypt):
        with pytest.raises(ValueError, match="pass index"):
            apply(images)
        with pytest.raises(ValueError, match=r"int64.*got torch.int32 \[2\]"):
            apply(images, torch.tensor([1, 2], dtype=torch.int32))
        with pytest.raises(ValueError, match=r"one for each image.*\[3\]"):
            apply(images, torch.tensor([1, 2, 3]))


def test_an_unknown_key_scope_is_refused():
    with pytest.raises(ValueError, match="'per_batch'"):
        ImageEncryption(LE(), Key.test("test-0"), SHAPE, key_scope="per_batch")


@pytest.mark.parametrize("key_scope", ["shared", "per_image"])
def test_the_module_refuses_what_is_no_uint8_image_of_its_size(key_scope):
    encryption, index = ImageEncryption(EtC(), Key.test("test-0"), SHAPE, key_scope=key_scope), torch.tensor([0])
    for apply in (encryption, encryption.decrypt):
        with pytest.raises(TypeError, match="uint8"):
            apply(noise(1, *SHAPE).float() / 255, index)
        with pytest.raises(ValueError, match=r"images of shape \[3, 32, 32\]"):
            apply(noise(1, 3, 16, 16), index)


@pytest.mark.parametrize("shape", [(3, 64, 16), (32, 32, 3), (2, 32, 32, 3), (1, 48, 64)], ids=label)
def test_the_module_refuses_an_image_of_as_many_bytes_in_another_shape(shape):
    encryption = ImageEncryption(EtC(), Key.test("test-0"), SHAPE)
    with pytest.raises(ValueError, match="shape"):
        encryption(noise(*shape))


@pytest.mark.parametrize("key_scope", ["shared", "per_image"])
@each(ONE_EACH)
def test_a_checkpoint_and_a_repr_of_the_module_hold_nothing_of_the_key(scheme, key_scope):
    one, other = (ImageEncryption(scheme, Key.test(name), SHAPE, key_scope) for name in ("test-0", "test-1"))
    assert torch.nn.Sequential(one, torch.nn.Flatten()).state_dict() == {}
    assert list(one.parameters()) == []
    assert repr(one) == repr(other)


def test_a_module_that_keeps_the_key_does_not_pickle_and_one_that_does_not_keep_it_copies():
    per_image = ImageEncryption(LE(), Key.test("test-0"), SHAPE, key_scope="per_image")
    with pytest.raises(TypeError, match="does not pickle"):
        pickle.dumps(per_image)
    shared, image = ImageEncryption(LE(), Key.test("test-0"), SHAPE), noise(*SHAPE)
    assert torch.equal(copy.deepcopy(shared)(image), shared(image))


@pytest.mark.parametrize("scheme", SCHEMES.values())
def test_schemes_are_values_found_by_their_lowered_names(scheme):
    assert SCHEMES[scheme().name] is scheme
    assert scheme().name.replace("_", "") == scheme.__name__.lower()
    assert scheme() == scheme()
    assert len({scheme(), scheme()}) == 1
    with pytest.raises(AttributeError):
        scheme().block_size = 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and this machine has none")
@pytest.mark.parametrize("key_scope", ["shared", "per_image"])
@each(ONE_EACH)
def test_cpu_and_gpu_give_the_same_bytes(scheme, key_scope):
    images, index = noise(4, *SHAPE, seed=9), torch.arange(4)
    on_cpu = ImageEncryption(scheme, Key.test("test-0"), SHAPE, key_scope)(images, index)
    encryption = ImageEncryption(scheme, Key.test("test-0"), SHAPE, key_scope)
    on_gpu = encryption(images.cuda(), index.cuda())
    assert on_gpu.device.type == "cuda"
    assert torch.equal(on_gpu.cpu(), on_cpu)
    assert torch.equal(encryption.decrypt(on_gpu, index.cuda()).cpu(), images)


@pytest.mark.parametrize("scheme", [PE(), ELE(4), Proposed(4)], ids=str)
def test_what_is_kept_of_an_images_key_is_what_is_drawn_again(scheme, monkeypatch):
    encryption = ImageEncryption(scheme, Key.test("test-0"), (3, 8, 8), "per_image")
    images, index = (
        torch.arange(4 * 192).remainder(251).to(torch.uint8).view(4, 3, 8, 8),
        torch.tensor([7, 7, 2, 2**40]),
    )
    first = encryption(images, index)
    assert torch.equal(encryption(images, index), first), "kept"
    monkeypatch.setattr(drawn, "KEPT_BYTES", 0)
    other = ImageEncryption(scheme, Key.test("test-0"), (3, 8, 8), "per_image")
    assert torch.equal(other(images, index), first)
    assert torch.equal(other(images, index), first), "drawn again"
    assert all(
        torch.equal(other(image, number), made) for image, number, made in zip(images, index, first, strict=True)
    )
