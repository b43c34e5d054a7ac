"""Random orthogonal block maps (Aso, Chuman, Kiya, arXiv 2301.03843): every block times one orthogonal matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from vitcrypt.encryption import invariants
from vitcrypt.encryption.cipher import Cipher, Properties, scaled
from vitcrypt.encryption.primitives import from_vectors, to_vectors
from vitcrypt.encryption.scheme import SCHEMES, Scheme, Shape, Stage


class BlockMatrix(Cipher):
    """Multiply every block by an orthogonal matrix, or undo that.

    Args:
        matrix: float32 [d, d] for d = B*B*C, or [n, d, d] with one for each image of a batch.
        block_size: B.
        undoes: Whether it takes ciphertexts and gives images.

    Shape:
        - image: uint8 [C, H, W] or [n, C, H, W]; float32 where it undoes
        - output: the same shape, float32 of blocks scaled to [-1, 1] and turned; uint8 where it undoes

    Raises:
        TypeError: An image has another dtype.
        ValueError: There are not as many images as matrices.
    """

    matrix: Tensor

    def __init__(self, matrix: Tensor, block_size: int, undoes: bool = False) -> None:
        super().__init__()
        self.block_size, self.undoes = block_size, undoes
        self.register_buffer("matrix", matrix, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Apply it."""
        if self.matrix.device != image.device:
            self.to(image.device)
        if not self.undoes:
            return self.turned(scaled(image))
        if image.dtype != torch.float32:
            raise TypeError(f"what is decrypted here is float32 as it was encrypted, got {image.dtype}")
        return self.turned(image).mul(127.5).add(127.5).round().clamp(0, 255).to(torch.uint8)

    def turned(self, values: Tensor) -> Tensor:
        """Multiply the blocks of float [..., C, H, W]."""
        if self.matrix.dim() == 3 and len(self.matrix) != (len(values) if values.dim() == 4 else 1):
            raise ValueError(f"this cipher has one matrix for each of {len(self.matrix)} images, got {len(values)}")
        vectors = to_vectors(values, self.block_size) @ self.matrix.mT.to(values.dtype)
        return from_vectors(vectors, cast("Shape", tuple(values.shape[-3:])), self.block_size).view(values.shape)

    def inverse(self) -> BlockMatrix:
        """Return what undoes it, to the byte: the levels of a byte lie 1/127.5 apart, and rounding moves far less."""
        return BlockMatrix(self.matrix.mT, self.block_size, not self.undoes)

    def extra_repr(self) -> str:
        """Say what it acts on, and nothing of what it does."""
        return f"block_size={self.block_size}, undoes={self.undoes}"


@dataclass(frozen=True)
class Orthogonal(Scheme):
    """y = Q x for every block x of d = B*B*C values in (row, column, channel) order, scaled to [-1, 1].

    Q is Haar-distributed: of the QR decomposition of a Gaussian matrix, the one whose R has a positive diagonal.
    Ciphertexts are float32. The published claim, that this is more robust than a permutation, does not hold: it keeps
    all distances and second moments (docs/threat-model.md).

    Subkeys:
        gaussian: float64 [d, d].

    Key space: the orthogonal matrices, which are a continuum; what is counted is what is drawn, 53 bits a number.
    """

    block_size: int = 4
    properties = Properties(linear="bytes", isometry="bytes", dtype="float32")
    batched = True
    translation_by_blocks = True

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """One Gaussian matrix."""
        size = shape[0] * self.block_size**2
        return {"gaussian": Stage("normal", (size, size))}

    def apply(self, subkeys: dict[str, Tensor], shape: Shape) -> BlockMatrix:
        """Make it orthogonal."""
        return BlockMatrix(orthogonal_matrix(subkeys["gaussian"]).float(), self.block_size)

    def invariants(self, images: Tensor) -> Tensor:
        """Inner products of each block with itself and its right and lower neighbours, less the mean block."""
        return invariants.block_products(scaled(images), self.block_size)


def orthogonal_matrix(gaussian: Tensor) -> Tensor:
    """Make float64 [..., d, d] orthogonal: Q of the QR decomposition whose R has a positive diagonal."""
    q, r = torch.linalg.qr(gaussian)
    signs = torch.where(r.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0).to(q)
    made: Tensor = q * signs[..., None, :]
    return made


SCHEMES["orthogonal"] = Orthogonal
