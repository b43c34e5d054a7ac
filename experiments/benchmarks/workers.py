"""What `vitcrypt serve --workers 2` gives, with a network that takes 5 ms for an image.

    PYTHONPATH=experiments python -m benchmarks.workers [--seconds 10] [--rounds 5] [--json FILE]

The network waits for the rest of its 5 ms, as for an accelerator, and needs no core meanwhile: what is measured is
whether the processes behind the port get in each other's way, also on a machine that is busy. Rounds with one and with
two workers take turns, each with 16 clients that wait for every answer, as of `benchmarks.service`.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

SECONDS = 0.005
"""Of one image."""


def serve(arguments: list[str]) -> None:
    """Run `vitcrypt serve` with a backend that takes so long."""
    from vitcrypt.cli import main as vitcrypt
    from vitcrypt.service import backends

    load_backend = backends.load_backend

    def slow(*options: Any) -> Any:
        run = load_backend(*options)

        def run_slowly(images: Any) -> Any:
            until = time.monotonic() + SECONDS * len(images)
            logits = run(images)
            time.sleep(max(0.0, until - time.monotonic()))
            return logits

        return run_slowly

    backends.load_backend = slow
    sys.argv = ["vitcrypt", "serve", *arguments]
    vitcrypt()


def main() -> None:
    """Compare one worker with two."""
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2:])
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    from benchmarks.service import load, untrained

    rates: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        bundle = untrained(Path(folder) / "bundle", depth=1)
        command = [sys.executable, "-m", "benchmarks.workers", "--serve", str(bundle.folder), "--port", "0"]
        for _ in range(asked.rounds):
            for workers, measured in rates.items():
                options = ["--workers", str(workers), "--max-batch", "1", "--threads", "1"]
                measured.append(load(bundle, options, 16, asked.seconds, command))
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    print(f"two workers: {statistics.median(ratios):.2f} times one, median of {len(ratios)} rounds")
    if asked.json:
        found = {"requests_per_second": rates, "ratios": ratios, "cores": os.cpu_count(), "load": os.getloadavg()}
        asked.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
