"""Checks of a configuration that types cannot make: what is wrong, the values, and the override that mends it."""

from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vitcrypt.experiment.config import SECTIONS, Config
from vitcrypt.targets import check as check_targets


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


def validate_attack(config: dict[str, Any]) -> None:
    """Check what types cannot: raise ValueError saying what is wrong and the override that mends it."""
    check_targets(config, config["allow_targets"])
    if config["key_scope"] not in ("shared", "per_image"):
        raise ValueError(f"key_scope is shared or per_image; got {config['key_scope']}")
    if config["encryption"].get("_target_") is None:
        raise ValueError("encryption=none has no ciphertexts of a known scheme; choose le, etc, ele, pe or proposed")
    held = config["attack"]["observation"]
    if held["ciphertexts"] < 1:
        raise ValueError(f"attack.observation.ciphertexts={held['ciphertexts']}: there must be something to restore")
    for name in ("public_images", "known", "queries"):
        if held[name] < 0:
            raise ValueError(f"attack.observation.{name}={held[name]} must not be negative")
    if (held["weights"] is None) != (held["public_weights"] is None):
        raise ValueError(
            "weights are compared with the public ones that they were made from: give both "
            "attack.observation.weights=FILE and attack.observation.public_weights=FILE"
        )
    for name in ("weights", "public_weights"):
        if held[name] is not None and not Path(held[name]).expanduser().is_file():
            raise FileNotFoundError(f"attack.observation.{name}={held[name]} does not exist")
