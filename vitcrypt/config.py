"""The schema of the configuration, its checks, and the identity of a run.

The dataclasses say which names exist and of which type they are: a misspelt override is an error, not a no-op.
"""

import hashlib
import json
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

CONF = next(p for p in (Path(__file__).parent / "conf", Path(__file__).parent.parent / "conf") if p.is_dir())
"""The configuration folder: inside the installed package, or beside it in a checkout."""

ALLOWED_TARGETS = ("vitcrypt.", "timm.", "torch.optim.", "lightning.")


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
    augment: str = "owner"
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
    adapt_to_key: bool = False
    schedule: str = "cosine"
    milestones: list[int] = field(default_factory=list)
    warmup_steps: int = 0
    label_smoothing: float = 0.0
    gradient_clip: float | None = None
    compile: bool = False
    channels_last: bool = False


@dataclass
class TrainerConf:
    """The arguments of lightning.Trainer that can be configured."""

    _target_: str = "lightning.Trainer"
    accelerator: str = "auto"
    devices: Any = 1
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "auto"
    max_epochs: int | None = "${model.epochs}"  # type: ignore[assignment]
    max_steps: int = "${model.steps}"  # type: ignore[assignment]
    gradient_clip_val: float | None = "${model.gradient_clip}"  # type: ignore[assignment]
    limit_train_batches: float | None = None
    limit_val_batches: float | None = None
    check_val_every_n_epoch: int = 1
    log_every_n_steps: int = 50
    enable_progress_bar: bool = True
    deterministic: Any = None
    benchmark: bool | None = None
    sync_batchnorm: bool = False
    detect_anomaly: bool = False


@dataclass
class Config:
    """The root: see conf/config.yaml."""

    data: DataConf = MISSING
    encryption: Any = MISSING
    model: ModelConf = MISSING
    trainer: TrainerConf = MISSING
    logger: Any = MISSING
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
class NoEncryptionConf:  # noqa: D101
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


def register() -> None:
    """Make the schemas known to Hydra. Those of groups stand apart, so that `encryption=glob(*)` finds options only."""
    store = ConfigStore.instance()
    store.store(name="config_schema", node=Config)
    for group, name, node in (
        ("encryption", "scheme", SchemeConf),
        ("encryption", "block", BlockSchemeConf),
        ("encryption", "pe", PEConf),
        ("encryption", "none", NoEncryptionConf),
        ("logger", "csv", CSVConf),
        ("logger", "wandb", WandbConf),
    ):
        store.store(group=f"schema/{group}", name=name, node=node)


def validate(config: dict[str, Any]) -> None:
    """Check what types cannot: raise ValueError saying what is wrong, the values, and the override that mends it."""
    for name, node, schema in (("", config, Config), *((f"{n}.", config[n], s) for n, s in SECTIONS.items())):
        known = [entry.name for entry in fields(schema)]
        for added in node.keys() - set(known):  # +name=value gets past the schema
            near = get_close_matches(added, known, n=1)
            raise ValueError(f"there is no {name}{added}" + (f"; did you mean {name}{near[0]}?" if near else ""))
    data, model, scheme = config["data"], config["model"], config["encryption"]
    size, block, patch = data["image_size"], scheme.get("block_size", 1), model["patch_size"]
    for name, options in (("augment", ("owner", "provider", "none")), ("interpolation", ("bilinear", "bicubic"))):
        if data[name] not in options:
            raise ValueError(f"data.{name} is one of {', '.join(options)}; got {data[name]}")
    if config["key_scope"] not in ("shared", "per_image"):
        raise ValueError(f"key_scope is shared or per_image; got {config['key_scope']}")
    if model["schedule"] not in ("cosine", "constant", "multistep"):
        raise ValueError(f"model.schedule is cosine, constant or multistep; got {model['schedule']}")
    if model["schedule"] == "multistep" and (config["trainer"]["max_epochs"] or -1) < 1:
        raise ValueError("model.schedule=multistep counts epochs: say model.epochs=NUMBER, or model.schedule=cosine")
    _check_adaptation(model, scheme)
    _check_patch_embedding(config)
    if not 0 <= data["validation"] < 1:
        raise ValueError(f"data.validation is a share of the training images, 0 <= share < 1; got {data['validation']}")
    if block < 1 or size % block:
        fits = [b for b in (2, 4, 8, 16, 32) if size % b == 0]
        raise ValueError(
            f"encryption.block_size={block} does not divide images of {size} x {size} (data.image_size); "
            f"say encryption.block_size= one of {fits}, or another model.image_size"
        )
    if patch and size % patch:
        fits = patch * (size // patch + 1)
        raise ValueError(
            f"model.patch_size={patch} does not divide data.image_size={size}; say model.image_size={fits}"
        )
    scrambles = (scheme["_target_"] or "").endswith(".Proposed")
    allowed = config["allow_patch_mismatch"] or model["adapt_to_key"]  # then the network itself says what it can follow
    if scrambles and patch and block != patch and not allowed:
        raise ValueError(
            f"encryption.block_size={block} is not model.patch_size={patch}: a ViT absorbs block scrambling only if "
            f"a block is a patch; say encryption.block_size={patch}, or allow_patch_mismatch=true to study the mismatch"
        )
    if model["pretrained"] and model["weights"] is None and not model["network"]["_target_"].startswith("timm."):
        name = config["names"]["model"]
        raise ValueError(f"{name} has no pretrained weights; say model.pretrained=false or model.weights=FILE")
    check_targets(config, (*ALLOWED_TARGETS, *(f"{name.rstrip('.')}." for name in config["allow_targets"])))


def _check_adaptation(model: dict[str, Any], scheme: dict[str, Any]) -> None:
    adaptation, size = model["adaptation"], model["block_size"]
    if adaptation not in ("none", "le", "ele"):
        raise ValueError(f"model.adaptation is none, le or ele; got {adaptation}")
    if adaptation != "none" and model["patch_size"]:
        raise ValueError(f"model.adaptation={adaptation} goes in front of a CNN; say model=shakedrop or model=resnet18")
    if adaptation != "none" and scheme.get("block_size", size) != size:
        raise ValueError(
            f"model.adaptation={adaptation} works on blocks of model.block_size={size}, the encryption on blocks of "
            f"encryption.block_size={scheme['block_size']}; say model.block_size={scheme['block_size']} alone"
        )


def _check_patch_embedding(config: dict[str, Any]) -> None:
    model, name, scheme = config["model"], config["names"]["model"], config["encryption"]["_target_"]
    kind, kinds = model["patch_embedding"], ("shared", "per_position", "shared_nibbles", "per_position_nibbles")
    if kind not in kinds:
        raise ValueError(f"model.patch_embedding is one of {', '.join(kinds)}; got {kind}")
    if kind != "shared" and not model["patch_size"]:
        raise ValueError(f"model.patch_embedding={kind} needs a ViT, and {name} embeds no patches; say model=vit_b16")
    if not model["adapt_to_key"]:
        return
    if not model["patch_size"]:
        raise ValueError(
            f"model.adapt_to_key=true folds the key into the patches of a ViT, and {name} has none; say model=vit_b16"
        )
    if scheme in (None, "vitcrypt.encryption.Plain"):
        came = "the images come encrypted and there is no key here: the owner runs vitcrypt adapt" if not scheme else ""
        raise ValueError(
            f"model.adapt_to_key=true needs a key, and with encryption={config['names']['encryption']} there is none; "
            + (came or "say encryption=proposed, or model.adapt_to_key=false")
        )
    if config["key_scope"] != "shared":
        raise ValueError("model.adapt_to_key=true needs one key for all images; say key_scope=shared")
    if not model["pretrained"] and model["weights"] is None:
        raise ValueError(
            "model.adapt_to_key=true moves pretrained weights as the key moves pixels, and random weights need no "
            "moving; say model.weights=FILE or model.pretrained=true, or model.adapt_to_key=false"
        )


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
    cosmetic = ("log_every_n_steps", "enable_progress_bar", "detect_anomaly")
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


def check_targets(node: Any, allowed: tuple[str, ...]) -> None:
    """Raise ValueError if anything below `node` is to be built from elsewhere than `allowed`."""
    if isinstance(node, list):
        for child in node:
            check_targets(child, allowed)
    if not isinstance(node, dict):
        return
    target = node.get("_target_")
    if target is not None and not target.startswith(allowed):
        raise ValueError(
            f"_target_: {target} is not allowed; configurations build things from {', '.join(allowed)} only. "
            f"To allow your own: 'allow_targets=[{target.split('.')[0]}]'"
        )
    for child in node.values():
        check_targets(child, allowed)
