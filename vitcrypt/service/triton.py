"""A bundle as a model in a repository of NVIDIA Triton Inference Server.

config.pbtxt    what Triton needs to know, in its schema (model_config.proto)
labels.txt      the names of the classes, in the order of the logits
1/model.onnx    version 1: the bundle's, normalisation inside

Triton compares no fingerprint, size or encoding of what a client sends beyond shape and type of the tensor.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from vitcrypt.jobs.atomic import atomic_folder
from vitcrypt.service.bundle import Bundle

CONFIGURATION = """\
# Of vitcrypt export. Encrypted images; the client alone checks key and scheme (client.json).
name: "{name}"
backend: "onnxruntime"
max_batch_size: {max_batch}
input [
  {{
    name: "image"
    data_type: {type}
    dims: [ {dims} ]
  }}
]
output [
  {{
    name: "logits"
    data_type: TYPE_FP32
    dims: [ {classes} ]
    label_filename: "labels.txt"
  }}
]
dynamic_batching {{ }}
parameters {{
  key: "key_fingerprint"
  value {{ string_value: "{fingerprint}" }}
}}
"""


def check_for_triton(bundle: Bundle, folder: Path) -> None:
    """Raise ValueError as `write_triton` does, before anything is made."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", folder.name):
        raise ValueError(f"{folder}: the name of a model has letters, digits, _ . and - alone; choose another folder")
    if broken := [name for name in bundle.classes if len(name.splitlines()) != 1]:
        raise ValueError(f"class {broken[0]!r}: Triton's label file has a line for each class; leave --triton out")


def write_triton(bundle: Bundle, folder: str | Path, max_batch: int = 32) -> None:
    """Write a model of a Triton repository, completely or not at all. This very one may be there, and stays.

    Args:
        bundle: A bundle that was read or written.
        folder: REPOSITORY/NAME, new; NAME is the model's.
        max_batch: Images that Triton computes together, at most.

    Raises:
        FileExistsError: Something else is there already.
        ValueError: NAME cannot be the name of a model, or the name of a class has several lines.
    """
    folder = Path(folder)
    check_for_triton(bundle, folder)
    assert bundle.folder is not None
    shape, dtype = bundle.accepts
    text = CONFIGURATION.format(
        name=folder.name,
        max_batch=max_batch,
        type={"u": "TYPE_UINT8", "f": "TYPE_FP32"}[dtype.kind],
        dims=", ".join(map(str, shape)),
        classes=len(bundle.classes),
        fingerprint=bundle.fingerprint or "none",
    )
    with atomic_folder(folder, names=("config.pbtxt", "labels.txt", "1"), again=True) as partial:
        (partial / "config.pbtxt").write_text(text)
        (partial / "labels.txt").write_text("".join(f"{name}\n" for name in bundle.classes))
        (partial / "1").mkdir()
        shutil.copyfile(bundle.folder / "model.onnx", partial / "1" / "model.onnx")
