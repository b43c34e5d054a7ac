"""Table I: what was published beside what was measured here."""

from collections.abc import Iterable
from math import sqrt

import pandas as pd

from vitcrypt.report.frame import Table, Texts, ciphers, training_frame
from vitcrypt.report.paper import CONTENTS, DATA, NETWORKS, STAND_INS, TABLE1, Row, content_in, data_of, row_of
from vitcrypt.report.recipe import IMAGES, recipe_of, unlike_the_paper
from vitcrypt.report.records import Results, TrainingResult

COLUMNS = ["data", "encryption", "network", "variant", "scale", "paper", "paper is", "ours", "difference"]
COLUMNS += ["95 % interval", "seeds", "sd seeds", "keys", "sd keys", "val last", "val best", "M param.", "images"]
COLUMNS += ["epochs", "hardware"]
NOTES = [
    "paper is: best, the best over all epochs on the test set (the number of Madono et al. 2020); ?, unsaid.",
    "ours: test accuracy after the last epoch, mean over runs; no epoch is chosen on the test set.",
    "val last, val best: accuracy on images held out from training, after the last epoch and after the best one.",
    "95 % interval: Wilson's, for the number of test images; it covers the choice of test images and not training.",
    "sd seeds, sd keys: standard deviation over seeds under one key, and over keys with one seed, in points.",
    "scale: full, with the paper's network, recipe and all images; small, with a smaller network or fewer images;",
    "other, with another recipe; below, in what. Only a full one is subtracted from the paper's number.",
]


def table1(results: Results, data: Iterable[str] = DATA) -> tuple[Table, list[str]]:
    """Return Table I of the paper with what was measured, and what of the results was left out and why.

    Runs that differ in nothing but seed and key are one line, others are lines of their own; a row of the paper that
    nothing was measured for is shown as missing.
    """
    runs = training_frame(results)
    runs["row"] = [row_of(run) for run in runs["result"]]
    runs["reason"] = [_reason(entry.data, entry.row, entry.result) for entry in runs.itertuples()]
    runs["identity"] = [run.identity for run in runs["result"]]
    used = runs[runs["reason"] == ""]
    again = used["identity"].duplicated()
    folders = used[~again].set_index("identity")["result"]
    left_out = [f"{run.folder}{reason}" for run, reason in zip(runs["result"], runs["reason"], strict=True) if reason]
    left_out += [f"{run.folder}: the same run as {folders[run.identity].folder}" for run in used[again]["result"]]
    used = used[~again]
    rows, apart = [], []
    for name in data:
        for row in TABLE1:
            start = [DATA[name], row.label, NETWORKS[row.network][0]]
            here = used[(used["data"] == name) & (used["row"] == row)]
            groups = [group for _, group in here.groupby("recipe", sort=False)]
            for group in sorted(groups, key=lambda group: -group["result"].iloc[0].weights.parameters):
                scale, note = _scale(row, group["result"].iloc[0])
                rows.append([*start, *_line(name, row, scale, group)])
                apart += [f"{scale}: {', '.join(start)}: {note}."] if note else []
            if not groups:
                missing = [*start, "", "", *_published(name, row), "missing"]
                rows.append(missing + [""] * (len(COLUMNS) - len(missing)))
    versions = sorted({run.versions.torch or "?" for run in used["result"]})
    counted = f"{len(used)} of {len(runs)} results used, with PyTorch {', '.join(versions) or '(none)'}."
    notes = [*NOTES, *dict.fromkeys(apart), *ciphers(used), counted]
    return Table("Table I: test accuracy (%)", Texts(rows, COLUMNS), notes, text=5), left_out


def wilson(share: float, count: int, z: float = 1.959964) -> tuple[float, float]:
    """Return Wilson's interval of a share that was measured on `count` trials.

    Example:
        >>> low, high = wilson(0.9664, 10_000)
        >>> f"{low:.4f} {high:.4f}"
        '0.9627 0.9698'
    """
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return centre - half, centre + half


def _reason(data: str, row: Row | None, run: TrainingResult) -> str:
    """Return why a run belongs to no row; nothing if it does. Names of classes do not say which data it is."""
    names, adaptation = run.config.names, run.config.model.adaptation
    if data not in DATA:
        return f": {data} is not CIFAR-10 or CIFAR-100 (names.data=cifar10 says it is)"
    behind = f" behind {adaptation}" if adaptation != "none" else ""
    return "" if row is not None else f": Table I has no row {names.encryption} with {names.model}{behind}"


def _line(data: str, row: Row, scale: str, runs: pd.DataFrame) -> list[str]:
    first: TrainingResult = runs["result"].iloc[0]
    ours, paper = runs["accuracy"].mean(), row.accuracy(data)
    low, high = wilson(ours / 100, first.metrics.images)
    held_out = [run.validation for run in runs["result"] if run.validation is not None]
    validated = pd.DataFrame([100 * v.last, 100 * v.best] for v in held_out).mean().map("{:.2f}".format)
    with_key = first.key.fingerprint is not None
    return [
        _variant(first),
        scale,
        *_published(data, row),
        f"{ours:.2f}",
        f"{ours - paper:+.2f}" if paper is not None and scale == "full" else "-",
        f"{100 * low:.2f}-{100 * high:.2f}",
        str(runs["seed"].nunique()),
        _spread(runs, "seed", "key"),
        str(runs["key"].nunique()) if with_key else "-",
        _spread(runs, "key", "seed") if with_key else "-",
        *(validated if held_out else ("-", "-")),
        f"{first.weights.parameters / 1e6:.2f}",
        str(first.images.train),
        "/".join(sorted({str(run.training.epochs) for run in runs["result"]})),
        first.hardware.device,
    ]


def _scale(row: Row, run: TrainingResult) -> tuple[str, str]:
    """Return "full", "small" or "other", and what is smaller or another than in the paper."""
    published, parameters = NETWORKS[row.network][1], run.weights.parameters / 1e6
    less = [f"{parameters:.2f} of {published} M parameters"] if parameters < 0.98 * published else []
    counts = {"train": run.images.train, "test": min(run.images.test, run.metrics.images)}
    of = {"train": "training", "test": "test"}
    less += [f"{n:,} of {IMAGES[part]:,} {of[part]} images" for part, n in counts.items() if n < IMAGES[part]]
    if less:
        return "small", ", ".join(less)
    unlike = unlike_the_paper(row.network, row.encryption, recipe_of(run))
    if (content := content_in(run)) is not None and content not in CONTENTS:
        unlike.insert(0, f"its images are not those of {DATA[data_of(run)]}")
    more = f", and {len(unlike) - 3} more" if len(unlike) > 3 else ""
    return ("other", "; ".join(unlike[:3]) + more) if unlike else ("full", "")


def _published(data: str, row: Row) -> tuple[str, str]:
    accuracy = row.accuracy(data)
    return (f"{accuracy:.2f}", "best" if row.best else "?") if accuracy is not None else ("-", "-")


def _variant(run: TrainingResult) -> str:
    """Return what sets a run apart from the usual form of its scheme and network."""
    names, model, words = run.config.names, run.config.model, []
    if names.encryption == "pe":
        shuffled = (run.config.encryption or {}).get("channel_shuffle", True)
        words.append("signs and colours" if shuffled else "signs only")
    if run.config.key_scope == "per_image":
        words.append("a key for each image")
    if names.model == "vit_b16" and not (model.pretrained or model.weights):
        words.append("from scratch")
    if names.model in STAND_INS:
        words.append(f"{names.model}, from scratch")
    return ", ".join(words)


def _spread(runs: pd.DataFrame, over: str, within: str) -> str:
    """Return the standard deviation over one thing, pooled within groups that share the other."""
    groups = runs.drop_duplicates([over, within], keep="last").groupby(within)["accuracy"]
    freedom = groups.size() - 1
    squares = groups.var().fillna(0) * freedom
    return f"{sqrt(squares.sum() / freedom.sum()):.2f}" if freedom.sum() else "-"
