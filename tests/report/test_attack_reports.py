"""Tables and pictures of attacks: worst verdicts, break curves, accuracy against restoration, exhaustive search."""

import math
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image
from recorded import attack, changed, stored, training, typed
from typer.testing import CliRunner

from vitcrypt import attacks
from vitcrypt.cli.main import app
from vitcrypt.report.break_curve import break_curve, draw_break_curve
from vitcrypt.report.fig4 import fig4
from vitcrypt.report.results import read_results
from vitcrypt.report.security import applies, search_years, security
from vitcrypt.report.tradeoff import draw_tradeoff, tradeoff
from vitcrypt.targets import GROUPS


def kept(root, records):
    """Write records, each with the pictures of two images."""
    for number, record in enumerate(records):
        folder = stored(root / str(number), record)
        images = np.random.default_rng(number).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
        np.savez(folder / "images.npz", plain=images, encrypted=images, restored=images)
    return read_results(root)[0]


RECORDS = [
    attack("proposed", "fr", 0.05),
    attack("proposed", "jigsaw", 0.97, count=2),
    attack("le", "statistics", 0.3, count=2),
    attack("le", "statistics", 0.5, count=20),
    attack("le", "known_plaintext", 1.0, known=1, exact=1.0),
    attack("le", "known_plaintext", 0.4, known=2, exact=0.0),
    attack("pe", "fr", 0.15),
    attack("pe", "fr", 0.6, channel_shuffle=False),
]
TRAINED = [
    training("le", "vit_micro", 0.8, data="digits"),
    training("le", "vit_micro", 0.9, seed=1, data="digits"),
    training("plain", "vit_micro", 0.95, data="digits"),
    training("ele", "vit_micro", 0.7, data="digits"),
    changed(training("pe", "vit_micro", 0.85, data="digits"), config__encryption__channel_shuffle=False),
]


def cells(sheet):
    return [dict(zip(sheet.columns, row, strict=True)) for row in sheet.rows]


def test_security_takes_the_worst_of_each_attack_and_keeps_variants_apart():
    rows = cells(security(typed(RECORDS)))
    assert [row["scheme"] for row in rows] == ["le", "pe", "pe, signs only", "proposed"]
    assert rows[0]["statistics"] == "leaks 0.500 (20)"
    assert (rows[0]["ciphertext-only"], rows[0]["verdict"], rows[0]["paper"]) == ("leaks", "broken", "x")
    assert (rows[1]["verdict"], rows[2]["verdict"]) == ("nothing found", "leaks")
    assert (rows[3]["verdict"], rows[3]["paper"], rows[3]["search, years"]) == ("broken", "check", "10^57")


def test_what_was_trained_too_little_or_links_images_is_said_in_every_report(tmp_path):
    budget = {"steps": 100, "images": 10, "parameters": 5}
    short = changed(attack("le", "gan", 0.05), spent=budget, published=budget | {"steps": 19_550})
    linked = {"among": 100, "ssim": 0.3, "features": 0.01}
    told = changed(attack("le", "itn", 0.05), metrics__ciphertext__identified=linked)
    found = kept(tmp_path, [short, told, training("le", "vit_micro", 0.8, data="digits")])
    sheet, (scatter, _, _) = security(found), tradeoff(found)
    (row,) = cells(sheet)
    assert (row["gan"], row["itn"]) == ("undertrained 0.050 (100)",) * 2
    assert (row["ciphertext-only"], row["verdict"]) == ("undertrained only",) * 2
    assert cells(scatter)[0]["verdict"] == "undertrained only"
    for notes in (sheet.notes, scatter.notes):
        assert any("gan on le 16, digits: undertrained, 100 of 19,550 steps" in note for note in notes)
        assert any("itn on le 16, digits: undertrained, budget unknown" in note for note in notes)
    assert any(note.startswith("linked: le 16 on digits: untouched ciphertexts find") for note in sheet.notes)
    full = changed(short, spent=budget | {"steps": 19_550}, config__seed=1)
    assert cells(security(typed([short, full])))[0]["gan"] == "not by this 0.050 (100)"


@pytest.mark.parametrize("name", GROUPS["attack.method"]["vitcrypt.attacks"])
def test_where_an_attack_applies_is_what_it_asks_for(name):
    asked = {"schemes": (), "shared": False}

    class Observation:
        def need(self, attack, part=None, **needs):
            asked.update(needs)
            raise InterruptedError

    method = getattr(attacks, name)()
    with suppress(InterruptedError, AttributeError):  # an attack that asks for nothing looks at the ciphertexts
        method(Observation())
    for scheme in ("pe", "le", "etc", "etc_jpeg", "ele", "proposed", "features", "somebodys"):
        fits = not asked["schemes"] or scheme in asked["schemes"]
        shared = attack(scheme, "fr", 0.1)
        assert [applies(method.name, result) for result in typed([shared])] == [fits]
        for keys in (0, 20):
            apart = changed(shared, config__key_scope="per_image", config__keys=keys)
            assert [applies(method.name, result) for result in typed([apart])] == [fits and not asked["shared"]]


def test_an_empty_cell_says_why():
    rows = cells(security(typed(RECORDS)))
    assert (rows[0]["jigsaw"], rows[1]["statistics"], rows[3]["statistics"]) == ("-", "not run", "-")


def test_a_search_takes_half_of_the_keys():
    assert search_years(2, rate=2 / (365.25 * 86400)) == "10^0"  # two of four keys at two a year
    for bits in (40, 256, 1510.8):
        exponent = int(search_years(bits).removeprefix("10^"))
        years = (bits - 1) * math.log10(2) - 12 - math.log10(365.25 * 86400)
        assert exponent <= years < exponent + 1


def test_accuracy_meets_restoration_only_where_all_is_the_same():
    sheet, points, left_out = tradeoff(typed([*RECORDS, *TRAINED]))
    rows = cells(sheet)
    assert [(row["scheme"], row["accuracy"], row["runs"]) for row in rows] == [
        ("le", "85.00", "2"),
        ("pe, signs only", "85.00", "1"),
    ]
    assert sheet.rows[0][6:] == ["0.500", "statistics", "1.000", "known plaintext", "broken", "x"]
    assert len(points) == 2
    assert [reason.split(":")[0] for reason in left_out] == [
        "pe, digits, 16",
        "proposed, digits, 16",
        "vit_micro on ele, digits, 16",
    ]


@pytest.mark.parametrize(
    ("where", "values"),
    [
        ("config.trainer.max_epochs", (200, 1)),
        ("training.epochs", (200, 1)),
        ("config.model.optimizer.lr", (0.1, 0.3)),
        ("config.data.limit_train", (None, 100)),
        ("config.data.augment", ("owner", "none")),
        ("config.model.weights", ("a.pth", "b.pth")),
    ],
)
def test_runs_by_different_recipes_are_points_of_their_own(where, values, tmp_path):
    runs = [
        changed(TRAINED[0], **{where: value, "metrics.acc": acc})
        for value, acc in zip(values, (0.95, 0.1), strict=True)
    ]
    found = typed([*RECORDS, *runs])
    sheet, points, _ = tradeoff(found)
    rows = cells(sheet)
    assert {(row["accuracy"], row["runs"]) for row in rows} == {("95.00", "1"), ("10.00", "1")}
    assert len({row["network"] for row in rows}) == 2
    assert draw_tradeoff(found, points, tmp_path / "picture.png").is_file()


def test_break_curves_count_ciphertexts_or_pairs():
    sheet, left_out = break_curve(typed(RECORDS))
    assert [row[1:] for row in sheet.rows] == [
        ["le", "16", "statistics", "ciphertexts under one key", "", "0.300", "0.500"],
        ["le", "16", "known plaintext", "known pairs", "1.000", "0.400", ""],
    ]
    assert "proposed 16 on digits: jigsaw was run with one number only" in left_out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("draw", "columns"),
    [
        (lambda found, path: fig4(found, path), 6),
        (lambda found, path: draw_break_curve(found, path), 0),
        (lambda found, path: draw_tradeoff(found, tradeoff(found)[1], path), 0),
    ],
    ids=["fig4", "break curve", "tradeoff"],
)
def test_pictures_are_drawn_of_what_there_is_and_refused_without(tmp_path, draw, columns):
    found = kept(tmp_path / "results", [*RECORDS, *TRAINED])
    path = draw(found, tmp_path / "picture.png")
    assert min(Image.open(path).size) > 300
    with pytest.raises(ValueError, match=r"attack|number"):
        draw([], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_an_incomplete_record_of_an_attack_is_left_out_and_told(tmp_path):
    stored(tmp_path, {"kind": "attack", "config": {}, "metrics": {}})
    found, left_out = read_results(tmp_path)
    assert found == []
    assert "is incomplete: it lacks identity, config.encryption" in left_out[0]


@pytest.mark.slow
def test_the_commands_and_the_page_show_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept(tmp_path / "results", [*RECORDS, *TRAINED])
    for name in ("tradeoff", "break-curve", "robustness", "security"):
        done = CliRunner().invoke(app, ["report", name, "--format", "csv"])
        assert done.exit_code == 0, done.output
        assert done.stdout.splitlines()[1].startswith("digits,le")
        assert ("report robustness is now vitcrypt report break-curve" in done.stderr) == (name == "robustness")
    for name in ("tradeoff", "break_curve"):
        assert (tmp_path / "results" / f"{name}.png").is_file()
    done = CliRunner().invoke(app, ["report", "html"])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "report.html").read_text()
    for words in ("Attacks on each scheme", "Break curves", "Accuracy against worst restoration", "Fig. 4"):
        assert words in page
