"""Records of trainings and attacks as small as the reports need, as dicts that tests change, and typed."""

import copy
import json
from pathlib import Path

from vitcrypt.report.recipe import BLOCKS, RECIPES
from vitcrypt.report.records import AttackResult, TrainingResult
from vitcrypt.report.results import FORMAT


def training(
    encryption="plain", model="resnet18", acc=0.9, seed=0, key=None, adaptation="none", data="cifar10", **changes
):
    """Return the record of a training, by the paper's recipe where it has one."""
    config = {
        "names": {"data": data, "encryption": encryption, "model": model},
        "data": {"validation": 0, "image_size": 16},
        "encryption": {"_target_": f"vitcrypt.encryption.{encryption}"},
        "model": {"network": {}, "adaptation": adaptation, "pretrained": True, "weights": None, "block_size": 4},
        "trainer": {"max_epochs": 2, "max_steps": -1},
        "seed": seed,
        "key_scope": "shared",
    }
    recipe = RECIPES.get(model, {})
    if recipe and encryption in BLOCKS:
        config["encryption"]["block_size"] = BLOCKS[encryption]
    for name, value in recipe.items():
        if "." in name:
            change(config, name, value)
    measured = {"train/acc": 0.7, "train/loss": 0.3}
    return {
        "identity": f"{encryption}{model}{seed}{key}{adaptation}{data}",
        "config": config,
        "key": {"fingerprint": key, "public_test_key": None, "effective_bits": 256.0},
        "classes": ["a", "b"],
        "images": {"train": 50_000, "val": 0, "test": 10_000},
        "metrics": {"acc": acc, "images": 10_000, "confusion": [[9, 1], [2, 8]]},
        "validation": {"last": 0.7, "best": 0.8, "best_epoch": 1},
        "training": {
            "epochs": recipe.get("epochs", 2),
            "steps": recipe.get("steps", 2),
            "seconds": 3.0,
            "history": [{"epoch": i, "step": i, "val/acc": v, **measured} for i, v in enumerate((0.8, 0.7))],
        },
        "weights": {"parameters": 11_173_962, "trained_sha256": "00"},
        "versions": {"vitcrypt": "0", "torch": "2.11"},
        "hardware": {"device": "a machine"},
        **changes,
    }


def attack(scheme, attack, restored, count=100, known=0, size=16, ciphertext=0.0, exact=0.0, **encryption):
    """Return the record of an attack."""
    medians = {"restored": restored, "ciphertext": ciphertext, "unrelated": 0.1, "constant": 0.05, "mean_image": 0.1}
    quartiles = {name: {"median": v, "lower": v - 0.1, "upper": min(v + 0.1, 1.0)} for name, v in medians.items()}
    measures = {n: {"ssim": q, "symmetric_ssim": q, "psnr": q, "folded_ssim": q} for n, q in quartiles.items()}
    return {
        "kind": "attack",
        "identity": f"{scheme}-{attack}-{count}-{known}",
        "config": {
            "names": {"data": "digits", "encryption": scheme, "attack": attack},
            "encryption": {"_target_": scheme, **encryption},
            "image_size": size,
            "key_scope": "shared",
            "attack": {"observation": {"ciphertexts": count, "known": known}},
            "seed": 0,
        },
        "threat_model": {"ciphertexts": count},
        "key": {"fingerprint": None, "effective_bits": 256.0},
        "metrics": measures | {"exact_images": exact, "images": 4},
        "seconds": 1.0,
        "versions": {"vitcrypt": "0"},
        "first": {"restored": [restored] * 2, "ciphertext": [ciphertext] * 2},
    }


def change(record, where, value):
    """Set a value at a dotted place, in place."""
    *path, last = where.split(".")
    for part in path:
        record = record.setdefault(part, {})
    record[last] = value


def changed(record, **places):
    """Return a copy with other values; "config__seed" stands for config.seed."""
    record = copy.deepcopy(record)
    for where, value in places.items():
        change(record, where.replace("__", "."), value)
    return record


def typed(record):
    """Return a record as the reports take it, or several."""
    if isinstance(record, list):
        return [typed(each) for each in record]
    return (AttackResult if "kind" in record else TrainingResult).model_validate(copy.deepcopy(record))


def stored(folder: Path, record):
    """Write a record, or what is none, as FOLDER/result.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps({"format": FORMAT, **record}))
    return folder
