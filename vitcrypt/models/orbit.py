"""Orbit networks: for a key of its own for every image, networks that see what no key changes.

Such a ciphertext tells the orbit of its image and nothing else (docs/what-is-possible.md), so a network that gives all
of an orbit the same answer loses nothing by it, and need not learn that from examples. Here a ciphertext becomes a set
of tokens; a transformer without position embedding takes it, or with one where the keys leave tokens in place.

    plain, pe       a patch (folded values, sorted in each pixel) is a token, in its place
    le              a nibble's values over all blocks are a token, up to complement
    ele             a block is a token: how many of its folded nibbles are 0, 1, ... 7
    etc             a block is a token, up to its 96 states
    proposed        a block is a token: the set of its pixels, each in all four quarters

Of proposed this is less than the orbit: that a pixel is the same one in all blocks is not used.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitcrypt.encryption.orbits import block_states
from vitcrypt.encryption.primitives import to_blocks, to_vectors
from vitcrypt.encryption.scheme import Shape


@dataclass(frozen=True)
class Tokens:
    """How a scheme's ciphertexts become tokens.

    Args:
        cells: From uint8 [B, C, H, W] and the side of a block to float [B, N, P, F]: N tokens, each a set of P cells.
        ordered: Whether tokens keep their place.
        negated: Whether a token may come with all signs changed.
    """

    cells: Callable[[Tensor, int], Tensor]
    ordered: bool = False
    negated: bool = False


def _scaled(values: Tensor, top: int) -> Tensor:
    """Return values of 0..top in [-1, 1], of complements exactly with the other sign."""
    return (2 * values.float() - top) / top


def _patches(images: Tensor, side: int) -> Tensor:
    return _scaled(to_vectors(images, side), 255).unsqueeze(2)


def _folded_patches(images: Tensor, side: int) -> Tensor:
    folded = torch.minimum(images, 255 - images).sort(1).values
    return _scaled(to_vectors(folded, side), 127).unsqueeze(2)


def _nibbles(images: Tensor, side: int) -> Tensor:
    vectors = to_vectors(images, side)
    return torch.cat([vectors & 15, vectors >> 4], 2)


def _nibble_columns(images: Tensor, side: int) -> Tensor:
    return _scaled(_nibbles(images, side), 15).transpose(1, 2).unsqueeze(2)


def _nibble_counts(images: Tensor, side: int) -> Tensor:
    nibbles = _nibbles(images, side)
    folded = torch.minimum(nibbles, 15 - nibbles)
    counts = torch.stack([(folded == value).sum(2) for value in range(8)], 2)
    return (counts.float() / math.sqrt(nibbles.shape[2])).unsqueeze(2)


def _blocks(images: Tensor, side: int) -> Tensor:
    return _scaled(to_blocks(images, side).flatten(2), 255).unsqueeze(2)


def _pixel_sets(images: Tensor, side: int) -> Tensor:
    quarters = to_blocks(to_blocks(images, side), side // 2)  # [B, N, 4, C, M/2, M/2]
    return _scaled(quarters.flatten(4).flatten(2, 3), 255).transpose(2, 3)


TOKENS = {
    "plain": Tokens(_patches, ordered=True),
    "pe": Tokens(_folded_patches, ordered=True),
    "le": Tokens(_nibble_columns, negated=True),
    "ele": Tokens(_nibble_counts),
    "etc": Tokens(_blocks, negated=True),
    "proposed": Tokens(_pixel_sets),
}


class OrbitTokens(nn.Module):
    """What the keys of a scheme leave of a ciphertext, as tokens.

    Args:
        scheme: The name of the scheme that images are encrypted with, one of `TOKENS`.
        block_size: Of the scheme; of plain and pe, which have no blocks, the side of a patch.
        shape: (C, H, W) of the images, of three channels for pe and etc.
        embed_dim: Width of a token, and twice that of the cells.

    Raises:
        ValueError: The orbits of the scheme are not known here.
    """

    states: Tensor

    def __init__(self, scheme: str, block_size: int, shape: Shape, embed_dim: int) -> None:
        super().__init__()
        if scheme not in TOKENS:
            raise ValueError(
                f"an orbit network is for one of {', '.join(TOKENS)}, got scheme={scheme}; set model=vit_micro, or "
                "model.network.scheme to what encrypted the images"
            )
        self.tokens, self.block_size = TOKENS[scheme], block_size
        blank = torch.zeros((1, *shape), dtype=torch.uint8, device="cpu")
        *_, count, _, size = self.tokens.cells(blank, block_size).shape
        states = block_states(shape[0], block_size) if scheme == "etc" else torch.arange(size)[None]
        self.register_buffer("states", states, persistent=False)
        width = embed_dim // 2
        self.cell = nn.Linear(size, width)
        self.token = nn.Sequential(nn.LayerNorm(2 * width), nn.Linear(2 * width, embed_dim))
        self.place = nn.Parameter(0.02 * torch.randn(count, embed_dim)) if self.tokens.ordered else None

    def embed(self, x: Tensor) -> Tensor:
        """Return the tokens of bytes that were normalised to [-1, 1], float [B, N, embed_dim]."""
        images = x.detach().float().mul(127.5).add(127.5).round().clamp(0, 255).to(torch.uint8)
        cells = self.tokens.cells(images, self.block_size).to(self.cell.weight.dtype)
        tokens: Tensor = self.token(self._pooled(cells))
        return tokens if self.place is None else tokens + self.place

    def _pooled(self, cells: Tensor) -> Tensor:
        """Embed the cells of a token in all of its states, and take mean and maximum: [B, N, 2 width]."""
        weights = self.cell.weight[:, self.states].transpose(0, 1)  # [states, width, F]: moved instead of the cells
        moved = F.linear(cells, weights.flatten(0, 1))
        moved = moved.view(*cells.shape[:2], -1, weights.shape[1])
        embedded = (moved + self.cell.bias).relu()
        if self.tokens.negated:
            embedded = embedded + (self.cell.bias - moved).relu()
        return torch.cat([embedded.mean(2), embedded.amax(2)], 2)


def transformer(embed_dim: int, depth: int, num_heads: int) -> nn.Sequential:
    """Return layers of a transformer, without a place for anything."""
    from timm.models.vision_transformer import Block  # takes seconds

    return nn.Sequential(*(Block(embed_dim, num_heads, qkv_bias=True) for _ in range(depth)))


class OrbitNetwork(OrbitTokens):
    """A set transformer on what the keys of a scheme leave as it is.

    Args:
        num_classes: Size of the output.
        scheme: The name of the scheme that images are encrypted with, one of `TOKENS`.
        block_size: Of the scheme; of plain and pe, which have no blocks, the side of a patch.
        image_size: Side of the images, which have three channels.
        embed_dim: Width of the transformer, and twice that of the cells.
        depth: Number of its layers.
        num_heads: Heads of attention.

    Shape:
        - x: float [B, 3, S, S], bytes normalised to [-1, 1]; they are rounded back to bytes
        - output: [B, num_classes], for all ciphertexts of an image the same but for rounding

    Raises:
        ValueError: The orbits of the scheme are not known here.
    """

    def __init__(
        self,
        num_classes: int,
        scheme: str,
        block_size: int = 4,
        image_size: int = 32,
        embed_dim: int = 64,
        depth: int = 4,
        num_heads: int = 4,
    ) -> None:
        super().__init__(scheme, block_size, (3, image_size, image_size), embed_dim)
        self.blocks = transformer(embed_dim, depth, num_heads)
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.head(self.norm(self.blocks(self.embed(x)).mean(1)))
        return logits
