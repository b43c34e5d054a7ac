"""The service under load: 16 clients at once on loopback, batching beside one by one.

    PYTHONPATH=experiments python -m benchmarks.service [BUNDLE] [--seconds 60] [--clients 16]

Each client is a process that sends one encrypted image after another (bare bytes, one connection) and compares every
label with that of the network in torch. Without a BUNDLE: `model=vit_micro` at its own size, 32 x 32, never trained. A
run prints errors, wrong labels, requests a second, latency, and the memory of the service at its start and end; then
what there is to gain: the time of the network alone, for one image and for a batch.
Recorded: README.md.
"""

import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vitcrypt.service import Bundle
from vitcrypt.service.backends import load_backend
from vitcrypt.service.graph import Served, sample_images

VIT_TINY = {
    "network": {
        "_target_": "timm.create_model",
        "model_name": "vit_tiny_patch16_224",
        "img_size": 32,
        "patch_size": 4,
        "embed_dim": 64,
        "depth": 4,
        "num_heads": 4,
    },
    "adaptation": "none",
    "patch_embedding": "shared",
    "patch_size": 4,
    "block_size": 4,
}
FINGERPRINT = "694a10fbdc42e4cc"
"""Of test-0: `vitcrypt predict --key-file test-0` may ask."""


def untrained(folder: Path, depth: int = 4) -> Bundle:
    """Write a bundle of vit_micro with random weights, or of a deeper one."""
    from vitcrypt.models.networks import build_network

    torch.manual_seed(0)
    classes = [str(label) for label in range(10)]
    model = {**VIT_TINY, "network": {**VIT_TINY["network"], "depth": depth}}
    network = build_network(model, 32, len(classes))
    return Bundle(model, 32, "bilinear", classes, {"name": "proposed", "block_size": 4}, FINGERPRINT, "shared").write(
        folder, network
    )


def client(port: int, requests: list[bytes], labels: list[int], until: float, told: Any) -> None:
    """Ask until the time is over; tell the time of each request, errors, and how many labels were wrong.

    It writes and reads HTTP itself, as clients are not what is measured, and here they share the cores of the service.
    """
    errors, wrong, times = [], 0, []
    turn = os.getpid()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection, connection.makefile("rb") as answers:
        while time.time() < until:
            turn = (turn + 1) % len(requests)
            started = time.perf_counter()
            connection.sendall(requests[turn])
            status = answers.readline()
            headers = dict(line.lower().split(b": ") for line in iter(answers.readline, b"\r\n"))
            content = json.loads(answers.read(int(headers[b"content-length"])))
            times.append(time.perf_counter() - started)
            if b" 200 " not in status:
                errors.append(f"{status!r} {content}")
            else:
                wrong += content["predictions"][0]["label"] != labels[turn]
    told.put((times, errors, wrong))


def request_of(image: torch.Tensor, fingerprint: str | None) -> bytes:
    """Return a whole request for the class of one encrypted image."""
    body = image.numpy().tobytes()
    lines = ["POST /predict HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += ["Content-Type: application/octet-stream", f"X-Key-Fingerprint: {fingerprint}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def resident(process: int) -> float:
    """Return the memory of a process, MiB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def processor(process: int) -> float:
    """Return the processor time that a process has used, seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serving_command(bundle: Bundle) -> list[str]:
    """Return the command that serves a bundle on a free port."""
    return [sys.executable, "-m", "vitcrypt", "serve", str(bundle.folder), "--port", "0"]


def port_of(service: subprocess.Popen[str]) -> int:
    """Return the port of a service that was started, as soon as it says it."""
    assert service.stdout is not None
    return int(service.stdout.readline().split(" (Ctrl-C")[0].rsplit(":", 1)[1])


def load(bundle: Bundle, options: list[str], clients: int, seconds: float, command: list[str] | None = None) -> float:
    """Start a service, ask it for so long, print what came of it, and return requests a second."""
    images = torch.cat([sample_images(bundle.image_size), sample_images(bundle.image_size).flip(-1)])
    with torch.inference_mode():
        labels = Served(bundle.network()).eval()(images).argmax(1).tolist()
    requests = [request_of(image, bundle.fingerprint) for image in images]
    with subprocess.Popen(
        [*(command or serving_command(bundle)), *options], stdout=subprocess.PIPE, text=True
    ) as service:
        port = port_of(service)
        context = multiprocessing.get_context("fork")
        told: Any = context.Queue()
        for warm_up, duration in ((True, 2.0), (False, seconds)):
            memory, busy, until = resident(service.pid), processor(service.pid), time.time() + duration
            arguments = (port, requests, labels, until, told)
            processes = [context.Process(target=client, args=arguments) for _ in range(clients)]
            for process in processes:
                process.start()
            answers = [told.get() for _ in processes]
            for process in processes:
                process.join()
            busy = processor(service.pid) - busy
            if warm_up:
                continue
            times = np.concatenate([times for times, _, _ in answers])
            errors = [error for _, errors, _ in answers for error in errors]
            wrong = sum(wrong for *_, wrong in answers)
            print(
                f"{' '.join(options)}: {len(times) / duration:.0f} requests/s, median {1e3 * np.median(times):.1f} ms, "
                f"99 % {1e3 * np.quantile(times, 0.99):.1f} ms, {1e3 * busy / len(times):.2f} ms of its CPU each; "
                f"{len(errors)} errors, {wrong} wrong labels of {len(times)}; "
                f"memory {memory:.0f} MiB, at the end {resident(service.pid):.0f} MiB",
                flush=True,
            )
            print(*sorted(set(errors))[:5], sep="\n", end="\n" if errors else "")
        service.terminate()
    return len(times) / seconds


def milliseconds(bundle: Bundle, backend: str, count: int) -> float:
    """Return the time that the network alone takes for each of `count` images at once, on one core."""
    run, images = load_backend(bundle, backend, threads=1), sample_images(bundle.image_size)
    batch = images.repeat(count // len(images) + 1, 1, 1, 1)[:count].numpy()
    run(batch)
    times = timeit.repeat(lambda: run(batch), number=1, repeat=50)
    return 1e3 * statistics.median(times) / count


def record(path: Path, rates: dict[int, Any], ratios: Any) -> None:
    """Write what was measured, and on what."""
    found = {"requests_per_second": rates, "ratios": ratios, "cores": os.cpu_count(), "load": os.getloadavg()}
    path.write_text(json.dumps(found, indent=1) + "\n")


def main() -> None:
    """Compare batching with one by one, for both backends."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--backends", default="onnx,torch")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = Bundle.read(asked.bundle) if asked.bundle else untrained(Path(folder) / "bundle")
        for backend in asked.backends.split(","):
            options = ["--backend", backend]
            batched = load(bundle, [*options, "--max-batch", "32"], asked.clients, asked.seconds)
            alone = load(bundle, [*options, "--max-batch", "1"], asked.clients, asked.seconds)
            print(f"{backend}: batching gives {batched / alone:.2f} times the throughput of one by one")
            one, each = (milliseconds(bundle, backend, count) for count in (1, 32))
            print(f"{backend}: the network takes {one:.2f} ms for an image alone, {each:.2f} ms for each of 32")


if __name__ == "__main__":
    main()
