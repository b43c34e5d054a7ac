"""The card of a scheme: what was declared and found, measured, restored; one sentence a line on what broke."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import vitcrypt
from vitcrypt.benchmark.candidate import Candidate
from vitcrypt.benchmark.declarations import Examined, Finding
from vitcrypt.benchmark.measures import Measured
from vitcrypt.benchmark.plan import Step
from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.report.frame import Table, Texts
from vitcrypt.report.html import html_report
from vitcrypt.report.records import AttackResult, TrainingResult
from vitcrypt.report.verdict import judge

FORMAT = "vitcrypt card 1"
HELD = {"known": "pairs", "oracle": "queries", "intercepted": "more", "public_images": "public images"}
NOTE = "Survived means: by the attacks run here, at this budget. It is no proof, and others may do better."


@dataclass(frozen=True)
class Outcome:
    """What a step came to.

    Attributes:
        step: The training or attack.
        result: Its record; None if it did not apply or failed.
        why_not: Then the reason.
        other_key: Accuracy on images under another key than the training's.
        seconds: It took.
    """

    step: Step
    result: TrainingResult | AttackResult | None
    why_not: str | None = None
    other_key: float | None = None
    seconds: float = 0.0

    @property
    def told(self) -> str:
        """One sentence."""
        if isinstance(self.result, TrainingResult):
            more = f", {100 * self.other_key:.1f} % under another key" if self.other_key is not None else ""
            more += f"; {self.why_not}" if self.why_not else ""
            return f"accuracy {100 * self.result.metrics.acc:.1f} %{more}"
        if isinstance(self.result, AttackResult):
            verdict = judge(self.result)
            return f"{verdict.word}: {verdict.reason}"
        return f"not run: {self.why_not}"


@dataclass(frozen=True)
class Card:
    """All that is known of a scheme after a benchmark; `json` is what is kept."""

    scheme: dict[str, Any]
    origin: str
    budget: str
    data: list[str]
    findings: list[Finding]
    measured: Measured
    outcomes: list[Outcome] = field(repr=False)

    @classmethod
    def of(
        cls,
        candidate: Candidate,
        budget: str,
        data: list[str],
        examined: Examined,
        measured: Measured,
        outcomes: list[Outcome],
    ) -> Card:
        """Put it together."""
        scheme = candidate.scheme.to_dict()
        files = ("data.root=", "encryption.weights=")
        told = [f"{e.partition('=')[0]}={Path(e).name}" if e.startswith(files) else e for e in data]
        return cls(scheme, candidate.origin, budget, told, examined.findings, measured, outcomes)

    @property
    def attacks(self) -> list[tuple[Outcome, AttackResult]]:
        """Attacks that ran, linkage and curves too."""
        return [(o, o.result) for o in self.outcomes if isinstance(o.result, AttackResult)]

    @property
    def sentences(self) -> list[str]:
        """One sentence a line: lies, what broke or leaks, what survived which attacks."""
        lines = [f"It is not what it declares: {f.what}. {f.told}" for f in self.findings if not f.honest]
        words: dict[str, list[str]] = {}
        for outcome, result in self.attacks:
            if outcome.step.part == "curve":
                continue
            verdict = judge(result)
            words.setdefault(verdict.word, []).append(outcome.step.name)
            if verdict.word in ("broken", "leaks", "linkable"):
                lines.append(
                    f"{verdict.word.capitalize()} by {outcome.step.name} with {_held(result)}: {verdict.reason}."
                )
        if names := words.get("undertrained"):
            lines.append(f"No verdict from {', '.join(names)}: the network was trained with less than published.")
        if names := words.get("not by this"):
            lines.append(f"Survived at this budget: {', '.join(names)}.")
        lines += [
            f"No accuracy: {o.step.name} {o.why_not}." for o in self.outcomes if o.step.program == "run" and o.why_not
        ]
        return lines

    def tables(self) -> list[Table]:
        """Return the parts of the card."""
        name = self.scheme["name"]
        declared = Texts([[f.what, f.declared, f.found, f.told] for f in self.findings], ["", "declared", "found", ""])
        figures = {**self.measured.key, **self.measured.speed, **self.measured.ciphertexts}
        measured = Texts([[what, _number(value)] for what, value in figures.items()], ["", name])
        trained = [o for o in self.outcomes if o.step.part == "accuracy"]
        accuracy = Texts([[o.step.name, *_accuracy(o)] for o in trained], ["", "accuracy, %", "under another key, %"])
        restored: list[list[str]] = []
        linked: list[list[str]] = []
        curves: list[list[str]] = []
        for outcome, result in self.attacks:
            verdict, found = judge(result), result.metrics
            row = [outcome.step.name, _held(result), verdict.marked, f"{found.restored.best.median:.3f}"]
            if found.linked is not None:
                k = f"{found.linked.anonymity.median:.0f}"
                rates = [f"{100 * rate:.1f}" for rate in (found.linked.top1, found.linked.top5)]
                linked.append([outcome.step.name, _held(result), verdict.marked, *rates, k])
            else:
                (curves if outcome.step.part == "curve" else restored).append([*row, f"{result.seconds:.0f} s"])
        tried = [o for o in self.outcomes if o.step.part in ("attack", "linkage")]
        missed = [[o.step.name, str(o.why_not)] for o in tried if o.result is None]
        columns = ["attack", "with", "verdict", "SSIM", "took"]
        linkage = ["", "with", "verdict", "top-1, %", "top-5, %", "k"]
        origin = [f"{self.origin}; data: {' '.join(self.data)}; budget {self.budget}"]
        return [
            Table(f"{name}: declared and found", declared, [*self.sentences, *origin], text=4),
            Table(
                f"{name}: measured",
                measured,
                ["None of these measures security.", "times a copy: time to encrypt"],
                text=1,
            ),
            Table(f"{name}: accuracy", accuracy, [], text=1),
            Table(f"{name}: attacks", Texts(restored, columns), [NOTE], text=3),
            Table(f"{name}: linkage", Texts(linked, linkage), [], text=3),
            Table(f"{name}: break curve", Texts(curves, columns), [], text=3),
            Table(f"{name}: attacks that do not apply", Texts(missed, ["attack", "why"]), [], text=2),
        ]

    def json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "format": FORMAT,
            "vitcrypt": vitcrypt.__version__,
            "scheme": self.scheme,
            "origin": self.origin,
            "budget": self.budget,
            "data": self.data,
            "findings": [asdict(finding) for finding in self.findings],
            "measured": {part: _finite(values) for part, values in asdict(self.measured).items()},
            "steps": [_kept(outcome) for outcome in self.outcomes],
            "sentences": self.sentences,
        }


def write_card(card: Card, folder: Path, results: list[TrainingResult | AttackResult]) -> None:
    """Write card.json, card.html and card.tex into a folder."""
    tables = [table for table in card.tables() if table.rows]
    with atomic_write(folder / "card.json") as file:
        file.write((json.dumps(card.json(), indent=2, allow_nan=False) + "\n").encode())
    with atomic_write(folder / "card.tex") as file:
        file.write("\n".join(table.latex() for table in tables).encode())
    html_report(folder / "card.html", results, tables, [], {}, folder)


def _accuracy(outcome: Outcome) -> list[str]:
    if not isinstance(outcome.result, TrainingResult):
        return [f"none: {outcome.why_not}", ""]
    other = outcome.other_key
    return [f"{100 * outcome.result.metrics.acc:.1f}", f"{100 * other:.1f}" if other is not None else ""]


def _held(result: AttackResult) -> str:
    """Say what the attacker was given."""
    held, linked = result.threat_model, result.metrics.linked
    if linked is not None:
        return f"1 ciphertext among {linked.among:,} candidates"
    told = {name: str(getattr(held, name, None) or "").rpartition(": ")[2] for name in HELD}
    return ", ".join([f"{held.ciphertexts} ciphertexts", *(f"{n} {HELD[name]}" for name, n in told.items() if n)])


def _number(value: float | None) -> str:
    if value is None:
        return "unknown"
    return "infinite" if math.isinf(value) else f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"


def _finite(values: dict[str, float | None]) -> dict[str, float | None]:
    return {name: value if value is None or math.isfinite(value) else None for name, value in values.items()}


def _kept(outcome: Outcome) -> dict[str, Any]:
    result = outcome.result
    said = [entry for entry in outcome.step.overrides if not entry.startswith("data")]
    kept = {"name": outcome.step.name, "overrides": said, "seconds": round(outcome.seconds, 2)}
    if result is None:
        return {**kept, "not_run": outcome.why_not}
    kept |= {"identity": result.identity, "told": outcome.told}
    if isinstance(result, TrainingResult):
        return {**kept, "accuracy": result.metrics.acc, "under_another_key": outcome.other_key}
    linked = result.metrics.linked
    found = {"top1": linked.top1} if linked is not None else {"ssim": result.metrics.restored.best.median}
    return {**kept, "verdict": judge(result).word, **found}
