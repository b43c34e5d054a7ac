"""Files in an object store (s3://, gs://, https://), brought once to a disk of this machine.

    $XDG_CACHE_HOME/vitcrypt/shards/DIGITS/    what lies at one address in one state; DIGITS follow from both
        manifest.json, 000000.tar, ...         as there, each complete or not at all
        .lock                                  held by the process that fetches: others wait for it
    $XDG_CACHE_HOME/vitcrypt/images/DIGITS/    likewise a folder of images

What comes is another party's: nothing is longer than it said it would be.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vitcrypt.data.decode import MAX_BYTES as MAX_IMAGE_BYTES
from vitcrypt.data.manifest import FILENAME, MAX_BYTES, Manifest, is_name
from vitcrypt.data.store import Store
from vitcrypt.data.survey import map_files
from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.jobs.lock import take
from vitcrypt.jobs.place import cache
from vitcrypt.untrusted.text import printable


def manifest_near(address: str) -> Path:
    """Return the folder of this machine for the tar files at an address, with their manifest in it.

    Raises:
        The errors of `Store`.
    """
    store = Store(address)
    state = store.state(FILENAME)
    folder = near(store, "shards", list(map(str, state.items())))
    with _held(folder):
        if not (folder / FILENAME).exists():
            if state["size"] > MAX_BYTES:
                raise ValueError(f"cannot read {store}: {FILENAME} has {state['size']:,} bytes; {MAX_BYTES:,} are read")
            _fetch(store, FILENAME, folder, state["size"])
    return folder


def shards_near(address: str, gib: float) -> Path:
    """Return the same folder with all tar files in it; what is there already is not fetched again.

    Raises:
        ValueError: They would take more than so many GiB.
        The errors of `Store`.
    """
    folder, store = manifest_near(address), Store(address)
    most = len(Manifest.read(folder / FILENAME).index)

    def size_near(name: str) -> int | None:
        return (folder / name).stat().st_size if (folder / name).exists() else None

    with _held(folder):
        sizes = store.shards(most, size_near)
        takes = sum(sizes.values()) / 2**30
        if takes > gib:
            raise ValueError(
                f"cannot read {store}: its tar files take {takes:,.1f} GiB, and data.source.cache_gib={gib:g} of "
                f"{cache()}; raise it, or set XDG_CACHE_HOME to a larger disk"
            )
        _fetch_missing(store, folder, sizes)
    return folder


def images_near(address: str) -> Path:
    """Return a folder of this machine with all that lies at an address: photos, or a folder that was encrypted.

    Raises:
        ValueError: Names or sizes are none that images have, or the store cannot list what it holds.
        The errors of `Store`.
    """
    store = Store(address)
    if not store.lists:
        raise ValueError(f"{store}: http:// and https:// list no files; vitcrypt verify and data=shards read there")
    states = {name: state for name, state in store.states().items() if not name.endswith("/")}
    found = {name: int(state["size"] or 0) for name, state in states.items()}
    if not found:
        raise FileNotFoundError(f"{store} holds no files")
    for name, size in found.items():
        if not all(map(is_name, name.split("/"))):
            raise ValueError(f"{store} holds {printable(name, 200)!r}, which can be no file's name here")
        if size > (MAX_BYTES if name == FILENAME else MAX_IMAGE_BYTES):
            raise ValueError(f"{store}/{printable(name, 200)} has {size:,} bytes, more than an image that is read")
    folder = near(store, "images", sorted(map(str, states.items())))
    with _held(folder):
        _fetch_missing(store, folder / "files", found)
    return folder / "files"


def near(store: Store, kind: str, state: Sequence[object]) -> Path:
    """Return a folder of this machine for what belongs to a store."""
    named = json.dumps([store.address, *state], allow_nan=False)
    return cache() / kind / hashlib.sha256(named.encode()).hexdigest()[:16]


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made if need be; wait for a process that does."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / ".lock").open("wb")
    except OSError as error:
        raise OSError(f"{folder} cannot be written ({error.strerror}); set XDG_CACHE_HOME to another place") from error
    with lock:
        take(lock.fileno(), wait=True)
        yield


def _fetch_missing(store: Store, folder: Path, sizes: dict[str, int]) -> None:
    missing = [name for name in sizes if not (folder / name).exists()]
    list(map_files(lambda name: _fetch(store, name, folder, sizes[name]), missing, f"fetching {store}", by="threads"))


def _fetch(store: Store, name: str, folder: Path, size: int) -> None:
    """Bring one file, of a size that is known."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / name) as file:
        file.writelines(store.pieces(name, size))
