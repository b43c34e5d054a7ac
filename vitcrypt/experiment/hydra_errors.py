"""Messages for what Hydra and OmegaConf raise: their own lines, the nearest name, and what to type instead."""

import difflib
import re
from collections.abc import Iterator
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException, OverrideParseException
from hydra.initialize import initialize_config_dir
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vitcrypt.experiment.command_line import typed
from vitcrypt.experiment.config import CONF

NOISE = re.compile(
    r"\s*$|\s*(full_key|reference_type|object_type)[:=]|To append to your config use|Config search path:|\tprovider="
)
EXTRAS = {"hydra/launcher/submitit_slurm": "slurm", "hydra/sweeper/optuna": "search"}
"""What another package brings, and the extra with it."""

QUOTED = "If the value is a path or free text, put it in quotes within quotes: "


def message_of_hydra(chain: list[BaseException], config_name: str) -> str | None:
    """Return the message for an exception of Hydra or OmegaConf and its causes; None if it is of neither."""
    for link in chain:
        if isinstance(link, OverrideParseException):
            return _ungrammatical(link)
    if isinstance(chain[0], HydraException | OmegaConfBaseException):
        lines = dict.fromkeys(line for link in chain for line in str(link).splitlines() if not NOISE.match(line))
        text = "\n".join(lines)
        return "\n".join([*lines, *_nearest(text, config_name), *_instead(text)])
    if str(chain[0]).startswith("Config group override must be"):  # Hydra's own, but a bare ValueError
        return "a group of the configuration takes a name, not null, a number or another value; for example data=folder"
    return None


def raise_errors_of_jobs() -> None:
    """Let Hydra raise the error of a job as it is; its own property prints a line of overrides first."""
    JobReturn.return_value = property(_returned, JobReturn.return_value.fset)  # type: ignore


def _returned(job: JobReturn) -> Any:
    if job.status == JobStatus.FAILED:
        raise job._return_value
    return job._return_value


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
    """Return a line with the names nearest to the one that Hydra did not find, or with the package that brings it."""
    missing = re.search(r"Could not (?:find|load) '([\w/]+)'", text)
    if missing and missing[1] in EXTRAS:
        return [f"It comes with: pip install 'vitcrypt[{EXTRAS[missing[1]]}]'"]
    option = re.search(r"(?:Could not find|In '[^']*': Could not find) '(\w+)/([\w-]+)'", text)
    if option:
        group, name = option.groups()
        known = [path.stem for path in (CONF / group).glob("*.yaml")]
        return _suggest(name, known, f"{group}=")
    key = re.search(r"Could not override '([\w./@]+)'", text)
    if key:
        groups = [path.name for path in CONF.iterdir() if path.is_dir()]
        verb = "run" if config_name == "config" else "attack"
        near = _suggest(key.group(1), [*groups, *_names(config_name)], "")
        return near or [f"All that can be set: vitcrypt {verb} --cfg job"]
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
