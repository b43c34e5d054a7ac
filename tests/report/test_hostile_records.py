"""Records of others in a folder of results: shown harmlessly, or left out with one line that names the file."""

import copy
import errno
import json
import os
import shutil

import numpy as np
import pytest
from mutations import mutations
from PIL import Image, PngImagePlugin
from recorded import attack, training
from typer.testing import CliRunner

from vitcrypt.cli.main import app
from vitcrypt.experiment import fig3
from vitcrypt.report.html import _redrawn
from vitcrypt.report.results import read_results

COMMANDS = ("runs", "table1", "security", "tradeoff", "break-curve", "fig4", "html")
HONEST = [
    training("proposed", "vit_b16"),
    training("le", "vit_micro", data="digits"),
    attack("le", "statistics", 0.3, count=2, size=0),
    attack("le", "statistics", 0.5, count=20, size=0),
]
for record in HONEST[2:]:
    record["config"]["image_size"] = 16
HONEST[1]["config"]["data"]["image_size"] = 16


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fig3, "fig3", lambda path: Image.new("RGB", (8, 8)).save(path, "PNG"))
    for number, record in enumerate(HONEST):
        stored(tmp_path / "results" / f"honest{number}", record)
    return tmp_path / "results"


def stored(folder, record):
    folder.mkdir(parents=True, exist_ok=True)
    text = record if isinstance(record, str) else json.dumps({"format": "vitcrypt result 1", **record})
    (folder / "result.json").write_bytes(text.encode(errors="surrogatepass"))
    images = np.zeros((2, 8, 8, 3), np.uint8)
    np.savez(folder / "images.npz", plain=images, encrypted=images, restored=images)
    Image.new("RGB", (8, 8)).save(folder / "images.png")
    return folder


def reported(name, folder="results"):
    done = CliRunner().invoke(app, ["report", name, str(folder)])
    assert done.exit_code == 0, (done.output[-2000:], done.exception)
    assert all(line.isprintable() for line in done.output.split("\n"))
    return done.output


@pytest.mark.slow
def test_no_change_of_a_record_breaks_a_report(root):
    for kind, record in enumerate(HONEST):
        for number, text in enumerate(mutations({"format": "vitcrypt result 1", **record}, 60, seed=kind)):
            stored(root / f"changed{kind}-{number}", text)
    found, left_out = read_results(root)
    assert len(HONEST) * 56 < len(found) + len(left_out) <= len(HONEST) * 61, "of other kinds no word"
    assert len(found) > len(HONEST)
    assert all(str(root) in line for line in left_out)
    for name in COMMANDS[:-1]:
        reported(name)
    for path in root.glob("changed?-??*"):  # a page draws each run
        shutil.rmtree(path)
    reported("html")


WORDS = ["\x1b[2J", "[bold red]x[/bold red]", "<script>alert(1)</script>", "$\\frac{$", "a|b\nc", "\u202e", "\ud800"]


@pytest.mark.slow
def test_words_of_any_kind_are_shown_as_words(root):
    for number, word in enumerate(("".join(WORDS), "".join(reversed(WORDS)))):
        for kind, record in enumerate(copy.deepcopy(HONEST)):
            record["config"]["names"] |= {"data": "digits", "encryption": word}
            record |= {"hardware": {"device": word}, "classes": [word, "b"], "identity": word}
            record["config"][word] = {word: word}
            stored(root / f"{number}-{kind}", record)
    assert len(read_results(root)[0]) == len(HONEST) * 3
    printed = {name: reported(name) for name in COMMANDS}
    page = (root.parent / "report.html").read_text()
    assert "<script" not in page
    assert all(line.replace("\t", "").isprintable() for line in page.split("\n"))
    assert all("[bold red]x" in printed[name] for name in ("runs", "security"))


ODD = {
    "a named pipe": lambda path: os.mkfifo(path),
    "a link": lambda path: path.symlink_to(path.parent.parent / "honest0" / "result.json"),
    "a folder": lambda path: path.mkdir(),
    "67,108,864": lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 2**30),
    "name twice": lambda path: path.write_text('{"format": "vitcrypt result 1", "a": 1, "a": 2}'),
    "too deep": lambda path: path.write_text("[" * 200_000),
    "more than 20 deep": lambda path: path.write_text(
        '{"format": "vitcrypt result 1", "config": ' + '{"a":' * 50 + "1" + "}" * 51
    ),
    "too large": lambda path: path.write_text('{"format": "vitcrypt result 1", "identity": 1e999}'),
}


@pytest.mark.parametrize("told", ODD)
def test_what_is_no_record_is_left_out_with_one_line(root, told):
    (root / "odd").mkdir()
    ODD[told](root / "odd" / "result.json")
    found, (line,) = read_results(root)
    assert len(found) == len(HONEST)
    assert told in line
    assert str(root / "odd") in line
    assert reported("runs").count("left out") == 1


def secret_text(path):
    path.write_text("secret")


PICTURES = {
    "is a link": lambda path: path.symlink_to(path.parent.parent.parent / "private.png"),
    "a named pipe": lambda path: os.mkfifo(path),
    "cannot identify": secret_text,
    "too many": lambda path: Image.new("1", (8000, 8000)).save(path),
    "16,777,216": lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 2**30),
}


@pytest.mark.parametrize("reason", PICTURES)
def test_no_other_file_is_taken_for_a_picture(root, reason):
    picture = root / "honest0" / "images.png"
    Image.new("RGB", (8, 8)).save(root.parent / "private.png")
    picture.unlink()
    PICTURES[reason](picture)
    with pytest.raises((ValueError, OSError), match=reason):
        _redrawn(picture, root)


@pytest.mark.slow
def test_the_page_names_a_picture_that_it_leaves_out(root, undrawn):
    (root / "honest0" / "images.png").unlink()
    (root / "honest0" / "images.png").symlink_to(root.parent / "private.png")
    assert "images.png is a link" in reported("html")
    assert (root.parent / "report.html").read_text().count("What the server saw") == 2, "of one run, twice"


def test_of_a_picture_the_pixels_alone_get_onto_the_page(root):
    hidden = PngImagePlugin.PngInfo()
    hidden.add_text("Comment", "/home/alice")
    Image.new("RGB", (8, 8)).save(root / "honest0" / "images.png", pnginfo=hidden, icc_profile=b"private")
    made = _redrawn(root / "honest0" / "images.png", root)
    assert b"Comment" not in made
    assert b"iCCP" not in made


@pytest.mark.slow
def test_no_absolute_path_stands_on_the_page(root, undrawn):
    record = copy.deepcopy(HONEST[0])
    record["identity"] = "other"
    places = [
        "/home/alice/photos",
        "/home/alice/my photos/b",
        "~/photos/x",
        "see /home/alice/x.txt, or '/home/alice/y'",
    ]
    record["config"] |= {"model": {**record["config"]["model"], "weights": places[0], "places": places}}
    record["config"]["data"] |= {f"root{i}": place for i, place in enumerate(places)}
    stored(root / "paths", record)
    (root / "broken").mkdir()
    (root / "broken" / "result.json").write_text("{")
    reported("html", root)  # an absolute path itself
    page = (root.parent / "report.html").read_text()
    for private in (str(root.parent), "/home", "alice", "~/"):
        assert private not in page
    assert "photos" in page
    assert "broken/result.json is damaged" in page


@pytest.mark.slow
def test_a_page_that_cannot_be_written_leaves_the_old_one(root, undrawn, monkeypatch):
    reported("html")
    before = (root.parent / "report.html").read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert CliRunner().invoke(app, ["report", "html"]).exit_code == 1
    assert (root.parent / "report.html").read_bytes() == before
    assert not [path for path in root.parent.iterdir() if path.name not in ("report.html", "results")]


def test_a_drawing_replaces_a_link_and_not_what_it_leads_to(root):
    (root.parent / "mine.png").write_text("mine")
    (root / "fig4.png").symlink_to(root.parent / "mine.png")
    reported("fig4")
    assert (root.parent / "mine.png").read_text() == "mine"


@pytest.mark.slow
def test_numbers_that_were_not_finite_are_read_as_none(root):
    record = copy.deepcopy(HONEST[1])
    record["training"]["history"][0]["train/loss"] = float("nan")
    record["training"]["history"][0]["val/acc"] = float("nan")
    stored(root / "nan", record)
    assert len(read_results(root)[0]) == len(HONEST) + 1
    assert json.loads((root / "nan" / "result.json").read_text().replace("NaN", "null"))
    assert "left out" not in reported("runs")
    reported("html")
