"""Checks of a configuration that no single option can fail: what is wrong, the values, and what to set."""

import math
from typing import Any

from vitcrypt.encryption import Scheme
from vitcrypt.experiment.config import AttackConfig, Config, DataConf, ModelConf
from vitcrypt.jobs.place import expanded


def validate(config: Config, scheme: Scheme | None) -> None:
    """Raise ValueError if options of a training do not go together; the message says which and what to set.

    Args:
        config: The configuration.
        scheme: What it encrypts with here; None if the images come encrypted.
    """
    _check_root(config.data)
    _check_length(config)
    _check_optimizer(config.model)
    block = config.encryption.get("block_size")
    _check_adaptation(config.model, block)
    _check_patch_embedding(config, scheme)
    _check_patches(config, scheme)
    _check_key_scope(config, scheme)
    _check_orbits(config.model, block)
    if config.model.pretrained and config.model.weights is None and "model_name" not in config.model.network:
        raise ValueError(
            f"{config.names.model} has no pretrained weights; set model.pretrained=false or model.weights=FILE"
        )


def check_finite(node: Any, place: str = "") -> None:
    """Raise ValueError if a number in a configuration is not finite: nothing could be filed or told apart by it."""
    for name, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        check_finite(child, f"{place}.{name}".lstrip("."))
    if isinstance(node, float) and not math.isfinite(node):
        raise ValueError(f"{place}={node}: set it to a finite number")


def check_blocks(config: Config) -> None:
    """Raise ValueError if blocks do not divide the images; the message says which sizes do."""
    size, block = config.data.image_size, _block(config)
    if block < 1 or size % block:
        fits = [str(b) for b in (2, 4, 8, 16, 32) if size % b == 0]
        ways = [f"encryption.block_size={' or '.join(fits)}"] * bool(fits)
        ways += [f"model.image_size={block * (size // block + 1)}"] if block > 0 else []
        raise ValueError(
            f"encryption.block_size={block} does not divide images of {size} x {size} (data.image_size); "
            f"set {', or '.join(ways)}"
        )


def _block(config: Config) -> int:
    side = config.encryption.get("block_size")
    return 1 if side is None else int(side)


def _check_patches(config: Config, scheme: Scheme | None) -> None:
    size, patch, block = config.data.image_size, config.model.patch_size, _block(config)
    if patch and size % patch:
        fitting = patch * (size // patch + 1)
        raise ValueError(
            f"model.patch_size={patch} does not divide data.image_size={size}; set model.image_size={fitting}"
        )
    # a network into which the key is folded says itself what it can follow
    allowed = config.allow_patch_mismatch or config.model.fold_key
    if scheme is not None and scheme.scrambles_blocks and patch and block != patch and not allowed:
        raise ValueError(
            f"encryption.block_size={block} is not model.patch_size={patch}: a ViT absorbs block scrambling only if a "
            f"block is a patch; set encryption.block_size={patch}, or allow_patch_mismatch=true to study the mismatch"
        )


def _check_orbits(model: ModelConf, block: int | None) -> None:
    cut = model.network.get("block_size", block) if model.network["_target_"].endswith(".OrbitNetwork") else block
    if block is not None and cut != block:
        raise ValueError(
            f"model.network.block_size={cut} is not encryption.block_size={block}, and what keys leave lies in blocks; "
            f"set model.patch_size={block} alone"
        )


def _check_key_scope(config: Config | AttackConfig, scheme: Scheme | None) -> None:
    if isinstance(config.key, list):
        _check_owners(config, len(config.key), scheme)
    elif scheme is not None and config.key_scope not in scheme.properties.key_scopes:
        scopes = " or ".join(scheme.properties.key_scopes)
        raise ValueError(
            f"encryption={config.names.encryption} is not for key_scope={config.key_scope}; set key_scope={scopes}"
        )
    if config.keys and config.key_scope != "per_image":
        raise ValueError(f"keys={config.keys} deals images to so many keys; set key_scope=per_image with it")


def _check_owners(config: Config | AttackConfig, count: int, scheme: Scheme | None) -> None:
    if config.key_scope != "per_image":
        raise ValueError(f"key=[...] deals images to the owners of {count} keys; set key_scope=per_image with it")
    if config.keys not in (0, count):
        raise ValueError(f"keys={config.keys} is not the number of keys in key=[...], {count}; leave keys out")
    if scheme is not None and "shared" not in scheme.properties.key_scopes:
        raise ValueError(
            f"encryption={config.names.encryption} wants a key for each image, and with key=[...] an owner has one for "
            "all of theirs; give one key file"
        )


def _check_length(config: Config) -> None:
    model, trainer = config.model, config.trainer
    epochs = trainer.max_epochs or -1
    if epochs < 1 and trainer.max_steps < 1:
        raise ValueError(f"model.epochs={epochs} model.steps={trainer.max_steps} never ends; set one of the two")
    if model.schedule == "multistep" and epochs < 1:
        raise ValueError("model.schedule=multistep counts epochs: set model.epochs=NUMBER, or model.schedule=cosine")
    drops = model.milestones
    if drops != sorted(set(drops)) or any(epoch < 1 for epoch in drops):
        raise ValueError(f"model.milestones={drops}: set it to epochs from 1 on, each later than the one before")
    if trainer.deterministic not in (None, True, False, "warn"):
        raise ValueError(f"trainer.deterministic={trainer.deterministic}: set it to true, false or warn")


def _check_root(data: DataConf) -> None:
    root = data.source.get("root", data.root)
    if root != data.root:  # what the images are is looked up there
        raise ValueError(f"data.source.root={root} and data.root={data.root} are two places; set data.root alone")


def _check_optimizer(model: ModelConf) -> None:
    for name, wanted in (("lr", "greater than 0"), ("weight_decay", "from 0 on")):
        value = model.optimizer.get(name, 1)
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or value < 0 or (value == 0 and name == "lr"):
            raise ValueError(
                f"model.optimizer.{name}={value}: set it to a number {wanted}, or remove it with "
                f"'~model.optimizer.{name}'"
            )


def _check_adaptation(model: ModelConf, block: int | None) -> None:
    if model.adaptation == "none":
        return
    if model.patch_size:
        raise ValueError(
            f"model.adaptation={model.adaptation} goes in front of a CNN; set model=shakedrop or model=resnet18"
        )
    if block is not None and block != model.block_size:
        raise ValueError(
            f"model.adaptation={model.adaptation} works on blocks of model.block_size={model.block_size}, the "
            f"encryption on blocks of encryption.block_size={block}; set model.block_size={block} alone"
        )


def _check_patch_embedding(config: Config, scheme: Scheme | None) -> None:
    model, name = config.model, config.names.model
    if model.patch_embedding != "shared" and not model.patch_size:
        raise ValueError(
            f"model.patch_embedding={model.patch_embedding} needs a ViT, and {name} embeds no patches; "
            "set model=vit_b16"
        )
    if not model.fold_key:
        return
    if not model.patch_size:
        raise ValueError(
            f"model.fold_key=true folds the key into the patches of a ViT, and {name} has none; set model=vit_b16"
        )
    if scheme is None or scheme.is_plain:
        came = "the images come encrypted and there is no key here: the owner runs vitcrypt fold"
        raise ValueError(
            f"model.fold_key=true needs a key, and with encryption={config.names.encryption} there is none; "
            + (came if scheme is None else "set encryption=proposed, or model.fold_key=false")
        )
    if config.key_scope != "shared":
        raise ValueError("model.fold_key=true needs one key for all images; set key_scope=shared")
    if not model.pretrained and model.weights is None:
        raise ValueError(
            "model.fold_key=true moves pretrained weights as the key moves pixels, and random weights need no "
            "moving; set model.weights=FILE or model.pretrained=true, or model.fold_key=false"
        )


def validate_attack(config: AttackConfig, scheme: Scheme | None) -> None:
    """Raise ValueError if options of an attack do not go together; the message says which and what to set."""
    if scheme is None:
        raise ValueError("encryption=received names no scheme to attack; choose le, etc, ele, pe or proposed")
    _check_root(config.data)
    _check_key_scope(config, scheme)
    held = config.attack.observation
    if (held.weights is None) != (held.public_weights is None):
        raise ValueError(
            "weights are compared with the public ones that they were made from: give both "
            "attack.observation.weights=FILE and attack.observation.public_weights=FILE"
        )
    for name, path in (("weights", held.weights), ("public_weights", held.public_weights)):
        if path is not None and not expanded(path).is_file():
            raise FileNotFoundError(f"attack.observation.{name}={path} does not exist")
    checkpoint = config.weight_files["classifier"]
    if checkpoint is not None and not expanded(checkpoint).is_file():
        raise FileNotFoundError(
            f"classifier={config.classifier} holds no last.ckpt; name the folder of a run with encryption=plain"
        )
