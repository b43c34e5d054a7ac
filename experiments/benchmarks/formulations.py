"""The schemes as one would write them first: to time beside ours, and equal to ours to the byte.

`numpy_form` walks over the blocks, as the published codes do; `torch_form` cuts a tensor into blocks and indexes them.
Both take the subkeys of a scheme and return a function of a batch, uint8 [n, 3, H, W].
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitcrypt.encryption import ELE, LE, PE, EtC, Proposed, Scheme
from vitcrypt.encryption.primitives import CHANNEL_ORDERS

Images = NDArray[np.uint8]


def numpy_form(scheme: Scheme, subkeys: dict[str, Tensor]) -> Callable[[Images], Images]:
    """Return the scheme as a loop over blocks in NumPy, all images of a batch at once."""
    keys: dict[str, Any] = {name: subkey.numpy() for name, subkey in subkeys.items()}
    orders = CHANNEL_ORDERS.numpy()
    size = scheme.block_size

    def pe(images: Images) -> Images:
        signed = np.where(keys["negation"], 255 - images, images)
        codes = orders[keys["channel_permutation"]].transpose(2, 0, 1)  # [3, H, W]
        return np.take_along_axis(signed, codes[None], 1)

    def nibbles(block: Images, permutation: Any, inversion: Any) -> Images:
        values = block.transpose(0, 2, 3, 1).reshape(len(block), -1)
        moved = np.concatenate([values & 15, values >> 4], 1)[:, permutation]
        low, high = np.split(np.where(inversion, 15 - moved, moved).astype(np.uint8), 2, axis=1)
        return (low + (high << 4)).reshape(len(block), size, size, 3).transpose(0, 3, 1, 2)

    def turned(block: Images, i: int) -> Images:
        symmetry = int(keys["symmetry"][i])
        block = np.rot90(block, symmetry % 4, axes=(2, 3))
        block = block[..., ::-1] if symmetry >= 4 else block
        block = 255 - block if keys["negation"][i] else block
        return block[:, orders[keys["channel_permutation"][i]]]

    def shuffled(block: Images) -> Images:
        half, out = size // 2, np.empty_like(block)
        for top in (0, half):
            for left in (0, half):
                quarter = block[:, :, top : top + half, left : left + half]
                pixels = quarter.reshape(*quarter.shape[:2], -1)[:, :, keys["pixel_permutation"]]
                out[:, :, top : top + half, left : left + half] = pixels.reshape(quarter.shape)
        return out

    def change(block: Images, i: int) -> Images:
        if isinstance(scheme, ELE):
            return nibbles(block, keys["nibble_permutation"][i], keys["nibble_inversion"][i])
        if isinstance(scheme, LE):
            return nibbles(block, keys["nibble_permutation"], keys["nibble_inversion"])
        return turned(block, i) if isinstance(scheme, EtC) else shuffled(block)

    def blockwise(images: Images) -> Images:
        height, width = images.shape[2:]
        corners = [(top, left) for top in range(0, height, size) for left in range(0, width, size)]
        out = np.empty_like(images)
        for place, (top, left) in enumerate(corners):
            i = int(keys["block_permutation"][place]) if "block_permutation" in keys else place
            row, column = corners[i]
            block = images[:, :, row : row + size, column : column + size]
            out[:, :, top : top + size, left : left + size] = change(block, i)
        return out

    return pe if isinstance(scheme, PE) else blockwise


def torch_form(scheme: Scheme, subkeys: dict[str, Tensor], device: str) -> Callable[[Tensor], Tensor]:
    """Return the scheme with blocks as a dimension and advanced indexing in torch."""
    keys = {name: subkey.to(device) for name, subkey in subkeys.items()}
    orders, size = CHANNEL_ORDERS.to(device), scheme.block_size

    def pe(images: Tensor) -> Tensor:
        signed = torch.where(keys["negation"], 255 - images, images)
        codes = orders[keys["channel_permutation"]].permute(2, 0, 1)
        return signed.gather(1, codes.expand(images.shape))

    def nibbles(blocks: Tensor) -> Tensor:
        batch, count = blocks.shape[:2]
        values = blocks.permute(0, 1, 3, 4, 2).reshape(batch, count, -1)
        rows = torch.arange(count, device=device)[:, None]
        moved = torch.cat([values & 15, values >> 4], 2)[:, rows, keys["nibble_permutation"].expand(count, -1)]
        low, high = torch.where(keys["nibble_inversion"], 15 - moved, moved).chunk(2, dim=2)
        return (low + (high << 4)).view(batch, count, size, size, 3).permute(0, 1, 4, 2, 3)

    def turned(blocks: Tensor) -> Tensor:
        turns = [torch.rot90(blocks, code % 4, (3, 4)) for code in range(8)]
        every = torch.stack([turn.flip(4) if code >= 4 else turn for code, turn in enumerate(turns)])
        count = torch.arange(blocks.shape[1], device=device)
        chosen = every[keys["symmetry"], :, count].transpose(0, 1)
        signed = torch.where(keys["negation"].view(-1, 1, 1, 1), 255 - chosen, chosen)
        return signed[:, count[:, None], orders[keys["channel_permutation"]]]

    def shuffled(blocks: Tensor) -> Tensor:
        half = size // 2
        quarters = blocks.unflatten(4, (2, half)).unflatten(3, (2, half)).transpose(4, 5)
        moved = quarters.flatten(5)[..., keys["pixel_permutation"]]
        return moved.unflatten(5, (half, half)).transpose(4, 5).reshape(blocks.shape)

    def blockwise(images: Tensor) -> Tensor:
        batch, channels, height, width = images.shape
        cut = images.view(batch, channels, height // size, size, width // size, size)
        blocks = cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels, size, size)
        if isinstance(scheme, Proposed):
            blocks = shuffled(blocks)
        else:
            blocks = nibbles(blocks) if isinstance(scheme, LE) else turned(blocks)
        if "block_permutation" in keys:
            blocks = blocks[:, keys["block_permutation"]]
        grid = blocks.view(batch, height // size, width // size, channels, size, size)
        return grid.permute(0, 3, 1, 4, 2, 5).reshape(images.shape)

    return pe if isinstance(scheme, PE) else blockwise
