"""Linkage as a table: scheme by kind of copies."""

from typing import Any

from vitcrypt.report.frame import CASE, LABELS, Table, Texts, attack_frame
from vitcrypt.report.records import Results
from vitcrypt.report.results import attacked
from vitcrypt.report.verdict import judge, worst

COPIES = ("exact", "jpeg90", "jpeg90_420", "jpeg50", "brightened", "cropped", "resized")
NOTES = (
    "Cells: share of ciphertexts whose own image is the nearest of the gallery / among the nearest five, in percent; "
    "(k: how many images are at least as near as the own one, the median).",
    "told apart: how often a ciphertext of an image in the gallery lies nearer to it than one of an image that is not "
    "there; JPEG 90 where it was run (of exact copies it is 1: their distance is 0). 0.5 is guessing.",
    "seconds: of the attack alone, the longest of these.",
)


def linkage(results: Results) -> Table:
    """Return a row for each scheme and size, and a column for each kind of copies."""
    rows = []
    for entry, found in _by_case(results).values():
        kinds = {result.config.attack.observation.gallery_copies: result.metrics.linked for result in reversed(found)}
        cells = [
            f"{100 * kinds[c].top1:.1f} / {100 * kinds[c].top5:.1f} ({kinds[c].anonymity.median:.0f})"
            if c in kinds
            else ""
            for c in COPIES
        ]
        apart = next(kinds[copies].membership for copies in ("jpeg90", *COPIES) if copies in kinds)
        seconds = max(result.seconds for result in found)
        rows.append([*entry, _size(found[0]), *cells, f"{apart:.3f}", f"{seconds:.0f}"])
    columns = [
        "data",
        "scheme",
        "size / block",
        "ciphertexts x gallery",
        *(copies.replace("_", " ") for copies in COPIES),
    ]
    return Table("Linkage: top-1 / top-5, %", Texts(rows, [*columns, "told apart", "seconds"]), [*NOTES], text=4)


def linkage_words(results: Results) -> dict[tuple[Any, ...], str]:
    """Return by case what linkage came to, as "linkable: exact 100.0 %, jpeg90 96.5 % (200 x 10,000)"."""
    told: dict[tuple[Any, ...], list[str]] = {}
    words: dict[tuple[Any, ...], set[str]] = {}
    for (case, _), (_, found) in _by_case(results).items():
        rates = [
            f"{result.config.attack.observation.gallery_copies} {100 * result.metrics.linked.top1:.1f} %"
            for result in found
        ]
        told.setdefault(case, []).append(f"{', '.join(rates)} ({_size(found[0])})")
        words.setdefault(case, set()).update(judge(result).word for result in found)
    return {case: f"{worst(words[case])}: {'; '.join(told[case])}" for case in told}


def linked_first(results: Results) -> dict[tuple[tuple[Any, ...], str], float]:
    """Return by case and copies the share of ciphertexts that find their own image first, in percent.

    Where several attacks ran, that with the most ciphertexts counts, and of these the best.
    """
    found: dict[tuple[tuple[Any, ...], str], tuple[int, float]] = {}
    for (case, _), (_, here) in _by_case(results).items():
        for result in here:
            place = case, result.config.attack.observation.gallery_copies
            measured = result.metrics.images, 100 * result.metrics.linked.top1
            found[place] = max(found.get(place, measured), measured)
    return {place: rate for place, (_, rate) in found.items()}


def _by_case(results: Results) -> dict[tuple[tuple[Any, ...], str], tuple[list[str], list[Any]]]:
    """Return by case and sizes its labels and the results, those that find most first."""
    frame = attack_frame([result for result in attacked(results) if result.metrics.linked is not None])
    frame["sizes_of_it"] = frame["result"].map(_size)
    return {
        (tuple(case), sizes): (
            list(here.iloc[0][LABELS]),
            sorted(here["result"], key=lambda result: -result.metrics.linked.top1),
        )
        for (*case, sizes), here in frame.groupby([*CASE, "sizes_of_it"])
    }


def _size(result: Any) -> str:
    return f"{result.metrics.images:,} x {result.metrics.linked.among:,}"
