"""vitcrypt: encrypt images, train and attack on them, serve what was trained."""

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vitcrypt import __version__
from vitcrypt.cli import benchmark, evaluate, folders, keys, leaderboard, networks, pages, serve
from vitcrypt.experiment.command_line import refuse_keys
from vitcrypt.experiment.errors import explained
from vitcrypt.untrusted.text import console

HYDRA = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


class Program(TyperGroup):
    """All verbs, of which `report` is loaded only when it is typed: it needs pandas, and `--help` its name alone."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the name of a verb, its command and the arguments that follow."""
        if args[0] != "report":
            return super().resolve_command(ctx, args)
        from vitcrypt.cli.report import app as report

        return "report", typer.main.get_group(report), args[1:]


def _version(asked: bool) -> None:
    if asked:
        console.print(f"vitcrypt {__version__}")
        raise typer.Exit


app = typer.Typer(cls=Program, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(keys.app, name="key")
app.add_typer(folders.app)
app.add_typer(networks.app)


@app.callback(help=__doc__)
def vitcrypt(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options of no verb."""


@app.command(context_settings=HYDRA, help="Train and test: the same program as python -m vitcrypt.run.")
def run(context: typer.Context) -> None:
    """Hand all arguments to the Hydra program."""
    from vitcrypt.run import main as run_main

    run_main(context.args)


@app.command(context_settings=HYDRA, help="Attack and score: the same program as python -m vitcrypt.attack.")
def attack(context: typer.Context) -> None:
    """Hand all arguments to the Hydra program."""
    from vitcrypt.attack import main as attack_main

    attack_main(context.args)


@app.command(help="Print tables, draw figures and write a page from the results.")
def report() -> None:
    """Stand in the list of verbs; see `Program`."""


app.add_typer(benchmark.app)
app.add_typer(leaderboard.app)
app.add_typer(evaluate.app)
app.add_typer(serve.app)
app.add_typer(pages.app)


@app.command(hidden=True, context_settings=HYDRA)
def bench() -> None:
    """Name the program that took the place of this verb."""
    raise ValueError("vitcrypt bench is now make bench, or: PYTHONPATH=experiments python -m benchmarks.speed")


def main() -> None:
    """Run the program; an error that the user can fix is shown as a message."""
    with explained("config"):
        refuse_keys(sys.argv[1:])
        if "" in sys.argv[1:]:
            raise ValueError("an argument is empty (a shell variable that is not set?); use . for the current folder")
        try:
            app(prog_name="vitcrypt")
        except SystemExit as ended:
            if ended.code == 130:  # what Typer makes of Ctrl-C
                raise KeyboardInterrupt from None
            raise
