"""One process alone in a folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def take(descriptor: int, wait: bool = False) -> None:
    """Lock an open file against other processes.

    Raises:
        BlockingIOError: Another one holds it, and this one was not to wait.
        OSError: The file system knows no locks.
    """
    try:
        import fcntl
    except ImportError:  # Windows, where a lock is on bytes; tried with a stand-in only
        import msvcrt

        mode = msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK  # type: ignore[attr-defined]
        try:
            msvcrt.locking(descriptor, mode, 1)  # type: ignore[attr-defined]
        except PermissionError as error:
            raise BlockingIOError(error.errno, error.strerror) from error
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Create the folder and hold it, so that two processes never write into one.

    Raises:
        BlockingIOError: Another process holds it.
        OSError: The file system knows no locks.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        take(descriptor)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise BlockingIOError(
                f"another process is at work in {folder}; wait for it, or give this one another place (another seed, "
                "configuration or folder)"
            ) from None
        raise OSError(
            f"{folder} lies on a file system without locks ({error.strerror}), so two processes could write there at "
            "once; name a place on another disk"
        ) from error
    os.set_inheritable(descriptor, True)  # processes that this one starts hold it too
    try:
        yield
    finally:
        if [file.name for file in folder.iterdir()] == [".lock"]:  # nothing came of it: leave no trace
            (folder / ".lock").unlink()
            for empty in made or [folder]:
                try:
                    empty.rmdir()
                except OSError:
                    break
        os.close(descriptor)
