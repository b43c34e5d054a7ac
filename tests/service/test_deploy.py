"""What others run the network with: a model in Triton's own schema, an image, and a manifest for Kubernetes."""

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml
from bundles import network_of, written

from vitcrypt.service.graph import Served, sample_images
from vitcrypt.service.onnx import onnx_backend
from vitcrypt.service.triton import write_triton

DEPLOY = Path(__file__).parents[2] / "docs/deploy"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("triton")
    bundle = written(folder / "bundle")
    write_triton(bundle, folder / "repository/digits_1")
    return bundle, folder / "repository/digits_1"


@pytest.mark.slow
def test_triton_is_given_the_graph_with_normalisation_inside_and_the_names_of_its_classes(model):
    bundle, folder = model
    assert {str(path.relative_to(folder)) for path in folder.rglob("*")} == {
        "config.pbtxt",
        "labels.txt",
        "1",
        "1/model.onnx",
    }
    assert (folder / "labels.txt").read_text().splitlines() == bundle.classes
    images = sample_images(bundle.image_size)
    expected = Served(network_of(bundle)).eval()(images).detach().numpy()
    assert np.allclose(onnx_backend(folder / "1/model.onnx", 1)(images.numpy()), expected, atol=1e-4)
    write_triton(bundle, folder)  # the same again: a command that was broken off after it goes on
    with pytest.raises(FileExistsError, match="nothing is overwritten"):
        write_triton(bundle, folder, max_batch=8)
    with pytest.raises(ValueError, match="the name of a model"):
        write_triton(bundle, folder.parent / 'x" y')


@pytest.mark.skipif(not (find_spec("tritonclient") and find_spec("grpc")), reason="pip install tritonclient[grpc]")
@pytest.mark.slow
def test_the_configuration_is_one_of_triton_s_schema(model):
    from tritonclient.grpc import model_config_pb2 as schema

    bundle, folder = model
    text_format = import_module("google.protobuf.text_format")  # of protobuf, which tritonclient brings
    config = text_format.Parse((folder / "config.pbtxt").read_text(), schema.ModelConfig())
    assert (config.name, config.backend, config.max_batch_size) == (folder.name, "onnxruntime", 32)
    (image,), (logits,) = config.input, config.output
    size = bundle.image_size
    assert (image.name, image.data_type, list(image.dims)) == ("image", schema.TYPE_UINT8, [3, size, size])
    assert (logits.name, logits.data_type, list(logits.dims)) == ("logits", schema.TYPE_FP32, [len(bundle.classes)])
    assert logits.label_filename == "labels.txt"
    assert config.HasField("dynamic_batching")
    assert config.parameters["key_fingerprint"].string_value == bundle.fingerprint


@pytest.mark.skipif(not DEPLOY.exists(), reason="needs the checkout")
def test_kubernetes_asks_for_health_where_the_image_listens_and_gives_it_no_key():
    deployment, service = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    assert deployment["spec"]["template"]["metadata"]["labels"] == service["spec"]["selector"]
    probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
    assert probes == [{"path": "/health", "port": "http"}] * 3
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    (port,) = [entry["containerPort"] for entry in container["ports"]]
    assert f"EXPOSE {port}\n" in dockerfile
    assert f'"--port", "{port}"' in dockerfile
    volumes = {volume["name"] for volume in deployment["spec"]["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    assert [entry["name"] for entry in container["env"]] == ["VITCRYPT_TOKEN", "HOME"]
    copied = re.findall(r"^COPY (.+) \S+$", dockerfile, re.MULTILINE)
    assert all((DEPLOY.parents[1] / name).exists() for line in copied for name in line.split())
