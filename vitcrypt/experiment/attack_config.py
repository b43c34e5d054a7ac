"""The schema of an attack's configuration, its checks, and the identity of an attack."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from vitcrypt.experiment.config import DataConf


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
