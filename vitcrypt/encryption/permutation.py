"""Signed permutations as PyTorch modules, which apply them to batches of images on any device.

The algebra is that of `moves`. What such a map cannot express (lookup tables, mixing of values, lossy schemes) is
another `Cipher`.
"""

import torch
from torch import Tensor

from vitcrypt.encryption.cipher import Cipher
from vitcrypt.encryption.moves import FULL, Moves

__all__ = ["FULL", "SignedPermutation"]


class SignedPermutation(Cipher):
    """A bijection of images: move every symbol, then XOR it.

    It is a module only so that `.to(device)` moves it; it has no parameters and nothing of it is ever saved.

    Args:
        index: int64 [S], for output symbol j the input symbol it is taken from; a permutation of 0..S-1. Or [B, S], one
            row for each image of a batch.
        mask: uint8, same shape, below 2^bits. Absent: nothing is complemented.
        bits: 8 for bytes (S = M), 4 for nibbles (S = 2M).
        check: False where the index is a bijection because of how it was made.

    Shape:
        - image: uint8 [C, H, W] or [B, C, H, W] with C*H*W = M, on any device
        - output: the same shape, dtype and device

    Raises:
        ValueError: The index is no bijection, a mask is too large, or an image does not fit.
        TypeError: A tensor has another dtype than said.

    Example:
        >>> reverse = SignedPermutation(torch.tensor([2, 1, 0]), torch.tensor([0, 255, 0], dtype=torch.uint8))
        >>> image = torch.tensor([1, 2, 3], dtype=torch.uint8).view(1, 1, 3)
        >>> reverse(image).tolist()
        [[[3, 253, 1]]]
        >>> torch.equal(reverse.inverse()(reverse(image)), image)
        True
    """

    index: Tensor
    mask: Tensor
    source: Tensor
    shift: Tensor
    byte_mask: Tensor

    def __init__(self, index: Tensor, mask: Tensor | None = None, bits: int = 8, check: bool = True) -> None:
        super().__init__()
        if mask is None:
            mask = torch.zeros_like(index, dtype=torch.uint8)
        if check:
            _check_bijection(index, mask, bits)
        self.bits = bits
        self.signed = bool(mask.any())
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("mask", mask, persistent=False)
        if bits == 4:
            source, shift, byte_mask = self.moves.nibbles
            self.register_buffer("source", source, persistent=False)  # the byte a nibble is taken from ...
            self.register_buffer("shift", shift, persistent=False)  # ... and which half
            self.register_buffer("byte_mask", byte_mask, persistent=False)

    @classmethod
    def of(cls, moves: Moves[Tensor]) -> "SignedPermutation":
        """Return the map that a scheme made, which is a bijection because of how it was made."""
        return cls(moves.index, moves.mask, moves.bits, check=False)

    @property
    def moves(self) -> Moves[Tensor]:
        """The same map in the algebra of `moves`."""
        return Moves(self.index, self.mask, self.bits)

    @classmethod
    def identity(cls, size: int, bits: int = 8) -> "SignedPermutation":
        """Return the map that changes nothing, on `size` symbols."""
        return cls(torch.arange(size), bits=bits)

    @classmethod
    def stack(cls, ciphers: "list[SignedPermutation]") -> "SignedPermutation":
        """Return the map that applies the i-th of `ciphers` to the i-th image of a batch."""
        index = torch.stack([cipher.index for cipher in ciphers])
        return cls(index, torch.stack([cipher.mask for cipher in ciphers]), ciphers[0].bits, check=False)

    def forward(self, image: Tensor) -> Tensor:
        """Apply the map to an image [C, H, W] or a batch [B, C, H, W] of uint8."""
        if image.dtype != torch.uint8:
            raise TypeError(
                f"images are encrypted as uint8 in 0..255, before they are normalised, got {image.dtype}; "
                "a float image has lost the bits that must be permuted"
            )
        if image.dim() not in (3, 4):
            raise ValueError(f"expected an image [C, H, W] or a batch [B, C, H, W], got shape {list(image.shape)}")
        size = self.index.shape[-1] * self.bits // 8
        flat = image.reshape(-1, image.shape[-3:].numel())
        if flat.shape[1] != size:
            raise ValueError(
                f"this cipher was drawn for images of {size} bytes (C*H*W), got shape {list(image.shape)}: "
                f"{flat.shape[1]} bytes; resize the image or draw a cipher for its shape"
            )
        if self.index.dim() == 2 and len(self.index) != len(flat):
            raise ValueError(f"this cipher has one row for each of {len(self.index)} images, got {len(flat)}")
        if self.index.device != image.device:
            self.to(image.device)
        moved = self._bytes(flat) if self.bits == 8 else self._nibbles(flat)
        return moved.view(image.shape)

    def _bytes(self, flat: Tensor) -> Tensor:
        # gather with an expanded index is several times faster than flat[:, index] or index_select
        moved = flat.gather(1, self.index.expand(len(flat), -1))
        return moved.bitwise_xor_(self.mask) if self.signed else moved

    def _nibbles(self, flat: Tensor) -> Tensor:
        half = flat.shape[1]
        source, shift = self.source.expand(len(flat), -1), self.shift
        low = flat.gather(1, source[:, :half]).bitwise_right_shift_(shift[..., :half]).bitwise_and_(15)
        high = flat.gather(1, source[:, half:]).bitwise_right_shift_(shift[..., half:]).bitwise_left_shift_(4)
        low.bitwise_or_(high)
        return low.bitwise_xor_(self.byte_mask) if self.signed else low

    def inverse(self) -> "SignedPermutation":
        """Return the map that undoes this one exactly."""
        return SignedPermutation.of(self.moves.inverse())

    def lift(self) -> "SignedPermutation":
        """Return the same map as one of nibbles."""
        return self if self.bits == 4 else SignedPermutation.of(self.moves.lift())

    def __matmul__(self, first: "SignedPermutation") -> "SignedPermutation":
        """Return `self @ first`: `first`, and then `self`. Bytes are lifted where the other side has nibbles."""
        return SignedPermutation.of(self.moves @ first.moves)

    def extra_repr(self) -> str:
        """Say what it acts on, and nothing of what it does: index and mask are secret."""
        return f"symbols={self.index.shape[-1]}, bits={self.bits}"


def _check_bijection(index: Tensor, mask: Tensor, bits: int) -> None:
    if bits not in FULL:
        raise ValueError(f"symbols have 8 or 4 bits, got bits={bits}")
    if index.dtype != torch.int64 or mask.dtype != torch.uint8:
        raise TypeError(f"expected an int64 index and a uint8 mask, got {index.dtype} and {mask.dtype}")
    if index.dim() not in (1, 2) or index.shape != mask.shape:
        raise ValueError(f"index and mask must both be [S] or [B, S], got {list(index.shape)} and {list(mask.shape)}")
    size = index.shape[-1]
    if bits == 4 and size % 2:
        raise ValueError(f"an image has an even number of nibbles, got an index of {size}")
    if bool((mask > FULL[bits]).any()):
        raise ValueError(f"the mask of a {bits}-bit symbol is at most {FULL[bits]}, got {int(mask.max())}")
    if lost := missing(index):
        raise ValueError(
            f"the index is no bijection of 0..{size - 1}: {lost} symbols would be lost, so nothing could decrypt it"
        )


def missing(index: Tensor) -> int:
    """Return how many of the numbers 0..S-1 rows of int64 [..., S] lack, all together."""
    size = index.shape[-1]
    if index.numel() and bool((index.min() < 0) | (index.max() >= size)):
        index = torch.where((index >= 0) & (index < size), index, size)  # takes longer than all else
    seen = index.new_zeros((*index.shape[:-1], size + 1), dtype=torch.bool).scatter_(-1, index, True)
    return int((~seen[..., :size]).sum())
