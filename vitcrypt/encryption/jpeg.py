"""Schemes whose ciphertexts are kept as JPEG files: what a network sees of them is what such a file holds.

A compressed ciphertext decrypts approximately: the keyed part is undone, and what compression took is gone. Files are
made by Pillow; another version of its JPEG library may write other bytes and, rarely, decode a value to a neighbouring
one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vitcrypt.encryption import invariants
from vitcrypt.encryption.arrays import A
from vitcrypt.encryption.properties import Properties
from vitcrypt.encryption.scheme import SCHEMES, Scheme, Shape, Stage
from vitcrypt.encryption.schemes import EtC, turn_and_scramble

if TYPE_CHECKING:
    from torch import Tensor

    from vitcrypt.encryption.cipher import Cipher


def check_quality(quality: int | None) -> None:
    """Raise ValueError unless it is a JPEG quality."""
    if quality is not None and (not isinstance(quality, int) or not 1 <= quality <= 100):
        raise ValueError(f"quality is that of a JPEG file, 1 to 100; got {quality!r}")


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


@dataclass(frozen=True)
class GrayscaleEtC(Scheme):
    """Grayscale-based EtC, Chuman et al. 2018 [23] (arXiv 1811.00236): Y, Cb and Cr side by side as one gray image.

    The planes, in JPEG's full range and rounded to uint8, make an image [1, H, 3W]; its blocks are turned, negated and
    permuted over all three planes. No colours are left to shuffle, and none to subsample.

    Args:
        block_size: 8 in the publication.
        quality: Of gray JPEG, 1 to 100; null: the ciphertext is kept to the byte.
        table: By which JPEG quantises: "luminance", as any gray image, so that colours are kept as finely as
            brightness; or "planes", `jpeg_files.of_planes`. A later publication (arXiv 1810.13067) has a table of its
            own, whose values could not be had.

    Subkeys (row = source block, 3N of them):
        symmetry: int64 [3N] in 0..7, as in `EtC`.
        negation: bool [3N].
        block_permutation: int64 [3N]; blocks move last.

    Key space: (3N)! * 8^(3N) * 2^(3N).
    """

    block_size: int = 8
    quality: int | None = 80
    table: Literal["luminance", "planes"] = "luminance"
    properties = Properties(invertible=False)
    batched = True

    def __post_init__(self) -> None:
        """Check quality and table."""
        super().__post_init__()
        check_quality(self.quality)
        if self.table not in ("luminance", "planes"):
            raise ValueError(f"table is luminance or planes; got {self.table!r}")

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

    def steps(self, image: A, subkeys: dict[str, A], negate: Callable[[A, A], A]) -> A:
        """Turn, negate and scramble the blocks of the gray image."""
        return turn_and_scramble(image, subkeys, negate, self.block_size)

    def apply(self, subkeys: dict[str, Tensor], shape: Shape) -> Cipher:
        """Lay out the planes, encrypt them as one image, compress."""
        from vitcrypt.encryption.compressed import Compressed, OfPlanes
        from vitcrypt.encryption.jpeg_files import of_planes
        from vitcrypt.encryption.permutation import SignedPermutation

        cipher = OfPlanes(SignedPermutation.of(self.moves(subkeys, self.output_shape(shape))))
        if self.quality is None:
            return cipher
        return Compressed(cipher, self.quality, of_planes(self.quality) if self.table == "planes" else None)

    def invariants(self, images: Tensor) -> Tensor:
        """Contrasts within blocks of all planes, as of `EtC`; approximately, where ciphertexts are compressed."""
        from vitcrypt.encryption.compressed import planes

        return invariants.block_contrasts(planes(images) if images.shape[1] == 3 else images, self.block_size)


SCHEMES.update({"etc_jpeg": EtCJPEG, "grayscale_etc": GrayscaleEtC})
