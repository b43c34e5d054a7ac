"""The page of results: one's own runs first, told apart, with curves, at the widths of a phone and a desk."""

import json
import re

import pytest
from browsing import browser
from PIL import Image
from recorded import attack, training
from typer.testing import CliRunner

from vitcrypt.cli.main import app
from vitcrypt.experiment import fig3
from vitcrypt.report.curves import BOTTOM, HEIGHT, TOP, curves_of_run
from vitcrypt.report.records import Epoch


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page of two runs of equal names on digits, and of an attack."""
    monkeypatch.setattr(fig3, "fig3", lambda path: Image.new("RGB", (8, 8)).save(path, "PNG"))
    monkeypatch.chdir(tmp_path)
    short = training("proposed", "vit_micro", 0.25, data="digits")
    long = training("proposed", "vit_micro", 0.75, data="digits", identity="long")
    long["training"] |= {"epochs": 12, "history": [{"epoch": i, "train/acc": i / 12} for i in range(12)]}
    for name, record in {"a": short, "b": long, "c": attack("le", "statistics", 0.3)}.items():
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / "result.json").write_text(json.dumps({"format": "vitcrypt result 1", **record}))
    done = CliRunner().invoke(app, ["report", "html"])
    assert done.exit_code == 0, done.output
    assert "Table I" not in done.output, "nobody asked for it"
    return tmp_path / "report.html"


def test_own_runs_stand_first_and_what_sets_equal_names_apart_beside_them(page):
    text = page.read_text()
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    assert titles[:2] == ["Test accuracy (%)", "Restoration by attacks (median SSIM)"]
    assert not [title for title in titles if "Table I" in title], "no run is in it"
    assert "epochs=2" in text.split("<h2>")[1]
    assert "proposed x vit_micro on digits, seed 0 (epochs=12): 75.00 %" in text
    assert text.index("Key space") > text.index("<h2>Runs</h2>")
    assert "&lt;table" not in text


def test_a_curve_goes_through_what_was_measured():
    history = [Epoch.model_validate({"epoch": i, "val/acc": value}) for i, value in enumerate((0.0, None, 0.5, 1.0))]
    (chart,) = curves_of_run(history)
    (line,) = chart.lines
    assert [words for _, _, words in line.marks] == ["val, epoch 1: 0", "val, epoch 3: 0.5", "val, epoch 4: 1"]
    (x1, y1, _), (x3, y3, _), (x4, y4, _) = line.marks
    assert x3 - x1 == pytest.approx(2 * (x4 - x3), abs=0.2)
    assert (y1, y3, y4) == (HEIGHT - BOTTOM, (HEIGHT - BOTTOM + TOP) / 2, TOP)
    long = [Epoch.model_validate({"epoch": i, "val/acc": 0.5, "val/loss": -1e308 if i else 1e308}) for i in range(9999)]
    assert max(len(line.marks) for chart in curves_of_run(long) for line in chart.lines) == 100
    assert curves_of_run([]) == []


@pytest.mark.slow
def test_it_fits_a_phone_and_a_desk_and_a_curve_can_be_hidden(page, tmp_path):
    with browser(tmp_path / "profile") as driver:
        for width in (400, 1200):
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            driver.get(page.as_uri())
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width
            cut = "return [...document.querySelectorAll('.wide')].map(e => e.scrollWidth - e.clientWidth)"
            assert width == 400 or not any(driver.execute_script(cut)), "no table is cut at a desk"
        each = "[...document.querySelectorAll('figure g')].slice(0, 2).map(e => getComputedStyle(e).display)"
        drawn = f"return {each}.filter(shown => shown != 'none').length"
        assert driver.execute_script(drawn) == 2
        driver.find_element("css selector", ".key input").click()
        assert driver.execute_script(drawn) == 1
        assert [entry for entry in driver.get_log("browser") if "favicon" not in entry["message"]] == []
