"""ViTs whose random weights are large, so that a mistake shows in the logits, and images as they see them."""

import tempfile
from functools import cache

import timm
import torch
from safetensors.torch import save_file

from vitcrypt.encryption import ELE, LE, PE, EtC, Horio, Plain, Proposed
from vitcrypt.encryption.unet import UNet

KINDS = {  # the poorest patch embedding that can follow a scheme, for blocks of one patch
    Plain: "shared",
    Proposed: "shared",
    Horio: "shared",
    PE: "per_position",
    EtC: "per_position",
    LE: "shared_nibbles",
    ELE: "per_position_nibbles",
}


def vit(name="vit_tiny_patch16_224", seed=0, gain=3.0, **options):
    torch.manual_seed(seed)
    network = timm.create_model(name, **{"num_classes": 10, **options}).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 3:  # position embedding, class token
                parameter.normal_()
            elif parameter.dim() > 1:
                parameter.normal_(std=gain / parameter[0].numel() ** 0.5)
            else:  # what is zero at the start would prove nothing
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return network


def small(seed=0, **options):
    """A ViT of 16 patches of 4 x 4."""
    sizes = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 2, "num_classes": 5}
    return vit(seed=seed, **{**sizes, **options})


def seen(image, dtype=torch.float64):
    """Normalise as `vitcrypt.data` does, in double precision."""
    return (image.double() * 2 - 255).div(255).to(dtype)


@cache
def _folder():
    """A folder that is gone with the process, and not before: what only `atexit` holds a forked child lets go."""
    return tempfile.TemporaryDirectory()


@cache
def unet_file():
    """The file of a small U-Net of two levels, random but for its running statistics."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UNet(3, 4, 2)
        network(torch.rand(16, 3, 8, 12) * 2 - 1)
    save_file(network.state_dict(), path := f"{_folder().name}/h.safetensors")
    return path


def linear_features(path, shape, length):
    """Write a linear network as an ONNX file, as `encryption.weights` reads it; return the path and its matrix."""
    layers = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten(1), torch.nn.Linear(12, length))
    layers[2].weight.data.normal_(generator=torch.Generator().manual_seed(0))
    layers[2].bias.data.zero_()

    class Of8Bits(torch.nn.Sequential):
        def forward(self, image):
            return super().forward(image.float() / 127.5 - 1)

    free = {"image": {0: "n"}, "features": {0: "n"}}
    names = {"input_names": ["image"], "output_names": ["features"], "dynamic_axes": free, "dynamo": False}
    torch.onnx.export(Of8Bits(*layers).eval(), (torch.zeros(1, *shape, dtype=torch.uint8),), str(path), **names)
    return str(path), layers[2].weight.detach().double()
