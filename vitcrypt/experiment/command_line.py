"""The command line: no key may stand on it, and overrides as they have to be typed."""

from __future__ import annotations

import os
import re
import shlex
from itertools import pairwise
from pathlib import Path

from vitcrypt.jobs.place import expanded
from vitcrypt.untrusted.secrets import IS_A_KEY, holds_a_key, looks_like_a_key
from vitcrypt.untrusted.text import error_console, printable

KEY_OPTIONS = ("key", "key_file", "old_key", "new_key")
ENVIRONMENT = "VITCRYPT_KEY_FILE"
PLAIN_PATH = re.compile(r"[a-zA-Z_/][\w./-]*[./][\w./-]*", re.ASCII)
"""What Hydra reads as it stands; it need not be asked."""


def refuse_keys(arguments: list[str]) -> None:
    """Raise ValueError if a key stands on the command line, before anything writes the command line down.

    Looked for everywhere: in sweeps, quotes, names of options, and over several arguments. What is part of a path that
    exists is no key.
    """
    named = _values(arguments)
    whole = " ".join(map(_without_paths, arguments))
    if holds_a_key(whole) or any(looks_like_a_key(_without_paths(value)) for value in named):
        raise ValueError(IS_A_KEY)
    if looks_like_a_key(_without_paths(os.environ.get(ENVIRONMENT, ""))):
        raise ValueError(f"{ENVIRONMENT}: {IS_A_KEY}")


def refuse_misread(arguments: list[str]) -> None:
    """Raise ValueError for what Hydra would read otherwise than it is meant, or refuse in argparse's words."""
    from hydra._internal.utils import get_args_parser

    from vitcrypt.experiment.blame import near

    tell_doubles(arguments)
    parser = get_args_parser()
    for unknown in parser.parse_known_args(arguments)[1]:
        if not unknown.startswith("-"):
            raise ValueError(f"{unknown} stands apart from the other settings; type options, as -m, before all of them")
        name, _, value = unknown.lstrip("-").partition("=")
        raise ValueError(
            f"{unknown} is no option; settings are typed without dashes: {name.replace('-', '_')}={value or 'VALUE'}"
            f"{near(unknown, [*parser._option_string_actions])}"
        )


def tell_doubles(arguments: list[str]) -> None:
    """Tell where one name has two values, of which Hydra takes the last: scripts end with what overrides their own."""
    given: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.lstrip("+").partition("=")
        if not equals or argument.startswith("-") or name == "hydra.mode":  # which launchers append
            continue
        other, given[name] = given.get(name, value), value
        if other != value:
            told = f"{name} is given twice, and the last counts: {value}, not {other}"
            told += f" (a sweep takes both: -m {name}={other},{value})"
            error_console.print(printable(told, 300), style="yellow", markup=False, highlight=False)


def override(name: str, value: object) -> str:
    """Return an override that Hydra reads as exactly this value; the shell's quotes are not yet around it."""
    plain = f"{name}={value}"
    if not isinstance(value, str | Path) or PLAIN_PATH.fullmatch(str(value)):
        return plain
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Quote, QuotedString
    from hydra.errors import HydraException

    try:
        if OverridesParser.create().parse_override(plain).value() == str(value):
            return plain
    except HydraException:
        pass
    text = str(value).replace("${", r"\${")
    return f"{name}={QuotedString(text=text, quote=Quote.double).with_quotes()}"


def typed(text: str) -> str:
    """Return the user's own override as it has to be typed in a shell, its value in quotes."""
    name, _, value = text.partition("=")
    return shlex.quote(override(name, value))


def _values(arguments: list[str]) -> list[str]:
    """Return what is given to the options that take a key file."""
    values = []
    for argument, following in pairwise([*arguments, ""]):
        name, equals, value = argument.partition("=")
        if name.lstrip("+-~").replace("-", "_").split(".")[-1] in KEY_OPTIONS:
            values.append(value if equals else following)
    return values


def _without_paths(argument: str) -> str:
    """Take away what exists as a file or folder, or begins like one."""
    for part in re.split(r"[=,()\[\]]", argument):
        path = expanded(part.strip(" '\""))
        for place in (path, *path.parents):
            try:
                found = len(place.parts) > 0 and place != Path(place.anchor) and place.exists()
            except (OSError, ValueError, RuntimeError):
                continue
            if found:
                argument = argument.replace(part.strip(" '\""), str(path.relative_to(place)))
                break
    return argument
