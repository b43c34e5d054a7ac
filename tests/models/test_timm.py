"""Any network of timm by its name: built for the images at hand, near names for a misspelt one, weights in full."""

import pytest
import torch
from weight_files import saved

from vitcrypt.models import classes_in, load_weights
from vitcrypt.models.networks import build_network

SMALL = ("test_convnext", "test_resnet", "test_efficientnet", "test_vit")  # each family's own names and classifier


def built(name, num_classes=7, size=32, adaptation="none", **arguments):
    torch.manual_seed(0)
    node = {"_target_": "timm.create_model", "model_name": name, **arguments}
    return build_network({"network": node, "adaptation": adaptation, "block_size": 4}, size, num_classes)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("convnext_atto", {"drop_path_rate": 0.1, "ls_init_value": 1e-5}),
        ("resnet10t", {"stem_width": 16}),
        ("mobilenetv3_small_050", {}),
        ("vit_tiny_patch16_224", {}),
        ("swin_tiny_patch4_window7_224", {"window_size": 4}),
    ],
)
def test_a_network_is_built_by_its_name_for_the_size_of_the_images(name, arguments):
    with torch.device("meta"):
        assert built(name, size=64, **arguments)(torch.empty(2, 3, 64, 64)).shape == (2, 7)


@pytest.mark.parametrize("name", SMALL[:3])
def test_a_convolutional_network_stands_behind_an_adaptation_network(name):
    assert built(name, adaptation="le").eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("convnext_tny", "did you mean convnext_tiny or"),
        ("vit_tiny", "did you mean vit_tiny_patch16_224 or"),
        ("resnet10t.c4_in1k", r"did you mean resnet10t.c3_in1k\?"),
        ("zzzz", r"timm.list_models\(\) in Python"),
    ],
)
def test_near_names_are_told_for_a_misspelt_one(name, near):
    with pytest.raises(ValueError, match=rf"model\.network\.model_name={name}: timm has no such architecture; {near}"):
        built(name)


@pytest.mark.parametrize("name", SMALL)
def test_weights_arrive_and_a_classifier_of_another_size_is_left_alone(tmp_path, name):
    source, target = built(name, num_classes=9), built(name)
    before = {entry: value.clone() for entry, value in target.state_dict().items()}
    with torch.no_grad():
        for value in source.state_dict().values():
            value.add_(1)
    path = saved(tmp_path / "x.safetensors", source.state_dict())
    assert classes_in(path) == 9
    load_weights(target, path)
    classifier = source.pretrained_cfg["classifier"]
    for entry, value in target.state_dict().items():
        own = entry.startswith(f"{classifier}.")
        assert torch.equal(value, (before if own else source.state_dict())[entry]), entry


def test_a_file_that_lacks_the_norm_before_the_classifier_is_refused(tmp_path):
    state = built("test_convnext").state_dict()
    del state["head.norm.weight"]
    with pytest.raises(ValueError, match=r"it lacks 1 \(head\.norm\.weight"):
        load_weights(built("test_convnext"), saved(tmp_path / "x.safetensors", state))


def test_a_file_may_lack_how_many_batches_were_seen(tmp_path):
    source = built("test_resnet").state_dict()
    state = {name: value + 1 for name, value in source.items() if not name.endswith("num_batches_tracked")}
    target = built("test_resnet")
    load_weights(target, saved(tmp_path / "x.safetensors", state))
    assert all(torch.equal(target.state_dict()[name], value) for name, value in state.items())
