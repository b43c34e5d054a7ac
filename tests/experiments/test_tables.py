"""The tables of the documents are what their commands print from the records in this repository."""

import pytest
import tables


@pytest.mark.slow
def test_every_table_is_what_its_command_prints(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["tables.py", "--check"])
    with pytest.raises(SystemExit) as ended:
        tables.main()
    assert ended.value.code == 0, capsys.readouterr().out


def test_a_number_that_was_typed_is_found_and_replaced(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    monkeypatch.setattr(tables, "printed", lambda command: f"| {command} |\n| --- |\n| 96.64 |\n")
    document = tmp_path / "README.md"
    command = "vitcrypt report table1 x --format md"
    made = f"a\n<!-- made by: {command} -->\n\n{tables.printed(command)}\n<!-- end -->\nb\n"
    document.write_text(made.replace("96.64", "99.99"))
    monkeypatch.setattr("sys.argv", ["tables.py", "--check"])
    with pytest.raises(SystemExit) as ended:
        tables.main()
    assert ended.value.code == 1
    assert "README.md" in capsys.readouterr().out
    assert "99.99" in document.read_text(), "--check changes nothing"
    monkeypatch.setattr("sys.argv", ["tables.py"])
    with pytest.raises(SystemExit) as ended:
        tables.main()
    assert ended.value.code == 0
    assert document.read_text() == made
