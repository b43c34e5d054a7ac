"""Running the program as its users do, small enough for a test."""

import json
import os
from pathlib import Path

from forked import Forked

SMALL = [
    "data=digits",
    "data.limit_train=96",
    "data.limit_test=40",
    "model=vit_micro",
    "model.network.embed_dim=16",
    "model.network.depth=1",
    "model.network.num_heads=2",
    "trainer=cpu",
    "trainer.max_epochs=2",
]


def environment(**variables: str) -> dict[str, str]:
    """The environment with no way to the internet and no account of anyone."""
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "WANDB_MODE": "offline"}
    hidden = ("WANDB_API_KEY", "VITCRYPT_DATA", "VITCRYPT_KEY_FILE", "VITCRYPT_PASSPHRASE", "PL_GLOBAL_SEED")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, **offline, **variables}


def start(*arguments: str, folder: Path, **variables: str) -> Forked:
    """Start `vitcrypt run` in a folder of its own, all output in one pipe."""
    return Forked("vitcrypt.run", arguments, folder, environment(PYTHONUNBUFFERED="1", **variables))


def finish(*arguments: str, folder: Path, code: int = 0, **variables: str) -> str:
    """Run it to its end and return what it printed."""
    process = start(*arguments, folder=folder, **variables)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == code, output
    return output


def results(folder: Path) -> list[dict]:
    """All results below a folder."""
    return [json.loads(path.read_text()) for path in sorted(folder.rglob("result.json"))]
