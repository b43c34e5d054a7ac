"""`result.json`: the one record of a finished run."""

import json
import math
from pathlib import Path
from typing import Any

from vitcrypt import renames
from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.report.records import checked
from vitcrypt.untrusted.documents import MAX_BYTES, parse_json
from vitcrypt.untrusted.files import read_regular
from vitcrypt.untrusted.text import one_line

FORMAT = "vitcrypt result 1"
FILENAME = "result.json"
PICTURES = ("images.png", "confusion.png")  # of a training, beside it
LEAST = {  # what every table relies on
    "": ("config", "metrics", "training", "hardware"),
    "config": ("names", "data", "model", "trainer", "seed"),
    "metrics": ("acc", "images"),
    "training": ("epochs",),
}
ATTACK = {  # the same of an attack
    "": ("config", "metrics", "threat_model", "key", "first"),
    "config": ("names", "encryption", "image_size", "attack"),
    "metrics": ("restored", "exact_images"),
}
WHOLE = {  # what a run writes
    "": ("identity", "key", "classes", "images", "weights", "versions"),
    "config": ("encryption", "key_scope"),
    "metrics": ("confusion",),
    "training": ("history",),
}


def write_result(folder: Path, result: dict[str, Any]) -> Path:
    """Write a result as a whole or not at all: on a full disk the one that was there stays.

    Numbers that are not finite become null, as JSON has none.

    Raises:
        OSError: It could not be written.
    """
    path = folder / FILENAME
    text = json.dumps(finite({"format": FORMAT, **result}), indent=2, allow_nan=False) + "\n"
    try:
        with atomic_write(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise OSError(
            f"cannot write {path}: {error}; nothing that was there is lost: free some space and repeat"
        ) from error
    return path


def finite(node: Any) -> Any:
    """Return the same with None in place of numbers that are not finite."""
    if isinstance(node, dict):
        return {name: finite(child) for name, child in node.items()}
    if isinstance(node, (list, tuple)):
        return [finite(child) for child in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node


def read_result(folder: Path, below: Path | None = None) -> dict[str, Any] | None:
    """Return the result in a folder, or None if there is none; `below` as of `open_regular`.

    Raises:
        ValueError: There is one, but it is damaged or of another version.
    """
    path = folder / FILENAME
    try:
        text = read_regular(path, MAX_BYTES, below)
    except FileNotFoundError:
        return None
    try:
        result = parse_json(text, "it", constants=lambda _: None)  # NaN was written before there was null
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); remove it to evaluate the run again") from error
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        raise ValueError(f"{path} is no {FORMAT!r}; move it away to evaluate the run again")
    return result


def lacking(result: dict[str, Any], needed: dict[str, tuple[str, ...]]) -> list[str]:
    """Return what the record of a training lacks of what is needed, or that of an attack of `ATTACK`, dotted."""
    if result.get("kind") == "attack":
        needed = ATTACK
    elif "kind" in result:
        return []
    parts = {section: result.get(section, {}) if section else result for section in needed}
    missing = [(section, name) for section, names in needed.items() for name in names if name not in parts[section]]
    return [f"{section}.{name}".lstrip(".") for section, name in missing]


def whole(results: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the records of trainings that hold all that a run writes, and what the others lack."""
    trainings = [(result, lacking(result, WHOLE)) for result in trained(results)]
    told = [f"{r.get('folder')} is incomplete: it lacks {', '.join(missing)}" for r, missing in trainings if missing]
    return [result for result, missing in trainings if not missing], told


def trained(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those that record a training, and not an attack, say."""
    return [result for result in results if "kind" not in result]


def attacked(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those that record an attack."""
    return [result for result in results if result.get("kind") == "attack"]


def validation(history: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the accuracy on held-out images at the "last" validation and the "best", and the "best_epoch" (from 1).

    None if there was no such split. The test split has no part in it: nothing is ever chosen by that.
    """
    measured = [(epoch["val/acc"], epoch["epoch"] + 1) for epoch in history if epoch.get("val/acc") is not None]
    if not measured:
        return None
    best, epoch = max(measured, key=lambda entry: (entry[0], -entry[1]))
    return {"last": measured[-1][0], "best": best, "best_epoch": epoch}


def read_results(root: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Return all results below a folder (each with its "folder"), and what was left out and why.

    Left out are records that cannot be read or say what cannot be, links, attempts that were put aside, and runs that
    have no result yet. Texts of the others are printable.
    """
    results, left_out = [], []
    for path in sorted(root.rglob(FILENAME)):
        if path.parent.name.startswith("aside-"):
            left_out.append(f"{path}: an earlier attempt that was put aside")
            continue
        try:
            result = read_result(path.parent, root) or {}
        except (ValueError, OSError) as error:
            left_out.append(one_line(error, 1000))
            continue
        try:
            result = checked(renames.record(result))
        except ValueError as error:
            left_out.append(f"{path} is damaged or not trustworthy: {error}")
            continue
        if missing := lacking(result, LEAST):
            left_out.append(f"{path} is incomplete: it lacks {', '.join(missing)}")
        else:
            results.append({**result, "folder": str(path.parent)})
    begun = [lock.parent for lock in sorted(root.rglob(".lock")) if not (lock.parent / FILENAME).exists()]
    left_out += [f"{folder}: not finished; the command that began it resumes it" for folder in begun]
    return results, left_out
