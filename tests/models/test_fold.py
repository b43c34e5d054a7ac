"""Folding a key into a ViT: the same logits on encrypted images, the way back, and what is refused."""

from functools import partial

import pytest
import timm
import torch
from cases import cipher_of, each, noise
from networks import KINDS, seen, small, vit

from vitcrypt.encryption import ELE, LE, PE, EtC, Horio, Orthogonal, Proposed, SignedPermutation
from vitcrypt.keys import Key
from vitcrypt.models import PyramidNet, ResNet18, fold_key, kind_of, rekey, unfold_key, widen
from vitcrypt.models.key_folding import patch_moves

SHAPE = (3, 16, 16)
SCHEMES = [Proposed(4), PE(), PE(channel_shuffle=False), EtC(4), LE(4), ELE(4)]
WIDENED = ["per_position", "shared_nibbles", "per_position_nibbles"]
MORE = [Proposed(8), EtC(8), LE(2), Horio(4)]  # a block is four patches; a patch is four blocks


@torch.no_grad()
def apart(one, images, other, others):
    """The largest distance of two networks' logits, each on its own images."""
    return float((one(seen(images)) - other(seen(others))).abs().max())


def parameters_equal(one, other):
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@each([*SCHEMES, *MORE])
def test_a_folded_network_gives_on_encrypted_images_the_logits_of_the_original(scheme):
    network, images, cipher = small(), noise(4, *SHAPE), cipher_of(scheme, SHAPE)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = fold_key(network, cipher)
    assert apart(network, images, folded, cipher(images)) < 1e-10
    assert apart(network, images, network, cipher(images)) > 1, "without folding the logits differ widely"
    assert kind_of(folded) == KINDS[type(scheme)]
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@each([Proposed(4), PE(), EtC(4), LE(4), ELE(4)])
def test_the_other_direction_is_wrong(scheme):
    network, images, cipher = small(), noise(4, *SHAPE), cipher_of(scheme, SHAPE)
    assert apart(network, images, fold_key(network, cipher.inverse()), cipher(images)) > 1


@pytest.mark.parametrize(
    "options",
    [
        {"global_pool": "avg", "class_token": False},
        {"global_pool": "map", "class_token": False},
        {"no_embed_class": True},
        {"reg_tokens": 3},
        {"pre_norm": True},  # no bias in the patch embedding
        {"img_size": (16, 24)},
        {"pos_embed": "none"},
        {"embed_norm_layer": partial(torch.nn.LayerNorm, eps=1e-6)},
    ],
    ids=str,
)
@each([Proposed(4), EtC(4), ELE(4)])
def test_every_shape_of_a_vit_can_be_folded(scheme, options):
    network = small(**options)
    shape = (3, *network.patch_embed.img_size)
    images, cipher = noise(3, *shape), cipher_of(scheme, shape)
    assert apart(network, images, fold_key(network, cipher), cipher(images)) < 1e-10


AT_224 = [(scheme, "vit_tiny_patch16_224", 2) for scheme in (Proposed(16), PE(), EtC(16), LE(16), ELE(16))]
AT_224 += [(Proposed(16), "vit_base_patch16_224", 2)]


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "name", "depth"), AT_224, ids=str)
def test_networks_of_the_paper_s_size_fold_exactly(scheme, name, depth):
    shape = (3, 224, 224)
    network, images, cipher = vit(name, depth=depth), noise(1, *shape), cipher_of(scheme, shape)
    with torch.no_grad():
        logits, under_the_cipher = network(seen(images)), network(seen(cipher(images)))
        folded = fold_key(network, cipher)(seen(cipher(images)))
    assert (logits - folded).abs().max() < 1e-10
    assert (logits - under_the_cipher).abs().max() > 1


@each(SCHEMES)
def test_the_whole_set_is_classified_alike_image_by_image(scheme):
    network, images, cipher = small().float(), noise(2000, *SHAPE), cipher_of(scheme, SHAPE)
    with torch.no_grad():
        plain = network(seen(images, torch.float32)).argmax(1)
        folded = fold_key(network, cipher)(seen(cipher(images), torch.float32)).argmax(1)
        unfolded = network(seen(cipher(images), torch.float32)).argmax(1)
    assert torch.equal(plain, folded)
    assert (plain != unfolded).float().mean() > 0.1
    assert len(plain.unique()) > 2


@each(SCHEMES)
def test_unfolding_is_the_exact_way_back(scheme):
    network, cipher = small(), cipher_of(scheme, SHAPE)
    widened = small()
    widen(widened, KINDS[type(scheme)])
    assert parameters_equal(unfold_key(fold_key(network, cipher), cipher), widened)
    assert parameters_equal(fold_key(unfold_key(fold_key(network, cipher), cipher), cipher), fold_key(network, cipher))


@each(SCHEMES)
def test_a_network_changes_its_key_without_training(scheme):
    network, images = small().float(), noise(2000, *SHAPE)
    old, new = (cipher_of(scheme, SHAPE, key) for key in ("test-0", "test-1"))
    changed = rekey(fold_key(network, old), old, new)
    assert parameters_equal(changed, fold_key(unfold_key(fold_key(network, old), old), new))
    with torch.no_grad():
        truth = network(seen(images, torch.float32)).argmax(1)
        under_new, under_old = (changed(seen(c(images), torch.float32)).argmax(1) for c in (new, old))
    chance = truth.bincount(minlength=5).div(2000).square().sum()
    assert torch.equal(truth, under_new)
    assert (truth == under_old).float().mean() < chance + 0.15


def test_a_network_changes_its_scheme_too():
    network, images = small(), noise(3, *SHAPE)
    old, new = cipher_of(EtC(4), SHAPE), cipher_of(ELE(4), SHAPE, "test-1")
    assert apart(network, images, rekey(fold_key(network, old), old, new), new(images)) < 1e-10


@pytest.mark.parametrize("kind", WIDENED)
@each(SCHEMES)
def test_what_is_richer_already_stays_so(scheme, kind):
    network, images, cipher = small(), noise(3, *SHAPE), cipher_of(scheme, SHAPE)
    widen(network, kind)
    folded = fold_key(network, cipher)
    assert apart(network, images, folded, cipher(images)) < 1e-10
    for part in ("per_position", "nibbles"):
        assert (part in kind_of(folded)) == (part in kind or part in KINDS[type(scheme)])


def test_the_moves_of_a_cipher_are_read_right():
    subkeys = {"block_permutation": torch.arange(16).flip(0), "pixel_permutation": torch.tensor([1, 0, 3, 2])}
    moves = patch_moves(Proposed(4).cipher(subkeys, SHAPE), SHAPE, 4)
    assert moves.patch.tolist() == list(range(15, -1, -1))
    assert moves.place[0, :8].tolist() == [1, 0, 3, 2, 5, 4, 7, 6]  # rows 0 and 1; the second pixel row is 4..7
    assert moves.alike
    assert (moves.sign == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["shared", "per_position"])
@pytest.mark.parametrize("block_size", [4, 2, 1])  # a patch is one block, 4, or 16
def test_a_matrix_on_every_block_folds_too_and_back_and_into_another(block_size, kind):
    network, images = small(), noise(4, *SHAPE)
    widen(network, kind)
    old, new = (cipher_of(Orthogonal(block_size), SHAPE, name) for name in ("test-0", "test-1"))
    folded = fold_key(network, old)

    @torch.no_grad()
    def away(other, ciphertexts):  # a ciphertext is float32: the network sees it as it is
        return float((network(seen(images)) - other(ciphertexts.double())).abs().max())

    assert away(folded, old(images)) < 1e-4 * away(network, old(images))
    assert away(rekey(folded, old, new), new(images)) < 1e-4 * away(folded, new(images))
    assert apart(network, images, unfold_key(folded, old), images) < 1e-4
    assert kind_of(folded) == kind


def test_parameters_that_do_not_learn_still_do_not():
    network = small()
    network.patch_embed.requires_grad_(False)
    assert not any(p.requires_grad for p in fold_key(network, cipher_of(EtC(4), SHAPE)).patch_embed.parameters())


@pytest.mark.parametrize(
    ("network", "cipher", "told"),
    [
        (
            ResNet18(num_classes=5, width=4),
            cipher_of(Proposed(4), SHAPE),
            "only, got ResNet18.*vit_b16",
        ),
        (PyramidNet(num_classes=5, depth=20, alpha=4), cipher_of(LE(4), SHAPE), "got PyramidNet"),
        (timm.create_model("deit_tiny_distilled_patch16_224"), cipher_of(PE(), SHAPE), "images of 768 bytes.*3 x 224"),
        (small(dynamic_img_size=True), cipher_of(PE(), SHAPE), "dynamic_img_size=True"),
        (small(), cipher_of(Proposed(4), (3, 32, 32)), "3072 bytes.*768"),
        (small(), cipher_of(EtC(2), SHAPE), "borders of the network's patches of 4 x 4.*block_size=4"),
        (small(), cipher_of(ELE(2), SHAPE), "borders"),
        (small(), cipher_of(LE(16), SHAPE), "borders"),
        (small(), SignedPermutation(torch.arange(768), torch.full((768,), 7, dtype=torch.uint8)), "other masks"),
        (
            small(),
            SignedPermutation.stack([cipher_of(PE(), SHAPE)] * 2),
            "a key of its own",
        ),
        (small(), cipher_of(Orthogonal(8), SHAPE), "blocks of 8 x 8.*patches of 3 x 4 x 4.*block_size to 4"),
        (small(), cipher_of(Orthogonal(4), (1, 16, 16)), "mixes the 16 values.*patches of 3 x 4 x 4"),
        (small(), Orthogonal(4).ciphers(Orthogonal(4).subkeys_of_each([Key.test("test-0")], SHAPE), SHAPE), "its own"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_be_folded_is_refused_with_the_reason(network, cipher, told):
    with pytest.raises(ValueError, match=told):
        fold_key(network, cipher)
