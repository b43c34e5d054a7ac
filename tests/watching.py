"""What a process does besides computing: an audit hook that notes what foreign data must never cause."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STARTS = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "subprocess.Popen",
    "pty.spawn",
)
CONNECTS = (
    "socket.connect",
    "socket.getaddrinfo",
    "socket.bind",
    "urllib.Request",
    "webbrowser.open",
    "smtplib.connect",
)
CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.chmod", "shutil.rmtree", "os.truncate")
UNWANTED = {"antigravity", "this", "pickle.find_class"}
_watching: list[tuple[tuple[Path, ...], list[str]]] = []
_installed: list[bool] = []


def _note(event: str, arguments: tuple) -> None:
    if not _watching:
        return
    allowed, noted = _watching[-1]
    if event in STARTS or event in CONNECTS or event in UNWANTED:
        noted.append(f"{event} {arguments!r:.200}")
    elif event == "import" and arguments[0] in UNWANTED:
        noted.append(f"import {arguments[0]}")
    elif event in CHANGES or (event == "open" and _writes(arguments)):
        path = Path(os.fsdecode(arguments[0])) if isinstance(arguments[0], (str, bytes)) else None
        if path is not None and not any(path.absolute().is_relative_to(folder) for folder in allowed):
            noted.append(f"{event} {path}")


def _writes(arguments: tuple) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str) and set(mode) & set("wax+"):
        return True
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


@contextmanager
def nothing_happens(*allowed: Path) -> Iterator[None]:
    """Fail if within the block a program is started, the network asked, or a file written outside of these folders."""
    if not _installed:
        sys.addaudithook(_note)
        _installed.append(True)
    noted: list[str] = []
    _watching.append((tuple(folder.absolute() for folder in allowed), noted))
    try:
        yield
    finally:
        _watching.pop()
    assert not noted, noted
