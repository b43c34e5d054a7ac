"""From a node of a configuration to the object that it describes: a `_target_`, looked up in a list, and values.

A configuration may come from someone else. What it names is therefore looked up by group and by name, the object that
is found there must be the one that was meant, and its arguments are numbers, text and lists of them. No attribute is
walked from one module into another, and Hydra's own `instantiate` is called nowhere.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from vitcrypt.untrusted.network import network_values
from vitcrypt.untrusted.text import printable

TORCH = "Adadelta Adafactor Adagrad Adam Adamax AdamW ASGD Muon NAdam RAdam RMSprop Rprop SGD"
TIMM = (
    "AdaBelief Adafactor AdafactorBigVision AdamP AdamWLegacy Adan Adopt LaProp Lamb Lars Lion MADGRAD Mars "
    "Muon NAdamLegacy NAdamW NvNovoGrad RAdamLegacy RMSpropTF SGDP SGDW"
)
TRANSFORMS = (
    "AugMix AutoAugment CenterCrop ColorJitter ElasticTransform GaussianBlur JPEG Pad RandAugment "
    "RandomAdjustSharpness RandomAffine RandomAutocontrast RandomChannelPermutation RandomCrop RandomEqualize "
    "RandomGrayscale RandomHorizontalFlip RandomInvert RandomPerspective RandomPhotometricDistort RandomPosterize "
    "RandomResizedCrop RandomRotation RandomSolarize RandomVerticalFlip Resize TrivialAugmentWide"
)
"""Of torchvision, what makes one uint8 image out of another with random numbers of torch's generator alone."""
LOGGERS = ("csv_logger", "mlflow_logger", "tensorboard_logger", "wandb_logger")
OBSERVERS = ("LearningRateMonitor", "DeviceStatsMonitor")
"""Callbacks of Lightning that only watch: a result does not depend on them."""

GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "data.source": {"vitcrypt.data": ("cifar10", "cifar100", "digits", "folder", "npz", "shards")},
    "data.transforms.*": {"torchvision.transforms.v2": tuple(TRANSFORMS.split())},
    "encryption": {
        "vitcrypt.encryption": (
            *("ELE", "LE", "PE", "EtC", "Plain", "Proposed"),
            *("EtCJPEG", "Features", "GrayscaleEtC", "Horio", "I2P", "NeuraCrypt", "Noise", "Orthogonal", "PEViTRS"),
            "Pixelise",
        )
    },
    "model.network": {
        "timm": ("create_model",),
        "vitcrypt.models": ("ConvMixer", "OrbitNetwork", "PyramidNet", "ResNet18"),
    },
    "model.optimizer": {"torch.optim": tuple(TORCH.split()), "timm.optim": tuple(TIMM.split())},
    "trainer": {"lightning": ("Trainer",)},
    "callbacks.*": {
        "lightning.pytorch.callbacks": ("EarlyStopping", *OBSERVERS),
        "vitcrypt.experiment.callbacks": ("EMA",),
    },
    "logger.*": {"vitcrypt.experiment.loggers": LOGGERS, "vitcrypt.tracking": LOGGERS},
    "attack.method": {
        "vitcrypt.attacks": (
            *("FR", "GAN", "ITN", "ChosenPlaintext", "Decoder", "Isometry", "Jigsaw", "KnownPlaintext"),
            *("LearnedLink", "LinearMap", "Link", "Propagation", "Statistics", "Topology", "Trilateration", "Weights"),
        )
    },
}
"""For each place in a configuration what may be built there: a module and names in it. `*` is any name or number."""

PUBLISHED = ("vitcrypt.data.cifar10", "vitcrypt.data.cifar100")
"""Sources whose images are the same wherever they lie."""
SHARDS = "vitcrypt.data.shards"
"""The source whose root may be an address, and whose memory and cache count for no identity."""

MOVED = {"vitcrypt.tracking": "vitcrypt.experiment.loggers"}
Own = Sequence[str]


def build(group: str, node: Any, own: Own = (), **arguments: Any) -> Any:
    """Build what a node describes.

    Args:
        group: Where the node stands, as `GROUPS` names it.
        node: Resolved, as plain values.
        own: The user's own modules (allow_targets).
        arguments: What the program itself gives; a node may not name these.

    Raises:
        ValueError: The target is none of the group's, the arguments are not plain values, or there is no such module.
    """
    return builder(group, node, own)(**arguments)


def builder(group: str, node: Any, own: Own = ()) -> partial[Any]:
    """Return what builds the object of a node, less the arguments that the program gives; otherwise as `build`."""
    target = _target(node, group)
    if not _named(target, group):
        return _own(node, group, own)
    module, _, name = target.rpartition(".")
    module = MOVED.get(module, module)
    found: Any = getattr(importlib.import_module(module), name, None)
    if not _is_defined(found, name, module):
        raise ValueError(f"{group}._target_: {target} is no longer defined in {module}; choose another")
    values = network_values(node, group).values() if group == "model.network" else _plain(node, group)
    return partial(found, **values)


def observes(node: Any) -> bool:
    """Return whether a callback only watches, so that a result does not depend on it."""
    module, _, name = _target(node, "callbacks").rpartition(".")
    return module == "lightning.pytorch.callbacks" and name in OBSERVERS


def check(config: Any, own: Own = ()) -> None:
    """Raise ValueError if anything in a whole configuration would be built that may not be. Loads nothing."""
    for module in own:
        if not all(part.isidentifier() for part in module.split(".")):
            raise ValueError(
                f"allow_targets is a list of modules, as allow_targets=[mine]; got {printable(module, 80)}"
            )
    for place, node in _nodes(config):
        group, target = _group(place), _target(node, place)
        if _is_own(target, own) and group is not None:
            continue
        if group is None:
            raise ValueError(f"{place}._target_: nothing is built there; remove it")
        if group != place or not _named(target, place):
            raise ValueError(_refusal(place, target, group))
        if group == "model.network":
            network_values(node, group)
        else:
            _plain(node, place)


def _nodes(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what should have a target and what has one, with where it stands. Encryption may be none."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    none = place == "encryption" and isinstance(node, dict) and node.get("_target_", "") is None
    if not none and (_pattern(place) in GROUPS or (isinstance(node, dict) and "_target_" in node)):
        yield place, node
    for name, child in children:
        yield from _nodes(child, f"{place}.{printable(name, 60)}".lstrip("."))


def _target(node: Any, place: str) -> str:
    target = node.get("_target_") if isinstance(node, dict) else None
    if not isinstance(target, str) or not all(part.isidentifier() for part in target.split(".")):
        raise ValueError(
            f"{place}._target_: {printable(target, 80)} is not allowed; it is a name, as in {_some(place)}"
        )
    return target


def _pattern(place: str) -> str:
    """Return a place as `GROUPS` names it: those below callbacks, loggers and transforms have any name."""
    several = f"{place.rpartition('.')[0]}.*"
    return several if several in GROUPS else place


def _group(place: str) -> str | None:
    """Return the nearest place, upwards, at which something is built."""
    while place and _pattern(place) not in GROUPS:
        place = place.rpartition(".")[0]
    return place or None


def _named(target: str, place: str) -> bool:
    module, _, name = target.rpartition(".")
    return name in GROUPS[_pattern(place)].get(module, ())


def _some(place: str) -> str:
    names = [f"{module}.{name}" for module, names in GROUPS.get(_pattern(place), {}).items() for name in names]
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") or "the files of vitcrypt"


def _refusal(place: str, target: str, group: str) -> str:
    return (
        f"{place}._target_: {printable(target, 200)} is not allowed; configurations build {_some(group)} only. "
        f"To allow your own, on the command line: 'allow_targets=[{printable(target.split('.')[0], 60)}]'"
    )


def _plain(node: dict[Any, Any], place: str) -> dict[str, Any]:
    """Return the arguments of a node after checking that they are numbers, text, or lists of them."""
    values = {name: value for name, value in node.items() if name != "_target_"}
    for name, value in values.items():
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
            raise ValueError(f"{place}.{printable(name, 60)}: only _target_ and named arguments are allowed here")
        if not _is_plain(value):
            raise ValueError(f"{place}.{name} is a number, text or a list of them; nothing is built there")
    return values


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(entry) for entry in value)
    return value is None or isinstance(value, bool | int | float | str)


def _is_defined(found: Any, qualname: str, module: str) -> bool:
    """Whether an object is a function or class that `module`, or one below it, defines under this name."""
    if not (inspect.isfunction(found) or inspect.isclass(found)) or found.__qualname__ != qualname:
        return False
    return f"{found.__module__}.".startswith(f"{module}.")


def _is_own(target: str, own: Own) -> bool:
    return any(target.startswith(f"{module}.") for module in own)


def _own(node: dict[Any, Any], place: str, own: Own) -> partial[Any]:
    """Return what builds an object of the user's own modules; nodes inside of it are built too, if they are own."""
    target = _target(node, place)
    if not _is_own(target, own):
        raise ValueError(_refusal(place, target, _group(place) or place))
    found, qualname = _import(target)
    if not any(_is_defined(found, qualname, module) for module in own):
        raise ValueError(f"{place}._target_: {target} is no class or function that {', '.join(own)} define")
    values = {name: value for name, value in node.items() if name != "_target_"}
    if special := [name for name in values if not isinstance(name, str) or name.startswith("_")]:
        raise ValueError(f"{place}.{printable(special[0], 60)}: only _target_ and named arguments are allowed here")
    return partial(found, **{name: _built(value, f"{place}.{name}", own) for name, value in values.items()})


def _built(value: Any, place: str, own: Own) -> Any:
    if isinstance(value, list):
        return [_built(entry, f"{place}.{i}", own) for i, entry in enumerate(value)]
    if isinstance(value, dict) and "_target_" in value:
        return _own(value, place, own)()
    if isinstance(value, dict):
        return {name: _built(entry, f"{place}.{name}", own) for name, entry in value.items()}
    return value


def _import(target: str) -> tuple[Any, str]:
    """Return the object of a dotted name of the user's own, and the part of the name that comes after its module."""
    parts = target.split(".")
    for count in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:count])
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise  # a module of the user's lacks something itself
            continue
        for name in parts[count:]:
            found = getattr(found, name, None)
        return found, ".".join(parts[count:])
    raise ValueError(f"{target}: there is no module {parts[0]}; is its folder in PYTHONPATH?")
