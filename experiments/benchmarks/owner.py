"""What an owner waits for: start-up, what runs and attacks begin with, keys of single images, folders, set-up.

    PYTHONPATH=experiments python -m benchmarks.owner [PART ...] [--beside CHECKOUT] [--output owner.json]
    python experiments/benchmarks/owner_table.py experiments/benchmarks/owner.json

Parts: startup, begin, keys, folder, encrypt, setup, resize. Everything runs in processes of its own, in turns with what
it is compared with: imports, Pillow alone, and an older checkout of vitcrypt (`--beside`), and the best of the rounds
counts. Keys, set-up and resizing are measured in CPU seconds of one thread, which other work on the machine changes
little.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
BASE = ("-c", "import numpy, PIL")
VERBS = {
    "encrypt": "encrypt photos {out} --key-file test-0",
    "decrypt": "decrypt enc {out} --key-file test-0",
    "rotate": "rotate enc {out} --old-key test-0 --new-key test-1",
    "verify": "verify enc",
    "pack": "pack enc {out}",
    "key": "key check test-0",
    "report": "report results",
    "predict": "predict photos/a --url {url} --key-file test-0",
}
BEGUN = """
import os, sys
from vitcrypt.{module} import {kind}
{kind}.{method} = lambda *_, **__: os._exit(0)
from vitcrypt.{program} import main
main(sys.argv[1:])
"""
FIRST_STEP = BEGUN.format(module="models.classifier", kind="ImageClassifier", method="training_step", program="run")
ATTACK = BEGUN.format(module="attacks.fr", kind="FR", method="__call__", program="attack")
BEGINNINGS = {  # each beside an import
    "run data=digits, to its first step": (
        "import lightning, timm",
        [FIRST_STEP, "data=digits", "model=resnet18", "trainer=cpu"],
    ),
    "attack=fr data=npz, to the attack": ("import torch", [ATTACK, "attack=fr", "data=npz", "data.root=images.npz"]),
}
MEASURE = """
import sys, time, json
clock = time.{clock}
def best(call, rounds):
    times = []
    for number in range(rounds):
        start = clock(); call(number); times.append(clock() - start)
    return min(times)
"""
KEYS = """
import torch
torch.set_num_threads(1)
from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Proposed
from vitcrypt.keys import Key
# one large tensor is freed first, as in any training: the C library then keeps what smaller ones give back
torch.zeros(2**25 - 2**16, dtype=torch.uint8)
for size, block, count in ((32, 4, 128), (224, 16, 16)):
    images = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8)
    for scheme in (Proposed(block), PE(), EtC(block), LE(block), ELE(block)):
        encryption = ImageEncryption(scheme, Key.test("test-0"), (3, size, size), "per_image")
        index = torch.arange(count)
        fresh = best(lambda number: encryption(images, index + count * number), 5)
        again = best(lambda number: encryption(images, index), 5)
        print(json.dumps([f"{scheme.name} {size}", count / fresh, count / again]))
"""
SETUP = """
import torch
torch.set_num_threads(1)
from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Proposed
from vitcrypt.keys import Key
for scheme in (Proposed(16), PE(), EtC(16), LE(16), ELE(16)):
    made = best(lambda number: ImageEncryption(scheme, Key.test("test-0"), (3, 1024, 1024)), 3)
    print(json.dumps([scheme.name, made]))
"""
RESIZE = """
import torch
torch.set_num_threads(1)
from vitcrypt.data import ArrayDataset, ImageDataModule, Splits, resize
from vitcrypt.encryption import ImageEncryption, Proposed
from vitcrypt.keys import Key
for count, side, size, how in ((128, 32, 224, "bilinear"), (128, 32, 224, "bicubic"), (128, 256, 224, "bilinear"),
                               (8, 1024, 224, "bicubic"), (1, 32, 224, "bilinear"), (512, 28, 32, "bilinear")):
    images = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)
    print(json.dumps([f"{count} {how}, {side} to {size}", best(lambda number: resize(images, size, how), 9)]))
some = ArrayDataset(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), torch.zeros(1).long(), torch.zeros(1).long())
images, index = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8), torch.arange(64)
encryption = ImageEncryption(Proposed(16), Key.test("test-0"), (3, 224, 224))
data = ImageDataModule(Splits(some, some, ["0"]), 224, batch_size=1, crop_padding=4, flip=True, encryption=encryption)
print(json.dumps(["64 from crop to normalised, 32 to 224",
                  best(lambda number: data.prepare(images, index, training=True), 9)]))
"""
FOLDER = """
from vitcrypt.data import folder
def read(number):
    splits = folder("photos", 32)
    return splits.train[0], splits.test[0]  # decodes all, if it did not before
print(json.dumps(["vitcrypt", best(read, 1)]))
"""
ENCRYPT = """
from pathlib import Path
from vitcrypt.encryption import Proposed
from vitcrypt.folders import encrypt_folder
from vitcrypt.keys import Key
print(json.dumps(["vitcrypt", best(lambda _: encrypt_folder(Path("photos"), Path(sys.argv[1]), Proposed(SIDE // 14),
                                                             Key.test("test-0"), SIDE), 1)]))
"""
PILLOW = """
import os, zlib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
import numpy as np
from PIL import Image
def read(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).sum()
def written(path):
    with Image.open(path) as image:
        image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(
            Path(sys.argv[1]) / path.name, compress_level=1, compress_type=zlib.Z_HUFFMAN_ONLY)
def work(_):
    Path(sys.argv[1]).mkdir()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(WORK, sorted(Path("photos").rglob("*.png")), chunksize=64))
print(json.dumps(["Pillow", best(work, 1)]))
"""


def ran(program: str, place: Path, checkout: Path, *arguments: str, clock: str = "perf_counter") -> list[list]:
    """Run a program with a checkout of vitcrypt; return the lines of JSON that it prints."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-c", MEASURE.format(clock=clock) + program, *arguments]
    done = subprocess.run(command, cwd=place, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def timed(arguments: list[str], place: Path, checkout: Path) -> tuple[float, ...]:
    """Run Python; return wall seconds, CPU seconds and MiB at most."""
    # modules are compiled in the first round, as on a user's machine
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": ""}
    program = (
        "import json, resource, subprocess, sys, time; start = time.perf_counter()\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps([time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))"
    )
    command = [sys.executable, "-c", program, sys.executable, *arguments]
    return tuple(json.loads(subprocess.check_output(command, cwd=place, env=environment, text=True)))


def startup(place: Path, _: dict[str, Path], rounds: int) -> list[dict]:
    """Time each verb on three images beside the import of NumPy and Pillow; `predict` asks a service on loopback."""
    from benchmarks.service import port_of, serving_command, untrained

    pictures(place / "photos", 3, 40, splits=False)
    for number, record in enumerate(sorted((ROOT / "experiments" / "records").rglob("result.json"))[:3]):
        (place / "results" / str(number)).mkdir(parents=True)
        shutil.copy(record, place / "results" / str(number))
    subprocess.run(
        [sys.executable, "-m", "vitcrypt", *VERBS["encrypt"].format(out="enc").split()],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    calls = {("import numpy, PIL", "now"): list(BASE)}
    calls |= {(verb, "now"): ["-m", "vitcrypt", *VERBS[verb].split()] for verb in VERBS}
    command = serving_command(untrained(place / "bundle"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        url = f"http://127.0.0.1:{port_of(service)}"

        found: dict[tuple[str, str], list[tuple[float, ...]]] = {call: [] for call in calls}
        for number in range(rounds):
            for (verb, name), call in calls.items():
                out = f"out-{verb}-{name}-{number}"
                found[verb, name].append(timed([part.format(out=out, url=url) for part in call], place, ROOT))
        service.terminate()
    return least(found, dict.fromkeys(VERBS, BASE[1]))


def begin(place: Path, checkouts: dict[str, Path], rounds: int) -> list[dict]:
    """Time what comes before the first step of a training, and before an attack on as many images as CIFAR-10 has."""
    import numpy as np

    arrays = {}
    for split, count in (("train", 50_000), ("test", 10_000)):
        arrays[f"{split}_images"] = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.arange(count) % 10
    np.savez(place / "images.npz", **arrays)
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for number in range(rounds):
        for what, (base, call) in BEGINNINGS.items():
            found.setdefault((base, "now"), []).append(timed(["-c", base], place, ROOT))
            for name, path in checkouts.items():
                results = f"results={name}-{number}"
                found.setdefault((what, name), []).append(timed(["-c", *call, results], place, path))
    return least(found, {what: base for what, (base, _) in BEGINNINGS.items()})


def least(found: dict[tuple[str, str], list[tuple[float, ...]]], beside: dict[str, str]) -> list[dict]:
    """Return the least seconds, CPU seconds and MiB of the rounds, and beside which import they stand."""
    return [
        {
            "what": what,
            "of": name,
            **dict(zip(("seconds", "cpu", "mib"), map(min, zip(*measured, strict=True)), strict=True)),
        }
        | ({"beside": beside[what]} if what in beside else {})
        for (what, name), measured in found.items()
    ]


def keys(place: Path, checkouts: dict[str, Path], rounds: int) -> list[dict]:
    """Images a second under keys of their own: first drawn, and asked for again."""
    return best_of(
        lambda path: ran(KEYS, place, path, clock="process_time"), checkouts, rounds, ("fresh", "again"), max
    )


def setup(place: Path, checkouts: dict[str, Path], rounds: int) -> list[dict]:
    """Seconds until an encryption of 1024 x 1024 pixels is there."""
    return best_of(lambda path: ran(SETUP, place, path, clock="process_time"), checkouts, rounds, ("seconds",), min)


def resizing(place: Path, checkouts: dict[str, Path], rounds: int) -> list[dict]:
    """Seconds of resizing batches, and of all that happens to one before the network."""
    return best_of(lambda path: ran(RESIZE, place, path, clock="process_time"), checkouts, rounds, ("seconds",), min)


def best_of(call, checkouts: dict[str, Path], rounds: int, names: tuple[str, ...], better) -> list[dict]:
    """Call for all checkouts in turns; return the best of each figure."""
    found: dict[tuple[str, str], list[list[float]]] = {}
    for _ in range(rounds):
        for name, path in checkouts.items():
            for what, *figures in call(path):
                found.setdefault((what, name), []).append(figures)
    return [
        {"what": what, "of": name, **dict(zip(names, map(better, zip(*figures, strict=True)), strict=True))}
        for (what, name), figures in found.items()
    ]


def folder(place: Path, checkouts: dict[str, Path], rounds: int) -> list[dict]:
    """Seconds of reading a folder of small PNG files before training, beside Pillow in as many processes as cores."""
    return beside_pillow(place, checkouts, rounds, FOLDER, PILLOW.replace("WORK", "read"), 12000)


def encrypt(place: Path, checkouts: dict[str, Path], rounds: int) -> list[dict]:
    """Seconds of encrypting a folder to 224 pixels, beside Pillow that resizes and writes as small files as quickly."""
    program = PILLOW.replace("WORK", "written")
    return beside_pillow(place, checkouts, rounds, *(text.replace("SIDE", "224") for text in (ENCRYPT, program)), 600)


def beside_pillow(
    place: Path, checkouts: dict[str, Path], rounds: int, ours: str, pillow: str, count: int
) -> list[dict]:
    """Time both in turns on the same pictures."""
    pictures(place / "photos", count, 32)

    found: dict[str, list[float]] = {name: [] for name in (*checkouts, "Pillow")}
    for _ in range(rounds):
        for name, times in found.items():
            program, path = (pillow, ROOT) if name == "Pillow" else (ours, checkouts[name])
            times += [line[1] for line in ran(program, place, path, str(place / "out"))]
            shutil.rmtree(place / "out", ignore_errors=True)
            os.sync()
    return [{"what": f"{count} images", "of": name, "seconds": min(times)} for name, times in found.items()]


def pictures(folder: Path, count: int, side: int, splits: bool = True) -> None:
    """Write smooth pictures of two classes as PNG."""
    import numpy as np
    from PIL import Image

    shutil.rmtree(folder, ignore_errors=True)
    random = np.random.default_rng(0)
    for number in range(count):
        small = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        split = ("test",) if number % 6 == 0 else ("train",)
        path = folder.joinpath(*(split if splits else ()), "ab"[number % 2], f"{number:06}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        small.resize((side, side), Image.Resampling.BICUBIC).save(path)


PARTS = {
    "startup": startup,
    "begin": begin,
    "keys": keys,
    "folder": folder,
    "encrypt": encrypt,
    "setup": setup,
    "resize": resizing,
}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="all if left out")
    parser.add_argument("--beside", type=Path, help="another checkout of vitcrypt")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("owner.json"))
    given = parser.parse_args()
    checkouts = {"now": ROOT, **({"before": given.beside.resolve()} if given.beside else {})}
    found = json.loads(given.output.read_text()) if given.output.exists() else {"parts": {}}
    for part in given.parts or PARTS:
        with tempfile.TemporaryDirectory() as place:
            found["parts"][part] = PARTS[part](Path(place), checkouts, given.rounds)
        found["load"] = {**found.get("load", {}), part: os.getloadavg()[0]}
        given.output.write_text(json.dumps(found, indent=1) + "\n")
        print(part, "done", flush=True)


if __name__ == "__main__":
    main()
