"""Every result that needs a GPU, in slices of time that may end at any moment.

    python experiments/paper_scale.py                                   what is to be done, what first, how long
    python experiments/paper_scale.py --slice 9m                        do what comes next; repeat until nothing remains
    python experiments/paper_scale.py --slice 2h --only '*vit_b16*' --data cifar --weights vit_b16.safetensors
    python experiments/paper_scale.py --scale small --slice 10m         the same plan with tiny networks, on a CPU

Jobs are done in the order of value by minute. When the slice is over the job that runs is asked to stop, as by Ctrl-C;
a training goes on from its last epoch and a learned attack from its last minute. Whatever is broken off, the plan too,
is taken up by the same command. A job that fails says why and does not stop the others; it is tried again when they are
done, or with --only.

How far everything is lies in the results alone: a folder for each job, with its result.json, its checkpoint and its
output; without its folder a job is done anew. Where a machine is bare at the start of each slice, carry between slices:

    results    a checkpoint of ViT-B/16 with the momentum of SGD takes 690 MB, of ShakeDrop 230 MB, of ResNet-18 90 MB,
               of SIA-GAN 500 MB, of the U-Net 370 MB. Finished trainings keep theirs, 7 GB in the end; with --keep
               results they do not, and only the jobs that are begun have one, mostly a single one
    data       150 MB for each of CIFAR-10 and CIFAR-100
    weights    340 MB, ViT-B/16 pretrained on ImageNet-21k

If 690 MB cannot be carried, give ViT-B/16 one slice of its whole time (--only NAME --slice 45m).
"""

import argparse
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from campaign.job import SPEEDS, TINY, Job
from campaign.plan import Plan
from campaign.progress import Place
from campaign.slices import duration, in_order, run_slice

HAS_GPU = "import sys, torch; sys.exit(not torch.cuda.is_available())"
UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


def seconds(text: str) -> float:
    """Return the seconds of 9m, 540, 540s or 1.5h."""
    found = re.fullmatch(r"([\d.]+)\s*([a-z]*)", text)
    if found is None or found[2] not in UNITS:
        raise argparse.ArgumentTypeError(f"{text}: write 9m, 540s or 1.5h")
    return float(found[1]) * UNITS[found[2]]


def chosen(jobs: Sequence[Job], patterns: Sequence[str]) -> list[Job]:
    """Return the jobs whose name or group fits one of the patterns."""
    for pattern in patterns:
        if not any(fits(job, pattern) for job in jobs):
            sys.exit(f"--only {pattern}: no job or group is called so; --list names all {len(jobs)}")
    return [job for job in jobs if any(fits(job, pattern) for pattern in patterns)]


def fits(job: Job, pattern: str) -> bool:
    """Return whether a job or its group is meant."""
    return fnmatch(job.name, pattern) or fnmatch(job.group, pattern)


def listed(jobs: Sequence[Job], results: Path) -> str:
    """Return the plan in the order in which it is done, each job with what it gives and its command."""
    places = in_order(jobs, results)
    waiting = {place.job.name for place in places}
    places += [place for job in jobs if (place := Place(job, results)).job.name not in waiting]
    lines = []
    for place in places:
        job, left = place.job, duration(place.left) if place.job.name in waiting else "done"
        lines += [f"{left:>7}  {job.name}, worth {job.value:g}. {job.gives}", f"{'':9}{place.command}"]
        lines += [f"{'':9}so far: {told}" for told in [state(place)] if told]
    return "\n".join(lines)


def state(place: Place) -> str:
    """Return in words how far a job is."""
    progress = place.read()
    if place.done:
        return f"it took {duration(progress.seconds)}"
    if progress.failed:
        return f"failed: {progress.failed}"
    if not progress.attempts:
        return ""
    of = f"epoch {place.epoch} of {place.job.epochs:.0f}, " if place.epoch and place.job.epochs else ""
    return f"{of}{duration(progress.seconds)} spent"


def overview(jobs: Sequence[Job]) -> str:
    """Return the plan by groups, as the table of README.md."""
    lines = ["| what | jobs | expected | most of it |", "| --- | --- | --- | --- |"]
    for group in dict.fromkeys(job.group for job in jobs):
        these = [job for job in jobs if job.group == group]
        longest = max(these, key=lambda job: job.seconds)
        total = duration(sum(job.seconds for job in these))
        lines.append(f"| {group} | {len(these)} | {total} | `{longest.name}`: {duration(longest.seconds)} |")
    return "\n".join(lines)


def remaining(jobs: Sequence[Job], results: Path, slice_seconds: float | None = None) -> str:
    """Return what is done and what remains, in words; after a slice also which jobs such a slice is too short for."""
    waiting = in_order(jobs, results)
    left = sum(place.left for place in waiting)
    lines = [f"{len(jobs) - len(waiting)} of {len(jobs)} jobs are done; {duration(left)} remain"]
    for place in waiting:
        if failed := place.read().failed:
            lines.append(f"failed: {place.job.name}: {failed}")
        elif slice_seconds is not None and place.needed > slice_seconds:
            lines.append(f"too long for this slice: {place.job.name} needs {duration(place.needed)} at once")
    held = sum(file.stat().st_size for file in results.rglob("*.ckpt"))
    lines += [f"{results} holds {held / 1e6:,.0f} MB of checkpoints"] if held > 1e6 else []
    going = [place.job.name for place in waiting if not place.read().failed]
    how = "--slice 9m does them" if slice_seconds is None else "repeat the command"
    return "\n".join([*lines, *([f"next: {', '.join(going[:3])}; {how}"] if going else [])])


def assumptions(plan: Plan) -> str:
    """Return what the expected times stand on."""
    if plan.small:
        return "Times are guesses for a CPU until a job has begun."
    lines = [
        f"  {name}: {speed.images_per_second:,.0f} ({speed.because})" for name, speed in SPEEDS.items() if name != TINY
    ]
    told = "Times are expected, not measured, until a job has begun. They assume an H200 that trains images a second as"
    return "\n".join([told, *lines])


def main() -> int:
    """List the plan or do a slice of it; return 1 if a job has failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slice", type=seconds, metavar="TIME", help="work so long, e.g. 9m")
    parser.add_argument("--list", action="store_true", help="list the plan and stop; what happens without --slice")
    parser.add_argument("--overview", action="store_true", help="print the groups of the plan as Markdown and stop")
    parser.add_argument("--only", nargs="+", metavar="PATTERN", default=["*"], help="jobs of these names or groups")
    parser.add_argument("--scale", choices=("paper", "small"), default="paper", help="small: tiny networks, on a CPU")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER", help="default: results/paper_scale, or results/small_scale"
    )
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="cifar10.npz and cifar100.npz, or folders, or archives"
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="of ViT-B/16; default: the Hugging Face cache or hub"
    )
    parser.add_argument(
        "--keep", choices=("all", "results"), default="all", help="results: no checkpoint of finished jobs"
    )
    asked = parser.parse_args()
    for path in (asked.data, asked.weights):
        if path is not None and not path.exists():
            parser.error(f"{path} does not exist")
    small = asked.scale == "small"
    results = (asked.results or Path("results", f"{asked.scale}_scale")).absolute()
    plan = Plan(asked.data and asked.data.absolute(), asked.weights and asked.weights.absolute(), small)
    jobs = chosen(plan.jobs(), asked.only)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if asked.overview:
        print(overview(jobs))
    elif asked.slice is None or asked.list:
        print(listed(jobs, results))
        print(remaining(jobs, results))
        print(assumptions(plan))
    else:
        if not small and subprocess.run([sys.executable, "-c", HAS_GPU]).returncode:
            sys.exit("torch finds no GPU here, and the plan needs one; --scale small tries it on a CPU")
        try:
            run_slice(jobs, results, asked.slice, partial(print, flush=True), asked.keep == "all")
        except KeyboardInterrupt:
            print("stopped")
        print(remaining(jobs, results, asked.slice))
    return any(Place(job, results).read().failed for job in jobs)


if __name__ == "__main__":
    sys.exit(main())
