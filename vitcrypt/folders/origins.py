"""What the images of a folder were made from: names and contents of the owner's files, in values for the owner alone.

They are HMAC-SHA256 under subkeys of the owner: with the manifest alone no guess at a name or a picture can be checked.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vitcrypt.data.decode import MAX_BYTES
from vitcrypt.data.image_files import ImageFile
from vitcrypt.data.listing import Listing, list_folder
from vitcrypt.data.manifest import Manifest
from vitcrypt.untrusted.files import open_regular
from vitcrypt.untrusted.text import shortened

if TYPE_CHECKING:
    from vitcrypt.keys import Key


def contents_value(path: Path, index: int, key: Key | None) -> str:
    """Return a value of the contents of a file that becomes the image of this index, 32 hexadecimal digits.

    Equal files of other indices have other values. Without a key anyone can compute it.

    Raises:
        ValueError: The file cannot be read.
    """
    try:
        with open_regular(path, MAX_BYTES) as file:
            contents = hashlib.file_digest(file, "sha256").digest()
    except FileNotFoundError:
        raise ValueError(f"{path} is gone") from None
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    subkey = key.derive("contents of a folder") if key is not None else b"plain"
    return hmac.new(subkey, index.to_bytes(8, "big") + contents, "sha256").hexdigest()[:32]


def names_digest(listing: Listing, key: Key | None) -> str:
    """Return the value of the names of all files, `Manifest.source` of an encrypted folder."""
    subkey = key.derive("names of a folder") if key is not None else b"plain"
    whole = hmac.new(subkey, digestmod="sha256")
    for number, file in enumerate(listing.files):
        name = str(file.path.relative_to(listing.base))
        whole.update(b"\n" * bool(number) + name.encode(errors="surrogateescape"))
    return whole.hexdigest()


def numbers(listing: Listing, suffix: str = ".png") -> Iterator[str]:
    """Return the path of each file in a folder of image files whose names say nothing and sort as they count."""
    digits = max(6, len(str(len(listing.files) - 1)))
    return (_placed(listing, file, f"{number:0{digits}}{suffix}") for number, file in enumerate(listing.files))


def kept_names(listing: Listing, suffix: str = ".png", *, longer: bool = False) -> list[str]:
    """Return the path of each file in a folder of image files.

    Args:
        listing: The files.
        suffix: How their names end there.
        longer: Where two would have one name, let them keep their old extensions in it.

    Raises:
        ValueError: Two would have one name.
    """
    names = [_placed(listing, file, str(PurePosixPath(file.name).with_suffix(suffix))) for file in listing.files]
    times = Counter(names)
    if longer:
        names = [
            name if times[name] == 1 else _placed(listing, file, f"{file.name}{suffix}")
            for name, file in zip(names, listing.files, strict=True)
        ]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"two images would be called {twice[0]}; rename one of them, or let them have numbers")
    return names


def original_names(photos: Path, encrypted: Path, manifest: Manifest, key: Key) -> dict[str, str]:
    """Return for each file of an encrypted folder the name of the file in `photos` that it was made from, as PNG.

    Raises:
        ValueError: `photos` is not, or no longer, what it was made from.
    """
    listing = list_folder(photos)
    if names_digest(listing, key) != manifest.source:
        raise ValueError(
            f"{encrypted} was not made from {photos}, or files there were renamed, added or removed since (or it was "
            "rotated: then take the folder that vitcrypt encrypt made); leave --names out, and names stay numbers"
        )
    files = zip(listing.files, kept_names(listing, longer=True), strict=True)
    by_index = {file.index: (file.path, name) for file, name in files}
    changed = [
        str(by_index[index][0])
        for name, index in manifest.index.items()
        if name in manifest.origin and contents_value(by_index[index][0], index, key) != manifest.origin[name]
    ]
    if changed:
        raise ValueError(f"{len(changed):,} files of {photos} are others than were encrypted: {shortened(changed, 3)}")
    return {name: by_index[index][1] for name, index in manifest.index.items()}


def _placed(listing: Listing, file: ImageFile, name: str) -> str:
    return "/".join(filter(None, (file.split, listing.classes[file.label], name)))
