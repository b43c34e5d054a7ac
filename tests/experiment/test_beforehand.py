"""What would fail in the middle of a training, or after it, is asked before it, and the message says what to set."""

import re
from dataclasses import replace

import pytest
import torch
from configurations import composed
from program import SMALL
from samples import medmnist, written

from vitcrypt.data import digits
from vitcrypt.data.steps import Division
from vitcrypt.experiment import devices
from vitcrypt.experiment.config import Config, TrainerConf
from vitcrypt.experiment.job import Job
from vitcrypt.experiment.plan import limited, planned, warnings_of
from vitcrypt.experiment.ranges import batch_limit
from vitcrypt.experiment.training_run import TrainingRun

CNN = ["model=resnet18", "model.network.width=2", "model.image_size=8", "trainer=cpu", "data.validation=0"]
CNN += ["data=digits", "data.limit_test=4"]
ELE = ["model.adaptation=ele", "encryption=ele", "data.crop_padding=0"]
TRAINER = {"max_epochs": 3, "max_steps": -1}


def cell(tmp_path, *overrides):
    return TrainingRun.of(replace(Job.of(Config, composed(*overrides)), folder=tmp_path))


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["model.optimizer._target_=torch.optim.Muon"], "model.optimizer: Muon only supports 2D"),
        (["+model.optimizer.momentum=0.9"], r"model.optimizer: .*momentum.*'~model.optimizer.momentum'"),
        (["+model.optimizer.betas=[2,2]"], "model.optimizer: Invalid beta"),
        (["+model.optimizer.params=[]"], r"model.optimizer: .*'~model.optimizer.params'"),
        (["+model.optimizer.amsgrad=maybe"], "model.optimizer: "),
        (["model.network.patch_size=5"], "cuts patches of 5; set model.patch_size=5"),
        (["+encryption.foo=1"], r"^encryption: .*'~encryption.foo'"),
        (["+data.source.foo=1"], r"^data.source: .*'~data.source.foo'"),
        (["model.network.model_name=vit_tinny_patch16_224"], "vit_tinny_patch16_224"),
        (["model.network.embed_dim=15"], "model.network: "),
        (["+model.network.in_chans=1"], "model.network takes no images of 3 x 16 x 16: .*channels"),
        (["+model.network.global_pool=''"], r"model.network gives \[1, 17, 10\] .* not \[1, 10\]"),
        (["model.network.img_size=24"], "model.network takes no images of 3 x 16 x 16: "),
        (["trainer.sync_batchnorm=true", "trainer.devices=2"], "set trainer.sync_batchnorm=false"),
        (["+model.optimizer.fused=true", "trainer.precision=16-mixed"], "'~model.optimizer.fused'"),
        (["trainer.limit_train_batches=0"], "trainer.limit_train_batches=0"),
        (["trainer.limit_train_batches=0.01"], "set trainer.limit_train_batches=1 for one batch"),
        (["trainer.limit_train_batches=1.5"], "a number of batches .* or a share"),
        (["trainer.limit_val_batches=-1"], "trainer.limit_val_batches=-1"),
        (["trainer.devices=0"], "trainer.devices=0"),
        (["trainer.devices=x"], "trainer.devices=x: set a number"),
        (["trainer.devices=1.5"], "trainer.devices=1.5: set a number"),
        (["trainer.num_nodes=2"], "trainer.num_nodes=2, and nothing says where the machines meet"),
        (["trainer.precision=16-true", "trainer.accelerator=mps"], "this machine has"),
        (["data.validation=0.99", "data.limit_train=5"], "holds out 5 of 5 .* set data.validation=0"),
        (["data.limit_train=1"], "holds out 1 of 1 "),
        (["data.limit_train=-1"], "data.limit_train=-1"),
        (["data.skip_train=5000"], "leaves none"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_work_is_refused_before_training(tmp_path, overrides, told):
    with pytest.raises(ValueError, match=told):
        cell(tmp_path, *SMALL, *overrides)
    assert not list(tmp_path.iterdir())


def test_without_a_compiler_compiling_is_refused_with_what_switches_it_off(tmp_path, monkeypatch):
    def none(*_):
        raise RuntimeError("no C++ compiler was found")

    monkeypatch.setattr(torch, "compile", lambda function: none)
    with pytest.raises(ValueError, match=r"no C\+\+ compiler was found; set model.compile=false data.compile=false"):
        cell(tmp_path, *SMALL, "model.compile=true", "data.compile=true")


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ({"test": 0}, "no image to test on"),
        ({"train": 0}, "no image to train on"),
        ({"val": 0}, "no image to validate on"),
        ({}, "one class"),
    ],
)
def test_data_without_images_or_with_one_class_are_refused(tmp_path, sizes, told):
    arrays = medmnist(side=8, train=8, val=4)
    for name, values in arrays.items():
        kept = sizes.get(name.partition("_")[0], len(values))
        arrays[name] = values[:kept] if sizes or name.endswith("images") else values * 0
    path = written(tmp_path / "x.npz", arrays)
    with pytest.raises(ValueError, match=told):
        cell(tmp_path / "run", *SMALL, "data=npz", f"data.root={path}", "data.limit_train=null", "data.limit_test=null")


@pytest.mark.parametrize(
    ("overrides", "advice"),
    [
        (["data.limit_train=33", "data.batch_size=32"], "set data.batch_size=31"),
        (["data.limit_train=9", "data.batch_size=1"], "take more|set data.batch_size"),
        (["data.limit_train=16", "data.batch_size=16", "data.micro_batch_size=1"], "data.micro_batch_size=null"),
        (["data.limit_train=18", "data.batch_size=16", "trainer.devices=2"], "set data.batch_size=14"),
        (["data.limit_train=1", "data.batch_size=8"], "take more training images"),
        (["data.limit_train=33", "data.batch_size=32", *ELE], "set data.batch_size=31"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_batch_of_one_image_that_batch_norm_cannot_take_is_refused_with_sizes_that_work(tmp_path, overrides, advice):
    with pytest.raises(ValueError, match=f"leave a batch of one image, and the batch normalisation .*{advice}"):
        cell(tmp_path, *CNN, *overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        ["data.limit_train=33", "data.batch_size=31"],
        ["data.limit_train=33", "data.batch_size=32", "model.image_size=32"],  # then there are pixels to normalise over
        ["data.limit_train=33", "data.batch_size=32", "trainer.limit_train_batches=1"],
        ["data.limit_train=33", "data.batch_size=32", "model.steps=1"],
        ["data.limit_train=61", "data.batch_size=61", "data.micro_batch_size=32"],
    ],
    ids=" ".join,
)
def test_a_batch_of_one_image_that_never_comes_or_does_no_harm_is_not_refused(tmp_path, overrides):
    cell(tmp_path, *CNN, *overrides)


@pytest.mark.parametrize(
    ("limit", "batches"), [(None, 8), (1, 1), (1.0, 8), (3, 3), (99, 8), (0.5, 4), (0.99, 7), (0, 0), (0.0, 0)]
)
def test_a_whole_number_limits_batches_and_a_fraction_is_a_share(limit, batches):
    assert limited("limit_val_batches", limit, 8) == batches


@pytest.mark.parametrize("limit", [True, -1, 1.5, -0.5, float("nan"), "1"])
def test_a_limit_that_is_neither_is_refused(limit):
    with pytest.raises(ValueError, match="a number of batches"):
        batch_limit(limit)


@pytest.mark.parametrize(
    ("options", "steps"), [({}, 15), ({"max_steps": 4}, 4), ({"max_epochs": -1, "max_steps": 40}, 40)]
)
def test_the_plan_counts_the_steps(options, steps):
    assert planned(TrainerConf(**{**TRAINER, **options}), 33, Division(8)).steps == steps
    assert planned(TrainerConf(**{**TRAINER, **options}), 33, Division(8, 3)).steps == steps


@pytest.mark.parametrize(
    ("options", "told"),
    [({"max_epochs": 0}, "max_epochs=0"), ({"max_steps": 0}, "max_steps=0"), ({"max_epochs": None}, "nothing ends")],
)
def test_a_training_without_a_step_or_without_an_end_is_refused(options, told):
    with pytest.raises(ValueError, match=told):
        planned(TrainerConf(**{**TRAINER, **options}), 33, Division(8))


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["model.warmup_steps=500"], "model.warmup_steps=500 is longer .* 6 steps: .*; set model.warmup_steps=0"),
        (
            ["model.schedule=multistep", "model.milestones=[1,150]", "model.warmup_steps=0"],
            "epoch 150 is never reached",
        ),
        (["model.schedule=multistep", "model.warmup_steps=0"], "never lowers the learning rate"),
        (["trainer.check_val_every_n_epoch=3", "model.warmup_steps=0"], "nothing is validated in 2 epochs"),
    ],
)
def test_parts_of_a_recipe_that_the_training_is_too_short_for_are_said(tmp_path, overrides, told):
    asked = cell(tmp_path, *SMALL, *overrides)
    (line,) = warnings_of(asked.job.config, asked.plan, validated=True)
    assert re.search(told, line)


@pytest.mark.parametrize(("devices_", "count"), [(1, 1), ("2", 2), ([0, 1], 2), ("0,1", 2), ("auto", None), (-1, None)])
def test_devices_are_a_number_a_list_or_all(devices_, count):
    found = devices.count(TrainerConf(devices=devices_))
    assert found == (count or max(1, torch.cuda.device_count()))


@pytest.mark.parametrize("rank", ["0", "3"])
def test_variables_of_slurm_change_nothing(tmp_path, monkeypatch, rank):
    variables = {"JOB_ID": "1", "JOB_NAME": "t", "NTASKS": "4", "NTASKS_PER_NODE": "4", "NNODES": "2", "PROCID": rank}
    for name, value in {**variables, "LOCALID": rank, "NODEID": "1", "NODELIST": "a[1-2]"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    (tmp_path / "hpc_ckpt_1.ckpt").write_bytes(b"of an earlier job")
    run = cell(tmp_path, *SMALL, "logger=csv")
    trainer = run._fitting([])
    assert type(trainer._accelerator_connector.cluster_environment).__name__ == "LightningEnvironment"
    assert trainer._checkpoint_connector._hpc_resume_path is None
    run.fit(run.loggers())
    run.test()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["csv", "hpc_ckpt_1.ckpt", "last.ckpt"]
    assert len((tmp_path / "csv/version_0/metrics.csv").read_text().splitlines()) > 1


def test_a_limit_leaves_validation_images_alone_and_negative_ones_are_refused():
    for options in ({"train": -1}, {"test": -5}, {"skip": -1}):
        with pytest.raises(ValueError, match="cannot be negative"):
            digits().limit(**{"train": None, "test": None, "seed": 0, **options})
