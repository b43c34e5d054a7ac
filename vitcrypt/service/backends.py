"""What computes: ONNX Runtime, which needs no torch in the process, or torch itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from vitcrypt.service.bundle import Bundle

Backend = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""uint8 [B, 3, S, S] -> logits, float32 [B, K]."""


def load_backend(bundle: Bundle, name: str, threads: int) -> Backend:
    """Load the network of a bundle.

    Args:
        bundle: A bundle that was read from its folder.
        name: "onnx" or "torch".
        threads: Cores that one batch may use.
    """
    if name not in ("onnx", "torch"):
        raise ValueError(f"the backend is onnx or torch; got {name}")
    assert bundle.folder is not None
    return torch_backend(bundle, threads) if name == "torch" else onnx_backend(bundle.folder / "model.onnx", threads)


def onnx_backend(path: Path, threads: int) -> Backend:
    """Load an ONNX file, on the CPU."""
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise ModuleNotFoundError(MISSING.format("ONNX Runtime")) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a server that waits uses no core
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["logits"], {"image": images})[0]


def torch_backend(bundle: Bundle, threads: int) -> Backend:
    """Rebuild the network in torch, on a GPU if there is one."""
    import torch

    from vitcrypt.service.graph import Served

    torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    served = Served(bundle.network()).eval().to(device)

    @torch.inference_mode()
    def run(images: NDArray[np.uint8]) -> Any:
        return served(torch.tensor(images, device=device)).float().cpu().numpy()

    return run


MISSING = "{} is not installed, and this needs it: pip install 'vitcrypt[serve]'"
