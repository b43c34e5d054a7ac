"""What Hydra composes against: the dataclasses of `config`, and of groups the options that each of their files has."""

from dataclasses import dataclass, field
from functools import cache

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from vitcrypt.experiment.config import AttackConfig, Config


@dataclass
class SchemeConf:  # noqa: D101
    _target_: str = MISSING


@dataclass
class BlockSchemeConf(SchemeConf):  # noqa: D101
    block_size: int = MISSING


@dataclass
class PEConf(SchemeConf):  # noqa: D101
    channel_shuffle: bool = True


@dataclass
class HorioConf(BlockSchemeConf):  # noqa: D101
    fixed_blocks: float = 0.612
    fixed_values: float = 0.651


@dataclass
class NeuraCryptConf(BlockSchemeConf):  # noqa: D101
    hidden: int = 128
    depth: int = 4


@dataclass
class JPEGSchemeConf(BlockSchemeConf):  # noqa: D101
    quality: int | None = 80


@dataclass
class GrayJPEGConf(JPEGSchemeConf):  # noqa: D101
    table: str = "luminance"


@dataclass
class NoiseConf(BlockSchemeConf):  # noqa: D101
    sigma: float = 32.0
    distribution: str = "gaussian"


@dataclass
class FeaturesConf(BlockSchemeConf):  # noqa: D101
    weights: str | None = None
    clip: float = 1.0
    sigma: float = 0.5
    code: bool = False


@dataclass
class I2PConf(BlockSchemeConf):  # noqa: D101
    weights: str | None = None


@dataclass
class ReceivedConf:  # noqa: D101
    _target_: str | None = None


@dataclass
class CSVConf:  # noqa: D101
    _target_: str = MISSING


@dataclass
class WandbConf(CSVConf):  # noqa: D101
    project: str = "vitcrypt"
    entity: str | None = None
    group: str | None = None
    tags: list[str] = field(default_factory=list)


@dataclass
class MLflowConf(CSVConf):  # noqa: D101
    experiment: str = "vitcrypt"
    tracking_uri: str | None = None


@cache
def register() -> None:
    """Make the schemas known to Hydra. Those of groups stand apart, so that `encryption=glob(*)` finds options only."""
    store = ConfigStore.instance()
    store.store(name="config_schema", node=Config)
    store.store(name="attack_config_schema", node=AttackConfig)
    for group, name, node in (
        ("encryption", "scheme", SchemeConf),
        ("encryption", "block", BlockSchemeConf),
        ("encryption", "pe", PEConf),
        ("encryption", "horio", HorioConf),
        ("encryption", "neuracrypt", NeuraCryptConf),
        ("encryption", "jpeg", JPEGSchemeConf),
        ("encryption", "gray_jpeg", GrayJPEGConf),
        ("encryption", "noise", NoiseConf),
        ("encryption", "features", FeaturesConf),
        ("encryption", "i2p", I2PConf),
        ("encryption", "received", ReceivedConf),
        ("logger", "csv", CSVConf),
        ("logger", "wandb", WandbConf),
        ("logger", "mlflow", MLflowConf),
    ):
        store.store(group=f"schema/{group}", name=name, node=node)
