"""How a manifest, a bundle or a service names an encryption scheme: by its name and numbers, never by code."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from vitcrypt.untrusted.documents import Document, Side

One = Annotated[int, Field(ge=1, le=1)]


class _Values(Document):
    def values(self) -> dict[str, int | bool]:
        """Return the arguments of the scheme's class, which `vitcrypt.encryption.SCHEMES` has under `name`."""
        return self.model_dump(exclude={"name"})


class BlockScheme(_Values):  # noqa: D101
    name: Literal["le", "ele", "etc"]
    block_size: Side


class ProposedScheme(_Values):  # noqa: D101
    name: Literal["proposed"]
    block_size: Annotated[Side, Field(multiple_of=2)]


class PEScheme(_Values):  # noqa: D101
    name: Literal["pe"]
    channel_shuffle: bool = True
    block_size: One = 1


class PlainScheme(_Values):  # noqa: D101
    name: Literal["plain"]
    block_size: One = 1


SchemeValues = Annotated[BlockScheme | ProposedScheme | PEScheme | PlainScheme, Field(discriminator="name")]
"""A field of a document that names a scheme: {"name": "proposed", "block_size": 16}, say."""
