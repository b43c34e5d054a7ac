"""Patch embeddings per position and on nibbles: what they compute, beside slow loops, and what they refuse."""

import pytest
import timm
import torch
from cases import noise
from networks import seen, small, vit

from vitcrypt.models import ResNet18, kind_of, widen
from vitcrypt.models.patch_embedding import PATCH_EMBEDDINGS, PatchProjection, split_nibbles

BYTES = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_nibbles_come_out_exactly_from_normalised_bytes_of_every_precision(dtype):
    nibbles = split_nibbles(seen(BYTES, dtype))
    assert nibbles.dtype == dtype
    back = (nibbles.double() * 15 + 15).div(2).round()
    low, high = back.chunk(2, dim=1)
    assert torch.equal(low.long(), BYTES.long() % 16)
    assert torch.equal(high.long(), BYTES.long() // 16)
    assert nibbles.abs().max() == 1


def test_complementing_a_nibble_changes_a_sign_alone():
    nibbles = split_nibbles(seen(BYTES, torch.float32))
    for half, mask in enumerate((15, 240)):
        other = split_nibbles(seen(BYTES ^ mask, torch.float32))
        signs = torch.ones(1, 2, 1, 1)
        signs[:, half] = -1
        assert torch.equal(other, nibbles * signs)


@pytest.mark.parametrize("nibbles", [False, True])
def test_each_position_has_its_own_kernel(nibbles):
    torch.manual_seed(0)
    projection = PatchProjection(torch.randn(6, 5, 12 * (1 + nibbles)).double(), torch.randn(5).double(), 3, 2)
    image = noise(2, 3, 4, 6)
    out = projection(seen(image))
    assert out.shape == (2, 5, 2, 3)
    for row in range(2):
        for column in range(3):
            patch = image[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten(1).double()
            symbols = patch / 127.5 - 1
            if nibbles:
                symbols = torch.cat([patch % 16, patch // 16], 1) / 7.5 - 1
            expected = symbols @ projection.weight[3 * row + column].T + projection.bias
            assert torch.allclose(out[:, :, row, column], expected, atol=1e-12)


@pytest.mark.parametrize("kind", PATCH_EMBEDDINGS)
def test_widening_changes_nothing_that_a_network_computes(kind):
    network, images = small(), noise(3, 3, 16, 16)
    with torch.no_grad():
        before = network(seen(images))
        widen(network, kind)
        after = network(seen(images))
    assert kind_of(network) == kind
    assert (before - after).abs().max() < 1e-10
    assert len(network.patch_embed.proj.weight) == {"shared": 24, "shared_nibbles": 1}.get(kind, 16)


@pytest.mark.parametrize("kind", PATCH_EMBEDDINGS)
def test_autocast_reaches_the_embedding(kind):
    network, images = small().float(), noise(3, 3, 16, 16)
    widen(network, kind)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert network.patch_embed(seen(images, torch.float32)).dtype == torch.bfloat16


def test_parameters_of_b16_are_as_documented():
    counted = {}
    with torch.device("meta"):
        for kind in PATCH_EMBEDDINGS:
            network = timm.create_model("vit_base_patch16_224", num_classes=0, depth=1)
            widen(network, kind)
            counted[kind] = sum(p.numel() for p in network.patch_embed.parameters())
    assert counted == {
        "shared": 590_592,
        "per_position": 115_606_272,
        "shared_nibbles": 1_180_416,
        "per_position_nibbles": 231_211_776,
    }


def test_an_image_of_another_size_is_refused():
    projection = PatchProjection(torch.randn(4, 5, 12), None, 3, 2)
    with pytest.raises(ValueError, match=r"kernels for 4 positions, an image of \[4, 6\] has 6 patches"):
        projection(torch.zeros(1, 3, 4, 6))


@pytest.mark.parametrize("kind", ["per_position", "shared_nibbles"])
def test_a_network_without_patches_is_refused(kind):
    with pytest.raises(ValueError, match="needs a ViT of timm with square patches, got ResNet18"):
        widen(ResNet18(num_classes=5, width=4), kind)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="one of shared, per_position"):
        widen(vit(depth=1), "nibbles")
