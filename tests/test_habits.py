"""What a visitor of the repository meets: links that lead somewhere, workflows that call what exists, one version."""

import re
from pathlib import Path

import pytest
import yaml

from vitcrypt import __version__

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(not (ROOT / ".github").exists(), reason="needs the checkout")
DOCUMENTS = [
    path for pattern in ("*.md", "docs/**/*.md", "*/**/README.md", ".github/*.md") for path in ROOT.glob(pattern)
]
DOCUMENTS = [path for path in DOCUMENTS if not {".venv", "build"} & {*path.relative_to(ROOT).parts}]


def anchors(text: str) -> set[str]:
    """The names of the headings of a document, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_of_it(document):
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def test_workflows_call_targets_of_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    workflows = sorted((ROOT / ".github/workflows").glob("*.yml"))
    assert len(workflows) >= 3
    for workflow in workflows:
        text = workflow.read_text()
        called = set(re.findall(r"run: make ([a-z-]+)", text)) | set(re.findall(r"tests: ([a-z-]+)", text))
        assert called <= targets, workflow.name
        assert yaml.safe_load(text)["permissions"] == {"contents": "read"}


def test_versions_agree():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    (ruff,) = (hook["rev"] for hook in hooks if "ruff" in hook["repo"])
    assert f"ruff=={ruff.removeprefix('v')}\n" in (ROOT / "constraints.txt").read_text()


def test_a_key_file_is_no_commit(tmp_path):
    from vitcrypt.keys import Key

    (hook,) = (
        repo
        for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
        if repo["repo"] == "local"
    )
    pattern = re.compile(hook["hooks"][0]["entry"], re.MULTILINE)
    for name, passphrase in (("open.txt", None), ("sealed.txt", "words")):
        Key.generate().write(tmp_path / name, passphrase)
        assert pattern.search((tmp_path / name).read_text())
