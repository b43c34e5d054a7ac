"""From exceptions to messages: what is wrong, which value, what to type.

An error that this package raised on purpose is shown as its message. An error of the configuration gets the nearest
name. Anything else is a bug and keeps its traceback.
"""

import difflib
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.initialize import initialize_config_dir
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from vitcrypt.experiment.config import CONF
from vitcrypt.jobs import interrupt

NOISE = re.compile(r"\s*$|\s*(full_key|reference_type|object_type)[:=]|To append to your config use")
PACKAGE = str(Path(__file__).parent.parent)


@contextmanager
def explained(config_name: str) -> Iterator[None]:
    """Run a Hydra program; turn its errors into a message on standard error and exit code 1 (130 after Ctrl-C)."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra then raises instead of printing and exiting
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        with interrupt.repeated():
            yield
    except KeyboardInterrupt:
        console.print("\n[yellow]interrupted; the same command finishes what was begun[/]")
        sys.exit(130)
    except Exception as error:
        if (message := _message(error, config_name)) is None:
            raise
        console.print("[bold red]error:[/]", end=" ")
        console.print(message, markup=False)
        sys.exit(1)


def refuse_keys(arguments: list[str]) -> None:
    """Raise ValueError if a key itself stands on the command line, before anything writes the command line down."""
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name.lstrip("+").split(".")[-1] not in ("key", "key_file"):
            continue
        from vitcrypt.keys import looks_like_a_key  # a process without a key does not load the code for it

        if looks_like_a_key(value):
            raise ValueError(
                f"{name}= takes the path of a key file, and this looks like a key itself. The command line is public: "
                "others on this machine saw it and your shell recorded it. Make another key: vitcrypt key new FILE"
            )


def _message(error: BaseException, config_name: str) -> str | None:
    """Return the message for the user, or None if the error is a bug."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    for link in chain:
        if isinstance(link, (ValueError, TypeError, OSError, RuntimeError)) and _is_ours(link):
            return str(link)
    if isinstance(error, (HydraException, OmegaConfBaseException)):
        lines = dict.fromkeys(line for link in chain for line in str(link).splitlines() if not NOISE.match(line))
        return "\n".join([*lines, *_nearest("\n".join(lines), config_name)])
    return None


def _is_ours(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename.startswith(PACKAGE)


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
