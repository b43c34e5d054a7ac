"""Weight files that are refused: the message names the file, and the network stays as it was."""

import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from weight_files import equal, google, saved, tiny

from vitcrypt.models import ResNet18, load_weights


def prefixed(prefix):
    return {prefix + name: value for name, value in tiny().state_dict().items()}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (lambda: ResNet18(5, width=4).state_dict(), r"it lacks 30 \(blocks\.0.*it has unknown 122 \(fc\.bias"),
        (lambda: tiny(depth=1).state_dict(), r"it lacks 12 \(blocks\.1\.attn\.proj\.bias"),
        (lambda: tiny(depth=3).state_dict(), r"it has unknown 12 \(blocks\.2"),
        (lambda: tiny(dim=32, size=16).state_dict(), r"it has other shapes for 30 \(blocks\.0"),
        (lambda: tiny(dim=32, size=32).state_dict(), r"it has other shapes for 30 \(blocks\.0"),
        (lambda: prefixed("model.") | {"ema": torch.ones(1)}, r"it lacks 30 .*; it has unknown 33 \(ema"),
    ],
    ids=["resnet", "too shallow", "too deep", "too wide", "too wide and large", "half a prefix"],
)
def test_weights_of_another_architecture_are_refused_and_the_network_stays_as_it_was(tmp_path, state, said):
    target, before = tiny(2), tiny(2)
    path = saved(tmp_path / "x.safetensors", state())
    with pytest.raises(ValueError, match=rf"x\.safetensors is of another architecture than VisionTransformer: {said}"):
        load_weights(target, path)
    assert equal(target, before)


def test_weights_of_a_vit_are_refused_by_a_resnet(tmp_path):
    torch.manual_seed(0)
    target = ResNet18(5, width=4)
    before = {name: value.clone() for name, value in target.state_dict().items()}
    with pytest.raises(ValueError, match="another architecture than ResNet18"):
        load_weights(target, saved(tmp_path / "x.pth", tiny().state_dict()))
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())


@pytest.mark.parametrize("missing", ["pos_embed", "patch_embed.proj.weight", "norm.bias", "blocks.1.mlp.fc2.weight"])
def test_a_file_that_lacks_a_single_tensor_is_refused(tmp_path, missing):
    target, before, state = tiny(2), tiny(2), dict(tiny(1).state_dict())
    del state[missing]
    with pytest.raises(ValueError, match=rf"it lacks 1 \({missing}"):
        load_weights(target, saved(tmp_path / "x.pth", state))
    assert equal(target, before)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model\.weights=.*x\.pth does not exist"):
        load_weights(tiny(), tmp_path / "x.pth")


@pytest.mark.parametrize(
    ("suffix", "share"),
    [
        *((suffix, share) for suffix in (".safetensors", ".npz", ".pth") for share in (0, 0.5)),
        *((".safetensors", 0.01), (".npz", 0.99), (".pth", 0.001)),
    ],
)
def test_a_truncated_file_is_named_and_the_network_stays_as_it_was(tmp_path, suffix, share):
    target, before = tiny(2), tiny(2)
    path = saved(tmp_path / f"x{suffix}", google(tiny(1)) if suffix == ".npz" else tiny(1).state_dict())
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ValueError, match=rf"model\.weights=.*x\{suffix} (cannot be read|is damaged)"):
        load_weights(target, path)
    assert equal(target, before)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".ckpt", ".npz"])
def test_a_file_that_holds_something_else_is_named(tmp_path, suffix):
    path, network = tmp_path / f"x{suffix}", tiny()
    for content in (b"<html>not found</html>", bytes(1000), b"version https://git-lfs.github.com/spec"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"model\.weights=.*x\{suffix} (cannot be read|is damaged)"):
            load_weights(network, path)


def test_a_pickle_is_refused_and_never_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "boom"),)

    (tmp_path / "raw.pth").write_bytes(pickle.dumps(Bomb()))
    torch.save({"state_dict": Bomb()}, tmp_path / "zip.pth")
    for name in ("raw.pth", "zip.pth"):
        with pytest.raises(ValueError, match=rf"{name} cannot be read"):
            load_weights(tiny(), tmp_path / name)
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": {}}, {"epoch": 3}, torch.zeros(3)], ids=str)
def test_a_file_without_tensors_by_name_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"x\.pth holds no tensors by name"):
        load_weights(tiny(), tmp_path / "x.pth")


@pytest.mark.parametrize("arrays", [{"a": np.zeros(3)}, {"arr_0": np.zeros((2, 2)), "arr_1": np.ones(2)}])
def test_an_npz_of_something_else_is_refused_and_the_network_stays_as_it_was(tmp_path, arrays):
    target, before = tiny(2), tiny(2)
    with pytest.raises(ValueError, match=r"x\.npz is damaged or of another architecture"):
        load_weights(target, saved(tmp_path / "x.npz", arrays))
    assert equal(target, before)


def test_an_npz_is_for_vits_alone(tmp_path):
    path = saved(tmp_path / "x.npz", google(tiny()))
    with pytest.raises(ValueError, match=r"\.npz weights are Google's, for timm's ViT; got ResNet18"):
        load_weights(ResNet18(5, width=4), path)


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("depth", [1, 3])
def test_an_npz_of_another_depth_is_refused(tmp_path, stacked, depth):
    path = saved(tmp_path / "x.npz", google(tiny(1), "params/" if stacked else "", stacked))
    with pytest.raises(ValueError, match="another architecture"):
        load_weights(tiny(2, depth=depth), path)


def test_an_npz_of_another_width_is_refused(tmp_path):
    with pytest.raises(ValueError, match="another architecture"):
        load_weights(tiny(2, dim=32), saved(tmp_path / "x.npz", google(tiny(1))))


def test_a_damaged_member_of_a_compressed_npz_is_named(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, **google(tiny(1)))
    data = bytearray(path.read_bytes())
    data[70:90] = b"\xff" * 20
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"model\.weights=.*x\.npz is damaged"):
        load_weights(tiny(2), path)


def test_tensors_that_are_numbered_and_not_named_are_refused(tmp_path):
    torch.save({0: torch.zeros(2), 1: torch.zeros(3)}, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"x\.pth"):
        load_weights(tiny(), tmp_path / "x.pth")


def test_weights_of_another_patch_size_are_refused(tmp_path):
    path = saved(tmp_path / "x.safetensors", tiny(1, patch=8, size=32).state_dict())
    with pytest.raises(ValueError, match="another architecture"):
        load_weights(tiny(2, patch=4, size=16), path)


def scalar(state):
    return {"state_dict": state, "best": np.float64(0.9)}


@pytest.mark.parametrize("content", [lambda: tiny(), lambda: scalar(tiny().state_dict())], ids=["module", "scalar"])
def test_a_file_with_python_objects_says_how_to_save_it_in_one_line(tmp_path, content):
    torch.save(content(), tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"x\.pth cannot be read \(it holds [\w.]+, a Python object") as error:
        load_weights(tiny(), tmp_path / "x.pth")
    assert "torch.save(network.state_dict(), FILE)" in str(error.value)
    assert "weights_only" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("suffix", "dtype", "value"),
    [
        (".safetensors", torch.float32, float("nan")),
        (".safetensors", torch.bfloat16, float("inf")),
        (".pth", torch.float16, float("-inf")),
        (".npz", torch.float32, float("nan")),
    ],
)
def test_weights_that_are_not_finite_are_refused_and_the_network_stays_as_it_was(tmp_path, suffix, dtype, value):
    source, target, before = tiny(1), tiny(2), tiny(2)
    with torch.no_grad():
        source.blocks[1].mlp.fc1.weight[3, 2] = value
    state = {name: tensor.to(dtype) for name, tensor in source.state_dict().items()}
    path = saved(tmp_path / f"x{suffix}", google(source) if suffix == ".npz" else state)
    with pytest.raises(ValueError, match=r"NaN or infinite values in 1 tensors \(blocks\.1\.mlp\.fc1\.weight\)"):
        load_weights(target, path)
    assert equal(target, before)


def test_a_file_of_several_networks_is_refused_by_their_names(tmp_path):
    path = saved(tmp_path / "x.pth", {"student": tiny(1).state_dict(), "teacher": tiny(2).state_dict()})
    with pytest.raises(ValueError, match="several networks: student, teacher; save one of them alone"):
        load_weights(tiny(), path)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [(16, "lacks the class token"), (64, "lacks the class token"), (12, "not that of a square image")],
)
def test_a_position_embedding_of_another_kind_is_a_message(tmp_path, tokens, said):
    target, before, state = tiny(2), tiny(2), dict(tiny(1).state_dict())
    state["pos_embed"] = torch.ones(1, tokens, 16)
    with pytest.raises(ValueError, match=said):
        load_weights(target, saved(tmp_path / "x.pth", state))
    assert equal(target, before)


@pytest.mark.parametrize(
    ("name", "whose"),
    [
        ("vit.embeddings.patch_embeddings.projection.weight", "Hugging Face transformers"),
        ("embeddings.patch_embeddings.projection.bias", "Hugging Face transformers"),
        ("encoder.layers.encoder_layer_0.ln_1.weight", "torchvision"),
    ],
)
def test_names_of_other_libraries_are_recognised(tmp_path, name, whose):
    path = saved(tmp_path / "x.safetensors", {name: torch.ones(2), "classifier.weight": torch.ones(2)})
    with pytest.raises(ValueError, match=f"the names that {whose} gives"):
        load_weights(tiny(), path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".npz"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, suffix):
    (tmp_path / f"folder{suffix}").mkdir()
    os.mkfifo(tmp_path / f"pipe{suffix}")
    for name, kind in (("folder", "a folder"), ("pipe", "a named pipe")):
        with pytest.raises(ValueError, match=f"{kind}, not a regular file"):
            load_weights(tiny(), tmp_path / f"{name}{suffix}")


@pytest.mark.parametrize("suffix", [".pth", ".npz"])
def test_a_file_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path, suffix):
    with zipfile.ZipFile(tmp_path / f"x{suffix}", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(2**24))
    with pytest.raises(ValueError, match="would unpack to"):
        load_weights(tiny(), tmp_path / f"x{suffix}")
