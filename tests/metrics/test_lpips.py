"""LPIPS is measured with a file of weights that is the right one; without it, its absence is recorded."""

import hashlib
import importlib
import json
from pathlib import Path

import pytest
import torch
import torchmetrics
from configurations import attack_values as config
from torchvision.models import AlexNet_Weights, alexnet

from vitcrypt.experiment.attack import run as attack
from vitcrypt.metrics import lpips, lpips_weights

MODULE = importlib.import_module("vitcrypt.metrics.lpips")  # `vitcrypt.metrics.lpips` is the function


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of AlexNet at random, in a file as torchvision's."""
    path = tmp_path_factory.mktemp("weights") / "alexnet.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(alexnet(weights=None).state_dict(), path)
    return path


@pytest.fixture
def accepted(weights, monkeypatch):
    """The same, taken for the published file."""
    monkeypatch.setattr(MODULE, "DIGITS", hashlib.sha256(weights.read_bytes()).hexdigest()[:8])
    return weights


@pytest.fixture(autouse=True)
def nothing_is_downloaded(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a download was tried")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)  # what `torch.hub.set_dir` set before


def by_hand(a, b, weights):
    """Zhang et al. 2018, equation 1, with torchmetrics' linear layers."""
    with torch.device("meta"):
        features = alexnet(weights=None).eval()
    features.load_state_dict(torch.load(weights, mmap=True), assign=True)
    file = Path(torchmetrics.__file__).parent / "functional/image/lpips_models/alex.pth"
    linear = iter(torch.load(file, map_location="cpu").values())
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    x = torch.stack([a, b]).float() / 127.5 - 1
    x = (x - shift.view(3, 1, 1)) / scale.view(3, 1, 1)
    total = 0.0
    for number, layer in enumerate(features.features[:12]):
        x = layer(x)
        if number in (1, 4, 7, 9, 11):
            unit = x / (x.square().sum(1, keepdim=True) + 1e-8).sqrt()
            total += float(((unit[0] - unit[1]).square() * next(linear).view(-1, 1, 1)).sum(0).mean())
    return total


@pytest.mark.slow
@torch.no_grad()
def test_it_is_the_published_distance(accepted):
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randint(0, 256, (3, 3, 33, 40), dtype=torch.uint8, generator=generator) for _ in range(2))
    b[2] = a[2]
    before = torch.hub.get_dir()
    distance = lpips(lpips_weights(accepted))(a, b)
    assert torch.hub.get_dir() == before
    assert distance[2] == 0
    expected = [by_hand(x, y, accepted) for x, y in zip(a, b, strict=True)]
    assert distance.tolist() == pytest.approx(expected, rel=1e-4)
    assert min(expected[:2]) > 0


def test_no_file_or_another_file_is_refused(weights, tmp_path):
    assert AlexNet_Weights.DEFAULT.url == MODULE.ALEXNET
    with pytest.raises(FileNotFoundError, match=r"alexnet-owt-7be5be79\.pth is not there; .* not downloaded by itself"):
        lpips_weights()
    with pytest.raises(FileNotFoundError, match=r"mine\.pth is not there"):
        lpips_weights(tmp_path / "mine.pth")
    with pytest.raises(ValueError, match=r"alexnet\.pth is damaged or another file: .* not 7be5be79"):
        lpips_weights(weights)


def test_a_file_in_the_cache_of_torch_is_found(accepted, tmp_path):
    cached = tmp_path / "torch/hub/checkpoints/alexnet-owt-7be5be79.pth"
    cached.parent.mkdir(parents=True)
    cached.symlink_to(accepted)
    assert lpips_weights() == cached


@pytest.mark.slow
def test_an_attack_records_it_or_why_it_is_absent(accepted, tmp_path, capsys):
    few = "attack.observation.ciphertexts=4"
    without = attack(config(tmp_path / "a", "pe", "fr", few))
    assert without.metrics.restored.lpips is None
    assert without.metrics.lpips_absent.startswith("AlexNet's weights are not in torch's cache")
    small = attack(config(tmp_path / "b", "pe", "fr", few, "image_size=16"))
    assert small.metrics.lpips_absent == "LPIPS needs images of at least 31 x 31"
    capsys.readouterr()
    measured = attack(config(tmp_path / "c", "pe", "fr", few, f"lpips_weights={accepted}"))
    assert measured.metrics.lpips_absent is None
    for found in (measured.metrics.restored, measured.metrics.ciphertext, measured.metrics.unrelated):
        assert found.lpips.median > 0
    assert "LPIPS" in capsys.readouterr().out
    stored = json.loads(next((tmp_path / "c").rglob("result.json")).read_text())
    assert stored["config"]["lpips_weights"] == "alexnet.pth"  # no path of this machine
    assert stored["identity"] == without.identity
