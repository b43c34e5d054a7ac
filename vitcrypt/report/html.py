"""All results as one HTML file that needs nothing else: tables, curves, confusion matrices, pictures, provenance."""

import base64
import io
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure

from vitcrypt.report.figures import confusion_matrix
from vitcrypt.report.paper import adaptation_of
from vitcrypt.report.results import validation, whole
from vitcrypt.report.sheet import Sheet
from vitcrypt.untrusted.files import read_regular

MAX_PICTURE_BYTES = 2**26
PNG = b"\x89PNG"


def html_report(
    path: Path, results: list[dict[str, Any]], sheets: list[Sheet], left_out: list[str], pictures: dict[str, Path]
) -> Path:
    """Write the report.

    Args:
        path: The .html file.
        results: As `read_results` returns them; pictures that lie in their folders are put in.
        sheets: Tables that stand first.
        left_out: What of the results was not used, and why.
        pictures: Further pictures by their caption.
    """
    environment = Environment(loader=PackageLoader("vitcrypt.report", "."), autoescape=True, trim_blocks=True)
    runs = [_run(result) for result in whole(results)[0]]
    inlined = {caption: _inline(picture.read_bytes()) for caption, picture in pictures.items()}
    text = environment.get_template("report.html.j2").render(
        runs=runs, sheets=sheets, left_out=left_out, pictures=inlined, count=len(runs)
    )
    path.write_text(text)
    return path


def curves(history: list[dict[str, Any]]) -> bytes:
    """Draw loss and accuracy over the epochs, and return the PNG."""
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    for axis, measure in zip(figure.subplots(1, 2), ("loss", "acc"), strict=True):
        for split in ("train", "val"):
            points = [(e["epoch"] + 1, e[f"{split}/{measure}"]) for e in history if f"{split}/{measure}" in e]
            if points:
                axis.plot(*zip(*points, strict=True), label=split, marker="." if len(points) < 40 else None)
        axis.set(xlabel="epoch", ylabel={"loss": "loss", "acc": "accuracy"}[measure])
        axis.grid(alpha=0.3)
        if axis.get_lines():
            axis.legend()
    file = io.BytesIO()
    figure.savefig(file, dpi=100, format="png")
    return file.getvalue()


def _run(result: dict[str, Any]) -> dict[str, Any]:
    """Return what the page shows of a run."""
    config, names, training = result["config"], result["config"]["names"], result["training"]
    pictures = {"Loss and accuracy": _inline(curves(training["history"]))}
    folder = Path(result["folder"])
    unseen = ""
    if os.path.lexists(folder / "images.png"):
        try:
            pictures["What the server saw"] = _inline(_picture(folder / "images.png", folder))
        except (ValueError, OSError) as error:
            unseen = f"left out: {error}"
    pictures["Confusion on the test images"] = _inline(_confusion(result))
    adaptation = f" behind {adaptation_of(result)}" if adaptation_of(result) != "none" else ""
    held_out = validation(training["history"])
    key = result["key"]
    facts = {
        "test accuracy": f"{_percent(result['metrics']['acc'])} after the last epoch",
        "validation accuracy": f"{_percent(held_out['last'])} at the last one, {_percent(held_out['best'])} after "
        f"the best ({held_out['best_epoch']})"
        if held_out
        else "no split",
        "images": ", ".join(f"{count} {split}" for split, count in result["images"].items()),
        "seed": config["seed"],
        "key": f"{key['fingerprint'] or 'none'}{' (a public test key)' if key.get('public_test_key') else ''}",
        "parameters": f"{result['weights']['parameters']:,}",
        "epochs, steps": f"{training['epochs']}, {training.get('steps')}",
        "time": f"{training.get('seconds', 0):.0f} s on {result['hardware']['device']}",
        "weights, SHA-256": result["weights"].get("trained_sha256"),
        "pretrained, SHA-256": result["weights"].get("pretrained_sha256") or "none",
        "versions": ", ".join(f"{name} {version}" for name, version in result["versions"].items()),
        "run": result["folder"],
        **({"images.png": unseen} if unseen else {}),
    }
    title = f"{names['encryption']} x {names['model']}{adaptation} on {names['data']}, seed {config['seed']}"
    return {"title": title, "facts": facts, "pictures": pictures, "config": _flat(config)}


def _picture(path: Path, folder: Path) -> bytes:
    """Return a PNG of a run folder; the page is passed on, so that nothing else may come into it."""
    data = read_regular(path, MAX_PICTURE_BYTES, below=folder)
    if not data.startswith(PNG):
        raise ValueError(f"{path} is no PNG")
    return data


def _confusion(result: dict[str, Any]) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "confusion.png"
        return confusion_matrix(path, result["metrics"]["confusion"], result["classes"]).read_bytes()


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Return the configuration as dotted names."""
    if not isinstance(node, dict) or not node:
        return {prefix: node}
    return {k: v for name, child in node.items() for k, v in _flat(child, f"{prefix}.{name}".lstrip(".")).items()}


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _inline(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
