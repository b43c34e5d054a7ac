"""What a scheme and a key amount to: a cipher, and what a scheme declares of its ciphers.

Any keyed map of images will do. `SignedPermutation` is the fastest kind, and the only one of which a key can be folded
into a network. What a scheme declares is tested by `vitcrypt benchmark`, not believed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from vitcrypt.encryption.properties import KEY_SCOPES, KeyScope, Properties, Symbols

__all__ = ["KEY_SCOPES", "Cipher", "EachCipher", "KeyScope", "Properties", "Symbols", "as_pictures", "scaled"]


class Cipher(nn.Module):
    """A map of images, for one key or a row of keys. It is a module only so that `.to(device)` moves its tensors.

    Shape:
        - image: uint8 [C, H, W] or [B, C, H, W], on any device
        - output: uint8 or float32 [..., C', H', W'], as the scheme declares
    """

    __call__: Callable[..., Tensor]

    def inverse(self) -> Cipher:
        """Return the map that undoes this one.

        Raises:
            ValueError: There is none.
        """
        raise ValueError(f"{type(self).__name__} cannot be undone: nothing decrypts what it made")


def scaled(image: Tensor) -> Tensor:
    """Return uint8 as float32 in [-1, 1], what ciphers compute with; float32 ciphertexts as they are.

    Raises:
        TypeError: It is neither.
    """
    if image.dtype == torch.uint8:
        return image.float().sub_(127.5).div_(127.5)
    if image.dtype != torch.float32:
        raise TypeError(f"images are encrypted as uint8 in 0..255, before they are normalised, got {image.dtype}")
    return image


class EachCipher(Cipher):
    """The i-th of several ciphers for the i-th image of a batch, where there is no faster way."""

    def __init__(self, ciphers: Sequence[Cipher]) -> None:
        super().__init__()
        self.ciphers = nn.ModuleList(ciphers)

    def forward(self, image: Tensor) -> Tensor:
        """Apply them."""
        images = image if image.dim() == 4 else image[None]
        if len(images) != len(self.ciphers):
            raise ValueError(f"this cipher has one row for each of {len(self.ciphers)} images, got {len(images)}")
        made = torch.stack([cipher(each) for cipher, each in zip(self.ciphers, images, strict=True)])
        return made if image.dim() == 4 else made[0]

    def inverse(self) -> EachCipher:
        """Undo each."""
        return EachCipher([cipher.inverse() for cipher in self.ciphers if isinstance(cipher, Cipher)])


class OwnersCipher(Cipher):
    """Ciphers of several owners, and whose each image of a batch is.

    Args:
        ciphers: One for each owner.
        owner: int64 [B], their numbers.
    """

    def __init__(self, ciphers: nn.ModuleList, owner: Tensor) -> None:
        super().__init__()
        self.ciphers, self.owner = ciphers, owner

    def forward(self, image: Tensor) -> Tensor:
        """Apply to each image the cipher of its owner."""
        images, owner = image if image.dim() == 4 else image[None], self.owner.to(image.device)
        made = torch.cat([self.ciphers[i](images[owner == i]) for i in sorted(set(owner.tolist()))])
        made = made[owner.argsort(stable=True).argsort()]  # from the order of owners back to that of images
        return made if image.dim() == 4 else made[0]

    def inverse(self) -> OwnersCipher:
        """Undo each."""
        inverses = (cipher.inverse() for cipher in self.ciphers if isinstance(cipher, Cipher))
        return OwnersCipher(nn.ModuleList(inverses), self.owner)


def symbols_of(images: Tensor, kind: Symbols) -> Tensor:
    """Return the symbols of each image: [n, S] out of uint8 [n, C, H, W], low nibbles before high ones.

    A float32 ciphertext has no nibbles and comes as its values.
    """
    flat = images.flatten(1)
    return flat if kind == "bytes" or flat.is_floating_point() else torch.cat([flat & 15, flat >> 4], 1)


def as_pictures(ciphertexts: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Show ciphertexts [n, C', H', W'] as uint8 [n, C, H, W]: floats of -3 to 3 as levels, other shapes resized."""
    if ciphertexts.is_floating_point():
        ciphertexts = ((ciphertexts.clamp(-3, 3) + 3) * 42.5).round().to(torch.uint8)
    if tuple(ciphertexts.shape[1:]) == shape:
        return ciphertexts
    grey = ciphertexts.float().mean(1, keepdim=True)
    sized = torch.nn.functional.interpolate(grey, shape[1:], mode="nearest").to(torch.uint8)
    return sized.expand(-1, shape[0], -1, -1)
