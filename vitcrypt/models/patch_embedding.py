"""Patch embeddings for encrypted images: one kernel for each position, on bytes or on nibbles.

A timm ViT embeds every patch with the same kernel, timm's `PatchEmbed.proj`. Here are its replacements for schemes that
treat every patch in another way (PE, EtC, ELE) or that move halves of bytes (LE, ELE). All else of the ViT stays.

A byte p = 16 h + l is seen by the network as (2 p - 255) / 255. With the nibbles scaled alike, h' = (2 h - 15) / 15 and
l' = (2 l - 15) / 15, that is (16 h' + l') / 17: a kernel on bytes is a kernel on nibbles, and complementing a byte or a
nibble is a change of sign.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PatchEmbedding = Literal["shared", "per_position", "shared_nibbles", "per_position_nibbles"]
PATCH_EMBEDDINGS: tuple[PatchEmbedding, ...] = get_args(PatchEmbedding)


class PatchProjection(nn.Module):
    """What takes the place of the convolution in timm's `PatchEmbed`.

    Args:
        weight: Kernels, float [K, D, S]. K is 1, or the number of positions, counted row by row. S counts the symbols
            of a patch: its C*P*P bytes in (channel, row, column) order, or their low nibbles and then their high ones.
        bias: float [D], or None.
        in_channels: C.
        patch_size: P.

    Shape:
        - image: float [B, C, H, W] in [-1, 1], as `vitcrypt.data` normalises it (mean and deviation 0.5). For nibbles
          each value is taken for the nearest of the 256 that a byte can have
        - output: [B, D, H/P, W/P]

    Raises:
        ValueError: An image has another number of patches than there are kernels.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, in_channels: int, patch_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias) if bias is not None else None
        self.in_channels, self.out_channels, self.patch_size = in_channels, weight.shape[1], patch_size
        self.kind = kind_of_weight(weight, in_channels, patch_size)

    def forward(self, image: Tensor) -> Tensor:
        """Project every patch."""
        if self.kind.endswith("nibbles"):
            image = split_nibbles(image)
        size, (rows, columns) = self.patch_size, (side // self.patch_size for side in image.shape[2:])
        patches = image.reshape(*image.shape[:2], rows, size, columns, size)
        patches = patches.permute(2, 4, 0, 1, 3, 5).flatten(3).flatten(0, 1)  # [N, B, S]
        if len(self.weight) == 1:
            tokens = F.linear(patches, self.weight[0])
        elif len(self.weight) == len(patches):
            tokens = torch.bmm(patches, self.weight.mT)
        else:
            raise ValueError(
                f"the patch embedding has kernels for {len(self.weight)} positions, an image of "
                f"{list(image.shape[2:])} has {len(patches)} patches; give images of the size that it was made for"
            )
        if self.bias is not None:
            tokens = tokens + self.bias.to(tokens.dtype)
        return tokens.permute(1, 2, 0).reshape(image.shape[0], self.out_channels, rows, columns)

    def extra_repr(self) -> str:
        """Show kind and sizes."""
        return f"{self.kind}, {list(self.weight.shape)}, in_channels={self.in_channels}, patch_size={self.patch_size}"


def split_nibbles(image: Tensor) -> Tensor:
    """Turn bytes scaled to [-1, 1] into nibbles scaled to [-1, 1].

    Exact also for bytes that were normalised and then rounded to float16 or bfloat16: neighbouring bytes lie 2/255
    apart, and below 1 bfloat16 rounds by at most 2^-9, a quarter of that.

    Args:
        image: float [B, C, H, W].

    Returns:
        Same dtype, [B, 2C, H, W]: the low nibbles of all channels, then the high ones.
    """
    wide = image if image.dtype == torch.float64 else image.float()
    value = (wide * 127.5 + 127.5).round().clamp(0, 255)
    high = (value / 16).floor()
    return torch.cat([value - 16 * high, high], 1).mul(2).sub(15).div(15).to(image.dtype)


def kind_of_weight(weight: Tensor, in_channels: int, patch_size: int) -> PatchEmbedding:
    """Return the kind of patch embedding that has this weight, also if it is that of a convolution [D, C, P, P]."""
    if weight.dim() == 4:
        return "shared"
    nibbles = weight.shape[2] == 2 * in_channels * patch_size**2
    return PATCH_EMBEDDINGS[(len(weight) > 1) + 2 * nibbles]


def kind_of(network: nn.Module) -> PatchEmbedding:
    """Return the kind of patch embedding of a network; "shared" if it has none of ours."""
    projection = getattr(getattr(network, "patch_embed", None), "proj", None)
    return projection.kind if isinstance(projection, PatchProjection) else "shared"


def kernels(network: nn.Module) -> Tensor:
    """Return the kernels of a ViT's patch embedding as [K, D, S], a view of its weight."""
    weight = network.get_parameter("patch_embed.proj.weight")
    return weight if weight.dim() == 3 else weight.flatten(1)[None]


def widen(network: nn.Module, kind: PatchEmbedding) -> None:
    """Give a ViT a richer patch embedding that computes the same: copies at all positions, bytes split into nibbles.

    In place. What is per position, or on nibbles, already stays so.

    Raises:
        ValueError: The network has no patch embedding of timm's, or an unknown kind is asked for.
    """
    from timm.layers import PatchEmbed

    if kind not in PATCH_EMBEDDINGS:
        raise ValueError(f"a patch embedding is one of {', '.join(PATCH_EMBEDDINGS)}; got {kind!r}")
    if kind == "shared":
        return
    embedding = getattr(network, "patch_embed", None)
    if not isinstance(embedding, PatchEmbed) or embedding.patch_size[0] != embedding.patch_size[1]:
        raise ValueError(
            f"a patch embedding of the kind {kind} needs a ViT of timm with square patches, got "
            f"{type(network).__name__}; set model.patch_embedding=shared, or choose a ViT"
        )
    projection, weight, size = embedding.proj, kernels(network), embedding.patch_size[0]
    if kind.endswith("nibbles") and not kind_of(network).endswith("nibbles"):
        weight = lift(weight)
    if kind.startswith("per_position") and len(weight) == 1:
        weight = weight.expand(embedding.num_patches, -1, -1)
    bias = projection.bias.detach().clone() if projection.bias is not None else None
    embedding.proj = PatchProjection(weight.detach().clone(), bias, projection.in_channels, size)
    embedding.proj.requires_grad_(projection.weight.requires_grad)


def lift(weight: Tensor) -> Tensor:
    """Return kernels on nibbles [K, D, 2S] that compute what kernels on bytes [K, D, S] compute."""
    return torch.cat([weight / 17, weight * (16 / 17)], -1)
