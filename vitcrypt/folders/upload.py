"""Tar files of encrypted images made at an address, one after the other, so that no more than one lies on this machine.

    ADDRESS/job.json                what is being made: the manifest, perhaps without checksums
    ADDRESS/000000.json, ...        what will be in each tar file, written before it
    ADDRESS/000000.tar, ...         as `pack_shards` writes them
    ADDRESS/manifest.json           written last; job.json and the notes are removed then
    $XDG_CACHE_HOME/vitcrypt/uploads/DIGITS/    the tar file that is being written, and a lock

Every file is created where none was, in one step, so of two programs that write to one address one is refused. What a
killed one left is taken over if its notes say what would be made now. Notes are read like those of another party.
"""

from __future__ import annotations

import dataclasses
import io
import math
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

from pydantic import Field

from vitcrypt.data.manifest import FILENAME, MAX_BYTES, Manifest
from vitcrypt.data.remote import near
from vitcrypt.data.store import Store
from vitcrypt.data.survey import first_ones
from vitcrypt.folders.job import GROUP, Advance, Made, made_one, quiet
from vitcrypt.folders.journal import Entry
from vitcrypt.jobs.atomic import sha256
from vitcrypt.jobs.forked import mapping, one_thread_each
from vitcrypt.jobs.lock import alone_in
from vitcrypt.jobs.turns import batches
from vitcrypt.untrusted.documents import Document, Sha256, parse_document
from vitcrypt.untrusted.text import printable, shortened

JOB = "job.json"
AHEAD_BYTES = 2**29
"""Of images that wait for their turn, at most."""
OF_ENTRY = 2**11
"""Bytes of an image in a note, at most."""


class _Noted(Document):
    name: str
    sha256: Sha256
    origin: Annotated[str, Field(max_length=64)]


class _Note(Document):
    bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256
    files: Annotated[list[_Noted], Field(min_length=1)]


def make_shards(
    store: Store,
    wanted: Manifest,
    sources: Mapping[str, Path],
    make: Callable[[str], bytes],
    origin: Callable[[str], str],
    shard_mib: int = 1024,
    workers: int | None = None,
    advance: Advance = quiet,
) -> Made:
    """Make the tar files that `pack_shards` makes of the folder of a manifest, or finish what an earlier call began.

    Args:
        store: Where. Nothing lies there, or what an earlier call made.
        wanted: The manifest. If it has no checksums, it gets them, and what `origin` says.
        sources: For every file of it, what it is made from.
        make: From a file's name to what stands in it. Called in forked processes, or in threads.
        origin: From a file's name to a value of what it is made from.
        shard_mib: No tar file is larger than so many MiB.
        workers: Number of processes; None: one for each core.
        advance: Shows progress.

    Raises:
        FileExistsError: Something else lies there, or another program writes there. It stays as it is.
        ValueError: Images cannot be read, or the store does not do what it should; what was made is kept.
    """
    lock = near(store, "uploads", [])
    with one_thread_each(), ThreadPoolExecutor(workers) as pool, alone_in(lock):
        job = _Upload(store, wanted, sources, make, origin, shard_mib, workers, pool, advance, lock / "part.tar")
        try:
            return job.finished() or job.finish()
        finally:
            job.part.unlink(missing_ok=True)


@dataclasses.dataclass(frozen=True)
class _Upload:
    store: Store
    wanted: Manifest
    sources: Mapping[str, Path]
    make: Callable[[str], bytes]
    origin: Callable[[str], str]
    mib: int
    workers: int | None
    pool: ThreadPoolExecutor
    advance: Advance
    part: Path

    def finished(self) -> Made | None:
        """Return what is finished there, None if it is not; FileExistsError if something else is there."""
        there = self.store.listed()
        if FILENAME not in there:
            ours = {JOB, *(f"{number:06}.{kind}" for number in range(len(there)) for kind in ("tar", "json"))}
            if foreign := sorted(there.keys() - ours if JOB in there else there):
                raise FileExistsError(
                    f"{self.store} holds what is not of this job ({shortened(list(map(printable, foreign)), 3)}): "
                    "nothing is overwritten; name another address"
                )
            return None
        found = self.read(FILENAME)
        self.refuse_other(found)
        if not self.wanted.sha256:
            self.refuse_changed(found.origin)
        self.tidy()
        return Made(found, 0)

    def finish(self) -> Made:
        """Make what is missing, and write the manifest."""
        there, names = self.store.listed(), sorted(self.wanted.index)
        if JOB in there:
            self.refuse_other(self.read(JOB))
        else:
            self.create(JOB, self.wanted.text())
        notes, begun = self.kept(there)
        files = [file for note in notes for file in note.files]
        if [file.name for file in files] != names[: len(files)]:
            raise FileExistsError(f"the notes at {self.store} are of other images; name another address")
        self.refuse_changed({file.name: file.origin for file in files})
        before = len(files)
        for number, note in enumerate(self.tar_files(names[before:]), start=len(notes)):
            if begun is None:
                self.create(f"{number:06}.json", note.model_dump_json())
            elif note != begun:
                raise FileExistsError(
                    f"{self.store}/{number:06}.tar was begun with another --shard-mib, or from pictures that changed "
                    f"since; name another address, or remove {number:06}.json there and repeat"
                )
            self.store.create(f"{number:06}.tar", self.part)
            files += note.files
            begun = None
            self.advance(len(files), before, len(names))
        made = self.wanted
        if not made.sha256:
            of = {file.name: file for file in files}
            sums = {name: of[name].sha256 for name in made.index}
            made = dataclasses.replace(made, sha256=sums, origin={name: of[name].origin for name in made.index})
        self.create(FILENAME, f"{made.text(indent=1)}\n")
        self.tidy()
        return Made(made, len(names) - before)

    def kept(self, there: dict[str, int]) -> tuple[list[_Note], _Note | None]:
        """Return the notes of the tar files that are there, and of one that was only begun."""
        notes: list[_Note] = []
        most = min(MAX_BYTES, OF_ENTRY * len(self.wanted.index))
        while (name := f"{len(notes):06}.json") in there:
            note = parse_document(self.store.read(name, most), _Note, f"{self.store}/{name}")
            if (tar := name.replace(".json", ".tar")) not in there:
                return notes, note
            if there[tar] != note.bytes:
                raise FileExistsError(f"{self.store}/{tar} is not the one of its note, {name}; remove it and repeat")
            notes.append(note)
        return notes, None

    def tidy(self) -> None:
        if left := [name for name in self.store.listed() if name == JOB or re.fullmatch(r"[0-9]+\.json", name)]:
            self.store.remove(left)

    def refuse_other(self, found: Manifest) -> None:
        differences = found.differences(self.wanted)
        if self.wanted.sha256 and found.digest != self.wanted.digest:
            differences = differences or ["its files have other contents"]
        if differences:
            lines = "\n".join(f"  {difference}" for difference in differences)
            raise FileExistsError(
                f"{self.store} holds another job; there and requested now:\n{lines}\nname another address"
            )

    def refuse_changed(self, origins: Mapping[str, str]) -> None:
        now = zip(origins, self.pool.map(self.origin, origins), strict=True)
        if changed := [str(self.sources[name]) for name, value in now if value != origins[name]]:
            raise FileExistsError(
                f"{self.store} was made when {len(changed):,} of the pictures were others: {shortened(changed, 3)}. It "
                "stays as it is: name another address"
            )

    def read(self, name: str) -> Manifest:
        return Manifest.read(f"{self.store}/{name}", self.store.read(name, MAX_BYTES))

    def create(self, name: str, text: str) -> None:
        path = self.part.with_name("note")
        try:
            path.write_text(text)
            self.store.create(name, path)
        finally:
            path.unlink()

    def tar_files(self, names: list[str]) -> Iterator[_Note]:
        """Write the images into one tar file after the other, each of which lies in `part` when it is yielded."""
        room, images = room_in(self.mib), self.images(names)
        image = next(images, None)
        while image is not None:
            left, files = room, []
            with self.part.open("wb") as file, tarfile.open(fileobj=file, mode="w") as shard:
                while image is not None:
                    entry, data = image
                    takes = taken(entry["name"], len(data), self.mib)
                    if takes > left:
                        break
                    shard.addfile(member(entry["name"], len(data)), io.BytesIO(data))
                    files.append(_Noted(name=entry["name"], sha256=entry["sha256"], origin=entry["from"]))
                    left -= takes
                    image = next(images, None)
            yield _Note(bytes=self.part.stat().st_size, sha256=sha256(self.part), files=files)

    def images(self, names: list[str]) -> Iterator[tuple[Entry, bytes]]:
        """Make images in order, no more than `AHEAD_BYTES` of them ahead of their turn."""
        ahead = GROUP * max(1, min(64, AHEAD_BYTES // (GROUP * self.wanted.max_file_bytes)))

        def made(group: list[str]) -> list[tuple[Entry, bytes] | ValueError]:
            return [made_one(name, self.sources[name], self.make, self.origin) for name in group]

        with mapping(made, len(names), self.workers) as mapped:
            for some in batches(names, ahead):
                results = [one for group in mapped(batches(some, GROUP)) for one in group]
                if unreadable := [str(result) for result in results if isinstance(result, ValueError)]:
                    raise ValueError(
                        f"{first_ones(unreadable)}\nwhat is in finished tar files is kept: with those replaced, the "
                        "same command goes on; without those the numbers of the others change: name another address"
                    )
                yield from (result for result in results if not isinstance(result, ValueError))


def room_in(mib: int) -> int:
    """Return how many bytes the members of a tar file of so many MiB take at most."""
    return mib * 2**20 // tarfile.RECORDSIZE * tarfile.RECORDSIZE - 2 * tarfile.BLOCKSIZE  # two empty blocks end it


def taken(name: str, size: int, mib: int) -> int:
    """Return how many bytes a file takes in a tar file; ValueError if it does not fit into one of so many MiB."""
    takes = len(member(name, size).tobuf()) + math.ceil(size / tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    if takes > room_in(mib):
        fits = math.ceil((takes + tarfile.RECORDSIZE + 2 * tarfile.BLOCKSIZE) / 2**20)
        raise ValueError(f"{name} does not fit into a tar file of {mib} MiB; set --shard-mib {fits}")
    return takes


def member(name: str, size: int) -> tarfile.TarInfo:
    """Return the header of a file: of 1970, of user and group 0, without their names."""
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry
