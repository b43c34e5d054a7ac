"""Tar files in an object store (s3://, gs://, https://), brought once to a disk of this machine, by fsspec.

    $XDG_CACHE_HOME/vitcrypt/shards/DIGITS/    what lies at one address in one state; DIGITS follow from both
        manifest.json, 000000.tar, ...         as there, each complete or not at all
        .lock                                  held by the process that fetches: others wait for it

What comes is another party's: names are counted up and not asked for, and nothing is longer than it said it would be.
Credentials are those that the store's own library finds (AWS_PROFILE, ~/.aws, ...), and are in no address.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from vitcrypt.data.manifest import FILENAME, MAX_BYTES, Manifest
from vitcrypt.data.survey import map_files
from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.jobs.lock import take
from vitcrypt.jobs.place import cache
from vitcrypt.untrusted.text import printable

PACKAGES = {"s3": "'vitcrypt[s3]'", "gs": "gcsfs", "http": "aiohttp", "https": "aiohttp", "memory": "fsspec"}
"""What is read, and what to install for it. memory:// is a store of this process alone, for tests."""
STATE = ("size", "ETag", "etag", "LastModified", "mtime", "updated", "created")
"""By what stores tell one state of a file from another."""
PIECE = 2**24


def manifest_near(address: str) -> Path:
    """Return the folder of this machine for the tar files at an address, with their manifest in it.

    Raises:
        FileNotFoundError: There is no manifest.
        ValueError: The address holds credentials or is of no store that is read, a package is missing, or the store
            does not answer; the message says what to do.
    """
    store, place = _store(address)
    with _explained(address):
        state = store.info(f"{place}/{FILENAME}")
    named = json.dumps([address.rstrip("/"), *(str(state.get(name)) for name in STATE)], allow_nan=False)
    folder = cache() / "shards" / hashlib.sha256(named.encode()).hexdigest()[:16]
    with _held(folder), _explained(address):
        if not (folder / FILENAME).exists():
            if state["size"] is None or state["size"] > MAX_BYTES:
                raise ValueError(f"{FILENAME} has {state['size'] or 'any number of'} bytes; {MAX_BYTES:,} are read")
            _fetch(store, f"{place}/{FILENAME}", folder / FILENAME, state["size"])
    return folder


def shards_near(address: str, gib: float) -> Path:
    """Return the same folder with all tar files in it; what is there already is not fetched again.

    Raises:
        ValueError: They would take more than so many GiB.
        The errors of `manifest_near`.
    """
    folder = manifest_near(address)
    store, place = _store(address)
    most = len(Manifest.read(folder / FILENAME).index)
    with _held(folder), _explained(address):
        sizes: dict[str, int] = {}
        for name in (f"{number:06}.tar" for number in count()):
            try:
                near = folder / name
                sizes[name] = near.stat().st_size if near.exists() else store.info(f"{place}/{name}")["size"] or 0
            except FileNotFoundError:
                break
            if len(sizes) > most:
                raise ValueError(f"it holds more tar files than the {most:,} images of its manifest")
        if sum(sizes.values()) > gib * 2**30:
            takes = sum(sizes.values()) / 2**30
            raise ValueError(
                f"its tar files take {takes:,.1f} GiB, and data.source.cache_gib={gib:g} of {cache()}; raise it, or "
                "set XDG_CACHE_HOME to a larger disk"
            )
        missing = [name for name in sizes if not (folder / name).exists()]

        def fetch(name: str) -> None:
            _fetch(store, f"{place}/{name}", folder / name, sizes[name])

        list(map_files(fetch, missing, f"fetching {address}", by="threads"))
    return folder


def _store(address: str) -> tuple[Any, str]:
    """Return the file system of an address and the place in it."""
    protocol, _, rest = address.partition("://")
    if protocol not in PACKAGES:
        raise ValueError(f"{printable(address, 200)}: data come from {', '.join(f'{name}://' for name in PACKAGES)}")
    if any(letter in rest for letter in "@?#"):
        raise ValueError(
            f"data.root={protocol}://...: an address holds no user, password or signature (@, ?, #), as it is kept in "
            "configurations; give them where the store's own programs find them, as AWS_PROFILE or ~/.netrc"
        )
    import fsspec  # with it come event loops: loaded where a store is asked

    try:
        store, place = fsspec.url_to_fs(address)
    except ImportError:
        package = PACKAGES[protocol]
        raise ValueError(f"{address}: {protocol}:// needs a package more; pip install {package}") from None
    return store, place.rstrip("/")


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Turn whatever a store raises into an error that says what to do."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{address} holds no {FILENAME}: name the folder of tar files that vitcrypt pack wrote"
        ) from None
    except Exception as error:  # stores raise what their libraries raise
        reason = printable(error or type(error).__name__, 300)
        if isinstance(error, PermissionError) or "credentials" in reason.lower():
            reason += "; give credentials where the store's own programs find them, as AWS_PROFILE or ~/.aws"
        raise ValueError(f"cannot read {address}: {reason}") from error


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made if need be; wait for a process that does."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("wb")
    except OSError as error:
        raise OSError(f"{folder} cannot be written ({error.strerror}); set XDG_CACHE_HOME to another place") from error
    with lock:
        take(lock.fileno(), wait=True)
        yield


def _fetch(store: Any, place: str, path: Path, size: int) -> None:
    """Bring one file, of a size that is known."""
    with store.open(place, "rb", cache_type="none", size=size) as source, atomic_write(path) as file:
        left = size
        while left and (data := source.read(min(PIECE, left))):
            file.write(data)
            left -= len(data)
        if left:
            raise ValueError(f"{place} ends {left:,} bytes too early; repeat the command")
