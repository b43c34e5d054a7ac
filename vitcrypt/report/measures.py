"""What a record of an attack says of the restored images and of the key, as typed values."""

from typing import Annotated

from pydantic import Field

from vitcrypt.report.part import Count, Number, Part
from vitcrypt.untrusted.documents import Share

SSIM = Annotated[Number, Field(ge=-1.001, le=1.001)]


class Quartiles(Part):
    """Quartiles of a measure over images."""

    median: Number
    lower: Number
    upper: Number


class SSIMQuartiles(Quartiles):
    """Quartiles of SSIM, in -1..1 but for rounding."""

    median: SSIM
    lower: SSIM
    upper: SSIM


class OpenQuartiles(Part):
    """The same of a measure that may be infinite, which is None."""

    median: Number | None
    lower: Number | None
    upper: Number | None


class Identified(Part):
    """The share of images that find their own original among so many, by two measures; chance is 1 of these."""

    among: Annotated[int, Field(ge=2)]
    ssim: Share
    features: Share


class Linked(Part):
    """How ciphertexts were found again among so many candidates: see `vitcrypt.metrics.Linkage`."""

    among: Annotated[int, Field(ge=1)]
    top1: Share
    top5: Share
    anonymity: Quartiles
    membership: Share


class Similarity(Part):
    """How much images resemble the true ones: `ssim` as they are, `symmetric_ssim` in the best version of each."""

    ssim: SSIMQuartiles
    psnr: OpenQuartiles
    folded_ssim: SSIMQuartiles
    symmetric_ssim: SSIMQuartiles | None = None
    lpips: Quartiles | None = None
    identified: Identified | None = None

    @property
    def best(self) -> Quartiles:
        """SSIM over the symmetries; as it is in records that are older than these."""
        return self.symmetric_ssim or self.ssim


class KeyShare(Part):
    """The share of a subkey that was recovered, and that of guessing."""

    share: Share
    guessing: Share


class Recognised(Part):
    """Accuracy of a classifier that was trained on plain images; `chance` is the share of the most frequent class."""

    plain: Share
    restored: Share
    ciphertext: Share
    chance: Share


FLOORS = ("ciphertext", "unrelated", "constant", "mean_image")
"""What an attack has to beat: it takes no attack to show these."""


class AttackMetrics(Part):
    """What an attack restored, beside its floors.

    Attributes:
        ciphertext: The untouched ciphertext.
        unrelated: The next image of the set, taken for this one; there is none beside a single image.
        constant: The one colour that resembles the images most; older records have none.
        mean_image: The mean of training images, none of them the victim's; older records have none.
        exact_symmetric: The share restored exactly but for a symmetry; it includes `exact_images`.
    """

    restored: Similarity
    ciphertext: Similarity
    unrelated: Similarity | None = None
    constant: Similarity | None = None
    mean_image: Similarity | None = None
    images: Count
    exact_images: Share
    exact_symmetric: Share | None = None
    symmetry: str | None = None
    key: dict[str, KeyShare] = Field(default={})
    blocks: dict[str, Number] | None = None
    recognised: Recognised | None = None
    linked: Linked | None = None
    recognised_absent: str | None = None
    lpips_absent: str | None = None

    @property
    def floors(self) -> dict[str, Similarity]:
        """The floors that were measured, by name."""
        measured = {name: getattr(self, name) for name in FLOORS}
        return {name: floor for name, floor in measured.items() if floor is not None}

    @property
    def exact(self) -> float:
        """The share restored exactly, but for a symmetry where that was looked at."""
        return self.exact_images if self.exact_symmetric is None else self.exact_symmetric
