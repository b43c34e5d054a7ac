"""The schema of an attack's configuration, its checks, and the identity of an attack."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from vitcrypt.config import DataConf, check_targets
from vitcrypt.files import sha256


@dataclass
class ObservationConf:
    """What the attacker holds, as numbers of images."""

    ciphertexts: int = 100
    labels: bool = False
    public_images: int = 0
    known: int = 0
    queries: int = 0
    weights: str | None = None  # of a network that carries the key ...
    public_weights: str | None = None  # ... and of the one that it was made from


@dataclass
class AttackConf:  # noqa: D101
    method: dict[str, Any] = MISSING
    observation: ObservationConf = field(default_factory=ObservationConf)


@dataclass
class SizesConf:  # noqa: D101
    image_size: int = MISSING
    block_size: int = MISSING
    batch_size: int = 1
    micro_batch_size: int | None = None


@dataclass
class AttackConfig:
    """The root: see conf/attack_config.yaml."""

    data: DataConf = MISSING
    encryption: Any = MISSING
    attack: AttackConf = MISSING
    names: dict[str, str] = MISSING
    image_size: int = 32
    block_size: int = 4
    model: SizesConf = field(default_factory=SizesConf)
    key: str = "test-0"
    key_scope: str = "shared"
    seed: int = 0
    results: str = "results"
    resume: bool = True
    allow_targets: list[str] = field(default_factory=list)
    lpips_weights: str | None = None


def register_attack() -> None:
    """Make the schema known to Hydra."""
    ConfigStore.instance().store(name="attack_config_schema", node=AttackConfig)


def validate_attack(config: dict[str, Any]) -> None:
    """Check what types cannot: raise ValueError saying what is wrong and the override that mends it."""
    if config["key_scope"] not in ("shared", "per_image"):
        raise ValueError(f"key_scope is shared or per_image; got {config['key_scope']}")
    if config["encryption"].get("_target_") is None:
        raise ValueError("encryption=none has no ciphertexts of a known scheme; choose le, etc, ele, pe or proposed")
    held = config["attack"]["observation"]
    if held["ciphertexts"] < 1:
        raise ValueError(f"attack.observation.ciphertexts={held['ciphertexts']}: there must be something to restore")
    for name in ("public_images", "known", "queries"):
        if held[name] < 0:
            raise ValueError(f"attack.observation.{name}={held[name]} must not be negative")
    if (held["weights"] is None) != (held["public_weights"] is None):
        raise ValueError(
            "weights are compared with the public ones that they were made from: give both "
            "attack.observation.weights=FILE and attack.observation.public_weights=FILE"
        )
    for name in ("weights", "public_weights"):
        if held[name] is not None and not Path(held[name]).expanduser().is_file():
            raise FileNotFoundError(f"attack.observation.{name}={held[name]} does not exist")
    check_targets(config, ("vitcrypt.", *(f"{name.rstrip('.')}." for name in config["allow_targets"])))


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
