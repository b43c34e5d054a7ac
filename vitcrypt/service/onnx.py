"""A network in ONNX Runtime, on the CPU: no torch is needed in the process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitcrypt.untrusted.files import read_regular
from vitcrypt.untrusted.graphs import refers_elsewhere
from vitcrypt.untrusted.text import one_line

Backend = Callable[[NDArray[Any]], NDArray[np.float32]]
"""uint8 [B, 3, S, S], or float32 as `Bundle.accepts` says -> logits, float32 [B, K]."""
MAX_ONNX_BYTES = 2**31


def onnx_backend(path: Path, threads: int) -> Backend:
    """Load an ONNX file, on the CPU.

    Raises:
        ValueError: It is damaged, takes or gives something else than images and logits, or refers to other files.
    """
    try:
        import onnxruntime
        from onnx import ModelProto
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{error.name} is not installed: pip install 'vitcrypt[serve]'") from None
    data = read_regular(path, MAX_ONNX_BYTES)
    try:
        elsewhere = refers_elsewhere(ModelProto.FromString(data))
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
