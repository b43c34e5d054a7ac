"""An attack, from its job to its record."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.table import Table
from rich.text import Text

import vitcrypt
from vitcrypt.experiment.afterwards import tried
from vitcrypt.experiment.blame import blame
from vitcrypt.experiment.config import AttackConfig
from vitcrypt.experiment.identity import published
from vitcrypt.experiment.job import Job
from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.jobs.place import expanded
from vitcrypt.report import records
from vitcrypt.report.records import AttackResult
from vitcrypt.report.results import finite, write_result
from vitcrypt.report.verdict import LEAKS, VERSIONS, identified_words, judge
from vitcrypt.untrusted.text import console

if TYPE_CHECKING:
    from torch import Tensor

CHECKPOINT = "attack.ckpt"  # how far an attack is that trains a network
SHOWN = 8  # images that are drawn and kept
NO_CLASSIFIER = "classifier= names no run on plain images"


def run(values: dict[str, Any]) -> AttackResult:
    """Carry out the attack of a configuration, unless it is done already; return its result, as in result.json.

    Args:
        values: The configuration, composed and resolved.
    """
    return Job.of(AttackConfig, values).once(AttackResult, attack, _finished_before)


def attack(job: Job[AttackConfig]) -> AttackResult:
    """Attack what the configuration gives to the attacker, score what they restored, and record it."""
    from vitcrypt.attacks.observation import Reconstruction, Resumable
    from vitcrypt.experiment.score import first, score  # from here on it takes seconds to import what is needed
    from vitcrypt.experiment.victim import Victim
    from vitcrypt.metrics import lpips
    from vitcrypt.targets import build

    config, folder = job.config, job.folder
    console.print(Text.assemble((str(config.names), "bold"), f" in {folder}"))
    weights, why_not = _lpips_weights(config)
    victim = Victim(job)
    for note in victim.splits.notes:
        console.print(f"  {note}")
    observation = victim.observation()
    classify = _recogniser(config, victim.splits.classes)
    inputs = job.settle()
    console.print("The attacker")
    for part, words in observation.threat_model.items():
        console.print(f"  {part.replace('_', ' ')}: {words}")
    with blame("attack.method", config.attack.method):
        method = build("attack.method", config.attack.method, config.allow_targets)
    if isinstance(method, Resumable):
        method = replace(cast("Any", method), checkpoint=folder / CHECKPOINT)
    started = time.perf_counter()
    # what an attack does to its ciphertexts must not reach those that it is compared with
    reconstruction = method(replace(observation, ciphertexts=observation.ciphertexts.clone()))
    if not isinstance(reconstruction, Reconstruction):
        raise ValueError(f"attack.method returned {type(reconstruction).__name__}; return a Reconstruction")
    seconds = time.perf_counter() - started + reconstruction.earlier
    truth = victim.truth
    metrics = score(truth, observation, reconstruction, lpips(weights) if weights else None, classify)
    absent = {"lpips_absent": why_not, "recognised_absent": None if classify else NO_CLASSIFIER}
    metrics = metrics.model_copy(update={name: words for name, words in absent.items() if words})
    budgets = {"spent": reconstruction.spent, "published": reconstruction.published}
    result = AttackResult(
        kind="attack",
        identity=job.identity,
        inputs=inputs.summary(victim.splits.content),
        config=records.AttackConfig(**published(config)),
        threat_model=records.ThreatModel(**observation.threat_model),
        key=job.describe_key(observation.shape),
        details=_details(reconstruction.details),
        **{name: records.Budget(**vars(budget)) for name, budget in budgets.items() if budget is not None},
        metrics=metrics,
        seconds=seconds,
        versions=records.Versions(vitcrypt=vitcrypt.__version__, python=platform.python_version()),
        first=first(truth.plain, reconstruction.images, observation.pictures, SHOWN),
    )
    rows = {"plain": truth.plain, "encrypted": observation.pictures, "restored": reconstruction.images.cpu()}
    pictures: dict[str, Any] = {label: images[:SHOWN].permute(0, 2, 3, 1).numpy() for label, images in rows.items()}
    from vitcrypt.report.figures import image_grid

    scores = [f"{value:.3f}" for value in result.first.of("restored")]
    tried(lambda: _keep(folder / "images.npz", pictures), "images.npz is missing")
    tried(lambda: image_grid(folder / "images.png", pictures, scores), "images.png is missing")
    write_result(folder, result)  # with it the attack is finished
    (folder / CHECKPOINT).unlink(missing_ok=True)
    _tell(job, result, "finished")
    return result


def _details(details: dict[str, Any]) -> records.Details:
    """Return what an attack tells, if it can be recorded."""
    try:
        found = records.Details(**finite(details))
        json.dumps(found.values(), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"attack.method: the details that it returned are no plain values: {error}") from error
    return found


def _finished_before(job: Job[AttackConfig], result: AttackResult) -> None:
    if job.config.lpips_weights and (why_not := result.metrics.lpips_absent):
        raise ValueError(
            f"{job.folder} was finished without LPIPS ({why_not}), and lpips_weights={job.config.lpips_weights} is "
            "there now; set resume=false to attack again with it"
        )
    _tell(job, result, "finished before, skipped (resume=false attacks again)")


def _keep(path: Path, images: dict[str, Any]) -> None:
    import numpy as np

    with atomic_write(path) as file:
        np.savez_compressed(file, **images)


def _lpips_weights(config: AttackConfig) -> tuple[Path | None, str | None]:
    """Return where the weights are, or why there is no LPIPS. A file that was named must be there and right."""
    from vitcrypt.metrics import lpips_weights
    from vitcrypt.metrics.lpips import LEAST

    named = config.lpips_weights
    if config.image_size < LEAST:
        if named:
            raise ValueError(f"LPIPS needs images of at least {LEAST} x {LEAST}, got image_size={config.image_size}")
        return None, f"LPIPS needs images of at least {LEAST} x {LEAST}"
    try:
        return lpips_weights(named), None
    except FileNotFoundError:
        if named:
            raise
        return None, "AlexNet's weights are not in torch's cache, and lpips_weights= names no file"


def _recogniser(config: AttackConfig, classes: list[str]) -> Callable[[Tensor], Tensor] | None:
    if config.classifier is None:
        return None
    from vitcrypt.experiment.recognition import recogniser

    return recogniser(expanded(config.classifier), classes)


def _tell(job: Job[AttackConfig], result: AttackResult, how: str) -> None:
    metrics = result.metrics
    table = Table(title=f"{job.config.names}: {how}", title_justify="left")
    measured = metrics.restored.lpips is not None
    columns = ("SSIM", "as it is", "PSNR", "folded", "find own, %", *(["LPIPS"] if measured else []))
    for column in ("", *columns):
        table.add_column(column, justify="left" if not column else "right")
    for name, found in ({"restored": metrics.restored} | metrics.floors).items():
        decibels = "exact" if found.psnr.median is None else f"{found.psnr.median:.1f} dB"
        cells = [f"{found.best.median:.3f}", f"{found.ssim.median:.3f}", decibels]
        cells += [f"{found.folded_ssim.median:.3f}", identified_words(found)]
        table.add_row(name.replace("_", " "), *cells, *([f"{found.lpips.median:.3f}"] if found.lpips else []))
    console.print(table)
    console.print(f"  {VERSIONS} Medians over the images.")
    console.print("  find own: the share that finds its original among the others, by SSIM / by features.")
    for line in _lines(result):
        console.print(f"  {line}")
    job.print_files()


def _lines(result: AttackResult) -> Iterator[str]:
    """Yield what stands below the table, the verdict last."""
    metrics, judged = result.metrics, judge(result)
    other = f", {100 * metrics.exact:.0f} % up to a symmetry" if metrics.exact != metrics.exact_images else ""
    yield f"{metrics.images} images, {100 * metrics.exact_images:.0f} % restored exactly{other}, {result.seconds:.1f} s"
    if (
        metrics.symmetry not in (None, "as it is")
        and metrics.restored.best.median >= metrics.restored.ssim.median + LEAKS
    ):
        yield f"most alike as a set when they are {metrics.symmetry}"
    for name, share in metrics.key.items():
        yield f"{name}: {100 * share.share:.1f} % recovered (guessing: {100 * share.guessing:.1f} %)"
    if (found := metrics.linked) is not None:
        rates = f"{100 * found.top1:.1f} %, among the first five {100 * found.top5:.1f} %"
        yield f"own image first among {found.among:,}: {rates}; as near as it (median): {found.anonymity.median:.0f}"
        yield f"told from images that are not in the gallery: {found.membership:.3f} (AUC; guessing: 0.5)"
    if metrics.blocks:
        yield "blocks: " + ", ".join(f"{name} {100 * share:.1f} %" for name, share in metrics.blocks.items())
    if seen := metrics.recognised:
        shares = ("restored", seen.restored), ("plain", seen.plain), ("ciphertext", seen.ciphertext)
        words = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares)
        yield f"recognised by the classifier: {words} (the most frequent class: {100 * seen.chance:.1f} %)"
    elif metrics.recognised_absent:
        yield f"recognised by a classifier: not measured ({metrics.recognised_absent})"
    if judged.linked:
        yield f"linked: {judged.linked}"
    yield f"verdict: {judged.word}; {judged.reason}"
    if judged.missing:
        yield f"this record is older than {judged.missing}; resume=false attacks again with them"
