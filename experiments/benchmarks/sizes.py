"""How time and memory grow with the number of images: encrypt, pack, verify, list, and the first step of a training.

    python experiments/benchmarks/sizes.py FOLDER [--sizes 10000,100000] [--steps encrypt,pack] [--json FILE] [--killed]
    python experiments/benchmarks/sizes.py table FILE [--killed]

Generates images of 16 x 16 in ten classes below FOLDER and runs each command on them as a user does, in a process of
its own. What is measured is processor time (of all cores), that of the system in it, switches between threads or
processes, the load of the machine and peak memory, which a process takes over from what starts it: nothing large is
imported here. A growth exponent of 1 is linear. What
FILE holds already is not measured again; an interrupted step is repeated. Images are removed when all is measured.

With --killed, encrypting and packing are killed when half of the images are there, and what is measured is how long
the same command then takes until it writes another one.
"""

import json
import math
import os
import shutil
import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

LIST = "import sys, pathlib, vitcrypt.data.listing as of; of.list_folder(pathlib.Path(sys.argv[1]))"
TESTED = 100
"""Images of the test split, at every size."""
KILLED = ("encrypt, killed", "pack, killed")


def generate(folder: Path, count: int) -> None:
    """Write so many images for training, and a few for the test."""
    import numpy as np

    from vitcrypt.folders import encode_png

    for split, images, seed in (("train", count - TESTED, 0), ("test", TESTED, 1)):
        random = np.random.default_rng(seed)
        for label in range(10):
            (folder / split / f"class{label}").mkdir(parents=True, exist_ok=True)
        for number in range(images):
            pixels = random.integers(0, 256, (3, 16, 16), dtype=np.uint8)
            (folder / split / f"class{number % 10}" / f"{number:07}.png").write_bytes(encode_png(pixels))


def steps(place: Path) -> dict[str, list[str]]:
    """Return the commands, in the order in which they need each other."""
    python, small = [sys.executable], ["--image-size", "16", "--block-size", "4"]
    vitcrypt, encrypted = [*python, "-m", "vitcrypt"], str(place / "encrypted")
    one = ["data=folder", f"data.root={encrypted}", "encryption=received", "model=vit_micro", "model.image_size=16"]
    one += ["data.validation=0", "trainer=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=1"]
    return {
        "list": [*python, "-c", LIST, str(place / "photos")],
        "encrypt": [*vitcrypt, "encrypt", str(place / "photos"), encrypted, "--key-file", "test-0", *small],
        "verify": [*vitcrypt, "verify", encrypted],
        "pack": [*vitcrypt, "pack", encrypted, str(place / "shards"), "--shard-mib", "64"],
        "verify again": [*vitcrypt, "verify", encrypted],
        "verify from disk": [*vitcrypt, "verify", encrypted],
        "first step": [*vitcrypt, "run", *one, f"results={place / 'results'}"],
    }


def started(command: list[str], log: Path) -> int:
    """Start a command; return the number of its process."""
    with log.open("w") as output:
        to = [(os.POSIX_SPAWN_DUP2, output.fileno(), end) for end in (1, 2)]
        return os.posix_spawn(command[0], command, os.environ, file_actions=to)


def put_out_of_memory(folder: Path) -> None:
    """Let the kernel forget what is in files, so that the disk is asked for it; what it knows of inodes it may keep."""
    os.sync()
    for path in folder.rglob("*.png"):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def measured(command: list[str], log: Path) -> dict[str, float]:
    """Run a command; return its processor time, its wall time and its peak memory."""
    begun = time.monotonic()
    _, status, used = os.wait4(started(command, log), 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{log.read_text()}")
    seconds = {"cpu_seconds": used.ru_utime + used.ru_stime, "system_seconds": used.ru_stime}
    seconds |= {"seconds": time.monotonic() - begun, "load": os.getloadavg()[0]}
    return seconds | {"peak_mib": used.ru_maxrss / 1024, "switches": used.ru_nvcsw + used.ru_nivcsw}


def resumed(command: list[str], log: Path, there: Callable[[int], int], half: int) -> dict[str, float]:
    """Kill a command when so much is there; return what the same one takes until more is there, and let it end."""

    def wait_for(child: int, more: int) -> None:
        while there(child) <= more:
            if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                raise SystemExit(f"{' '.join(command)} ended too early:\n{log.read_text()}")
            time.sleep(0.02)

    child = started(command, log)
    wait_for(child, half)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    begun, before = time.monotonic(), there(0)
    child = started(command, log)
    wait_for(child, before)
    seconds, ticks = time.monotonic() - begun, Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:15]
    used = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    os.waitpid(child, 0)
    return {"kept": before / 2 / half, "cpu_seconds": used, "seconds": seconds}


def kill_both(place: Path, size: int, found: dict[str, dict[str, float]]) -> None:
    """Measure how encrypting and packing go on after a kill."""
    commands = steps(place)

    def lines(_child: int) -> int:
        journal = place / "encrypted.part" / "journal"
        return journal.read_bytes().count(b"\n") if journal.exists() else 0

    def written(child: int) -> int:
        return sum(tar.stat().st_size for tar in place.glob(f".shards.{child}.part/*.tar"))

    found["encrypt, killed"] = resumed(commands["encrypt"], place / "encrypt.log", lines, size // 2)
    found["pack, killed"] = resumed(commands["pack"], place / "pack.log", written, size * 750)  # of 1,536 bytes each


def main() -> None:
    """Measure what is missing, and print the table."""
    if sys.argv[1] == "--generate":
        return generate(Path(sys.argv[2]), int(sys.argv[3]))
    if sys.argv[1] == "--forget":
        return put_out_of_memory(Path(sys.argv[2]))
    if sys.argv[1] == "table":
        return table(json.loads(Path(sys.argv[2]).read_text()), "--killed" in sys.argv)
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", default="10000,100000")
    parser.add_argument("--steps", default="list,encrypt,verify,pack,first step", help="default: %(default)s")
    parser.add_argument("--json", type=Path, default=Path("sizes.json"))
    parser.add_argument("--killed", action="store_true")
    asked = parser.parse_args()
    found = json.loads(asked.json.read_text()) if asked.json.exists() else {}
    for size in map(int, asked.sizes.split(",")):
        place, sizes = asked.folder / str(size), found.setdefault(str(size), {})
        wanted = KILLED if asked.killed else asked.steps.split(",")
        if sizes.keys() >= {*wanted}:
            continue
        if not (place / "generated").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            measured([sys.executable, __file__, "--generate", str(place / "photos"), str(size)], place / "generate.log")
            (place / "generated").touch()
        if asked.killed:
            kill_both(place, size, sizes)
            asked.json.write_text(json.dumps(found, indent=1) + "\n")
        for name in [] if asked.killed else wanted:
            if name not in sizes:
                for made in {"encrypt": ["encrypted", "encrypted.part"], "pack": ["shards", "shards.part"]}.get(
                    name, []
                ):
                    shutil.rmtree(place / made, ignore_errors=True)
                if name == "verify from disk":
                    forget = [sys.executable, __file__, "--forget", str(place / "encrypted")]
                    measured(forget, place / "forget.log")  # a process of its own: its memory would count
                sizes[name] = measured(steps(place)[name], place / f"{name}.log")
                asked.json.write_text(json.dumps(found, indent=1) + "\n")
                print(size, name, sizes[name], flush=True)
        shutil.rmtree(place)
    return table(found, asked.killed)


def table(found: dict[str, dict[str, dict[str, float]]], killed: bool = False) -> None:
    """Print each step at each size, and how it grew since the size before; or what a kill costs."""
    told = any("switches" in one for steps_of in found.values() for one in steps_of.values())
    if killed:
        header = "| images | killed | images kept | processor seconds until it goes on | seconds |"
    else:
        header = "| images | step | processor seconds | seconds | images a processor second | peak MiB |"
        header += " bytes more an image | exponent of time | of memory |"
        header += " seconds of the system | switches an image | load |" * told
    print(f"{header}\n|{' --- |' * (header.count('|') - 1)}")
    sizes = sorted(map(int, found))
    for before, size in zip([None, *sizes], sizes, strict=False):
        for name, one in found[str(size)].items():
            times = f"{one['cpu_seconds']:.1f} | {one['seconds']:.1f}"
            if (name in KILLED) != killed:
                continue
            if killed:
                print(f"| {size:,} | {name.partition(',')[0]} | {one['kept'] * size:,.0f} | {times} |")
                continue
            grown = ["", "", ""]
            if before is not None and name in found[str(before)]:
                other, ratio = found[str(before)][name], math.log(size / before)
                more = (one["peak_mib"] - other["peak_mib"]) * 2**20 / (size - before)
                exponents = (math.log(one[k] / other[k]) / ratio for k in ("cpu_seconds", "peak_mib"))
                grown = [f"{more:.0f}", *(f"{exponent:.2f}" for exponent in exponents)]
            rate = f"{size / one['cpu_seconds']:,.0f} | {one['peak_mib']:.0f}"
            if told:
                told_of = ("system_seconds", "switches", "load")
                system, switches, load = (one.get(key, math.nan) for key in told_of)
                grown += [f"{system:.1f}", f"{switches / size:.2f}", f"{load:.0f}"]
            print(f"| {size:,} | {name} | {times} | {rate} | {' | '.join(grown)} |")


if __name__ == "__main__":
    main()
