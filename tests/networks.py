"""ViTs whose random weights are large, so that a mistake shows in the logits, and images as they see them."""

import timm
import torch

from vitcrypt.encryption import ELE, LE, PE, EtC, Horio, Plain, Proposed

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
