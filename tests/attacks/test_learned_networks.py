"""The networks of the learned attacks against their descriptions, layer by layer: shapes, parameters, normalisations.

The descriptions are written down here as the public code of the publications was read: MADONOKOUKI/SIA-GAN,
ito-hiroki/learnable_encryption_robustness and ito-hiroki/image_to_perturbation.
"""

import pytest
import torch
from torch import nn

from vitcrypt.attacks.learned.memory import parameters
from vitcrypt.attacks.learned.networks import BlockInverse, SmallDiscriminator, initialise_as_dcgan
from vitcrypt.attacks.learned.sia import (
    BlockMaps,
    BlockNorm,
    Residual,
    SelfAttention,
    SIADiscriminator,
    SIAGenerator,
    from_fixed_start,
)
from vitcrypt.encryption.unet import UNet

SILENT = (nn.Flatten, nn.AdaptiveAvgPool2d, nn.Identity)


def layer(module: nn.Module) -> str:
    """A layer in short: `SN` spectral norm, `-` no bias."""
    if isinstance(module, BlockMaps):
        blocks, after, before = module.weight.shape
        return f"{blocks} x SN {before}->{after}"
    if isinstance(module, BlockNorm | nn.BatchNorm2d):
        norm = module.norm if isinstance(module, BlockNorm) else module
        return f"BN {norm.num_features}"
    if isinstance(module, nn.Conv2d | nn.Linear):
        sn = "SN " if hasattr(module, "weight_orig") or hasattr(module, "start") else ""
        bias = "" if module.bias is not None else "-"
        if isinstance(module, nn.Linear):
            return f"{sn}linear {module.in_features}->{module.out_features}{bias}"
        stride = f"s{module.stride[0]} " if module.stride[0] > 1 else ""
        return f"{sn}conv{module.kernel_size[0]} {stride}{module.in_channels}->{module.out_channels}{bias}"
    if isinstance(module, nn.LeakyReLU):
        return f"lrelu {module.negative_slope}"
    return {nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid", nn.MaxPool2d: "max3"}.get(
        type(module), f"shuffle {getattr(module, 'upscale_factor', '')}"
    )


def layers(network: nn.Module) -> list[str]:
    """All of it in the order of definition."""
    whole = (BlockMaps, BlockNorm, nn.Conv2d, nn.Linear)
    found: list[str] = []
    for child in network.children():
        if isinstance(child, SILENT):
            continue
        found += [layer(child)] if isinstance(child, whole) or not list(child.children()) else layers(child)
    return found


RESIDUAL = ["SN conv3 64->64-", "BN 64", "lrelu 0.1", "SN conv3 64->64-", "BN 64", "lrelu 0.1"]
ATTENTION = ["conv1 {0}->{1}", "conv1 {0}->{1}", "conv1 {0}->{0}"]


def attention(width: int) -> list[str]:
    return [line.format(width, width // 8) for line in ATTENTION]


DESCRIBED = {
    "SIA generator": (
        lambda: SIAGenerator(3, 4, 64),
        1_089_216,  # 1.09 M
        [
            *("64 x SN 48->256", "BN 16384", "lrelu 0.1", "shuffle 4", "SN conv3 16->64-", "BN 64", "lrelu 0.1"),
            *RESIDUAL * 3,
            *("SN conv3 64->64-", "BN 64", "lrelu 0.1", "SN conv3 64->3-", "tanh"),
        ],
    ),
    "SIA discriminator": (
        lambda: SIADiscriminator(3, 32, 32),
        13_361_155,  # 13.36 M
        [
            *("SN conv3 3->128", "lrelu 0.1", "SN conv4 s2 128->128", "lrelu 0.1"),
            *("SN conv3 128->256", "lrelu 0.1", "SN conv4 s2 256->256", "lrelu 0.1"),
            *("SN conv3 256->512", "lrelu 0.1", "SN conv4 s2 512->512", "lrelu 0.1"),
            *attention(512),
            "SN conv3 512->1024",
            *attention(1024),
            "SN linear 16384->1",
        ],
    ),
    "ITN and small, blocks": (
        lambda: BlockInverse(3, 4),
        31_107,
        [
            *("conv4 s4 3->48", "BN 48", "relu", "conv1 48->48", "BN 48", "relu", "conv1 48->512", "BN 512", "relu"),
            *("shuffle 4", "conv1 32->3", "tanh"),
        ],
    ),
    "ITN and small, pixels": (
        lambda: BlockInverse(3, 1),
        43_267,
        [
            *("conv1 3->64", "BN 64", "relu", "conv1 64->128", "BN 128", "relu", "conv1 128->256", "BN 256", "relu"),
            *("shuffle 1", "conv1 256->3", "tanh"),
        ],
    ),
    "small discriminator": (
        lambda: SmallDiscriminator(3),
        136_192,
        ["conv4 s2 3->64-", "lrelu 0.2", "SN conv4 s2 64->128-", "lrelu 0.2", "conv4 128->1-", "max3"],
    ),
}


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_network_is_its_description(name):
    build, count, described = DESCRIBED[name]
    network = build()
    assert layers(network) == described
    assert parameters(network) == count
    image = torch.rand(2, 3, 32, 32) * 2 - 1
    assert network(image).shape == ((2,) if "discriminator" in name else image.shape)


def test_the_unet_is_its_description():
    sizes = [64, 128, 256, 512, 1024]
    network = UNet(3)
    assert parameters(network) == 34_527_171
    found = [line for line in layers(network) if line.startswith("conv")]
    down = [f"conv3 {a}->{b}" for before, b in zip([3, *sizes], sizes, strict=False) for a in (before, b)]
    widened = [f"conv3 {2 * size}->{size}" for size in sizes[:-1]]
    up = [f"conv3 {a}->{size}" for size in sizes[:-1] for a in (2 * size, size)]
    assert found == [*down, *widened, *up, "conv1 64->3"]
    assert [line for line in layers(network) if line.startswith("BN")] == [f"BN {x.split('>')[1]}" for x in found[:-1]]
    image = torch.rand(2, 3, 32, 32) * 2 - 1
    assert UNet(3, 4)(image).shape == image.shape


def test_every_block_of_the_generator_is_a_convolution_with_spectral_norm_and_batch_norm_of_its_own():
    """Against torch's own layers, one for each block: outputs, running statistics and power iterations."""
    maps, norm = BlockMaps(3, 4, 6, 32), BlockNorm(32, 6)
    image = torch.randn(5, 3, 8, 12)
    convolutions = [nn.utils.spectral_norm(nn.Conv2d(3, 32, 4, 4, bias=False)) for _ in range(6)]
    norms = [nn.BatchNorm2d(32) for _ in range(6)]
    with torch.no_grad():
        for block, convolution in enumerate(convolutions):
            convolution.weight_orig.copy_(maps.weight[block].view(32, 3, 4, 4))
            convolution.weight_u.copy_(maps.left[block, :, 0])
            convolution.weight_v.copy_(maps.right[block, :, 0])
    for training in (True, True, False):
        for module in (maps, norm, *convolutions, *norms):
            module.train(training)
        result = norm(maps(image))
        for block in range(6):
            y, x = divmod(block, 3)
            part = image[..., 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
            expected = norms[block](convolutions[block](part))
            assert torch.allclose(result[..., y, x], expected[..., 0, 0], atol=1e-4)
    means = norm.norm.running_mean.view(32, 2, 3)
    assert torch.allclose(means[:, 1, 2], norms[5].running_mean, atol=1e-5)
    assert not torch.allclose(means[:, 0, 0], means[:, 1, 2], atol=1e-3)


def test_maps_that_are_shared_are_one_convolution():
    maps = BlockMaps(3, 4, 1, 8).eval()
    image = torch.randn(2, 3, 8, 8)
    expected = nn.functional.conv2d(image, (maps.weight / maps._largest()).view(8, 3, 4, 4), stride=4)
    assert torch.allclose(maps(image), expected, atol=1e-5)


def test_the_discriminators_spectral_norm_divides_the_weights_themselves_and_begins_anew():
    normed, image = from_fixed_start(nn.Linear(8, 5, bias=False)), torch.randn(3, 8)
    start, before = normed.start.clone(), normed.weight.detach().clone()
    normed.eval()(image)
    right = before.T @ start
    right = right / right.norm()
    left = before @ right
    assert torch.allclose(normed.weight, before / left.norm(), atol=1e-6)
    assert torch.equal(normed.start, start)
    once = normed.weight.detach().clone()
    normed(image)
    assert torch.allclose(normed.weight, once, atol=1e-6)


def test_the_discriminator_sees_positions():
    network = SIADiscriminator(3, 32, 32, features=8).eval()
    image = torch.zeros(1, 3, 32, 32)
    image[..., 8:16, 8:16] = 1
    assert not torch.allclose(network(image), network(image.roll((8, 8), (2, 3))), atol=1e-6)


def test_attention_and_residuals_begin_where_published():
    x = torch.randn(2, 16, 4, 4)
    assert torch.equal(SelfAttention(16)(x), x)
    residual = Residual(16).eval()
    assert torch.allclose(residual(x), nn.functional.leaky_relu(x + residual.branch(x), 0.1))


def test_initialisation_of_the_small_form():
    network = BlockInverse(3, 4).apply(initialise_as_dcgan)
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 1000:
            assert abs(float(module.weight.detach().std()) - 0.02) < 0.001
        if isinstance(module, nn.BatchNorm2d):
            assert abs(float(module.weight.detach().mean()) - 1) < 0.01
            assert float(module.weight.detach().std()) < 0.03


@pytest.mark.parametrize("size", [4, 8])
def test_no_map_of_a_block_is_out_of_reach_of_the_block_inverse(size):
    """The Jacobian of a block has full rank: with 48 channels, 144 of 192 dimensions were lost at 8 x 8."""
    network = BlockInverse(3, size).eval()
    network = nn.Sequential(*(nn.Identity() if isinstance(x, nn.ReLU) else x for x in flat(network)))
    values = 3 * size**2
    jacobian = torch.func.jacrev(lambda block: network(block.view(1, 3, size, size)).flatten())(torch.zeros(values))
    assert int(torch.linalg.matrix_rank(jacobian.double(), rtol=1e-9)) == values


def flat(network: nn.Module) -> list[nn.Module]:
    return [part for part in network.modules() if not list(part.children())]
