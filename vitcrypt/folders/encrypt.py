"""What an owner does with whole folders of images: encrypt, decrypt, change the key."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vitcrypt.data.columns import Column, Index, Names
from vitcrypt.data.decode import FILTERS
from vitcrypt.data.listing import list_folder
from vitcrypt.data.manifest import FILENAME, Manifest
from vitcrypt.data.received import check_names, read_checked_pixels
from vitcrypt.data.store import Store
from vitcrypt.data.survey import Transparency, survey
from vitcrypt.encryption import KeyScope, Plain, Scheme
from vitcrypt.folders.encrypting import Encrypting, encryption_of, file_of, writing_on_ray
from vitcrypt.folders.job import Advance, Made, make_folder, quiet, refuse_nesting
from vitcrypt.folders.origins import kept_names, names_digest, numbers, original_names
from vitcrypt.folders.png import encode_png
from vitcrypt.folders.upload import make_shards

if TYPE_CHECKING:
    from vitcrypt.keys import Key


def encrypt_folder(
    source: Path,
    out: Path | Store,
    scheme: Scheme,
    key: Key | None,
    image_size: int = 224,
    interpolation: str = "bilinear",
    key_scope: KeyScope = "shared",
    keep_names: bool = False,
    workers: int | None = None,
    advance: Advance = quiet,
    tell: Callable[[list[str]], None] = lambda _: None,
    transparency: Transparency = "white",
    on_ray: Callable[[], Key] | None = None,
    shard_mib: int = 1024,
) -> Made:
    """Encrypt a folder of class folders into another one: as PNG, or as JPEG or .npy where the scheme says so.

    Every image is centre-cropped, resized and encrypted to the bytes that `ImageDataModule` makes of it, with the index
    that `data.folder` gives it. A JPEG file decodes to them.

    Args:
        source: SOURCE/CLASS/* or SOURCE/{train,test,val}/CLASS/*, any format and size.
        out: The new folder; see `make_folder`, also for more errors. Or an address, where the tar files are made that
            `pack_shards` makes of that folder; see `make_shards`.
        scheme: What encrypts. `Plain` only resizes, and takes no key.
        key: The owner's key.
        image_size: Side of the images that come out, in pixels.
        interpolation: "bilinear" or "bicubic".
        key_scope: "shared" or "per_image".
        keep_names: Name files as they were. Otherwise names are numbers, as a name may say what is on the image.
        workers: Number of processes; None: one for each core.
        advance: Shows progress.
        tell: Is called with what the folder contains, in lines for the user, before the first image is encrypted.
        transparency: Is laid on white, or ("refuse") an error.
        on_ray: Encrypt in processes of Ray, which reach `source` and `out` under the same paths; each opens the key
            with this. None: on this machine.
        shard_mib: No tar file at an address is larger than so many MiB.

    Raises:
        ValueError: The folder is not such a one, or scheme and size do not fit.
    """
    if not source.is_dir():
        raise FileNotFoundError(f"{source} is no folder; encrypt takes a folder with CLASS/* or {{train,test}}/CLASS/*")
    if interpolation not in FILTERS:
        raise ValueError(f"interpolation is one of {', '.join(FILTERS)}; got {interpolation}")
    if (received := Manifest.of(source)) is not None and received[1].encrypted:
        raise ValueError(f"{source} is encrypted already ({received[1]}); for another key: vitcrypt rotate")
    if isinstance(out, Path):
        refuse_nesting(source, out)
    elif on_ray is not None:
        raise ValueError(
            f"--engine ray writes to folders that all machines reach, and {out} is an address: pack it then"
        )
    listing = list_folder(source)
    shape = (3, image_size, image_size)
    scheme.check_shape(shape)
    if not scheme.has_files:
        raise ValueError(f"{scheme.name} makes 8-bit images of another size, so no folder of PNG files can hold them")
    suffix = ".npy" if scheme.properties.dtype == "float32" else ".png" if scheme.jpeg_quality is None else ".jpg"
    names = Names(kept_names(listing, suffix) if keep_names else numbers(listing, suffix))
    wanted = Manifest(
        scheme=scheme,
        image_size=image_size,
        interpolation=interpolation,
        key_scope=key_scope if key is not None else "shared",
        fingerprint=key.fingerprint if key is not None else None,
        public_test_key=key.test_name if key is not None else None,
        classes=listing.classes,
        source=names_digest(listing, key),
        index=Index(names, listing.files.indices),
        bounds=scheme.bounds(shape),
    )
    sources = Column(names, listing.files.paths)
    found = survey(listing.files.paths, f"reading headers in {source}", transparency)
    tell(listing.lines() + found.lines())
    making = Encrypting(wanted, sources, key)
    if isinstance(out, Store):
        return make_shards(out, wanted, sources, making.file, making.origin, shard_mib, workers, advance)
    elsewhere = partial(writing_on_ray, making, on_ray, workers) if on_ray is not None else None
    return make_folder(out, wanted, sources, making.file, making.origin, workers, advance, elsewhere)


def decrypt_folder(
    source: Path,
    out: Path,
    key: Key,
    workers: int | None = None,
    advance: Advance = quiet,
    photos: Path | None = None,
) -> Made:
    """Decrypt a folder that `encrypt_folder` made into another one: the bytes of the resized images.

    Exactly, or of JPEG as nearly as it left them.

    Args:
        source: The encrypted folder.
        out: The new folder; see `make_folder`, also for more errors.
        key: The owner's key.
        workers: Number of processes; None: one for each core.
        advance: Shows progress.
        photos: The folder that was encrypted: files get the names that they have there. None: those of `source`.

    Raises:
        ValueError: It is under another key, or not encrypted, or a file is not what its manifest says; or `photos` is
            another folder than it was made from, or its scheme cannot be undone.
    """
    received = _received(source, out, key)
    decryption = encryption_of(received, key)
    if not received.scheme.properties.invertible and received.scheme.jpeg_quality is None:
        raise ValueError(f"{received.scheme.name} cannot be undone: nothing decrypts what it made")
    encrypted = {f"{name.removesuffix(received.suffix)}.png": name for name in received.index}
    if photos is not None:
        encrypted = {plain: name for name, plain in original_names(photos, source, received, key).items()}
    index = {plain: received.index[name] for plain, name in encrypted.items()}
    wanted = dataclasses.replace(_under(received, None), scheme=Plain(), key_scope="shared", index=index)

    def make(name: str) -> bytes:
        image = read_checked_pixels(source, encrypted[name], received)
        return encode_png(decryption.decrypt(image[None], [index[name]])[0])

    sources = {plain: source / name for plain, name in encrypted.items()}
    return make_folder(out, wanted, sources, make, workers=workers, advance=advance)


def rotate_folder(
    source: Path, out: Path, old: Key, new: Key, workers: int | None = None, advance: Advance = quiet
) -> Made:
    """Bring a folder from one key under another. Plain images exist in memory only, one for each thread.

    Raises:
        ValueError: It is not under the old key, or the keys are the same, or a file is not what its manifest says.
        The errors of `make_folder`.
    """
    received = _received(source, out, old)
    if not received.scheme.properties.invertible:
        raise ValueError(
            f"{received.scheme.name} decrypts nearly at best, and each rotation would lose more; encrypt the photos "
            "themselves under the new key"
        )
    if old.fingerprint == new.fingerprint:
        raise ValueError(f"old and new key are the same ({old.fingerprint}); make a new one: vitcrypt key new FILE")
    wanted = _under(received, new)
    before, after = encryption_of(received, old), encryption_of(wanted, new)

    def make(name: str) -> bytes:
        image, index = read_checked_pixels(source, name, received), received.index[name]
        return file_of(after, before.decrypt(image[None], [index])[0], index)

    sources = {name: source / name for name in received.index}
    return make_folder(out, wanted, sources, make, workers=workers, advance=advance)


def _under(received: Manifest, key: Key | None) -> Manifest:
    """Return the manifest of a folder that is made from a received one and is under another key, or none."""
    return dataclasses.replace(
        received,
        fingerprint=key.fingerprint if key is not None else None,
        public_test_key=key.test_name if key is not None else None,
        source=received.digest,
        sha256={},
        origin={},
    )


def _received(source: Path, out: Path, key: Key) -> Manifest:
    """Return the manifest of an encrypted folder after checking that it is under this key and complete by its names."""
    if not (source / FILENAME).is_file():
        raise FileNotFoundError(f"{source / FILENAME} does not exist; it says how a folder was encrypted")
    refuse_nesting(source, out)
    received = Manifest.read(source / FILENAME)
    if not received.encrypted:
        raise ValueError(f"{source} is not encrypted: {received}")
    if received.fingerprint != key.fingerprint:
        raise ValueError(
            f"wrong key: {source} is under the key {received.fingerprint}, this one is {key.fingerprint}; nothing was "
            "written. vitcrypt key show FILE says which key is in a file"
        )
    check_names(source, received)
    read_checked_pixels(
        source, next(iter(received.index)), received
    )  # before a cipher of the size that it says is made
    return received
