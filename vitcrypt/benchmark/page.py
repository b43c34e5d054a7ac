"""The leaderboard as one HTML file: no server, nothing from elsewhere, and every number leads to its claim."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from vitcrypt.benchmark.charts import BOTTOM, COLOURS, HEIGHT, LEFT, RIGHT, TOP, WIDTH, charts
from vitcrypt.benchmark.claim import Claim
from vitcrypt.benchmark.tables import grids, tags
from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.untrusted.text import printable

FILTERS = {
    "data": "data set",
    "family": "scheme family",
    "scope": "key scope",
    "threat": "attacker holds",
    "said": "said by",
}
ABOVE: Any = {"format": True, "said": {"command", "reference", "place", "url"}}
"""Fields of a claim that stand above the list of its fields."""


def write_page(path: Path, claims: list[Claim], left_out: list[str]) -> Path:
    """Write the page.

    Args:
        path: The .html file.
        claims: As `read_claims` returns them. All their texts are escaped, whatever they are.
        left_out: What was left out and why.
    """
    environment = Environment(
        loader=PackageLoader("vitcrypt.benchmark", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,  # markup is made of such
    )
    environment.filters["tags"] = _attributes
    script = environment.loader.get_source(environment, "leaderboard.js")[0]  # type: ignore[union-attr]
    found = tags(claims)
    text = environment.get_template("leaderboard.html.j2").render(
        box={
            "left": LEFT,
            "right": WIDTH - RIGHT,
            "top": TOP,
            "bottom": HEIGHT - BOTTOM,
            "width": WIDTH,
            "height": HEIGHT,
        },
        charts=charts(claims),
        choices={name: (title, sorted(found[name])) for name, title in FILTERS.items()},
        claims=[(claim, list(_facts(claim.model_dump(exclude_defaults=True, exclude=ABOVE)))) for claim in claims],
        colours=COLOURS,
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        grids=grids(claims),
        left_out=left_out,
        script=script,
    )
    with atomic_write(path) as file:
        file.write(text.encode(errors="backslashreplace"))
    return path


def _attributes(found: dict[str, set[str]]) -> dict[str, str]:
    """Return tags as attributes of an element, several in lines of their own."""
    return {f"data-{name}": printable("\n".join(sorted(values))) for name, values in found.items() if values}


def _facts(node: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the fields of a claim, those of parts by dotted names."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _facts(value, f"{name}.{key}" if name else key)
    elif isinstance(node, list):
        for value in node:
            yield from _facts(value, name)
    elif node != "":
        yield name, f"{node:,}" if isinstance(node, int) and not isinstance(node, bool) else str(node)
