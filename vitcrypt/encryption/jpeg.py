"""Schemes whose ciphertexts are kept as JPEG files: what a network sees of them is what such a file holds.

A compressed ciphertext decrypts approximately: the keyed part is undone, and what compression took is gone. Files are
made by Pillow; another version of its JPEG library may write other bytes and, rarely, decode a value to a neighbouring
one.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vitcrypt.encryption import invariants, primitives
from vitcrypt.encryption.cipher import Cipher, Properties
from vitcrypt.encryption.permutation import FULL, SignedPermutation
from vitcrypt.encryption.scheme import SCHEMES, Scheme, Shape, Stage
from vitcrypt.encryption.schemes import EtC
from vitcrypt.untrusted.jpeg import check_jpeg

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHOLE_COLOURS = 0
"""Pillow's name for 4:4:4: colours as fine as brightness, since a block of a ciphertext has colours of its own."""


def encode(image: Tensor, quality: int) -> bytes:
    """Return uint8 [3, H, W] or [1, H, W] as a JPEG file, baseline, without subsampling."""
    pixels = image.cpu().permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    picture = Image.fromarray(pixels if len(image) == 3 else pixels[..., 0])
    picture.save(file, "JPEG", quality=quality, subsampling=WHOLE_COLOURS)
    return file.getvalue()


def decode(data: bytes) -> Tensor:
    """Return what `encode` made as uint8 [3, H, W] or [1, H, W]; for files of our own."""
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
        pixels: NDArray[np.uint8] = np.array(picture)
    return torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1)).permute(2, 0, 1).contiguous()


def decode_foreign(data: bytes, shape: Shape) -> Tensor:
    """Return a JPEG file that may come from anyone as uint8 [C, H, W], if it is as `encode` makes them.

    Raises:
        ValueError: It is another; the message goes on from "the file ...".
    """
    channels, height, width = shape
    check_jpeg(data, width, height, channels)
    try:
        image = decode(data)
        if tuple(image.shape) != shape:
            raise ValueError(f"its reader takes it for {list(image.shape)}")
    except Exception as error:  # whatever the decoder meets in there
        raise ValueError(f"is damaged: {error}") from None
    return image


def check_quality(quality: int | None) -> None:
    """Raise ValueError unless it is a JPEG quality."""
    if quality is not None and (not isinstance(quality, int) or not 1 <= quality <= 100):
        raise ValueError(f"quality is that of a JPEG file, 1 to 100; got {quality!r}")


class Compressed(Cipher):
    """Another cipher, and then JPEG.

    Args:
        before: Makes uint8 images of one or three channels.
        quality: Of the files.
    """

    def __init__(self, before: Cipher, quality: int) -> None:
        super().__init__()
        self.before, self.quality = before, quality

    def files(self, image: Tensor) -> list[bytes]:
        """Return the ciphertext of each image, uint8 [C, H, W] or [B, C, H, W], as a JPEG file."""
        made = self.before(image)
        return [encode(each, self.quality) for each in (made if made.dim() == 4 else made[None]).cpu()]

    def forward(self, image: Tensor) -> Tensor:
        """Return what these files hold; files cannot be compiled."""
        # as a decorator it would import the compiler with this module
        held = torch.compiler.disable(self._held) if torch.compiler.is_compiling() else self._held  # type: ignore[no-untyped-call]
        return held(image)

    def _held(self, image: Tensor) -> Tensor:
        held = torch.stack([decode(file) for file in self.files(image)]).to(image.device)
        return held if image.dim() == 4 else held[0]

    def inverse(self) -> Cipher:
        """Undo the other cipher: approximately, as compression cannot be undone."""
        return self.before.inverse()


@dataclass(frozen=True)
class EtCJPEG(EtC):
    """EtC in blocks of 16 and then JPEG, as Qi et al. [21] (arXiv 2204.07707) train and query isotropic networks.

    The steps are those of `EtC`, which draws rotation and flip apart; the published code takes both from one draw and
    permutes first. Blocks of a multiple of 8 keep to the blocks of JPEG, so that files stay nearly as small as plain.

    Args:
        quality: Of JPEG, 1 to 100; 80 in [21], there without subsampling as well.

    Subkeys and key space are those of EtC at this block size.
    """

    block_size: int = 16
    quality: int = 80
    properties = Properties(invertible=False)

    def __post_init__(self) -> None:
        """Check the quality."""
        super().__post_init__()
        check_quality(self.quality)

    @property
    def name(self) -> str:
        """Of two words."""
        return "etc_jpeg"

    @property
    def jpeg_quality(self) -> int:
        """That of the files."""
        return self.quality

    def apply(self, subkeys: dict[str, Tensor], shape: Shape) -> Compressed:  # type: ignore[override]
        """Encrypt, then compress."""
        return Compressed(super().apply(subkeys, shape), self.quality)


@dataclass(frozen=True)
class GrayscaleEtC(Scheme):
    """Grayscale-based EtC, Chuman et al. 2018 [23] (arXiv 1811.00236): Y, Cb and Cr side by side as one gray image.

    The planes, in JPEG's full range and rounded to uint8, make an image [1, H, 3W]; its blocks are turned, negated and
    permuted over all three planes. No colours are left to shuffle, and none to subsample.

    Args:
        block_size: 8 in the publication.
        quality: Of gray JPEG, 1 to 100; null: the ciphertext is kept to the byte. The publication has a quantisation
            table of its own, which is not used here.

    Subkeys (row = source block, 3N of them):
        symmetry: int64 [3N] in 0..7, as in `EtC`.
        negation: bool [3N].
        block_permutation: int64 [3N]; blocks move last.

    Key space: (3N)! * 8^(3N) * 2^(3N).
    """

    block_size: int = 8
    quality: int | None = 80
    properties = Properties(invertible=False)
    batched = True

    def __post_init__(self) -> None:
        """Check the quality."""
        super().__post_init__()
        check_quality(self.quality)

    @property
    def name(self) -> str:
        """Of two words."""
        return "grayscale_etc"

    @property
    def jpeg_quality(self) -> int | None:
        """That of the files."""
        return self.quality

    def check_shape(self, shape: Shape) -> None:
        """Raise ValueError unless these are colour images that blocks divide."""
        super().check_shape(shape)
        if shape[0] != 3:
            raise ValueError(f"{self.name} takes the colours of images apart, got {shape[0]} channels; convert to RGB")

    def output_shape(self, shape: Shape) -> Shape:
        """(1, H, 3W)."""
        return 1, shape[1], 3 * shape[2]

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """One symmetry and sign a block of each plane, and a permutation of all of them."""
        blocks = (3 * self.num_blocks(shape),)
        return {
            "symmetry": Stage("codes", blocks, 8),
            "negation": Stage("bits", blocks),
            "block_permutation": Stage("permutation", blocks),
        }

    def apply(self, subkeys: dict[str, Tensor], shape: Shape) -> Cipher:
        """Lay out the planes, encrypt them as one image, compress."""
        order, made = subkeys["block_permutation"], self.output_shape(shape)
        blocks = primitives.to_blocks(primitives.grid(made, order.device), self.block_size)
        index = primitives.rotate_flip(blocks, subkeys["symmetry"])
        mask = (subkeys["negation"] * FULL[8]).to(torch.uint8)[..., None, None, None].expand_as(index)
        moved = (primitives.permute_blocks(entries, order) for entries in (index, mask))
        index, mask = (primitives.from_blocks(entries, made).flatten(-3) for entries in moved)
        cipher = OfPlanes(SignedPermutation(index, mask, check=False))
        return cipher if self.quality is None else Compressed(cipher, self.quality)

    def invariants(self, images: Tensor) -> Tensor:
        """Contrasts within blocks of all planes, as of `EtC`; approximately, where ciphertexts are compressed."""
        return invariants.block_contrasts(planes(images) if images.shape[1] == 3 else images, self.block_size)


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


SCHEMES.update({"etc_jpeg": EtCJPEG, "grayscale_etc": GrayscaleEtC})
