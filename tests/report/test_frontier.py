"""Accuracy against provable bits, linkage and restoration."""

import pytest
from PIL import Image
from recorded import attack, changed, stored, training, typed
from typer.testing import CliRunner

from vitcrypt.cli.main import app
from vitcrypt.report.frontier import draw_frontier, frontier


def trained(scheme, acc, model="orbit", each=True, **changes):
    record = changed(training(scheme, model, acc, data="digits"), config__key_scope="per_image" if each else "shared")
    return changed(record, **changes)


def linked(scheme, top1, copies="exact", images=10, **changes):
    found = {"among": 100, "top1": top1, "top5": top1, "anonymity": {"median": 1, "lower": 1, "upper": 1}}
    record = attack(scheme, "link", 0.9)
    record["metrics"] |= {"linked": found | {"membership": 0.9}, "images": images}
    return changed(record, config__key_scope="per_image", config__attack__observation__gallery_copies=copies, **changes)


RECORDS = [
    trained("ele", 0.20, key__bounds__leakage_bits=100.0),
    trained("ele", 0.30, key__bounds__leakage_bits=100.0, config__seed=1),
    trained("ele", 0.40, "vit_micro", each=False),
    trained("pe", 0.24, key__bounds__leakage_bits=5000.0),
    trained("le", 0.50, key__bounds__leakage_bits=9000.0),
    trained("noise", 0.30, config__encryption__sigma=8.0),
    trained("noise", 0.10, config__encryption__sigma=99.0),
    changed(attack("ele", "fr", 0.2), config__key_scope="per_image"),
    changed(attack("ele", "itn", 0.3), config__key_scope="per_image"),
    linked("ele", 0.9, images=5),
    linked("ele", 0.7, images=20),
    linked("ele", 0.4, "jpeg90"),
    linked("noise", 1.0, config__encryption__sigma=8.0),
]


def rows(records):
    table, points = frontier(typed(records))
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows], points


def test_each_row_is_a_network_on_a_scheme_with_its_options_and_what_it_is_paid_with():
    found, points = rows(RECORDS)
    by_name = {(row["scheme"], row["options"]): row for row in found}
    ele = by_name["ele, a key each", ""]
    assert (ele["accuracy"], ele["sd"], ele["runs"], ele["bits, at most"]) == ("25.00", "7.07", "2", "100")
    assert (ele["linked, %"], ele["jpeg90, %"]) == ("70.0", "40.0")  # of more ciphertexts, not of the luckier ones
    assert (ele["restored"], ele["by"]) == ("0.300", "itn")
    weak, strong = by_name["noise, a key each", "sigma=8.0"], by_name["noise, a key each", "sigma=99.0"]
    assert (weak["linked, %"], strong["linked, %"]) == ("100.0", "not run")
    shared = by_name["ele", ""]  # under one key nothing is bounded, and what links with a key each links
    assert (shared["bits, at most"], shared["linked, %"], shared["restored"]) == ("", "70.0", "not run")
    assert len(points) == 6


def test_best_are_those_that_nothing_beats_in_accuracy_and_price():
    found, _ = rows(RECORDS)
    best = {(row["scheme"], row["options"], row["network"]): row["best in"] for row in found}
    assert best["ele, a key each", "", "orbit"] == "bits, restoration"
    assert best["pe, a key each", "", "orbit"] == ""  # ELE is more accurate for fewer bits
    assert best["le, a key each", "", "orbit"] == "bits"
    assert best["ele", "", "vit_micro"] == "linkage"
    assert not rows([attack("le", "fr", 0.2)])[0]


def test_options_of_any_kind_are_words(tmp_path):
    odd = {"_target_": "x", "\x1b[2J": "[bold]$\\frac{$", "nested": {"a": ["|\n", 1e30]}, "none": None}
    stored(tmp_path, trained("noise", 0.3, config__encryption=odd))
    done = CliRunner().invoke(app, ["report", "frontier", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert all(line.isprintable() for line in done.output.split("\n"))
    assert "[bold]$" in done.output


@pytest.mark.slow
def test_the_command_reads_several_folders_and_draws_a_picture(tmp_path):
    for number, record in enumerate(RECORDS):
        stored(tmp_path / str(number % 2) / str(number), record)
    folders = [str(tmp_path / "0"), str(tmp_path / "1")]
    done = CliRunner().invoke(app, ["report", "frontier", *folders, "--format", "csv"])
    assert done.exit_code == 0, done.output
    assert "noise, a key each" in done.output
    assert Image.open(tmp_path / "0" / "frontier.png").width > 1000
    with pytest.raises(ValueError, match="no training is among the results"):
        draw_frontier(rows([attack("le", "fr", 0.2)])[1], tmp_path / "none.png")
