"""Attacks as tables: one line each, and scheme by attack with a computed verdict beside the paper's symbol."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from vitcrypt.report.results import AttackResult, Results, TrainingResult, attacked
from vitcrypt.report.sheet import Sheet

PAPER = {"le": "x", "etc": "check", "ele": "check", "pe": "x", "proposed": "check", "plain": "-"}
"""The security column of the paper's Table I; it rests on visual inspection under FR, GAN and ITN."""

ORDER = ("plain", "le", "etc", "ele", "pe", "proposed")
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


class Case(NamedTuple):
    """What is attacked: data, scheme with its options, size of image and block."""

    data: str
    scheme: str
    options: str
    size: int
    block: int

    @property
    def label(self) -> str:
        """The scheme in words."""
        return f"{self.scheme}, {self.options}" if self.options else self.scheme

    @property
    def sizes(self) -> str:
        """Side of the image, and of the block where there is one."""
        return f"{self.size} / {self.block}" if self.block > 1 else str(self.size)

    @property
    def place(self) -> tuple[Any, ...]:
        """Where it stands in tables: schemes in the paper's order."""
        place = ORDER.index(self.scheme) if self.scheme in ORDER else len(ORDER)
        return self.data, place, self.scheme, self.size, self.block, self.options


def case_of(result: TrainingResult | AttackResult) -> Case:
    """Return the case of a training or an attack."""
    config, encryption = result.config, result.config.encryption or {}
    options = ["signs only"] if encryption.get("channel_shuffle") is False else []
    options += ["a key each"] if config.key_scope == "per_image" else []
    names = config.names
    return Case(names.data, names.encryption, ", ".join(options), config.image_size, config.block_size)


def by_attack(results: Results) -> dict[Case, dict[str, AttackResult]]:
    """Return for every case the result of each attack: of several, that which restored most from least."""
    cases: dict[Case, dict[str, AttackResult]] = {}
    for result in attacked(results):
        row = cases.setdefault(case_of(result), {})
        name = result.config.names.attack
        if name not in row or _success(result) > _success(row[name]):
            row[name] = result
    return dict(sorted(cases.items(), key=lambda entry: entry[0].place))


def in_order(attacks: Iterable[str]) -> list[str]:
    """Return names of attacks, the paper's first."""
    return sorted(attacks, key=lambda name: (ATTACKS.index(name) if name in ATTACKS else len(ATTACKS), name))


def restored(result: AttackResult) -> float:
    """Return the median SSIM of what an attack restored."""
    return result.metrics.restored.ssim.median


def held(result: AttackResult) -> int:
    """Return what an attack worked with: pairs if they were known, images if they were chosen, else ciphertexts."""
    name, observation = result.config.names.attack, result.config.attack.observation
    if name == "chosen_plaintext":
        return result.details.queries
    return observation.known if name == "known_plaintext" else observation.ciphertexts


def _success(result: AttackResult) -> tuple[float, int]:
    return round(restored(result), 3), -held(result)


def verdict(result: AttackResult) -> str:
    """Judge one attack by `RULE`: "broken", "leaks" or "not by this"."""
    metrics = result.metrics
    if restored(result) >= BROKEN or metrics.exact_images >= 0.5:
        return "broken"
    floors = [floor.ssim.median for floor in (metrics.ciphertext, metrics.unrelated) if floor is not None]
    return "leaks" if restored(result) >= max(floors) + LEAKS else "not by this"


def worst(results: Iterable[AttackResult]) -> str:
    """Judge several attacks on one scheme: the worst verdict, or "nothing found"."""
    verdicts = {verdict(result) for result in results}
    return next((word for word in ("broken", "leaks") if word in verdicts), "nothing found")


def search_years(bits: float, rate: float = RATE) -> str:
    """Return how many years it takes to find a key by trying, half of 2^bits on average, as a power of ten.

    Example:
        >>> search_years(256), search_years(1510.8), search_years(40)
        ('10^57', '10^434', '10^-8')
    """
    return f"10^{math.floor((bits - 1) * math.log10(2) - math.log10(rate * 365.25 * 86400))}"


def attacks(results: Results) -> Sheet:
    """Return a table of attacks: what each restored, beside its floors, and how much of the key it recovered."""
    measured = ("restored", "ciphertext", "unrelated")
    columns = ["data", "scheme", "attack", "size", "ciphertexts", *measured, "exact", "key"]
    found = [(case_of(result), result) for result in attacked(results)]
    rows = []
    for case, result in sorted(found, key=lambda entry: (entry[0].place, entry[1].config.names.attack)):
        metrics = result.metrics
        key = [share.share for share in metrics.key.values()]
        similarities = (metrics.restored, metrics.ciphertext, metrics.unrelated)
        rows.append(
            [
                case.data,
                case.label,
                result.config.names.attack,
                case.sizes,
                str(result.threat_model.ciphertexts),
                *(f"{found.ssim.median:.3f}" if found else "" for found in similarities),
                f"{100 * metrics.exact_images:.0f} %",
                f"{100 * min(key):.1f} %" if key else "",
            ]
        )
    notes = ["key: the share of the subkey that was recovered worst."]
    return Sheet("Restoration by attacks (median SSIM)", columns, rows, notes, text=3)


def security(results: Results) -> Sheet:
    """Return a table with a row for each scheme at each size, a column for each attack, and the paper's symbol.

    Where an attack ran several times, the worst for the owner counts.
    """
    cases = by_attack(results)
    names = in_order({name for row in cases.values() for name in row})
    heads = [name.replace("_", " ") for name in names]
    rows = []
    for case, row in cases.items():
        cells = [_cell(row[name]) if name in row else "" for name in names]
        alone = [result for name, result in row.items() if name in CIPHERTEXT_ONLY]
        bits = next(iter(row.values())).key.effective_bits
        years = search_years(bits) if bits else ""
        words = [worst(alone) if alone else "", worst(row.values()), PAPER.get(case.scheme, "")]
        rows.append([case.data, case.label, case.sizes, *cells, years, *words])
    columns = ["data", "scheme", "size / block", *heads, "search, years", "ciphertext-only", "verdict", "paper"]
    notes = [
        "Cells: verdict, median SSIM, and in brackets from how many ciphertexts, known pairs or chosen images.",
        "ciphertext-only: the verdict over attacks that use no pair and no oracle.",
        *RULE,
        f"search, years: trying keys of at most 256 bits, {RATE:.0e} a second. Meaningless as a measure of security: "
        "the attacks beside it try none.",
        "paper: the symbol in its Table I, from looking at what FR, GAN and ITN restored.",
    ]
    return Sheet("Attacks on each scheme", columns, rows, notes, text=len(columns))


def _cell(result: AttackResult) -> str:
    return f"{verdict(result)} {restored(result):.3f} ({held(result)})"
