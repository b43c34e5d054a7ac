"""A scheme, a key and an image shape on NumPy arrays: what an owner needs, who has files and no network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from vitcrypt.encryption.jpeg_files import decode, encode
from vitcrypt.encryption.moves import Moves
from vitcrypt.encryption.properties import KeyScope
from vitcrypt.encryption.scheme import Scheme, Shape

if TYPE_CHECKING:
    from vitcrypt.encryption.image_encryption import ImageEncryption
    from vitcrypt.keys import Key

Images = NDArray[np.uint8]


class ArrayEncryption:
    """What `ImageEncryption` does, byte for byte, without torch where the scheme's maps are signed permutations.

    Args:
        scheme: The scheme; one with ciphers of another kind has torch loaded.
        key: The owner's key. It is used here and not kept, except with `key_scope="per_image"`.
        shape: (C, H, W) of the images.
        key_scope: "shared" or "per_image".

    Shape:
        - images: uint8 [B, C, H, W]
        - index: B whole numbers, for per-image keys
        - output: as `ImageEncryption` gives it, as an array

    Example:
        >>> from vitcrypt.encryption import Proposed
        >>> from vitcrypt.keys import Key
        >>> encryption = ArrayEncryption(Proposed(block_size=4), Key.test("test-0"), (3, 8, 8))
        >>> images = np.arange(192, dtype=np.uint8).reshape(1, 3, 8, 8)
        >>> np.array_equal(encryption.decrypt(encryption(images, [0]), [0]), images)
        True
    """

    def __init__(self, scheme: Scheme, key: Key, shape: Shape, key_scope: KeyScope = "shared") -> None:
        scheme.check_use(shape, key_scope)
        self.scheme, self.shape = scheme, shape
        self._key = key if key_scope == "per_image" else None
        self._by_torch: ImageEncryption | None = None
        if not scheme.is_moves:
            from vitcrypt.encryption.image_encryption import ImageEncryption

            self._by_torch = ImageEncryption(scheme, key, shape, key_scope)
        elif self._key is None:
            subkeys = {name: rows[0] for name, rows in scheme.drawn([key], shape).items()}
            self._moves: Moves[NDArray[Any]] = scheme.moves(subkeys, shape)

    def __call__(self, images: Images, index: Sequence[int]) -> NDArray[Any]:
        """Encrypt."""
        if self._by_torch is not None:
            return self._tensors(self._by_torch, images, index)
        made, quality = self._moved(images, index), self.scheme.jpeg_quality
        return made if quality is None else np.stack([decode(encode(image, quality)) for image in made])

    def _moved(self, images: Images, index: Sequence[int]) -> Images:
        if self._key is None:
            return self._moves.apply(self._checked(images))
        return self.scheme.encrypted(self._checked(images), self._subkeys(index))

    def files(self, images: Images, index: Sequence[int]) -> list[bytes]:
        """Encrypt to JPEG files, for schemes with a `jpeg_quality`."""
        if self._by_torch is not None:
            import torch

            return self._by_torch.files(torch.from_numpy(images), torch.tensor(list(index)))
        assert self.scheme.jpeg_quality is not None, f"{self.scheme.name} keeps no JPEG files"
        return [encode(image, self.scheme.jpeg_quality) for image in self._moved(images, index)]

    def decrypt(self, images: Images, index: Sequence[int]) -> Images:
        """Decrypt; ValueError where the scheme has no inverse."""
        if self._by_torch is not None:
            return self._tensors(self._by_torch.decrypt, images, index)
        checked = self._checked(images)
        if self._key is None:
            return self._inverse.apply(checked)
        return self.scheme.moves(self._subkeys(index), self.shape).inverse().apply(checked)

    @cached_property
    def _inverse(self) -> Moves[NDArray[Any]]:
        return self._moves.inverse()

    def _subkeys(self, index: Sequence[int]) -> dict[str, NDArray[Any]]:
        assert self._key is not None
        return self.scheme.drawn([self._key.for_image(number) for number in index], self.shape)

    def _checked(self, images: Images) -> Images:
        if images.dtype != np.uint8 or images.shape[1:] != self.shape or images.ndim != 4:
            raise ValueError(f"expected uint8 images [B, {self.shape}], got {images.dtype} {list(images.shape)}")
        return images

    @staticmethod
    def _tensors(function: Any, images: Images, index: Sequence[int]) -> NDArray[Any]:
        import torch

        return cast("NDArray[Any]", function(torch.from_numpy(images), torch.tensor(list(index))).numpy())
