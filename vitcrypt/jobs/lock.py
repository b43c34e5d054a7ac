"""One process alone in a folder."""

import os
from collections.abc import Callable, Iterator
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


TRIES = 1000
"""How often a folder is created that whoever held it removes at the same time, before the error is believed."""


@contextmanager
def alone_in(folder: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Create the folder and hold it, so that two processes never write into one.

    Args:
        folder: The folder; removed again if nothing came of it.
        waiting: Called when another process holds it, to say so; then this one waits until that ends.

    Raises:
        BlockingIOError: Another process holds it, and `waiting` is None.
        OSError: The file system knows no locks.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    descriptor = _held(folder, waiting)
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


def _held(folder: Path, waiting: Callable[[], None] | None) -> int:
    """Return the open lock of a folder, which is still the folder's when it is held."""
    for tried in range(TRIES):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except (FileNotFoundError, FileExistsError):  # removed between two of its steps
            if tried == TRIES - 1:
                raise
            continue
        try:
            _take_folder(descriptor, folder, waiting)
            if os.path.samestat(os.fstat(descriptor), (folder / ".lock").stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise BlockingIOError(f"other processes create and remove {folder} all the time; end them, or name another place")


def _take_folder(descriptor: int, folder: Path, waiting: Callable[[], None] | None) -> None:
    try:
        take(descriptor)
    except BlockingIOError:
        if waiting is None:
            raise BlockingIOError(
                f"another process is at work in {folder}; wait for it, or give this one another place (another seed, "
                "configuration or folder)"
            ) from None
        waiting()
        take(descriptor, wait=True)
    except OSError as error:
        raise OSError(
            f"{folder} lies on a file system without locks ({error.strerror}), so two processes could write there at "
            "once; name a place on another disk"
        ) from error
