"""Make the tables of the documents anew from the records of results that stand in this repository.

    python experiments/tables.py            rewrite them
    python experiments/tables.py --check    only say which are not what their command prints

A table stands between two comments, the first of which names the command that prints it:

    <!-- made by: vitcrypt report table1 experiments/records/table1_small --format md -->
    <!-- end -->
"""

import argparse
import contextlib
import io
import re
import runpy
import shlex
import sys
from pathlib import Path
from unittest import mock

from vitcrypt.cli.main import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "experiments/README.md", "experiments/benchmarks/README.md", "docs/*.md")
MADE = re.compile(
    r"(<!-- made by: (vitcrypt (?:report|leaderboard) .+?|python experiments/.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL
)


def printed(command: str) -> str:
    """Return what a command prints: `vitcrypt` or a script, in the root of the repository."""
    program, *arguments = shlex.split(command)
    with contextlib.chdir(ROOT), contextlib.redirect_stdout(io.StringIO()) as written:
        if program == "vitcrypt":
            app(arguments, standalone_mode=False)
        else:  # in this process: a table from JSON should not wait for a Python that loads torch
            path = [str(ROOT / Path(arguments[0]).parent), *sys.path]
            with mock.patch.object(sys, "argv", arguments), mock.patch.object(sys, "path", path):
                runpy.run_path(arguments[0], run_name="__main__")
    return written.getvalue()


def remade(text: str) -> str:
    """Return a document with its tables as their commands print them."""
    return MADE.sub(lambda found: f"{found[1]}\n{printed(found[2]).strip()}\n\n{found[4]}", text)


def main() -> None:
    """Rewrite or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 where a table is another")
    arguments = parser.parse_args()
    differing = []
    for path in sorted(path for pattern in DOCUMENTS for path in ROOT.glob(pattern)):
        text = path.read_text()
        if (made := remade(text)) != text:
            differing.append(str(path.relative_to(ROOT)))
            if not arguments.check:
                path.write_text(made)
    if differing:
        print(("not as their commands print them: " if arguments.check else "rewritten: ") + ", ".join(differing))
    sys.exit(bool(differing) and arguments.check)


if __name__ == "__main__":
    main()
