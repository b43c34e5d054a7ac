"""The word that the program says of no scheme."""

import ast
import re
from pathlib import Path

import pytest
from recorded import attack, training, typed

from vitcrypt.benchmark.cases import verdict_words
from vitcrypt.report.frontier import frontier
from vitcrypt.report.security import attacks, security
from vitcrypt.report.tradeoff import tradeoff
from vitcrypt.report.verdict import WORDS

ROOT = Path(__file__).parents[2]
CLAIM = re.compile(r"\b(in)?secure(ly|d)?\b|\bunbreakable\b|\bcannot be (broken|attacked)\b", re.IGNORECASE)


def said(path):
    """Return the texts that a module could print: its literals, but for docstrings."""
    tree = ast.parse(path.read_text())
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [node.value for node in constants if id(node) not in alone]


@pytest.mark.slow
def test_no_text_of_the_program_calls_anything_secure():
    modules = [*ROOT.glob("vitcrypt/**/*.py"), *ROOT.glob("hydra_plugins/**/*.py")]
    texts = [text for path in modules for text in said(path)] + [
        path.read_text() for path in ROOT.glob("conf/**/*.yaml")
    ]
    assert len(texts) > 5000
    assert not [text for text in texts if CLAIM.search(text)]


def test_the_search_finds_what_it_forbids(tmp_path):
    (tmp_path / "module.py").write_text('"""Secure."""\nWORDS = f"{1} is secure"\n\n\ndef of():\n    """Secure."""\n')
    assert [text for text in said(tmp_path / "module.py") if CLAIM.search(text)] == [" is secure"]
    assert not CLAIM.search("a measure of security")


@pytest.mark.parametrize("restored", [0.05, 0.5, 0.99])
def test_no_report_calls_a_scheme_secure_however_little_was_restored(restored):
    records = typed([attack("proposed", name, restored) for name in ("fr", "statistics", "known_plaintext")])
    records += typed([training("proposed", "vit_micro", data="digits")])
    tables = [attacks(records), security(records), tradeoff(records)[0], frontier(records)[0]]
    words = [verdict_words([word]) for word in WORDS] + [verdict_words([])]
    assert not [text for text in [*words, *(table.markdown() for table in tables)] if CLAIM.search(text)]
