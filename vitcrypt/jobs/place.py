"""Where a file or folder is meant to be, and whether a new folder can take its place."""

from __future__ import annotations

import errno
import os
import re
import shlex
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """Return a path with the home folder in place of `~`; where `~NAME` is no user it stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (Path.expanduser raises RuntimeError there)


def cache() -> Path:
    """Return the folder where downloads are kept: $XDG_CACHE_HOME/vitcrypt, or ~/.cache/vitcrypt."""
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "vitcrypt"


def is_address(place: str) -> bool:
    """Whether this is an address such as s3://BUCKET/FOLDER, and no path."""
    return re.match(r"[a-z][a-z0-9+.-]*://", place) is not None


def real_place(out: Path) -> Path:
    """Return a path without links in it that leads to the same place.

    Raises:
        ValueError: Its links form a loop.
    """
    try:
        os.path.realpath(out, strict=True)
    except OSError as error:
        # since Python 3.13 `resolve` passes over it
        if error.errno == errno.ELOOP:
            raise ValueError(f"{out} is a link that leads in a circle; name another place") from None
    return out.resolve()


def refuse_place(out: Path) -> None:
    """Raise ValueError, with a remedy, if a complete folder could not take the place of `out`, a path without links."""
    if not out.exists():
        return
    instead = f"name a new folder in it: {shlex.quote(str(out / 'new'))}"
    if out.samefile(Path.cwd()):
        raise ValueError(f"{out} is the folder that you are in, and a new one would take its place; {instead}")
    if os.path.ismount(out) or out.stat().st_dev != out.parent.stat().st_dev:
        raise ValueError(f"{out} is a mount point (a disk of its own), which no new folder can replace; {instead}")
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise ValueError(f"{out.parent} cannot be written, and a new folder is made there first; {instead}")
