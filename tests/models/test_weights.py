"""Pretrained weights: what loads, and that all of it arrives."""

import copy
import hashlib

import pytest
import torch
from weight_files import equal, google, saved, tiny

from vitcrypt.models import ImageClassifier, ResNet18, load_weights, zero_classifier

HEAD = {"head.weight", "head.bias"}


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


PREFIXES = ["module.", "anything.1.", "network._orig_mod.module."]
AROUND = ["state_dict", "state_dict_ema", "anything"]


@pytest.mark.slow
@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_of_all_names_is_taken_off(tmp_path, prefix):
    source, target = tiny(1), tiny(2)
    state = {prefix + name: value for name, value in source.state_dict().items()}
    load_weights(target, saved(tmp_path / "x.safetensors", state))
    assert equal(source, target)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("around", AROUND)
def test_the_only_tensors_one_level_down_are_meant(tmp_path, around, prefix):
    source, target = tiny(1), tiny(2)
    state = {prefix + name: value for name, value in source.state_dict().items()}
    optimizer = {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}
    others = {"epoch": 3, "step": torch.tensor(7), "args": {"lr": 0.1}, "optimizer": optimizer}
    load_weights(target, saved(tmp_path / "x.pth", {**others, around: state}))
    assert equal(source, target)


@pytest.mark.parametrize(
    ("usual", "other"), [("state_dict", "state_dict_ema"), ("model", "ema"), ("model_state_dict", "teacher")]
)
def test_of_averaged_and_trained_weights_the_trained_are_used_and_a_line_says_so(tmp_path, usual, other, capsys):
    source, target = tiny(1), tiny(2)
    load_weights(target, saved(tmp_path / "x.pth", {other: tiny(3).state_dict(), usual: source.state_dict()}))
    assert equal(source, target)
    assert f"{usual} is used, not {other}; to use such, save it alone" in capsys.readouterr().out


def test_a_network_whose_own_names_share_a_prefix_loads_with_and_without_it(tmp_path):
    source, target = (torch.nn.ModuleDict({"inner": tiny(seed)}) for seed in (1, 2))
    load_weights(target, saved(tmp_path / "x.pth", source.state_dict()))
    assert equal(source, target)
    load_weights(target, saved(tmp_path / "y.pth", tiny(3).state_dict()))
    assert equal(tiny(3), target["inner"])


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


@pytest.mark.parametrize("network", [tiny, lambda seed: ResNet18(5, width=4)], ids=["vit", "resnet"])
def test_a_classifier_may_begin_at_zero_and_only_it(network):
    before = network(seed=1)
    zero_classifier(after := copy.deepcopy(before))
    assert not after.eval()(torch.rand(2, 3, 16, 16)).any()
    names = {name for name, value in after.state_dict().items() if not torch.equal(value, before.state_dict()[name])}
    assert {name.split(".")[-2] for name in names} <= {"head", "fc", "classifier"}
    with pytest.raises(ValueError, match=r"model\.zero_head=true: Sequential has no linear classifier"):
        zero_classifier(torch.nn.Sequential(torch.nn.Linear(2, 2)))


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
