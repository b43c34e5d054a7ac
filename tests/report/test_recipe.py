"""Which runs are as the paper's, and are subtracted from its numbers."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from recorded import changed, training, typed
from test_table1 import line

from vitcrypt.experiment.composition import settled
from vitcrypt.experiment.config import CONF
from vitcrypt.experiment.schema import register
from vitcrypt.report.paper import CONTENTS, TABLE1
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
    ("config.model.optimizer", "dampening", 0.5, "other"),
    ("config.model", "warmup_steps", 0, "other"),
    ("config.model", "mixup", 0.8, "other"),
    ("config.model", "zero_head", True, "other"),
    ("config.data", "interpolation", "bicubic", "other"),
    ("config.data", "transforms", [{"_target_": "torchvision.transforms.v2.RandAugment"}], "other"),
    ("config.trainer", "limit_train_batches", 0.5, "other"),
    ("config", "callbacks", {"ema": {"_target_": "vitcrypt.experiment.callbacks.EMA"}}, "other"),
    ("config", "callbacks", {"rate": {"_target_": "lightning.pytorch.callbacks.LearningRateMonitor"}}, "full"),
    ("config", "key_scope", "per_image", "other"),
    ("inputs", "content", "0" * 64, "other"),
    ("inputs", "content", next(iter(CONTENTS)), "full"),
]


@pytest.mark.parametrize(("where", "name", "value", "scale"), UNLIKE, ids=lambda value: str(value))
def test_only_a_run_of_the_paper_s_size_and_recipe_is_full_and_compared(where, name, value, scale):
    assert line(table1(typed([training()]))[0], "CIFAR-10", "Plain", "ResNet-18")[0]["scale"] == "full"
    sheet, _ = table1(typed([changed(training(), **{f"{where}.{name}": value})]))
    (row,) = line(sheet, "CIFAR-10", "Plain", "ResNet-18")
    assert (row["scale"], row["difference"] == "-") == (scale, scale != "full")
    told = [note for note in sheet.notes if note.startswith(f"{scale}: CIFAR-10, Plain, ResNet-18: ")]
    assert bool(told) == (scale != "full")
    words = {"small": f"{value:,} of " if scale == "small" else "", "other": name}
    assert all(words[scale] in note or "its images are not those of CIFAR-10" in note for note in told)


def test_a_vit_from_scratch_or_stopped_early_is_not_full():
    whole, scratch, early = (training("proposed", "vit_b16", key="k", seed=seed) for seed in range(3))
    for run in (whole, scratch, early):
        run["weights"] = {"parameters": 85_806_346, "trained_sha256": "00"}
    scratch["config"]["model"]["pretrained"] = False
    early["training"]["steps"] = 9_999
    rows = line(table1(typed([whole, scratch, early]))[0], "CIFAR-10", "Proposed", "ViT-B_16")
    assert sorted(row["scale"] for row in rows) == ["full", "other", "other"]


def test_data_are_known_by_their_content_under_any_name():
    (ten, _), (hundred, _) = sorted(CONTENTS.items(), key=lambda item: item[1])
    runs = [
        training(data="npz", inputs={"content": ten}),
        training(data="cifar10", seed=1, inputs={"content": hundred}),
    ]
    sheet, left_out = table1(typed([*runs, training(data="folder", seed=2, inputs={"content": "0" * 64})]))
    assert line(sheet, "CIFAR-10", "Plain", "ResNet-18")[0]["scale"] == "full"
    assert line(sheet, "CIFAR-100", "Plain", "ResNet-18")[0]["ours"] == "90.00"
    assert len(left_out) == 1
    assert "folder is not CIFAR-10" in left_out[0]


def test_cells_of_one_scheme_under_different_ciphers_are_not_compared_in_silence():
    small = changed(training("le", "shakedrop", key="k", adaptation="le"), weights__parameters=28_500_000)
    large = changed(small, identity="other", config__encryption__block_size=2)
    assert not [note for note in table1(typed([small]))[0].notes if "not one cipher" in note]
    (told,) = [note for note in table1(typed([small, large]))[0].notes if "not one cipher" in note]
    assert "le on cifar10" in told
    assert "at 32 / 2" in told
    assert "at 32 / 4" in told


@pytest.mark.slow
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
