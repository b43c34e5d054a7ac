"""Configurations as the programs compose them, as plain values."""

import copy
import functools
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from vitcrypt.experiment.composition import check_composed, checked, settled
from vitcrypt.experiment.config import CONF
from vitcrypt.experiment.schema import register
from vitcrypt.untrusted import renames


def composed(*overrides, name="config", folder=CONF):
    """Compose as the program does and return plain values.

    Files are chosen once for all tests that choose the same; what else the overrides say is laid over these by Hydra's
    own function, as Hydra does. `test_configs` compares the two.
    """
    today = renames.overrides(list(overrides))
    choices, values = [], []
    for override in OverridesParser.create().parse_overrides(today):
        (choices if _chooses(override, folder) else values).append(override)
    config = copy.deepcopy(chosen(name, folder, *(override.input_line for override in choices)))
    ConfigLoaderImpl._apply_overrides_to_config(values, config)
    check_composed(config, today)
    HydraConfig.instance().set_config(config)
    plain = OmegaConf.to_container(config, resolve=False)
    del plain["hydra"]
    return settled(OmegaConf.to_container(OmegaConf.create(plain), resolve=True))


@functools.cache
def chosen(name: str, folder: Path, *overrides: str) -> DictConfig:
    """Return what Hydra composes, to be copied; errors are not kept."""
    register()
    GlobalHydra.instance().clear()
    with checked(), initialize_config_dir(str(folder), version_base="1.3"):
        path = [f"hydra.searchpath=[file://{CONF}]"] if folder != CONF else []
        return compose(name, overrides=[*overrides, *path], return_hydra_config=True)


def _chooses(override: Override, folder: Path) -> bool:
    group = override.key_or_group
    known = "/" in group or ("." not in group and any((base / group).is_dir() for base in (CONF, folder)))
    return override.is_sweep_override() or (known and not isinstance(override.value(), dict))


def attack_values(tmp_path: Path, scheme: str, method: str, *overrides: str) -> dict[str, Any]:
    """Compose an attack on digits as the program does and return plain values."""
    chosen = ("data=digits", f"encryption={scheme}", f"attack={method}", f"results={tmp_path}")
    return composed(*chosen, *overrides, name="attack_config")
