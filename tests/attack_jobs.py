"""Configurations of the attack program, composed as on its command line."""

from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from vitcrypt.experiment.config import CONF
from vitcrypt.experiment.validate import validate_attack


def config(tmp_path: Path, scheme: str, method: str, *overrides: str) -> dict[str, Any]:
    names = {"data": "digits", "encryption": scheme, "attack": method}
    chosen = [f"{group}={name}" for group, name in names.items()] + [f"names.{g}={n}" for g, n in names.items()]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("attack_config", [*chosen, f"results={tmp_path}", *overrides])
    plain: Any = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    validate_attack(plain)
    return plain
