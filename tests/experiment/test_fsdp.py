"""Devices that share one network (FSDP): the network of one device, in the checkpoint of one device."""

import signal

import pytest
import torch
from program import SMALL, finish, results, start

from vitcrypt.experiment import devices
from vitcrypt.experiment.checkpoint import read_checkpoint
from vitcrypt.experiment.config import TrainerConf


def test_a_network_is_not_divided_among_one():
    with pytest.raises(ValueError, match=r"there is 1; set trainer\.devices=2"):
        devices.check(TrainerConf(accelerator="cpu", strategy="fsdp"))


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_two_processes_that_share_a_network_are_killed_resume_and_write_the_checkpoint_of_one(tmp_path):
    command, found = [*SMALL, "trainer.max_epochs=3"], {}
    fsdp = [*command, "trainer.devices=2", "trainer.strategy=fsdp", "results=fsdp"]
    finish(*command, "results=one", folder=tmp_path)
    process = start(*fsdp, folder=tmp_path)
    for line in process.stdout:
        if line.startswith("epoch 2/"):
            process.send_signal(signal.SIGKILL)
            break
    process.communicate(timeout=120)
    assert "resuming" in finish(*fsdp, folder=tmp_path)
    for name in ("one", "fsdp"):
        (result,) = results(tmp_path / name)
        found[name] = read_checkpoint(next((tmp_path / name).rglob("last.ckpt")), result["identity"])
    weights = {name: checkpoint["state_dict"] for name, checkpoint in found.items()}
    torch.testing.assert_close(weights["fsdp"], weights["one"], rtol=0, atol=1e-3)
    states = [found[name]["optimizer_states"][0]["state"] for name in ("one", "fsdp")]
    assert [one.keys() for one in states[0].values()] == [other.keys() for other in states[1].values()]
