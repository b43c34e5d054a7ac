"""`result.json`: the one record of a finished training or attack, written as a whole and read with distrust."""

import json
import math
import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.report.records import AttackResult, Result, Results, TrainingResult
from vitcrypt.untrusted import renames
from vitcrypt.untrusted.documents import MAX_BYTES, explain, parse_json
from vitcrypt.untrusted.files import read_regular
from vitcrypt.untrusted.text import one_line

FORMAT = "vitcrypt result 1"
FILENAME = "result.json"
PICTURES = ("images.png", "confusion.png")  # of a training, beside it
LONGEST, DEEPEST, LARGEST = 1000, 20, 1e39  # a diverged loss reaches 3.4e38
NUMBERS = re.compile(r"\[[-\d.,\s]+\]")  # a row of a confusion matrix is one line
R = TypeVar("R", TrainingResult, AttackResult)


def write_result(folder: Path, result: Result) -> Path:
    """Write a result as a whole or not at all: on a full disk the one that was there stays.

    Numbers that are not finite become null, as JSON has none.

    Raises:
        OSError: It could not be written.
    """
    path = folder / FILENAME
    text = json.dumps(finite({"format": FORMAT, **result.values()}), indent=2, allow_nan=False) + "\n"
    text = NUMBERS.sub(lambda found: " ".join(found[0].split()), text)
    try:
        with atomic_write(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise OSError(
            f"cannot write {path}: {error.strerror}; nothing that was there is lost: free some space and repeat"
        ) from error
    return path


def finite(node: Any) -> Any:
    """Return the same with None in place of numbers that are not finite."""
    if isinstance(node, dict):
        return {name: finite(child) for name, child in node.items()}
    if isinstance(node, (list, tuple)):
        return [finite(child) for child in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node


def read_result(folder: Path, kind: type[R], below: Path | None = None, max_bytes: int = MAX_BYTES) -> R | None:
    """Return the result in a folder, or None if there is none; `below` as of `open_regular`.

    Raises:
        ValueError: There is one, but it is damaged, of another kind or of another version.
    """
    content = _content(folder, below, max_bytes)
    return None if content is None else _typed(content, kind, folder)


def read_results(root: Path) -> tuple[Results, list[str]]:
    """Return all results below a folder, and what was left out and why.

    Left out are records that cannot be read or say what cannot be, links, attempts that were put aside, and jobs that
    have no result yet; records of kinds that are not known are passed over. Texts of results are printable.
    """
    results: Results = []
    left_out = []
    for path in sorted(root.rglob(FILENAME)):
        if path.parent.name.startswith("aside-"):
            left_out.append(f"{path}: an earlier attempt that was put aside")
            continue
        try:
            content = _content(path.parent, root) or {}
            kind = content.get("kind")
            if "kind" not in content or kind == "attack":
                content = _printable(renames.record(content), path)
                training = None if kind else _typed(content, TrainingResult, path.parent)
                results.append(training or _typed(content, AttackResult, path.parent))
        except (ValueError, OSError) as error:
            left_out.append(one_line(error, 1000))
    begun = [lock.parent for lock in sorted(root.rglob(".lock")) if not (lock.parent / FILENAME).exists()]
    left_out += [f"{folder}: not finished; the command that began it resumes it" for folder in begun]
    return results, left_out


def trained(results: Results) -> list[TrainingResult]:
    """Return those of trainings."""
    return [result for result in results if isinstance(result, TrainingResult)]


def attacked(results: Results) -> list[AttackResult]:
    """Return those of attacks."""
    return [result for result in results if isinstance(result, AttackResult)]


def _content(folder: Path, below: Path | None, max_bytes: int = MAX_BYTES) -> dict[str, Any] | None:
    path = folder / FILENAME
    try:
        text = read_regular(path, max_bytes, below)
    except FileNotFoundError:
        return None
    try:
        content = parse_json(text, "it", constants=lambda _: None)  # NaN was written before there was null
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); remove it to evaluate the run again") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path} is no {FORMAT!r}; move it away to evaluate the run again")
    return content


def _typed(content: dict[str, Any], kind: type[R], folder: Path) -> R:
    path = folder / FILENAME
    if (content.get("kind", "debug") != "debug") != (kind is AttackResult):
        raise ValueError(f"{path} is of {'a training' if kind is AttackResult else 'an attack'}, and not of the other")
    try:
        result = kind.model_validate(content)
    except ValidationError as error:
        missing = [".".join(map(str, e["loc"])) for e in error.errors(include_url=False) if e["type"] == "missing"]
        if len(missing) == error.error_count():
            raise ValueError(f"{path} is incomplete: it lacks {one_line(', '.join(missing), LONGEST)}") from None
        raise ValueError(f"{path} is damaged or not trustworthy: {explain(error)}") from None
    result._folder = folder
    return result


def _printable(node: Any, path: Path, depth: int = 0) -> Any:
    """Return JSON with its texts as one printable line each, if its depth and numbers have bounds."""
    if depth > DEEPEST:
        raise ValueError(f"{path} is damaged or not trustworthy: it is nested more than {DEEPEST} deep")
    if isinstance(node, dict):
        return {one_line(name, LONGEST): _printable(value, path, depth + 1) for name, value in node.items()}
    if isinstance(node, list):
        return [_printable(value, path, depth + 1) for value in node]
    if (isinstance(node, int) and abs(node) >= 2**63) or (isinstance(node, float) and not abs(node) <= LARGEST):
        raise ValueError(f"{path} is damaged or not trustworthy: a number in it is too large")
    return one_line(node, LONGEST) if isinstance(node, str) else node
