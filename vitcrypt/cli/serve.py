"""`vitcrypt export`, `serve`, `predict` and `demo`: a trained network as a service, and the owner who asks it."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from vitcrypt.cli.options import KeyFile, key_of
from vitcrypt.jobs.pool import end_with_parent
from vitcrypt.untrusted.text import console, error_console

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vitcrypt.service import Client

app = typer.Typer()
LONGEST_TOKEN = 8192
TokenFile = Annotated[Path | None, typer.Option(help="File with the token of the service. Or VITCRYPT_TOKEN.")]
Described = Annotated[
    Path | None,
    typer.Option("--client", help="The client.json of the export; without it, the service says how to encrypt."),
]
Network = Annotated[
    Path | None,
    typer.Option("--network", help="File of your own network, where what it makes is sent (features, i2p)."),
]
Url = Annotated[str, typer.Option(help="Address of the service.")]


class Backend(StrEnum):
    """What computes."""

    ONNX = "onnx"
    TORCH = "torch"


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run, with result.json.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The new folder. Nothing is overwritten.")],
    hub: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also a folder that timm and the Hugging Face hub load.")
    ] = None,
    triton: Annotated[
        Path | None,
        typer.Option(metavar="REPO/NAME", help="Also a model for NVIDIA Triton: a new folder in its repository."),
    ] = None,
) -> None:
    """Make a server bundle of a finished run: weights, ONNX, classes, scheme, fingerprint; never a key."""
    _require("onnx", "onnxscript", "onnxruntime")
    from vitcrypt.experiment.export import export as export_run

    with console.status("writing weights and ONNX, comparing the two"):
        bundle = export_run(run, out, hub, triton)
    scheme = bundle.scheme["name"] if bundle.scheme else "a scheme that was not recorded"
    console.print(f"{bundle.origin['names']['model']} for images under {scheme}, key {bundle.fingerprint or 'none'}")
    console.print(f"  for the provider: {out}, which runs with: {shlex.join(['vitcrypt', 'serve', str(out)])}")
    console.print(f"  for clients: {out / 'client.json'}")
    if triton is not None:
        console.print(f"  for Triton: tritonserver --model-repository {shlex.quote(str(triton.absolute().parent))}")
    if hub is not None:
        console.print(f"  for timm: timm.create_model('local-dir:{hub}', pretrained=True); of no use without the key")
    if bundle.scheme is None:
        console.print("The scheme of these images was not recorded: add it to a copy of client.json.", style="yellow")


@app.command()
def serve(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="What vitcrypt export wrote.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; one beyond this machine needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    backend: Annotated[Backend, typer.Option(help="ONNX Runtime on the CPU, or torch.")] = Backend.ONNX,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes behind the port, which share the cores.")] = 1,
    threads: Annotated[int, typer.Option(min=0, help="Cores for a batch; 0: all but one, or a share of all.")] = 0,
    max_batch: Annotated[int, typer.Option(min=1, help="Images computed together; 1: one by one.")] = 32,
    max_wait_ms: Annotated[float, typer.Option(min=0, help="How long an image waits for others.")] = 0.0,
    max_images: Annotated[int, typer.Option(min=1, help="Images in one request.")] = 256,
    max_mib: Annotated[float, typer.Option(min=0.01, help="Length of one request.")] = 32.0,
    read_seconds: Annotated[float, typer.Option(min=0.1, help="How long a request may take to arrive.")] = 10.0,
    token_file: TokenFile = None,
    demo: Annotated[bool, typer.Option("--demo", help="Also start the demo page, as a process of its own.")] = False,
    demo_port: Annotated[int, typer.Option(min=0, max=65535, help="Of the demo page.")] = 8001,
    key_file: Annotated[str | None, typer.Option(help="For the demo only: this process never opens it.")] = None,
) -> None:
    """Serve a bundle: /predict, /info, /health, /metrics, described in /openapi.json. Never sees a key."""
    _require("fastapi", "uvicorn", "httptools", "prometheus_client", "onnx", "onnxruntime")
    from vitcrypt.service import Bundle
    from vitcrypt.service.limits import Limits, is_loopback
    from vitcrypt.service.workers import counted_together, listen_together, serve_in_processes

    if demo and not is_loopback(host):
        raise ValueError(f"--demo works on this machine only; leave it out, or --host {host}")
    token, served = _token(token_file), Bundle.read(bundle)
    limits, cores = Limits(int(max_mib * 2**20), max_images, read_seconds), os.cpu_count() or 2
    threads = threads or max(1, cores // workers if workers > 1 else cores - 1)

    def served_on(listening: socket) -> None:
        from vitcrypt.service.app import create_app
        from vitcrypt.service.backends import load_backend
        from vitcrypt.service.server import serve as serve_app

        run = load_backend(served, backend, threads)
        service = create_app(served, run, limits, max_batch, max_wait_ms / 1000, token, workers)
        serve_app(service, listening, read_seconds, workers)

    sockets = listen_together(host, port, token, workers)
    url = f"http://{f'[{host}]' if ':' in host else host}:{sockets[0].getsockname()[1]}"
    console.print(f"serving {bundle} on {url} (Ctrl-C ends it)")
    console.print(f"  for images under key {served.fingerprint or 'none'}; {'token required' if token else 'no token'}")
    with _demo_process(url, key_file, demo_port, token_file, bundle / "client.json") if demo else nullcontext():
        if workers == 1:
            served_on(sockets[0])
        else:
            with counted_together():
                serve_in_processes(served_on, sockets)


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="Files, or folders of files.")],
    url: Url = "http://127.0.0.1:8000",
    key_file: KeyFile = "",
    plain: Annotated[bool, typer.Option("--plain", help="Use no key: images are sent as they are.")] = False,
    client: Described = None,
    token_file: TokenFile = None,
    network: Network = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Encrypt images here, ask a service for their classes, and print them."""
    _require("httpx")
    from vitcrypt.data.layout import describe_left_out
    from vitcrypt.data.listing import list_images
    from vitcrypt.data.survey import survey

    files, left_out = list_images(images)
    for line in [*filter(None, [describe_left_out(left_out)]), *survey(files).lines()]:
        error_console.print(line)
    asked = _client(url, key_file, plain, client, token_file, network)
    predictions = asked.predict(files)
    if as_json:
        answers = [{"file": str(file), **asdict(entry)} for file, entry in zip(files, predictions, strict=True)]
        console.print(json.dumps(answers, indent=2, allow_nan=False))
        return
    table = Table(
        "image", "class", "probability", title=f"{url}: {asked.scheme.name}, key {asked.fingerprint or 'none'}"
    )
    for file, entry in zip(files, predictions, strict=True):
        table.add_row(str(file), entry.name, f"{100 * entry.probability:.1f} %")
    console.print(table)


@app.command()
def demo(
    url: Url = "http://127.0.0.1:8000",
    key_file: KeyFile = "test-0",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8001,
    client: Described = None,
    token_file: TokenFile = None,
) -> None:
    """Show a page on this machine that encrypts pictures with your key and asks a service: plain, encrypted, class."""
    _require("fastapi", "uvicorn", "httptools", "httpx")
    from vitcrypt.service.demo import create_demo, new_secret
    from vitcrypt.service.server import listen
    from vitcrypt.service.server import serve as serve_app

    secret, asked = new_secret(), _client(url, key_file, False, client, token_file)

    def restore(ciphertext: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
        from vitcrypt.experiment.from_pairs import restored

        return restored(asked.scheme, asked.encrypted, ciphertext)

    page = create_demo(asked, secret, restore)
    listening = listen("127.0.0.1", port, None)
    console.print(f"open http://127.0.0.1:{listening.getsockname()[1]}/{secret}/ (the demo; it asks {url})")
    console.print("  keep this address secret: anyone with it can encrypt pictures with your key")
    serve_app(page, listening, read_seconds=60)


def _client(
    url: str, key_file: str, plain: bool, described: Path | None, token_file: Path | None, network: Path | None = None
) -> "Client":
    from vitcrypt.service import Client

    if not plain and not key_file:
        raise ValueError("give the key that the network was trained under: --key-file FILE, or VITCRYPT_KEY_FILE")
    return Client(url, None if plain else key_of(key_file), described, _token(token_file), network=network)


def _token(file: Path | None) -> str | None:
    """Return the token of a file or of the environment; as an argument, others on the machine could see it."""
    if file is None and not os.environ.get("VITCRYPT_TOKEN"):
        return None
    try:
        with nullcontext() if file is None else file.open() as opened:
            token = os.environ["VITCRYPT_TOKEN"] if opened is None else opened.read(LONGEST_TOKEN)
    except FileNotFoundError as error:
        raise ValueError(f"no token file {file}; whoever serves has it, or makes it: openssl rand -hex 32") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read the token: {error}") from error
    token = token.strip()
    if not 16 <= len(token) <= 4096 or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(
            f"{file or 'VITCRYPT_TOKEN'}: a token is one line of at least 16 characters; make one: openssl rand -hex 32"
        )
    return token


@contextmanager
def _demo_process(
    url: str, key_file: str | None, port: int, token_file: Path | None, description: Path
) -> Iterator[None]:
    """Run `vitcrypt demo` beside the service, in a process of its own: only that one has the key."""
    command = [sys.executable, "-m", "vitcrypt", "demo"]
    command += ["--url", url, "--port", str(port), "--client", str(description)]
    command += ["--key-file", key_file] if key_file else []
    command += ["--token-file", str(token_file)] if token_file else []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # else the demo would outlive the service
    process = subprocess.Popen(command, preexec_fn=end_with_parent)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _require(*modules: str) -> None:
    """Raise RuntimeError with what to type, before work begins, if an optional package is missing."""
    if missing := [name for name in modules if find_spec(name) is None]:
        raise RuntimeError(f"{', '.join(missing)} is not installed; run: pip install 'vitcrypt[serve]'")
