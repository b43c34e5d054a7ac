"""What real cryptography costs: each alternative in an environment of its own, into one record.

    python experiments/alternatives/run.py plain proposed tenseal crypten concrete opacus --features features.npz

Environments are made below --environments by pip, and used again; gigabytes for the last two. What does not install,
or does not run, is in the record with the last line of what it said. `features.npz` is what
`experiments/features/extract.py` writes; without it there are the digits alone. One thread each.
"""

import argparse
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RECORD = HERE.parent / "records" / "alternatives" / "alternatives.json"
LIMIT = 900
"""Seconds for measuring one."""
TORCH = ("torch==2.3.1", "numpy==1.26.4", "scikit-learn", "omegaconf", "onnx==1.16.2", "pyyaml")
ALTERNATIVES: dict[str, tuple[str, list[tuple[str, ...]]]] = {
    "plain": ("plain.py", []),
    "proposed": ("proposed.py", []),
    "tenseal": ("ckks.py", [("tenseal==0.3.18", "numpy", "scikit-learn")]),
    "crypten": ("mpc.py", [TORCH, ("--no-deps", "crypten==0.4.1")]),  # it requires a package that refuses to install
    "concrete": ("fhe.py", [("concrete-ml==1.9.0", "scikit-learn")]),
    "opacus": ("dp.py", [("--no-deps", "opacus==1.6.0", "opt-einsum==3.4.0")]),
}
"""The script and what pip installs; nothing: it runs in vitcrypt's own environment."""
SHARING = ("opacus",)
"""Environments that also have the packages of vitcrypt's own, such as torch."""


def python_of(name: str, folder: Path) -> str:
    """Return the Python of an alternative's environment, which is made if it is not there."""
    installs = ALTERNATIVES[name][1]
    if not installs:
        return sys.executable
    place = folder / name
    python, done = place / "bin" / "python", place / "installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True, capture_output=True)
        if name in SHARING:
            (folder_of(place) / "shared.pth").write_text(f"{folder_of(Path(sys.prefix))}\n")
        for packages in installs:
            command = [python, "-m", "pip", "install", "-q", *packages]
            subprocess.run(command, check=True, capture_output=True, text=True)
        done.touch()
    return str(python)


def folder_of(environment: Path) -> Path:
    """Return where an environment has its packages."""
    return Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))


def measure(name: str, folder: Path, arguments: list[str]) -> dict[str, Any]:
    """Return what an alternative measured, or why it did not."""
    program = str(HERE / ALTERNATIVES[name][0])
    # only what is vitcrypt's may be found beside vitcrypt: other environments have packages of their own
    root = {"PYTHONPATH": str(HERE.parents[1])} if not ALTERNATIVES[name][1] else {"PYTHONPATH": ""}
    try:
        ran = subprocess.run(
            [python_of(name, folder), program, *arguments],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **root, "OMP_NUM_THREADS": "1"},
            timeout=LIMIT,
        )
        found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
        return found
    except subprocess.TimeoutExpired:
        return {"failed": f"not ready after {LIMIT} s"}
    except subprocess.CalledProcessError as error:
        said = [line for line in str(error.stderr).splitlines() if line.strip()]
        return {"failed": said[-1] if said else f"exit code {error.returncode}"}


def main() -> None:
    """Measure, and keep what was measured before of others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=ALTERNATIVES)
    parser.add_argument("--features", default="")
    parser.add_argument("--environments", type=Path, default=Path("environments"))
    said = parser.parse_args()
    record: dict[str, Any] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    for name in said.names:
        record[name] = measure(name, said.environments, [said.features] if said.features else [])
        print(name, record[name], file=sys.stderr, flush=True)
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
