"""Gather the pages of the site in build/site and write its reference: `make docs` calls it before MkDocs.

The pages lie there as in the repository, so that the links between them hold in both places.
"""

import re
import shutil
from pathlib import Path

import typer
from typer.cli import get_docs_for_click

from vitcrypt.benchmark.claims import read_claims
from vitcrypt.benchmark.page import write_page
from vitcrypt.cli.main import app
from vitcrypt.cli.report import app as report

ROOT = Path(__file__).parents[1]
STAGE = ROOT / "build" / "site"
PAGES = ("*.md", "docs/*.md", "experiments/README.md", "experiments/benchmarks/README.md", "vitcrypt/attacks/README.md")
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")
API = {
    "encryption": "cipher scheme schemes permutation primitives image_encryption",
    "keys": "key keystream",
    "attacks": "observation fr jigsaw.attack propagation statistics.attack plaintext.attack link",
    "metrics": "ssim symmetry",
    "models": "classifier patch_embedding key_folding",
    "benchmark": "claim candidate",
    "service": "client",
}


def gather() -> None:
    """Copy the pages, and the files of the repository that they link to."""
    for page in (path for pattern in PAGES for path in ROOT.glob(pattern)):
        _copy(page)
        for link in LINK.findall(page.read_text()):
            target = (page.parent / link).resolve()
            if target.is_file() and target.suffix != ".md":
                _copy(target)


def _copy(file: Path) -> None:
    place = STAGE / file.relative_to(ROOT)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)


def command_line() -> str:
    """Return what --help says of all verbs."""
    told = []
    for program, name in ((app, ""), (report, "report")):
        group = typer.main.get_group(program)
        group.commands = {verb: command for verb, command in group.commands.items() if not command.hidden}
        parent = typer.Context(typer.main.get_group(app), info_name="vitcrypt")
        context = typer.Context(group, info_name=name, parent=parent) if name else parent
        prefix = "vitcrypt" if name else ""
        told.append(get_docs_for_click(obj=group, ctx=context, name=name or "vitcrypt", call_prefix=prefix))
    return "# Command line\n\n" + re.sub(r"^# ", "## ", "\n".join(told), flags=re.MULTILINE)


def configuration() -> str:
    """Return all files of `conf/`: every option with its default and what it is."""
    text = ["# Options and their defaults", "The files that `vitcrypt run` and `vitcrypt attack` compose."]
    groups = sorted(path for path in (ROOT / "conf").iterdir() if path.is_dir())
    for file in (ROOT / "conf" / "config.yaml", ROOT / "conf" / "attack_config.yaml"):
        text += [f"## {file.name}", f"```yaml\n{file.read_text().strip()}\n```"]
    for group in groups:
        text.append(f"## {group.name}")
        for file in sorted(group.glob("*.yaml")):
            text += [f"### {group.name}={file.stem}", f"```yaml\n{file.read_text().strip()}\n```"]
    return "\n\n".join(text) + "\n"


def api(room: str, modules: str) -> str:
    """Return a page on which MkDocs writes the docstrings of some modules of a room."""
    return f"# vitcrypt.{room}\n\n" + "\n\n".join(f"::: vitcrypt.{room}.{module}" for module in modules.split()) + "\n"


def main() -> None:
    """Write all pages anew."""
    shutil.rmtree(STAGE, ignore_errors=True)
    gather()
    pages = {"commands": command_line(), "options": configuration()}
    pages |= {f"api/{room}": api(room, modules) for room, modules in API.items()}
    for name, text in pages.items():
        place = STAGE / "reference" / f"{name}.md"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    write_page(STAGE / "leaderboard.html", *read_claims(ROOT / "experiments" / "claims"))


if __name__ == "__main__":
    main()
