"""The schema of the configuration.

The dataclasses say which names exist and of which type they are: a misspelt override is an error, not a no-op.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

CONF = next(
    p for p in (Path(__file__).parent.parent / "conf", Path(__file__).parent.parent.parent / "conf") if p.is_dir()
)
"""The configuration folder: inside the installed package, or beside it in a checkout."""


@dataclass
class DataConf:  # noqa: D101
    source: dict[str, Any] = MISSING
    root: str | None = None
    image_size: int = "${model.image_size}"  # type: ignore[assignment]
    interpolation: str = "bilinear"
    validation: float = 0.1  # share of the training images, where no validation images come along; 0: none
    split_seed: int = 0
    limit_train: int | None = None
    limit_test: int | None = None
    skip_train: int = 0  # of the training images, shuffled by split_seed, leave out so many before limit_train counts
    augment: str = "auto"  # as `owner`, or as `none` where images come encrypted
    crop_padding: int = 0
    flip: bool = False
    batch_size: int = "${model.batch_size}"  # type: ignore[assignment]
    micro_batch_size: int | None = "${model.micro_batch_size}"  # type: ignore[assignment]
    num_workers: int = 0
    resident_gib: float = 4.0
    compile: bool = False  # encrypt and normalise in one pass over the pixels


@dataclass
class ModelConf:  # noqa: D101
    network: dict[str, Any] = MISSING
    pretrained: bool = False
    weights: str | None = None
    image_size: int = MISSING
    patch_size: int | None = None
    block_size: int = MISSING
    batch_size: int = MISSING
    micro_batch_size: int | None = None
    epochs: int = MISSING
    steps: int = -1
    optimizer: dict[str, Any] = MISSING
    adaptation: str = "none"
    patch_embedding: str = "shared"
    fold_key: bool = False
    schedule: str = "cosine"
    milestones: list[int] = field(default_factory=list)
    warmup_steps: int = 0
    label_smoothing: float = 0.0
    gradient_clip: float | None = None
    compile: bool = False
    channels_last: bool = False


@dataclass
class TrainerConf:
    """The arguments of lightning.Trainer that can be configured, and `stop_on_nan`."""

    _target_: str = "lightning.Trainer"
    accelerator: str = "auto"
    devices: Any = 1
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "auto"
    max_epochs: int | None = "${model.epochs}"  # type: ignore[assignment]
    max_steps: int = "${model.steps}"  # type: ignore[assignment]
    gradient_clip_val: float | None = "${model.gradient_clip}"  # type: ignore[assignment]
    limit_train_batches: Any = None  # of batch_size images each: 1 is one batch, 1.0 is all of them
    limit_val_batches: Any = None
    check_val_every_n_epoch: int = 1
    log_every_n_steps: int = 50
    enable_progress_bar: bool = True
    deterministic: Any = None
    benchmark: bool | None = None
    sync_batchnorm: bool = False
    detect_anomaly: bool = False
    profiler: str | None = None  # simple or advanced: Lightning's, into the run's folder
    stop_on_nan: bool = True  # end a training whose loss is not finite; false: go on to the last epoch


@dataclass
class Config:
    """The root: see conf/config.yaml."""

    data: DataConf = MISSING
    encryption: Any = MISSING
    model: ModelConf = MISSING
    trainer: TrainerConf = MISSING
    callbacks: dict[str, Any] = field(default_factory=dict)  # by any name, what accompanies a training
    logger: dict[str, Any] = field(default_factory=dict)
    debug: dict[str, Any] = field(default_factory=dict)  # dotted names and the values that a debug run gives them
    names: dict[str, str] = MISSING
    key: str = "test-0"
    key_scope: str = "shared"
    seed: int = 0
    results: str = "results"
    resume: bool = True
    allow_patch_mismatch: bool = False
    allow_targets: list[str] = field(default_factory=list)


SECTIONS: dict[str, type] = {"data": DataConf, "model": ModelConf, "trainer": TrainerConf}


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


def register() -> None:
    """Make the schemas known to Hydra. Those of groups stand apart, so that `encryption=glob(*)` finds options only."""
    store = ConfigStore.instance()
    store.store(name="config_schema", node=Config)
    for group, name, node in (
        ("encryption", "scheme", SchemeConf),
        ("encryption", "block", BlockSchemeConf),
        ("encryption", "pe", PEConf),
        ("encryption", "received", ReceivedConf),
        ("logger", "csv", CSVConf),
        ("logger", "wandb", WandbConf),
        ("logger", "mlflow", MLflowConf),
    ):
        store.store(group=f"schema/{group}", name=name, node=node)
