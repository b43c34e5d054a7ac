"""A job: what it is, under which key, and where its results lie. Shared by the programs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitcrypt import renames
from vitcrypt.experiment.identity import with_plain_paths
from vitcrypt.jobs.place import expanded
from vitcrypt.untrusted.text import console

if TYPE_CHECKING:
    from vitcrypt.data.manifest import Manifest
    from vitcrypt.experiment.inputs import Inputs
    from vitcrypt.keys import Key
    from vitcrypt.report.results import AttackResult, TrainingResult


@dataclass(frozen=True)
class Job:
    """A run or an attack.

    Attributes:
        config: The whole configuration, resolved, as plain values, its paths in one spelling.
        identity: 8 hexadecimal digits that follow from what it is.
        folder: Where its results lie.
        fingerprint: Of the key that the images are under.
        key: The key, opened once; None where none is used.
    """

    config: dict[str, Any]
    identity: str
    folder: Path
    fingerprint: str | None
    key: "Key | None"

    def settle(self, result: "TrainingResult | AttackResult | None" = None) -> "Inputs":
        """Compare what it was made from with what is there now: see `experiment.inputs`."""
        from vitcrypt.experiment.inputs import settle  # takes seconds

        return settle(self.config, self.folder, result)


def shown(path: Path) -> str:
    """Return a path as short as a person would type it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def placed(
    typed: dict[str, Any],
    parts: list[str],
    identity: Callable[[dict[str, Any]], str],
    key: "Key | None",
    fingerprint: str | None,
) -> Job:
    """Return the job of a configuration, in the folder RESULTS/parts/key-...-seed-...-identity.

    The folder follows from what the job is, alone. Where an earlier version put the same job, called
    `key=...-seed=...` or with a path counted as it was typed, that folder is it.

    Args:
        typed: The configuration as it was given.
        parts: What stands between RESULTS and the folder's own name.
        identity: What makes 8 hexadecimal digits of a configuration.
        key: The key, if one is used.
        fingerprint: Of the key that the images are under.
    """
    config = with_plain_paths(typed)
    bases = [Path(config["results"], *spelled).absolute() for spelled in renames.places(parts)]
    known, seed = fingerprint or "none", config["seed"]
    folders = {
        base / form: name
        for base in bases
        for name in (identity(config), identity(typed))
        for form in (f"key-{known}-seed-{seed}-{name}", f"key={known}-seed={seed}-{name}")
    }
    folder = next((folder for folder in folders if folder.is_dir()), next(iter(folders)))
    return Job(config, folders[folder], folder, fingerprint, key)


def opened_key(config: dict[str, Any]) -> "Key | None":
    """Return the key, or None where no key is used (and then none is read)."""
    if (config["encryption"]["_target_"] or "vitcrypt.encryption.Plain") == "vitcrypt.encryption.Plain":
        return None
    from vitcrypt.keys import open_key

    return open_key(config["key"])


def received_manifest(config: dict[str, Any]) -> "Manifest | None":
    """Return the manifest of the folder or packed file that the images come from, or None if they have none."""
    if config["data"]["root"] is None or not (root := expanded(config["data"]["root"])).exists():
        return None
    from vitcrypt.data.manifest import Manifest

    found = Manifest.of(root)
    return found[1] if found is not None else None


def put_aside(folder: Path) -> None:
    """Move what an earlier attempt left into FOLDER/aside-N: nothing is deleted."""
    files = [file for file in folder.iterdir() if file.name != ".lock" and not file.name.startswith("aside-")]
    if files:
        count = len(list(folder.glob("aside-*")))
        aside = folder / f"aside-{count + 1}"
        aside.mkdir()
        for file in files:
            file.rename(aside / file.name)
        console.print(f"put the earlier attempt aside in {aside}")
