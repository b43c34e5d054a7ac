"""Whose mistake an exception is: the user's, who can mend it, or this package's."""

from __future__ import annotations

import dis
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any

PACKAGE = str(Path(__file__).parent.parent)
RAISE = dis.opmap["RAISE_VARARGS"]
SIGNATURE = re.compile(  # found where the call stands, here
    r"unexpected keyword argument|multiple values for argument|missing \d+ required"
)


@contextmanager
def blame(option: str, node: Any = None) -> Iterator[None]:
    """Build what an option describes: what a library raises meanwhile is a mistake in that option.

    Args:
        option: Its dotted name.
        node: Its value. Arguments in it that the library does not know are named with what takes them out.

    Raises:
        ValueError: The library refused; the message names the option and gives the library's reason in one line.
        Exception: Whatever this package raised, on purpose or by a bug, comes as it is.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if _last_frame_is_ours(error) and not (isinstance(error, TypeError) and SIGNATURE.search(str(error))):
            raise
        raise ValueError(f"{option}: {reason(error)}{_remedy(option, node, error)}") from error


@contextmanager
def strangers(modules: Collection[str], always: bool = False) -> Iterator[None]:
    """Run what calls code of the user's own: what is raised in there, or ends the program, is a mistake of that code.

    Args:
        modules: Names of its modules.
        always: Whether everything is, also what was raised outside of it.

    Raises:
        ValueError: It failed; the message says where, and how. What this package raises on purpose comes as it is.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        own = {module.partition(".")[0] for module in modules}
        frames = [
            (Path(frame.f_code.co_filename).name, line)
            for frame, line in walk_tb(error.__traceback__)
            if str(frame.f_globals.get("__name__")).partition(".")[0] in own
        ]
        of_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
        if is_on_purpose(error) or of_memory or not (frames or (own and always)):
            raise
        place = "{}, line {}".format(*frames[-1]) if frames else ", ".join(modules)
        raise ValueError(f"{place}: {type(error).__name__}: {reason(error)}") from error


def is_on_purpose(error: BaseException) -> bool:
    """Say whether this package raised an exception as a message for the user.

    That is one of a `raise` statement of its own, or a ValueError about a value that a library's function, called
    directly, did not take. A TypeError or IndexError that merely happened in its code is a bug.
    """
    if not isinstance(error, ValueError | TypeError | OSError | RuntimeError) or not _last_frame_is_ours(error):
        return False
    last = _last(error.__traceback__)
    raised = last is not None and last.tb_frame.f_code.co_code[last.tb_lasti] == RAISE
    return raised or isinstance(error, ValueError)


def reason(error: BaseException) -> str:
    """Return the first sentence of an exception, or its name if it has none; of a DataLoader's worker the last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if re.match(r"Caught \w+ in ", lines[0]):
        return lines[-1].partition(": ")[2] or lines[-1]
    return lines[0] if len(lines[0]) > 20 or len(lines) == 1 else " ".join(lines[:2])


def near(name: str, known: list[str]) -> str:
    """Return "; did you mean X?" with what is most alike, or nothing."""
    found = get_close_matches(name, known, n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _remedy(option: str, node: Any, error: Exception) -> str:
    unexpected = re.search(r"(?:unexpected keyword|multiple values for) argument '(\w+)'", str(error))
    if unexpected and isinstance(node, dict) and unexpected[1] in node:
        return f"; take it out with '~{option}.{unexpected[1]}'"
    if unexpected:
        return ""
    missing = re.search(r"missing \d+ required [\w-]+ arguments?: '(\w+)'", str(error))
    if missing:
        return f"; give it with '+{option}.{missing[1]}=...'"
    name = node.get("model_name") if isinstance(node, dict) else None
    if isinstance(name, str) and "Unknown model" in str(error):
        from timm import list_models

        return near(name.split(".")[0], list_models())
    return ""


def _last_frame_is_ours(error: BaseException) -> bool:
    last = _last(error.__traceback__)
    return last is not None and last.tb_frame.f_code.co_filename.startswith(PACKAGE)


def _last(traceback: TracebackType | None) -> TracebackType | None:
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback
