"""What Hydra composes against: the dataclasses of `config`, and of groups the options that each of their files has."""

from dataclasses import field, make_dataclass
from functools import cache
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from vitcrypt.experiment.config import AttackConfig, Config

TARGET, BLOCK, WEIGHTS = ("_target_", str, MISSING), ("block_size", int, MISSING), ("weights", str | None, None)
OPTIONS: dict[str, list[tuple[str, Any, Any]]] = {
    "encryption/scheme": [TARGET],
    "encryption/block": [TARGET, BLOCK],
    "encryption/pe": [TARGET, ("channel_shuffle", bool, True)],
    "encryption/horio": [TARGET, BLOCK, ("fixed_blocks", float, 0.612), ("fixed_values", float, 0.651)],
    "encryption/neuracrypt": [TARGET, BLOCK, ("hidden", int, 128), ("depth", int, 4)],
    "encryption/jpeg": [TARGET, BLOCK, ("quality", int | None, 80)],
    "encryption/gray_jpeg": [TARGET, BLOCK, ("quality", int | None, 80), ("table", str, "luminance")],
    "encryption/noise": [TARGET, BLOCK, ("sigma", float, 32.0), ("distribution", str, "gaussian")],
    "encryption/features": [TARGET, BLOCK, WEIGHTS, ("clip", float, 1.0), ("sigma", float, 0.5), ("code", bool, False)],
    "encryption/i2p": [TARGET, BLOCK, WEIGHTS],
    "encryption/received": [("_target_", str | None, None)],
    "logger/csv": [TARGET],
    "logger/wandb": [
        TARGET,
        ("project", str, "vitcrypt"),
        ("entity", str | None, None),
        ("group", str | None, None),
        ("tags", list[str], field(default_factory=list)),
    ],
    "logger/mlflow": [TARGET, ("experiment", str, "vitcrypt"), ("tracking_uri", str | None, None)],
}
"""Name, type and default of the options of a group's file."""


@cache
def register() -> None:
    """Make the schemas known to Hydra. Those of groups stand apart, so that `encryption=glob(*)` finds options only."""
    store = ConfigStore.instance()
    store.store(name="config_schema", node=Config)
    store.store(name="attack_config_schema", node=AttackConfig)
    for place, options in OPTIONS.items():
        group, _, name = place.partition("/")
        store.store(group=f"schema/{group}", name=name, node=make_dataclass(name, options))
