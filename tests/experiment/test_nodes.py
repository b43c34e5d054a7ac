"""Several machines train one network: which is which, what is refused, and that it is the network of one machine."""

import signal
import socket

import pytest
from configurations import composed
from program import SMALL, finish, results, start

from vitcrypt.experiment.config import Config, TrainerConf, typed
from vitcrypt.experiment.identity import identity
from vitcrypt.experiment.nodes import Node

SLURM = {"SLURM_NODEID": "1", "SLURM_NNODES": "2", "SLURM_NODELIST": "gpu[07-08]", "SLURM_JOB_ID": "1234567"}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "GROUP_RANK": "1", "GROUP_WORLD_SIZE": "2", "LOCAL_RANK": "0"}
BY_HAND = {"NODE_RANK": "1", "MASTER_ADDR": "head", "MASTER_PORT": "29777"}


@pytest.fixture
def said(monkeypatch):
    """Return a function that sets the environment, without what a scheduler of this machine says."""
    for name in {*SLURM, *TORCHRUN, *BY_HAND}:
        monkeypatch.delenv(name, raising=False)
    return lambda variables: [monkeypatch.setenv(*item) for item in variables.items()]


@pytest.mark.parametrize(
    ("variables", "node"),
    [
        (BY_HAND, Node(1, "head", 29777)),
        (SLURM, Node(1, "gpu07", 19567)),
        (TORCHRUN | BY_HAND, Node(1, "head", 29778)),
        (SLURM | BY_HAND, Node(1, "head", 29777)),
    ],
    ids=["by hand", "SLURM", "torchrun", "by hand in SLURM"],
)
def test_a_machine_learns_from_the_environment_which_it_is(said, variables, node):
    said(variables)
    assert Node.of(TrainerConf(num_nodes=2)) == node
    assert Node.of(TrainerConf()) is None


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "nothing says where the machines meet: start the same command on each machine by srun"),
        (BY_HAND | {"NODE_RANK": "x"}, "says where in part only"),
        (BY_HAND | {"MASTER_PORT": "99999"}, "MASTER_PORT=99999: set it to"),
        ({"SLURM_NODEID": "0"}, "says where in part only .'SLURM_NODELIST'"),
        (BY_HAND | {"NODE_RANK": "2"}, "NODE_RANK=2: set it to 0..1"),
        (SLURM | {"SLURM_NNODES": "3"}, "there are 3 machines; set trainer.num_nodes=3"),
        (SLURM | {"SLURM_LOCALID": "1"}, "one process on each machine"),
        (TORCHRUN | BY_HAND | {"LOCAL_RANK": "1"}, "one process on each machine"),
    ],
)
def test_what_cannot_meet_is_refused(said, variables, told):
    said(variables)
    with pytest.raises(ValueError, match=told):
        Node.of(TrainerConf(num_nodes=2))


def test_devices_count_for_the_identity_and_not_on_which_machines_they_are():
    def digits(*overrides):
        return identity(typed(Config, composed(*overrides)), "f")

    alone = digits("trainer.devices=4")
    assert digits("trainer.devices=2", "trainer.num_nodes=2") == alone
    assert digits("trainer.devices=1", "trainer.num_nodes=4") == alone
    assert digits("trainer.devices=1", "trainer.num_nodes=2") == digits("trainer.devices=2") != alone


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_two_machines_one_of_which_is_lost_train_the_network_of_one(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    here = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"}
    command = [*SMALL, "trainer.max_epochs=12"]

    def began():
        return [
            start(*command, "trainer.num_nodes=2", "results=two", folder=tmp_path, NODE_RANK=str(rank), **here)
            for rank in (1, 0)
        ]

    other, first = began()
    for line in first.stdout:
        if line.startswith("epoch 2/"):
            other.send_signal(signal.SIGKILL)
            break
    printed, _ = first.communicate(timeout=120)
    assert first.returncode == 1, printed
    assert "training ended on node 0 of 2" in printed
    assert "another node was lost" in printed
    other, first = began()
    ended = [process.communicate(timeout=120)[0] for process in (first, other)]
    assert (first.returncode, other.returncode) == (0, 0), ended
    assert "resuming" in ended[0]
    assert "node 1 of 2: trains with 127.0.0.1" in ended[1]
    finish(*command, "trainer.devices=2", "results=one", folder=tmp_path)
    (one,), (two,) = results(tmp_path / "one"), results(tmp_path / "two")
    assert two["weights"]["trained_sha256"] == one["weights"]["trained_sha256"]
    assert two["identity"] == one["identity"]
    assert "finished before" in finish(
        *command, "trainer.num_nodes=2", "results=two", folder=tmp_path, NODE_RANK="1", **here
    )
