"""What a run or an attack is, as a few digits, and what others may see of its configuration."""

import hashlib
import json
from pathlib import Path
from typing import Any

from vitcrypt.jobs.atomic import sha256


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
    cosmetic = ("log_every_n_steps", "enable_progress_bar", "detect_anomaly", "stop_on_nan")
    later = {"patch_embedding": "shared", "adapt_to_key": False, "skip_train": 0}  # unused, they leave identities alone
    for name in ("data", "model"):
        what[name] = {k: v for k, v in what[name].items() if k not in later or v != later[k]}
    what["trainer"] = {k: v for k, v in config["trainer"].items() if k not in cosmetic}
    what["key"] = fingerprint
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:8]


def published(config: dict[str, Any]) -> dict[str, Any]:
    """Return what others may see of a configuration: nothing of key and results, of data and weights the bare name."""

    def without_folders(node: Any, name: str = "") -> Any:
        if isinstance(node, dict):
            return {key: without_folders(value, key) for key, value in node.items()}
        return (
            Path(node).name
            if name in ("root", "weights", "public_weights", "lpips_weights") and node is not None
            else node
        )

    return without_folders({key: value for key, value in config.items() if key not in ("key", "results", "logger")})


def attack_identity(config: dict[str, Any], fingerprint: str | None) -> str:
    """Return 8 hexadecimal digits that follow from what an attack is: all that can change its result, no paths."""
    what = {name: config[name] for name in ("encryption", "attack", "key_scope", "seed", "image_size")}
    kept = ("source", "interpolation", "limit_train", "limit_test", "split_seed")
    what["data"] = {name: config["data"][name] for name in kept}
    if what["data"]["source"]["_target_"].startswith("vitcrypt.data.cifar"):
        what["data"]["source"] = what["data"]["source"]["_target_"]
    what["attack"] = json.loads(json.dumps(what["attack"]))
    what["attack"]["method"].pop("device", None)
    for name in ("weights", "public_weights"):
        if (path := what["attack"]["observation"].pop(name)) is not None:
            what[name] = sha256(Path(path).expanduser())
    what["key"] = fingerprint
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:8]
