"""vitcrypt: encrypt images, train and attack on them, serve what was trained."""

import atexit
import gc
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vitcrypt import __version__
from vitcrypt.experiment.command_line import refuse_keys
from vitcrypt.experiment.errors import explained
from vitcrypt.untrusted.text import console

HYDRA = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
MODULES = ("report", "key", "encrypt", "fold", "benchmark", "leaderboard", "evaluate", "serve", "help")
"""One verb of each module, in the order of `--help`."""
MANY_OBJECTS = 10_000
WANTED = {
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "less_than_equal": "at most {le:g}",
    "greater_than_equal": "at least {ge:g}",
}
"""What pydantic, by which Typer reads values, found missing in one."""


def _module_of(verb: str) -> typer.Typer | None:
    """Load the module of a verb, and none of the others."""
    match verb:
        case "report":
            from vitcrypt.cli.report import app
        case "key":
            from vitcrypt.cli.keys import app
        case "encrypt" | "decrypt" | "rotate" | "verify" | "pack":
            from vitcrypt.cli.folders import app
        case "fold" | "adapt" | "rekey":
            from vitcrypt.cli.networks import app
        case "benchmark":
            from vitcrypt.cli.benchmark import app
        case "leaderboard":
            from vitcrypt.cli.leaderboard import app
        case "evaluate":
            from vitcrypt.cli.evaluate import app
        case "export" | "serve" | "predict" | "demo":
            from vitcrypt.cli.serve import app
        case "help":
            from vitcrypt.cli.pages import app
        case _:
            return None
    return app


class Program(TyperGroup):
    """All verbs. Of one that is typed the module is loaded alone, for a list of them all are."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a verb; None if there is no such verb."""
        if cmd_name not in self.commands and (module := _module_of(cmd_name)) is not None:
            program = typer.Typer()
            program.add_typer(module)
            self.commands.update(typer.main.get_group(program).commands)
        return self.commands.get(cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all verbs, in order."""
        for verb in MODULES:
            self.get_command(ctx, verb)
        return list(self.commands)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the name of a verb, its command and the arguments that follow."""
        if self.get_command(ctx, args[0]) is None:
            self.list_commands(ctx)  # the nearest of them is named
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Call the command of a verb; of a value that does not do, name it, and say what does."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if (details := getattr(error.__cause__, "errors", None)) is not None:
                error.message = _unfit(details()[0])
            raise


def _unfit(detail: dict[str, Any]) -> str:
    """Return our words for an error of pydantic."""
    context = detail.get("ctx", {})
    if detail["type"] == "value_error":
        return str(context["error"])
    if detail["type"] in WANTED:
        return f"{detail['input']!r} is not {WANTED[detail['type']].format(**context)}"
    return f"{detail['input']!r}: {detail['msg']}"


def _version(asked: bool) -> None:
    if asked:
        console.print(f"vitcrypt {__version__}")
        raise typer.Exit


app = typer.Typer(cls=Program, no_args_is_help=True, pretty_exceptions_enable=False)


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


@app.command(hidden=True, context_settings=HYDRA)
def bench() -> None:
    """Name the program that took the place of this verb."""
    raise ValueError("vitcrypt bench is now make bench, or: PYTHONPATH=experiments python -m benchmarks.speed")


def _leave_modules() -> None:
    """Look through no modules at the end, which took a sixth of the time of a short command."""
    if "torch" not in sys.modules:  # libraries that come with it count what is left, and complain
        gc.freeze()


def main() -> None:
    """Run the program; an error that the user can fix is shown as a message."""
    gc.set_threshold(MANY_OBJECTS)  # modules are no garbage, and looking through them at the usual pace takes long
    atexit.register(_leave_modules)
    with explained("config"):
        refuse_keys(sys.argv[1:])
        if "" in sys.argv[1:]:
            raise ValueError("an argument is empty (a shell variable that is not set?); use . for the current folder")
        try:
            app(prog_name="vitcrypt")
        except SystemExit as ended:
            if isinstance(getattr(ended.__context__, "__cause__", None), KeyboardInterrupt):  # Typer
                raise KeyboardInterrupt from None
            raise
