"""Printing text that another party wrote."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import IO, Any, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

KEPT = "\n\t"


def one_line(text: object, limit: int = 300) -> str:
    """Return text as one line: white space of any kind as single blanks, otherwise as `printable`."""
    return printable(" ".join(str(text).split()), limit)


def printable(text: object, limit: int | None = None) -> str:
    r"""Return text without characters that move the cursor, change colours or turn the direction of writing.

    Args:
        text: Anything; it is converted by `str`.
        limit: Cut it to so many characters, with an ellipsis.

    Returns:
        The text with an escape for each such character: `"\x1b[2J"` becomes `"\\x1b[2J"`. Line ends and tabs stay.
    """
    shown = str(text)
    if limit is not None and len(shown) > limit:
        shown = shown[: limit - 1] + "…"
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() or c in KEPT else c.encode("unicode_escape").decode() for c in shown)


def shortened(items: Sequence[str], limit: int = 10) -> str:
    """Return items as a list for a sentence, of many only the first."""
    more = f" and {len(items) - limit:,} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more


class _Enduring:
    """A text stream whose failure ends nothing: hours of work are not lost because nobody reads along.

    After a failure (a full disk, a closed pipe) the stream leads nowhere; `failed` keeps the reason.
    """

    failed: dict[int, OSError] = {}  # noqa: RUF012 - by file descriptor, for the whole process

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except UnicodeEncodeError:
            encoding = self._stream.encoding or "ascii"
            return self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except OSError as error:
            return self._lead_nowhere(error)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._lead_nowhere(error)

    def _lead_nowhere(self, error: OSError) -> int:
        descriptor = self._stream.fileno()
        self.failed.setdefault(descriptor, error)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
        return 0


class PlainConsole(Console):
    """A console that shows what it is given: no markup, no control characters, no colouring of its own.

    Styles are given as `style=` or as `rich.text.Text`. All that vitcrypt prints goes through one of these, so that a
    class name, a path or an answer of another party can neither be taken for markup nor reach the terminal raw. Where
    it cannot be written the work goes on; `unwritten` says why.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"soft_wrap": True, "highlight": False, "markup": False, "emoji": False, **options})

    @property
    def file(self) -> IO[str]:
        """The stream, as one that never fails."""
        return cast(IO[str], _Enduring(cast(TextIO, super().file)))

    @file.setter
    def file(self, new_file: IO[str]) -> None:
        Console.file.fset(self, new_file)  # type: ignore[attr-defined]

    def render_str(self, text: str, **options: Any) -> Text:
        """Take text for a cell or a line: escaped before it is measured."""
        return super().render_str(printable(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, and escape what is not printable."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


console = PlainConsole()
"""Standard output."""

error_console = PlainConsole(stderr=True)
"""Standard error."""


def unwritten() -> OSError | None:
    """Return why standard output could not be written, if it could not."""
    return _Enduring.failed.get(1)
