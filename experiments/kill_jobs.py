"""Kill jobs at random moments, repeat the same command, and see whether it finishes, loses nothing and leaves nothing.

    python experiments/kill_jobs.py --kills 20
    python experiments/kill_jobs.py --source cifar10/test --jobs encrypt decrypt

The source is a folder of class folders; without it, `--images` pieces of scikit-learn's photographs are taken. Each job
is done once without a break. Then, again and again, its command is started, killed (SIGKILL) when a random part of it
is written, or after a random part of its time, and started again on what is left. In the end it may finish; what it
made is compared, byte by byte (results less times and memory), with what was made without a break, and nothing else may
lie there.
"""

import argparse
import contextlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.folder import pieces

OPTIONS = ("--encryption", "proposed", "--block-size", "16")


@dataclass(frozen=True)
class Job:
    """A command that makes OUT out of folders that lie beside it.

    Args:
        name: What OUT is called.
        arguments: Of `vitcrypt`; OUT stands for where it is made.
        by_time: Kill it after a part of its time, not of its bytes: most of the first goes by before the second begin.
        once: It never replaces what it made, so that it cannot be repeated when it is done.
    """

    name: str
    arguments: tuple[str, ...]
    by_time: bool = False
    once: bool = False

    def start(self, folder: Path, out: Path) -> subprocess.Popen[str]:
        """Start it in a folder."""
        arguments = [argument.replace("OUT", str(out)) for argument in self.arguments]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        return subprocess.Popen([sys.executable, "-m", "vitcrypt.cli", *arguments], cwd=folder, text=True, **quiet)


def folder_jobs(source: str, size: int) -> list[Job]:
    """Return the jobs that make folders and packed files."""
    keys = ("--old-key", "test-0", "--new-key", "test-1")
    return [
        Job("encrypt", ("encrypt", source, "OUT", "--key-file", "test-0", "--image-size", str(size), *OPTIONS)),
        Job("decrypt", ("decrypt", "encrypt", "OUT", "--key-file", "test-0")),
        Job("rotate", ("rotate", "encrypt", "OUT", *keys)),
        Job("pack.npz", ("pack", "encrypt", "OUT")),
        Job("pack", ("pack", "encrypt", "OUT", "--shard-mib", "1")),
    ]


def network_jobs() -> list[Job]:
    """Return the jobs that train networks, and make bundles, weights and pages out of these."""
    sizes = ("embed_dim=16", "depth=1", "num_heads=2")
    small = ("data=digits", "trainer=cpu", "model=vit_micro", *(f"model.network.{size}" for size in sizes))
    trained = (*small, "model.epochs=8", "results=OUT", "encryption=proposed")
    keys = ("--old-key", "test-0", "--new-key", "test-1")
    folded = ("--key-file", "test-0", *small[3:], "model.block_size=4")
    return [
        Job("run", ("run", *trained), by_time=True),
        Job("sweep", ("run", "-m", *trained, "seed=0,1"), by_time=True),
        Job("export", ("export", "finished", "OUT"), by_time=True, once=True),
        Job("rekey", ("rekey", "export", "OUT", *keys), by_time=True, once=True),
        Job("fold.safetensors", ("fold", "finished/last.ckpt", "OUT", "--model", "vit_micro", *folded), True, True),
        Job("report.html", ("report", "html", "run", "--output", "OUT"), by_time=True),
    ]


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for its end, which must be a good one."""
    _, told = process.communicate()
    if process.returncode:
        sys.exit(f"the command failed: {told}")


def size(place: Path) -> int:
    """Return how many bytes lie below a folder in which files come and go."""
    total = 0
    for path in place.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def tree(path: Path) -> dict[str, Any]:
    """Return what is in a file, or in all files of a folder; of results what does not depend on time and machine."""
    if path.is_file():
        return {"": path.read_bytes()}
    files = [file for file in path.rglob("*") if file.is_file()]
    if not any(file.name == "result.json" for file in files):
        return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}
    parts = [file.relative_to(path) for file in files if "csv" not in file.parts and file.suffix != ".log"]
    names = {part.as_posix(): b"" for part in parts if part.name != ".lock" and ".sweep" not in part.parts}
    return names | {name: lasting(json.loads((path / name).read_text())) for name in names if "result.json" in name}


def lasting(node: Any) -> Any:
    """Return JSON without what another run of the same would not repeat."""
    if isinstance(node, dict):
        return {name: lasting(value) for name, value in node.items() if name not in ("seconds", "peak_gib", "results")}
    return [lasting(entry) for entry in node] if isinstance(node, list) else node


def kill(job: Job, folder: Path, kills: int, draw: random.Random) -> list[str]:
    """Kill a job, repeat and compare; return in which state each kill left it."""
    started = time.monotonic()
    finish(job.start(folder, folder / job.name))
    seconds, whole = time.monotonic() - started, tree(folder / job.name)
    place = folder / f"of-{job.name}"
    place.mkdir()
    out, total, states = place / job.name, size(folder / job.name), list[str]()
    total = total or (folder / job.name).stat().st_size
    while len(states) < kills:
        process, begun, started = job.start(folder, out), size(place), time.monotonic()
        target, latest = begun + draw.uniform(0, 1.02) * (total - begun), draw.uniform(0.5, 1.0) * seconds
        while process.poll() is None and (time.monotonic() - started < latest if job.by_time else size(place) < target):
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.05))
        if killed := process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            states.append(f"after {latest / seconds:.0%} of its time" if job.by_time else _state(out, place, total))
        if not killed or (out.exists() and (job.once or not job.by_time)):  # it ended before its time: start over
            if not (killed and job.once):
                finish(job.start(folder, out) if killed else process)
            check(job, out, whole)
            shutil.rmtree(out) if out.is_dir() else out.unlink()
    finish(job.start(folder, out))
    check(job, out, whole)
    return states


def _state(out: Path, place: Path, total: int) -> str:
    return "when all was there" if out.exists() else f"at {100 * size(place) // total} %"


def check(job: Job, out: Path, whole: dict[str, Any]) -> None:
    """End the program unless what was made is as it should be, and nothing else is there."""
    if (made := tree(out)) != whole:
        differing = [name for name in made.keys() | whole.keys() if made.get(name) != whole.get(name)]
        sys.exit(f"{job.name}: what was killed and repeated differs from what was not: {', '.join(sorted(differing))}")
    if left := [path.name for path in out.parent.iterdir() if path != out]:
        sys.exit(f"{job.name}: left behind: {', '.join(left)}")


def main() -> None:
    """Kill, repeat, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, help="a folder of class folders")
    parser.add_argument("--images", type=int, default=1000, help="pieces of photographs, without a source")
    parser.add_argument("--kills", type=int, default=20, help="of each job")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", nargs="*", help="names; default: all")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        source = arguments.source or pieces(folder / "pieces", arguments.images)
        for job in [*folder_jobs(str(source.absolute()), arguments.size), *network_jobs()]:
            if not arguments.jobs or job.name in arguments.jobs:
                states = kill(job, folder, arguments.kills, draw)
                print(f"{job.name}: {len(states)} kills, {', '.join(states)}; equal to the unbroken one", flush=True)
            elif job.name in ("encrypt", "run", "export"):  # others need them
                finish(job.start(folder, folder / job.name))
            if job.name == "run":
                (folder / "finished").symlink_to(next((folder / "run").rglob("result.json")).parent)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
