"""The process that judges: loads the scheme, tries its declarations, trains, attacks, and writes the card.

It is started by `vitcrypt benchmark` with an environment that names no key. Every training and attack is a finished
folder or none, so that the same command goes on where it was broken off.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from omegaconf import OmegaConf

from vitcrypt.benchmark.candidate import Candidate, load
from vitcrypt.benchmark.card import Card, Outcome, write_card
from vitcrypt.benchmark.declarations import examine
from vitcrypt.benchmark.measures import measure
from vitcrypt.benchmark.plan import BUDGETS, PLAIN, BudgetName, Step, attacks, curve, trainings
from vitcrypt.encryption import SCHEMES, Shape
from vitcrypt.experiment import attack, train
from vitcrypt.experiment.blame import strangers
from vitcrypt.experiment.composition import composed, settled
from vitcrypt.experiment.config import AttackConfig, Config
from vitcrypt.experiment.evaluate import evaluate
from vitcrypt.experiment.images import splits_of
from vitcrypt.experiment.job import Job, configured
from vitcrypt.experiment.sample import at_hand, resized
from vitcrypt.jobs.lock import alone_in
from vitcrypt.report.break_curve import BY_NUMBER
from vitcrypt.report.printed import Format, print_table
from vitcrypt.report.records import AttackResult, TrainingResult
from vitcrypt.report.results import read_result
from vitcrypt.report.verdict import judge
from vitcrypt.untrusted.text import console, error_console, one_line

OTHER_KEY = "test-1"
SIZE = 32


@dataclass
class Benchmark:
    """A scheme that is being judged.

    Attributes:
        candidate: The scheme.
        folder: Where runs, log and card lie.
        data: Overrides that choose the images.
        budget: Name of the budget.
        settings: Overrides of the scheme's own values.
        outcomes: What the steps came to, so far.
    """

    candidate: Candidate
    folder: Path
    data: list[str]
    budget: BudgetName
    settings: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def run(self) -> Card:
        """Judge it; return the card, which is also written."""
        images = splits_of(self._config())
        candidate, budget = self.candidate, BUDGETS[self.budget]
        plain = resized(images.test, list(range(min(64, len(images.test)))), SIZE)
        shape: Shape = (3, SIZE, SIZE)
        candidate.scheme.check_shape(shape)
        _say("its declarations, tried")
        with strangers(candidate.modules, always=True), self._log():
            examined = examine(candidate.scheme, plain)
            measured = measure(candidate.scheme, plain, examined)
        for finding in examined.findings:
            console.print(f"  {finding.what}: {finding.told}", style="" if finding.honest else "bold red")
        trained = trainings(candidate, self.data, budget, shape, candidate.scheme.output_shape(shape))
        attacked = attacks(candidate, self.data, budget, shape, examined, len(images.train), len(images.test))
        classifier = next(step.name for step in trained if step.name == "resnet18 on plain")
        progress = _Progress([*trained, *attacked])
        for step in trained:
            self._step(step, progress)
        for step in attacked:
            named = self.result(classifier)
            looks = isinstance(named, TrainingResult) and step.part == "attack"
            self._step(step, progress, [f"classifier={named.folder}"] if named is not None and looks else [])
        for step in self._curves():
            progress.add(step)
            self._step(step, progress)
        card = Card.of(candidate, self.budget, [*self.data, *self.settings], examined, measured, self.outcomes)
        write_card(card, self.folder, [outcome.result for outcome in self.outcomes if outcome.result is not None])
        return card

    def result(self, name: str) -> TrainingResult | AttackResult | None:
        """Return the result of a step."""
        return next((outcome.result for outcome in self.outcomes if outcome.step.name == name), None)

    def _config(self) -> Config:
        """Return a training with the images; a scheme of vitcrypt's, or one with settings, is made of its values."""
        given, encryption = self.candidate.given, PLAIN
        if made := given is None or self.settings:
            self.candidate = replace(self.candidate, overrides=[*self.candidate.overrides, *self.settings])
            kind = given or SCHEMES[self.candidate.overrides[0].partition("=")[2]]
            encryption = [*self.candidate.overrides, f"key_scope={kind.properties.key_scopes[0]}"]
        values = _composed("config", self._names("run", [*self.data, *encryption, "model=resnet18"]))
        with strangers(self.candidate.modules):
            config, scheme = configured(Config, values)
        if made:
            self.candidate = replace(self.candidate, given=scheme)
        return config

    def _names(self, program: str, overrides: list[str]) -> list[str]:
        """Add what Hydra's command line would: how results are filed."""
        chosen = dict(entry.split("=", 1) for entry in overrides if "=" in entry)
        names = {"data": chosen["data"], "encryption": chosen["encryption"]}
        names |= {"attack": chosen["attack"]} if program == "attack" else {"model": chosen["model"]}
        if chosen.get("encryption._target_"):
            names["encryption"] = self.candidate.name
        said = [f"names.{name}={value}" for name, value in names.items() if f"names.{name}" not in chosen]
        return [*overrides, *said]

    def _step(self, step: Step, progress: _Progress, more: list[str] | None = None) -> None:
        # what is trained on plain images serves all schemes
        place = self.folder.parent / "plain" if step.on_plain else self.folder / "results"
        overrides = [*step.overrides, *(more or []), f"results={place}"]
        if step.after is not None:
            first = self.result(step.after)
            if not isinstance(first, TrainingResult):
                self.outcomes.append(Outcome(step, None, f"{step.after} did not end"))
                return
            overrides.append(f"model.weights={first.folder / 'last.ckpt'}")
        overrides += ["trainer=cpu", "trainer.enable_progress_bar=false"] if step.program == "run" else []
        values = _composed(
            "attack_config" if step.program == "attack" else "config", self._names(step.program, overrides)
        )
        result: TrainingResult | AttackResult | None = None
        started, why_not, other = time.monotonic(), None, None
        others = partial(_say, f"waiting for the process at work in {place}")  # for all schemes, the same plain runs
        with alone_in(place, others), progress.of(step), self._log():
            try:
                with strangers(values["allow_targets"], always=True):
                    if step.program == "attack":
                        folder = Job.of(AttackConfig, values).folder
                        attack.run(values)
                        result = read_result(folder, AttackResult)
                    else:
                        folder = Job.of(Config, values).folder
                        train.run(values)
                        result = read_result(folder, TrainingResult)
                    if step.program == "run" and not step.on_plain:
                        said = [entry for entry in step.overrides if entry.startswith("allow_targets=")]
                        own = said[-1] if said else "allow_targets=[]"
                        other = evaluate(folder, [f"key={OTHER_KEY}", "trainer=cpu", own])[0]["acc"]
            except (ValueError, FileNotFoundError, MemoryError) as error:
                why_not = one_line(error)
        self.outcomes.append(Outcome(step, result, why_not, other, time.monotonic() - started))
        console.print(f"  {step.name}: {self.outcomes[-1].told}")

    def _curves(self) -> Iterator[Step]:
        """Yield the attacks on ciphertexts alone, and on known pairs, that restored most, with less."""
        for held in ("ciphertexts", "known"):
            ended = [
                (outcome.result.metrics.restored.best.median, outcome.step)
                for outcome in self.outcomes
                if isinstance(outcome.result, AttackResult)
                and BY_NUMBER.get(outcome.step.name) == held
                and judge(outcome.result).word in ("broken", "leaks")
            ]
            if ended:
                _, best = max(ended, key=lambda pair: pair[0])
                chosen = dict(entry.split("=", 1) for entry in best.overrides if "=" in entry)
                more = ("ciphertexts", "intercepted") if held == "ciphertexts" else ("known",)
                yield from curve(best, held, sum(int(chosen.get(f"attack.observation.{part}", 0)) for part in more))

    @contextlib.contextmanager
    def _log(self) -> Iterator[None]:
        with (
            (self.folder / "benchmark.log").open("a") as log,
            contextlib.redirect_stdout(log),
            contextlib.redirect_stderr(log),
        ):
            yield


class _Progress:
    """Tells before each step which it is, and how long the rest will take at the rate so far."""

    def __init__(self, steps: list[Step]) -> None:
        self._left, self._count, self._done = list(steps), len(steps), 0
        self._seconds = self._weight = 0.0

    def add(self, step: Step) -> None:
        self._left.append(step)
        self._count += 1

    @contextlib.contextmanager
    def of(self, step: Step) -> Iterator[None]:
        self._done += 1
        rest = sum(other.weight for other in self._left)
        left = f", about {self._seconds / self._weight * rest / 60:.0f} min left" if self._weight else ""
        error_console.print(f"{self._done}/{self._count} {step.name}{left}", style="dim")
        started = time.monotonic()
        yield
        if (taken := time.monotonic() - started) > 0.5:  # what was skipped says nothing about the rest
            self._seconds, self._weight = self._seconds + taken, self._weight + step.weight
        self._left = [other for other in self._left if other is not step]


def _composed(name: str, overrides: list[str]) -> dict[str, Any]:
    values: Any = OmegaConf.to_container(composed(name, overrides), resolve=True, throw_on_missing=True)
    return settled(values) if "model" in values["names"] else values


def _say(text: str) -> None:
    error_console.print(text, style="dim")


def main(arguments: list[str]) -> None:
    """Judge what the arguments, one JSON object, say."""
    asked = json.loads(arguments[0])
    torch.manual_seed(0)
    candidate = load(asked["scheme"])
    folder = Path(asked["folder"])
    data, budget = asked["data"] or at_hand(), cast("BudgetName", asked["budget"])
    benchmark = Benchmark(candidate, folder, data, budget, asked["settings"])
    with alone_in(folder):
        card = benchmark.run()
    for table in card.tables():
        if table.rows:
            print_table(table, Format(asked["format"]))
    error_console.print(f"{folder / 'card.json'}, card.html and card.tex beside it")
