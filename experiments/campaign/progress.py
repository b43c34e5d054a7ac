"""How far a job is: what lies in its folder, and nothing else."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import shorten

from campaign.job import Job
from vitcrypt.jobs.atomic import atomic_write

EPOCH = re.compile(r"\bepoch (\d+)")
ROOT = Path(__file__).parents[2]
JOURNAL, LOG = "journal.json", "output.txt"


@dataclass
class Progress:
    """What was done for a job so far.

    Args:
        seconds: Spent on it, in all attempts.
        attempts: How often it was begun.
        finished: A job without a result.json ended well.
        failed: Why its last attempt failed; empty if it did not.
        stuck: The longest time in which nothing came of it that stays.
    """

    seconds: float = 0.0
    attempts: int = 0
    finished: bool = False
    failed: str = ""
    stuck: float = 0.0


class Place:
    """The folder of a job.

    Args:
        job: Which.
        results: The folder of all.
    """

    def __init__(self, job: Job, results: Path) -> None:
        self.job, self.folder = job, results / job.name
        self.log = self.folder / LOG

    @property
    def arguments(self) -> list[str]:
        """What follows `python`."""
        return [argument.replace("RESULTS", str(self.folder)) for argument in self.job.command]

    @property
    def command(self) -> str:
        """The command as it would be typed in the root of this repository."""
        before = "".join(f"{name}={value} " for name, value in self.job.environment.items())
        return before + shlex.join(["python", *self.arguments]).replace(f"{ROOT}/", "")

    def read(self) -> Progress:
        """Return how far it is; a journal of another version counts as none."""
        try:
            return Progress(**json.loads((self.folder / JOURNAL).read_text()))
        except (OSError, ValueError, TypeError):
            return Progress()

    def write(self, progress: Progress) -> None:
        """Keep how far it is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(self.folder / JOURNAL) as file:
            file.write(json.dumps(asdict(progress), indent=2).encode())

    @property
    def done(self) -> bool:
        """Whether its result is there."""
        if not self.job.resumes:
            return self.read().finished
        return any(not path.parent.name.startswith("aside-") for path in self.folder.rglob("result.json"))

    @property
    def checkpoint(self) -> tuple[int, ...]:
        """What changes whenever something was done that stays."""
        return tuple(sorted(path.stat().st_mtime_ns for path in self.folder.rglob("*.ckpt")))

    @property
    def epoch(self) -> int:
        """The last epoch of which the output tells."""
        found = EPOCH.findall(self.log.read_text(errors="replace")) if self.log.exists() else []
        return int(found[-1]) if found else 0

    @property
    def left(self) -> float:
        """The seconds that it still takes: by what was measured, or else by what was expected."""
        if self.done:
            return 0.0
        spent, part = self.read().seconds, min(self.epoch / (self.job.epochs or 1), 0.99)
        if self.job.epochs and self.epoch:
            return max(spent * (1 - part) / part, 0.1)
        return max(self.job.seconds - (spent if self.job.resumes else 0), self.job.lasting)

    @property
    def needed(self) -> float:
        """The seconds that it must be given at once, so that something comes of it."""
        least = self.job.lasting if self.job.resumes else self.job.seconds
        return max(least, 1.5 * self.read().stuck)


def reason(log: Path, offset: int) -> str:
    """Return why a command failed: its error, or else its last line, of what it wrote from an offset on."""
    lines = [line.strip() for line in log.read_bytes()[offset:].decode(errors="replace").splitlines() if line.strip()]
    errors = [place for place, line in enumerate(lines) if line.startswith("error:")]
    told = lines[errors[-1] :] if errors else lines[-1:]
    return shorten(" ".join(told).removeprefix("error: "), 300, placeholder=" ...") or "no output"
