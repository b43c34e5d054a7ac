"""Configurations as the programs compose them, as plain values."""

from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from vitcrypt.experiment.composition import checked, settled
from vitcrypt.experiment.config import CONF
from vitcrypt.experiment.schema import register


def composed(*overrides, name="config", folder=CONF):
    """Compose as the program does and return plain values."""
    register()
    GlobalHydra.instance().clear()
    with checked(), initialize_config_dir(str(folder), version_base="1.3"):
        path = [f"hydra.searchpath=[file://{CONF}]"] if folder != CONF else []
        config = compose(name, overrides=[*overrides, *path], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    plain = OmegaConf.to_container(config, resolve=False)
    del plain["hydra"]
    return settled(OmegaConf.to_container(OmegaConf.create(plain), resolve=True))


def attack_values(tmp_path: Path, scheme: str, method: str, *overrides: str) -> dict[str, Any]:
    """Compose an attack on digits as the program does and return plain values."""
    register()
    names = {"data": "digits", "encryption": scheme, "attack": method}
    chosen = [f"{group}={name}" for group, name in names.items()] + [f"names.{g}={n}" for g, n in names.items()]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("attack_config", [*chosen, f"results={tmp_path}", *overrides])
    plain: Any = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    return settled(plain)
