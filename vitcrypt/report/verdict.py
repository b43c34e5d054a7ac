"""The verdict on an attack, computed by `RULE` from its record."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from vitcrypt.report.measures import FLOORS, Identified, Linked, Similarity
from vitcrypt.report.records import AttackResult

BROKEN, LEAKS = 0.9, 0.1
FOUND, LUCK = 0.05, 1e-5
LEARNED = ("gan", "itn")
"""Attacks that train a network; of records without budgets it is not known how long."""
WORDS = ("broken", "leaks", "linkable", "not by this", "undertrained")
"""Verdicts, the worst for the owner first."""

VERSIONS = (
    "SSIM: of each image the best of its 96 versions (mirrored, turned, channels exchanged, negated), floors alike."
)
RULE = (
    VERSIONS,
    f"above the floors: median SSIM higher by {LEAKS} (or half of what is missing to 1, if less) than the best of the "
    "untouched ciphertext, an unrelated image, a constant colour, and the mean of public images.",
    "shown: the untouched ciphertext itself is above the other floors: it takes no attack.",
    f"broken: median SSIM at least {BROKEN} and above the floors or shown, or half of the images restored exactly.",
    f"leaks: shown, or above the floors, or restored images find their own original among the others, at least "
    f"{FOUND:.0%} of them and more than ciphertexts do, by luck once in {1 / LUCK:,.0f} times (one-sided binomial).",
    f"linkable: at least {FOUND:.0%} of ciphertexts, and more than by luck, find their own image first in a gallery. "
    "It is the verdict on linkage alone, which restores nothing: candidates are public from the start.",
    "undertrained: neither, by a network trained with fewer steps, images or parameters (0.9 of them) than published, "
    "or with an unknown budget: no verdict.",
    "not by this: neither, which says nothing about other attacks. nothing found: not by any that was run.",
)
OLD = "*: from a record without all floors, or without the symmetries; repeat the attack with resume=false."


@dataclass(frozen=True)
class Verdict:
    """What is said of an attack.

    Attributes:
        word: One of `WORDS`.
        reason: Why, as a part of a sentence with its numbers.
        missing: What the record does not hold, as it is older than that; empty for a record of today.
        linked: Why untouched ciphertexts can be linked to their originals, or None if they cannot.
        shown: The median SSIM of untouched ciphertexts, where they show the images themselves.
    """

    word: str
    reason: str
    missing: str
    linked: str | None
    shown: float | None = None

    @property
    def marked(self) -> str:
        """The word, with a star where something is missing."""
        return self.word + "*" * bool(self.missing)


def judge(result: AttackResult) -> Verdict:
    """Judge one attack by `RULE`."""
    metrics = result.metrics
    linked = _found(metrics.ciphertext.identified, None, "untouched ciphertexts", least=0)
    needed = FLOORS if metrics.images > 1 else [name for name in FLOORS if name != "unrelated"]
    absent = [_named(name) for name in needed if name not in metrics.floors]
    absent += ["the symmetries"] if metrics.restored.symmetric_ssim is None else []
    floors = {name: found.best.median for name, found in metrics.floors.items()}
    restored, name = metrics.restored.best.median, max(floors, key=lambda name: floors[name])
    above, floor, ciphertext = _above(restored, floors[name]), floors[name], floors.pop("ciphertext")
    compared = f"median SSIM {restored:.3f}, the best floor ({_named(name)}) {floor:.3f}"
    shown = "constant" in floors and _above(ciphertext, max(floors.values()))  # older records have no such floor
    seen = f"untouched ciphertexts show the images: median SSIM {ciphertext:.3f}" if shown else None
    found = _found(metrics.restored.identified, metrics.ciphertext.identified, "restored images")
    if metrics.linked is not None:
        return _of_linkage(metrics.linked, metrics.images, linked)
    if metrics.exact >= 0.5:  # of this no floor can take anything away
        word, reason, absent = "broken", f"{metrics.exact:.0%} of the images are restored exactly", []
    elif above and restored >= BROKEN:
        word, reason = "broken", compared
    elif seen and ciphertext >= BROKEN:
        word, reason = "broken", seen
    elif above or found or seen:
        word, reason = "leaks", "; ".join(filter(None, [seen, compared, found]))
    elif short := shortfall(result):
        word, reason = "undertrained", f"{short}; {compared}"
    else:
        word, reason = "not by this", compared
    return Verdict(word, reason, ", ".join(absent), linked, ciphertext if shown else None)


def _above(value: float, floor: float) -> bool:
    return value >= floor + min(LEAKS, (1 - floor) / 2)


def _of_linkage(found: Linked, images: int, linked: str | None) -> Verdict:
    rate, chance = found.top1, 1 / found.among
    told = (
        f"{rate:.1%} of {images:,} ciphertexts find their own image first among {found.among:,} (chance: {chance:.2%})"
    )
    far = chance < 1 and above_chance(rate, images, chance)
    return Verdict("linkable" if far else "not by this", told, "", linked)


def shortfall(result: AttackResult) -> str | None:
    """Return in which way a learned attack was trained with less than in its publication; None if in none."""
    spent, published = result.spent, result.published
    target = str(result.config.attack.method.get("_target_", "")).rpartition(".")[2].lower()
    if spent is None:
        return "budget unknown" if {result.config.names.attack, target} & set(LEARNED) else None
    if published is None:
        return "no published budget to compare with"
    wanted = {"steps": published.steps, "images": published.images, "parameters": 0.9 * published.parameters}
    had = {name: getattr(spent, name) for name in wanted}
    told = [f"{had[name]:,} of {getattr(published, name):,} {name}" for name in wanted if had[name] < wanted[name]]
    return ", ".join(told) or None


def worst(words: Iterable[str]) -> str:
    """Judge several attacks on a scheme by their words: the worst of them, "nothing found" or "undertrained only"."""
    found = set(words)
    for word in ("broken", "leaks", "linkable"):
        if word in found:
            return word
    if found == {"undertrained"}:
        return "undertrained only"
    return "nothing found" + ", some undertrained" * ("undertrained" in found)


def above_chance(rate: float, among: int, chance: float, least: float = FOUND) -> bool:
    """Whether so many of `among` images find their own that luck does it once in 100,000 times at most.

    However certain it is, a rate below `least` does not count.

    Example:
        >>> above_chance(0.05, 1000, 0.001), above_chance(0.2, 10, 0.1), above_chance(1.0, 4, 0.25)
        (True, False, False)
    """
    from scipy.special import bdtrc

    hits = math.floor(rate * among + 1e-6)
    return rate >= least and hits > 0 and float(bdtrc(hits - 1, among, chance)) < LUCK


def _found(rates: Identified | None, floor: Identified | None, what: str, least: float = FOUND) -> str | None:
    """Say by which measures images find their own originals more often than by chance and than the floor."""
    if rates is None:
        return None
    told = []
    for name, words in (("ssim", "SSIM"), ("features", "features")):
        rate, before = getattr(rates, name), max(1 / rates.among, getattr(floor, name) if floor else 0)
        if before < 1 and above_chance(rate, rates.among, before, least):
            told.append(f"{rate:.1%} by {words} ({'ciphertexts' if floor else 'chance'}: {before:.1%})")
    return f"{what} find their own original among {rates.among:,}: {', '.join(told)}" if told else None


def _named(floor: str) -> str:
    return {"constant": "a constant", "mean_image": "the mean image"}.get(floor, floor)


def identified_words(found: Similarity) -> str:
    """Return both rates in percent, SSIM first; empty where they were not measured."""
    rates = found.identified
    return f"{100 * rates.ssim:.1f} / {100 * rates.features:.1f}" if rates else ""
