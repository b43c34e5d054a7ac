"""What a run or an attack is, as a few digits, and what others may see of its configuration."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from vitcrypt.experiment.config import AttackConfig, Config, DataConf, ModelConf, ObservationConf, TrainerConf
from vitcrypt.jobs.atomic import sha256
from vitcrypt.jobs.place import expanded, is_address
from vitcrypt.targets import PUBLISHED, SHARDS, observes

INPUTS = ("root", "weights", "public_weights", "lpips_weights", "classifier")
"""Names of paths to what a job is made from."""


def with_plain_paths(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration whose paths are spelled in one way, however they were typed: see `plain_path`."""
    return _with_paths(config, (*INPUTS, "results"), plain_path)


def plain_path(path: str) -> str:
    """Return the one spelling of a path: relative where it lies below the working folder, else absolute.

    `photos`, `photos/`, `./photos` and the absolute path are one, and `~` is the home folder. A link counts by its own
    name, so that a link and what it leads to are two; only where `..` stands links are followed. An address
    (s3://...) only loses a slash at its end.

    Raises:
        ValueError: `~NAME` is no user.
    """
    if is_address(path):
        return path.rstrip("/")
    here = Path.cwd()
    try:
        whole = here / Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"{path} does not exist: there is no such user; give the whole path") from None
    whole = whole.resolve() if ".." in whole.parts else whole
    typed = Path(os.environ.get("PWD", here))  # the working folder as the shell spells it, perhaps through a link
    bases = [here, typed] if typed.is_absolute() and typed.exists() and typed.samefile(here) else [here]
    return str(next((whole.relative_to(base) for base in bases if whole.is_relative_to(base)), whole))


def identity(config: Config | AttackConfig, fingerprint: str | None, received: str | None = None) -> str:
    """Return 8 hexadecimal digits that follow from what a job is: everything that can change its result, no paths.

    Args:
        config: The configuration of a run or an attack.
        fingerprint: Of the key; the key itself does not count.
        received: The digest of the manifest of the folder that the images come from, which counts in place of its path.
    """
    what = _of_attack(config) if isinstance(config, AttackConfig) else _of_run(config, received)
    if isinstance(config, Config):
        counted = {name: node for name, node in config.callbacks.items() if not observes(node)}
        what |= {name: part for name, part in (("callbacks", counted), ("debug", config.debug)) if part}
    encryption = dict(config.encryption)
    if (network := config.weight_files["encryption.weights"]) is not None:
        encryption["weights"] = sha256(expanded(network))
    if encryption.get("table") == "luminance":  # an option that came later: as LATER
        del encryption["table"]
    what |= {"encryption": encryption, "key_scope": config.key_scope, "seed": config.seed, "key": fingerprint}
    what |= {"keys": config.keys} if config.keys else {}
    return hashlib.sha256(json.dumps(what, sort_keys=True, allow_nan=False).encode()).hexdigest()[:8]


def _of_run(config: Config, received: str | None) -> dict[str, Any]:
    what = {name: _counted(getattr(config, name)) for name in ("data", "model", "trainer")}
    if config.trainer.num_nodes > 1:  # only how many devices there are counts, and not where
        from vitcrypt.experiment.devices import world  # loads torch

        what["trainer"] |= {"devices": world(config.trainer), "num_nodes": 1}
    if config.data.source["_target_"] == SHARDS:
        what["data"]["source"] = {name: value for name, value in config.data.source.items() if "_gib" not in name}
    if config.data.source["_target_"] in PUBLISHED:
        what["data"] |= {"root": None, "source": config.data.source["_target_"]}
    if received is not None:
        what["data"] |= {"root": received, "source": {**what["data"]["source"], "root": received}}
    return what


def _of_attack(config: AttackConfig) -> dict[str, Any]:
    counted = ("source", "interpolation", "limit_train", "limit_test", "split_seed")
    what: dict[str, Any] = {
        "attack": {"method": dict(config.attack.method), "observation": _counted(config.attack.observation)},
        "data": {name: getattr(config.data, name) for name in counted},
    }
    what["image_size"] = config.image_size
    if config.data.source["_target_"] in PUBLISHED:
        what["data"]["source"] = config.data.source["_target_"]
    what["attack"]["method"].pop("device", None)
    for name in ("weights", "public_weights"):
        if (path := what["attack"]["observation"].pop(name)) is not None:
            what[name] = sha256(expanded(path))
    if (checkpoint := config.weight_files["classifier"]) is not None:
        what["classifier"] = sha256(expanded(checkpoint))
    return what


def _counted(node: DataConf | ModelConf | TrainerConf | ObservationConf) -> dict[str, Any]:
    """Return the options of a group that count, by their metadata."""
    values = asdict(node)
    for entry in fields(node):
        rule = entry.metadata.get("identity")
        default = entry.default if entry.default_factory is MISSING else entry.default_factory()
        if rule == "never" or (rule == "unless default" and values[entry.name] == default):
            del values[entry.name]
        elif "hashed" in entry.metadata:
            values[entry.metadata["hashed"]] = values.pop(entry.name)
    return values


def published(config: Config | AttackConfig) -> dict[str, Any]:
    """Return what others may see of a configuration: nothing of key and results, of data and weights the bare name."""
    seen = {name: value for name, value in asdict(config).items() if name not in ("key", "results", "logger")}
    return _with_paths(seen, INPUTS, lambda path: Path(path).name)


def _with_paths(node: dict[str, Any], names: tuple[str, ...], spelled: Callable[[str], str]) -> dict[str, Any]:
    """Return a copy in which the paths under these names, at any depth, are spelled anew."""

    def changed(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return _with_paths(value, names, spelled)
        return spelled(value) if name in names and isinstance(value, str) else value

    return {name: changed(name, value) for name, value in node.items()}
