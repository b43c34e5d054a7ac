"""The ciphers of `jpeg`: colours taken apart, and compression, both on tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from vitcrypt.encryption.cipher import Cipher
from vitcrypt.encryption.jpeg_files import decode, encode
from vitcrypt.encryption.permutation import SignedPermutation


class Compressed(Cipher):
    """Another cipher, and then JPEG.

    Args:
        before: Makes uint8 images of one or three channels.
        quality: Of the files.
        table: By which they are quantised; None: by the standard ones.
    """

    def __init__(self, before: Cipher, quality: int, table: list[int] | None = None) -> None:
        super().__init__()
        self.before, self.quality, self.table = before, quality, table

    def files(self, image: Tensor) -> list[bytes]:
        """Return the ciphertext of each image, uint8 [C, H, W] or [B, C, H, W], as a JPEG file."""
        made = self.before(image)
        return [encode(each, self.quality, self.table) for each in (made if made.dim() == 4 else made[None]).cpu()]

    def forward(self, image: Tensor) -> Tensor:
        """Return what these files hold; files cannot be compiled."""
        # as a decorator it would import the compiler with this module
        held = torch.compiler.disable(self._held) if torch.compiler.is_compiling() else self._held  # type: ignore[no-untyped-call]
        return held(image)

    def _held(self, image: Tensor) -> Tensor:
        held = torch.stack([torch.from_numpy(decode(file)) for file in self.files(image)]).to(image.device)
        return held if image.dim() == 4 else held[0]

    def inverse(self) -> Cipher:
        """Undo the other cipher: approximately, as compression cannot be undone."""
        return self.before.inverse()


class OfPlanes(Cipher):
    """A signed permutation of the three planes of an image as one gray image."""

    def __init__(self, moves: SignedPermutation) -> None:
        super().__init__()
        self.moves = moves

    def forward(self, image: Tensor) -> Tensor:
        """Take the colours apart and move."""
        return self.moves(planes(image))

    def inverse(self) -> Cipher:
        """Move back and put the colours together."""
        return ToColours(self.moves.inverse())


class ToColours(Cipher):
    """A signed permutation of planes, and the colours that these are."""

    def __init__(self, moves: SignedPermutation) -> None:
        super().__init__()
        self.moves = moves

    def forward(self, image: Tensor) -> Tensor:
        """Move, then put the colours together."""
        return colours(self.moves(image))


def planes(images: Tensor) -> Tensor:
    """Return Y, Cb and Cr of uint8 [..., 3, H, W] side by side: uint8 [..., 1, H, 3W], full range, rounded.

    In whole numbers, so that every device gives the same bytes.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"images are encrypted as uint8 in 0..255, before they are normalised, got {images.dtype}")
    red, green, blue = images.to(torch.int32).unbind(-3)
    luma = (299 * red + 587 * green + 114 * blue + 500) // 1000
    chroma_blue = 128 + (886 * blue - 299 * red - 587 * green + 886) // 1772
    chroma_red = 128 + (701 * red - 587 * green - 114 * blue + 701) // 1402
    return torch.cat([luma, chroma_blue, chroma_red], -1).clamp(0, 255).to(torch.uint8).unsqueeze(-3)


def colours(images: Tensor) -> Tensor:
    """Undo `planes`, but for its rounding: uint8 [..., 1, H, 3W] to [..., 3, H, W]."""
    luma, blue, red = images.squeeze(-3).to(torch.int32).chunk(3, -1)
    blue, red = blue - 128, red - 128
    made = (
        luma + (1402 * red + 500) // 1000,
        (587_000 * luma - 202_008 * blue - 419_198 * red + 293_500) // 587_000,
        luma + (1772 * blue + 500) // 1000,
    )
    return torch.stack(made, -3).clamp(0, 255).to(torch.uint8)
