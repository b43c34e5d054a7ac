"""Numbers that were typed into README or into a table of docs/, and that no committed JSON holds, are found."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(not (ROOT / ".github").exists(), reason="needs the checkout")
MADE = re.compile(r"<!-- made by: .*?<!-- end -->|<!--.*?-->", re.DOTALL)  # tests/experiments/test_tables.py has these
CODE = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)", re.DOTALL)
NUMBER = re.compile(r"(?<![\w.^/-])(?:2\^)?(\d[\d,]*(?:\.\d+)?)( %)?")
OTHERWISE = {
    "3.11": ("pyproject.toml", '"Programming Language :: Python :: 3.11"'),
    "3.13": ("pyproject.toml", '"Programming Language :: Python :: 3.13"'),
    "20": ("experiments/overview.py", "PAIRS = 96, 8, 20"),
    "2022": ("experiments/published.py", "2022"),
    "2023": ("experiments/published.py", "2023"),
    "6": ("docs/install.md", "some 6 GB of disk"),
}
"""Numbers of README that are no results, and where each stands besides."""


def numbers(node: object) -> set[float]:
    """All numbers of a document."""
    if isinstance(node, dict | list):
        return set().union(*map(numbers, node.values() if isinstance(node, dict) else node))
    return {float(node)} if isinstance(node, int | float) else set()


@cache
def held() -> set[float]:
    """What the claims say, and the records that no claim is made of."""
    files = [*(ROOT / "experiments" / "claims").rglob("*.json"), *(ROOT / "experiments" / "records").glob("*/*.json")]
    return set().union(*(numbers(json.loads(path.read_text())) for path in files))


def is_held(text: str, percent: bool) -> bool:
    """Whether a JSON holds a number that is this one when it is rounded to as many digits."""
    digits, said = len(text.partition(".")[2]), float(text.replace(",", ""))
    return any(round(value, digits) == said or (percent and round(100 * value, digits) == said) for value in held())


def not_held(text: str, results_alone: bool) -> list[str]:
    """The numbers of a text that no JSON holds; of `results_alone` those with a decimal point or a percent sign."""
    found = NUMBER.findall(CODE.sub("", MADE.sub("", text)))
    return [
        number
        for number, sign in found
        if (sign or "." in number or not results_alone) and not is_held(number, bool(sign))
    ]


def test_every_number_of_readme_is_in_a_json_or_stands_where_it_comes_from():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 120
    assert text.count("![") == 1, "one picture"
    for number in not_held(text, results_alone=False):
        assert number in OTHERWISE, f"README says {number}: no JSON below experiments/ holds it"
    for path, words in OTHERWISE.values():
        assert words in (ROOT / path).read_text(), path


def test_no_result_is_typed_into_a_table():
    for document in sorted((ROOT / "docs").glob("*.md")):
        rows = "\n".join(line for line in MADE.sub("", document.read_text()).splitlines() if line.startswith("|"))
        typed = not_held(rows, results_alone=True)
        assert not typed, f"{document.name}: {typed}"


def test_a_number_that_was_invented_is_found():
    assert not_held("An accuracy of 96.64 % and 2^1511 keys, 98.61 %, 12,345 images.", False) == ["98.61", "12,345"]
    assert not_held("`98.61` of 3 images: 1.000", results_alone=True) == []
