"""`vitcrypt report`: tables, figures and pages from the results. What needs torch is here, the rest in report/."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.measure import Measurement
from typer.core import TyperGroup

from vitcrypt.report.results import Results, read_results
from vitcrypt.report.security import attacks, search_years, security
from vitcrypt.report.sheet import Sheet
from vitcrypt.report.table1 import table1
from vitcrypt.report.tables import summary
from vitcrypt.untrusted.text import PlainConsole, console, error_console


class Group(TyperGroup):
    """Commands of which `runs` may be left unsaid: `vitcrypt report` and `vitcrypt report FOLDER` are `runs`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where none is named."""
        if not args or args[0] not in (*self.commands, "--help"):
            args = ["runs", *args]
        return super().parse_args(ctx, args)


class Format(StrEnum):
    """How a table is printed."""

    RICH = "rich"
    MARKDOWN = "md"
    CSV = "csv"
    LATEX = "tex"


app = typer.Typer(cls=Group, help="Tables, figures and pages from the results. FOLDER alone: a table of all runs.")
Folder = Annotated[Path, typer.Argument(metavar="[RESULTS]", help="Folder of results.")]
Printed = Annotated[Format, typer.Option("--format", help="How to print it.")]


@app.command()
def runs(results: Folder = Path("results")) -> None:
    """Print the results below a folder as tables: accuracies, each beside its plain counterpart, and attacks."""
    found, left_out = _read(results)
    for table in (summary(found), attacks(found).rich()):
        if table.row_count:
            _print(table)
    _say(left_out)


@app.command(name="table1")
def print_table1(results: Folder = Path("results"), format: Printed = Format.RICH) -> None:  # noqa: A002
    """Print Table I: what was published beside what was measured, missing cells as missing."""
    found, left_out = _read(results)
    sheet, without_row = table1(found)
    _print_sheet(sheet, format)
    _say([*left_out, *without_row])


@app.command(name="security")
def print_security(results: Folder = Path("results"), format: Printed = Format.RICH) -> None:  # noqa: A002
    """Print what the attacks came to: scheme by attack, with a computed verdict beside the paper's symbol."""
    found, left_out = _read(results)
    _print_sheet(security(found), format)
    _say(left_out)


@app.command(name="tradeoff")
def print_tradeoff(results: Folder = Path("results"), format: Printed = Format.RICH) -> None:  # noqa: A002
    """Print test accuracy beside the worst restoration by any attack, and draw it into the folder of the results."""
    from vitcrypt.report.tradeoff import draw_tradeoff, tradeoff

    found, left_out = _read(results)
    sheet, points, unmet = tradeoff(found)
    _print_sheet(sheet, format)
    _say([*left_out, *unmet])
    _say_where(draw_tradeoff(found, points, results / "tradeoff.png"))


@app.command(name="robustness")
def print_robustness(results: Folder = Path("results"), format: Printed = Format.RICH) -> None:  # noqa: A002
    """Print what is restored from how many ciphertexts or known pairs, and draw it into the folder of the results."""
    from vitcrypt.report.break_curve import draw_robustness, robustness

    found, left_out = _read(results)
    sheet, unused = robustness(found)
    _print_sheet(sheet, format)
    _say([*left_out, *unused])
    _say_where(draw_robustness(found, results / "robustness.png"))


@app.command(name="fig4")
def draw_fig4(results: Folder = Path("results")) -> None:
    """Draw Fig. 4 into the folder of the results: what each attack restored under each scheme, with its SSIM."""
    from vitcrypt.report.fig4 import fig4, with_images

    found, left_out = _read(results)
    kept, told = with_images(found)
    _say([*left_out, *told])
    console.print(str(fig4(kept, results / "fig4.png")))


@app.command()
def keyspace(
    format: Printed = Format.RICH,  # noqa: A002
    rate: Annotated[float, typer.Option(min=1e-9, help="Keys tried in a second.")] = 1e12,
) -> None:
    """Print the key space of every scheme at the paper's settings, and the years that trying all keys would take."""
    _print_sheet(_keyspace(rate), format)


@app.command()
def fig3(
    path: Annotated[Path, typer.Argument(metavar="[FILE]", help="The .png file.")] = Path("fig3.png"),
    image: Annotated[Path | None, typer.Option(help="An image of your own.")] = None,
    key: Annotated[str, typer.Option(help="A key file, or a public test key.")] = "test-0",
) -> None:
    """Draw Fig. 3, an image under each scheme: of CIFAR-10 where it is at hand, else scikit-learn's photograph."""
    console.print(f"{_fig3(path, image, key)} in {path}")


@app.command()
def html(results: Folder = Path("results"), output: Annotated[Path, typer.Option()] = Path("report.html")) -> None:
    """Write all results as one HTML file: tables, curves, confusion matrices, pictures, provenance."""
    from tempfile import TemporaryDirectory

    from vitcrypt.report.html import html_report

    found, left_out = _read(results)
    sheet, unused = table1(found)
    left_out += [f"of Table I only: {reason}" for reason in unused]
    with TemporaryDirectory() as folder:
        sheets, pictures, reasons = _attack_pages(found, Path(folder))
        left_out += reasons
        picture = Path(folder) / "fig3.png"
        caption = f"Fig. 3: {_fig3(picture, None, 'test-0')} under the public key test-0"
        html_report(output, found, [sheet, *sheets, _keyspace()], left_out, {caption: picture} | pictures, results)
    console.print(f"{len(found)} results in {output} ({output.stat().st_size / 2**20:.1f} MiB)")
    _say(left_out)


def _read(results: Path) -> tuple[Results, list[str]]:
    found, left_out = read_results(results)
    return found, left_out or ([] if found else [f"no result.json below {results}; vitcrypt run writes them"])


def _attack_pages(found: Results, folder: Path) -> tuple[list[Sheet], dict[str, Path], list[str]]:
    """Return tables and pictures of the attacks, of those that there are results for, and what was left out."""
    from vitcrypt.report.break_curve import draw_robustness, robustness
    from vitcrypt.report.fig4 import fig4, with_images
    from vitcrypt.report.tradeoff import draw_tradeoff, tradeoff

    sheets, pictures = [security(found)], {}
    if not sheets[0].rows:
        return [], {}, []
    curves, _ = robustness(found)
    scatter, points, unmet = tradeoff(found)
    kept, told = with_images(found)
    if kept:
        pictures["Fig. 4: what attacks restored, with the SSIM of each image"] = fig4(kept, folder / "fig4.png")
    if curves.rows:
        sheets.append(curves)
        pictures["Break curves"] = draw_robustness(found, folder / "robustness.png")
    if points:
        sheets.append(scatter)
        pictures["Accuracy against worst restoration"] = draw_tradeoff(found, points, folder / "tradeoff.png")
    return sheets, pictures, [*told, *(f"of accuracy against restoration only: {reason}" for reason in unmet)]


def _keyspace(rate: float = 1e12) -> Sheet:
    from vitcrypt.encryption import ELE, LE, PE, EtC, Proposed, Scheme

    formulas: dict[str, tuple[Any, str]] = {
        "LE": (lambda block: LE(block), "(2d)! 2^(2d)"),
        "EtC": (lambda block: EtC(block), "N! 8^N 2^N 6^N"),
        "ELE": (lambda block: ELE(block), "((2d)! 2^(2d))^N N!"),
        "PE": (lambda _: PE(), "2^(3P) 6^P"),
        "PE, signs only": (lambda _: PE(channel_shuffle=False), "2^(3P)"),
        "Proposed": (lambda block: Proposed(block), "N! ((M/2)^2)!"),
    }
    settings = [((3, 32, 32), 4), ((3, 224, 224), 16)]
    rows = []
    for name, (build, formula) in formulas.items():
        row = [name, formula]
        for shape, block in settings:
            scheme: Scheme = build(block)
            nominal, effective = scheme.key_space_bits(shape), scheme.effective_key_bits(shape)
            row += [f"{nominal:,.1f}", search_years(nominal, rate), f"{effective:,.1f}"]
        rows.append(row)
    notes = [
        "nominal: log2 of the published formula. effective: at most the 256 bits of the key that all is drawn from.",
        "d = 3 M^2 values in a block of M x M pixels, N blocks, P pixels.",
        f"years: until exhaustive search finds the key, half of the nominal space, at {rate:.0e} keys a second; "
        f"{search_years(256, rate)} for 256 bits.",
        "None of these is a measure of security: the attacks that work do not search for the key.",
    ]
    kinds = ("nominal", "years", "effective")
    heads = [f"{kind}, {shape[1]}, M = {block}" for shape, block in settings for kind in kinds]
    return Sheet("Key space (bits) and exhaustive search", ["scheme", "formula", *heads], rows, notes, text=2)


def _fig3(path: Path, image: Path | None, key: str) -> str:
    """Draw an image under every scheme at the paper's two settings; return what it is."""
    from vitcrypt.encryption import ELE, LE, PE, EtC, ImageEncryption, Plain, Proposed
    from vitcrypt.keys import open_key
    from vitcrypt.report.figures import image_grid

    what, plain = _example(image)
    rows, opened = {}, open_key(key)
    for size, block in ((224, 16), (32, 4)):
        schemes = [Plain(), LE(block), EtC(block), ELE(block), PE(), Proposed(block)]
        shown = [ImageEncryption(scheme, opened, (3, size, size))(plain(size)) for scheme in schemes]
        rows[f"{size}, M = {block}"] = [image.permute(1, 2, 0).numpy() for image in shown]
    image_grid(path, rows, [scheme.name for scheme in schemes])
    return what


def _example(image: Path | None) -> tuple[str, Any]:
    """Return a name, and a function from a size to uint8 [3, size, size]."""
    import torch

    from vitcrypt.data import cifar10, read_image, resize

    if image is not None:
        return str(image), lambda size: read_image(image, size)
    try:
        picture: torch.Tensor = cifar10(download=False).test.batch([0])["image"]
        what = "the first test image of CIFAR-10"
    except FileNotFoundError:
        from sklearn.datasets import load_sample_image

        picture = torch.from_numpy(load_sample_image("china.jpg")[:, 100:527].copy()).permute(2, 0, 1)[None]
        what = "scikit-learn's photograph china.jpg"
    return what, lambda size: resize(picture, size)[0]


def _print_sheet(sheet: Sheet, format: Format) -> None:  # noqa: A002
    if format is Format.RICH:
        _print(sheet.rich())
    else:
        written = {Format.MARKDOWN: sheet.markdown, Format.CSV: sheet.csv, Format.LATEX: sheet.latex}[format]()
        console.print(written, end="")


def _print(table: Any) -> None:
    """Print a table at its full width: a terminal wraps or scrolls it, a file keeps it."""
    needed = Measurement.get(console, console.options.update(width=400), table).maximum
    PlainConsole(width=max(console.width, needed)).print(table, crop=False)


def _say_where(picture: Path) -> None:
    """Say on standard error where a picture is, for the same reason."""
    error_console.print(str(picture))


def _say(left_out: list[str]) -> None:
    """Say on standard error what was left out, so that a table can be redirected."""
    for reason in left_out:
        error_console.print(f"left out: {reason}")
