"""What timm loads of an exported run, by timm's own loader and without a connection."""

import json

import pytest
import timm
import torch
from bundles import RECORD, VIT, network_of, written
from recorded import changed, typed
from timm.data import resolve_data_config
from torchvision.transforms import Normalize

from vitcrypt.data import normalise
from vitcrypt.experiment.hub import FILES, check_for_hub, write_for_hub


def test_timm_builds_the_network_that_was_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    origin = {"identity": "01234567", "names": {"model": "vit_micro"}, "vitcrypt": "0"}
    bundle = written(tmp_path / "bundle", origin=origin)
    write_for_hub(typed(RECORD), bundle, tmp_path / "hub")
    assert {path.name for path in (tmp_path / "hub").iterdir()} == set(FILES)
    network = timm.create_model(f"local-dir:{tmp_path / 'hub'}", pretrained=True).eval()
    images = torch.randint(256, (4, 3, 16, 16), dtype=torch.uint8)
    said = resolve_data_config({}, model=network)
    assert said["input_size"] == (3, 16, 16)
    assert said["crop_pct"] == 1.0
    with torch.inference_mode():
        logits = network(Normalize(said["mean"], said["std"])(images / 255))
        assert torch.allclose(logits, network_of(bundle)(normalise(images)), atol=1e-5)
    config = json.loads((tmp_path / "hub" / "config.json").read_text())
    assert config["label_names"] == bundle.classes
    card = (tmp_path / "hub" / "README.md").read_text()
    for words in (
        bundle.fingerprint,
        "90.00 %",
        "10,000",
        "proposed",
        "Without that key it is of no use",
        "random weights",
    ):
        assert words in card
    assert str(tmp_path) not in card + json.dumps(config)
    write_for_hub(typed(RECORD), bundle, tmp_path / "hub")  # as a command does that was broken off after it
    (tmp_path / "hub" / "README.md").write_text("mine")
    with pytest.raises(FileExistsError, match="nothing is overwritten"):
        write_for_hub(typed(RECORD), bundle, tmp_path / "hub")
    assert (tmp_path / "hub" / "README.md").read_text() == "mine"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"adaptation": "ele"}, "model.adaptation=ele"),
        ({"patch_embedding": "per_position"}, "patch_embedding=per_position"),
        ({"network": {"_target_": "vitcrypt.models.ResNet18", "width": 4}}, "ResNet18 is no network of timm"),
        ({"fold_key": True}, "these weights hold the key"),
    ],
)
def test_what_timm_cannot_build_or_holds_a_key_is_refused_before_anything_is_written(changes, reason):
    from bundles import described

    bundle = described(model={**VIT, **{name: value for name, value in changes.items() if name != "fold_key"}})
    record = changed(RECORD, config__model={**VIT, **changes})
    with pytest.raises(ValueError, match=reason):
        check_for_hub(typed(record), bundle)
