"""The configuration of both programs: which options exist, their types and ranges, and what counts for an identity.

Hydra composes against these dataclasses, so a misspelt override is an error; `typed` turns what it composed into them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from omegaconf import MISSING
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from vitcrypt.experiment.blame import near
from vitcrypt.experiment.ranges import (
    Amount,
    Copies,
    Count,
    KeyFiles,
    KeyScope,
    Limit,
    Name,
    NotNegative,
    OrAll,
    PathText,
    Seed,
    Share,
    Side,
    one_of,
    some_batches,
)
from vitcrypt.untrusted.documents import MAX_SIDE
from vitcrypt.untrusted.text import printable

CONF = next(p for up in (1, 2) if (p := Path(__file__).parents[up] / "conf").is_dir())
"""The configuration folder: inside the installed package, or beside it in a checkout."""


class Strict:
    """A group of options, of which no other may be added."""

    __pydantic_config__ = ConfigDict(extra="forbid")


UNCOUNTED = {"identity": "never"}
"""Metadata of a field that cannot change the result of a run."""
LATER = {"identity": "unless default"}
"""Metadata of a field that came later: at its default it keeps the identities of before. `hashed`: its older name."""


@dataclass
class DataConf(Strict):
    """The group `data`: images, what is done to them before a network gets them, and batches."""

    source: dict[str, Any] = MISSING
    root: PathText | None = None
    image_size: Side = "${model.image_size}"  # type: ignore[assignment]
    interpolation: Annotated[str, one_of("bilinear", "bicubic")] = "bilinear"
    # share of the training images, where no validation images come along; 0: none
    validation: Share = 0.1
    split_seed: Seed = 0
    limit_train: Count | None = None
    limit_test: Count | None = None
    # of the training images, shuffled by split_seed, leave out so many before limit_train counts
    skip_train: NotNegative = field(default=0, metadata=LATER)
    augment: Annotated[str, one_of("auto", "owner", "provider", "none")] = "auto"
    crop_padding: Annotated[int, Field(ge=0, le=MAX_SIDE)] = 0
    flip: bool = False
    transforms: list[Any] = field(default_factory=list, metadata=LATER)
    batch_size: Count = "${model.batch_size}"  # type: ignore[assignment]
    micro_batch_size: Count | None = "${model.micro_batch_size}"  # type: ignore[assignment]
    num_workers: Annotated[int, Field(ge=0, le=1024)] = field(default=0, metadata=UNCOUNTED)
    resident_gib: Amount = field(default=4.0, metadata=UNCOUNTED)
    compile: bool = field(default=False, metadata=UNCOUNTED)


@dataclass
class ModelConf(Strict):
    """The group `model`: a network and how it is trained."""

    network: dict[str, Any] = MISSING
    pretrained: bool = False
    weights: PathText | None = None
    image_size: Side = MISSING
    patch_size: Side | None = None
    block_size: Side = MISSING
    batch_size: Count = MISSING
    micro_batch_size: Count | None = None
    epochs: OrAll = MISSING
    steps: OrAll = -1
    optimizer: dict[str, Any] = MISSING
    adaptation: Annotated[str, one_of("none", "le", "ele")] = "none"
    patch_embedding: Annotated[str, one_of("shared", "per_position", "shared_nibbles", "per_position_nibbles")] = field(
        default="shared", metadata=LATER
    )
    fold_key: bool = field(default=False, metadata=LATER | {"hashed": "adapt_to_key"})
    schedule: Annotated[str, one_of("cosine", "constant", "multistep")] = "cosine"
    milestones: list[int] = field(default_factory=list)
    warmup_steps: NotNegative = 0
    label_smoothing: Share = 0.0
    mixup: Amount = field(default=0.0, metadata=LATER)
    cutmix: Amount = field(default=0.0, metadata=LATER)
    zero_head: bool = field(default=False, metadata=LATER)
    gradient_clip: Amount | None = None
    compile: bool = False
    channels_last: bool = False


STRATEGIES = "auto ddp ddp_find_unused_parameters_true ddp_find_unused_parameters_false single_device fsdp"
PRECISIONS = "auto 32-true bf16-mixed 16-mixed 64-true bf16-true 16-true transformer-engine 32 bf16 16 64"


@dataclass
class TrainerConf(Strict):
    """The arguments of lightning.Trainer that can be configured, and `stop_on_nan`."""

    _target_: str = "lightning.Trainer"
    accelerator: Annotated[str, one_of("auto", "cpu", "gpu", "cuda", "mps")] = "auto"
    devices: Any = 1
    num_nodes: Count = 1
    strategy: Annotated[str, one_of(*STRATEGIES.split())] = "auto"
    precision: Annotated[str, one_of(*PRECISIONS.split())] = "auto"
    max_epochs: OrAll | None = "${model.epochs}"  # type: ignore[assignment]
    max_steps: OrAll = "${model.steps}"  # type: ignore[assignment]
    gradient_clip_val: Amount | None = "${model.gradient_clip}"  # type: ignore[assignment]
    limit_train_batches: Annotated[Any, AfterValidator(some_batches)] = None
    limit_val_batches: Limit = None
    check_val_every_n_epoch: Count = 1
    log_every_n_steps: NotNegative = field(default=50, metadata=UNCOUNTED)
    enable_progress_bar: bool = field(default=True, metadata=UNCOUNTED)
    deterministic: Any = None
    benchmark: bool | None = None
    sync_batchnorm: bool = False
    detect_anomaly: bool = field(default=False, metadata=UNCOUNTED)
    profiler: Annotated[str, one_of("simple", "advanced")] | None = field(default=None, metadata=UNCOUNTED)
    # end a training whose loss is not finite; false: go on to the last epoch
    stop_on_nan: bool = field(default=True, metadata=UNCOUNTED)


@dataclass
class Names(Strict):
    """How a run is filed and reported."""

    data: Name = MISSING
    encryption: Name = MISSING
    model: Name = MISSING

    def __str__(self) -> str:
        return f"{self.encryption} x {self.model} on {self.data}"


@dataclass
class JobConf(Strict):
    """What trainings and attacks are both told."""

    key: KeyFiles = "test-0"
    key_scope: KeyScope = "shared"
    keys: NotNegative = 0
    seed: Seed = 0
    results: PathText = "results"
    resume: bool = True
    allow_targets: list[str] = field(default_factory=list)


@dataclass
class Config(JobConf):
    """The root of a training: see conf/config.yaml."""

    data: DataConf = MISSING
    encryption: Any = MISSING
    model: ModelConf = MISSING
    trainer: TrainerConf = MISSING
    callbacks: dict[str, Any] = field(default_factory=dict)
    logger: dict[str, Any] = field(default_factory=dict)
    debug: dict[str, Any] = field(default_factory=dict)
    names: Names = MISSING
    allow_patch_mismatch: bool = False

    @property
    def weight_files(self) -> dict[str, str | None]:
        """Paths of weights that the result depends on, by the option that names them."""
        return {"model.weights": self.model.weights, "encryption.weights": self.encryption.get("weights")}


@dataclass
class ObservationConf(Strict):
    """What the attacker holds, as numbers of images."""

    ciphertexts: Count = 100
    labels: bool = False
    # more ciphertexts under the same key, of training images; both_roles: the public images are the same ones in plain
    intercepted: NotNegative = field(default=0, metadata=LATER)
    both_roles: bool = field(default=False, metadata=LATER)
    public_images: NotNegative = 0
    gallery: Annotated[int, Field(ge=-1)] = field(default=0, metadata=LATER)
    gallery_copies: Copies = field(default="exact", metadata=LATER)
    releases: Count = field(default=1, metadata=LATER)  # of private features, in copies that differ in a bit
    rotation: bool = field(default=False, metadata=LATER)  # of private features: whether it is known
    known: NotNegative = 0
    queries: NotNegative = 0
    weights: str | None = None
    public_weights: str | None = None


@dataclass
class AttackConf(Strict):
    """The group `attack`."""

    method: dict[str, Any] = MISSING
    observation: ObservationConf = field(default_factory=ObservationConf)


@dataclass
class SizesConf(Strict):
    """What data and encryption ask of a network elsewhere."""

    image_size: Side = MISSING
    block_size: Side = MISSING
    batch_size: Count = 1
    micro_batch_size: Count | None = None


@dataclass
class AttackNames(Strict):
    """How an attack is filed and reported."""

    data: Name = MISSING
    encryption: Name = MISSING
    attack: Name = MISSING

    def __str__(self) -> str:
        return f"{self.attack} on {self.encryption}, {self.data}"


@dataclass
class AttackConfig(JobConf):
    """The root of an attack: see conf/attack_config.yaml."""

    data: DataConf = MISSING
    encryption: Any = MISSING
    attack: AttackConf = MISSING
    names: AttackNames = MISSING
    image_size: Annotated[int, Field(ge=7, le=MAX_SIDE)] = 32  # SSIM slides a window of 7 x 7
    block_size: Side = 4
    model: SizesConf = field(default_factory=SizesConf)
    lpips_weights: PathText | None = None
    classifier: PathText | None = None

    @property
    def weight_files(self) -> dict[str, str | None]:
        """Paths of weights that the result depends on, by the option that names them."""
        files = {"lpips_weights": self.lpips_weights, "encryption.weights": self.encryption.get("weights")}
        return {**files, "classifier": None if self.classifier is None else str(Path(self.classifier, "last.ckpt"))}


C = TypeVar("C", Config, AttackConfig)
LIMITS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def typed(schema: type[C], values: dict[str, Any]) -> C:
    """Return composed and resolved values as the dataclass of a program.

    Raises:
        ValueError: An option does not exist or is out of its range; the message says what to set.
    """
    try:
        return TypeAdapter(schema).validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "unexpected_keyword_argument":
        raise ValueError(f"there is no {name}{near(name, list(_options(schema)))}")
    if first["type"] == "string_too_short":
        raise ValueError(f"{name}= is empty (a shell variable that is not set?); set {name}=PATH")
    wanted = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    for limit, words in LIMITS.items():
        if limit in (ends := first.get("ctx", {})):
            wanted = f"a number, {words} {ends[limit]:,}"
    raise ValueError(f"{name}={printable(first['input'], 100)}: set it to {wanted}")


def _options(schema: Any, place: str = "") -> Iterator[str]:
    """Yield the dotted names of all options."""
    for entry in fields(schema):
        yield f"{place}{entry.name}"
        if is_dataclass(entry.type):
            yield from _options(entry.type, f"{place}{entry.name}.")
