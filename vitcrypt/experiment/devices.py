"""The devices of a training, and the processes that use them."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import ModelParallelStrategy, Strategy

from vitcrypt.experiment.config import TrainerConf
from vitcrypt.experiment.nodes import Node
from vitcrypt.jobs.pool import end_with_parent

WAIT = 1800
"""Seconds in which all machines have to come together."""


def uses_cuda(trainer: TrainerConf) -> bool:
    """Return whether a training with these settings runs on GPUs."""
    return trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()


def chosen(trainer: TrainerConf) -> int | list[int]:
    """Return how many devices train on this machine, or which.

    Raises:
        ValueError: `trainer.devices` is neither a number nor a list of numbers nor "auto".
    """
    devices = trainer.devices
    if isinstance(devices, str) and "," in devices:
        devices = [part for part in devices.split(",") if part.strip()]
    if devices in ("auto", -1, "-1"):
        return max(1, torch.cuda.device_count()) if uses_cuda(trainer) else 1
    try:
        which = [int(one) for one in devices] if isinstance(devices, list) else int(devices)
    except (TypeError, ValueError):
        which = 0
    if isinstance(devices, (bool, float)) or not which or (isinstance(which, int) and which < 0):
        raise ValueError(
            f"trainer.devices={trainer.devices}: set a number of devices from 1, 'trainer.devices=[0,1]' for which "
            "ones, or trainer.devices=auto for all"
        )
    return which


def count(trainer: TrainerConf) -> int:
    """Return how many devices train on this machine."""
    which = chosen(trainer)
    return len(which) if isinstance(which, list) else which


def world(trainer: TrainerConf) -> int:
    """Return how many devices train on all machines together."""
    return trainer.num_nodes * count(trainer)


def strategy(trainer: TrainerConf) -> str | Strategy:
    """Return how devices train together. FSDP is torch's second, which CPUs know too; checkpoints are whole."""
    if trainer.strategy != "fsdp":
        return trainer.strategy
    return ModelParallelStrategy(
        data_parallel_size=world(trainer), tensor_parallel_size=1, save_distributed_checkpoint=False
    )


def check(trainer: TrainerConf) -> None:
    """Raise ValueError if this machine does not have what is asked for, or nothing says where several of them meet."""
    Node.of(trainer)
    wanted, found, devices = trainer.accelerator, torch.accelerator.device_count(), count(trainer)
    if wanted not in ("auto", "cpu") and devices > found:
        raise ValueError(
            f"trainer.accelerator={wanted} with {devices} devices, and this machine has {found}; "
            + (f"set trainer.devices={found}" if found else "set trainer=cpu")
        )
    if trainer.strategy == "fsdp" and world(trainer) == 1:
        raise ValueError("trainer.strategy=fsdp divides a network among devices, and there is 1; set trainer.devices=2")
    if trainer.sync_batchnorm and world(trainer) > 1 and not uses_cuda(trainer):
        raise ValueError("trainer.sync_batchnorm=true works on GPUs alone; set trainer.sync_batchnorm=false")


def environment(world: int) -> ClusterEnvironment:
    """Return how Lightning learns about other processes: from `train_in_processes`, or that there are none.

    What a scheduler set in the environment for jobs of its own (SLURM_NTASKS, SLURM_PROCID, ...) counts for nothing:
    one `vitcrypt run` is one training, which neither requeues itself nor writes checkpoints on a signal.
    """
    if world > 1 and TorchElasticEnvironment.detect():
        return TorchElasticEnvironment()
    alone = LightningEnvironment()
    alone.set_global_rank(0)
    return alone


def train_in_processes(folder: Path, identity: str, trainer: TrainerConf) -> None:
    """Start one process a device. They read the configuration from the folder: nothing of a sweep reaches them.

    Raises:
        RuntimeError: One of them failed; it said why.
    """
    devices, node = count(trainer), Node.of(trainer)
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={devices}"]
    if node is None:
        command.append("--standalone")
    else:
        command += [f"--nnodes={trainer.num_nodes}", f"--node-rank={node.rank}", f"--rdzv-id={identity}"]
        command += ["--rdzv-backend=static", f"--rdzv-endpoint={node.host}:{node.port}", f"--rdzv-conf=timeout={WAIT}"]
    command += ["-m", "vitcrypt.experiment.training_run", str(folder), identity]
    mine = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "PL_GLOBAL_SEED")
    kept = {name: value for name, value in os.environ.items() if name not in mine}
    kept.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // devices)))
    with TemporaryDirectory() as notes:  # torchrun's own, which it would leave behind
        command.insert(3, f"--log-dir={notes}")
        # they hold the lock of the folder too, and end with this process however it ends
        code = subprocess.call(command, env=kept, close_fds=False, preexec_fn=end_with_parent)
    if code and node is not None:
        raise RuntimeError(
            f"training ended on node {node.rank} of {trainer.num_nodes} ({socket.gethostname()}, exit code {code}): it "
            f"failed here, another node was lost, or none came to {node.host}:{node.port} within {WAIT} s; its output "
            "is above. The same command on all nodes resumes"
        )
    if code:
        raise RuntimeError(f"training on {devices} devices failed (exit code {code}); its output is above")
