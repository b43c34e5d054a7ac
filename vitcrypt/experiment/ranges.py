"""Which values the numbers and names of a configuration may have."""

import math
from dataclasses import dataclass
from typing import Any

from vitcrypt.untrusted.documents import MAX_SIDE
from vitcrypt.untrusted.text import printable


@dataclass(frozen=True)
class Numbers:
    """Finite numbers in a range.

    Args:
        least: The smallest one.
        most: The largest one, None: there is none.
        open: The range ends before the ends that are named.
        or_all: -1 stands for "no limit".
    """

    least: float
    most: float | None = None
    open_below: bool = False
    open_above: bool = False
    or_all: bool = False

    def __contains__(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        above = value > self.least if self.open_below else value >= self.least
        below = self.most is None or (value < self.most if self.open_above else value <= self.most)
        return (above and below) or (self.or_all and value == -1)

    def __str__(self) -> str:
        parts = [f"more than {self.least:,}" if self.open_below else f"at least {self.least:,}"]
        if self.most is not None:
            parts.append(f"less than {self.most:,}" if self.open_above else f"at most {self.most:,}")
        return f"a number, {' and '.join(parts)}" + (", or -1 for no limit" if self.or_all else "")


@dataclass(frozen=True)
class Names:
    """One of some names."""

    names: tuple[str, ...]

    def __contains__(self, value: Any) -> bool:
        return value in self.names

    def __str__(self) -> str:
        return f"{', '.join(self.names[:-1])} or {self.names[-1]}"


STRATEGIES = "auto ddp ddp_find_unused_parameters_true ddp_find_unused_parameters_false single_device fsdp"
PRECISIONS = "auto 32-true bf16-mixed 16-mixed 64-true bf16-true 16-true transformer-engine 32 bf16 16 64"
SEED = Numbers(0, 2**32 - 1)
COUNT = Numbers(1)
SIDE = Numbers(1, MAX_SIDE)
NOT_NEGATIVE = Numbers(0)

RANGES: dict[str, Numbers | Names] = {
    "seed": SEED,
    "key_scope": Names(("shared", "per_image")),
    "image_size": SIDE,
    "block_size": SIDE,
    "data.image_size": SIDE,
    "data.interpolation": Names(("bilinear", "bicubic")),
    "data.validation": Numbers(0, 1, open_above=True),
    "data.split_seed": SEED,
    "data.limit_train": COUNT,
    "data.limit_test": COUNT,
    "data.skip_train": NOT_NEGATIVE,
    "data.augment": Names(("auto", "owner", "provider", "none")),
    "data.crop_padding": Numbers(0, MAX_SIDE),
    "data.batch_size": COUNT,
    "data.micro_batch_size": COUNT,
    "data.num_workers": Numbers(0, 1024),
    "data.resident_gib": NOT_NEGATIVE,
    "model.image_size": SIDE,
    "model.patch_size": SIDE,
    "model.block_size": SIDE,
    "model.batch_size": COUNT,
    "model.micro_batch_size": COUNT,
    "model.epochs": Numbers(1, or_all=True),
    "model.steps": Numbers(1, or_all=True),
    "model.adaptation": Names(("none", "le", "ele")),
    "model.patch_embedding": Names(("shared", "per_position", "shared_nibbles", "per_position_nibbles")),
    "model.schedule": Names(("cosine", "constant", "multistep")),
    "model.warmup_steps": NOT_NEGATIVE,
    "model.label_smoothing": Numbers(0, 1, open_above=True),
    "model.gradient_clip": NOT_NEGATIVE,
    "model.optimizer.lr": Numbers(0, open_below=True),
    "model.optimizer.weight_decay": NOT_NEGATIVE,
    "trainer.accelerator": Names(("auto", "cpu", "gpu", "cuda", "mps")),
    "trainer.num_nodes": COUNT,
    "trainer.strategy": Names(tuple(STRATEGIES.split())),
    "trainer.precision": Names(tuple(PRECISIONS.split())),
    "trainer.max_epochs": Numbers(1, or_all=True),
    "trainer.max_steps": Numbers(1, or_all=True),
    "trainer.gradient_clip_val": NOT_NEGATIVE,
    "trainer.limit_train_batches": Numbers(0, open_below=True),
    "trainer.limit_val_batches": NOT_NEGATIVE,
    "trainer.check_val_every_n_epoch": COUNT,
    "trainer.profiler": Names(("simple", "advanced")),
    "trainer.log_every_n_steps": NOT_NEGATIVE,
    "attack.observation.ciphertexts": COUNT,
    "attack.observation.public_images": NOT_NEGATIVE,
    "attack.observation.known": NOT_NEGATIVE,
    "attack.observation.queries": NOT_NEGATIVE,
}
"""By the dotted name of an option. Null, where the schema allows it, is no value."""


PATHS = ("data.root", "model.weights", "key", "results", "lpips_weights")


def check_ranges(config: dict[str, Any]) -> None:
    """Raise ValueError naming the first option that is out of its range, and the range; or the first empty path."""
    for name, allowed in RANGES.items():
        node, last = _parent(config, name)
        missing = node.get(last) is None and not (last in node and _takes_no_null(node))
        if not missing and node[last] not in allowed:
            raise ValueError(f"{name}={printable(node[last], 100)}: set it to {allowed}")
    for name in PATHS:
        node, last = _parent(config, name)
        if node.get(last) == "":
            raise ValueError(f"{name}= is empty (a shell variable that is not set?); set {name}=PATH")


def _parent(config: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """Return what holds an option (nothing, if that is absent), and the option's own name."""
    *path, last = name.split(".")
    node: Any = config
    for part in path:
        node = node.get(part) if isinstance(node, dict) else None
    return (node if isinstance(node, dict) else {}), last


def _takes_no_null(node: dict[str, Any]) -> bool:
    return str(node.get("_target_")).startswith("torch.optim.")
