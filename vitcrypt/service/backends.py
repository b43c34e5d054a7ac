"""What computes the network of a bundle: ONNX Runtime, which needs no torch in the process, or torch itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitcrypt.service.onnx import Backend, onnx_backend
from vitcrypt.untrusted.text import one_line

if TYPE_CHECKING:
    from vitcrypt.service.bundle import Bundle


def load_backend(bundle: Bundle, name: str, threads: int) -> Backend:
    """Load the network of a bundle.

    Args:
        bundle: A bundle that was read from its folder. It may come from anyone.
        name: "onnx" or "torch", which takes a GPU if there is one.
        threads: Cores that one batch may use.

    Raises:
        ValueError: The network is damaged, or does not make logits for the bundle's classes from images of its size.
    """
    if name not in ("onnx", "torch"):
        raise ValueError(f"the backend is onnx or torch; got {name}")
    assert bundle.folder is not None
    run = _torch_backend(bundle, threads) if name == "torch" else onnx_backend(bundle.folder / "model.onnx", threads)
    try:
        shape, dtype = bundle.accepts
        logits = run(np.zeros((2, *shape), dtype))
    except Exception as error:  # what a graph does shows when it runs
        raise ValueError(f"the network of {bundle.folder} does not run: {one_line(error)}") from error
    if logits.shape != (2, len(bundle.classes)) or logits.dtype != np.float32:
        raise ValueError(
            f"the network of {bundle.folder} gives {logits.dtype} {list(logits.shape)} for two images, and there are "
            f"{len(bundle.classes)} classes; export the run again"
        )
    return run


def _torch_backend(bundle: Bundle, threads: int) -> Backend:
    import torch

    from vitcrypt.service.graph import Served

    torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    served = Served(bundle.network()).eval().to(device)

    @torch.inference_mode()
    def run(images: NDArray[Any]) -> Any:
        return served(torch.tensor(images, device=device)).float().cpu().numpy()

    return run
