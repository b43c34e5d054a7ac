"""The service under attack, on loopback: what it must bear.

    python experiments/stress_service.py [--connections 1000] [--requests 20000] [--seconds 10]

A PNG with two headers: time and memory. `--connections` of each kind that waits for nothing: does /health answer?
`--requests` damaged requests: which statuses come, and how many lines on standard error. Images a second that 4 and
then 64 clients get classified, 64 images in a request, each asking again as soon as it is answered or refused.
Recorded: README.md.
"""

import asyncio
import collections
import contextlib
import random
import socket
import struct
import subprocess
import tempfile
import time
import zlib
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
from benchmarks.service import FINGERPRINT, request_of, resident, serving_command, untrained

from vitcrypt.service import Bundle
from vitcrypt.service.graph import sample_images

GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
POST = f"POST /predict HTTP/1.1\r\nHost: x\r\nX-Key-Fingerprint: {FINGERPRINT}\r\nContent-Type: image/png\r\n".encode()
IDLE = {
    "silent": b"",
    "half a head": POST,
    "empty lines after an answer": GET + b"\r\n",
    "half a body": POST + b"Content-Length: 1000\r\n\r\nabc",
    "answers not read": GET.replace(b"health", b"openapi.json") * 12,
}


@contextlib.contextmanager
def serving(bundle: Bundle, errors: Path) -> Iterator[tuple[int, int]]:
    """Serve a bundle; give port and process."""
    program = serving_command(bundle)
    with errors.open("w") as file, subprocess.Popen(program, stdout=subprocess.PIPE, stderr=file, text=True) as service:
        assert service.stdout is not None
        port = int(service.stdout.readline().split(" (Ctrl-C")[0].rsplit(":", 1)[1])
        while True:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
                break
        try:
            yield port, service.pid
        finally:
            service.terminate()


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a part of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def two_headers(port: int, process: int) -> None:
    """Send a PNG that says 32 x 32 first and 13,300 x 13,300 then."""
    headers = [chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)) for size in (32, 13300)]
    pixels = chunk(b"IDAT", zlib.compress(bytes(13300 * (3 * 13300 + 1))))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(headers) + pixels + chunk(b"IEND", b"")
    before, started = resident(process), time.perf_counter()
    answer = httpx.post(
        f"http://127.0.0.1:{port}/predict",
        content=data,
        headers={"Content-Type": "image/png", "X-Key-Fingerprint": FINGERPRINT},
        trust_env=False,
    )
    seconds = time.perf_counter() - started
    print(
        f"two headers: {answer.status_code} after {seconds:.3f} s, {resident(process) - before:.1f} MiB more",
        flush=True,
    )


def idle(port: int, count: int) -> None:
    """Open connections of each kind, and ask for /health while they are there."""
    for name, sent in IDLE.items():
        with contextlib.ExitStack() as stack:
            for _ in range(count):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
                with contextlib.suppress(ConnectionError):
                    connection.sendall(sent)
            started = time.perf_counter()
            statuses = [httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code for _ in range(10)]
            seconds = (time.perf_counter() - started) / 10
        print(f"{count} connections, {name}: /health {set(statuses)} in {1e3 * seconds:.0f} ms", flush=True)


def damaged(choice: random.Random, whole: list[bytes]) -> bytes:
    """Return a request with up to eight changed bytes, cut off or with others in between."""
    data = bytearray(choice.choice(whole))
    for _ in range(choice.randrange(8)):
        data[choice.randrange(len(data))] = choice.randrange(256)
    place = choice.randrange(len(data))
    return bytes([data, data[:place], data[:place] + choice.randbytes(20) + data[place:]][choice.randrange(3)])


async def fuzz(port: int, count: int, errors: Path) -> None:
    """Send damaged requests, sixteen at a time."""
    image = sample_images(32)[:1]
    raw = request_of(image[0], FINGERPRINT)
    form = b"--b\r\nContent-Disposition: form-data; name=images; filename=a\r\n\r\nabc\r\n--b--\r\n"
    whole = [
        raw,
        GET,
        POST.replace(b"image/png", b"multipart/form-data; boundary=b")
        + b"Content-Length: %d\r\n\r\n" % len(form)
        + form,
        POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        GET.replace(b"health", b"info"),
        GET.replace(b"health", b"metrics"),
    ]
    choice, statuses = random.Random(0), collections.Counter[str]()

    async def ask(data: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        status = "none"
        with contextlib.suppress(ConnectionError):
            writer.write(data)
            writer.write_eof()
            status = (await reader.read(12))[9:].decode() or "none"
        statuses[status] += 1
        writer.close()

    for _ in range(count // 16):
        await asyncio.gather(*(ask(damaged(choice, whole)) for _ in range(16)))
    lines = len(errors.read_text().splitlines())
    print(f"{statuses.total()} damaged requests: {dict(statuses)}; {lines} lines on standard error", flush=True)
    for status, times in statuses.items():
        assert not status.startswith("5"), (status, times)


async def crowd(port: int, clients: int, seconds: float) -> float:
    """Let so many clients ask, 64 images each time; return the images a second that were classified."""
    images = np.concatenate([sample_images(32).numpy()] * 8)[:64].tobytes()
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nX-Key-Fingerprint: {FINGERPRINT}\r\nContent-Length: {len(images)}\r\n"
    request = head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + images
    until, statuses = time.perf_counter() + seconds, collections.Counter[bytes]()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        while time.perf_counter() < until:
            writer.write(request)
            answered = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(answered.split(b"content-length: ")[1].split(b"\r\n")[0]))
            statuses[answered.split()[1]] += 1
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    rate = 64 * statuses[b"200"] / (time.perf_counter() - started)
    print(f"{clients} clients, 64 images each: {rate:.0f} images/s, {dict(statuses)}", flush=True)
    return rate


def main() -> None:
    """Do all of it, on one service."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=10)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder) / "errors.txt"
        with serving(untrained(Path(folder) / "bundle"), errors) as (port, process):
            two_headers(port, process)
            idle(port, asked.connections)
            asyncio.run(fuzz(port, asked.requests, errors))
            few, many = (asyncio.run(crowd(port, clients, asked.seconds)) for clients in (4, 64))
            print(f"64 clients get {many / few:.2f} times the images a second of 4; {resident(process):.0f} MiB then")


if __name__ == "__main__":
    main()
