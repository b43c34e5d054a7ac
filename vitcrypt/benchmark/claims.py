"""Folders of claims: each file one claim, in a place that follows from what it is about."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from vitcrypt.benchmark.claim import Claim
from vitcrypt.untrusted.documents import parse_json
from vitcrypt.untrusted.files import read_regular
from vitcrypt.untrusted.text import one_line

MAX_CLAIM_BYTES, MAX_CLAIMS = 2**16, 20_000


def read_claims(root: Path) -> tuple[list[Claim], list[str]]:
    """Return the claims below a folder in the order of their files, and what was left out and why.

    Left out are files that are no claim, links, claims that lie elsewhere than they should, and a second one about the
    same.
    """
    claims: dict[str, Claim] = {}
    left_out = []
    paths = sorted(root.rglob("*.json"))
    if len(paths) > MAX_CLAIMS:
        left_out.append(f"{root}: {len(paths) - MAX_CLAIMS:,} files, as it holds more than {MAX_CLAIMS:,}")
    for path in paths[:MAX_CLAIMS]:
        try:
            claim = parse_claim(read_regular(path, MAX_CLAIM_BYTES, root), str(path))
            if path.parts[-2:] != claim.path.parts:
                raise ValueError(f"{path} belongs in {claim.path}, as follows from what it is about; move it there")
            if claim.id in claims:
                raise ValueError(f"{path}: {claims[claim.id].path} claims about the same; keep one of them")
            claims[claim.id] = claim
        except (ValueError, OSError) as error:
            left_out.append(one_line(error, 2000))
    return list(claims.values()), left_out


def parse_claim(text: bytes | str, source: str) -> Claim:
    """Return JSON text as a claim; `source` says where it is from.

    Raises:
        ValueError: It is none. The message names each wrong field and says what belongs there.
    """
    content = parse_json(text, source)
    try:
        return Claim.model_validate(content)
    except ValidationError as error:
        told = [_taught(each) for each in error.errors(include_url=False, include_context=False, include_input=False)]
        more = f"; and {len(told) - 10} more" if len(told) > 10 else ""
        raise ValueError(f"{source} is no claim: {'; '.join(told[:10])}{more}") from None


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield all fields of a document by their dotted names, and what they are for."""
    for name, field in model.model_fields.items():
        yield prefix + name, field.description or ""
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _fields(kind, f"{prefix}{name}.")


FIELDS = dict(_fields(Claim))
"""Every field of a claim, and what it is for."""


def _taught(error: Any) -> str:
    """Return which field is wrong, in which way, and what belongs there or which field was meant."""
    parts = [part for part in error["loc"] if part not in ("measured", "published")]
    place = ".".join(one_line(part, 60) for part in parts)
    if error["type"] == "extra_forbidden":
        near = get_close_matches(place, FIELDS, 1)
        return f"{place}: unknown field" + (f"; {near[0]} was meant?" if near else "")
    wrong = "missing" if error["type"] == "missing" else one_line(error["msg"], 200).removeprefix("Value error, ")
    meant = FIELDS.get(".".join(part for part in parts if isinstance(part, str)), "")
    return (f"{place}: " if place else "") + wrong + (f" ({meant})" if meant and parts else "")
