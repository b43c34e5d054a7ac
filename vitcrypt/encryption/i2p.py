"""Image to perturbation (Ito, Kinoshita, Kiya, 2020/2021): a trained network without a key makes queries unreadable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from safetensors.torch import load
from torch import Tensor
from torch.func import functional_call

from vitcrypt.encryption.cipher import Cipher, Properties, scaled
from vitcrypt.encryption.primitives import to_bytes
from vitcrypt.encryption.scheme import SCHEMES, Shape, Stage
from vitcrypt.encryption.unet import UNet
from vitcrypt.encryption.weights import OfWeights, Weights, read_weights
from vitcrypt.untrusted.text import printable

LARGEST = 2**28
"""Bytes of a file of weights; the published network has 138 million."""
WIDEST = 256


@dataclass(frozen=True)
class I2P(OfWeights):
    """y = h(x), h a U-Net that the owner trained so that a classifier knows y as it knows x, and people do not.

    The classifier was trained on plain images and is not changed: only queries are transformed. Neither is there a key,
    nor does anything decrypt. Whoever holds h, and the owner may not be the only one, makes pairs of any images and
    trains the way back (`attack=itn attack.method.network=unet`, which was published against it), and finds images
    again in a gallery by transforming that. It protects from those who see queries alone and have not got h.

    h is trained by `experiments/i2p.py`, which says what differs from the publication. Here one thing does: a
    ciphertext is rounded to uint8, as files and services take it. Bytes follow from sums of float32 numbers, so that a
    few may differ by one level between devices and versions of PyTorch.

    Args:
        block_size: 2^(levels - 1), the side of what is one place in the middle of h: 16 of five levels, as published.
            Divides height and width.
        weights: A `.safetensors` file of h, float32 (`vitcrypt.encryption.unet.UNet`); its width is read from it.
        network: SHA-256 of that file: what manifests and services say of it. Only the owner needs the file.

    References:
        Ito, Kinoshita, Kiya. Image to perturbation: an image transformation network for generating visually protected
        images for privacy-preserving deep neural networks. IEEE Access 9:64629, 2021 (and arXiv 2008.03143, 2020).
    """

    block_size: int = 16
    weights: str | None = None
    network: str | None = None
    properties = Properties(invertible=False, keyed=False)

    def __post_init__(self) -> None:
        """Check that the middle of h can be reached by halving."""
        super().__post_init__()
        if self.block_size & (self.block_size - 1):
            raise ValueError(f"block_size={self.block_size}: a U-Net halves images; set it to 1, 2, 4, 8, 16, ...")

    def file(self) -> Weights:
        """Read the file of safetensors."""
        return read_weights(str(self.weights), LARGEST, _parsed, self.block_size)

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """There is nothing to draw."""
        return {}

    def apply(self, subkeys: dict[str, Tensor], shape: Shape) -> Cipher:
        """Return h."""
        if self.weights is None:
            which = "" if self.network is None else f" with the SHA-256 {self.network}"
            raise ValueError(
                "i2p transforms images by a trained network: set weights (encryption.weights=FILE) to its .safetensors "
                f"file{which}; experiments/i2p.py trains one"
            )
        if shape[0] != 3:
            raise ValueError(f"the network of i2p takes three channels, got {shape[0]}; convert the images to RGB")
        return Transformed(self.file().network)


class _Read(NamedTuple):
    network: UNet
    """On no device: only what its layers are."""
    state: dict[str, Tensor]


class Transformed(Cipher):
    """What a U-Net makes of images, as bytes. Nothing of it is in a `state_dict`."""

    def __init__(self, read: _Read) -> None:
        super().__init__()
        self._network = (read.network,)  # no submodule, whose weights checkpoints would hold
        for name, value in read.state.items():
            self.register_buffer(name.replace(".", "/"), value, persistent=False)

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Transform uint8 [..., 3, H, W]."""
        if image.dtype != torch.uint8:
            raise TypeError(f"images are encrypted as uint8 in 0..255, before they are normalised, got {image.dtype}")
        state = {name.replace("/", "."): value.to(image.device) for name, value in self.named_buffers()}
        made = functional_call(self._network[0], state, (scaled(image).view(-1, *image.shape[-3:]),))
        return to_bytes((made + 1) * 127.5).view(image.shape)


def _parsed(data: bytes, start: str, block_size: int) -> _Read:
    levels = block_size.bit_length()
    try:
        state = load(data)
    except Exception as error:  # a damaged file can make the reader raise anything
        raise ValueError(f"{start} is no .safetensors file: {printable(error, 200)}") from error
    first = state.get("down.0.0.0.weight")
    width = len(first) if first is not None and first.dim() == 4 else 0
    depth = len({name.split(".")[1] for name in state if name.startswith("down.")})
    if not 1 <= width <= WIDEST:
        raise ValueError(f"{start} holds no U-Net of at most {WIDEST} channels in its first layer")
    if depth != levels:
        raise ValueError(f"{start} is of {depth} levels; set encryption.block_size={2 ** (depth - 1)}")
    with torch.device("meta"):
        network = UNet(3, width, levels).eval()
    expected = {name: (value.shape, value.dtype) for name, value in network.state_dict().items()}
    if (found := {name: (value.shape, value.dtype) for name, value in state.items()}) != expected:
        wrong = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        raise ValueError(
            f"{start} is no U-Net of {levels} levels and {width} channels: {printable(', '.join(wrong[:3]), 200)}"
        )
    if not all(bool(value.isfinite().all()) for value in state.values()):
        raise ValueError(f"{start} holds values that are not finite: its training diverged")
    return _Read(network, state)


SCHEMES["i2p"] = I2P
