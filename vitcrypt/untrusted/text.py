"""Printing text that another party wrote."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

KEPT = "\n\t"


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


class PlainConsole(Console):
    """A console that shows what it is given: no markup, no control characters, no colouring of its own.

    Styles are given as `style=` or as `rich.text.Text`. All that vitcrypt prints goes through one of these, so that a
    class name, a path or an answer of another party can neither be taken for markup nor reach the terminal raw.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"soft_wrap": True, "highlight": False, "markup": False, "emoji": False, **options})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, and escape what is not printable."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


console = PlainConsole()
"""Standard output."""

error_console = PlainConsole(stderr=True)
"""Standard error."""
