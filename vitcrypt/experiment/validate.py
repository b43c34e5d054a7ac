"""Checks of a configuration that types cannot make: what is wrong, the values, and the override that mends it."""

from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from vitcrypt.experiment.config import SECTIONS, Config
from vitcrypt.experiment.ranges import check_ranges
from vitcrypt.jobs.place import expanded
from vitcrypt.targets import check as check_targets
from vitcrypt.untrusted.text import printable


def validate(config: dict[str, Any]) -> None:
    """Check what types cannot: raise ValueError saying what is wrong, the values, and the override that mends it."""
    for name, node, schema in (("", config, Config), *((f"{n}.", config[n], s) for n, s in SECTIONS.items())):
        known = [entry.name for entry in fields(schema)]
        for added in node.keys() - set(known):  # +name=value gets past the schema
            near = get_close_matches(added, known, n=1)
            raise ValueError(f"there is no {name}{added}" + (f"; did you mean {name}{near[0]}?" if near else ""))
    check_targets(config, config["allow_targets"])
    data, model, scheme = config["data"], config["model"], config["encryption"]
    size, block, patch = data["image_size"], scheme.get("block_size", 1), model["patch_size"]
    check_ranges(config)
    _check_names(config)
    _check_length(config)
    _check_adaptation(model, scheme)
    _check_patch_embedding(config)
    if block < 1 or size % block:
        fits = [str(b) for b in (2, 4, 8, 16, 32) if size % b == 0]
        ways = [f"encryption.block_size={' or '.join(fits)}"] * bool(fits)
        ways += [f"model.image_size={block * (size // block + 1)}"] * (block > 0)
        raise ValueError(
            f"encryption.block_size={block} does not divide images of {size} x {size} (data.image_size); "
            f"set {', or '.join(ways)}"
        )
    if patch and size % patch:
        fits = patch * (size // patch + 1)
        raise ValueError(
            f"model.patch_size={patch} does not divide data.image_size={size}; say model.image_size={fits}"
        )
    scrambles = (scheme["_target_"] or "").endswith(".Proposed")
    allowed = config["allow_patch_mismatch"] or model["fold_key"]  # then the network itself says what it can follow
    if scrambles and patch and block != patch and not allowed:
        raise ValueError(
            f"encryption.block_size={block} is not model.patch_size={patch}: a ViT absorbs block scrambling only if "
            f"a block is a patch; say encryption.block_size={patch}, or allow_patch_mismatch=true to study the mismatch"
        )
    if model["pretrained"] and model["weights"] is None and not model["network"]["_target_"].startswith("timm."):
        name = config["names"]["model"]
        raise ValueError(f"{name} has no pretrained weights; say model.pretrained=false or model.weights=FILE")


def _check_names(config: dict[str, Any]) -> None:
    for part, name in config["names"].items():
        if name in ("", ".", "..") or "/" in name or not name.isprintable():
            raise ValueError(f"names.{part}={printable(name, 100)}: it names a folder below results; set it to a word")


def _check_length(config: dict[str, Any]) -> None:
    model, trainer = config["model"], config["trainer"]
    epochs = trainer["max_epochs"] or -1
    if epochs < 1 and trainer["max_steps"] < 1:
        raise ValueError(f"model.epochs={epochs} model.steps={trainer['max_steps']} never ends; set one of the two")
    if model["schedule"] == "multistep" and epochs < 1:
        raise ValueError("model.schedule=multistep counts epochs: say model.epochs=NUMBER, or model.schedule=cosine")
    drops = model["milestones"]
    if drops != sorted(set(drops)) or any(epoch < 1 for epoch in drops):
        raise ValueError(f"model.milestones={drops}: set it to epochs from 1 on, each later than the one before")
    if trainer["deterministic"] not in (None, True, False, "warn"):
        raise ValueError(f"trainer.deterministic={trainer['deterministic']}: set it to true, false or warn")


def _check_adaptation(model: dict[str, Any], scheme: dict[str, Any]) -> None:
    adaptation, size = model["adaptation"], model["block_size"]
    if adaptation != "none" and model["patch_size"]:
        raise ValueError(f"model.adaptation={adaptation} goes in front of a CNN; say model=shakedrop or model=resnet18")
    if adaptation != "none" and scheme.get("block_size", size) != size:
        raise ValueError(
            f"model.adaptation={adaptation} works on blocks of model.block_size={size}, the encryption on blocks of "
            f"encryption.block_size={scheme['block_size']}; say model.block_size={scheme['block_size']} alone"
        )


def _check_patch_embedding(config: dict[str, Any]) -> None:
    model, name, scheme = config["model"], config["names"]["model"], config["encryption"]["_target_"]
    kind = model["patch_embedding"]
    if kind != "shared" and not model["patch_size"]:
        raise ValueError(f"model.patch_embedding={kind} needs a ViT, and {name} embeds no patches; say model=vit_b16")
    if not model["fold_key"]:
        return
    if not model["patch_size"]:
        raise ValueError(
            f"model.fold_key=true folds the key into the patches of a ViT, and {name} has none; say model=vit_b16"
        )
    if scheme in (None, "vitcrypt.encryption.Plain"):
        came = "the images come encrypted and there is no key here: the owner runs vitcrypt fold" if not scheme else ""
        raise ValueError(
            f"model.fold_key=true needs a key, and with encryption={config['names']['encryption']} there is none; "
            + (came or "say encryption=proposed, or model.fold_key=false")
        )
    if config["key_scope"] != "shared":
        raise ValueError("model.fold_key=true needs one key for all images; say key_scope=shared")
    if not model["pretrained"] and model["weights"] is None:
        raise ValueError(
            "model.fold_key=true moves pretrained weights as the key moves pixels, and random weights need no "
            "moving; say model.weights=FILE or model.pretrained=true, or model.fold_key=false"
        )


def validate_attack(config: dict[str, Any]) -> None:
    """Check what types cannot: raise ValueError saying what is wrong and the override that mends it."""
    check_targets(config, config["allow_targets"])
    check_ranges(config)
    _check_names(config)
    if config["encryption"].get("_target_") is None:
        raise ValueError(
            "encryption=received has no ciphertexts of a known scheme; choose le, etc, ele, pe or proposed"
        )
    held = config["attack"]["observation"]
    if (held["weights"] is None) != (held["public_weights"] is None):
        raise ValueError(
            "weights are compared with the public ones that they were made from: give both "
            "attack.observation.weights=FILE and attack.observation.public_weights=FILE"
        )
    for name in ("weights", "public_weights"):
        if held[name] is not None and not expanded(held[name]).is_file():
            raise FileNotFoundError(f"attack.observation.{name}={held[name]} does not exist")
