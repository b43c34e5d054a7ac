"""`vitcrypt report`: tables, figures and pages from the results."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vitcrypt.cli.options import keep_old_name
from vitcrypt.report.frame import summary
from vitcrypt.report.printed import Format, print_table
from vitcrypt.report.records import Results
from vitcrypt.report.results import read_results
from vitcrypt.report.security import RATE, attacks, security
from vitcrypt.untrusted.text import console, error_console


class Group(TyperGroup):
    """Commands of which `runs` may be left out: `vitcrypt report` and `vitcrypt report FOLDER` are `runs`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where none is named; what is neither a report nor a folder is an error."""
        if not args or args[0] not in (*self.commands, "--help"):
            if args and not args[0].startswith("-") and not Path(args[0]).exists():
                known = ", ".join(name for name, command in self.commands.items() if not command.hidden)
                ctx.fail(f"'{args[0]}' is neither a folder nor a report; reports are {known}")
            args = ["runs", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="report",
    cls=Group,
    help="Tables, figures and pages from the results. FOLDER alone: a table of all runs.",
    short_help="Print tables, draw figures and write a page from the results.",
)
Folder = Annotated[Path, typer.Argument(metavar="[RESULTS]", help="Folder of results.")]
Printed = Annotated[Format, typer.Option("--format", help="How to print it.")]


@app.command()
def runs(
    results: Folder = Path("results"),
    trainings: Annotated[bool, typer.Option("--trainings", help="No attacks.")] = False,
    format: Printed = Format.RICH,  # noqa: A002
) -> None:
    """Print the results below a folder as tables: accuracies, each beside its plain counterpart, and attacks."""
    found, left_out = _read(results)
    for table in [summary(found)] if trainings else [summary(found), attacks(found)]:
        if table.rows:
            print_table(table, format)
    print_left_out(left_out)


@app.command(name="table1")
def print_table1(results: Folder = Path("results"), format: Printed = Format.RICH) -> None:  # noqa: A002
    """Print Table I: what was published beside what was measured, missing cells as missing."""
    from vitcrypt.report.table1 import table1

    found, left_out = _read(results)
    table, without_row = table1(found)
    print_table(table, format)
    print_left_out([*left_out, *without_row])


@app.command(name="security")
def print_security(results: Folder = Path("results"), format: Printed = Format.RICH) -> None:  # noqa: A002
    """Print what the attacks came to: scheme by attack, with a computed verdict beside the paper's symbol."""
    found, left_out = _read(results)
    print_table(security(found), format)
    print_left_out(left_out)


@app.command(name="linkage")
def print_linkage(results: Folder = Path("results"), format: Printed = Format.RICH) -> None:  # noqa: A002
    """Print how often one ciphertext finds its image in a gallery, by scheme and kind of copies."""
    from vitcrypt.report.linkage import linkage

    found, left_out = _read(results)
    print_table(linkage(found), format)
    print_left_out(left_out)


@app.command(name="tradeoff")
def print_tradeoff(results: Folder = Path("results"), format: Printed = Format.RICH) -> None:  # noqa: A002
    """Print test accuracy beside the worst restoration by any attack, and draw it into the folder of the results."""
    from vitcrypt.report.tradeoff import draw_tradeoff, tradeoff

    found, left_out = _read(results)
    table, points, unmet = tradeoff(found)
    print_table(table, format)
    print_left_out([*left_out, *unmet])
    error_console.print(str(draw_tradeoff(found, points, results / "tradeoff.png")))


@app.command(name="frontier")
def print_frontier(
    results: Annotated[list[Path] | None, typer.Argument(metavar="[RESULTS]...", help="Folders of results.")] = None,
    output: Annotated[Path | None, typer.Option(help="The .png file; else in the first of the folders.")] = None,
    features: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also the record of experiments/features/frontier.py.")
    ] = None,
    format: Printed = Format.RICH,  # noqa: A002
) -> None:
    """Print test accuracy beside provable bits, linkage and worst restoration, all options apart, and draw it."""
    from vitcrypt.report.frontier import draw_frontier, frontier

    folders = results or [Path("results")]
    read = [_read(folder) for folder in folders]
    table, points = frontier([result for found, _ in read for result in found], features)
    print_table(table, format)
    print_left_out([reason for _, left_out in read for reason in left_out])
    error_console.print(str(draw_frontier(points, output or folders[0] / "frontier.png")))


@app.command(name="break-curve")
def print_break_curve(results: Folder = Path("results"), format: Printed = Format.RICH) -> None:  # noqa: A002
    """Print what is restored from how many ciphertexts or known pairs, and draw it into the folder of the results."""
    from vitcrypt.report.break_curve import break_curve, draw_break_curve

    found, left_out = _read(results)
    table, unused = break_curve(found)
    print_table(table, format)
    print_left_out([*left_out, *unused])
    error_console.print(str(draw_break_curve(found, results / "break_curve.png")))


keep_old_name(app, "robustness", print_break_curve, "vitcrypt report robustness is now vitcrypt report break-curve")


@app.command(name="fig4")
def draw_fig4(results: Folder = Path("results")) -> None:
    """Draw Fig. 4 into the folder of the results: what each attack restored under each scheme, with its SSIM."""
    from vitcrypt.report.fig4 import fig4, with_images

    found, left_out = _read(results)
    kept, lacking = with_images(found)
    print_left_out([*left_out, *lacking])
    console.print(str(fig4(kept, results / "fig4.png")))


Images = Annotated[Path | None, typer.Option("--images", help="An .npz file; else CIFAR-10 where it is at hand.")]


@app.command(name="keyspace")
def print_keyspace(
    format: Printed = Format.RICH,  # noqa: A002
    rate: Annotated[float, typer.Option(min=1e-9, help="Keys tried in a second.")] = RATE,
    images: Images = None,
) -> None:
    """Print the key space of every scheme, the years of trying all keys, and how many ciphertexts determine one."""
    from vitcrypt.experiment.keyspace import keyspace

    print_table(keyspace(rate, images), format)


@app.command(name="card")
def print_card(
    size: Annotated[int, typer.Option(min=8, help="Side of the images.")] = 32,
    block: Annotated[int, typer.Option(min=2, help="Side of the blocks.")] = 4,
    count: Annotated[int, typer.Option(min=2, help="How many images.")] = 100,
    images: Images = None,
    run: Annotated[list[Path] | None, typer.Option(help="A finished run: its accuracy, and under another key.")] = None,
    format: Printed = Format.RICH,  # noqa: A002
) -> None:
    """Print the evaluation card: what is commonly measured of ciphertexts, of all schemes; it measures no security."""
    from vitcrypt.experiment.card import evaluation_card

    print_table(evaluation_card(size, block, count, images, tuple(run or ())), format)


@app.command(name="fig3")
def draw_fig3(
    path: Annotated[Path, typer.Argument(metavar="[FILE]", help="The .png file.")] = Path("fig3.png"),
    image: Annotated[Path | None, typer.Option(help="An image of your own.")] = None,
    key: Annotated[str, typer.Option(help="A key file, or a public test key.")] = "test-0",
) -> None:
    """Draw Fig. 3, an image under each scheme: of CIFAR-10 where it is at hand, else scikit-learn's photograph."""
    from vitcrypt.experiment.fig3 import fig3

    console.print(f"{fig3(path, image, key)} in {path}")


@app.command()
def html(results: Folder = Path("results"), output: Annotated[Path, typer.Option()] = Path("report.html")) -> None:
    """Write all results as one HTML file: tables, curves, confusion matrices, pictures, provenance."""
    from vitcrypt.experiment.fig3 import fig3
    from vitcrypt.experiment.keyspace import keyspace
    from vitcrypt.report.html import attack_pages, html_report
    from vitcrypt.report.table1 import table1

    found, left_out = _read(results)
    own, (paper, unused) = [summary(found), attacks(found)], table1(found)
    with TemporaryDirectory() as folder:
        tables, pictures, reasons = attack_pages(found, Path(folder))
        if any("missing" not in row for row in paper.rows):
            tables.append(paper)
            reasons += [f"of Table I only: {reason}" for reason in unused]
        picture = Path(folder) / "fig3.png"
        caption = f"Fig. 3: {fig3(picture)} under the public key test-0"
        shown = [*(table for table in own if table.rows), *tables]
        left_out += reasons
        html_report(output, found, shown, left_out, pictures, results, ([keyspace()], {caption: picture}))
    console.print(f"{len(found)} results in {output} ({output.stat().st_size / 2**20:.1f} MiB)")
    print_left_out(left_out)


def _read(results: Path) -> tuple[Results, list[str]]:
    found, left_out = read_results(results)
    return found, left_out or ([] if found else [f"no result.json below {results}; vitcrypt run writes them"])


def print_left_out(left_out: list[str]) -> None:
    """Print on standard error what was left out, so that a table can be redirected."""
    for reason in left_out:
        error_console.print(f"left out: {reason}")
