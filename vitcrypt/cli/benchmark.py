"""`vitcrypt benchmark`: judge a scheme, a stranger's too, in a process of its own."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from vitcrypt.experiment.command_line import tell_doubles
from vitcrypt.jobs.pool import end_with_parent
from vitcrypt.untrusted.text import error_console, printable

app = typer.Typer()
PASSED = re.compile(r"(LD_LIBRARY_|PYTHON)?PATH|LANG|LC_\w+|TERM|COLUMNS|TMPDIR|HOME|(OMP|CUDA)_\w+|VITCRYPT_DATA")
"""Names of the environment that the process is given; no key, no token."""

IMAGES = re.compile(r"data=|data\.(root|source|interpolation|split_seed)\b|names\.data=")
"""What may be chosen of the images; the budget says the rest."""


@app.command()
def benchmark(
    scheme: Annotated[str, typer.Argument(help="FILE.py, FILE.py:CLASS, or the name of a scheme.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Images, and settings of the scheme: data=npz data.root=FILE encryption.NAME=VALUE"),
    ] = None,
    budget: Annotated[Literal["10m", "1h", "gpu"], typer.Option(help="How much to compute.")] = "10m",
    results: Annotated[Path, typer.Option(help="Folder of all benchmarks.")] = Path("results/benchmark"),
    format: Annotated[  # noqa: A002
        Literal["rich", "md", "csv", "tex"], typer.Option("--format", help="How to print the card.")
    ] = "rich",
) -> None:
    """Judge a scheme: its declarations tried, key space, speed, accuracy, linkage, and every attack that applies.

    A file holds a class (a vitcrypt.encryption.Scheme) or a function encrypt(image, key) of a NumPy image uint8
    [H, W, 3] and 32 bytes. The same command goes on where it was broken off.
    """
    name, (file, _, chosen) = scheme, scheme.partition(":")
    if file.endswith(".py"):
        if not Path(file).is_file():
            raise FileNotFoundError(f"{file} does not exist; give a file, or the name of a scheme")
        # another content of the file is another benchmark
        name = f"{Path(file).stem}{chosen and f'-{chosen}'}-{hashlib.sha256(Path(file).read_bytes()).hexdigest()[:8]}"
        scheme = f"{Path(file).absolute()}:{chosen}" if chosen else str(Path(file).absolute())
        error_console.print(
            f"This runs the code of {file}, in a process of its own that is given public test keys alone and no key or "
            "token of your environment. It can still do what you can do on this machine: read the file first.",
            style="yellow",
        )
    elif not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", scheme):
        raise ValueError(f"{scheme} is neither a file that ends in .py nor the name of a scheme")
    entries = [_absolute(entry) for entry in overrides or []]
    tell_doubles(entries)
    settings = sorted(entry for entry in entries if entry.startswith("encryption."))
    data = [entry for entry in entries if entry not in settings]
    if settings:  # others are another benchmark
        name += f"-{hashlib.sha256(' '.join(settings).encode()).hexdigest()[:8]}"
    if data and not any(entry.startswith("data=") for entry in data):
        raise ValueError(f"name the images first, as data=npz or data=cifar10; got {' '.join(data)}")
    if other := [entry for entry in data if not IMAGES.match(entry)]:
        raise ValueError(
            f"{other[0]}: only images (data=... data.root=...) and values of the scheme (encryption.NAME=...) are "
            "chosen here; --budget sets the rest"
        )
    chosen_data = dict(entry.split("=", 1) for entry in data if "=" in entry)
    images = chosen_data.get("names.data") or chosen_data.get("data", "images")
    folder = (results / f"{name}-{printable(images, 40)}-{budget}").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    asked = {"scheme": scheme, "folder": str(folder), "data": data, "settings": settings}
    asked |= {"budget": budget, "format": format}
    kept = {name: value for name, value in os.environ.items() if PASSED.fullmatch(name)}
    command = [sys.executable, "-m", "vitcrypt.benchmark", json.dumps(asked, allow_nan=False)]
    before = _written(folder / "card.json")
    if code := _run(command, kept, folder):
        raise typer.Exit(code)
    if _written(folder / "card.json") == before:
        raise ValueError(f"{scheme} ended the process before there was a card; what was done is in {folder}")


def _written(path: Path) -> int | None:
    """Return when a file was written; None if it is not there."""
    return path.stat().st_mtime_ns if path.exists() else None


def _run(command: list[str], environment: dict[str, str], folder: Path) -> int:
    """Run the process to its end, at the latest that of this one; what it was doing goes on with the same command."""
    quiet = {"WANDB_MODE": "disabled", "OMP_WAIT_POLICY": "PASSIVE"}  # threads that spin cost a factor of ten
    with subprocess.Popen(
        command,
        env=environment | quiet,
        cwd=folder,
        start_new_session=True,  # Ctrl-C reaches it through this process, once
        preexec_fn=end_with_parent,
    ) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            return 130  # it said so


def _absolute(entry: str) -> Any:
    """Let paths count from where the command was typed: the process has a folder of its own."""
    option, _, value = entry.partition("=")
    return f"{option}={Path(value).absolute()}" if option in ("data.root", "encryption.weights") and value else entry
