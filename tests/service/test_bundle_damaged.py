"""Networks in a bundle whose checksums are right and whose contents are not: a message, before memory is taken."""

import hashlib
import json
import random
import shutil
import struct

import numpy as np
import onnx
import pytest
import torch
from bundles import RESNET, written
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import load_file, save_file
from watching import nothing_happens

from vitcrypt.service import Bundle
from vitcrypt.service.backends import load_backend

MODEL = {"model": RESNET | {"adaptation": "none"}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "whole"
    written(folder, **MODEL)
    return folder


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


def signed(folder) -> Bundle:
    """Give a bundle the checksums that belong to its files, and read it."""
    described = json.loads((folder / "bundle.json").read_text())
    described["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in described["files"]}
    (folder / "bundle.json").write_text(json.dumps(described))
    return Bundle.read(folder)


def refused(folder, backend: str) -> str:
    bundle = signed(folder)
    with nothing_happens(), pytest.raises(ValueError, match=str(folder)) as error:
        load_backend(bundle, backend, 1)
    assert str(error.value).isprintable()
    return str(error.value)


FILES = {"onnx": "model.onnx", "torch": "model.safetensors"}


@pytest.mark.slow
@pytest.mark.parametrize("backend", FILES)
@pytest.mark.parametrize("kind", ["cut", "empty", "zeros", "text", "front"])
def test_damaged_networks_are_refused(copy, backend, kind):
    path = copy / FILES[backend]
    data = path.read_bytes()
    changed = {
        "cut": data[: len(data) // 2],
        "empty": b"",
        "zeros": bytes(4096),
        "text": b"[" * 4096,
        "front": data[9:],
    }
    path.write_bytes(changed[kind])
    assert path.name in refused(copy, backend)


@pytest.mark.slow
@pytest.mark.parametrize("backend", FILES)
def test_changed_bytes_end_in_a_message_or_in_a_network_of_these_classes(copy, backend):
    path = copy / FILES[backend]
    data, chance, told = path.read_bytes(), random.Random(0), []
    for _ in range(25):
        changed = bytearray(data)
        for _ in range(3):
            changed[chance.randrange(min(3000, len(data)))] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        bundle = signed(copy)
        try:
            logits = load_backend(bundle, backend, 1)(np.zeros((1, 3, 16, 16), np.uint8))
        except ValueError as error:
            told.append(str(error))
        else:
            assert logits.shape == (1, 10)
    assert all(map(str.isprintable, told))


def header(path, **changes) -> None:
    """Change the header of a .safetensors file."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    content = json.loads(data[8 : 8 + length])
    content = {name: value for name, value in (content | changes).items() if value is not None}
    text = json.dumps(content).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def test_a_header_that_announces_too_much_is_refused(copy):
    path = copy / "model.safetensors"
    header(path, more={"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]})
    refused(copy, "torch")
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")
    refused(copy, "torch")


@pytest.mark.parametrize("change", ["missing", "more", "shape", "kind", "nan"])
def test_weights_of_another_network_are_named(copy, change):
    path = copy / "model.safetensors"
    state = load_file(path)
    bias = state["fc.bias"]
    changed = {
        "missing": {name: value for name, value in state.items() if name != "fc.bias"},
        "more": state | {"\x1b[2J": bias.clone()},
        "shape": state | {"fc.bias": torch.zeros(11)},
        "kind": state | {"fc.bias": torch.zeros(10, dtype=torch.int64)},
        "nan": state | {"fc.bias": bias * float("nan")},
    }
    save_file(changed[change], path)
    told = refused(copy, "torch")
    assert ("x1b" if change == "more" else "fc.bias") in told


@pytest.mark.parametrize("sizes", [{"width": 10_000}, {"width": 5}])
def test_a_bundle_that_names_a_larger_network_takes_no_memory_for_it(copy, sizes):
    described = json.loads((copy / "bundle.json").read_text())
    described["model"]["network"] |= sizes
    (copy / "bundle.json").write_text(json.dumps(described))
    assert "weights of another network" in refused(copy, "torch")


def graph(inputs="image", outputs="logits", size=16, nodes=(), tensors=()):
    image = helper.make_tensor_value_info(inputs, TensorProto.UINT8, ["batch", 3, size, size])
    logits = helper.make_tensor_value_info(outputs, TensorProto.FLOAT, None)
    cast = helper.make_node("Cast", [inputs], [outputs if not nodes else "cast"], to=TensorProto.FLOAT)
    made = helper.make_graph([cast, *nodes], "g", [image], [logits], list(tensors))
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


THREE = helper.make_node("ReduceMax", ["cast"], ["logits"], axes=[2, 3], keepdims=0)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (graph(inputs="picture"), "does not take `image`"),
        (graph(outputs="answers"), "does not take `image`"),
        (graph(size=8), "does not run"),
        (graph(), "there are 10 classes"),
        (graph(nodes=[THREE]), "there are 10 classes"),
        (graph(nodes=[helper.make_node("NoSuchOperation", ["cast"], ["logits"])]), "damaged, or too new"),
    ],
)
def test_graphs_that_do_something_else_are_refused(copy, model, told):
    (copy / "model.onnx").write_bytes(model.SerializeToString())
    assert told in refused(copy, "onnx")


@pytest.mark.parametrize("place", ["initializer", "attribute", "function"])
def test_a_graph_reads_no_other_file(copy, place):
    secret = copy.parent / "secret"
    secret.write_bytes(bytes(40))
    tensor = numpy_helper.from_array(np.zeros(10, np.float32), "t")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    constant = helper.make_node("Constant", [], ["t"], value=tensor)
    add = helper.make_node("Add", ["cast", "t"], ["logits"])
    model = graph(nodes=[constant, add] if place == "attribute" else [add], tensors=[tensor] * (place == "initializer"))
    if place == "function":
        model.functions.append(helper.make_function("own", "f", [], ["t"], [constant], [helper.make_opsetid("", 17)]))
    (copy / "model.onnx").write_bytes(model.SerializeToString())
    assert "keeps weights in other files" in refused(copy, "onnx")


def test_honest_graphs_hold_their_weights(whole):
    model = onnx.load(whole / "model.onnx", load_external_data=False)
    assert model.graph.initializer
