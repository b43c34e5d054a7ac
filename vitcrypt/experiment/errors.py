"""From exceptions to messages: what is wrong, which value, what to type.

What the user or the other party can cause is shown as a message. An error of the configuration gets the nearest name.
Anything else is a bug and is shown with its traceback.
"""

import difflib
import errno
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException, OverrideParseException
from hydra.initialize import initialize_config_dir
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.text import Text

from vitcrypt.experiment.blame import is_on_purpose, reason
from vitcrypt.experiment.command_line import typed
from vitcrypt.experiment.config import CONF
from vitcrypt.jobs import interrupt
from vitcrypt.untrusted.text import error_console, unwritten

NOISE = re.compile(r"\s*$|\s*(full_key|reference_type|object_type)[:=]|To append to your config use")
LESS = "model.micro_batch_size (the step stays the same), model.image_size, data.resident_gib or --workers"


@contextmanager
def explained(config_name: str) -> Iterator[None]:
    """Run a program; turn its errors into a message on standard error and exit code 1 (130 after Ctrl-C)."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra then raises instead of printing and exiting
    JobReturn.return_value = property(_returned, JobReturn.return_value.fset)  # type: ignore
    try:
        with interrupt.repeated():
            yield
    except KeyboardInterrupt:
        error_console.print("\ninterrupted; the same command finishes what was begun", style="yellow")
        sys.exit(130)
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


def _returned(job: JobReturn) -> Any:
    """Return what a job returned or raise its error; Hydra's own property first prints a line of its overrides."""
    if job.status == JobStatus.FAILED:
        raise job._return_value
    return job._return_value


def message_of(error: BaseException, config_name: str = "config") -> str | None:
    """Return the message for the user, or None if the error is a bug."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    for link in chain:
        if isinstance(link, OverrideParseException):
            return _ungrammatical(link)
        if is_on_purpose(link):
            return str(link)
        if not isinstance(link, HydraException) and (said := _of_the_machine(link)) is not None:
            return said
    if isinstance(error, HydraException | OmegaConfBaseException):
        lines = dict.fromkeys(line for link in chain for line in str(link).splitlines() if not NOISE.match(line))
        text = "\n".join(lines)
        return "\n".join([*lines, *_nearest(text, config_name), *_instead(text)])
    if str(error).startswith("Config group override must be"):  # Hydra's own, but a bare ValueError
        return "a group of the configuration takes a name, and no null, number or other value: data=folder, say"
    return None


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


QUOTED = "If the value is a path or free text, put it in quotes within quotes: "


def _ungrammatical(error: OverrideParseException) -> str:
    """Return the user's own override in the quotes that it needs."""
    name, equals, _ = error.override.partition("=")
    said = f"this is no override that Hydra understands: {error.override}"
    return f"{said}\n{QUOTED}{typed(error.override)}" if name and equals else f"{said}\nOverrides are NAME=VALUE"


def _instead(text: str) -> list[str]:
    """Return what to type where an override was understood otherwise than it was meant."""
    taken = re.search(
        r"(?:Error merging override |Ambiguous value for argument '|Sweep parameters ')([^\n]*=[^\n]*)", text
    )
    if taken and re.search("Ambiguous|Sweep|Cannot convert '(list|dict)' to string", text):
        return [QUOTED + typed(re.sub(r"'( requires --multirun)?$", "", taken[1]))]
    node, key = re.search(r"Could not override '([\w.]+)'", text), re.search(r"Key '([\w.]+)' is not in struct", text)
    if node and key:
        part = node[1].removesuffix(f".{key[1]}")  # Hydra names the value itself, where it is one
        return [
            f"To replace a part, take out what does not fit and add what it needs: '~{part}.NAME' "
            f"'+{part}.{key[1]}=...'"
        ]
    return []


def _nearest(text: str, config_name: str) -> list[str]:
    """Return a line with the names nearest to the one that Hydra did not find."""
    option = re.search(r"(?:Could not find|In '[^']*': Could not find) '(\w+)/([\w-]+)'", text)
    if option:
        group, name = option.groups()
        known = [path.stem for path in (CONF / group).glob("*.yaml")]
        return _suggest(name, known, f"{group}=")
    key = re.search(r"Could not override '([\w./@]+)'", text)
    if key:
        groups = [path.name for path in CONF.iterdir() if path.is_dir()]
        return _suggest(key.group(1), [*groups, *_names(config_name)], "")
    return []


def _suggest(name: str, known: list[str], prefix: str) -> list[str]:
    same = [other for other in known if other.split(".")[-1] == name.split(".")[-1]]  # right name, wrong place
    near = list(dict.fromkeys(same + difflib.get_close_matches(name, known, n=3, cutoff=0.6)))[:3]
    return [f"Did you mean {' or '.join(prefix + other for other in near)}?"] if near else []


def _names(config_name: str) -> list[str]:
    """Return every name that can be overridden, dotted."""
    from hydra import compose

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(config_name)

    def walk(node: Any, prefix: str) -> Iterator[str]:
        for name, child in node.items() if isinstance(node, dict) else ():
            yield f"{prefix}{name}"
            yield from walk(child, f"{prefix}{name}.")

    return list(walk(OmegaConf.to_container(config), ""))
