"""Reports on results that are whole, missing, partial, damaged, of other versions, and of several seeds and keys."""

import csv
import io
import json
import re
import subprocess
import sys

import pytest
from PIL import Image
from recorded import changed, stored, training, typed
from typer.testing import CliRunner

from vitcrypt.cli.main import app
from vitcrypt.report.frame import Table, Texts
from vitcrypt.report.paper import TABLE1
from vitcrypt.report.records import Epoch, Validation
from vitcrypt.report.results import read_results
from vitcrypt.report.table1 import COLUMNS, table1, wilson


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("VITCRYPT_DATA", raising=False)
    return tmp_path


def call(*arguments, code=0):
    ended = CliRunner().invoke(app, list(arguments))
    assert ended.exit_code == code, ended.output
    return ended.stdout, ended.stderr


def written(root, name, content):
    return stored(root / "results" / name, content)


def table(*records):
    return table1(typed(list(records)))


def line(sheet, data, encryption, network):
    found = [row for row in sheet.rows if row[0] == data and row[1] == encryption and row[2] == network]
    return [dict(zip(COLUMNS, row, strict=True)) for row in found]


def test_the_published_numbers_are_those_of_the_paper():
    told = {(row.label, row.network): (row.cifar10, row.cifar100) for row in TABLE1}
    assert told == {
        ("LE*", "shakedrop"): (94.49, 75.48),
        ("EtC", "shakedrop"): (85.94, 61.90),
        ("ELE*", "shakedrop"): (83.06, 62.97),
        ("PE", "resnet18"): (92.03, None),
        ("Proposed", "vit_b16"): (96.64, 84.42),
        ("Plain", "resnet18"): (95.53, None),
        ("Plain", "shakedrop"): (96.70, 83.59),
        ("Plain", "vit_b16"): (99.11, 92.48),
    }


def test_without_results_every_cell_is_missing():
    sheet, left_out = table()
    assert len(sheet.rows) == 16
    assert all(row[COLUMNS.index("ours")] == "missing" for row in sheet.rows)
    assert left_out == []


def test_a_line_says_what_was_measured_and_how_often():
    runs = [
        training("pe", acc=acc, seed=seed, key=key)
        for acc, seed, key in ((0.9, 0, "k"), (0.91, 1, "k"), (0.94, 0, "l"))
    ]
    (row,) = line(table(*runs)[0], "CIFAR-10", "PE", "ResNet-18")
    assert (row["paper"], row["paper is"], row["scale"]) == ("92.03", "?", "full")
    assert row["ours"] == "91.67"
    assert row["difference"] == "-0.36"
    assert (row["seeds"], row["keys"]) == ("2", "2")
    assert row["sd seeds"] == "0.71", "0.90 and 0.91 under k"
    assert row["sd keys"] == "2.83", "0.90 and 0.94 with seed 0"
    assert (row["val last"], row["val best"]) == ("70.00", "80.00")
    assert row["95 % interval"] == "{:.2f}-{:.2f}".format(*(100 * v for v in wilson(0.91667, 10_000)))
    assert (row["epochs"], row["hardware"]) == ("200", "a machine")


def test_adaptation_networks_tell_rows_apart_and_other_combinations_are_left_out_by_name():
    runs = [training("le", "shakedrop", key="k", adaptation=a) for a in ("le", "none")]
    sheet, left_out = table(*runs)
    assert line(sheet, "CIFAR-10", "LE*", "ShakeDrop")[0]["ours"] == "90.00"
    assert len(left_out) == 1
    assert "no row le with shakedrop" in left_out[0]


def test_other_recipes_are_other_lines_and_small_networks_are_marked():
    small = training(acc=0.5, seed=1, weights={"parameters": 700_000, "trained_sha256": "00"})
    small["config"]["model"]["network"] = {"width": 16}
    rows = line(table(small, training())[0], "CIFAR-10", "Plain", "ResNet-18")
    assert [(row["scale"], row["ours"]) for row in rows] == [("full", "90.00"), ("small", "50.00")]


def test_variants_of_pe_are_lines_of_their_own():
    signs = training("pe", key="k", seed=3)
    signs["config"]["encryption"]["channel_shuffle"] = False
    rows = line(table(signs, training("pe", key="k"))[0], "CIFAR-10", "PE", "ResNet-18")
    assert {row["variant"] for row in rows} == {"signs and colours", "signs only"}


def test_cifar10_is_what_names_data_says_and_no_other_data_with_the_same_classes():
    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    sheet, left_out = table(changed(training(data="folder"), classes=classes, metrics__confusion=[[0] * 10] * 10))
    assert line(sheet, "CIFAR-10", "Plain", "ResNet-18")[0]["ours"] == "missing"
    assert "not CIFAR-10" in left_out[0]


def test_the_same_run_counts_once():
    sheet, left_out = table(training(), training())
    assert line(sheet, "CIFAR-10", "Plain", "ResNet-18")[0]["seeds"] == "1"
    assert "the same run" in left_out[0]


@pytest.mark.parametrize(
    ("share", "count", "low", "high"),
    [(0.5, 10, 0.2366, 0.7634), (0.0, 10, 0.0, 0.2775), (0.9664, 10_000, 0.9627, 0.9698)],
)
def test_wilson_s_interval(share, count, low, high):
    assert wilson(share, count) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_the_best_epoch_is_the_first_of_the_best_and_only_on_held_out_images():
    history = [Epoch(**{"epoch": i, "val/acc": v}) for i, v in enumerate((0.1, 0.5, 0.5, 0.4))]
    assert Validation.of(history).values() == {"last": 0.4, "best": 0.5, "best_epoch": 2}
    assert Validation.of([Epoch(**{"epoch": 0, "train/acc": 1.0})]) is None


def test_partial_damaged_and_other_records_are_named_and_do_not_stop_the_rest(place):
    written(place, "good", training())
    (written(place, "damaged", training(seed=1)) / "result.json").write_text("{")
    (written(place, "old", training(seed=2)) / "result.json").write_text('{"format": "vitcrypt result 0"}')
    lacking = training(seed=3)
    del lacking["metrics"]["acc"]
    written(place, "lacking", lacking)
    written(place, "good/aside-1", training(seed=4))
    (place / "results/unfinished").mkdir()
    (place / "results/unfinished/.lock").touch()
    found, left_out = read_results(place / "results")
    assert len(found) == 1
    told = "\n".join(left_out)
    for name, why in (
        ("damaged/result.json", "is damaged"),
        ("old/result.json", "vitcrypt result 1"),
        ("lacking/result.json", "metrics.acc"),
        ("good/aside-1", "put aside"),
        ("unfinished", "not finished"),
    ):
        assert re.search(f"{name}.*{why}", told)
    for command in (["table1"], ["runs"], []):
        _, said = call("report", *command)
        assert said.count("left out") >= 5
    assert "1 of 1 results used" in call("report", "table1")[0]


def test_other_kinds_of_result_are_no_rows_and_no_faults(place):
    written(place, "other", {"kind": "other", "config": {}, "metrics": {}})
    written(place, "a", training())
    found, left_out = read_results(place / "results")
    assert (len(found), left_out) == (1, [])
    assert "1 of 1 results used" in table1(found)[0].notes[-1]
    assert "left out" not in call("report", "table1")[1]


def test_mixed_versions_are_told():
    sheet, _ = table(training(), training(seed=1, versions={"vitcrypt": "0", "torch": "2.15"}))
    assert "PyTorch 2.11, 2.15" in sheet.notes[-1]


@pytest.mark.parametrize(
    "arguments", [["report"], ["report", "results"], ["report", "runs"], ["report", "runs", "results"]]
)
def test_runs_may_be_left_unsaid(place, arguments):
    written(place, "a", training())
    printed, _ = call(*arguments)
    assert "Test accuracy" in printed
    assert "90.00" in printed


@pytest.mark.parametrize("arguments", [["report"], ["report", "table1"], ["report", "table1", "nowhere"]])
def test_no_result_is_said(place, arguments):
    assert "no result.json below" in call(*arguments)[1]


def test_every_format_holds_the_same_cells(place):
    written(place, "a", training())
    text, _ = call("report", "table1", "--format", "csv")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == COLUMNS
    assert len(rows) == 17
    markdown, _ = call("report", "table1", "--format", "md")
    assert [
        [c.strip() for c in m.strip("|").split("|")] for m in markdown.splitlines() if m.startswith("| CIFAR")
    ] == rows[1:]
    latex, _ = call("report", "table1", "--format", "tex")
    assert latex.count(r" \\") == 17
    assert not re.search(r"(?m)^[^%\n]*[^\\\n]%", latex), "a bare percent sign would begin a comment"
    assert "95.53" in call("report", "table1")[0]


def test_markdown_and_latex_escape_what_they_must():
    sheet = Table("50 %", Texts([["x|y", "ViT_B & 1"]], ["a", "b"]), ["note"])
    assert r"x\|y" in sheet.markdown()
    assert r"ViT\_B \& 1 \\" in sheet.latex()
    assert r"\caption{50 \%}" in sheet.latex()
    foreign = Table("a_b \\input{x}", Texts([["1"]], ["a"]), ["one\n\\input{x}"], 1).latex()
    assert r"\caption{a\_b  input\{x\}}" in foreign
    assert all(line.startswith("%") or r"\input" not in line for line in foreign.splitlines())


@pytest.mark.slow
def test_the_page_needs_nothing_else_and_shows_all(place):
    folder = written(place, "a", training(classes=["<b>", "b"]))
    Image.new("RGB", (4, 4)).save(folder / "images.png")
    call("report", "html", "--output", "page.html")
    page = (place / "page.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "<script" not in page
    assert page.count("data:image/png;base64,") == 3, "confusion, what the server saw, Fig. 3"
    for told in ("Table I", "Key space", "90.00 %", "missing", "a machine", "model.adaptation", "torch 2.11"):
        assert told in page


@pytest.mark.slow
def test_an_empty_page_is_a_page(place):
    call("report", "html")
    assert "0 trainings, 0 attacks" in (place / "report.html").read_text()


def test_the_key_spaces_are_the_published_ones(place):
    text, _ = call("report", "keyspace", "--format", "csv")
    rows = {row[0]: row[2:] for row in csv.reader(io.StringIO(text))}
    nominal = {
        name: (float(row[0].replace(",", "")), float(row[3].replace(",", ""))) for name, row in list(rows.items())[1:]
    }
    assert round(nominal["Proposed"][1]) == 1511
    assert nominal["EtC"] == (717.4, 2505.5)
    assert round(nominal["LE"][0]) == 594
    assert round(nominal["ELE"][0]) == 38330
    assert [round(v) for v in nominal["PE, signs only"]] == [3072, 150528]
    assert all(float(row[2]) == float(row[5]) == 256 for row in list(rows.values())[1:])


@pytest.mark.slow
def test_fig3_takes_an_image_of_one_s_own_and_has_one_without(place):
    printed, _ = call("report", "fig3", "a.png")
    assert "china.jpg in a.png" in printed
    assert (place / "a.png").read_bytes().startswith(b"\x89PNG")
    call("report", "fig3", "b.png", "--image", "a.png", "--key", "test-1")
    assert (place / "b.png").read_bytes() != (place / "a.png").read_bytes()


@pytest.mark.slow
def test_tables_are_printed_without_torch(place):
    written(place, "a", training())
    program = "import sys; from vitcrypt.cli.main import app\ntry: app(['report', 'table1'])\nexcept SystemExit: pass\n"
    program += "assert 'torch' not in sys.modules and 'lightning' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=60)


def test_a_result_stays_readable_json(place):
    folder = written(place, "a", training())
    assert json.loads((folder / "result.json").read_text())["metrics"]["acc"] == 0.9
