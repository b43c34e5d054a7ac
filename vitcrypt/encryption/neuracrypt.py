"""NeuraCrypt (Yala et al., arXiv 2106.02484): a random network, whose weights are the key, embeds every block."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vitcrypt.encryption.cipher import Cipher, Properties, scaled
from vitcrypt.encryption.primitives import to_vectors
from vitcrypt.encryption.scheme import SCHEMES, Scheme, Shape, Stage


class RandomNetwork(Cipher):
    """Embed the blocks of an image and put them in another order.

    Args:
        weights: float32, by the names of the subkeys of `NeuraCrypt`; with a dimension in front for several keys.
        order: int64 [N] or [n, N].
        shape: (h, H/B, W/B) of a ciphertext.
        block_size: B.

    Shape:
        - image: uint8 [C, H, W] or [n, C, H, W]
        - output: float32 [h, H/B, W/B] or [n, h, H/B, W/B]

    Raises:
        TypeError: An image is not uint8.
        ValueError: There are not as many images as keys.
    """

    def __init__(self, weights: dict[str, Tensor], order: Tensor, shape: Shape, block_size: int) -> None:
        super().__init__()
        self.shape, self.block_size = shape, block_size
        for name, values in {**weights, "order": order}.items():
            self.register_buffer(name, values, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Apply it."""
        part = dict(self.named_buffers())
        if part["order"].device != image.device:
            part = dict(self.to(image.device).named_buffers())
        order, count = part["order"], len(image) if image.dim() == 4 else 1
        if order.dim() == 2 and len(order) != count:
            raise ValueError(f"this cipher has a key for each of {len(order)} images, got {count}")
        tokens = to_vectors(scaled(image), self.block_size).view(count, order.shape[-1], -1)
        tokens = torch.relu(tokens @ part["first"].mT + part["bias"].unsqueeze(-2))
        for weight in part["hidden"].unbind(-3):
            spread = tokens @ weight.mT
            tokens = torch.relu(F.instance_norm(spread.mT).mT)
        tokens = torch.relu(tokens + part["position"]) @ part["last"].mT
        moved = tokens.take_along_dim(order.expand(count, -1)[..., None], 1).mT
        return moved.reshape(*image.shape[:-3], *self.shape)

    def extra_repr(self) -> str:
        """Say what it makes, and nothing of how."""
        return f"shape={self.shape}, block_size={self.block_size}"


@dataclass(frozen=True)
class NeuraCrypt(Scheme):
    """A random network on each block, plus a random vector for its position; then the blocks are shuffled.

        z = ReLU(W x + b);  `depth` times z = ReLU(norm(V z));  y = U ReLU(z + p)

    x is a block in (row, column, channel) order, scaled to [-1, 1]. norm is the publication's batch normalisation
    without running statistics on a batch of one image: over its blocks, each channel to mean 0 and deviation 1.
    (On larger batches an image's ciphertext would depend on its neighbours.) Biases that norm removes, and that of U,
    which is the same in all ciphertexts, are left out.

    The network is the owner's, also with key_scope=per_image; the order of the blocks then is each image's own, which
    is the publication's setting. With key_scope=shared there is one order for all.

    A ciphertext is float32 [hidden, H/B, W/B], of the order of 1: a ViT takes it with patches of 1 x 1.

    Args:
        hidden: h. The publication has 2048 for blocks of 16 x 16; the default is for 4 x 4.
        depth: How often V is applied: 4 in the publication ("7 deep").

    Subkeys:
        first, bias, hidden, position, last: float64 [h, d], [h], [depth, h, h], [N, h], [h, h]: W, b, V, p, U, all
            standard normal; W, b, V and U are divided by the square root of the numbers that are summed up.
        block_permutation: int64 [N].

    Key space: what is drawn, 53 bits a number and N! orders.
    """

    block_size: int = 4
    hidden: int = 128
    depth: int = 4
    properties = Properties(invertible=False, dtype="float32")
    batched = True

    def __post_init__(self) -> None:
        """Check the sizes."""
        super().__post_init__()
        for name, most in (("hidden", 4096), ("depth", 16)):  # as in `vitcrypt.untrusted.scheme`
            if not isinstance(value := getattr(self, name), int) or not 1 <= value <= most:
                raise ValueError(f"{name} is a whole number from 1 to {most:,}; got {value!r}")

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """All weights, which are the owner's, and an order."""
        blocks, size, wide = self.num_blocks(shape), shape[0] * self.block_size**2, self.hidden
        return {
            "first": Stage("normal", (wide, size), common=True),
            "bias": Stage("normal", (wide,), common=True),
            "hidden": Stage("normal", (self.depth, wide, wide), common=True),
            "position": Stage("normal", (blocks, wide), common=True),
            "last": Stage("normal", (wide, wide), common=True),
            "block_permutation": Stage("permutation", (blocks,)),
        }

    def output_shape(self, shape: Shape) -> Shape:
        """(hidden, H/B, W/B)."""
        return self.hidden, shape[1] // self.block_size, shape[2] // self.block_size

    def check_shape(self, shape: Shape) -> None:
        """Also refuse what has one block only."""
        super().check_shape(shape)
        if self.num_blocks(shape) < 2:
            raise ValueError(
                f"neuracrypt normalises over the blocks of an image, and {shape[1]} x {shape[2]} pixels are one block; "
                f"set block_size below {self.block_size}"
            )

    def apply(self, subkeys: dict[str, Tensor], shape: Shape) -> RandomNetwork:
        """Scale the weights."""
        weights = {name: subkey.float() for name, subkey in subkeys.items() if name != "block_permutation"}
        for name in ("first", "bias"):
            weights[name] = weights[name] / math.sqrt(shape[0] * self.block_size**2)
        for name in ("hidden", "last"):
            weights[name] = weights[name] / math.sqrt(self.hidden)
        return RandomNetwork(weights, subkeys["block_permutation"], self.output_shape(shape), self.block_size)


SCHEMES["neuracrypt"] = NeuraCrypt
