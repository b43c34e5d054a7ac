"""What computes: ONNX Runtime, which needs no torch in the process, or torch itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitcrypt.untrusted.files import read_regular
from vitcrypt.untrusted.text import one_line

if TYPE_CHECKING:
    from vitcrypt.service.bundle import Bundle

MAX_ONNX_BYTES = 2**31
Backend = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""uint8 [B, 3, S, S] -> logits, float32 [B, K]."""


def load_backend(bundle: Bundle, name: str, threads: int) -> Backend:
    """Load the network of a bundle.

    Args:
        bundle: A bundle that was read from its folder. It may come from anyone.
        name: "onnx" or "torch".
        threads: Cores that one batch may use.

    Raises:
        ValueError: The network is damaged, or does not make logits for the bundle's classes from images of its size.
    """
    if name not in ("onnx", "torch"):
        raise ValueError(f"the backend is onnx or torch; got {name}")
    assert bundle.folder is not None
    run = torch_backend(bundle, threads) if name == "torch" else onnx_backend(bundle.folder / "model.onnx", threads)
    try:
        logits = run(np.zeros((2, 3, bundle.image_size, bundle.image_size), np.uint8))
    except Exception as error:  # what a graph does shows when it runs
        raise ValueError(f"the network of {bundle.folder} does not run: {one_line(error)}") from error
    if logits.shape != (2, len(bundle.classes)) or logits.dtype != np.float32:
        raise ValueError(
            f"the network of {bundle.folder} gives {logits.dtype} {list(logits.shape)} for two images, and there are "
            f"{len(bundle.classes)} classes; export the run again"
        )
    return run


def onnx_backend(path: Path, threads: int) -> Backend:
    """Load an ONNX file, on the CPU.

    Raises:
        ValueError: It is damaged, takes or gives something else than images and logits, or refers to other files.
    """
    try:
        import onnxruntime
        from onnx import ModelProto
    except ModuleNotFoundError:
        raise ModuleNotFoundError(MISSING.format("ONNX Runtime")) from None
    data = read_regular(path, MAX_ONNX_BYTES)
    try:
        elsewhere = _refers_elsewhere(ModelProto.FromString(data))
    except Exception as error:
        raise ValueError(f"{path} is damaged: {one_line(error)}") from error
    if elsewhere:
        raise ValueError(f"{path} keeps weights in other files, and nothing but the bundle is read; export it again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a server that waits uses no core
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ValueError(f"{path} is damaged, or too new for this ONNX Runtime: {one_line(error)}") from error
    names = [[entry.name for entry in entries] for entries in (session.get_inputs(), session.get_outputs())]
    if names != [["image"], ["logits"]]:
        raise ValueError(f"{path} does not take `image` and give `logits`; export the run again")
    return lambda images: session.run(["logits"], {"image": images})[0]


def _refers_elsewhere(message: Any) -> bool:
    """Whether a tensor anywhere in an ONNX model keeps its values in another file."""
    if message.DESCRIPTOR.name == "TensorProto":
        return bool(message.external_data) or message.data_location == message.EXTERNAL
    for described, value in message.ListFields():
        if described.message_type is not None:
            parts = value if hasattr(value, "__len__") else [value]
            if any(_refers_elsewhere(part) for part in parts):
                return True
    return False


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
