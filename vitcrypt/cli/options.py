"""What several verbs take, how a key file is opened, and how progress is shown."""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from vitcrypt.untrusted.text import console, error_console

if TYPE_CHECKING:
    from vitcrypt.encryption import Scheme
    from vitcrypt.folders.job import Advance
    from vitcrypt.keys import Key

KeyFile = Annotated[
    str, typer.Option(metavar="FILE", envvar="VITCRYPT_KEY_FILE", help="The key file, or a public test key: test-0.")
]
OldKey = Annotated[str, typer.Option(metavar="FILE", help="The key of now.")]
NewKey = Annotated[str, typer.Option(metavar="FILE", help="The key of the result.")]
SchemeName = Literal[
    "proposed",
    "le",
    "ele",
    "etc",
    "pe",
    "etc_jpeg",
    "grayscale_etc",
    "horio",
    "pevit_rs",
    "pixelise",
    "noise",
    "features",
    "i2p",
]
Workers = Annotated[int | None, typer.Option(min=1, help="Images at once; default: one for each core.")]
SILENCE = 10.0  # seconds between two lines of progress where there is no terminal


def key_of(name: str) -> Key:
    """Return the key of an option; what serves has never loaded the code of keys, so that is loaded here."""
    from vitcrypt.keys import open_key

    return open_key(name)


def scheme_of(
    name: SchemeName,
    block_size: int | None,
    channel_shuffle: bool = True,
    quality: int | None = None,
    values: Sequence[str] = (),
) -> Scheme:
    """Return the scheme of the options; raise ValueError where one of them is not for it.

    Args:
        name: Of the scheme.
        block_size: None: its usual one.
        channel_shuffle: Of PE.
        quality: Of etc_jpeg and grayscale_etc.
        values: What else it takes, as NAME=VALUE.
    """
    from vitcrypt.encryption import PE
    from vitcrypt.encryption.scheme import SCHEMES

    if name == "pe":
        if block_size is not None:
            raise ValueError("--encryption pe works on single pixels and takes no --block-size; leave it out")
        return PE(channel_shuffle=channel_shuffle)
    if not channel_shuffle:
        raise ValueError(f"--no-channel-shuffle is for --encryption pe; {name} has no such step")
    usual = {"noise": 1, "features": 8, "grayscale_etc": 8}.get(name, 16)
    scheme = SCHEMES[name]
    takes = {field.name for field in fields(scheme)} - {"block_size", "network", "values"}
    given: dict[str, Any] = {} if quality is None else {"quality": quality}
    if not given.keys() <= takes:
        raise ValueError(f"--quality is for --encryption etc_jpeg or grayscale_etc; {name} is kept to the byte")
    for value in values:
        option, equals, text = value.partition("=")
        if not equals or option not in takes:
            known = ", ".join(f"{each}=..." for each in sorted(takes)) or "nothing"
            raise ValueError(f"--set {value}: {name} takes {known}")
        if option in given:
            raise ValueError(f"--set {value}: {option} is given twice")
        given[option] = _value(text)
    return scheme(block_size=usual if block_size is None else block_size, **given)


def _value(text: str) -> Any:
    try:
        return json.loads(text)  # a number, true or false
    except ValueError:
        return text


def keep_old_name(app: typer.Typer, old: str, command: Callable[..., None], line: str) -> None:
    """Let a command be called by its old name too, unlisted; a line tells the new one."""

    @functools.wraps(command)
    def called(*arguments: Any, **options: Any) -> None:
        error_console.print(line, style="yellow")
        command(*arguments, **options)

    app.command(name=old, hidden=True)(called)


def print_lines(lines: list[str]) -> None:
    """Print lines on standard output."""
    for line in lines:
        console.print(line)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} images/s" if task.speed else "")


@contextmanager
def progress(what: str) -> Iterator[Advance]:
    """Show a bar with rate and time left; where there is no terminal, a line now and then."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=error_console, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        started = last_line = time.monotonic()

        def advance(done: int, before: int, of: int) -> None:
            nonlocal last_line
            bar.update(task, completed=done, total=of)
            now = time.monotonic()
            if bar.disable and (now - last_line > SILENCE or done == of):
                last_line = now
                rate = (done - before) / max(now - started, 1e-9)
                error_console.print(f"{what} {done:,}/{of:,}  {rate:,.0f} images/s")

        yield advance
