"""Private features beside the schemes of images, from the record of their sweep."""

import json
from pathlib import Path

import pytest
from recorded import training, typed
from typer.testing import CliRunner

from vitcrypt.cli.main import app
from vitcrypt.report.frontier import frontier

RECORD = Path(__file__).parents[2] / "experiments" / "records" / "features" / "frontier.json"


def test_features_stand_beside_schemes_with_their_bits_and_linkage():
    table, points = frontier(typed([training("plain", "vit_micro", 0.4, data="cifar10")]), RECORD)
    swept = {(row["dimension"], row["sigma"]): row for row in json.loads(RECORD.read_text())["rows"]}
    assert len(points) == 1 + 2 * len(swept)
    found = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    (one,) = [row for row in found if (row["options"], row["network"]) == ("d=256, sigma=0.6", "class means, returned")]
    measured = swept[256, 0.6]
    assert one["accuracy"] == f"{100 * measured['returned']:.2f}"
    assert one["bits, at most"] == f"{measured['leakage_bits']:.0f}"
    assert one["linked, %"] == f"{100 * measured['rows_linked']:.1f}"
    assert "linkage" in one["best in"]


def test_a_record_of_something_else_is_refused(tmp_path):
    (tmp_path / "other.json").write_text(json.dumps({"seeds": 1, "rows": [{"dimension": 1, "sigma": -1}]}))
    with pytest.raises(ValueError, match=r"other\.json.*sigma"):
        frontier([], tmp_path / "other.json")


def test_the_command_prints_them(tmp_path):
    options = ["--features", str(RECORD), "--format", "csv", "--output", str(tmp_path / "frontier.png")]
    done = CliRunner().invoke(app, ["report", "frontier", str(tmp_path), *options])
    assert done.exit_code == 0, done.output
    assert 'features,32,"d=256, sigma=0.6","class means, returned"' in done.output
