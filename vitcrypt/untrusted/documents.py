"""JSON documents of another party as typed values: every field checked, unknown fields refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from vitcrypt.untrusted.files import read_regular
from vitcrypt.untrusted.text import one_line, printable

MAX_BYTES = 64 * 2**20
MAX_SIDE = 4096
"""Pixels: no document may ask for larger images."""


def no_interpolation(text: str) -> str:
    """Refuse what OmegaConf would resolve."""
    if "${" in text:
        raise ValueError("interpolations (${...}) are not allowed here")
    return text


def names_once(names: list[str]) -> list[str]:
    """Refuse class names of which two are the same: an answer would not say which of them is meant."""
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise ValueError(f"{times} classes are called {printable(name, 60)!r}; give each a name of its own")
    return names


Text = Annotated[str, Field(max_length=1000), AfterValidator(no_interpolation)]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
TestKey = Annotated[str, Field(pattern=r"^test-[0-9]{1,9}$")]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
ClassNames = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=1000)]],
    Field(min_length=1, max_length=10**6),
    AfterValidator(names_once),
]
Interpolation = Literal["bilinear", "bicubic"]
KeyScope = Literal["shared", "per_image"]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Document(BaseModel):
    """A JSON object with these fields and no others, of exactly these types."""

    # built when first used: most commands use few of them
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


D = TypeVar("D", bound=Document)


def read_document(path: Path, kind: type[D], max_bytes: int = MAX_BYTES, below: Path | None = None) -> D:
    """Read a JSON file as a document.

    Args:
        path: The file.
        kind: What it is to be.
        max_bytes: How long it may be.
        below: See `open_regular`.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is no such document; the message names the file and the field.
    """
    return parse_document(read_regular(path, max_bytes, below), kind, str(path))


def parse_document(text: bytes | str, kind: type[D], source: str) -> D:
    """Return JSON text as a document; `source` says where it is from.

    Raises:
        ValueError: It is no such document; the message names the source and the field.
    """
    content = parse_json(text, source)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise ValueError(f"{printable(source, 300)} is damaged or not trustworthy: {explain(error)}") from None


def parse_json(text: bytes | str, source: str, constants: Callable[[str], Any] | None = None) -> Any:
    """Return what JSON text says, with every way in which it can fail as one ValueError.

    Also refused: a name twice in an object, endless numbers or nesting; NaN and Infinity, unless `constants` turns
    their names into something.
    """
    try:
        return json.loads(text, parse_constant=constants or _refuse_constant, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError(f"{printable(source, 300)} is damaged: it is nested too deep") from None
    except ValueError as error:
        raise ValueError(f"{printable(source, 300)} is damaged: {one_line(error)}") from None


def explain(error: ValidationError) -> str:
    """Return what is wrong in a document, in one sentence, without its values."""
    details = error.errors(include_url=False, include_input=False, include_context=False)
    first = details[0]
    place = ".".join(one_line(part, 60) for part in first["loc"]) or "the whole"
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return f"{place}: {one_line(first['msg'], 200)}{more}"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("an object has a name twice")
    return content
