"""Table I: what was published beside what was measured here."""

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from vitcrypt.report.paper import DATA, NETWORKS, TABLE1, Row, data_of, row_of
from vitcrypt.report.recipe import IMAGES, recipe_of, unlike_the_paper
from vitcrypt.report.results import Results, TrainingResult, trained
from vitcrypt.report.sheet import Sheet

COLUMNS = [
    "data",
    "encryption",
    "network",
    "variant",
    "scale",
    "paper",
    "paper is",
    "ours",
    "difference",
    "95 % interval",
]
COLUMNS += ["seeds", "sd seeds", "keys", "sd keys", "val last", "val best", "M param.", "images", "epochs", "hardware"]
NOTES = [
    "paper is: best, the best over all epochs on the test set (the number of Madono et al. 2020); ?, unsaid.",
    "ours: test accuracy after the last epoch, mean over runs; no epoch is chosen on the test set.",
    "val last, val best: accuracy on images held out from training, after the last epoch and after the best one.",
    "95 % interval: Wilson's, for the number of test images; it covers the choice of test images and not training.",
    "sd seeds, sd keys: standard deviation over seeds under one key, and over keys with one seed, in points.",
    "scale: full, with the paper's network, recipe and all images; small, with a smaller network or fewer images;",
    "other, with another recipe. Only a full one is subtracted from the paper's number.",
]


def table1(results: Results, data: Iterable[str] = DATA) -> tuple[Sheet, list[str]]:
    """Return Table I of the paper with what was measured, and what of the results was left out and why.

    Runs that differ in nothing but seed and key are one line, others are lines of their own; a row of the paper that
    nothing was measured for is shown as missing.
    """
    trainings = trained(results)
    used, left_out = _usable(trainings)
    lines: dict[tuple[str, Row], dict[str, list[TrainingResult]]] = defaultdict(lambda: defaultdict(list))
    for result in used:
        name, row = data_of(result), row_of(result)
        assert name is not None
        assert row is not None
        lines[name, row][json.dumps(recipe_of(result), sort_keys=True)].append(result)
    rows = []
    for name in data:
        for row in TABLE1:
            runs = sorted(lines[name, row].values(), key=lambda group: -group[0].weights.parameters)
            rows += [_line(name, row, group) for group in runs] or [_missing(name, row)]
    versions = sorted({result.versions.torch or "?" for result in used})
    told = f"{len(used)} of {len(trainings)} results used, with PyTorch {', '.join(versions) or '(none)'}."
    notes = [*NOTES, *_others(lines), told]
    return Sheet("Table I: test accuracy (%)", COLUMNS, rows, notes, text=5), left_out


def wilson(share: float, count: int, z: float = 1.959964) -> tuple[float, float]:
    """Return Wilson's interval of a share that was measured on `count` trials.

    Example:
        >>> low, high = wilson(0.9664, 10_000)
        >>> f"{low:.4f} {high:.4f}"
        '0.9627 0.9698'
    """
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return centre - half, centre + half


def _usable(results: list[TrainingResult]) -> tuple[list[TrainingResult], list[str]]:
    """Return those that belong to a row, each run once, and why the others do not."""
    used: dict[str, TrainingResult] = {}
    left_out = []
    for result in results:
        names, folder, adaptation = result.config.names, result.folder, result.config.model.adaptation
        if data_of(result) is None:
            left_out.append(f"{folder}: {names.data} is not CIFAR-10 or CIFAR-100 (names.data=cifar10 says it is)")
        elif row_of(result) is None:
            behind = f" behind {adaptation}" if adaptation != "none" else ""
            left_out.append(f"{folder}: Table I has no row {names.encryption} with {names.model}{behind}")
        elif result.identity in used:
            left_out.append(f"{folder}: the same run as {used[result.identity].folder}")
        else:
            used[result.identity] = result
    return list(used.values()), left_out


def _line(data: str, row: Row, runs: list[TrainingResult]) -> list[str]:
    first = runs[0]
    ours = statistics.fmean(run.metrics.acc for run in runs)
    low, high = wilson(ours, first.metrics.images)
    paper = row.accuracy(data)
    measured = [run.validation for run in runs if run.validation is not None]
    scale = _scale(row, first)
    return [
        DATA[data],
        row.label,
        NETWORKS[row.network][0],
        _variant(first),
        scale,
        *_published(data, row),
        f"{100 * ours:.2f}",
        f"{100 * ours - paper:+.2f}" if paper is not None and scale == "full" else "-",
        f"{100 * low:.2f}-{100 * high:.2f}",
        str(len({_seed(run) for run in runs})),
        _spread(runs, _seed, _key),
        str(len({_key(run) for run in runs})) if _key(first) is not None else "-",
        _spread(runs, _key, _seed) if _key(first) is not None else "-",
        *(
            f"{100 * statistics.fmean(getattr(v, name) for v in measured):.2f}" if measured else "-"
            for name in ("last", "best")
        ),
        f"{first.weights.parameters / 1e6:.2f}",
        str(first.images.train),
        "/".join(sorted({str(run.training.epochs) for run in runs})),
        first.hardware.device,
    ]


def _scale(row: Row, run: TrainingResult) -> str:
    smaller = run.weights.parameters < 0.98e6 * NETWORKS[row.network][1]
    smaller = smaller or any(getattr(run.images, split) < count for split, count in IMAGES.items())
    if smaller or run.metrics.images < IMAGES["test"]:
        return "small"
    return "other" if unlike_the_paper(row.network, row.encryption, recipe_of(run)) else "full"


def _others(lines: dict[tuple[str, Row], dict[str, list[TrainingResult]]]) -> list[str]:
    """Say of lines with another recipe what is another in it."""
    told = []
    for (data, row), groups in lines.items():
        for run in (group[0] for group in groups.values()):
            if _scale(row, run) == "other":
                unlike = unlike_the_paper(row.network, row.encryption, recipe_of(run))
                more = f", and {len(unlike) - 3} more" if len(unlike) > 3 else ""
                what = f"{DATA[data]}, {row.label}, {NETWORKS[row.network][0]}"
                told.append(f"other: {what}: {'; '.join(unlike[:3])}{more}.")
    return told


def _missing(data: str, row: Row) -> list[str]:
    start = [DATA[data], row.label, NETWORKS[row.network][0], "", "", *_published(data, row), "missing"]
    return start + [""] * (len(COLUMNS) - len(start))


def _published(data: str, row: Row) -> tuple[str, str]:
    accuracy = row.accuracy(data)
    return (f"{accuracy:.2f}", "best" if row.best else "?") if accuracy is not None else ("-", "-")


def _variant(result: TrainingResult) -> str:
    """Say what sets a run apart from the usual form of its scheme and network."""
    config, names, model = result.config, result.config.names, result.config.model
    said = []
    if names.encryption == "pe":
        said.append("signs and colours" if (config.encryption or {}).get("channel_shuffle", True) else "signs only")
    if config.key_scope == "per_image":
        said.append("a key for each image")
    if names.model == "vit_b16" and not (model.pretrained or model.weights):
        said.append("from scratch")
    if names.model == "vit_micro":
        said.append("vit_micro, from scratch")
    return ", ".join(said)


def _spread(
    runs: list[TrainingResult], over: Callable[[TrainingResult], Any], within: Callable[[TrainingResult], Any]
) -> str:
    """Return the standard deviation over one thing, pooled within groups that share the other."""
    groups: dict[Any, dict[Any, float]] = defaultdict(dict)
    for run in runs:
        groups[within(run)][over(run)] = run.metrics.acc
    several = [list(group.values()) for group in groups.values() if len(group) > 1]
    if not several:
        return "-"
    squares = sum(statistics.variance(group) * (len(group) - 1) for group in several)
    return f"{100 * math.sqrt(squares / sum(len(group) - 1 for group in several)):.2f}"


def _seed(result: TrainingResult) -> int:
    return result.config.seed


def _key(result: TrainingResult) -> str | None:
    return result.key.fingerprint
