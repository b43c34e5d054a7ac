"""Files at an address (s3://, gs://, https://), by fsspec, with the credentials that the store's own library finds.

What a store answers is another party's: no more is read than was said, and every error says what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from vitcrypt.data.manifest import FILENAME
from vitcrypt.jobs.place import is_address
from vitcrypt.untrusted.text import printable

PACKAGES = {"s3": "'vitcrypt[s3]'", "gs": "gcsfs", "http": "aiohttp", "https": "aiohttp", "memory": "fsspec"}
"""What is read, and what to install for it. memory:// is a store of this process alone, for tests."""
BUFFER = 2**23


class Store:
    """What lies at an address, by its path from there.

    Raises (every method too):
        FileNotFoundError: It is not there.
        ValueError: The address holds credentials or is of no store that is read, a package is missing, or the store
            does not answer; the message says what to do.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        protocol, _, rest = address.partition("://")
        if protocol not in PACKAGES:
            known = ", ".join(f"{name}://" for name in PACKAGES)
            raise ValueError(f"{printable(address, 200)}: data come from {known}")
        if any(letter in rest for letter in "@?#"):
            raise ValueError(
                f"{protocol}://...: an address holds no user, password or signature (@, ?, #), as it is kept in "
                "configurations; give them where the store's own programs find them, as AWS_PROFILE or ~/.netrc"
            )
        self.lists = not protocol.startswith("http")
        import fsspec  # with it come event loops: loaded where a store is asked

        try:
            self._system, self._place = fsspec.url_to_fs(self.address)
        except ImportError:
            package = PACKAGES[protocol]
            raise ValueError(f"{address}: {protocol}:// needs a package more; pip install {package}") from None

    def __str__(self) -> str:
        return self.address

    def state(self, name: str) -> dict[str, Any]:
        """Return what the store says of a file."""
        with self._explained(f"holds no {name}"):
            return dict(self._system.info(f"{self._place}/{name}"))

    def size(self, name: str) -> int:
        """Return how many bytes a file has."""
        size = self.state(name)["size"]
        if not isinstance(size, int) or size < 0:
            raise ValueError(f"{self}/{printable(name, 300)}: the store does not say how long it is")
        return size

    def shards(self, most: int, known: Callable[[str], int | None] = lambda _: None) -> dict[str, int]:
        """Return the sizes of 000000.tar, 000001.tar, ...: counted up until there is none, and never listed.

        Args:
            most: ValueError if there are more.
            known: The size of one that is not to be asked for.
        """
        sizes: dict[str, int] = {}
        for name in (f"{number:06}.tar" for number in count()):
            try:
                size = known(name)
                sizes[name] = self.size(name) if size is None else size
            except FileNotFoundError:
                return sizes
            if len(sizes) > most:
                raise ValueError(f"cannot use {self}: it holds more tar files than the {most:,} images of its manifest")
        raise AssertionError

    def listed(self) -> dict[str, int]:
        """Return the size of each file that lies here, by its path; nothing if there is none."""
        try:
            with self._explained(""):
                self._system.invalidate_cache()
                found = self._system.find(self._place, detail=True)
        except FileNotFoundError:
            return {}
        start = f"{self._place.strip('/')}/"
        return {
            path.lstrip("/").removeprefix(start): int(state["size"] or 0)
            for path, state in found.items()
            if path.lstrip("/").startswith(start)
        }

    @contextmanager
    def open(self, name: str, size: int) -> Iterator[BinaryIO]:
        """Open a file, of a size that is known, to read it on from its beginning. Errors of the block are explained."""
        options = {"cache_type": "readahead", "block_size": BUFFER, "size": size}
        with self._explained(f"holds no {name}"), self._system.open(f"{self._place}/{name}", "rb", **options) as file:
            yield file

    def read(self, name: str, most: int) -> bytes:
        """Return what stands in a file of at most so many bytes."""
        if (size := self.size(name)) > most:
            raise ValueError(f"{self}/{printable(name, 300)} has {size:,} bytes; {most:,} are read")
        with self.open(name, size) as file:
            data = file.read(size)
        if len(data) < size:
            raise ValueError(f"{self}/{printable(name, 300)} ends {size - len(data):,} bytes too early; repeat it")
        return data

    def create(self, name: str, path: Path) -> None:
        """Write a file that was not there, complete or not at all.

        Raises:
            FileExistsError: It is there. It stays as it is.
        """
        if not self.lists:
            raise ValueError(f"{self}: nothing is written to http:// and https://; name s3://, gs:// or a folder")
        try:
            with self._explained("is no place where files can be made", "write to"):
                self._system.put_file(str(path), f"{self._place}/{name}", mode="create")
        except FileExistsError:
            raise FileExistsError(
                f"{self}/{name} exists, and nothing is overwritten: another process writes there too, or an answer of "
                "the store was lost; when nothing else writes there, repeat the command"
            ) from None
        if (size := self.size(name)) != path.stat().st_size:
            raise ValueError(f"{self}/{name} has {size:,} bytes, and {path.stat().st_size:,} were written; remove it")

    def remove(self, names: list[str]) -> None:
        """Remove files."""
        with self._explained("lost a file meanwhile", "write to"):
            self._system.rm([f"{self._place}/{name}" for name in names])

    @contextmanager
    def _explained(self, missing: str, what: str = "read") -> Iterator[None]:
        """Turn whatever a store raises into an error that says what to do."""
        try:
            yield
        except FileExistsError:
            raise
        except FileNotFoundError as error:
            cause = error.__cause__
            if not self.lists and cause is not None and getattr(cause, "status", 500) >= 500:  # fsspec says so of any
                raise ValueError(f"cannot {what} {self}: {printable(cause or type(cause).__name__, 300)}") from error
            hint = ": name the place that vitcrypt pack or encrypt wrote to" if FILENAME in missing else ""
            raise FileNotFoundError(f"{self} {printable(missing, 300)}{hint}") from None
        except Exception as error:  # stores raise what their libraries raise
            reason = printable(error or type(error).__name__, 300)
            if isinstance(error, PermissionError) or "credentials" in reason.lower():
                reason += "; give credentials where the store's own programs find them, as AWS_PROFILE or ~/.aws"
            raise ValueError(f"cannot {what} {self}: {reason}") from error


def place_of(text: str) -> Path | Store:
    """Return a folder of this machine, which may be given as file:///PATH, or what lies at an address."""
    if text.startswith("file:///"):
        return Path(unquote(text.removeprefix("file://")))
    return Store(text) if is_address(text) else Path(text)
