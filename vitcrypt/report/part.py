"""What all parts of a record have in common."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from vitcrypt.untrusted.documents import Document

Count = Annotated[int, Field(ge=0)]
Number = int | float


class Part(Document):
    """Fields that the program relies on; others may stand beside them and are kept."""

    model_config = ConfigDict(extra="allow")

    def values(self) -> dict[str, Any]:
        """Return what was set, as plain values under the names of the file."""
        return self.model_dump(by_alias=True, exclude_unset=True)
