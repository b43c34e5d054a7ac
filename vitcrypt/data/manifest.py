"""The manifest of a folder of encrypted images: how they were made and what each file must be, but no key.

It is all that a provider needs to know, and it is read in processes that never hold a key.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO
from weakref import WeakValueDictionary

import numpy as np
from pydantic import ValidationError

from vitcrypt.data.archive import open_archive
from vitcrypt.data.columns import Index
from vitcrypt.data.entries import Content, Entries, cut_out, written
from vitcrypt.encryption import Scheme
from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.untrusted import documents
from vitcrypt.untrusted.documents import MAX_SIDE
from vitcrypt.untrusted.files import open_regular

FORMAT = "vitcrypt folder, version 1"
FILENAME = "manifest.json"
SHOWN = 3  # differences of a kind that are named
HEAD_BYTES = 4096
MAX_BYTES = 2**29
"""Of a manifest: enough for two million images."""
FORBIDDEN = re.compile(r"[/\\\x00-\x1f\x7f-\x9f]")
"""In the name of a file or folder."""
MAX_PACKED = 32
"""How many times as large as an .npz file its manifest may be when it is unpacked; checksums cannot be compressed."""


@dataclass(frozen=True)
class Manifest:
    """What is known of a folder of images that `vitcrypt encrypt` wrote.

    Args:
        scheme: The scheme that the images are under; `Plain` in a decrypted folder.
        image_size: documents.Side of every image, in pixels.
        interpolation: How they were resized before encryption, "bilinear" or "bicubic".
        key_scope: "shared" or "per_image".
        fingerprint: Of the key; None if plain.
        public_test_key: `test-0`, ... if the key is one of those that anybody has.
        classes: Names of the classes, in the order of their labels.
        source: Names the images that these were made from, so that no others get mixed in: an HMAC-SHA256 of the file
            names under a subkey of the owner, so that nobody else can check a guess at them.
        index: For every file, by its path in the folder, the index that a per-image key is derived from.
        sha256: For every file its checksum. Empty while the folder is being made.
        origin: For every file a value that tells whether what it was made from has changed: an HMAC-SHA256 of the
            contents under a subkey of the owner. Empty where the contents are named by `source`, and in older folders.
        bounds: What is proved of one ciphertext against any attack, as `Scheme.bounds` has it; empty of most schemes.

    Raises:
        ValueError: A size, a name or an index is not what it must be, whoever wrote it.
    """

    scheme: Scheme
    image_size: int
    interpolation: str
    key_scope: str
    fingerprint: str | None
    public_test_key: str | None
    classes: list[str]
    source: str
    index: Mapping[str, int] = field(repr=False)
    sha256: Mapping[str, str] = field(default_factory=dict, repr=False)
    origin: Mapping[str, str] = field(default_factory=dict, repr=False)
    bounds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.image_size <= MAX_SIDE:
            raise ValueError(f"image_size is 1..{MAX_SIDE} pixels; got {self.image_size}")
        for name in self.classes:
            if not is_name(name):
                raise ValueError(f"class {name!r:.200} can be no folder's name: rename it")
        if FILENAME in self.classes:
            raise ValueError(f"a class called {FILENAME} stands where this file itself goes: rename its folder")
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise ValueError("classes: at least one, and each of them once")
        classes, depth = set(self.classes), int(self.split)
        for name in self.index:
            *folders, file = name.split("/") if isinstance(name, str) else [""]
            if not all(map(is_name, (*folders, file))) or not file.endswith(self.suffix) or file == self.suffix:
                raise ValueError(f"{name!r:.200} names no {self.suffix} file inside of the folder: rename it")
            if len(folders) <= depth or folders[depth] not in classes:
                raise ValueError(f"{name!r:.200} lies in no class folder")
        if not self.index or not np.diff(np.sort(self.column.array)).all():
            raise ValueError("files: at least one, and no index twice")

    @cached_property
    def column(self) -> Index:
        """`index` in arrays."""
        return Index.of(self.index)

    @property
    def encrypted(self) -> bool:
        """Whether the images are under a key."""
        return not self.scheme.is_plain

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        return (3, self.image_size, self.image_size)

    @property
    def stored(self) -> tuple[tuple[int, int, int], str]:
        """(C', H', W') and dtype of every ciphertext; float32 is kept as .npy."""
        return self.scheme.output_shape(self.shape), self.scheme.properties.dtype

    @property
    def suffix(self) -> str:
        """How names of files end: ".npy" of float32, ".jpg" where ciphertexts are kept as JPEG, else ".png"."""
        if self.scheme.properties.dtype == "float32":
            return ".npy"
        return ".png" if self.scheme.jpeg_quality is None else ".jpg"

    @cached_property
    def split(self) -> bool:
        """Whether class folders lie in folders of splits, such as train/ and test/."""
        classes, within, bare = set(self.classes), True, True
        for name in self.index:
            part = str(name).split("/")
            within, bare = within and len(part) > 2 and part[1] in classes, bare and part[0] in classes
        return within or not bare

    @property
    def max_file_bytes(self) -> int:
        """How large a file of it may be: float32 and a header; twice an image that cannot be compressed."""
        if self.suffix == ".npy":
            return 4 * math.prod(self.stored[0]) + 2**10
        return 2 * self.image_size * (1 + 3 * self.image_size) + 2**16

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that it says: equal for equal folders only."""
        whole = hashlib.sha256()
        for piece in self._pieces({**self._settings(), "files": {}}, None, in_order=True):
            whole.update(piece.encode())
        return whole.hexdigest()

    def __str__(self) -> str:
        block = f", blocks of {self.scheme.block_size}" if self.scheme.block_size > 1 else ""
        key = f", {self.key_scope.replace('_', '-')} key {self.fingerprint}" if self.encrypted else ""
        told = "".join(f", {name} {value:.4g}" for name, value in self.bounds.items())
        proved = f"; proved of one ciphertext{told[1:]}" if told else ""
        return f"{self.scheme.name}{block}, {self.image_size} x {self.image_size}{key}{proved}"

    def summary(self) -> dict[str, Any]:
        """Return it as plain values without the single files."""
        return {**self._settings(), "files": len(self.index), "digest": self.digest}

    def check_bounds(self) -> None:
        """Raise ValueError if other bounds are stated than follow from the scheme and its numbers."""
        proved = self.scheme.bounds(self.shape)
        same = all(math.isclose(proved[name], self.bounds[name], rel_tol=1e-6) for name in proved.keys() & self.bounds)
        if not same or proved.keys() != self.bounds.keys():
            raise ValueError(f"bounds: it states {self.bounds}, and what is proved of {self.scheme.name} is {proved}")

    def differences(self, other: Manifest) -> list[str]:
        """Say in which settings another manifest differs; checksums do not count."""
        left = ("index", "sha256", "origin", "source", "bounds")  # bounds follow from the scheme
        named = [entry.name for entry in fields(self) if entry.name not in left]
        here, there = self._settings(), other._settings()
        lines = [f"{name}: {here[name]} and {there[name]}" for name in named if here[name] != there[name]]
        same_key = self.fingerprint == other.fingerprint  # else `source` differs anyway
        if self.index != other.index or (same_key and self.source != other.source):
            mine, theirs = (
                Counter("/".join(name.split("/")[: 1 + manifest.split]) for name in manifest.index)
                for manifest in (self, other)
            )
            changed = [f"{n}: {mine[n]} and {theirs[n]}" for n in sorted(mine | theirs) if mine[n] != theirs[n]]
            why = ", ".join(changed[:SHOWN]) or "as many in each class, but other names or another state of that folder"
            lines.append(f"the images they are made from: {len(self.index)} and {len(other.index)} ({why})")
        return lines

    def write(self, path: Path) -> None:
        """Write it completely or not at all."""
        with atomic_write(path) as file:
            file.writelines(piece.encode() for piece in self._all(indent=1))
            file.write(b"\n")

    def text(self, indent: int | None = None) -> str:
        """Return it as JSON."""
        return "".join(self._all(indent))

    def _all(self, indent: int | None) -> Iterator[str]:
        content = {"format": FORMAT, **self._settings(), "files": {}, "checksum": self.digest}
        return self._pieces(content, indent)

    def _pieces(self, content: dict[str, Any], indent: int | None, in_order: bool = False) -> Iterator[str]:
        """Yield JSON with the files, which are not all in memory as text at once."""
        frame = json.dumps(content, indent=indent, sort_keys=in_order, allow_nan=False)
        before, after = frame.split('"files": {}')  # no other place of JSON can say so
        yield f'{before}"files": '
        yield from written(Entries(self.column, self.sha256, self.origin), bool(indent), in_order)
        yield after

    def _settings(self) -> dict[str, Any]:
        """Return all that it says but for the files."""
        plain = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        for name in ("index", "sha256", "origin"):
            del plain[name]
        bounds = {"bounds": proved} if (proved := plain.pop("bounds")) else {}  # older folders have none
        return {**plain, **bounds, "scheme": self.scheme.to_dict()}

    @classmethod
    def read(cls, path: Path | str, data: bytes | None = None) -> Manifest:
        """Read it from a file, or from the bytes that stand at that place.

        As long as one is in use, the file that it was read from is not read again while it is as it was on the disk: a
        run, its data and their stamp share one.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It is a link or no file, damaged, of another version, or a field is not what it must be.
        """
        try:
            if data is not None:
                return cls._parsed(io.BytesIO(data))
            with open_regular(Path(path), MAX_BYTES, Path(path).parent) as file:
                state = os.fstat(file.fileno())
                known = state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
                if (manifest := _IN_USE.get(known)) is None:
                    manifest = _IN_USE[known] = cls._parsed(file)
                return manifest
        except FileNotFoundError:
            raise
        except ValidationError as error:
            raise ValueError(f"cannot use {path}: {documents.explain(error)}; take it from its owner again") from None
        except (ValueError, OSError) as error:
            raise ValueError(f"cannot use {path}: {error}; take it from its owner again") from error

    @classmethod
    def _parsed(cls, file: BinaryIO) -> Manifest:
        if (cut := cut_out(file)) is None:
            file.seek(0)
        frame, entries = cut or (file.read(MAX_BYTES), None)
        content = documents.parse_json(frame, "it")
        found = content.get("format") if _is_ours(frame) and isinstance(content, dict) else None
        if not str(found).startswith("vitcrypt folder, version "):
            raise ValueError("it is not the manifest of a vitcrypt folder")
        if found != FORMAT:
            raise ValueError(f"it is a {found!r:.100}, and this vitcrypt reads {FORMAT!r}")
        read = Content.model_validate(content)
        same = ("image_size", "interpolation", "key_scope", "fingerprint", "public_test_key", "classes", "source")
        manifest = cls(
            **{name: getattr(read, name) for name in same},
            scheme=Scheme.from_dict(read.scheme),
            bounds=read.bounds,
            **vars(entries or Entries.of(read.files)),
        )
        if manifest.encrypted != (read.fingerprint is not None):
            raise ValueError("fingerprint: encrypted images have one, and no others")
        manifest.scheme.check_use(manifest.shape, read.key_scope)
        manifest.check_bounds()
        if read.checksum != manifest.digest:
            raise ValueError("its checksum does not match")
        return manifest

    @classmethod
    def of(cls, root: Path) -> tuple[Path, Manifest] | None:
        """Return the manifest of the images in `root` and the place that it speaks of, or None if there is none.

        A folder has it in itself or just above; an .npz file has it inside, if `vitcrypt pack` made it.
        """
        if root.is_file():
            text = _packed(root)
            return (root, cls.read(root, text.encode(errors="surrogatepass"))) if text else None
        for folder in (root, root.absolute().parent):
            path = folder / FILENAME
            if os.path.lexists(path) and not path.is_dir():
                with open_regular(path) as file:
                    ours = _is_ours(file.read(HEAD_BYTES))
                if ours:  # or another program's, which may call its own so too
                    return folder, cls.read(path)
        return None


_IN_USE: WeakValueDictionary[tuple[int, ...], Manifest] = WeakValueDictionary()
"""By what tells one state of a file on this machine from another."""


def is_name(name: object) -> bool:
    """Say whether this can name a file or folder, on every system and in one piece."""
    return isinstance(name, str) and 0 < len(name) <= 255 and name not in (".", "..") and not FORBIDDEN.search(name)


def _is_ours(head: bytes) -> bool:
    """Say whether a manifest that begins so is one of ours, be it damaged, or cut off to nothing."""
    marks = re.findall(rb'"(?:scheme|image_size|interpolation|key_scope|fingerprint|checksum)"', head[:HEAD_BYTES])
    return not head.strip(b"\0 \t\r\n") or b"vitcrypt folder" in head[:200] or len(set(marks)) > 1


def _packed(path: Path) -> str:
    """Return the manifest that `vitcrypt pack` put into an .npz file; nothing if it did not make the file."""
    if not zipfile.is_zipfile(path):
        return ""
    with open_archive(path) as archive:
        found = archive.header("manifest") if "manifest" in archive.names else None
        if found is None or found.shape != () or found.dtype.kind != "U":
            return ""
        text = str(archive.read("manifest", min(4 * MAX_BYTES, MAX_PACKED * path.stat().st_size)))
    return text if "vitcrypt folder" in text[:200] else ""
