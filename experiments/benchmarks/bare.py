"""What `vitcrypt serve` takes beside the smallest FastAPI application that answers with the same network.

    PYTHONPATH=experiments python -m benchmarks.bare [--seconds 3] [--rounds 5] [--json FILE]

The bare application reads the bytes, calls ONNX Runtime on one thread in the event loop, and returns the label: no
checks, limits, batches or metrics. Both are asked in turns by 1, 16 and 64 clients, as of `benchmarks.service`, which
need a core too. The ratio is the median over the rounds.
"""

import statistics
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

CLIENTS = (1, 16, 64)


def serve(folder: str) -> None:
    """Run the bare application on a free port."""
    import numpy as np
    import uvicorn
    from fastapi import FastAPI, Request

    from vitcrypt.service import Bundle
    from vitcrypt.service.backends import load_backend
    from vitcrypt.service.server import listen

    bundle = Bundle.read(Path(folder))
    run, app = load_backend(bundle, "onnx", threads=1), FastAPI()
    shape = (-1, 3, bundle.image_size, bundle.image_size)

    async def predict(request: Request) -> dict[str, Any]:
        images = np.frombuffer(await request.body(), np.uint8).reshape(shape)
        return {"predictions": [{"label": int(label)} for label in run(images).argmax(1)]}

    app.post("/predict")(predict)
    listening = listen("127.0.0.1", 0, None)
    print(f"serving on http://127.0.0.1:{listening.getsockname()[1]} (Ctrl-C ends it)", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])


def main() -> None:
    """Compare the two."""
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
        return
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    from benchmarks.service import load, record, serving_command, untrained

    rates: dict[int, dict[str, list[float]]] = {clients: {"vitcrypt": [], "bare": []} for clients in CLIENTS}
    with tempfile.TemporaryDirectory() as folder:
        bundle = untrained(Path(folder) / "bundle")
        bare = [sys.executable, "-m", "benchmarks.bare", "--serve", str(bundle.folder)]
        for _ in range(asked.rounds):
            for clients, measured in rates.items():
                measured["vitcrypt"].append(load(bundle, [], clients, asked.seconds, serving_command(bundle)))
                measured["bare"].append(load(bundle, [], clients, asked.seconds, bare))
    ratios = {
        clients: statistics.median(ours / theirs for ours, theirs in zip(*measured.values(), strict=True))
        for clients, measured in rates.items()
    }
    for clients, ratio in ratios.items():
        print(f"{clients} clients: {ratio:.2f} of the bare application")
    if asked.json:
        record(asked.json, rates, ratios)


if __name__ == "__main__":
    main()
