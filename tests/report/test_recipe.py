"""Which runs are as the paper's, and are subtracted from its numbers."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from recorded import changed, training, typed
from test_table1 import line

from vitcrypt.experiment.composition import settled
from vitcrypt.experiment.config import CONF
from vitcrypt.experiment.schema import register
from vitcrypt.report.paper import TABLE1
from vitcrypt.report.recipe import recipe_of, unlike_the_paper
from vitcrypt.report.table1 import table1

UNLIKE = [
    ("images", "train", 45_000, "small"),
    ("images", "test", 9_000, "small"),
    ("metrics", "images", 10, "small"),
    ("training", "epochs", 1, "other"),
    ("config.trainer", "max_epochs", 1, "other"),
    ("config.trainer", "max_steps", 100, "other"),
    ("config.data", "augment", "none", "other"),
    ("config.data", "augment", "provider", "other"),
    ("config.data", "crop_padding", 0, "other"),
    ("config.data", "flip", False, "other"),
    ("config.data", "batch_size", 64, "other"),
    ("config.model", "image_size", 64, "other"),
    ("config.model", "schedule", "constant", "other"),
    ("config.model", "label_smoothing", 0.1, "other"),
    ("config.model", "fold_key", True, "other"),
    ("config.model.network", "width", 32, "other"),
    ("config.model.optimizer", "lr", 0.01, "other"),
    ("config.model.optimizer", "_target_", "torch.optim.AdamW", "other"),
]


@pytest.mark.parametrize(("where", "name", "value", "scale"), UNLIKE, ids=lambda value: str(value))
def test_only_a_run_of_the_paper_s_size_and_recipe_is_full_and_compared(where, name, value, scale):
    assert line(table1(typed([training()]))[0], "CIFAR-10", "Plain", "ResNet-18")[0]["scale"] == "full"
    sheet, _ = table1(typed([changed(training(), **{f"{where}.{name}": value})]))
    (row,) = line(sheet, "CIFAR-10", "Plain", "ResNet-18")
    assert (row["scale"], row["difference"]) == (scale, "-")
    told = [note for note in sheet.notes if note.startswith("other: CIFAR-10, Plain, ResNet-18")]
    assert bool(told) == (scale == "other")
    assert all(f"{name}={value}, not" in note or f"{name}=" in note for note in told)


def test_a_vit_from_scratch_or_stopped_early_is_not_full():
    whole, scratch, early = (training("proposed", "vit_b16", key="k", seed=seed) for seed in range(3))
    for run in (whole, scratch, early):
        run["weights"] = {"parameters": 85_806_346, "trained_sha256": "00"}
    scratch["config"]["model"]["pretrained"] = False
    early["training"]["steps"] = 9_999
    rows = line(table1(typed([whole, scratch, early]))[0], "CIFAR-10", "Proposed", "ViT-B_16")
    assert sorted(row["scale"] for row in rows) == ["full", "other", "other"]


@pytest.mark.parametrize("row", TABLE1, ids=lambda row: f"{row.encryption}-{row.network}")
def test_the_recipes_that_are_compared_are_those_that_are_configured(row):
    chosen = {"data": "cifar10", "encryption": row.encryption, "model": row.network, "logger": "csv"}
    overrides = [f"{group}={name}" for group, name in chosen.items()]
    overrides += [f"names.{group}={name}" for group, name in chosen.items() if group != "logger"]
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("config", [*overrides, f"model.adaptation={row.adaptation}"])
    config = settled(OmegaConf.to_container(composed, resolve=True))
    run = training() | {"config": config}
    run["training"] |= {
        "epochs": max(0, config["trainer"]["max_epochs"]),
        "steps": max(0, config["trainer"]["max_steps"]),
    }
    assert unlike_the_paper(row.network, row.encryption, recipe_of(typed(run))) == []
