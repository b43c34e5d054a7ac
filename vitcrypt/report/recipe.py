"""What makes a run what it is, but for its seed and its key, and where that differs from the paper's way."""

from collections.abc import Iterable, Iterator
from typing import Any

from vitcrypt.report.records import TrainingResult

Recipe = dict[str, Any]
"""Values by dotted names, as they are set on the command line; besides these `epochs`, `steps` and what was there."""

APART = ("root", "num_workers", "source", "resident_gib", "compile")  # how the same images reach the network
SINCE = {
    **{"model.patch_embedding": "shared", "model.fold_key": False, "model.zero_head": False},
    **{"model.mixup": 0.0, "model.cutmix": 0.0, "data.transforms": []},
}
"""What older records do not say, as nothing else could be chosen."""
SHOWN = 3
_FREE = {
    "data": "validation micro_batch_size",
    "encryption": "_target_ channel_shuffle",
    "images": "train val test",
    "model": "adaptation batch_size block_size channels_last compile epochs gradient_clip micro_batch_size patch_size "
    "pretrained steps weights",
    "trainer": "_target_ accelerator benchmark check_val_every_n_epoch detect_anomaly deterministic devices "
    "enable_progress_bar limit_val_batches log_every_n_steps num_nodes precision profiler stop_on_nan strategy "
    "sync_batchnorm",
}
FREE = {f"{group}.{name}" for group, names in _FREE.items() for name in names.split()}
FREE |= {"device", "epochs", "steps", "pretrained", "key_scope"}
"""What may be anything in a run that is as the paper's: how it was computed, and what other entries say."""

_SGD = {
    "model.optimizer._target_": "torch.optim.SGD",
    "model.optimizer.momentum": 0.9,
    "model.optimizer.weight_decay": 5e-4,
    "model.label_smoothing": 0.0,
    "data.augment": "owner",
    "data.interpolation": "bilinear",
    "trainer.max_steps": -1,
    **SINCE,
}
_CNN = {
    **_SGD,
    "model.image_size": 32,
    "data.image_size": 32,
    "model.optimizer.lr": 0.1,
    "model.optimizer.nesterov": True,
    "data.crop_padding": 4,
    "data.flip": True,
}
RECIPES: dict[str, Recipe] = {
    "resnet18": {
        **_CNN,
        "model.network._target_": "vitcrypt.models.ResNet18",
        "model.network.width": 64,
        "data.batch_size": 128,
        "model.schedule": "cosine",
        "model.warmup_steps": 100,
        "trainer.max_epochs": 200,
        "epochs": 200,
    },
    "shakedrop": {
        **_CNN,
        "model.network._target_": "vitcrypt.models.PyramidNet",
        "model.network.depth": 110,
        "model.network.alpha": 270,
        "data.batch_size": 512,
        "model.schedule": "multistep",
        "model.milestones": [150, 225],
        "trainer.max_epochs": 305,
        "epochs": 305,
    },
    "vit_b16": {
        **_SGD,
        "model.network._target_": "timm.create_model",
        "model.network.model_name": "vit_base_patch16_224.orig_in21k",
        "model.network.img_size": 224,
        "model.network.pos_drop_rate": 0.1,
        "model.network.proj_drop_rate": 0.1,
        "model.zero_head": True,
        "model.image_size": 224,
        "data.image_size": 224,
        "data.crop_padding": 0,
        "data.flip": False,
        "data.transforms": [
            {"_target_": "torchvision.transforms.v2.RandomResizedCrop", "size": 224, "scale": [0.05, 1.0]}
        ],
        "model.optimizer.lr": 0.3,
        "data.batch_size": 512,
        "model.schedule": "cosine",
        "model.warmup_steps": 500,
        "trainer.max_epochs": -1,
        "trainer.max_steps": 10_000,
        "trainer.gradient_clip_val": 1.0,
        "steps": 10_000,
        "pretrained": True,
    },
}
"""How the networks of Table I are trained. Where the paper does not say, as in conf/model and conf/finetuning."""
BLOCKS = {"le": 4, "ele": 4, "etc": 4, "proposed": 16}
IMAGES = {"train": 50_000, "test": 10_000}


def recipe_of(result: TrainingResult) -> Recipe:
    """Return the recipe of the record of a training."""
    config, model = result.config, result.config.model
    data = {name: value for name, value in config.data.values().items() if name not in APART}
    parts: dict[str, Any] = {
        "data": data,
        "encryption": config.encryption,
        "model": model.values(),
        "trainer": config.trainer,
        "callbacks": _counted(config.values().get("callbacks")),
    }
    parts |= {"images": result.images.values(), "key_scope": config.key_scope}
    parts |= {"epochs": result.training.epochs, "steps": result.training.steps}
    parts |= {"pretrained": bool(model.pretrained or model.weights)}
    return dict(flat(parts)) | {"device": result.hardware.device}


def unlike_the_paper(network: str, encryption: str, recipe: Recipe) -> list[str]:
    """Return where a recipe for one of the paper's networks differs from the paper's, in words.

    What the paper's recipe does not name is to be off: none, zero, false or empty.
    """
    wanted = dict(RECIPES[network])
    if (network, encryption) == ("vit_b16", "plain"):
        wanted["model.optimizer.lr"] = 0.03
    wanted |= {f"images.{split}": count for split, count in IMAGES.items()}
    wanted |= {"encryption.block_size": BLOCKS[encryption]} if encryption in BLOCKS else {}
    wanted |= {"key_scope": "shared"} if encryption != "pe" else {}  # of which the paper does not say it
    found = {name: recipe.get(name, SINCE.get(name)) for name in wanted}
    told = [f"{name}={str(found[name])[:30]}, not {value}" for name, value in wanted.items() if found[name] != value]
    more = sorted(name for name, value in recipe.items() if value and name not in wanted and name not in FREE)
    return told + [f"{name}={str(recipe[name])[:30]}" for name in more]


def _counted(callbacks: Any) -> Recipe:
    """Return the callbacks of a configuration that change a training, by name and target; others only watch."""
    nodes = callbacks if isinstance(callbacks, dict) else {}
    return {name: node for name, node in nodes.items() if "Monitor" not in str(node)}


def told_apart(recipes: Iterable[Recipe]) -> list[str]:
    """Return for each of several recipes, in a few words, what is not the same in all of them."""
    recipes = list(recipes)
    values: dict[str, str] = {}  # one name for all that take the same values, as epochs and trainer.max_epochs do
    for name in sorted({name for recipe in recipes for name in recipe}, key=lambda name: (name.count("."), name)):
        taken = [str(recipe.get(name)) for recipe in recipes]
        if len(set(taken)) > 1:
            values.setdefault("\n".join(taken), name)
    differing = list(values.values())
    return [", ".join(f"{name}={str(recipe.get(name))[:30]}" for name in differing[:SHOWN]) for recipe in recipes]


def flat(node: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values below nested dicts by their dotted names."""
    for name, value in node.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
