"""Every configuration composes, is checked against its schema, and says what is wrong when it is."""

from pathlib import Path

import pytest
from configurations import composed
from hydra.errors import HydraException
from omegaconf import OmegaConf

from vitcrypt.experiment.config import CONF, AttackConfig, Config, typed
from vitcrypt.experiment.identity import identity
from vitcrypt.experiment.job import configured

GROUPS = {group: sorted(p.stem for p in (CONF / group).glob("*.yaml")) for group in ("data", "encryption", "model")}
EXPERIMENTS = sorted((Path(__file__).parents[2] / "experiments").glob("*.yaml"))


ADAPTED = ["model.fold_key=true"]
V2 = "torchvision.transforms.v2"


def cells():
    """Every option of each group, and the pairs that have a recipe of their own."""
    data, encryptions, models = GROUPS.values()
    models = [model for model in models if model != "orbit"]  # it is for some schemes only
    for i, encryption in enumerate(encryptions):
        yield data[i % len(data)], encryption, models[i % len(models)]
    yield from [("digits", "pe", "resnet18"), ("digits", "pe", "vit_micro"), ("cifar10", "plain", "vit_b16")]
    yield "digits", "ele", "orbit"


@pytest.mark.slow
@pytest.mark.parametrize(("data", "encryption", "model"), list(cells()))
def test_every_cell_composes_and_is_valid(data, encryption, model):
    network = ["model.network.model_name=convnext_tiny"] if model == "timm" else []
    scope = ["key_scope=per_image"] * (encryption in ("pevit_rs", "noise"))
    config = composed(f"data={data}", f"encryption={encryption}", f"model={model}", *network, *scope)
    configured(Config, config)
    model = "convnext_tiny" if model == "timm" else model
    assert config["names"] == {"data": data, "encryption": encryption, "model": model}


@pytest.mark.slow
@pytest.mark.parametrize("group", ["trainer", "callbacks", "logger", "debug"])
def test_every_option_of_the_other_groups_composes(group):
    for path in (CONF / group).glob("*.yaml"):
        configured(Config, composed(f"{group}={path.stem}"))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_composes_and_says_what_it_is(path):
    header = "".join(line for line in path.read_text().splitlines() if line.startswith("#"))
    assert "vitcrypt.run" in header or "vitcrypt.attack" in header, "an experiment file states its command"
    if "vitcrypt.attack" in header:
        configured(AttackConfig, composed(name=path.stem, folder=path.parent))
    elif "@package" not in path.read_text().splitlines()[0]:
        configured(Config, composed(name=path.stem, folder=path.parent))


@pytest.mark.slow
@pytest.mark.parametrize("column", ["gan", "itn"])
def test_every_size_of_a_column_of_fig4_composes(column):
    sizes = sorted(path.stem for path in (EXPERIMENTS[0].parent / column).glob("*.yaml"))
    assert len(sizes) == 4
    for size in sizes:
        configured(AttackConfig, composed(f"{column}={size}", name=f"fig4_{column}", folder=EXPERIMENTS[0].parent))


ROWS = sorted(path.stem for path in (EXPERIMENTS[0].parent / "row").glob("*.yaml"))


TABLES = ("table1", "table1_small")


def swept(table):
    """The rows that a table's sweep goes over, and nothing else."""
    return OmegaConf.load(EXPERIMENTS[0].parent / f"{table}.yaml").hydra.sweeper.params.row.replace(" ", "").split(",")


@pytest.mark.slow
@pytest.mark.parametrize(("table", "row"), [(table, row) for table in TABLES for row in swept(table)])
def test_every_row_of_table_1_is_what_its_name_says(table, row):
    config = composed(f"row={row}", name=table, folder=EXPERIMENTS[0].parent)
    configured(Config, config)
    encryption, model = row.removesuffix("_per_image").split("_", 1)
    assert (config["names"]["encryption"], config["names"]["model"]) == (encryption, model)
    assert config["key_scope"] == ("per_image" if row.endswith("_per_image") else "shared")
    marked = encryption if (encryption in ("le", "ele") and model == "shakedrop") else "none"
    assert config["model"]["adaptation"] == marked
    assert config["data"]["validation"] == 0
    if table == "table1_small":
        assert config["data"]["limit_train"] == 5_000
        assert config["model"]["epochs"] <= 20
    elif model == "shakedrop":
        assert {"batch_size": 512, "epochs": 305, "milestones": [150, 225]}.items() <= config["model"].items()


def test_both_tables_have_the_paper_s_eight_rows_and_every_row_is_in_one():
    from vitcrypt.report.paper import STAND_INS, TABLE1

    for table in TABLES:
        cells = [row.removesuffix("_per_image").split("_", 1) for row in swept(table)]
        assert {(e, STAND_INS.get(m, m)) for e, m in cells} == {(row.encryption, row.network) for row in TABLE1}
    assert set(ROWS) == {*swept("table1"), *swept("table1_small")}


@pytest.mark.slow
def test_the_learning_rate_is_that_of_the_paper_for_plain_and_for_encrypted_images():
    assert composed("encryption=plain", "model=vit_b16")["model"]["optimizer"]["lr"] == 0.03
    for encryption in ("proposed", "le", "received"):
        assert composed(f"encryption={encryption}", "model=vit_b16")["model"]["optimizer"]["lr"] == 0.3
    assert composed("encryption=plain", "model=vit_b16", "model.optimizer.lr=1")["model"]["optimizer"]["lr"] == 1


def test_the_paper_s_fine_tuning_is_the_default_of_vit_b16():
    config = composed("model=vit_b16")
    assert config["data"]["batch_size"] == 512
    assert config["model"]["network"]["model_name"] == "vit_base_patch16_224.orig_in21k"
    assert config["model"]["pretrained"]
    assert {"momentum": 0.9, "weight_decay": 5e-4}.items() <= config["model"]["optimizer"].items()


@pytest.mark.parametrize(
    "override",
    ["trainer.max_epoch=1", "encryption.blocksize=4", "data.rot=x", "model.lr=1", "encryption=propsed", "nonsense=1"],
)
def test_an_unknown_name_is_an_error(override):
    with pytest.raises(HydraException):
        composed(override)


@pytest.mark.parametrize("override", ["+foo=1", "+trainer.max_epoch=1", "+data.rot=1", "+model.lr=1"])
def test_an_unknown_name_added_by_force_is_an_error(override):
    with pytest.raises(ValueError, match="there is no"):
        configured(Config, composed(override))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["encryption=le", "encryption.block_size=5"], r"block_size=5 does not divide .* 224 x 224.*block_size="),
        (["encryption.block_size=8"], "block_size=8 is not model.patch_size=16.*allow_patch_mismatch=true"),
        (["model=vit_micro", "model.image_size=30"], "does not divide"),
        (["model=vit_micro", "model.image_size=17"], "does not divide .*; set model.image_size=20$"),
        (["model.optimizer.lr=null"], "model.optimizer.lr=None: set it to "),
        (["data.root=''"], "data.root= is empty"),
        (["results=''"], "results= is empty"),
        (["names.data=../up"], r"names.data=../up: set it to a word"),
        (["names.model=''"], "names.model=: set it to a word"),
        (["data.augment=me"], "auto, owner, provider or none"),
        (["data.interpolation=nearest"], "bilinear or bicubic"),
        (["data.validation=1"], "less than 1"),
        (["key_scope=mine"], "shared or per_image"),
        (["model.schedule=step"], "cosine, constant or multistep"),
        (["model=resnet18", "model.pretrained=true"], "no pretrained weights"),
        (["model=shakedrop", "model.epochs=-1", "model.steps=9"], "multistep counts epochs.*model.epochs=NUMBER"),
        (["model=shakedrop", "model.adaptation=lee"], "none, le or ele"),
        (["model=vit_micro", "model.adaptation=le"], "in front of a CNN"),
        (["encryption=le", "model=shakedrop", "model.adaptation=le", "encryption.block_size=8"], "block_size=8 alone"),
        (["model.patch_embedding=own"], "own: set it to shared, per_position, shared_nibbles or per_position_nibbles"),
        (["model=resnet18", "model.patch_embedding=per_position"], "needs a ViT, and resnet18 embeds no patches"),
        (["model=resnet18", *ADAPTED], "patches of a ViT, and resnet18 has none; set model=vit_b16"),
        (["encryption=plain", *ADAPTED], "needs a key, and with encryption=plain there is none; set encryption=propo"),
        (["encryption=received", *ADAPTED], "the images come encrypted .* the owner runs vitcrypt fold"),
        (["keys=5"], "keys=5 deals images to so many keys; set key_scope=per_image"),
        (["key=[a,b]"], r"key=\[...\] deals images to the owners of 2 keys; set key_scope=per_image"),
        (["key=[a,b]", "key_scope=per_image", "keys=5"], "keys=5 is not the number of keys in .*, 2; leave keys out"),
        (["key=[a,b]", "key_scope=per_image", "encryption=noise"], "noise wants a key for each image"),
        (["key=[a]"], r"set it to the path of a key file, or to those of two owners and more: key=\[a.txt,b.txt\]"),
        (["key=[a,'']"], "set it to paths that are not empty"),
        (["key=null"], "set it to the path of a key file"),
        (["key_scope=per_image", *ADAPTED], "one key for all images; set key_scope=shared"),
        (["model=vit_micro", *ADAPTED], "random weights need no moving; set model.weights=FILE"),
        (["encryption._target_=os.system"], "os.system is not allowed"),
        (["model.optimizer._target_=builtins.eval"], "builtins.eval is not allowed"),
    ],
)
def test_what_cannot_work_is_an_error_that_says_what_to_type(overrides, told):
    with pytest.raises(ValueError, match=told):
        configured(Config, composed(*overrides))


def test_the_patch_mismatch_can_be_studied_on_purpose():
    configured(Config, composed("encryption.block_size=8", "allow_patch_mismatch=true"))


def test_what_carries_the_key_says_itself_which_blocks_it_can_follow():
    configured(Config, composed("encryption.block_size=32", *ADAPTED))


def test_new_options_leave_the_identity_of_runs_that_do_not_use_them():
    config = composed("model=vit_micro", "model.weights=w.pth")
    before = identity(typed(Config, config), "f")
    later = [("data", "skip_train"), ("data", "transforms")]
    later += [("model", name) for name in ("patch_embedding", "fold_key", "mixup", "cutmix", "zero_head")]
    for section, name in later:
        old = {**config, section: {k: v for k, v in config[section].items() if k != name}}
        assert identity(typed(Config, old), "f") == before
    changes = ["model.patch_embedding=per_position", "model.fold_key=true", "data.skip_train=9", "model.cutmix=1"]
    changes += ["model.mixup=1", "model.zero_head=true", f"data.transforms=[{{_target_: {V2}.RandAugment}}]"]
    for change in changes:
        assert identity(typed(Config, composed("model=vit_micro", "model.weights=w.pth", change)), "f") != before


def test_without_fine_tuning_a_run_is_what_it_was_before_there_was_a_choice():
    before = {"vit_b16": "f8b6de9b", "resnet18": "7bca4b4a"}
    for model, digits in before.items():
        assert identity(typed(Config, composed(f"model={model}", "~finetuning")), "f") == digits
    assert identity(typed(Config, composed("model=resnet18")), "f") == before["resnet18"]


@pytest.mark.parametrize(
    ("chosen", "dropout", "flip", "steps"),
    [(name, 0.1, False, 10_000) for name in ("vit_b16", "pytorch")]
    + [("jax", 0.0, True, 10_000), ("etc_classify", 0.1, False, 20_000)],
)
def test_each_fine_tuning_is_that_of_its_source(chosen, dropout, flip, steps):
    config = composed("model=vit_b16", f"finetuning={chosen}")
    data, model = config["data"], config["model"]
    (crop,) = data["transforms"]
    assert crop == {"_target_": f"{V2}.RandomResizedCrop", "size": 224, "scale": [0.05, 1.0]}
    assert (data["validation"], data["crop_padding"], data["flip"]) == (0, 0, flip)
    assert (model["zero_head"], model["steps"], model["warmup_steps"], model["gradient_clip"]) == (
        True,
        steps,
        500,
        1.0,
    )
    assert [model["network"][f"{place}_drop_rate"] for place in ("pos", "proj")] == [dropout] * 2


def test_modules_of_one_s_own_can_be_allowed():
    configured(Config, composed("model.optimizer._target_=mine.SGD", "allow_targets=[mine]"))


@pytest.mark.slow
def test_identity_follows_from_what_changes_a_result_and_from_nothing_else():
    base = identity(typed(Config, composed()), "f")
    for same in (
        "results=x",
        "data.root=/elsewhere",
        "logger=wandb",
        "data.num_workers=3",
        "trainer.log_every_n_steps=1",
    ):
        assert identity(typed(Config, composed(same)), "f") == base, same
    changes = (
        "seed=1",
        "encryption=le",
        "model=vit_micro",
        "trainer.max_steps=5",
        "trainer.devices=2",
        "data.augment=none",
    )
    others = [
        identity(typed(Config, composed()), "g"),
        identity(typed(Config, composed()), None),
        *(identity(typed(Config, composed(c)), "f") for c in changes),
    ]
    assert len({base, *others}) == 1 + len(others)


def test_folders_at_different_places_are_different_data():
    one, other = (typed(Config, composed("data=folder", f"data.root={root}")) for root in ("/a", "/b"))
    assert identity(one, "f") != identity(other, "f")
