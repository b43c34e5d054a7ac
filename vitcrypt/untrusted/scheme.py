"""How a manifest, a bundle or a service describes an encryption scheme: by its name and numbers, never by code.

`vitcrypt.encryption.Scheme.from_dict` makes a scheme of such a description.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from vitcrypt.untrusted.documents import Document, Sha256, Side, explain

One = Annotated[int, Field(ge=1, le=1)]
Quality = Annotated[int, Field(ge=1, le=100)]
Kept = Annotated[float, Field(ge=0, le=0.7, allow_inf_nan=False)]
"""A share that stays in place, a little above the published ones: nobody is asked to send what is almost plain."""


class BlockScheme(Document):  # noqa: D101
    name: Literal["le", "ele", "etc", "orthogonal", "pevit_rs", "pixelise"]
    block_size: Side


class ProposedScheme(Document):  # noqa: D101
    name: Literal["proposed"]
    block_size: Annotated[Side, Field(multiple_of=2)]


class PEScheme(Document):  # noqa: D101
    name: Literal["pe"]
    channel_shuffle: bool = True
    block_size: One = 1


class HorioScheme(Document):  # noqa: D101
    name: Literal["horio"]
    block_size: Side
    fixed_blocks: Kept = 0.612
    fixed_values: Kept = 0.651


class NeuraCryptScheme(Document):  # noqa: D101
    name: Literal["neuracrypt"]
    block_size: Side
    hidden: Annotated[int, Field(ge=1, le=4096)] = 128
    depth: Annotated[int, Field(ge=1, le=16)] = 4


class EtCJPEGScheme(Document):  # noqa: D101
    name: Literal["etc_jpeg"]
    block_size: Side
    quality: Quality = 80


class GrayscaleEtCScheme(Document):  # noqa: D101
    name: Literal["grayscale_etc"]
    block_size: Side
    quality: Quality | None = 80
    table: Literal["luminance", "planes"] = "luminance"


class NoiseScheme(Document):  # noqa: D101
    name: Literal["noise"]
    block_size: Side = 1
    sigma: Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)] = 32.0
    distribution: Literal["gaussian", "laplace"] = "gaussian"


class FeaturesScheme(Document):
    """A network is named by its SHA-256 and length: no file is opened because someone else names it."""

    name: Literal["features"]
    block_size: Side = 8
    clip: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)] = 1.0
    sigma: Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)] = 0.5
    code: bool = False
    network: Sha256 | None = None
    values: Annotated[int, Field(ge=1, le=2**16)] | None = None


class I2PScheme(Document):
    """As of `FeaturesScheme`, the network by its SHA-256."""

    name: Literal["i2p"]
    block_size: Side = 16
    network: Sha256 | None = None


class PlainScheme(Document):  # noqa: D101
    name: Literal["plain"]
    block_size: One = 1


SchemeValues = Annotated[
    BlockScheme
    | ProposedScheme
    | PEScheme
    | EtCJPEGScheme
    | GrayscaleEtCScheme
    | HorioScheme
    | NeuraCryptScheme
    | NoiseScheme
    | FeaturesScheme
    | I2PScheme
    | PlainScheme,
    Field(discriminator="name"),
]
"""A field of a document that describes a scheme, as {"name": "proposed", "block_size": 16}."""
_SCHEME: TypeAdapter[SchemeValues] = TypeAdapter(SchemeValues, config=ConfigDict(defer_build=True))


def keeps_jpeg(values: SchemeValues | None) -> bool:
    """Say whether ciphertexts of a scheme are kept as JPEG files: it then has a quality."""
    return getattr(values, "quality", None) is not None


def is_float(values: SchemeValues | None) -> bool:
    """Say whether ciphertexts of a scheme are float32, and no images."""
    return getattr(values, "name", None) in ("features", "neuracrypt", "orthogonal")


def own_shape(values: SchemeValues | None, image_size: int) -> tuple[int, int, int] | None:
    """Return (C', H', W') of ciphertexts that are float32 or images of another shape; None where they are as images."""
    if isinstance(values, GrayscaleEtCScheme):
        return 1, image_size, 3 * image_size
    if isinstance(values, FeaturesScheme):
        return values.values or 3 * (image_size // values.block_size) ** 2, 1, 1
    if isinstance(values, NeuraCryptScheme):
        return values.hidden, image_size // values.block_size, image_size // values.block_size
    if isinstance(values, BlockScheme) and values.name == "orthogonal":
        return 3, image_size, image_size
    return None


def scheme_values(node: Any) -> SchemeValues:
    """Return a node as the scheme that it describes.

    Raises:
        ValueError: It describes none.
    """
    try:
        return _SCHEME.validate_python(node)
    except ValidationError as error:
        raise ValueError(f"this describes no encryption scheme: {explain(error)}") from None
