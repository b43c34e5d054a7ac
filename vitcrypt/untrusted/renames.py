"""Old names of groups, options and keys beside the names of today.

What was typed or written under an old name works, with a line that names the new one. Identities keep hashing the old
names of keys, so that runs of before are found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

from vitcrypt.untrusted.text import error_console

GROUPS = {"data_model": "recipe", "encryption_model": "recipe@_global_"}
GONE = {"encryption_data": "data.augment=auto does what it did"}
KEYS = {"adapt_to_key": "fold_key"}
MOVED = {f"logger.{key}": f"logger.wandb.{key}" for key in ("project", "entity", "group", "tags")}
MODELS = {"vit_tiny": "vit_micro"}
OPTIONS = {
    "encryption": {"none": "received"},
    **dict.fromkeys(("model", "row", "small", "recipe", "recipe@_global_"), MODELS),
}
"""By group, the old name of an option. Those of networks also stand at the end of longer names: digits_vit_tiny."""

_shown: set[str] = set()


def overrides(typed: list[str]) -> list[str]:
    """Return overrides as they are typed today."""
    return [today for text in typed if (today := _override(text)) is not None]


def config(node: Any, section: str = "") -> Any:
    """Return the content of a configuration file, its defaults list included, under the names of today.

    Args:
        node: Plain values.
        section: Where they stand: the name of a group, or of the key that holds them.
    """
    if isinstance(node, dict):
        made = {_key(name): config(value, str(name)) for name, value in _moved(node, section).items()}
        if isinstance(made.get("defaults"), list):
            made["defaults"] = [entry for each in made["defaults"] if (entry := _default(each)) is not None]
        return made
    if isinstance(node, list):
        return [config(entry) for entry in node]
    return re.sub(r"(?<=\.)adapt_to_key(?=\s*\})", "fold_key", node) if isinstance(node, str) and "${" in node else node


def record(result: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a run or an attack under the names of today."""
    settings = result.get("config")
    if not isinstance(settings, dict):
        return result
    names, model = settings.get("names"), settings.get("model")
    if isinstance(names, dict):
        today = {
            group: OPTIONS[group].get(name, name) if group in OPTIONS and isinstance(name, str) else name
            for group, name in names.items()
        }
        settings = {**settings, "names": today}
    if isinstance(model, dict):
        settings = {**settings, "model": {KEYS.get(name, name): value for name, value in model.items()}}
    return {**result, "config": settings}


def places(parts: list[str]) -> Iterator[list[str]]:
    """Yield the parts of a folder's name, of today first, then as they were under old names of options."""
    old = {new: old for options in OPTIONS.values() for old, new in options.items()}
    yield from map(list, product(*((part, old[part]) if part in old else (part,) for part in parts)))


def old_paths(path: str) -> Iterator[str]:
    """Yield where the file of an option may lie in a configuration folder of before."""
    group, _, option = path.rpartition("/")
    groups = [group, *(old for old, new in GROUPS.items() if new.partition("@")[0] == group)]
    for folder in groups if group else ():
        for name in dict.fromkeys((option, re.sub(r"(?<![a-z0-9])vit_micro$", "vit_tiny", option))):
            yield f"{folder}/{name}"


def _override(text: str) -> str | None:
    found = re.fullmatch(r"(?s)([+~]*(?:hydra\.sweeper\.params\.)?)([^=]*)(=?)(.*)", text)
    if found is None:
        return text
    signs, name, equals, value = found.groups()
    group, at, package = name.partition("@")
    if group in GONE:
        _say(group, GONE[group])
        return None
    new = GROUPS.get(group) or MOVED.get(name) or ".".join(KEYS.get(key, key) for key in name.split("."))
    if new != name:
        _say(name, f"is now {new}")
    new += f"@{package}" if at and "@" not in new else ""
    return f"{signs}{new}{equals}{_option(new, value)}"


def _option(group: str, value: str) -> str:
    """Return an option, or several in a list or a sweep."""
    group = group.removeprefix("/").partition("@")[0]
    for old, new in OPTIONS.get(group, {}).items():
        before = r"(?<![a-zA-Z0-9])" if old in MODELS else r"(?<![\w-])"
        renamed = re.sub(rf"{before}{old}(?![\w-])", new, value)
        if renamed != value:
            _say(f"{group}={old}", f"is now {group}={new}")
        value = renamed
    return value


def _default(entry: Any) -> Any:
    """Return an entry of a defaults list."""
    if isinstance(entry, str) and "/" in entry:
        group, _, option = entry.rpartition("/")
        name, at, package = option.partition("@")
        return f"{group}/{_option(group, name)}{at}{package}"
    if not isinstance(entry, dict) or len(entry) != 1:
        return entry
    ((key, value),) = entry.items()
    *words, group = str(key).split(" ")
    slash, bare = ("/", group[1:]) if group.startswith("/") else ("", group)
    if bare in GONE:
        _say(bare, GONE[bare])
        return None
    new = GROUPS.get(bare, bare)
    if new != bare:
        _say(bare, f"is now {new}")
    if isinstance(value, list):
        value = [_option(new, one) if isinstance(one, str) else one for one in value]
    return {" ".join([*words, slash + new]): _option(new, value) if isinstance(value, str) else value}


def _moved(node: dict[Any, Any], section: str) -> dict[Any, Any]:
    """Return a section with what moved one level down there; the keys of a sweep are overrides, and renamed as such."""
    if section == "params":  # of a sweep
        today: dict[Any, Any] = {}
        for name, value in node.items():
            text = _override(f"{name}={value if isinstance(value, str) else ''}")
            if text is not None:
                key, _, option = text.partition("=")
                today[key] = option if isinstance(value, str) else value
        return today
    if section == "logger" and isinstance(target := node.get("_target_"), str):
        name = target.rpartition(".")[2].removesuffix("_logger")
        return {name: {key: value for key, value in node.items() if key != "defaults"}}
    moved = [key for key in ("project", "entity", "group", "tags") if section == "logger" and key in node]
    if not moved:
        return node
    _say(f"logger.{moved[0]}", f"is now logger.wandb.{moved[0]}")
    rest = {key: value for key, value in node.items() if key not in moved}
    return {**rest, "wandb": {**{key: node[key] for key in moved}, **rest.get("wandb", {})}}


def _key(name: Any) -> Any:
    if isinstance(name, str) and name in KEYS:
        _say(name, f"is now {KEYS[name]}")
        return KEYS[name]
    return name


def _say(old: str, now: str) -> None:
    """Print a line, once for each old name; what is printed is of the tables above, and never of a file."""
    if old not in _shown:
        _shown.add(old)
        error_console.print(f"{old}: {now}" if old in GONE else f"{old} {now}")
