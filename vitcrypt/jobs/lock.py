"""One process alone in a folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
