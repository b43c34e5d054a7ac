"""Train and test one cell of the table, or many: `python -m vitcrypt.run encryption=proposed model=vit_b16`."""

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.text import Text

from vitcrypt.experiment import errors
from vitcrypt.experiment.afterwards import tried
from vitcrypt.experiment.command_line import refuse_keys
from vitcrypt.experiment.composition import checked, resolved
from vitcrypt.experiment.config import CONF, register
from vitcrypt.experiment.identity import identity
from vitcrypt.experiment.job import Job, opened_key, placed, put_aside, received_manifest, shown
from vitcrypt.experiment.validate import validate
from vitcrypt.jobs.lock import alone_in
from vitcrypt.jobs.pool import give_back
from vitcrypt.report.results import PICTURES, TrainingResult, read_result
from vitcrypt.untrusted.text import console

if TYPE_CHECKING:
    from vitcrypt.experiment.training_run import Cell

register()


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def task(cfg: DictConfig) -> float:
    """Run one job; return its test accuracy, for sweepers that look for the best."""
    config = resolved(cfg)
    try:
        validate(config)
        return give_back(run(config).metrics.acc)
    except Exception as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN:  # a sweep goes on, and in the end raises the first error only
            _tell_failure(config, error)
        raise


def run(config: dict[str, Any]) -> TrainingResult:
    """Bring the run of a configuration to its end: skip it if finished, resume it if broken; return its result."""
    received = received_manifest(config)
    digest, key, names = received.digest if received else None, opened_key(config), config["names"]
    fingerprint = key.fingerprint if key else received.fingerprint if received else None
    parts = [names["data"], names["encryption"], names["model"]]
    job = placed(config, parts, lambda spelled: identity(spelled, fingerprint, digest), key, fingerprint)
    with alone_in(job.folder):
        if not config["resume"]:
            put_aside(job.folder)
        result = read_result(job.folder, TrainingResult)
        if result is not None:
            job.settle(result)
            if not all((job.folder / name).exists() for name in PICTURES):  # it was killed after its record
                from vitcrypt.experiment.training_run import Cell

                _draw(Cell(config, job.folder, job.identity, job.key), result.metrics.confusion)
            _tell(result, job.folder, "finished before, skipped (resume=false runs it again)")
            return result
        return _carry_out(job)


def _carry_out(job: Job) -> TrainingResult:
    from vitcrypt.experiment.training_run import Cell  # from here on it takes seconds to import what is needed

    warnings.filterwarnings("ignore", module="lightning|torchmetrics|timm")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    config, folder = job.config, job.folder
    cell = Cell(config, folder, job.identity, job.key)
    if cell.checkpoint_path.exists():
        job.settle()  # before images are decoded that are not meant
    cell.provide()
    inputs = job.settle()
    from vitcrypt.experiment import loggers
    from vitcrypt.experiment.plan import warnings_of
    from vitcrypt.experiment.record import record

    OmegaConf.save(OmegaConf.create(config), folder / "config.yaml")
    resumed = " (resuming)" if cell.checkpoint_path.exists() else ""
    names = config["names"]
    cell_name = f"{names['encryption']} x {names['model']} on {names['data']}"
    console.print(Text.assemble((cell_name, "bold"), f"{resumed} in {folder}"))
    for note in cell.splits.notes:
        console.print(f"  {note}")
    if cell.encryption is not None and config["key"].startswith("test-"):
        console.print(f"{config['key']} is a public test key: anyone can decrypt these images.", style="yellow")
    if config["model"]["fold_key"]:
        console.print("Whoever has the checkpoint and the original weights reads the key from the two.", style="yellow")
    attached, result = [], None
    for line in warnings_of(config, cell.plan, validated=cell.splits.val is not None):
        console.print(line, style="yellow")
    try:
        attached = cell.loggers()
        cell.fit(attached)
        metrics, history = cell.evaluate()
        result = record(cell, metrics, history, job.fingerprint, inputs)  # with it the run is finished
        drawn = _draw(cell, result.metrics.confusion)
        tried(lambda: loggers.publish(attached, result, drawn), "a logger did not get the result")
    finally:
        for line in loggers.finish(attached, failed=result is None):
            console.print(line)
    _tell(result, folder, "finished")
    return result


def _draw(cell: "Cell", confusion: list[list[int]]) -> list[Path]:
    """Draw the pictures of a run and return those that could be drawn."""
    from vitcrypt.experiment.record import pictures

    return [path for path, draw in pictures(cell, confusion) if tried(draw, f"{path.name} is missing")]


def _tell(result: TrainingResult, folder: Path, how: str) -> None:
    names, metrics, training = result.config.names, result.metrics, result.training
    cell = f"{names.encryption} x {names.model} on {names.data}, seed {result.config.seed}"
    accuracy = (f"{cell}: test accuracy {100 * metrics.acc:.2f} %", "bold green")
    console.print(Text.assemble(accuracy, f" ({metrics.images} images), {how}"))
    if training.diverged is not None:
        console.print(
            f"  the loss is not finite in epoch {training.diverged}, and the training ended with epoch "
            f"{training.epochs}: lower model.optimizer.lr, or set model.gradient_clip=1.0",
            style="red",
        )
    peak = [f"peak memory {gib:.2f} GiB" for epoch in training.history[-1:] if (gib := epoch.measure("peak_gib"))]
    console.print(", ".join([f"  {training.epochs} epochs in {training.seconds:.0f} s", *peak]))
    for file in ("result.json", "images.png"):
        if (folder / file).exists():
            console.print(f"  {shown(folder / file)}")


def _tell_failure(config: dict[str, Any], error: Exception) -> None:
    names = config["names"]
    cell = f"{names['encryption']} x {names['model']} on {names['data']} failed:"
    console.print(Text.assemble((cell, "bold red"), f" {error}"))


def main(arguments: list[str] | None = None) -> None:
    """Run with command-line arguments; end with a message rather than a traceback where the user can mend it."""
    if arguments is not None:
        sys.argv[1:] = arguments
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # on a busy machine, threads that spin cost a factor of ten
    with errors.explained("config"):
        refuse_keys(sys.argv[1:])
        with checked():
            task()


if __name__ == "__main__":
    from vitcrypt.run import main as main_by_name  # launchers that pickle the task find it again only by this name

    main_by_name()
