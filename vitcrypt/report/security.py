"""Attacks as tables: one line each, and scheme by attack with a computed verdict beside the paper's symbol."""

import math
from collections.abc import Iterable

import pandas as pd

from vitcrypt.report.frame import CASE, LABELS, Table, attack_frame, texts
from vitcrypt.report.records import AttackResult, Results

PAPER = {"le": "x", "etc": "check", "ele": "check", "pe": "x", "proposed": "check", "plain": "-"}
"""The security column of the paper's Table I; it rests on visual inspection under FR, GAN and ITN."""

ATTACKS = ("fr", "gan", "itn", "statistics", "jigsaw", "known_plaintext", "chosen_plaintext")
"""The paper's three, then the others; attacks of other names follow."""
CIPHERTEXT_ONLY = ("fr", "gan", "itn", "statistics", "jigsaw")
"""Attacks that use no pair, no oracle and nothing else made with the victim's key."""

BROKEN, LEAKS = 0.9, 0.1
RULE = (
    f"broken: median SSIM at least {BROKEN}, or half of the images restored exactly.",
    f"leaks: median SSIM above both floors (untouched ciphertext, unrelated image) by at least {LEAKS}.",
    "not by this: neither, which says nothing about other attacks. nothing found: not by any that was run.",
)
RATE = 1e12
"""Keys a second in the bound of exhaustive search: far more than one machine tries."""


def strongest(results: Results) -> pd.DataFrame:
    """Return attacks with their `verdict`, of each on a case the one that restored most from least."""
    found = attack_frame(results)
    found["verdict"] = found["result"].map(verdict)
    found["success"] = found["restored"].round(3)
    ranked = found.sort_values(["success", "held"], ascending=[False, True], kind="stable")
    return ranked.drop_duplicates([*CASE, "attack"]).sort_values([*CASE, "attack"])


def in_order(attacks: Iterable[str]) -> list[str]:
    """Return names of attacks once each, the paper's first."""
    return sorted(set(attacks), key=lambda name: (ATTACKS.index(name) if name in ATTACKS else len(ATTACKS), name))


def verdict(result: AttackResult) -> str:
    """Judge one attack by `RULE`: "broken", "leaks" or "not by this"."""
    metrics, restored = result.metrics, result.metrics.restored.ssim.median
    if restored >= BROKEN or metrics.exact_images >= 0.5:
        return "broken"
    floors = [floor.ssim.median for floor in (metrics.ciphertext, metrics.unrelated) if floor is not None]
    return "leaks" if restored >= max(floors) + LEAKS else "not by this"


def worst(verdicts: Iterable[str]) -> str:
    """Judge several attacks on one scheme: the worst verdict, or "nothing found"."""
    found = set(verdicts)
    return next((word for word in ("broken", "leaks") if word in found), "nothing found")


def search_years(bits: float, rate: float = RATE) -> str:
    """Return how many years it takes to find a key by trying, half of 2^bits on average, as a power of ten.

    Example:
        >>> search_years(256), search_years(1510.8), search_years(40)
        ('10^57', '10^434', '10^-8')
    """
    return f"10^{math.floor((bits - 1) * math.log10(2) - math.log10(rate * 365.25 * 86400))}"


def attacks(results: Results) -> Table:
    """Return a table of attacks: what each restored, beside its floors, and how much of the key it recovered."""
    columns = ["data", "scheme", "attack", "size", "ciphertexts", "restored", "ciphertext", "unrelated", "exact", "key"]
    found = attack_frame(results).sort_values([*CASE, "attack"], kind="stable")
    rows = []
    for entry in found.itertuples():
        metrics = entry.result.metrics
        floors = [f"{floor.ssim.median:.3f}" if floor else "" for floor in (metrics.ciphertext, metrics.unrelated)]
        shares = [share.share for share in metrics.key.values()]
        measured = [str(entry.result.threat_model.ciphertexts), f"{entry.restored:.3f}", *floors]
        exact, key = f"{100 * metrics.exact_images:.0f} %", f"{100 * min(shares):.1f} %" if shares else ""
        rows.append([entry.data, entry.label, entry.attack, entry.sizes, *measured, exact, key])
    notes = ["key: the share of the subkey that was recovered worst."]
    return Table("Restoration by attacks (median SSIM)", texts(rows, columns), notes, text=3)


def security(results: Results) -> Table:
    """Return a table with a row for each scheme at each size, a column for each attack, and the paper's symbol.

    Where an attack ran several times, the worst for the owner counts.
    """
    found = strongest(results)
    found["cell"] = [f"{a.verdict} {a.restored:.3f} ({a.held})" for a in found.itertuples()]
    names = in_order(found["attack"])
    rows = []
    for _, here in found.groupby(CASE):
        cells, first = here.set_index("attack")["cell"], here.iloc[0]
        alone, bits = here[here["attack"].isin(CIPHERTEXT_ONLY)]["verdict"], first["result"].key.effective_bits
        words = [worst(alone) if len(alone) else "", worst(here["verdict"]), PAPER.get(first["scheme"], "")]
        years = search_years(bits) if bits else ""
        rows.append([*first[LABELS], *cells.reindex(names, fill_value=""), years, *words])
    columns = ["data", "scheme", "size / block", *(name.replace("_", " ") for name in names)]
    columns += ["search, years", "ciphertext-only", "verdict", "paper"]
    notes = [
        "Cells: verdict, median SSIM, and in brackets from how many ciphertexts, known pairs or chosen images.",
        "ciphertext-only: the verdict over attacks that use no pair and no oracle.",
        *RULE,
        f"search, years: trying keys of at most 256 bits, {RATE:.0e} a second. Meaningless as a measure of security: "
        "the attacks beside it try none.",
        "paper: the symbol in its Table I, from looking at what FR, GAN and ITN restored.",
    ]
    return Table("Attacks on each scheme", texts(rows, columns), notes, text=len(columns))
