"""A run composes its configuration once, and it is the one that Hydra composes by itself."""

import hydra
import pytest
from configurations import chosen, composed
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from program import SMALL

from vitcrypt.experiment.composition import checked, settled
from vitcrypt.experiment.config import CONF

SWEEPING = "hydra: {mode: MULTIRUN, sweeper: {params: {seed: '1'}}}"
FILES = {
    "plain": "seed: 0",
    "sweeping": f"defaults: [plain, _self_]\n{SWEEPING}",
    "open": "defaults: [plain, {part: '???'}, _self_]",
    "part/a": "# @package _global_\nseed: 3",
    "part/b": "# @package _global_\nseed: 4",
}


@pytest.fixture
def composing(tmp_path, monkeypatch):
    """Return a function that lets Hydra compose for a command: what its jobs get or what is wrong, and how often."""
    (tmp_path / "part").mkdir()
    for name, text in FILES.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    original, load, times = Hydra.get_mode, ConfigLoaderImpl._load_configuration_impl, []
    monkeypatch.setattr(
        ConfigLoaderImpl, "_load_configuration_impl", lambda *args, **options: times.append(0) or load(*args, **options)
    )

    def compose(command, once):
        jobs = []

        @hydra.main(version_base="1.3", config_path=str(tmp_path), config_name="plain")
        def task(config):
            jobs.append((OmegaConf.to_yaml(config), OmegaConf.to_yaml(HydraConfig.get())))

        monkeypatch.setattr("sys.argv", ["vitcrypt", *command.split(), "hydra.run.dir=.", "hydra.sweep.dir=."])
        times.clear()
        with checked(), monkeypatch.context() as patch:
            if not once:
                patch.setattr(Hydra, "get_mode", original)
            try:
                task()
            except Exception as error:
                jobs.append(repr(error))
        return jobs, len(times)

    return compose


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "saved"),
    [
        ("seed=1", 1),
        ("-m seed=1", 1),
        ("--config-name sweeping", 1),
        ("--config-name sweeping seed=4 hydra.mode=RUN", 1),
        ("seed=0,1", 1),
        ("sed=1", 1),
        ("--config-name open", 0),
        ("--config-name open part=a", 0),
        ("-m --config-name open part=b", 0),
    ],
)
def test_what_hydra_composes_to_see_whether_it_sweeps_is_what_it_runs(composing, command, saved):
    (jobs, times), (expected, twice) = composing(command, once=True), composing(command, once=False)
    assert jobs == expected
    assert times == twice - saved


@pytest.mark.parametrize(
    "overrides",
    [
        [*SMALL, "model.optimizer.lr=1", "+callbacks.x=1"],
        ["~finetuning", "~model.optimizer.momentum", "encryption=none"],
        ["model=resnet18", "model.network={_target_:x}", "debug=limit"],
    ],
)
def test_values_that_tests_lay_over_what_they_share_are_those_that_hydra_composes(overrides):
    whole = chosen.__wrapped__("config", CONF, *overrides)
    HydraConfig.instance().set_config(whole)
    plain = OmegaConf.masked_copy(whole, [name for name in whole if name != "hydra"])
    assert composed(*overrides) == settled(OmegaConf.to_container(plain, resolve=True))


@pytest.mark.parametrize(
    ("override", "names"),
    [
        ("encryption=etc", {"encryption": "etc", "model": "vit_micro"}),
        ("encryption._target_=mine.LE", {"encryption": "mine.LE", "model": "vit_micro"}),
        ("encryption._target_=vitcrypt.encryption.EtC", {"encryption": "etc", "model": "vit_micro"}),
        ("model.network._target_=mine.vit_micro", {"encryption": "le", "model": "mine.vit_micro"}),
    ],
)
def test_what_stands_in_the_place_of_a_choice_is_not_filed_under_its_name(override, names):
    filed = composed("data=digits", "model=vit_micro", "encryption=le", override)["names"]
    assert filed == {"data": "digits", **names}
    assert composed("encryption=le", "names.encryption=ours", override)["names"]["encryption"] == "ours"
