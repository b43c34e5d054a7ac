"""Where the results of a job lie, and who may write there. Shared by the programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitcrypt.untrusted.text import console

if TYPE_CHECKING:
    from vitcrypt.data.manifest import Manifest


def shown(path: Path) -> str:
    """Return a path as short as a person would type it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def job_folder(config: dict[str, Any], parts: list[str], fingerprint: str | None, identity: str) -> Path:
    """Return the folder of a job: RESULTS/parts/key=...-seed=...-identity. It follows from what the job is, alone."""
    name = f"key={fingerprint or 'none'}-seed={config['seed']}-{identity}"
    return Path(config["results"], *parts, name).absolute()


def key_fingerprint(config: dict[str, Any]) -> str | None:
    """Return the fingerprint of the key, or None where no key is used (and then none is read)."""
    if (config["encryption"]["_target_"] or "vitcrypt.encryption.Plain") == "vitcrypt.encryption.Plain":
        return None
    from vitcrypt.keys import open_key

    return open_key(config["key"]).fingerprint


def received_manifest(config: dict[str, Any]) -> "Manifest | None":
    """Return the manifest of the folder or packed file that the images come from, or None if they have none."""
    if config["data"]["root"] is None or not (root := Path(config["data"]["root"]).expanduser()).exists():
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
