"""Kill `vitcrypt encrypt` at random moments, resume it, and see whether the folder is complete.

    python experiments/kill_encrypt.py --source cifar10/test --kills 20

The source is a folder of class folders; without it, `--images` pieces of scikit-learn's photographs are taken. Each
round starts the command, lets it write a random number of images, kills it (SIGKILL) a random moment later and starts
it again. In the end it may finish; the folder is verified and compared, byte by byte, with one that was made without a
break.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vitcrypt.bench.folder import pieces
from vitcrypt.data.listing import list_folder

OPTIONS = ("--encryption", "proposed", "--block-size", "16")
ENCRYPT = [sys.executable, "-m", "vitcrypt.cli", "encrypt"]


def encrypt(source: Path, out: Path, *options: str) -> subprocess.Popen:
    """Start the command."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen([*ENCRYPT, str(source), str(out), "--key-file", "test-0", *options], text=True, **quiet)


def finish(process: subprocess.Popen) -> None:
    """Wait for its end, which must be a good one."""
    _, told = process.communicate()
    if process.returncode:
        sys.exit(f"the command failed: {told}")


def lines(journal: Path) -> int:
    """Count the images that are written."""
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def main() -> None:
    """Kill, resume, verify, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, help="a folder of class folders")
    parser.add_argument("--images", type=int, default=1000, help="pieces of photographs, without a source")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        source = arguments.source or pieces(folder / "pieces", arguments.images)
        total = len(list_folder(source).files)
        options = ("--image-size", str(arguments.size), *OPTIONS)
        finish(encrypt(source, folder / "unbroken", *options))
        out, journal = folder / "killed", folder / "killed.part" / "journal"
        kills, counts = 0, []
        while kills < arguments.kills:
            process, before = encrypt(source, out, *options), lines(journal)
            target = before + draw.randint(0, 2 * (total - before) // (arguments.kills - kills + 1))
            while process.poll() is None and lines(journal) < target:
                time.sleep(0.002)
            time.sleep(draw.uniform(0, 0.1))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
                counts.append(lines(journal))
            else:  # it ended before its time: start over
                finish(process)
                shutil.rmtree(out)
        finish(encrypt(source, out, *options))
        subprocess.run([sys.executable, "-m", "vitcrypt.cli", "verify", str(out)], check=True)
        for path in (folder / "unbroken").rglob("*.*"):
            if path.read_bytes() != (out / path.relative_to(folder / "unbroken")).read_bytes():
                sys.exit(f"{path} differs")
        print(f"{kills} kills, at {', '.join(map(str, counts))} images written; the folder equals the unbroken one")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
