"""What `vitcrypt serve --workers 2` gives, with a network that takes 5 ms for an image.

    PYTHONPATH=experiments python -m benchmarks.workers [--seconds 10] [--rounds 5] [--json FILE]

The network computes for 5 ms of processor time on one thread, beside the GIL as networks do. Rounds with one and with
two workers take turns, each with 16 clients that wait for every answer, as of `benchmarks.service`; they need a core
too, so that two workers want a machine that does nothing else.
"""

import hashlib
import statistics
import sys
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

SECONDS = 0.005
"""Of one image."""
BLOCK = bytes(2**17)


def serve(arguments: list[str]) -> None:
    """Run `vitcrypt serve` with a backend that takes so long."""
    from vitcrypt.cli import main as vitcrypt
    from vitcrypt.service import backends

    load_backend = backends.load_backend

    def slow(*options: Any) -> Any:
        run = load_backend(*options)

        def run_slowly(images: Any) -> Any:
            until = time.thread_time() + SECONDS * len(images)
            logits = run(images)
            while time.thread_time() < until:
                hashlib.sha256(BLOCK)  # without the GIL, which threads of the server need
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
    from benchmarks.service import load, record, untrained

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
        record(asked.json, rates, ratios)


if __name__ == "__main__":
    main()
