"""The figures that `benchmarks.speed` wrote, as a Markdown table.

python experiments/benchmarks/speed_table.py experiments/benchmarks/speed.json
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield the table: what was timed in turns stands together, and the first line of it names it."""
    yield "| timed in turns | | ms | a second | ratio |"
    yield "| --- | --- | ---: | ---: | ---: |"
    before = ""
    for row in found["rows"]:
        group = row["group"].removesuffix(f": {row['name']}")  # where each row was timed with a copy of its own
        ratio = "1" if row["name"] == row["to"] else f"{row['ratio']:.3g} of {row['to']}"
        first, seconds = group if group != before else "", row["seconds"]
        rate = f"{row['units'] / seconds:,.0f} {row['unit']}"
        yield f"| {first} | {row['name']} | {1000 * seconds:,.3g} | {rate} | {ratio} |"
        before = group
    yield ""
    yield f"- {found['machine']}."


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(*lines(json.loads(Path(sys.argv[1]).read_text())), sep="\n")
