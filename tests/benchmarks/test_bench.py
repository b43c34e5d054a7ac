"""What is timed beside the ciphers is the same encryption; times become rows as they should."""

import json

import pytest
import torch
from benchmarks import compare
from benchmarks.formulations import numpy_form, torch_form
from benchmarks.speed import app, composed, fit
from benchmarks.timing import rows_of
from cases import KEYED, SHAPE, cipher_of, drawn, each, noise
from typer.testing import CliRunner

from vitcrypt.encryption import PE


@each([scheme for scheme in KEYED if scheme != PE(channel_shuffle=False)])
def test_every_formulation_gives_the_same_bytes(scheme):
    images = noise(5, *SHAPE)
    expected = cipher_of(scheme, SHAPE)(images)
    by_numpy = numpy_form(scheme, drawn(scheme, SHAPE))(images.numpy())
    assert torch.equal(torch.from_numpy(by_numpy.copy()), expected)
    assert torch.equal(torch_form(scheme, drawn(scheme, SHAPE), "cpu")(images), expected)


def test_a_ratio_compares_calls_of_the_same_round():
    rows = rows_of("g", {"clone": [1.0, 10.0, 1.0], "cipher": [2.0, 20.0, 30.0]}, "clone", units=4)
    assert [(row.name, row.seconds, row.ratio) for row in rows] == [("clone", 1.0, 1.0), ("cipher", 20.0, 2.0)]


def test_calls_are_made_in_turns():
    seen = []
    compare("g", {name: lambda name=name: seen.append(name) for name in "ab"}, "a", units=1, rounds=3)
    assert seen == list("abababab")


@pytest.fixture
def bench(tmp_path):
    def run(*arguments, code=0):
        path = tmp_path / "bench.json"
        result = CliRunner().invoke(app, [*arguments, "--output", str(path)])
        assert result.exit_code == code, result.output
        return json.loads(path.read_text()) if code == 0 else result

    return run


@pytest.mark.slow
def test_the_command_writes_every_figure_with_what_it_is_compared_with(bench):
    small = ["--device", "cpu", "--batch", "2", "--size", "32", "--block-size", "4", "--rounds", "1", "--no-compiled"]
    figures = bench("ciphers", "forms", "pipeline", "folder", *small)
    assert figures["machine"].startswith("CPU")
    names = {row["name"] for row in figures["rows"]}
    assert {
        "clone",
        "proposed",
        "le",
        "etc, NumPy over blocks",
        "pe, textbook torch",
        "without encryption",
        "encrypting (proposed)",
    } <= names
    groups = {row["group"] for row in figures["rows"]}
    for group in groups:
        rows = {row["name"]: row for row in figures["rows"] if row["group"] == group}
        for row in rows.values():
            assert row["seconds"] > 0
            assert row["ratio"] == pytest.approx(row["seconds"] / rows[row["to"]]["seconds"])


@pytest.mark.slow
def test_training_is_timed_in_turns_with_a_bare_loop(monkeypatch):
    small = ("data.limit_train=200", "model.network.depth=1")
    monkeypatch.setattr("benchmarks.speed.composed", lambda *overrides: composed(*overrides, *small))
    (bare, trained) = fit("vit_micro", "cpu", epochs=2)
    assert (bare.ratio, trained.to) == (1, bare.name)


def test_what_cannot_be_measured_is_said(bench):
    refused = bench("ciphers", "--device", "tpu", code=1)
    assert "--device tpu" in str(refused.exception)
