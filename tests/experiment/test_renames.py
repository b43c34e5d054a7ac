"""Old names work wherever they stand: on the command line, in sweeps, in files and their defaults, and in records."""

import pytest
from configurations import composed
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from vitcrypt.experiment.composition import checked
from vitcrypt.experiment.config import CONF, Config, typed
from vitcrypt.experiment.identity import identity
from vitcrypt.experiment.schema import register
from vitcrypt.untrusted import renames


@pytest.fixture(autouse=True)
def nothing_was_said(monkeypatch):
    monkeypatch.setattr(renames, "_shown", set())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("model=vit_tiny", "model=vit_micro"),
        ("model=vit_tiny,resnet18", "model=vit_micro,resnet18"),
        ("model=choice(vit_tiny,resnet18)", "model=choice(vit_micro,resnet18)"),
        ("row=plain_vit_tiny,le_shakedrop", "row=plain_vit_micro,le_shakedrop"),
        ("encryption=none", "encryption=received"),
        ("encryption=plain,none", "encryption=plain,received"),
        ("model.adapt_to_key=true,false", "model.fold_key=true,false"),
        ("+model.adapt_to_key=true", "+model.fold_key=true"),
        ("logger.project=mine", "logger.wandb.project=mine"),
        ("data_model=digits_vit_tiny", "recipe=digits_vit_micro"),
        ("~data_model", "~recipe"),
        ("~encryption_model", "~recipe@_global_"),
        ("hydra.sweeper.params.model=vit_tiny", "hydra.sweeper.params.model=vit_micro"),
    ],
)
def test_an_override_is_read_as_it_is_typed_today_with_one_line(old, new, capsys):
    assert renames.overrides([old]) == [new]
    assert renames.overrides([old]) == [new]
    assert capsys.readouterr().err.count(" is now ") == (2 if old.startswith("data_model=") else 1)


@pytest.mark.parametrize(
    "override",
    ["model.network.model_name=vit_tiny_patch16_224", "names.model=vit_tiny", "results=none", "model.adaptation=none",
     "callbacks=none", "key=vit_tiny", "data.root='a=vit_tiny'", "logger=none", "debug=none"],
)  # fmt: skip
def test_other_values_are_left_alone(override, capsys):
    assert renames.overrides([override]) == [override]
    assert not capsys.readouterr().err


def test_a_group_that_is_gone_is_left_out_with_a_line(capsys):
    assert renames.overrides(["~encryption_data", "seed=1"]) == ["seed=1"]
    assert "data.augment=auto" in capsys.readouterr().err


OLD = """
defaults:
  - config
  - row: mine_vit_tiny
  - override encryption: none
  - override logger: wandb
  - _self_
logger:
  project: mine
model:
  adapt_to_key: false
hydra:
  sweeper:
    params:
      model: vit_tiny,resnet18
      model.adapt_to_key: "true,false"
"""


def test_a_user_s_files_and_their_defaults_and_sweeps_work(tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text(OLD)
    for group, name, text in (
        ("row", "mine_vit_tiny", "# @package _global_\ndefaults:\n  - override /model: vit_tiny\nseed: 5\n"),
        ("data_model", "cifar10_vit_tiny", "# @package _global_\nmodel:\n  epochs: 77\n"),
    ):
        (tmp_path / group).mkdir()
        (tmp_path / group / f"{name}.yaml").write_text(text)
    register()
    GlobalHydra.instance().clear()
    with checked(), initialize_config_dir(str(tmp_path), version_base="1.3"):
        config = compose("mine", [f"hydra.searchpath=[file://{CONF}]"], return_hydra_config=True)
    plain = OmegaConf.to_container(config, resolve=False)
    assert plain["model"]["network"]["embed_dim"] == 64
    assert (plain["model"]["fold_key"], plain["seed"], plain["model"]["epochs"]) == (False, 5, 77)
    assert plain["encryption"] == {"_target_": None}
    assert plain["logger"]["wandb"]["project"] == "mine"
    assert plain["hydra"]["sweeper"]["params"] == {"model": "vit_micro,resnet18", "model.fold_key": "true,false"}
    assert set(capsys.readouterr().err.splitlines()) >= {"model=vit_tiny is now model=vit_micro"}


@pytest.mark.slow
def test_old_and_new_names_are_one_identity():
    for old, new in (
        (["model=vit_tiny"], ["model=vit_micro"]),
        (["encryption=none", "data=npz", "data.root=x.npz"], ["encryption=received", "data=npz", "data.root=x.npz"]),
        (["encryption=proposed", "model.adapt_to_key=true"], ["encryption=proposed", "model.fold_key=true"]),
    ):
        assert identity(typed(Config, composed(*old)), "f") == identity(typed(Config, composed(*new)), "f")


def test_folders_of_old_names_are_looked_at_after_today_s():
    assert list(renames.places(["npz", "received", "vit_micro"])) == [
        ["npz", "received", "vit_micro"],
        ["npz", "received", "vit_tiny"],
        ["npz", "none", "vit_micro"],
        ["npz", "none", "vit_tiny"],
    ]


def test_records_of_before_are_read_under_the_names_of_today(capsys):
    names = {"data": "npz", "encryption": "none", "model": "vit_tiny"}
    record = {"config": {"names": names, "model": {"adapt_to_key": False, "adaptation": "none"}}}
    today = renames.record(record)["config"]
    assert today["names"] == {"data": "npz", "encryption": "received", "model": "vit_micro"}
    assert today["model"] == {"fold_key": False, "adaptation": "none"}
    assert record["config"]["names"] == names
    assert not capsys.readouterr().err
