"""All results as one HTML file that needs nothing else: tables, curves, confusion matrices, pictures, provenance."""

import base64
import io
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader
from PIL import Image

from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.report import curves, figures
from vitcrypt.report.break_curve import break_curve, draw_break_curve
from vitcrypt.report.fig4 import fig4, with_images
from vitcrypt.report.frame import Table, in_order_of_the_table, told_apart_runs
from vitcrypt.report.recipe import flat
from vitcrypt.report.records import Results, TrainingResult
from vitcrypt.report.results import attacked
from vitcrypt.report.security import security
from vitcrypt.report.tradeoff import draw_tradeoff, tradeoff
from vitcrypt.untrusted.files import read_regular
from vitcrypt.untrusted.text import one_line, printable

PNG = "data:image/png;base64,"
MAX_PICTURE_BYTES, MAX_PICTURE_PIXELS = 2**24, 2**25
FOLDERS = re.compile(r"(?<![\w/.~-])~?/(?:[^/\s'\",;]+/)+")
"""The folders of an absolute path that stands in a text."""


def html_report(
    path: Path,
    results: Results,
    tables: list[Table],
    left_out: list[str],
    pictures: dict[str, Path],
    root: Path = Path(),
    behind: tuple[list[Table], dict[str, Path]] = ([], {}),
) -> Path:
    """Write the report, to be passed on: no absolute path stands in it, and nothing from outside of the results.

    Args:
        path: The .html file.
        results: As `read_results` returns them; pictures that lie in their folders are put in.
        tables: Tables that stand first.
        left_out: What of the results was not used, and why.
        pictures: Further pictures by their caption.
        root: The folder of the results; places are shown from there.
        behind: Tables and pictures that say nothing of these results; they stand last, folded away.
    """
    environment = Environment(
        loader=PackageLoader("vitcrypt.report", "."),
        autoescape=True,
        trim_blocks=True,
        finalize=lambda value: value if hasattr(value, "__html__") else _shown(str(value), root),
    )
    found = in_order_of_the_table(results)
    names = [_name(result, apart) for result, apart in zip(found, told_apart_runs(results), strict=True)]
    runs = [_run(result, name, root, left_out) for result, name in zip(found, names, strict=True)]
    histories = [(name, result.training.history) for name, result in zip(names, found, strict=True)]
    text = environment.get_template("report.html.j2").render(
        runs=runs,
        attacks=len(attacked(results)),
        tables=tables,
        left_out=left_out,
        pictures=_inlined(pictures),
        curves=curves.curves_of_runs(histories),
        box=curves,
        behind=behind[0],
        behind_pictures=_inlined(behind[1]),
    )
    with atomic_write(path) as file:
        file.write(text.encode())
    return path


def attack_pages(results: Results, folder: Path) -> tuple[list[Table], dict[str, Path], list[str]]:
    """Return tables and pictures of the attacks, of those that there are results for, and what was left out."""
    tables, pictures = [security(results)], {}
    if not tables[0].rows:
        return [], {}, []
    curves, _ = break_curve(results)
    scatter, points, unmet = tradeoff(results)
    kept, lacking = with_images(results)
    if kept:
        caption = "Fig. 4: what attacks restored, with the SSIM of the best version of each image"
        pictures[caption] = fig4(kept, folder / "fig4.png")
    if curves.rows:
        tables.append(curves)
        pictures["Break curves"] = draw_break_curve(results, folder / "break_curve.png")
    if scatter.rows:
        tables.append(scatter)
        pictures["Accuracy against worst restoration"] = draw_tradeoff(results, points, folder / "tradeoff.png")
    return tables, pictures, [*lacking, *(f"of accuracy against restoration only: {reason}" for reason in unmet)]


def _name(result: TrainingResult, apart: str) -> str:
    """Return what a run is called on the page: what was chosen, and what sets it apart from runs of equal names."""
    config, names = result.config, result.config.names
    adaptation = f" behind {config.model.adaptation}" if config.model.adaptation != "none" else ""
    name = f"{names.encryption} x {names.model}{adaptation} on {names.data}, seed {config.seed}"
    return f"{name} ({apart})" if apart else name


def _run(result: TrainingResult, name: str, root: Path, left_out: list[str]) -> dict[str, Any]:
    """Return what the page shows of a run."""
    config, training = result.config, result.training
    pictures: dict[str, str] = {}
    try:
        pictures["What the server saw"] = _inline(_redrawn(result.folder / "images.png", root))
    except FileNotFoundError:
        pass
    except Exception as error:  # a damaged file can make the reader raise anything
        left_out.append(one_line(f"a picture only: {result.folder}/images.png: {error}", 1000))
    pictures["Confusion on the test images"] = _inline(_confusion(result))
    held_out, key, weights = result.validation, result.key, result.weights
    facts = {
        "test accuracy": f"{_percent(result.metrics.acc)} after the last epoch",
        "validation accuracy": f"{_percent(held_out.last)} at the last one, {_percent(held_out.best)} after "
        f"the best ({held_out.best_epoch})"
        if held_out
        else "no split",
        "images": ", ".join(f"{count} {split}" for split, count in result.images.values().items()),
        "seed": config.seed,
        "key": f"{key.fingerprint or 'none'}{' (a public test key)' if key.public_test_key else ''}",
        "parameters": f"{weights.parameters:,}",
        "epochs, steps": f"{training.epochs}, {training.steps}",
        "time": f"{training.seconds:.0f} s on {result.hardware.device}",
        "weights, SHA-256": weights.trained_sha256,
        "pretrained, SHA-256": weights.pretrained_sha256 or "none",
        "versions": ", ".join(f"{name} {version}" for name, version in result.versions.values().items()),
        "run": result.folder,
    }
    return {
        "title": name,
        "facts": facts,
        "curves": curves.curves_of_run(training.history),
        "pictures": pictures,
        "config": dict(flat(config.values())),
    }


def _confusion(result: TrainingResult) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "confusion.png"
        return figures.confusion_matrix(path, result.metrics.confusion, result.classes).read_bytes()


def _redrawn(path: Path, root: Path) -> bytes:
    """Return the pixels of a PNG as a new one: nothing else that the file holds gets onto the page."""
    with Image.open(io.BytesIO(read_regular(path, MAX_PICTURE_BYTES, root)), formats=["PNG"]) as image:
        if image.width * image.height > MAX_PICTURE_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels are too many")
        file = io.BytesIO()
        Image.fromarray(np.asarray(image.convert("RGB"))).save(file, format="PNG")
    return file.getvalue()


def _shown(text: str, root: Path) -> str:
    """Return text for the page: printable, places below the results from there, of other absolute paths the name."""
    if text.startswith(PNG):
        return text
    text = text.replace(f"{root}/", "")
    if Path(text).is_absolute() or text.startswith("~"):
        text = Path(text).name
    return printable(FOLDERS.sub("", text))


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _inlined(pictures: dict[str, Path]) -> dict[str, str]:
    return {caption: _inline(picture.read_bytes()) for caption, picture in pictures.items()}


def _inline(png: bytes) -> str:
    return PNG + base64.b64encode(png).decode()
