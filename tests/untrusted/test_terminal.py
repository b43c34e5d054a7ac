"""What is printed: foreign text escaped, nothing of it taken for markup, and no work lost where nobody reads it."""

import ast
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import stored, training
from rich.table import Table
from samples import class_folders

from vitcrypt.untrusted.text import PlainConsole, printable

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "vitcrypt").rglob("*.py"), *(ROOT / "hydra_plugins").rglob("*.py")])
HOSTILE = ["[/b]", "[bold]x[/bold]", "out[v2]", "\x1b[2J", "\x1b]0;title\x07", "a\x9b31mb", "\u202etxt", ":smile:"]


def test_all_that_is_printed_goes_through_the_console_that_escapes():
    nodes = ((path, node) for path in SOURCES for node in ast.walk(ast.parse(path.read_text())))
    for path, node in nodes:
        if isinstance(node, ast.ImportFrom) and path.name != "text.py":
            assert not {"Console", "print"} & {
                name.name for name in node.names if (node.module or "").startswith("rich")
            }
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"{path}:{node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "status":
            assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}: a status takes its text for markup"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not any(tag in node.value for tag in ("[/]", "[bold", "[red", "[yellow", "[green")), path


@settings(max_examples=50, deadline=None, database=None)
@given(st.text())
def test_whatever_a_text_holds_only_line_ends_move_the_cursor(text):
    assert all(letter.isprintable() or letter in "\n\t" for letter in printable(text))


@pytest.mark.parametrize("place", ["line", "cell", "head", "title", "style"])
def test_text_is_shown_as_it_is_wherever_it_stands(place):
    for text in HOSTILE:
        file = io.StringIO()
        console = PlainConsole(file=file, width=200, force_terminal=True)
        table = Table("", title="t")
        table.add_row(text if place == "cell" else "x")
        if place == "head":
            table.add_column(text)
        if place == "title":
            table.title = text
        console.print(text if place in ("line", "style") else table, style="red" if place == "style" else None)
        printed = file.getvalue()
        assert printable(text) in printed
        assert text.isprintable() or text not in printed


@pytest.mark.parametrize("name", ["enc[/b]", "out[v2]", "x\x1b[2Jy"])
def test_folders_of_any_name_are_named_as_they_are(vitcrypt, tmp_path, name):
    class_folders(tmp_path / "photos", {"ant[/b]": 5, "bee": 5})
    options = ("--key-file", "test-0", "--image-size", 8, "--block-size", 4)
    for command in (("encrypt", "photos", name, *options), ("verify", name), ("pack", name, f"{name}.npz")):
        code, printed = vitcrypt(*command)
        assert code == 0, printed
        assert printable(name) in printed
        assert "\x1b[2J" not in printed


def test_a_command_that_is_printed_can_be_pasted(vitcrypt, tmp_path):
    class_folders(tmp_path / "photos", {"ant": 5, "bee": 5})
    vitcrypt("encrypt", "photos", "my, (own) 'enc'", "--key-file", "test-0", "--image-size", 8, "--block-size", 4)
    code, printed = vitcrypt("pack", "my, (own) 'enc'", "it's, (1).npz")
    assert code == 0, printed
    line = next(line for line in printed.splitlines() if "vitcrypt run" in line)
    shown = subprocess.run(["sh", "-c", line.replace("vitcrypt run", "printf '%s\\n'")], capture_output=True, text=True)
    assert shown.stdout.splitlines() == ["data=npz", 'data.root="it\'s, (1).npz"', "encryption=received"]


def recorded(folder, name):
    stored(folder, training(name, name, data=name, hardware={"device": name}))


@pytest.mark.parametrize("how", [(), ("table1",), ("table1", "--format", "md"), ("table1", "--format", "tex")])
def test_reports_show_names_of_records_escaped(vitcrypt, tmp_path, how):
    for number, name in enumerate(HOSTILE):
        recorded(tmp_path / "results" / f"run{number}", name)
    code, printed = vitcrypt("report", *how)
    assert code == 0, printed
    assert not any(name in printed for name in HOSTILE if not name.isprintable())
    assert "\x1b" not in printed


PROGRAM = """
import sys
from pathlib import Path
from vitcrypt.experiment.errors import explained
from vitcrypt.untrusted.text import console
with explained("config"):
    for epoch in range(3):
        console.print("epoch", epoch, "x" * 9000)
    Path("result.json").write_text("{}")
    if len(sys.argv) > 1:
        sys.exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [[], ["ends as Typer does"]])
@pytest.mark.parametrize(("redirected", "code"), [(">/dev/full", 1), ("| true", 0), (">&-", 0)])
def test_work_is_not_lost_where_its_output_cannot_be_written(tmp_path, redirected, code, arguments):
    (tmp_path / "program.py").write_text(PROGRAM)
    command = f"set -o pipefail; '{sys.executable}' program.py {' '.join(map(repr, arguments))} {redirected}"
    ended = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert (tmp_path / "result.json").exists()
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ("standard output could not be written" in ended.stderr) == (code == 1)


def test_letters_that_an_encoding_lacks_are_escaped(monkeypatch):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    PlainConsole(file=file).print("猫")
    file.flush()
    assert raw.getvalue() == b"\\u732b\n"


def test_json_of_predictions_is_one_document():
    file = io.StringIO()
    PlainConsole(file=file, width=20).print(json.dumps([{"file": "x" * 100 + "[/b]\x1b"}], indent=2))
    assert json.loads(file.getvalue()) == [{"file": "x" * 100 + "[/b]\x1b"}]
