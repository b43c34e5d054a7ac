"""A scheme, a key and an image shape as one module that encrypts batches on whatever device they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from vitcrypt.encryption.cipher import Cipher, KeyScope, OwnersCipher
from vitcrypt.encryption.compressed import Compressed
from vitcrypt.encryption.drawn import DrawnSubkeys
from vitcrypt.encryption.scheme import Scheme, Shape

if TYPE_CHECKING:
    from vitcrypt.keys import Key


class ImageEncryption(nn.Module):
    """Encrypt and decrypt batches of images.

    Args:
        scheme: The scheme.
        key: The owner's key. It is used here and not kept, except with `key_scope="per_image"`. Or those of several
            owners, with "per_image": image i is under key number i mod n, as its owner alone would encrypt it.
        shape: (C, H, W) of the images.
        key_scope: "shared" encrypts every image with the same key, as the paper does. "per_image" derives a key from
            the index of the image, which then must be given.
        keys: With "per_image" and one key, how many are derived from it, as of so many owners: image i is under the key
            of index i mod keys. 0: each image has its own.

    Shape:
        - image: uint8 [C, H, W] or [B, C, H, W]
        - index: int64 [B], for per-image keys
        - output: uint8 or float32 [C', H', W'] or [B, C', H', W'], as the scheme declares; of most, as image

    Nothing of it is in a `state_dict`: a checkpoint that holds this module holds no key.

    Example:
        >>> from vitcrypt.encryption import Proposed
        >>> from vitcrypt.keys import Key
        >>> encryption = ImageEncryption(Proposed(block_size=4), Key.test("test-0"), (3, 8, 8))
        >>> image = torch.arange(192, dtype=torch.uint8).view(1, 3, 8, 8)
        >>> torch.equal(encryption.decrypt(encryption(image)), image), encryption.state_dict()
        (True, OrderedDict())
    """

    __call__: Callable[..., Tensor]

    def __init__(
        self, scheme: Scheme, key: Key | Sequence[Key], shape: Shape, key_scope: KeyScope = "shared", keys: int = 0
    ) -> None:
        super().__init__()
        owners = key if isinstance(key, Sequence) else ()
        scheme.check_use(shape, "shared" if owners else key_scope)  # each owner has one key for all of their images
        if keys < 0 or (keys and key_scope != "per_image"):
            raise ValueError(f'keys={keys}: a number, with key_scope="per_image"; 0 for a key for each image')
        if owners and (key_scope != "per_image" or keys not in (0, len(owners))):
            raise ValueError(f'{len(owners)} keys of so many owners are for key_scope="per_image", keys=0')
        self.scheme, self.shape, self.key_scope, self.keys = scheme, shape, key_scope, len(owners) or keys
        self.owners = nn.ModuleList(scheme.cipher(scheme.subkeys(each, shape), shape) for each in owners)
        if isinstance(key, Sequence):
            return
        self._drawn = DrawnSubkeys(scheme, key, shape) if key_scope == "per_image" else None
        if key_scope == "shared":
            self.cipher: Cipher = scheme.cipher(scheme.subkeys(key, shape), shape)

    @cached_property
    def decipher(self) -> Cipher:
        """What undoes the cipher, under a shared key."""
        return self.cipher.inverse()

    def forward(self, image: Tensor, index: Tensor | None = None) -> Tensor:
        """Encrypt."""
        self._check(image, self.shape)
        if self.key_scope == "shared":
            return self.cipher(image)
        if self.owners or not self.scheme.is_moves or self.scheme.jpeg_quality is not None:
            return self._of_each(image, index)(image)
        subkeys, images = self._subkeys(image, index), image.reshape(-1, *self.shape)
        if image.device.type == "cpu":  # where NumPy is faster, as what it moves is moved once
            arrays = {name: rows.numpy() for name, rows in subkeys.items()}
            return torch.from_numpy(self.scheme.encrypted(images.numpy(), arrays)).view(image.shape)
        there = {name: rows.to(image.device) for name, rows in subkeys.items()}
        return self.scheme.encrypted(images, there).view(image.shape)

    def files(self, image: Tensor, index: Tensor | None = None) -> list[bytes]:
        """Encrypt to JPEG files, whose contents `forward` gives; for schemes with a `jpeg_quality`."""
        self._check(image, self.shape)
        if self.owners:
            raise ValueError("files are encrypted by each owner alone, under their own key")
        cipher = self.cipher if self.key_scope == "shared" else self._of_each(image, index)
        if not isinstance(cipher, Compressed):
            raise ValueError(f"ciphertexts of {self.scheme.name} are kept to the byte, and JPEG would change them")
        return cipher.files(image)

    def decrypt(self, image: Tensor, index: Tensor | None = None) -> Tensor:
        """Decrypt: exactly, where the scheme declares itself invertible, else as nearly as it can.

        Raises:
            ValueError: The scheme has no inverse.
        """
        self._check(image, self.scheme.output_shape(self.shape))
        if self.key_scope == "shared":
            return self.decipher(image)
        return self._of_each(image, index).inverse()(image)

    def _check(self, image: Tensor, shape: Shape) -> None:
        if tuple(image.shape[-3:]) != shape or image.dim() not in (3, 4):
            raise ValueError(
                f"this encryption is for images of shape {list(shape)} (C, H, W), alone or in a batch; "
                f"got {list(image.shape)}"
            )

    def _of_each(self, image: Tensor, index: Tensor | None) -> Cipher:
        if self.owners:
            return OwnersCipher(self.owners, self._number(image, index)).to(image.device)
        return self.scheme.ciphers(self._subkeys(image, index), self.shape).to(image.device)

    def _number(self, image: Tensor, index: Tensor | None) -> Tensor:
        """Return the number of each image's key."""
        if index is None:
            raise ValueError('key_scope="per_image" derives the key from the index of the image: pass index, int64 [B]')
        index = torch.as_tensor(index)
        if index.dtype != torch.int64 or index.numel() != (1 if image.dim() == 3 else len(image)):
            raise ValueError(f"index must be int64, one for each image, got {index.dtype} {list(index.shape)}")
        return (index % self.keys if self.keys else index).flatten()

    def _subkeys(self, image: Tensor, index: Tensor | None) -> dict[str, Tensor]:
        assert self._drawn is not None
        return self._drawn.of(self._number(image, index).tolist())

    def extra_repr(self) -> str:
        """Name the scheme, and nothing of the key."""
        return f"{self.scheme}, shape={self.shape}, key_scope={self.key_scope}"
