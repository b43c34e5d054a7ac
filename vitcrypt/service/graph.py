"""The network as it is served: from 8-bit images to logits, in torch and as an ONNX graph."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_sample_image
from torch import Tensor, nn

from vitcrypt.data import normalise, resize
from vitcrypt.encryption import Shape
from vitcrypt.service.onnx import onnx_backend


class Served(nn.Module):
    """Normalisation and network in one, so that nobody can normalise otherwise: uint8 [B, 3, S, S] -> float [B, K].

    Ciphertexts that are float32 are not normalised.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.network(normalise(image) if image.dtype == torch.uint8 else image)
        return logits


def write_onnx(network: nn.Module, path: Path, shape: Shape, dtype: np.dtype[Any]) -> None:
    """Write a network as ONNX, any batch size, and compare the file with the network on photographs and noise.

    Args:
        network: float [B, C, H, W] -> logits [B, K]; it is put into evaluation mode.
        path: The .onnx file. Input `image`, [batch, C, H, W]; output `logits`, float [batch, K].
        shape: (C, H, W).
        dtype: Of the input: uint8, which is normalised, or float32.

    Raises:
        RuntimeError: The network has no equal in ONNX.
    """
    served = Served(network).eval()
    if dtype == np.uint8:
        images = sample_images(shape[1]).reshape(9, *shape)  # gray: three planes
    else:
        images = torch.randn(9, *shape, generator=torch.Generator().manual_seed(0))
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            served,
            (images[:2],),
            path,
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes={"image": {0: torch.export.Dim("batch", min=1, max=2**16)}},
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    _compare(served, path, images)


def sample_images(size: int) -> Tensor:
    """Return scikit-learn's two photographs, cut and resized, and noise: uint8 [9, 3, S, S]."""
    pictures = [torch.from_numpy(load_sample_image(name).copy()) for name in ("china.jpg", "flower.jpg")]
    cuts = [picture[:400, left : left + 400].permute(2, 0, 1) for picture in pictures for left in (0, 120, 240)]
    noise = torch.randint(0, 256, (3, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return torch.cat([resize(torch.stack(cuts), size), noise])


def _compare(served: Served, path: Path, images: Tensor) -> None:
    """Raise RuntimeError unless file and network give the same logits to float32's precision, alone and in a batch."""
    run = onnx_backend(path, threads=1)
    for batch in (images[:1], images):
        with torch.inference_mode():
            expected = served(batch).numpy()
        got = run(batch.numpy())
        error, scale = float(np.abs(got - expected).max()), float(np.abs(expected).max())
        if not error <= 1e-3 * max(scale, 1.0):
            raise RuntimeError(
                f"the ONNX graph differs from the network by {error:.2g} in logits of up to {scale:.2g}; nothing was "
                "written. Update torch and onnxscript, and report it if it stays"
            )
