"""What makes the files of an encrypted folder, here and in processes of Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from vitcrypt.data.decode import read_pixels
from vitcrypt.data.manifest import Manifest
from vitcrypt.encryption import ArrayEncryption, KeyScope
from vitcrypt.encryption.float_files import write_npy
from vitcrypt.folders.job import Groups, write_one
from vitcrypt.folders.journal import Entry
from vitcrypt.folders.origins import contents_value
from vitcrypt.folders.png import encode_png
from vitcrypt.jobs.ray import connected

if TYPE_CHECKING:
    from vitcrypt.keys import Key


class Encrypting:
    """What makes the files of an encrypted folder.

    Args:
        manifest: Of the folder, without checksums.
        sources: The picture of each file.
        key: The owner's key; None: images are resized alone.
    """

    def __init__(self, manifest: Manifest, sources: Mapping[str, Path], key: Key | None) -> None:
        self.manifest, self.sources, self.key = manifest, sources, key
        self.encryption = encryption_of(manifest, key) if key is not None else None

    def file(self, name: str) -> bytes:
        """Return what stands in a file."""
        image = read_pixels(self.sources[name], self.manifest.image_size, self.manifest.interpolation)
        return (
            encode_png(image) if self.encryption is None else file_of(self.encryption, image, self.manifest.index[name])
        )

    def origin(self, name: str) -> str:
        """Return a value of the contents that it is made from."""
        return contents_value(self.sources[name], self.manifest.index[name], self.key)


def encryption_of(manifest: Manifest, key: Key) -> ArrayEncryption:
    """Return what encrypts the images of a folder."""
    return ArrayEncryption(manifest.scheme, key, manifest.shape, cast(KeyScope, manifest.key_scope))


def file_of(encryption: ArrayEncryption, image: NDArray[np.uint8], index: int) -> bytes:
    """Encrypt uint8 [3, S, S] to what stands in a file."""
    if encryption.scheme.properties.dtype == "float32":
        return write_npy(encryption(image[None], [index])[0])
    if encryption.scheme.jpeg_quality is None:
        return encode_png(encryption(image[None], [index])[0])
    return encryption.files(image[None], [index])[0]


@contextmanager
def writing_on_ray(
    making: Encrypting, open_key: Callable[[], Key], workers: int | None, part: Path
) -> Iterator[Groups]:
    """Write images in processes of Ray. The key is in none of its messages: each process opens it.

    Args:
        making: What is made here; without its key it says all that the processes need.
        open_key: Opens the key, on each machine.
        workers: Number of processes; None: one for each core that Ray has.
        part: Where they write.
    """
    with connected() as ray:
        count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        shared = ray.put(making.manifest)
        kind = ray.remote(num_cpus=1, max_restarts=2, max_task_retries=2)(_RayWriter)
        place = part.absolute()
        writers = ray.util.ActorPool([kind.remote(place, shared, open_key) for _ in range(count)])

        def send(writer: Any, group: list[str]) -> Any:
            return writer.write.remote({name: making.sources[name].absolute() for name in group})

        yield lambda groups: writers.map(send, groups)


class _RayWriter:
    def __init__(self, part: Path, manifest: Manifest, open_key: Callable[[], Key]) -> None:
        key = open_key()
        if key.fingerprint != manifest.fingerprint:
            raise ValueError(f"the key file on this machine holds {key.fingerprint}, not {manifest.fingerprint}")
        self.part, self.making = part, Encrypting(manifest, {}, key)

    def write(self, sources: dict[str, Path]) -> list[Entry | ValueError]:
        self.making.sources = sources
        return [
            write_one(self.part, name, source, self.making.file, self.making.origin) for name, source in sources.items()
        ]
