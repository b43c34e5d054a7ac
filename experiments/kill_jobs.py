"""Kill jobs at random moments, repeat the same command, and see whether it finishes, loses nothing and leaves nothing.

    python experiments/kill_jobs.py --kills 20
    python experiments/kill_jobs.py --source cifar10/test --jobs encrypt decrypt

The source is a folder of class folders; without it, `--images` pieces of scikit-learn's photographs are taken. Each job
is done once without a break. Then, again and again, its command is started, killed (SIGKILL) when a random part of it
is written, and started again on what is left. In the end it may finish; what it made is compared, byte by byte, with
what was made without a break, and nothing else may lie there.
"""

import argparse
import contextlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from vitcrypt.bench.folder import pieces

OPTIONS = ("--encryption", "proposed", "--block-size", "16")


@dataclass(frozen=True)
class Job:
    """A command that makes OUT out of folders that lie beside it.

    Args:
        name: What OUT is called.
        arguments: Of `vitcrypt`; OUT stands for where it is made.
    """

    name: str
    arguments: tuple[str, ...]

    def start(self, folder: Path, out: Path) -> subprocess.Popen[str]:
        """Start it in a folder."""
        arguments = [str(out) if argument == "OUT" else argument for argument in self.arguments]
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


def tree(path: Path) -> dict[str, bytes]:
    """Return what is in a file, or in all files of a folder."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def kill(job: Job, folder: Path, kills: int, draw: random.Random) -> list[str]:
    """Kill a job, repeat and compare; return in which state each kill left it."""
    finish(job.start(folder, folder / job.name))
    whole, place = tree(folder / job.name), folder / f"of-{job.name}"
    place.mkdir()
    out, total, states = place / job.name, sum(map(len, whole.values())), list[str]()
    while len(states) < kills:
        process, begun = job.start(folder, out), size(place)
        target = begun + draw.uniform(0, 1.02) * (total - begun)
        while process.poll() is None and size(place) < target:
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.05))
        if killed := process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            states.append("when all was there" if out.exists() else f"at {100 * size(place) // total} %")
        if not killed or out.exists():  # it ended before its time: start over
            finish(process if not killed else job.start(folder, out))
            check(job, out, whole)
            shutil.rmtree(out) if out.is_dir() else out.unlink()
    finish(job.start(folder, out))
    check(job, out, whole)
    return states


def check(job: Job, out: Path, whole: dict[str, bytes]) -> None:
    """End the program unless what was made is as it should be, and nothing else is there."""
    if tree(out) != whole:
        sys.exit(f"{job.name}: what was killed and repeated differs from what was not")
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
        for job in folder_jobs(str(source.absolute()), arguments.size):
            if arguments.jobs and job.name not in arguments.jobs:
                if job.name == "encrypt":
                    finish(job.start(folder, folder / job.name))
                continue
            states = kill(job, folder, arguments.kills, draw)
            print(f"{job.name}: {len(states)} kills, {', '.join(states)}; equal to the unbroken one", flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
