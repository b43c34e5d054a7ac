"""The machines of a training on several: which of them this is, and where they meet. torchrun does all else."""

from __future__ import annotations

import os
from dataclasses import dataclass

from vitcrypt.experiment.config import TrainerConf

PORT = 29500
HOW = (
    "start the same command on each machine by srun --ntasks-per-node=1 or torchrun --nproc-per-node=1, or with "
    "NODE_RANK=0, 1, ... MASTER_ADDR=HOST MASTER_PORT=PORT of the machine with NODE_RANK=0"
)


@dataclass(frozen=True)
class Node:
    """One of several machines that train together; that of rank 0 also tests, and writes the record.

    Attributes:
        rank: Its number.
        host: The machine of rank 0.
        port: Where they meet there.
    """

    rank: int
    host: str
    port: int

    @classmethod
    def of(cls, trainer: TrainerConf) -> Node | None:
        """Return what this machine is, as SLURM, torchrun or the user says in the environment; None if it is alone.

        Raises:
            ValueError: Nothing says so, or something says that there are other machines than `trainer.num_nodes`.
        """
        if trainer.num_nodes == 1:
            return None
        asked = f"trainer.num_nodes={trainer.num_nodes}"
        try:
            told = _told(str(trainer.num_nodes))
        except (KeyError, ValueError) as error:  # a variable is missing, or no number
            raise ValueError(f"{asked}, and the environment says where in part only ({error}): {HOW}") from error
        if told is None:
            raise ValueError(f"{asked}, and nothing says where the machines meet: {HOW}")
        here, count, node = told
        if here != "0":
            raise ValueError(f"{asked}: one process on each machine, which starts one a device itself: {HOW}")
        if count != str(trainer.num_nodes):
            raise ValueError(f"{asked}, and there are {count} machines; set trainer.num_nodes={count}")
        if not 0 <= node.rank < trainer.num_nodes:
            raise ValueError(f"{asked} and NODE_RANK={node.rank}: set it to 0..{trainer.num_nodes - 1}")
        if not 0 < node.port < 2**16:
            raise ValueError(f"{asked} and MASTER_PORT={node.port}: set it to 1..{2**16 - 1}")
        return node


def _told(nodes: str) -> tuple[str, str, Node] | None:
    """Return which process of the machine this is, how many machines there are, and which this is; None: nobody says.

    Raises:
        KeyError: A variable is missing.
        ValueError: One is no number.
    """
    said = os.environ
    if "TORCHELASTIC_RUN_ID" in said:  # torchrun itself listens at its port
        node = Node(int(said["GROUP_RANK"]), said["MASTER_ADDR"], int(said["MASTER_PORT"]) + 1)
        return said["LOCAL_RANK"], said["GROUP_WORLD_SIZE"], node
    if "NODE_RANK" in said and "MASTER_ADDR" in said:
        return "0", nodes, Node(int(said["NODE_RANK"]), said["MASTER_ADDR"], int(said.get("MASTER_PORT", PORT)))
    if "SLURM_NODEID" in said:
        from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

        host = SLURMEnvironment.resolve_root_node_address(said["SLURM_NODELIST"])
        port = said.get("MASTER_PORT") or 15000 + int(said["SLURM_JOB_ID"]) % 10000
        node = Node(int(said["SLURM_NODEID"]), host, int(port))
        return said.get("SLURM_LOCALID", "0"), said["SLURM_NNODES"], node
    return None
