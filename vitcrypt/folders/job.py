"""Making a new folder out of many images, so that it can be broken off at any moment and ends complete or not at all.

    OUT.part/.lock         held while a process works here
    OUT.part/job.json      what is being made: the manifest, still without checksums
    OUT.part/journal       a line for each file that is written: its checksum, and a value of what it is made from
    OUT.part/images/       becomes OUT, in one step, when all are there and on the disk

A file counts as written if its bytes have the checksum in the journal and what it is made from is still the same:
whatever a kill or a full disk left is redone. Threads do the work, as decoding, encrypting, compressing and hashing all
run outside of the interpreter's lock; so the key stays in one process.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vitcrypt.data.manifest import FILENAME, Manifest
from vitcrypt.data.received import check_names, contents
from vitcrypt.data.survey import first_ones
from vitcrypt.folders.png import encode_png
from vitcrypt.jobs.atomic import fsync_dir, fsync_file, rename_folder
from vitcrypt.jobs.lock import alone_in
from vitcrypt.jobs.place import real_place, refuse_place
from vitcrypt.untrusted.text import shortened

GROUP = 16  # images that a thread makes and the journal takes at once: the fewer, the more time goes into waiting
LEFT = ("journal", "journal.new", "job.json", "job.json.part", f"{FILENAME}.part")  # beside a finished folder
Advance = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Made:
    """A finished folder: its manifest, how many of its images were made just now, and what else is to be said."""

    manifest: Manifest
    written: int
    note: str = ""


@dataclass(frozen=True)
class Work:
    """How the images of a folder are made.

    Args:
        sources: For every file of it, what it is made from.
        make: From a file's name to its image, uint8 [3, S, S]. Called in threads.
        origin: From a file's name to a value of the contents it is made from, as `Manifest.origin` has it. None where
            `Manifest.source` names all contents.
    """

    sources: dict[str, Path]
    make: Callable[[str], Tensor]
    origin: Callable[[str], str] | None = None


def make_folder(
    out: Path, wanted: Manifest, work: Work, workers: int | None = None, advance: Advance | None = None
) -> Made:
    """Make the folder that a manifest describes, or finish what an earlier call began.

    Args:
        out: The folder. It must not exist, or be empty, or be this same folder, finished before.
        wanted: Its manifest, without checksums.
        work: How its images are made.
        workers: Number of threads; None: one for each core.
        advance: Is told again and again how many images are there, how many were there from the start, and of how many.

    Raises:
        FileExistsError: Something else is in `out`, or was begun there, or it was made from other contents. It stays as
            it is.
        BlockingIOError: Another process is making it.
        ValueError: Images cannot be read (all others were made), or a folder cannot take the place of `out`.
        OSError: The disk is full. What was made is kept.
    """
    place = real_place(out)
    part, done = place.with_name(f"{place.name}.part"), dict[str, str]()
    with one_thread_each(), ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        finished = _finished(place, wanted, work, pool, advance)
        if finished is not None and not part.exists():
            return finished
        if finished is None:
            refuse_place(place)
        kept = f" of {len(wanted.index)} images are done and kept"
        with disk_errors(part, lambda: f"{len(done)}{kept}", "it resumes"), alone_in(part):
            if (found := finished or _finished(place, wanted, work, pool, advance)) is None:
                found = _make(part, place, wanted, _Job(part, work, pool), done, advance)
            for name in LEFT:
                (part / name).unlink(missing_ok=True)
    return found


def _make(part: Path, out: Path, wanted: Manifest, job: _Job, done: dict[str, str], advance: Advance | None) -> Made:
    _begin(part, wanted)
    entries = job.kept()
    done |= {name: entry["sha256"] for name, entry in entries.items()}
    before, images = len(done), part / "images"
    job.work(entries, done, advance)
    if foreign := sorted(contents(images).files.keys() - wanted.index.keys() - {FILENAME}):
        raise FileExistsError(f"{images / foreign[0]} is none of the images that are made here; remove it")
    job.sync(images)
    noted = {name: entries[name]["from"] for name in wanted.index} if job.task.origin is not None else {}
    made = dataclasses.replace(wanted, sha256={name: done[name] for name in wanted.index}, origin=noted)
    made.write(part / FILENAME)
    (part / FILENAME).rename(images / FILENAME)
    rename_folder(images, out)
    return Made(made, len(done) - before)


def _finished(
    out: Path, wanted: Manifest, work: Work, pool: ThreadPoolExecutor, advance: Advance | None
) -> Made | None:
    """Return the folder if it is finished, None if nothing is there; raise FileExistsError if something else is."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not out.is_dir() or not (out / FILENAME).is_file():
        raise FileExistsError(f"{out} exists and is no folder of this job: nothing is overwritten; name another one")
    found = Manifest.read(out / FILENAME)
    _refuse_others(out, found, wanted, "Name another folder for it")
    check_names(out, found)
    if work.origin is None:
        return Made(found, 0)
    if not found.origin:
        note = "an earlier version made it and noted no contents: whether pictures changed since cannot be told"
        return Made(found, 0, note)
    changed = []
    for count, (name, value) in enumerate(zip(wanted.index, pool.map(work.origin, wanted.index), strict=True), start=1):
        if value != found.origin.get(name):
            changed.append(str(work.sources[name]))
        if advance is not None:
            advance(count, 0, len(wanted.index))
    if changed:
        raise FileExistsError(
            f"{out} was made when {len(changed):,} of the {len(wanted.index):,} pictures were others: "
            f"{shortened(changed, 3)}. It stays as it is: name another folder, or remove it: "
            f"rm -r {shlex.quote(str(out))}"
        )
    return Made(found, 0)


def _begin(part: Path, wanted: Manifest) -> None:
    job = part / "job.json"
    if job.exists():
        remedy = f"Finish it as it was begun, or start over: rm -r {shlex.quote(str(part))}"
        _refuse_others(part, Manifest.read(job), wanted, remedy)
    elif (part / "images").exists() or (part / "journal").exists():
        raise FileExistsError(f"{part} exists and is no folder of this job: move it away")
    else:
        wanted.write(job)


def _refuse_others(place: Path, found: Manifest, wanted: Manifest, remedy: str) -> None:
    if differences := found.differences(wanted):
        told = "\n".join(f"  {difference}" for difference in differences)
        raise FileExistsError(f"{place} holds another job; there and asked for now:\n{told}\n{remedy}")


@dataclass(frozen=True)
class _Job:
    part: Path
    task: Work
    pool: ThreadPoolExecutor

    def kept(self) -> dict[str, dict[str, str]]:
        """Return what is written and still made from what is there now, by name; tidy up the journal."""
        entries, journal = {}, self.part / "journal"
        for line in journal.read_text(errors="replace").splitlines() if journal.exists() else ():
            try:
                entry = json.loads(line)
                entries[entry["name"]] = {key: str(entry[key]) for key in ("name", "sha256", "from")}
            except (ValueError, TypeError, KeyError):
                continue  # torn off
        known = [entries[name] for name in self.task.sources if name in entries]
        whole = [e for e, is_whole in zip(known, self.pool.map(self._is_whole, known), strict=True) if is_whole]
        tidy = journal.with_name("journal.new")
        tidy.write_text("".join(json.dumps(entry, allow_nan=False) + "\n" for entry in whole))
        tidy.replace(journal)
        return {entry["name"]: entry for entry in whole}

    def work(self, entries: dict[str, dict[str, str]], done: dict[str, str], advance: Advance | None) -> None:
        """Write what is not done; note each file in `entries`, in `done` and in the journal."""
        before, names = len(done), [name for name in self.task.sources if name not in done]
        for folder in {name.rpartition("/")[0] for name in self.task.sources}:
            (self.part / "images" / folder).mkdir(parents=True, exist_ok=True)
        unreadable: list[str] = []
        with (self.part / "journal").open("a") as journal:
            try:
                groups = [names[first : first + GROUP] for first in range(0, len(names), GROUP)]
                for results in self.pool.map(self._written, groups):
                    written = [entry for entry in results if isinstance(entry, dict)]
                    unreadable += [str(entry) for entry in results if isinstance(entry, ValueError)]
                    journal.write("".join(json.dumps(entry, allow_nan=False) + "\n" for entry in written))
                    journal.flush()
                    entries |= {entry["name"]: entry for entry in written}
                    done |= {entry["name"]: entry["sha256"] for entry in written}
                    if advance is not None:
                        advance(len(done), before, len(self.task.sources))
            except BaseException:
                self.pool.shutdown(cancel_futures=True)
                raise
        if unreadable:
            raise ValueError(
                f"{first_ones(unreadable)}\nthe other {len(done)} are done: with those replaced, the same command "
                "goes on. Without those the numbers of the others change: then start over with "
                f"rm -r {shlex.quote(str(self.part))}"
            )

    def sync(self, images: Path) -> None:
        """Bring all that is written to the disk: what has a manifest is whole, whatever happens to the machine."""
        os.sync()  # at once, so that little is left to wait for below, which tells of errors
        for _ in self.pool.map(fsync_file, (images / name for name in self.task.sources)):
            pass
        for folder in {(images / name).parent for name in self.task.sources}:
            fsync_dir(folder)

    def _written(self, names: list[str]) -> list[dict[str, str] | ValueError]:
        return [self._write(name) for name in names]

    def _write(self, name: str) -> dict[str, str] | ValueError:
        try:
            origin = self._origin(name)
            data = encode_png(self.task.make(name))
        except ValueError as error:
            return error
        except OSError as error:
            return ValueError(f"cannot read {self.task.sources[name]}: {error.strerror or error}")
        (self.part / "images" / name).write_bytes(data)
        return {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "from": origin}

    def _origin(self, name: str) -> str:
        return self.task.origin(name) if self.task.origin is not None else "named by the manifest"

    def _is_whole(self, entry: dict[str, str]) -> bool:
        try:
            data = (self.part / "images" / entry["name"]).read_bytes()
            same = hashlib.sha256(data).hexdigest() == entry["sha256"]
            return same and self._origin(entry["name"]) == entry["from"]
        except (FileNotFoundError, ValueError):
            return False


@contextmanager
def disk_errors(place: Path, state: Callable[[], str], then: str) -> Iterator[None]:
    """Turn an error of the disk into one that says what became of the work, and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # raised by us, with a message of its own
            raise
        remedy = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "fix this"
        raise OSError(
            f"{error.filename or place}: {error.strerror}; {state()}: {remedy} and run the same command again; {then}"
        ) from error


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let torch use one thread in each of ours."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
