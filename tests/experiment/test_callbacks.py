"""Callbacks, debug runs and what each means for a result, its identity and its resumption."""

from dataclasses import replace

import pytest
import torch
from configurations import composed
from lightning.pytorch.callbacks import Callback
from program import SMALL

from vitcrypt.experiment.composition import _with_debug
from vitcrypt.experiment.config import CONF, Config, typed
from vitcrypt.experiment.identity import identity
from vitcrypt.experiment.job import Job
from vitcrypt.experiment.record import state_sha256
from vitcrypt.experiment.training_run import TrainingRun, checkpoint_of

TINY = [
    *SMALL,
    "model.image_size=8",
    "data.limit_train=48",
    "data.limit_test=16",
    "model.warmup_steps=0",
    "logger=none",
]


def training(folder, *overrides):
    folder.mkdir(exist_ok=True)
    return TrainingRun.of(replace(Job.of(Config, composed(*TINY, *overrides)), folder=folder))


class BreakOff(Callback):
    """Ends a training as Ctrl-C does, in its second epoch."""

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_what_changes_a_result_counts_for_the_identity_and_what_watches_does_not():
    def digits(*overrides):
        return identity(typed(Config, composed(*overrides)), "f")

    base = digits()
    for same in ("callbacks=none", "callbacks=lr_monitor", "logger=[csv,wandb]", "logger=none", "debug=none"):
        assert digits(same) == base, same
    others = [digits(f"callbacks={name}") for name in ("early_stopping", "ema", "[ema,early_stopping]")]
    others += [digits("callbacks=ema", "callbacks.ema.decay=0.9"), digits("debug=profiler")]
    assert len({base, *others}) == 6
    assert digits("callbacks=[ema,lr_monitor]") == digits("callbacks=ema")


@pytest.mark.slow
@pytest.mark.parametrize("chosen", ["default", "ema", "[early_stopping,ema,lr_monitor]"])
def test_a_training_that_was_broken_off_ends_as_one_that_was_not(tmp_path, chosen):
    overrides = [f"callbacks={chosen}", "trainer.max_epochs=4"]
    whole = training(tmp_path / "whole", *overrides)
    whole.fit([])
    broken = training(tmp_path / "broken", *overrides)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        broken.fit_here([], [BreakOff()])
    resumed = training(tmp_path / "broken", *overrides)
    resumed.fit([])
    measured = [run.test() for run in (whole, resumed)]
    assert measured[0][0] == measured[1][0]
    assert [epoch["train/loss"] for epoch in measured[0][1]] == [epoch["train/loss"] for epoch in measured[1][1]]
    assert state_sha256(whole.classifier.network) == state_sha256(resumed.classifier.network)


@pytest.mark.slow
def test_the_average_is_what_is_validated_and_tested(tmp_path):
    run = training(tmp_path / "run", "callbacks=ema", "callbacks.ema.decay=0.5")
    run.fit([])
    checkpoint = torch.load(checkpoint_of(run.job), weights_only=True)
    average, current = checkpoint["state_dict"], checkpoint["current_model_state"]
    run.test()
    trained = run.classifier.state_dict()
    assert all(torch.equal(trained[name], average[name]) for name in average)
    assert any(not torch.equal(current[name], average[name]) for name in average)


@pytest.mark.slow
def test_early_stopping_ends_a_training_for_good(tmp_path):
    overrides = ["callbacks=early_stopping", "callbacks.early_stopping.patience=1", "trainer.max_epochs=50"]
    overrides += ["callbacks.early_stopping.min_delta=100"]
    for _ in range(2):
        run = training(tmp_path / "run", *overrides)
        run.fit([])
        assert len(run.test()[1]) == 2


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["data.validation=0"], "needs validation images, and there are none; set data.validation=0.1"),
        (["trainer.limit_val_batches=0"], "set trainer.limit_val_batches=1.0"),
        (["callbacks.early_stopping.monitor=val/los"], "val/los is no measure; set it to train/loss"),
        (["+callbacks.early_stopping.patiense=1"], "take it out with '~callbacks.early_stopping.patiense'"),
        (["callbacks.early_stopping._target_=os.system"], "os.system is not allowed"),
    ],
)
def test_callbacks_that_cannot_work_are_refused_before_training(tmp_path, overrides, told):
    with pytest.raises(ValueError, match=told):
        training(tmp_path / "run", "callbacks=early_stopping", *overrides)


def test_without_validation_images_the_loss_of_training_can_be_watched(tmp_path):
    monitor = "callbacks.early_stopping.monitor=train/loss"
    training(tmp_path / "run", "callbacks=early_stopping", "data.validation=0", monitor).fit([])


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "debug").glob("*.yaml")))
def test_a_debug_run_says_in_configuration_and_folder_that_it_is_one(name):
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [f"debug={name}", "model=vit_micro"])
    laid = _with_debug(config, ["data.limit_test=3", f"debug={name}"])
    assert laid.results == ("results" if name == "none" else "results/debug")
    if name == "limit":
        assert (laid.data.limit_train, laid.trainer.max_epochs) == (1000, 2)
        assert laid.data.limit_test is None  # it was typed, and stays as it was composed


def test_a_debug_run_changes_options_of_training_alone():
    from omegaconf import OmegaConf

    with pytest.raises(ValueError, match="a debug run changes data, model, trainer alone"):
        _with_debug(OmegaConf.create({"debug": {"allow_targets": ["os"]}, "results": "r"}), [])
