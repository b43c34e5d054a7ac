"""Making a new folder out of many images, so that it can be broken off at any moment and ends complete or not at all.

    OUT.part/.lock         held while a process works here
    OUT.part/job.json      what is being made: the manifest, still without checksums
    OUT.part/journal       a line for each file that is written: its checksum, and a value of what it is made from
    OUT.part/images/       becomes OUT, in one step, when all are there and on the disk

A file counts as written if its bytes have the checksum in the journal and what it is made from is still the same:
whatever a kill or a full disk left is redone. Forked processes do the work (few images: threads): they hold the key as
this one does, in memory, and end with it.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vitcrypt.data.columns import Texts
from vitcrypt.data.manifest import FILENAME, Manifest
from vitcrypt.data.received import check_names, contents
from vitcrypt.data.survey import first_ones
from vitcrypt.folders.journal import Entry, Journal, line
from vitcrypt.jobs.atomic import fsync_dir, fsync_file, rename_folder
from vitcrypt.jobs.forked import mapping, one_thread_each
from vitcrypt.jobs.lock import alone_in
from vitcrypt.jobs.place import real_place, refuse_place
from vitcrypt.jobs.turns import batches, in_turn
from vitcrypt.untrusted.text import shortened

GROUP = 16  # images that one of them makes and the journal takes at once: the fewer, the more time goes into waiting
LEFT = ("journal", "journal.new", "job.json", "job.json.*part", f"{FILENAME}.*part")  # beside a finished folder
NAMED = "named by the manifest"
Groups = Callable[[Iterable[list[str]]], Iterator["list[Entry | ValueError]"]]
"""From groups of names to what was written of each, or why not, in order."""

Advance = Callable[[int, int, int], None]
"""Is called again and again with how many images are there, how many were there from the start, and of how many."""


def quiet(done: int, before: int, total: int) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class Made:
    """A finished folder: its manifest, how many of its images were made just now, and a note for the user."""

    manifest: Manifest
    written: int
    note: str = ""


def make_folder(
    out: Path,
    wanted: Manifest,
    sources: Mapping[str, Path],
    make: Callable[[str], bytes],
    origin: Callable[[str], str] | None = None,
    workers: int | None = None,
    advance: Advance = quiet,
    elsewhere: Callable[[Path], AbstractContextManager[Groups]] | None = None,
) -> Made:
    """Make the folder that a manifest describes, or finish what an earlier call began.

    Args:
        out: The folder. It must not exist, or be empty, or be this same folder, finished before.
        wanted: Its manifest, without checksums.
        sources: For every file of it, what it is made from.
        make: From a file's name to what stands in it. Called in forked processes, or in threads.
        origin: From a file's name to a value of the contents it is made from, as `Manifest.origin` has it. None where
            `Manifest.source` names all contents.
        workers: Number of them; None: one for each core.
        advance: Shows progress.
        elsewhere: From OUT.part to what writes its images on other machines, which reach it under the same path.

    Raises:
        FileExistsError: Something else is in `out`, or was begun there, or it was made from other contents. It stays as
            it is.
        BlockingIOError: Another process is making it.
        ValueError: Images cannot be read (all others were made), or a folder cannot take the place of `out`.
        OSError: The disk is full. What was made is kept.
    """
    place = real_place(out)
    part = place.with_name(f"{place.name}.part")
    with one_thread_each(), ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        job = _Job(place, part, wanted, sources, make, origin, pool, advance, elsewhere, workers)
        finished = job.finished()
        if finished is not None and not part.exists():
            return finished
        if finished is None:
            refuse_place(place)
        with disk_errors(part, job.state, "it resumes"), alone_in(part):
            made = finished or job.finished() or job.finish()
            for left in [path for name in LEFT for path in part.glob(name)]:
                left.unlink()
    return made


def refuse_nesting(source: Path, out: Path) -> None:
    """Raise ValueError if one of them lies in the other."""
    inner, outer = real_place(out), source.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise ValueError(f"{out} and {source}: one must not lie inside the other; name a folder outside")


@dataclass(frozen=True)
class _Job:
    out: Path
    part: Path
    wanted: Manifest
    sources: Mapping[str, Path]
    make: Callable[[str], bytes]
    origin: Callable[[str], str] | None
    pool: ThreadPoolExecutor
    advance: Advance
    elsewhere: Callable[[Path], AbstractContextManager[Groups]] | None
    workers: int | None

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.part / "journal", self.wanted.column.names, NAMED if self.origin is None else None)

    def state(self) -> str:
        return f"{self.journal.count} of {len(self.wanted.index)} images are done and kept"

    def finished(self) -> Made | None:
        """Return the folder if it is finished, None if nothing is there; FileExistsError if something else is."""
        out, names = self.out, self.wanted.index
        if not out.exists() or (out.is_dir() and not any(out.iterdir())):
            return None
        if not out.is_dir() or not (out / FILENAME).is_file():
            raise FileExistsError(
                f"{out} exists and is no folder of this job: nothing is overwritten; name another one"
            )
        found = Manifest.read(out / FILENAME)
        self.refuse_others(out, found, "Name another folder for it")
        check_names(out, found)
        if self.origin is None:
            return Made(found, 0)
        if not found.origin:
            note = "an earlier version made it and noted no contents: whether pictures changed since cannot be told"
            return Made(found, 0, note)
        changed = []
        with mapping(self.origin, len(names), self.workers, GROUP) as mapped:
            for count, (name, value) in enumerate(zip(names, mapped(names), strict=True), start=1):
                if value != found.origin.get(name):
                    changed.append(str(self.sources[name]))
                self.advance(count, 0, len(names))
        if changed:
            raise FileExistsError(
                f"{out} was made when {len(changed):,} of the {len(names):,} pictures were others: "
                f"{shortened(changed, 3)}. It stays as it is: name another folder, or remove it: "
                f"rm -r {shlex.quote(str(out))}"
            )
        return Made(found, 0)

    def refuse_others(self, place: Path, found: Manifest, remedy: str) -> None:
        if differences := found.differences(self.wanted):
            lines = "\n".join(f"  {difference}" for difference in differences)
            raise FileExistsError(f"{place} contains another job; there and requested now:\n{lines}\n{remedy}")

    def finish(self) -> Made:
        """Make what is missing, and put the folder into its place."""
        images = self.part / "images"
        self.begin()
        self.resume()
        before = self.journal.count
        self.write_missing()
        there, names = contents(images, self.wanted).files, self.wanted.column.names
        if foreign := sorted(name for name in there if name not in self.wanted.index and name != FILENAME):
            raise FileExistsError(f"{images / foreign[0]} is none of the images that are made here; remove it")
        os.sync()  # at once, so that little is left to wait for below, which reports errors
        for _ in in_turn(self.pool, fsync_file, (images / name for name in names)):
            pass
        for folder in self.folders():
            fsync_dir(images / folder)
        sha256, origin = self.journal.columns()
        made = dataclasses.replace(self.wanted, sha256=sha256, origin=origin)
        made.write(self.part / FILENAME)
        (self.part / FILENAME).rename(images / FILENAME)
        rename_folder(images, self.out)
        return Made(made, len(names) - before)

    def begin(self) -> None:
        note = self.part / "job.json"
        if note.exists():
            remedy = f"Finish it as it was begun, or start over: rm -r {shlex.quote(str(self.part))}"
            self.refuse_others(self.part, Manifest.read(note), remedy)
        elif (self.part / "images").exists() or (self.part / "journal").exists():
            raise FileExistsError(f"{self.part} exists and is no folder of this job: move it away")
        else:
            self.wanted.write(note)

    def resume(self) -> None:
        """Take what is written and still made from what is there now from the journal, and tidy that up."""
        self.journal.read()
        with mapping(self.lost, self.journal.count, self.workers, GROUP) as mapped:
            for name in mapped(self.journal):
                if name is not None:
                    self.journal.drop(name)
        self.journal.tidy()

    def lost(self, entry: Entry) -> str | None:
        """Return the name of an entry that is not true any more."""
        name = entry["name"]
        try:
            data = (self.part / "images" / name).read_bytes()
            same = hashlib.sha256(data).hexdigest() == entry["sha256"]
            return None if same and self.value_of(name) == entry["from"] else name
        except (FileNotFoundError, ValueError):
            return name

    def folders(self) -> set[str]:
        return {name.rpartition("/")[0] for name in self.wanted.index}

    def write_missing(self) -> None:
        before, names = self.journal.count, Texts(self.journal.missing())
        for folder in self.folders():
            (self.part / "images" / folder).mkdir(parents=True, exist_ok=True)
        unreadable: list[str] = []
        with self.journal.path.open("a") as journal:
            try:
                with (self.elsewhere or self.here)(self.part) as writing:
                    for results in writing(batches(names, GROUP)):
                        written = [entry for entry in results if isinstance(entry, dict)]
                        unreadable += [str(entry) for entry in results if isinstance(entry, ValueError)]
                        journal.writelines(map(line, written))
                        journal.flush()
                        for entry in written:
                            self.journal.note(entry)
                        self.advance(self.journal.count, before, len(self.wanted.index))
            except BaseException:
                self.pool.shutdown(cancel_futures=True)
                raise
        if unreadable:
            raise ValueError(
                f"{first_ones(unreadable)}\nthe other {self.journal.count} are done: with those replaced, the same "
                "command goes on. Without those the numbers of the others change: then start over with "
                f"rm -r {shlex.quote(str(self.part))}"
            )

    def here(self, part: Path) -> AbstractContextManager[Groups]:
        """Write in processes of this machine; few images in threads of this one."""

        def write(group: list[str]) -> list[Entry | ValueError]:
            return [write_one(part, name, self.sources[name], self.make, self.value_of) for name in group]

        return mapping(write, len(self.wanted.index) - self.journal.count, self.workers)

    def value_of(self, name: str) -> str:
        return self.origin(name) if self.origin is not None else NAMED


def write_one(
    part: Path, name: str, source: Path, make: Callable[[str], bytes], origin: Callable[[str], str]
) -> Entry | ValueError:
    """Write one image below OUT.part; return its line of the journal, or why it cannot be made."""
    made = made_one(name, source, make, origin)
    if isinstance(made, ValueError):
        return made
    (part / "images" / name).write_bytes(made[1])
    return made[0]


def made_one(
    name: str, source: Path, make: Callable[[str], bytes], origin: Callable[[str], str]
) -> tuple[Entry, bytes] | ValueError:
    """Make one image; return its line of the journal and what stands in its file, or why it cannot be made."""
    try:
        came_from = origin(name)
        data = make(name)
    except ValueError as error:
        return error
    except OSError as error:
        return ValueError(f"cannot read {source}: {error.strerror or error}")
    return {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "from": came_from}, data


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
