"""Pretrained weights: what loads, what is refused, and what is said when there are none."""

import hashlib
import http.server
import os
import pickle
import threading
import time

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from vitcrypt.models import ImageClassifier, ResNet18, fetch_pretrained, load_weights

NAME = "vit_base_patch16_224.orig_in21k"
HEAD = {"head.weight", "head.bias"}


def tiny(seed=0, depth=2, size=16, num_classes=5, dim=16, patch=4):
    torch.manual_seed(seed)
    options = {"img_size": size, "patch_size": patch, "embed_dim": dim, "depth": depth, "num_heads": 2}
    network = timm.create_model("vit_tiny_patch16_224", num_classes=num_classes, **options)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()  # biases too: what is zero in both networks would prove nothing
    return network


def equal(one, other, but=()):
    """Return whether two networks are equal in all tensors but those named."""
    a, b = one.state_dict(), other.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a if name not in but)


def google(network, prefix="", stacked=False):
    """Return the weights of a timm ViT in the layout of Google's .npz files (`stacked`: that of Big Vision)."""
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    dim, heads = network.embed_dim, network.blocks[0].attn.num_heads
    out = {
        "embedding/kernel": state["patch_embed.proj.weight"].transpose(2, 3, 1, 0),
        "embedding/bias": state["patch_embed.proj.bias"],
        "cls": state["cls_token"],
        "pos_embedding" if stacked else "Transformer/posembed_input/pos_embedding": state["pos_embed"],
        "Transformer/encoder_norm/scale": state["norm.weight"],
        "Transformer/encoder_norm/bias": state["norm.bias"],
        "head/kernel": state["head.weight"].T,
        "head/bias": state["head.bias"],
    }
    attention, mlp, norm = ("MultiHeadDotProductAttention_0", "MlpBlock_0", "LayerNorm_1")
    if not stacked:
        attention, mlp, norm = ("MultiHeadDotProductAttention_1", "MlpBlock_3", "LayerNorm_2")
    blocks = []
    for i in range(len(network.blocks)):
        own = {name.removeprefix(f"blocks.{i}."): v for name, v in state.items() if name.startswith(f"blocks.{i}.")}
        block = {}
        weights, biases = np.split(own["attn.qkv.weight"], 3), np.split(own["attn.qkv.bias"], 3)
        for part, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
            block[f"{attention}/{part}/kernel"] = weight.T.reshape(dim, heads, dim // heads)
            block[f"{attention}/{part}/bias"] = bias.reshape(heads, dim // heads)
        block[f"{attention}/out/kernel"] = own["attn.proj.weight"].T.reshape(heads, dim // heads, dim)
        block[f"{attention}/out/bias"] = own["attn.proj.bias"]
        for theirs, ours in (("LayerNorm_0", "norm1"), (norm, "norm2")):
            block[f"{theirs}/scale"], block[f"{theirs}/bias"] = own[f"{ours}.weight"], own[f"{ours}.bias"]
        for number in range(2):
            block[f"{mlp}/Dense_{number}/kernel"] = own[f"mlp.fc{number + 1}.weight"].T
            block[f"{mlp}/Dense_{number}/bias"] = own[f"mlp.fc{number + 1}.bias"]
        blocks.append(block)
    if stacked:
        out |= {f"Transformer/encoderblock/{name}": np.stack([block[name] for block in blocks]) for name in blocks[0]}
    else:
        for i, block in enumerate(blocks):
            out |= {f"Transformer/encoderblock_{i}/{name}": value for name, value in block.items()}
    return {prefix + name: value for name, value in out.items()}


def saved(path, state):
    """Save by the suffix of the path."""
    if path.suffix == ".safetensors":
        save_file(state, path)
    elif path.suffix == ".npz":
        np.savez(path, **state)
    else:
        torch.save(state, path)
    return path


# What loads


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".bin", ".ckpt"])
@pytest.mark.parametrize("network", [tiny, lambda seed: ResNet18(5, width=4)], ids=["vit", "resnet"])
def test_every_tensor_of_a_file_arrives(tmp_path, suffix, network):
    source, target = network(seed=1), network(seed=2)
    assert not equal(source, target)
    path = saved(tmp_path / f"x{suffix}", source.state_dict())
    assert load_weights(target, path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert equal(source, target)


def test_a_path_may_be_text(tmp_path):
    source, target = tiny(1), tiny(2)
    load_weights(target, str(saved(tmp_path / "x.pth", source.state_dict())))
    assert equal(source, target)


def test_a_checkpoint_of_lightning_loads(tmp_path, make_trainer):
    classifier = ImageClassifier(tiny(1), 5, torch.optim.SGD)
    trainer = make_trainer()
    trainer.strategy.connect(classifier)
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    checkpoint = torch.load(tmp_path / "x.ckpt", weights_only=True)
    assert all(name.startswith("network.") for name in checkpoint["state_dict"])
    target = tiny(2)
    load_weights(target, tmp_path / "x.ckpt")
    assert equal(target, classifier.network)


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "network.", "model.", "module._orig_mod.", "network._orig_mod.module."]
)
@pytest.mark.parametrize("wrapped", ["", "state_dict", "model", "state_dict_ema"])
def test_what_others_put_around_the_names_is_taken_off(tmp_path, prefix, wrapped):
    source, target = tiny(1), tiny(2)
    state = {prefix + name: value for name, value in source.state_dict().items()}
    state = {wrapped: state, "epoch": 3, "args": {"lr": 0.1}} if wrapped else state
    load_weights(target, saved(tmp_path / "x.pth", state))
    assert equal(source, target)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".npz"])
def test_a_classifier_of_another_size_is_left_alone(tmp_path, suffix):
    source, target, before = tiny(1, num_classes=21), tiny(2), tiny(2)
    load_weights(target, saved(tmp_path / f"x{suffix}", google(source) if suffix == ".npz" else source.state_dict()))
    assert equal(source, target, but=HEAD)
    assert torch.equal(target.head.weight, before.head.weight)
    assert torch.equal(target.head.bias, before.head.bias)


def test_a_file_without_a_classifier_leaves_the_classifier_alone(tmp_path):
    source, target, before = tiny(1), tiny(2), tiny(2)
    state = {name: value for name, value in source.state_dict().items() if name not in HEAD}
    load_weights(target, saved(tmp_path / "x.pth", state))
    assert equal(source, target, but=HEAD)
    assert torch.equal(target.head.weight, before.head.weight)


def test_the_classifier_of_resnet_may_be_of_another_size(tmp_path):
    source, target = ResNet18(9, width=4), ResNet18(5, width=4)
    load_weights(target, saved(tmp_path / "x.pth", source.state_dict()))
    assert equal(source, target, but={"fc.weight", "fc.bias"})


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
@pytest.mark.parametrize("size", [8, 32])
def test_the_position_embedding_of_another_image_size_is_interpolated(tmp_path, suffix, size):
    source, target = tiny(1), tiny(2, size=size)
    with torch.no_grad():  # a plane over the grid stays a plane
        grid = torch.linspace(-1, 1, 4)[:, None].expand(4, 4).reshape(1, 16, 1)
        source.pos_embed[:, 1:] = grid * torch.arange(16)
    load_weights(target, saved(tmp_path / f"x{suffix}", google(source) if suffix == ".npz" else source.state_dict()))
    assert equal(source, target, but={"pos_embed"})
    assert torch.equal(target.pos_embed[:, :1], source.pos_embed[:, :1])
    rows = target.pos_embed[0, 1:].view(size // 4, size // 4, 16)
    assert torch.allclose(rows, rows[:, :1].expand_as(rows), atol=1e-4)
    assert (rows[1:, 0, 15] > rows[:-1, 0, 15]).all()
    assert torch.allclose(rows[..., 3] * 5, rows[..., 15], atol=1e-3)


@pytest.mark.parametrize("layout", ["", "opt/target/", "stacked"])
def test_an_npz_in_the_layout_of_google_loads(tmp_path, layout):
    source, target = tiny(1), tiny(2)
    arrays = google(source, "params/", stacked=True) if layout == "stacked" else google(source, layout)
    path = saved(tmp_path / "x.npz", arrays)
    assert load_weights(target, path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert equal(source, target)
    image = torch.linspace(-1, 1, 768).view(1, 3, 16, 16)
    assert torch.equal(source.eval()(image), target.eval()(image))


def test_the_representation_layer_of_the_original_weights_is_ignored(tmp_path):
    source, target = tiny(1), tiny(2)
    layer = {"pre_logits.fc.weight": torch.zeros(16, 16), "pre_logits.fc.bias": torch.zeros(16)}
    load_weights(target, saved(tmp_path / "x.pth", source.state_dict() | layer))
    assert equal(source, target)


# What is refused


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
        (lambda: prefixed("backbone."), r"it lacks 30 .*; it has unknown 32 \(backbone\."),
        (lambda: prefixed("model.") | {"ema": torch.ones(1)}, r"it lacks 30 .*; it has unknown 33 \(ema"),
    ],
    ids=["resnet", "too shallow", "too deep", "too wide", "too wide and large", "foreign prefix", "half a prefix"],
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
        *((".safetensors", share) for share in (0, 0.01, 0.5, 0.99)),
        *((".npz", share) for share in (0, 0.01, 0.5, 0.99)),
        *((".pth", share) for share in (0, 0.001, 0.5, 0.9)),
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
@pytest.mark.parametrize(
    "content", [b"<html>not found</html>", bytes(1000), b"version https://git-lfs.github.com/spec"]
)
def test_a_file_that_holds_something_else_is_named(tmp_path, suffix, content):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"model\.weights=.*x\{suffix} (cannot be read|is damaged)"):
        load_weights(tiny(), path)


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


# Fetching


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Give the client of the Hugging Face hub an empty cache and a server that nobody runs."""
    from huggingface_hub import constants

    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "*")

    def unasked(*args, **kwargs):
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", unasked)
    return tmp_path / "hf" / "hub"


def says_every_way(message):
    ways = [f"timm/{NAME}", "HF_HOME", f"hf download timm/{NAME} model.safetensors", "model.weights=FILE"]
    return all(way in message for way in [*ways, "model.weights=ViT-B_16.npz", "model.pretrained=false"])


def test_without_a_network_the_message_comes_at_once_and_names_every_way(hub):
    began = time.perf_counter()
    with pytest.raises(FileNotFoundError) as caught:
        fetch_pretrained(NAME)
    assert time.perf_counter() - began < 5
    assert says_every_way(str(caught.value))
    assert "http://127.0.0.1:9" in str(caught.value)
    assert str(hub.parent) in str(caught.value)


def test_when_told_to_stay_offline_the_hub_is_not_asked_and_the_message_says_why(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match="HF_HUB_OFFLINE is set") as caught:
        fetch_pretrained(NAME)
    assert says_every_way(str(caught.value))


def test_a_file_in_the_cache_of_the_hub_is_found_without_asking_anyone(hub):
    model = hub / f"models--timm--{NAME}"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("0" * 40)
    (model / "snapshots" / ("0" * 40)).mkdir(parents=True)
    path = saved(model / "snapshots" / ("0" * 40) / "model.safetensors", tiny(1).state_dict())
    assert fetch_pretrained(NAME) == path
    target = tiny(2)
    load_weights(target, fetch_pretrained(NAME))
    assert equal(target, tiny(1))


def test_a_hub_that_answers_is_asked_for_the_right_file(hub, monkeypatch, tmp_path):
    asked = []

    def download(*arguments):
        asked.append(arguments)
        return str(tmp_path / "x")

    monkeypatch.setattr("vitcrypt.models.weights._unreachable", lambda url: None)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert fetch_pretrained(NAME) == tmp_path / "x"
    assert asked == [(f"timm/{NAME}", "model.safetensors")]


@pytest.mark.parametrize("status", [200, 404, 503])
def test_a_hub_that_says_anything_at_all_can_be_reached(hub, monkeypatch, tmp_path, status):
    from huggingface_hub import constants

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *arguments: str(tmp_path / "x"))
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        assert fetch_pretrained(NAME) == tmp_path / "x"


def test_what_the_hub_complains_about_is_passed_on(hub, monkeypatch):
    def refuse(*arguments):
        raise RuntimeError("403 Forbidden: gated\nmore")

    monkeypatch.setattr("vitcrypt.models.weights._unreachable", lambda url: None)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    with pytest.raises(FileNotFoundError, match="403 Forbidden: gated\n") as caught:
        fetch_pretrained(NAME)
    assert says_every_way(str(caught.value))


@pytest.mark.parametrize("name", ["resnet18000", "vit_nothing_patch16"])
def test_a_network_without_pretrained_weights_is_named(hub, name):
    with pytest.raises(FileNotFoundError, match=rf"no pretrained weights for {name}; say model\.pretrained=false"):
        fetch_pretrained(name)
