"""Attacks as tables: one line each, and scheme by attack with the verdict beside the paper's symbol."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from vitcrypt.report.frame import CASE, LABELS, Table, Texts, attack_frame, attack_rows
from vitcrypt.report.linkage import linkage_words
from vitcrypt.report.measures import FLOORS
from vitcrypt.report.records import AttackResult, Results
from vitcrypt.report.verdict import OLD, RULE, VERSIONS, WORDS, identified_words, judge, worst

if TYPE_CHECKING:
    import pandas as pd

PAPER = {"le": "x", "etc": "check", "ele": "check", "pe": "x", "proposed": "check", "plain": "-"}
"""The security column of the paper's Table I; it rests on visual inspection under FR, GAN and ITN."""

ALONE = ("fr", "gan", "itn", "statistics", "jigsaw", "propagation", "topology", "isometry", "link")
"""Attacks on ciphertexts, the paper's three first, in the order of tables."""
ATTACKS = (*ALONE, "known_plaintext", "chosen_plaintext")
"""In the order of tables; attacks of other names follow."""
CIPHERTEXT_ONLY = (*ALONE, "link_learned")
"""Attacks that use no pair, no oracle and nothing else made with the victim's key."""

ONLY = {
    "decoder": ("features",),
    "jigsaw": ("proposed", "etc", "etc_jpeg"),
    "propagation": ("pe",),
    "statistics": ("pe", "le", "etc", "ele"),
}
"""The schemes of attacks that are on some only."""
ONE_KEY = {"chosen_plaintext", "gan", "isometry", "known_plaintext", "linear_map", "statistics", "topology"}
ONE_KEY |= {"trilateration", "weights"}
"""Attacks that need images under one key."""

RATE = 1e12
"""Keys a second in the bound of exhaustive search: far more than one machine tries."""


def strongest(results: Results) -> pd.DataFrame:
    """Return attacks with their `verdict` and its `word`, of each on a case the worst for the owner.

    That is the one with the worst verdict, of these the one that restored most, of these from least.
    """
    found = attack_frame(results)
    found["verdict"] = found["result"].map(judge)
    found["word"] = [judged.word for judged in found["verdict"]]
    found["rank"] = found["word"].map(WORDS.index)
    found["success"] = found["restored"].round(3)
    ranked = found.sort_values(["rank", "success", "held"], ascending=[True, False, True], kind="stable")
    return ranked.drop_duplicates([*CASE, "attack"]).sort_values([*CASE, "attack"])


def in_order(attacks: Iterable[str]) -> list[str]:
    """Return names of attacks once each, the paper's first."""
    return sorted(set(attacks), key=lambda name: (ATTACKS.index(name) if name in ATTACKS else len(ATTACKS), name))


def applies(attack: str, result: AttackResult) -> bool:
    """Return whether an attack, by its name, can be tried on what another one was tried on."""
    scheme, keyed_apart = result.config.names.encryption, result.config.key_scope == "per_image"
    return scheme in ONLY.get(attack, (scheme,)) and not (keyed_apart and attack in ONE_KEY)


def search_years(bits: float, rate: float = RATE) -> str:
    """Return how many years it takes to find a key by trying, half of 2^bits on average, as a power of ten.

    Example:
        >>> search_years(256), search_years(1510.8), search_years(40)
        ('10^57', '10^434', '10^-8')
    """
    return f"10^{math.floor((bits - 1) * math.log10(2) - math.log10(rate * 365.25 * 86400))}"


def attacks(results: Results) -> Table:
    """Return a table of attacks: what each restored, beside its floors, and how much of the key it recovered."""
    columns = ["data", "scheme", "attack", "size", "ciphertexts", "restored", *map(_spaced, FLOORS)]
    columns += ["find own, %", "exact", "recognised", "key"]
    rows = []
    for entry in sorted(attack_rows(results), key=lambda entry: [entry[name] for name in (*CASE, "attack")]):
        metrics = entry["result"].metrics
        floors = [f"{metrics.floors[name].best.median:.3f}" if name in metrics.floors else "" for name in FLOORS]
        shares, seen = [share.share for share in metrics.key.values()], metrics.recognised
        measured = [str(entry["result"].threat_model.ciphertexts), f"{entry['restored']:.3f}", *floors]
        measured += [identified_words(metrics.restored), f"{100 * metrics.exact:.0f} %"]
        measured += [f"{100 * seen.restored:.1f} of {100 * seen.plain:.1f} %" if seen else ""]
        key = f"{100 * min(shares):.1f} %" if shares else ""
        rows.append([*(entry[name] for name in ("data", "label", "attack", "sizes")), *measured, key])
    notes = [
        VERSIONS,
        "find own: the share of restored images that find their original among the others, by SSIM / by features.",
        "recognised: accuracy of a network trained on plain images, on restored ones, of that on plain ones.",
        "key: the share of the subkey that was recovered worst.",
    ]
    return Table("Restoration by attacks (median SSIM)", Texts(rows, columns), notes, text=3)


def security(results: Results) -> Table:
    """Return a table with a row for each scheme at each size, a column for each attack, and the paper's symbol.

    Where an attack ran several times, the worst for the owner counts.
    """
    found = strongest(results)
    seen = [max(a.restored, a.verdict.shown or 0) for a in found.itertuples()]
    found["cell"] = [f"{a.verdict.marked} {n:.3f} ({a.held})" for n, a in zip(seen, found.itertuples(), strict=True)]
    names, links = in_order(set(found["attack"]) - {"link", "link_learned"}), linkage_words(results)
    rows, linked = [], []
    for _, here in found.groupby(CASE):
        cells, first = here.set_index("attack")["cell"], here.iloc[0]
        alone, bits = here[here["attack"].isin(CIPHERTEXT_ONLY)]["word"], first["result"].key.effective_bits
        words = [worst(alone) if len(alone) else "", worst(here["word"]), PAPER.get(first["scheme"], "")]
        years = search_years(bits) if bits else ""
        link = links.get(tuple(first[CASE]), "not run")
        tried = [cells.get(name, "not run" if applies(name, first["result"]) else "-") for name in names]
        rows.append([*first[LABELS], *tried, years, link, *words])
        case = f"{first['label']} {first['sizes']} on {first['data']}"
        found_own = [judged.linked for judged in here["verdict"] if judged.linked]
        linked += [f"linked: {case}: {found_own[0]}."] if found_own else []
        shown = [f"{judged.shown:.3f}" for judged in here["verdict"] if judged.shown is not None]
        linked += [f"shown: {case}: untouched ciphertexts have a median SSIM of {max(shown)}."] if shown else []
    columns = ["data", "scheme", "size / block", *map(_spaced, names)]
    columns += ["search, years", "linkage", "ciphertext-only", "verdict", "paper"]
    notes = [
        "Cells: verdict, median SSIM (of what was restored, or of a ciphertext that shows more), and in brackets from "
        "how many ciphertexts, known pairs or chosen images. -: the attack is on other "
        "schemes, or needs images under one key.",
        "ciphertext-only: the verdict over attacks that use no pair and no oracle.",
        "linkage: the share of ciphertexts that find their own image first in a gallery, by the copies it holds; "
        "(ciphertexts x candidates). What is found with a key each is found under one key as well.",
        *RULE,
        *([OLD] if any(judged.missing for judged in found["verdict"]) else []),
        *budget_notes(found),
        *linked,
        f"search, years: trying keys of at most 256 bits, {RATE:.0e} a second. Meaningless as a measure of security: "
        "the attacks beside it try none.",
        "paper: the symbol in its Table I, from looking at what FR, GAN and ITN restored.",
    ]
    return Table("Attacks on each scheme", Texts(rows, columns), notes, text=len(columns))


def budget_notes(found: pd.DataFrame) -> list[str]:
    """Return a sentence for each undertrained attack of `strongest`: with what, and how it ended."""
    short = found[found["word"] == "undertrained"]
    return [
        f"{e.attack} on {e.label} {e.sizes}, {e.data}: undertrained, {e.verdict.reason}." for e in short.itertuples()
    ]


def _spaced(name: str) -> str:
    return name.replace("_", " ")
