"""ONNX files of another party: nothing but the file itself is read."""

from typing import Any


def refers_elsewhere(message: Any) -> bool:
    """Whether a tensor anywhere in an ONNX model (a `ModelProto`) keeps its values in another file."""
    if message.DESCRIPTOR.name == "TensorProto":
        return bool(message.external_data) or message.data_location == message.EXTERNAL
    for described, value in message.ListFields():
        if described.message_type is not None:
            parts = value if hasattr(value, "__len__") else [value]
            if any(refers_elsewhere(part) for part in parts):
                return True
    return False
