"""`vitcrypt help`: pages as they are in docs/, verbs as `--help` shows them."""

import pytest
from typer.testing import CliRunner

from vitcrypt.cli.main import app
from vitcrypt.cli.pages import PAGES


def test_every_page_is_listed_and_shown_word_for_word(vitcrypt):
    pages = [path for folder in PAGES for path in folder.glob("*.md")]
    listed = vitcrypt("help")[1]
    assert len(pages) > 10
    for page in pages:
        assert f" {page.stem} " in listed
        assert vitcrypt("help", page.stem) == (0, page.read_text())


@pytest.mark.parametrize("verb", ["export", "report", "key"])
def test_a_verb_is_explained_as_by_itself(verb):
    assert (
        CliRunner().invoke(app, ["help", verb]).output
        == CliRunner().invoke(app, [verb, "--help"], prog_name="vitcrypt").output
    )


def test_what_is_neither_is_said(vitcrypt):
    code, printed = vitcrypt("help", "nonsense")
    assert code == 1
    assert "no page and no verb nonsense" in printed
