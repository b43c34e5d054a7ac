"""What makes a run what it is, but for its seed and its key, and where that differs from the paper's way."""

from collections.abc import Iterable, Iterator
from typing import Any

from vitcrypt.report.records import TrainingResult

Recipe = dict[str, Any]
"""Values by dotted names, as they are set on the command line; besides these `epochs`, `steps` and what was there."""

APART = ("root", "num_workers", "source", "resident_gib", "compile")  # how the same images reach the network
SINCE = {"model.patch_embedding": "shared", "model.fold_key": False}
"""What older records do not say, as nothing else could be chosen."""
SHOWN = 3

_SGD = {
    "model.optimizer._target_": "torch.optim.SGD",
    "model.optimizer.momentum": 0.9,
    "model.optimizer.weight_decay": 5e-4,
    "model.label_smoothing": 0.0,
    "data.augment": "owner",
    "data.crop_padding": 4,
    "data.flip": True,
    "trainer.max_steps": -1,
    **SINCE,
}
_CNN = {**_SGD, "model.image_size": 32, "model.optimizer.lr": 0.1, "model.optimizer.nesterov": True}
RECIPES: dict[str, Recipe] = {
    "resnet18": {
        **_CNN,
        "model.network.width": 64,
        "data.batch_size": 128,
        "model.schedule": "cosine",
        "trainer.max_epochs": 200,
        "epochs": 200,
    },
    "shakedrop": {
        **_CNN,
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
        "model.image_size": 224,
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
"""How the networks of Table I are trained. Where the paper does not say, as in conf/model."""
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
    }
    parts |= {"images": result.images.values(), "key_scope": config.key_scope}
    parts |= {"epochs": result.training.epochs, "steps": result.training.steps}
    parts |= {"pretrained": bool(model.pretrained or model.weights)}
    return dict(flat(parts)) | {"device": result.hardware.device}


def unlike_the_paper(network: str, encryption: str, recipe: Recipe) -> list[str]:
    """Return where a recipe for one of the paper's networks differs from the paper's, in words."""
    wanted = dict(RECIPES[network])
    if (network, encryption) == ("vit_b16", "plain"):
        wanted["model.optimizer.lr"] = 0.03
    wanted |= {f"images.{split}": count for split, count in IMAGES.items()}
    found = {name: recipe.get(name, SINCE.get(name)) for name in wanted}
    return [f"{name}={str(found[name])[:30]}, not {value}" for name, value in wanted.items() if found[name] != value]


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
