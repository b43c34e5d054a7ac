"""How a manifest, a bundle or a service describes an encryption scheme: by its name and numbers, never by code.

`vitcrypt.encryption.Scheme.from_dict` makes a scheme of such a description.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from vitcrypt.untrusted.documents import Document, Share, Side, explain

One = Annotated[int, Field(ge=1, le=1)]


class BlockScheme(Document):  # noqa: D101
    name: Literal["le", "ele", "etc", "orthogonal"]
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
    fixed_blocks: Annotated[Share, Field(lt=1)] = 0.612
    fixed_values: Annotated[Share, Field(lt=1)] = 0.651


class NeuraCryptScheme(Document):  # noqa: D101
    name: Literal["neuracrypt"]
    block_size: Side
    hidden: Annotated[int, Field(ge=1, le=4096)] = 128
    depth: Annotated[int, Field(ge=1, le=16)] = 4


class PlainScheme(Document):  # noqa: D101
    name: Literal["plain"]
    block_size: One = 1


SchemeValues = Annotated[
    BlockScheme | ProposedScheme | PEScheme | HorioScheme | NeuraCryptScheme | PlainScheme, Field(discriminator="name")
]
"""A field of a document that describes a scheme, as {"name": "proposed", "block_size": 16}."""
_SCHEME: TypeAdapter[SchemeValues] = TypeAdapter(SchemeValues)


def scheme_values(node: Any) -> SchemeValues:
    """Return a node as the scheme that it describes.

    Raises:
        ValueError: It describes none.
    """
    try:
        return _SCHEME.validate_python(node)
    except ValidationError as error:
        raise ValueError(f"this describes no encryption scheme: {explain(error)}") from None
