"""The manifest of a folder of encrypted images: how they were made and what each file must be, but no key.

It is all that a provider needs to know, and it is read in processes that never hold a key.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

from vitcrypt.data.archive import open_archive
from vitcrypt.encryption import SCHEMES, Plain, Scheme
from vitcrypt.jobs.atomic import written_whole

FORMAT = "vitcrypt folder, version 1"
FILENAME = "manifest.json"
MAX_PACKED = 2**31
"""Bytes of the manifest in an .npz file, four for each letter."""


@dataclass(frozen=True)
class Manifest:
    """What is known of a folder of images that `vitcrypt encrypt` wrote.

    Args:
        scheme: The scheme that the images are under; `Plain` in a decrypted folder.
        image_size: Side of every image, in pixels.
        interpolation: How they were resized before encryption, "bilinear" or "bicubic".
        key_scope: "shared" or "per_image".
        fingerprint: Of the key; None if plain.
        public_test_key: `test-0`, ... if the key is one of those that anybody has.
        classes: Names of the classes, in the order of their labels.
        source: Names the images that these were made from, so that no others get mixed in: an HMAC-SHA256 of the file
            names under a subkey of the owner, so that nobody else can check a guess at them.
        index: For every file, by its path in the folder, the index that a per-image key is derived from.
        sha256: For every file its checksum. Empty while the folder is being made.
    """

    scheme: Scheme
    image_size: int
    interpolation: str
    key_scope: str
    fingerprint: str | None
    public_test_key: str | None
    classes: list[str]
    source: str
    index: dict[str, int] = field(repr=False)
    sha256: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Check that every file lies in the folder, whoever wrote the manifest."""
        for name in self.index:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name or path.suffix != ".png":
                raise ValueError(f"{name!r} names no .png file inside of the folder")

    @property
    def encrypted(self) -> bool:
        """Whether the images are under a key."""
        return not isinstance(self.scheme, Plain)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        return (3, self.image_size, self.image_size)

    @property
    def digest(self) -> str:
        """SHA-256 of all that it says: equal for equal folders only."""
        return hashlib.sha256(json.dumps(self._content(), sort_keys=True).encode()).hexdigest()

    def __str__(self) -> str:
        """Say what the images are, in a few words."""
        block = f", blocks of {self.scheme.block_size}" if self.scheme.block_size > 1 else ""
        key = f", {self.key_scope.replace('_', '-')} key {self.fingerprint}" if self.encrypted else ""
        return f"{self.scheme.name}{block}, {self.image_size} x {self.image_size}{key}"

    def summary(self) -> dict[str, Any]:
        """Return it as plain values without the single files."""
        content = self._content()
        return {**content, "files": len(content["files"]), "digest": self.digest}

    def differences(self, other: Manifest) -> list[str]:
        """Say in which settings another manifest differs; checksums do not count."""
        named = [entry.name for entry in fields(self) if entry.name not in ("index", "sha256", "source")]
        mine, theirs = self._content(), other._content()
        told = [f"{name}: {mine[name]} and {theirs[name]}" for name in named if mine[name] != theirs[name]]
        same_key = self.fingerprint == other.fingerprint  # else `source` differs anyway
        if self.index != other.index or (same_key and self.source != other.source):
            told.append(f"the images they are made from: {len(self.index)} and {len(other.index)}, or other names")
        return told

    def write(self, path: Path) -> None:
        """Write it as a whole or not at all."""
        with written_whole(path) as file:
            file.write(f"{self.text(indent=1)}\n".encode())

    def text(self, indent: int | None = None) -> str:
        """Return it as JSON."""
        return json.dumps({"format": FORMAT, **self._content(), "checksum": self.digest}, indent=indent)

    @classmethod
    def read(cls, path: Path, text: str | None = None) -> Manifest:
        """Read it from a file, or from the text that stands in there.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It is damaged, of another version, or names files outside of its folder.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8") if text is None else text)
            if not isinstance(content, dict) or not str(content.get("format")).startswith("vitcrypt folder, version "):
                raise ValueError("it is not the manifest of a vitcrypt folder")
            if content["format"] != FORMAT:
                raise ValueError(f"it is a {content['format']!r}, and this vitcrypt reads {FORMAT!r}")
            files = content.pop("files")
            values = {name: content[name] for name in (entry.name for entry in fields(cls)) if name in content}
            values["scheme"] = SCHEMES[values["scheme"].pop("name")](**values["scheme"])
            manifest = cls(
                **values,
                index={name: entry["index"] for name, entry in files.items()},
                sha256={name: entry["sha256"] for name, entry in files.items() if "sha256" in entry},
            )
            if content["checksum"] != manifest.digest:
                raise ValueError("its checksum does not match")
        except FileNotFoundError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            raise ValueError(f"cannot use {path}: {error}; take it from its owner again") from error
        return manifest

    @classmethod
    def of(cls, root: Path) -> tuple[Path, Manifest] | None:
        """Return the manifest of the images in `root` and the place that it speaks of, or None if there is none.

        A folder has it in itself or just above; an .npz file has it inside, if `vitcrypt pack` made it.
        """
        if root.is_file():
            text = _packed(root)
            return (root, cls.read(root, text)) if text else None
        for folder in (root, root.absolute().parent):
            if (folder / FILENAME).is_file() and _is_manifest(folder / FILENAME):
                return folder, cls.read(folder / FILENAME)
        return None

    def check_names(self, folder: Path) -> None:
        """Raise ValueError if a file is missing or is none of these; `vitcrypt verify` also looks into the files."""
        present = names_below(folder)
        missing, foreign = sorted(self.index.keys() - present), sorted(present - self.index.keys())
        if missing or foreign:
            told = [
                f"{len(names)} {what}, e.g. {names[0]}"
                for names, what in ((missing, "missing"), (foreign, "not of this folder"))
                if names
            ]
            remedy = f"Say: vitcrypt verify {folder}"
            if foreign and all(name.endswith(".tar") for name in foreign):
                remedy = (
                    f"If these are shards, unpack them first: mkdir NEW && cp {folder / FILENAME} NEW && "
                    f"for shard in {folder}/*.tar; do tar xf $shard -C NEW; done"
                )
            raise ValueError(f"{folder} is not as its manifest says: {'; '.join(told)}. {remedy}")

    def _content(self) -> dict[str, Any]:
        plain = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        index, sha256 = plain.pop("index"), plain.pop("sha256")
        files = {
            name: {"index": number} | ({"sha256": sha256[name]} if name in sha256 else {})
            for name, number in index.items()
        }
        return {**plain, "scheme": {"name": self.scheme.name, **asdict(self.scheme)}, "files": files}


def names_below(folder: Path) -> set[str]:
    """Return the path in a folder of every file that is there, but for the manifest and the lock."""
    found = set()
    for base, _, names in os.walk(folder):
        within = Path(base).relative_to(folder).as_posix()
        found |= {name if within == "." else f"{within}/{name}" for name in names}
    return found - {FILENAME, ".lock"}


def _is_manifest(path: Path) -> bool:
    """Say whether a file of that name is one of ours, be it damaged; others may call theirs so too."""
    with path.open("rb") as file:
        return b"vitcrypt folder" in file.read(200)


def _packed(path: Path) -> str:
    """Return the manifest that `vitcrypt pack` put into an .npz file; nothing if it did not make the file."""
    if not zipfile.is_zipfile(path):
        return ""
    with open_archive(path) as archive:
        found = archive.header("manifest") if "manifest" in archive.names else None
        if found is None or found.shape != () or found.dtype.kind != "U":
            return ""
        text = str(archive.read("manifest", MAX_PACKED))
    return text if "vitcrypt folder" in text[:200] else ""
