"""A training, from its job to its record."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from rich.text import Text

from vitcrypt.experiment.afterwards import tried
from vitcrypt.experiment.config import Config
from vitcrypt.experiment.job import Job
from vitcrypt.experiment.nodes import Node
from vitcrypt.report.records import TrainingResult
from vitcrypt.report.results import PICTURES
from vitcrypt.untrusted.text import console

if TYPE_CHECKING:
    from vitcrypt.data import ImageDataModule


def run(values: dict[str, Any]) -> TrainingResult | None:
    """Bring the training of a configuration to its end: skip it if finished, resume it if broken off.

    Of several machines those of rank 1, 2, ... only train; the one of rank 0 does all else.

    Args:
        values: The configuration, composed and resolved.

    Returns:
        The result, as in result.json; None on a machine that only trained.
    """
    job = Job.of(Config, values)
    if (node := Node.of(job.config.trainer)) is not None and node.rank:
        _train_along(job, node)
        return None
    return job.once(TrainingResult, train, _finished_before)


def train(job: Job[Config]) -> TrainingResult:
    """Train and test a network on encrypted images, and record it. Resumes from the last checkpoint, if there is one.

    Returns:
        The result, as in result.json.

    Raises:
        FileNotFoundError: Data or weights are missing; nothing was written.
        ValueError: Parts of the configuration do not fit together; nothing was written.
    """
    from vitcrypt.experiment import loggers  # these take seconds to import, and a finished run needs none of them
    from vitcrypt.experiment.plan import warnings_of
    from vitcrypt.experiment.progress import quiet_libraries
    from vitcrypt.experiment.record import record
    from vitcrypt.experiment.training_run import TrainingRun, checkpoint_of

    quiet_libraries()
    config, folder = job.config, job.folder
    resumes = checkpoint_of(job).exists()
    if resumes:
        job.settle()  # before images are decoded that are not meant
    training = TrainingRun.of(job)  # data, encryption, network, trainer
    inputs = job.settle()
    OmegaConf.save(OmegaConf.create(asdict(config)), folder / "config.yaml")

    console.print(Text.assemble((str(config.names), "bold"), f"{' (resuming)' * resumes} in {folder}"))
    for note in training.data.splits.notes:
        console.print(f"  {note}")
    for name in job.public_test_keys if job.key is not None else ():
        console.print(f"{name} is a public test key: anyone can decrypt these images.", style="yellow")
    if config.model.fold_key:
        console.print(
            "Anyone who has the checkpoint and the original weights can read the key from the two.", style="yellow"
        )
    for line in warnings_of(config, training.plan, validated=training.data.splits.val is not None):
        console.print(line, style="yellow")

    attached, result = [], None
    try:
        attached = training.loggers()
        training.fit(attached)
        metrics, history = training.test()
        result = record(training, metrics, history, inputs)  # with it the run is finished
        drawn = _draw(job, training.data, result.metrics.confusion)
        tried(lambda: loggers.publish(attached, result, drawn), "a logger did not get the result")
    finally:
        for line in loggers.finish(attached, failed=result is None):
            console.print(line)
    _tell(job, result, "finished")
    return result


def _train_along(job: Job[Config], node: Node) -> None:
    from vitcrypt.experiment import devices
    from vitcrypt.experiment.training_run import was_stopped

    name = f"{job.config.names}, node {node.rank} of {job.config.trainer.num_nodes}"
    if job.config.resume and (job.folder / "result.json").exists():
        console.print(f"{name}: finished before, skipped")
    elif not was_stopped(job):
        devices.check(job.config.trainer)
        console.print(f"{name}: trains with {node.host}:{node.port}, which keeps the results")
        devices.train_in_processes(job.folder, job.identity, job.config.trainer)


def _finished_before(job: Job[Config], result: TrainingResult) -> None:
    if not all((job.folder / name).exists() for name in PICTURES):  # it was killed after its record
        from vitcrypt.experiment.images import data_module_of, splits_of

        _draw(job, data_module_of(job, splits_of(job.config)), result.metrics.confusion)
    _tell(job, result, "finished before, skipped (resume=false runs it again)")


def _draw(job: Job[Config], data: ImageDataModule, confusion: list[list[int]]) -> list[Path]:
    """Draw the pictures of a run and return those that could be drawn."""
    from vitcrypt.experiment.record import pictures

    return [path for path, draw in pictures(job, data, confusion) if tried(draw, f"{path.name} is missing")]


def _tell(job: Job[Config], result: TrainingResult, how: str) -> None:
    metrics, training = result.metrics, result.training
    accuracy = f"{job.config.names}, seed {job.config.seed}: test accuracy {100 * metrics.acc:.2f} %"
    console.print(Text.assemble((accuracy, "bold green"), f" ({metrics.images} images), {how}"))
    if (bounds := result.key.bounds) is not None:
        told = ", ".join(f"{name} {value:,.{'0f' if value > 999 else '4g'}}" for name, value in bounds.items())
        console.print(f"  proved of one ciphertext of an image, whatever the attack: {told}")
    if training.diverged is not None:
        console.print(
            f"  the loss is not finite in epoch {training.diverged}, and the training ended with epoch "
            f"{training.epochs}: lower model.optimizer.lr, or set model.gradient_clip=1.0",
            style="red",
        )
    peak = [f"peak memory {gib:.2f} GiB" for epoch in training.history[-1:] if (gib := epoch.measure("peak_gib"))]
    console.print(", ".join([f"  {training.epochs} epochs in {training.seconds:.0f} s", *peak]))
    job.print_files()
