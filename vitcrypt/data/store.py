"""Files at an address (s3://, gs://, https://), by fsspec, with the credentials that the store's own library finds.

What a store answers is another party's: no more is read than was said, no text of it is shown, and every error says
what was answered and what to do. What may pass is asked for again, a few times: by the libraries of s3:// and gs://,
and here for http://, whose library does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import responses
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast
from urllib.parse import unquote

from vitcrypt.data.manifest import FILENAME
from vitcrypt.jobs.place import is_address
from vitcrypt.untrusted.text import one_line, printable

T = TypeVar("T")
PACKAGES = {"s3": "'vitcrypt[s3]'", "gs": "gcsfs", "http": "aiohttp", "https": "aiohttp", "memory": "fsspec"}
"""What is read, and what to install for it. memory:// is a store of this process alone, for tests."""
STATE = ("size", "ETag", "etag", "LastModified", "mtime", "updated", "created", "Last-Modified")
"""By what stores tell one state of a file from another."""
BUFFER = 2**23
"""Bytes that are asked for at once, and so are of one state; what is larger takes several requests."""
PIECE = 2 * BUFFER
WAITS = (0.5, 1.0, 2.0)
"""Seconds before http:// is asked again."""
CONNECT, SILENT = 10, 30
"""Seconds that http:// may take to connect, and between two bytes."""
GONE, DENIED, PASSING = (404, 410), (401, 403), (408, 429, 500, 502, 503, 504)


class Store:
    """What lies at an address, by its path from there.

    Raises (every method too):
        FileNotFoundError: It is not there.
        ConnectionError: The store does not do what it should; the message says what it answered, and what to do.
        ValueError: The address holds credentials or is of no store that is read, or a package is missing.
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

        options: dict[str, Any] = {}
        try:
            if not self.lists:
                from aiohttp import ClientTimeout

                given = fsspec.config.conf.get(protocol, {}).get("client_kwargs", {})
                options["client_kwargs"] = {"trust_env": True, **given}  # ~/.netrc, HTTPS_PROXY
                options["timeout"] = ClientTimeout(sock_connect=CONNECT, sock_read=SILENT)
            self._system, self._place = fsspec.url_to_fs(self.address, **options)
        except ImportError:
            package = PACKAGES[protocol]
            raise ValueError(f"{address}: {protocol}:// needs a package more; pip install {package}") from None

    def __str__(self) -> str:
        return self.address

    def state(self, name: str) -> dict[str, Any]:
        """Return what the store says of the state of a file; two states differ in it."""

        def asked() -> dict[str, Any]:
            self._system.invalidate_cache()
            return dict(self._system.info(f"{self._place}/{name}"))

        found = _state(self._asked(name, asked))
        if not isinstance(size := found["size"], int) or size < 0:
            raise ConnectionError(f"{self}/{printable(name, 300)}: the store does not say how long it is")
        return found

    def size(self, name: str) -> int:
        """Return how many bytes a file has."""
        return int(self.state(name)["size"])

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
        return {name: int(state["size"] or 0) for name, state in self.states().items()}

    def states(self) -> dict[str, dict[str, Any]]:
        """Return the state of each file that lies here, as `state` does."""

        def asked() -> dict[str, Any]:
            self._system.invalidate_cache()
            return dict(self._system.find(self._place, detail=True))

        try:
            found = self._asked("", asked)
        except FileNotFoundError:
            return {}
        start = f"{self._place.strip('/')}/"
        return {
            path.lstrip("/").removeprefix(start): _state(state)
            for path, state in found.items()
            if path.lstrip("/").startswith(start)
        }

    @contextmanager
    def open(self, name: str, size: int) -> Iterator[BinaryIO]:
        """Open a file, of a size that is known, to read it on from its beginning."""
        options = {"cache_type": "readahead", "block_size": BUFFER, "size": size}
        with self._asked(name, lambda: self._system.open(f"{self._place}/{name}", "rb", **options)) as file:
            yield cast(BinaryIO, _File(file, lambda call: self._asked(name, call)))

    def pieces(self, name: str, size: int) -> Iterator[bytes]:
        """Yield what stands in a file of a size that is known.

        Raises:
            ConnectionError: Another file stands there by now, or it changed meanwhile.
        """
        before, left = self.state(name) if size > BUFFER else None, size
        with self.open(name, size + 1) as file:  # one more: of a file that grew meanwhile the first bytes are not it
            while left > 0 and (data := file.read(min(PIECE, left + 1))):
                left -= len(data)
                if left >= 0:
                    yield data
        if left or (before is not None and self.state(name) != before):
            ends = f"ends {left:,} bytes too early" if left > 0 else "changed while it was read"
            raise ConnectionError(
                f"{self}/{printable(name, 300)} {ends}: nothing of it is kept; repeat the command when nobody writes it"
            )

    def read(self, name: str, most: int) -> bytes:
        """Return what stands in a file; ValueError if it has more than so many bytes."""
        if (size := self.size(name)) > most:
            raise ValueError(f"{self}/{printable(name, 300)} has {size:,} bytes; {most:,} are read")
        return b"".join(self.pieces(name, size))

    def create(self, name: str, path: Path) -> None:
        """Write a file that was not there, complete or not at all.

        Raises:
            FileExistsError: It is there. It stays as it is.
        """
        if not self.lists:
            raise ValueError(f"{self}: nothing is written to http:// and https://; name s3://, gs:// or a folder")
        put = partial(self._system.put_file, str(path), f"{self._place}/{name}", mode="create")
        self._asked(name, put, "write")
        if (size := self.size(name)) != path.stat().st_size:
            raise ConnectionError(
                f"{self}/{name} has {size:,} bytes, and {path.stat().st_size:,} were written; remove it"
            )

    def remove(self, names: list[str]) -> None:
        """Remove files."""
        self._asked(names[0], lambda: self._system.rm([f"{self._place}/{name}" for name in names]), "write")

    def _asked(self, name: str, call: Callable[[], T], what: str = "read") -> T:
        """Ask a store for something, over http:// again where that may help; whatever it raises is explained."""
        for wait in (*(() if self.lists else WAITS), None):
            try:
                return call()
            except Exception as error:  # stores raise what their libraries raise
                status = _status(error)
                if wait is None or status not in (None, *PASSING) or isinstance(error, ValueError):
                    raise self._explained(name, error, status, what) from error
            time.sleep(wait)
        raise AssertionError

    def _explained(self, name: str, error: Exception, status: int | None, what: str) -> OSError:
        place = f"{self}/{printable(name, 300)}".rstrip("/")
        if isinstance(error, FileExistsError) or (status == 412 and what == "write"):
            return FileExistsError(
                f"{place} exists, and nothing is overwritten: another process writes there too, or an answer of "
                "the store was lost; when nothing else writes there, repeat the command"
            )
        if isinstance(error, FileNotFoundError) and (self.lists or status in GONE):  # fsspec says so of any over http
            if what == "write":
                return FileNotFoundError(f"{self} is no place where files can be made; make the bucket first")
            hint = ": name the place that vitcrypt pack or encrypt wrote to" if name == FILENAME else ""
            return FileNotFoundError(f"{self} holds no {printable(name, 300)}{hint}")
        said = _said(error, status)
        return ConnectionError(f"cannot {what} {place}: {said}; {_remedy(status, said)}")


class _File:
    """A file in a store as tarfile reads it."""

    def __init__(self, file: BinaryIO, asked: Callable[[Callable[[], bytes]], bytes]) -> None:
        self.seek, self.tell, self._file, self._asked = file.seek, file.tell, file, asked

    def read(self, size: int) -> bytes:
        return self._asked(lambda: self._file.read(size))


def _state(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in STATE if name in found}


def _status(error: BaseException | None) -> int | None:
    """Return the number of the answer that an error of aiohttp, botocore or gcsfs tells, or one that it came from."""
    while error is not None:
        answer = getattr(error, "response", None)
        found = answer.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(answer, dict) else None
        of_google = getattr(error, "code", None) if type(error).__name__ == "HttpError" else None
        for status in (found, getattr(error, "status", None), of_google):
            if isinstance(status, int):
                return status
        error = error.__cause__ or error.__context__
    return None


def _said(error: Exception, status: int | None) -> str:
    """Return what a store answered, in words of this program or of the library that asked; never the answer itself."""
    cause = error.__cause__ if isinstance(error, FileNotFoundError) and error.__cause__ else error
    if status is not None:
        return f"the store answered {status} {responses.get(status, '')}".strip()
    if "Timeout" in (kind := type(cause).__name__):
        return "the store did not answer in time"
    if kind in ("ClientPayloadError", "IncompleteRead", "ResponseStreamingError"):
        return "the answer broke off"
    return one_line(str(cause).strip().partition("\n")[0] or kind)  # an answer may stand in the next lines


def _remedy(status: int | None, said: str) -> str:
    if status in DENIED or any(word in said.lower() for word in ("credentials", "forbidden")):
        return (
            "give credentials that may read, write and list there where the store's own programs find them, as "
            "AWS_PROFILE or ~/.aws (S3 says 403 of a file that is not there to those who may not list)"
        )
    if status in (None, *PASSING):
        return "see that the address is right and the store works, and repeat the command"
    return "see that the address, AWS_ENDPOINT_URL and AWS_DEFAULT_REGION are right"


def place_of(text: str) -> Path | Store:
    """Return a folder of this machine, which may be given as file:///PATH, or what lies at an address."""
    if text.startswith("file:///"):
        return Path(unquote(text.removeprefix("file://")))
    return Store(text) if is_address(text) else Path(text)
