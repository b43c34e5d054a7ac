"""The figures that `benchmarks.speed` wrote, as a Markdown table.

python experiments/benchmarks/speed_table.py experiments/benchmarks/speed.json [FILE ...]
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def lines(files: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the table: what was timed in turns stands together, and the first line of it names it."""
    yield "| timed in turns | | ms | a second | ratio |"
    yield "| --- | --- | ---: | ---: | ---: |"
    before = ""
    for row in (row for found in files for row in found["rows"]):
        group = row["group"].removesuffix(f": {row['name']}")  # where each row was timed with a copy of its own
        ratio = "1" if row["name"] == row["to"] else f"{row['ratio']:.3g} of {row['to']}"
        first, seconds = group if group != before else "", row["seconds"]
        time = f"{1000 * seconds:,.0f}" if seconds >= 0.1 else f"{1000 * seconds:.3g}"
        yield f"| {first} | {row['name']} | {time} | {row['units'] / seconds:,.0f} {row['unit']} | {ratio} |"
        before = group
    yield ""
    yield from (f"- {machine}." for machine in dict.fromkeys(found["machine"] for found in files))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print(*lines([json.loads(Path(path).read_text()) for path in sys.argv[1:]]), sep="\n")
