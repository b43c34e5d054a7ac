"""Every configuration composes, is checked against its schema, and says what is wrong when it is."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import OmegaConf

from vitcrypt.attack_config import register_attack, validate_attack
from vitcrypt.config import CONF, identity, register, validate

GROUPS = {group: sorted(p.stem for p in (CONF / group).glob("*.yaml")) for group in ("data", "encryption", "model")}
EXPERIMENTS = sorted((Path(__file__).parent.parent / "experiments").glob("*.yaml"))


def composed(*overrides, name="config", folder=CONF):
    """Compose as the program does and return plain values."""
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(folder), version_base="1.3"):
        path = [f"hydra.searchpath=[file://{CONF}]"] if folder != CONF else []
        config = compose(name, overrides=[*overrides, *path], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    plain = OmegaConf.to_container(config, resolve=False)
    del plain["hydra"]
    return OmegaConf.to_container(OmegaConf.create(plain), resolve=True)


@pytest.mark.parametrize("data", GROUPS["data"])
@pytest.mark.parametrize("encryption", GROUPS["encryption"])
@pytest.mark.parametrize("model", GROUPS["model"])
def test_every_cell_composes_and_is_valid(data, encryption, model):
    config = composed(f"data={data}", f"encryption={encryption}", f"model={model}")
    validate(config)
    assert config["names"] == {"data": data, "encryption": encryption, "model": model}


@pytest.mark.parametrize("group", ["trainer", "logger"])
def test_every_option_of_the_other_groups_composes(group):
    for path in (CONF / group).glob("*.yaml"):
        validate(composed(f"{group}={path.stem}"))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_composes_and_says_what_it_is(path):
    header = "".join(line for line in path.read_text().splitlines() if line.startswith("#"))
    assert "vitcrypt.run" in header or "vitcrypt.attack" in header, "an experiment file states its command"
    if "vitcrypt.attack" in header:
        register_attack()
        validate_attack(composed(name=path.stem, folder=path.parent))
    elif "@package" not in path.read_text().splitlines()[0]:
        validate(composed(name=path.stem, folder=path.parent))


def test_the_learning_rate_is_that_of_the_paper_for_plain_and_for_encrypted_images():
    assert composed("encryption=plain", "model=vit_b16")["model"]["optimizer"]["lr"] == 0.03
    for encryption in ("proposed", "le", "none"):
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
        validate(composed(override))


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["encryption.block_size=5"], r"block_size=5 does not divide .* 224 x 224.*block_size="),
        (["encryption.block_size=8"], "block_size=8 is not model.patch_size=16.*allow_patch_mismatch=true"),
        (["model=vit_tiny", "model.image_size=30"], "does not divide"),
        (["data.augment=me"], "owner, provider, none"),
        (["data.interpolation=nearest"], "bilinear, bicubic"),
        (["data.validation=1"], "0 <= share < 1"),
        (["key_scope=mine"], "shared or per_image"),
        (["model.schedule=step"], "cosine or constant"),
        (["model=resnet18", "model.pretrained=true"], "no pretrained weights"),
        (["encryption._target_=os.system"], "os.system is not allowed"),
        (["model.optimizer._target_=builtins.eval"], "builtins.eval is not allowed"),
    ],
)
def test_what_cannot_work_is_an_error_that_says_what_to_type(overrides, told):
    with pytest.raises(ValueError, match=told):
        validate(composed(*overrides))


def test_the_patch_mismatch_can_be_studied_on_purpose():
    validate(composed("encryption.block_size=8", "allow_patch_mismatch=true"))


def test_modules_of_one_s_own_can_be_allowed():
    validate(composed("model.optimizer._target_=mine.SGD", "allow_targets=[mine]"))


def test_identity_follows_from_what_changes_a_result_and_from_nothing_else():
    base = identity(composed(), "f")
    for same in (
        "results=x",
        "data.root=/elsewhere",
        "logger=wandb",
        "data.num_workers=3",
        "trainer.log_every_n_steps=1",
    ):
        assert identity(composed(same), "f") == base, same
    changes = (
        "seed=1",
        "encryption=le",
        "model=vit_tiny",
        "trainer.max_steps=5",
        "trainer.devices=2",
        "data.augment=none",
    )
    others = [identity(composed(), "g"), identity(composed(), None), *(identity(composed(c), "f") for c in changes)]
    assert len({base, *others}) == 1 + len(others)


def test_folders_at_different_places_are_different_data():
    assert identity(composed("data=folder", "data.root=/a"), "f") != identity(
        composed("data=folder", "data.root=/b"), "f"
    )
