"""`result.json`: the one record of a finished run."""

import json
import os
from pathlib import Path
from typing import Any

FORMAT = "vitcrypt result 1"
FILENAME = "result.json"


def write_result(folder: Path, result: dict[str, Any]) -> Path:
    """Write a result as a whole or not at all: on a full disk the one that was there stays.

    Raises:
        OSError: It could not be written.
    """
    path = folder / FILENAME
    text = json.dumps({"format": FORMAT, **result}, indent=2) + "\n"
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(
            f"cannot write {path}: {error}; nothing that was there is lost: free some space and repeat"
        ) from error
    return path


def read_result(folder: Path) -> dict[str, Any] | None:
    """Return the result in a folder, or None if there is none.

    Raises:
        ValueError: There is one, but it is damaged or of another version.
    """
    path = folder / FILENAME
    if not path.exists():
        return None
    try:
        result = json.loads(path.read_text())
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged ({error}); remove it to evaluate the run again") from error
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        raise ValueError(f"{path} is no {FORMAT!r}; move it away to evaluate the run again")
    return result


def read_results(root: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Return all results below a folder (each with its "folder"), and what could not be read."""
    results, left_out = [], []
    for path in sorted(root.rglob(FILENAME)):
        try:
            result = read_result(path.parent)
        except ValueError as error:
            left_out.append(str(error))
        else:
            results.append({**(result or {}), "folder": str(path.parent)})
    return results, left_out
