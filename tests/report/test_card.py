"""Measures of the evaluation card against hand-made images, and the tables that need no run."""

import math

import pytest
import torch
from samples import medmnist, written
from typer.testing import CliRunner

from vitcrypt.attacks.plaintext.attack import noise
from vitcrypt.cli.main import app
from vitcrypt.experiment import sample as samples
from vitcrypt.experiment.card import evaluation_card
from vitcrypt.experiment.keyspace import keyspace, redundancy
from vitcrypt.metrics import card


@pytest.fixture(autouse=True)
def _without_cifar(monkeypatch):
    def nowhere(**_):
        raise FileNotFoundError

    monkeypatch.setattr(samples, "cifar10", nowhere)


def test_measures_of_uniform_noise_and_of_two_levels_are_those_of_theory():
    one, other = noise(40, (3, 64, 64), 0), noise(40, (3, 64, 64), 1)
    assert card.npcr(one, other) == pytest.approx(255 / 256, abs=1e-3)
    assert card.uaci(one, other) == pytest.approx(257 / 768, abs=1e-3)
    assert card.chi_square(one) == pytest.approx(255, rel=0.05)
    assert card.spectral_flatness(one) == pytest.approx(math.exp(-0.5772), abs=0.02)
    assert abs(card.adjacent_correlation(one)) < 0.01
    assert card.mutual_information(one, other) < 0.01
    assert card.mutual_information(one, 255 - one) == pytest.approx(6, abs=0.01)
    halves = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    halves[..., 4:] = 200
    assert card.entropy(halves) == 1
    # away from the border of the halves a value is its mean: 3 + 3 columns of 8, and one column of each at the border
    assert card.entropy_2d(halves) == pytest.approx(2 * 0.375 * math.log2(8 / 3) + 2 * 0.125 * 3)
    assert card.divergence(halves, halves.flip(-1)) == 0 < card.divergence(halves, one[:2, :, :8, :8])
    assert card.mutual_information(halves, 255 - halves) == pytest.approx(1)


def test_the_card_has_all_schemes_beside_another_image_and_noise():
    table = evaluation_card(32, 4, 20)
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert list(rows) == ["plain", "le", "etc", "ele", "pe", "proposed", "another image", "uniform noise"]
    assert rows["plain"]["PSNR, dB"] == "exact"
    assert rows["proposed"]["KL, bits"] == "0.000"  # values are only moved
    assert rows["proposed"]["NPCR, image"] == "0.03"  # one of 3,072: nothing spreads
    assert float(rows["uniform noise"]["NPCR, key"]) == pytest.approx(99.6, abs=0.2)
    assert "accuracy, %" not in table.columns


@pytest.mark.slow
def test_redundancy_is_high_of_a_plain_image_and_none_of_noise_and_gives_the_unicity_distance():
    assert redundancy(noise(2, (3, 32, 32), 0)) < 0
    assert redundancy(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)) > 0.9 * 3072 * 8
    row = dict(zip(keyspace().columns, keyspace().rows[2], strict=True))
    nominal, distance = row["nominal, 32, M = 4"].replace(",", ""), row["unicity, 32, M = 4"]
    spare = redundancy(samples.sample(32, 50)[1])
    assert float(distance) == pytest.approx(float(nominal) / spare, rel=0.05)
    assert float(row["unicity, effective, 32, M = 4"]) == pytest.approx(256 / spare, rel=0.05)


def test_a_file_gives_the_images_and_others_are_named(tmp_path):
    written(tmp_path / "mine.npz", medmnist(side=32))
    called = ["report", "card", "--count", "3", "--images", str(tmp_path / "mine.npz"), "--format", "md"]
    printed = CliRunner().invoke(app, called).output
    assert "3 images of 32 x 32, blocks of 4 x 4, mine.npz, test images" in printed
    with pytest.raises(ValueError, match="no redundancy"):
        keyspace(images=tmp_path / "mine.npz")  # white noise
