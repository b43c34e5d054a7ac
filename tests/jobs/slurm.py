"""A SLURM of two nodes, both this machine, from Debian's packages slurm-wlm and munge: no accounts, no cgroups."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
HOST = socket.gethostname().split(".")[0]
NODES = ("127.0.0.1", "127.0.0.2")  # names under which they find each other
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=20
SchedulerParameters=sched_interval=1,bf_interval=1
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/%n
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr={name} Port={port} CPUs=2 RealMemory=2000 State=UNKNOWN"


def absent() -> str | None:
    """Why it cannot be started here, if so."""
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"needs {', '.join(missing)} (Debian: slurm-wlm, munge)"
    return None if os.geteuid() == 0 else "needs the rights of root"


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Start it with all that it writes below a folder; yield the environment that finds it."""
    port, *ports = free_ports(1 + len(NODES))
    munge, configuration = folder / "munge", folder / "slurm.conf"
    for place in (munge, folder / "state", *(folder / name for name in NODES)):
        place.mkdir(mode=0o700)
    (munge / "key").write_bytes(os.urandom(1024))
    (munge / "key").chmod(0o400)
    places = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    nodes = [NODE.format(name=name, host=HOST, port=of) for name, of in zip(NODES, ports, strict=True)]
    configuration.write_text(CONFIGURATION.format(host=HOST, port=port, folder=folder, nodes="\n".join(nodes)))
    variables = {"SLURM_CONF": str(configuration)}
    environment = {**os.environ, **variables}
    try:
        _begin("munged", "--force", *(f"--{option}={munge / file}" for option, file in places.items()))
        _begin("slurmctld", "-f", str(configuration), env=environment)
        for name in NODES:
            _begin("slurmd", "-f", str(configuration), "-N", name, env=environment)
        for _ in range(150):
            told = subprocess.run(["sinfo", "-h", "-N", "-o", "%T"], env=environment, capture_output=True, text=True)
            if told.stdout.split() == ["idle"] * len(NODES):
                break
            time.sleep(0.2)
        else:
            raise RuntimeError(f"SLURM does not become idle: {told.stdout}{told.stderr}")
        yield variables
    finally:
        subprocess.run(["scancel", "--user=root"], env=environment, capture_output=True)
        for file in (*(folder / f"{name}.pid" for name in NODES), folder / "slurmctld.pid", munge / "pid"):
            with suppress(FileNotFoundError, ProcessLookupError):
                os.kill(int(file.read_text()), signal.SIGTERM)


def _begin(*command: str, env: dict[str, str] | None = None) -> None:
    subprocess.run(command, env=env, check=True, capture_output=True, timeout=30)
