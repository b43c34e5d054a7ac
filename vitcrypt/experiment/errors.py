"""From exceptions to messages: what is wrong, which value, what to type.

What the user or the other party can cause is shown as a message. An error of the configuration gets the nearest name.
Anything else is a bug and is shown with its traceback.
"""

import errno
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.text import Text

from vitcrypt.experiment.blame import is_on_purpose, reason
from vitcrypt.jobs import interrupt
from vitcrypt.untrusted.text import error_console, unwritten

LESS = "model.micro_batch_size (the step stays the same), model.image_size, data.resident_gib or --workers"


@contextmanager
def explained(config_name: str) -> Iterator[None]:
    """Run a program; turn its errors into a message on standard error and exit code 1 (130 after Ctrl-C)."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra then raises instead of printing and exiting
    if "hydra" in sys.modules:  # `vitcrypt key` does without it
        from vitcrypt.experiment.hydra_errors import raise_errors_of_jobs

        raise_errors_of_jobs()
    try:
        with interrupt.told(), interrupt.repeated():
            _look_around()
            yield
    except Exception as error:
        if (message := message_of(error, config_name)) is not None:
            error_console.print(Text.assemble(("error:", "bold red"), f" {message}"))
        elif not isinstance(error, BrokenPipeError):
            error_console.print("".join(traceback.format_exception(error)).rstrip())
            error_console.print("this is a bug of vitcrypt", style="red")
        sys.exit(1)
    finally:
        if (lost := unwritten()) is not None and lost.errno != errno.EPIPE:
            error_console.print(Text.assemble(("error:", "bold red"), f" standard output could not be written: {lost}"))
            sys.exit(1)


def _look_around() -> None:
    try:
        Path.cwd()
    except FileNotFoundError:  # some libraries end the process there
        raise FileNotFoundError("the folder that you are in was removed; go to another one: cd") from None


def message_of(error: BaseException, config_name: str = "config") -> str | None:
    """Return the message for the user, or None if the error is a bug."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    for link in chain:
        if is_on_purpose(link) and getattr(link, "errno", None) is None:
            return str(link)
        if not type(link).__module__.startswith("hydra") and (said := _of_the_machine(link)) is not None:
            return said
    if "hydra" not in sys.modules:
        return None
    from vitcrypt.experiment.hydra_errors import message_of_hydra

    return message_of_hydra(chain, config_name)


def _of_the_machine(error: BaseException) -> str | None:
    """Return the message where memory, disk or tools of the machine do not suffice."""
    kind, text = type(error), str(error)
    if isinstance(error, BrokenPipeError):
        return None
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror or reason(error)
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return f"the memory of this machine does not suffice ({reason(error)}); lower {LESS}"
    if kind.__name__ == "OutOfMemoryError":
        return f"the memory of the GPU does not suffice ({reason(error)}); lower {LESS}"
    if kind.__module__.startswith(("torch._dynamo", "torch._inductor")):
        return f"compiling failed ({reason(error)}); set model.compile=false data.compile=false, or install a compiler"
    if re.match(r"Caught (ValueError|OSError|\w+Error: cannot) in DataLoader worker", text):
        return reason(error)
    return None
