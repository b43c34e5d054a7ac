"""What a run or an attack is, as a few digits, and what others may see of its configuration."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from vitcrypt import renames
from vitcrypt.jobs.atomic import sha256
from vitcrypt.jobs.place import expanded
from vitcrypt.targets import observes

INPUTS = ("root", "weights", "public_weights", "lpips_weights")
"""Names of paths to what a job is made from."""


def with_plain_paths(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration whose paths are spelled in one way, however they were typed: see `plain_path`."""

    def plain(node: Any, name: str = "") -> Any:
        if isinstance(node, dict):
            return {key: plain(value, key) for key, value in node.items()}
        return plain_path(node) if name in (*INPUTS, "results") and isinstance(node, str) else node

    return plain(config)


def plain_path(path: str) -> str:
    """Return the one spelling of a path: relative where it lies below the working folder, else absolute.

    `photos`, `photos/`, `./photos` and the absolute path are one, and `~` is the home folder. A link counts by its own
    name, so that a link and what it leads to are two; only where `..` stands links are followed.

    Raises:
        ValueError: `~NAME` is no user.
    """
    here = Path.cwd()
    try:
        whole = here / Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"{path} does not exist: there is no such user; give the whole path") from None
    whole = whole.resolve() if ".." in whole.parts else whole
    typed = Path(os.environ.get("PWD", here))  # the working folder as the shell spells it, perhaps through a link
    bases = [here, typed] if typed.is_absolute() and typed.exists() and typed.samefile(here) else [here]
    return str(next((whole.relative_to(base) for base in bases if whole.is_relative_to(base)), whole))


def identity(config: dict[str, Any], fingerprint: str | None, received: str | None = None) -> str:
    """Return 8 hexadecimal digits that follow from what a run is: everything that can change its result, no paths.

    The key counts by its fingerprint, a folder with a manifest by the digest of it (`received`). Where CIFAR lies does
    not count: it is the same CIFAR.
    """
    what = {name: config[name] for name in ("data", "encryption", "model", "key_scope", "seed")}
    where = ("num_workers", "resident_gib", "compile")  # how the same images reach the network
    what["data"] = {k: v for k, v in what["data"].items() if k not in where}
    if what["data"]["source"]["_target_"].startswith("vitcrypt.data.cifar"):
        what["data"] |= {"root": None, "source": what["data"]["source"]["_target_"]}
    if received is not None:
        what["data"] |= {"root": received, "source": {**what["data"]["source"], "root": received}}
    cosmetic = ("profiler", "log_every_n_steps", "enable_progress_bar", "detect_anomaly", "stop_on_nan")
    later = {"patch_embedding": "shared", "fold_key": False, "skip_train": 0}  # unused, they leave identities alone
    for name in ("data", "model"):
        what[name] = {k: v for k, v in what[name].items() if k not in later or v != later[k]}
        what[name] = {renames.hashed(k): v for k, v in what[name].items()}
    what["trainer"] = {k: v for k, v in config["trainer"].items() if k not in cosmetic}
    counted = {name: node for name, node in config.get("callbacks", {}).items() if not observes(node)}
    what |= {name: part for name, part in (("callbacks", counted), ("debug", config.get("debug"))) if part}
    what["key"] = fingerprint
    return hashlib.sha256(json.dumps(what, sort_keys=True, allow_nan=False).encode()).hexdigest()[:8]


def published(config: dict[str, Any]) -> dict[str, Any]:
    """Return what others may see of a configuration: nothing of key and results, of data and weights the bare name."""

    def without_folders(node: Any, name: str = "") -> Any:
        if isinstance(node, dict):
            return {key: without_folders(value, key) for key, value in node.items()}
        return Path(node).name if name in INPUTS and node is not None else node

    return without_folders({key: value for key, value in config.items() if key not in ("key", "results", "logger")})


def attack_identity(config: dict[str, Any], fingerprint: str | None) -> str:
    """Return 8 hexadecimal digits that follow from what an attack is: all that can change its result, no paths."""
    what = {name: config[name] for name in ("encryption", "attack", "key_scope", "seed", "image_size")}
    kept = ("source", "interpolation", "limit_train", "limit_test", "split_seed")
    what["data"] = {name: config["data"][name] for name in kept}
    if what["data"]["source"]["_target_"].startswith("vitcrypt.data.cifar"):
        what["data"]["source"] = what["data"]["source"]["_target_"]
    what["attack"] = json.loads(json.dumps(what["attack"], allow_nan=False))
    what["attack"]["method"].pop("device", None)
    for name in ("weights", "public_weights"):
        if (path := what["attack"]["observation"].pop(name)) is not None:
            what[name] = sha256(expanded(path))
    what["key"] = fingerprint
    return hashlib.sha256(json.dumps(what, sort_keys=True, allow_nan=False).encode()).hexdigest()[:8]
