"""Where measures go while a run is under way: a CSV file, or Weights & Biases with or without an account."""

import os
import re
import secrets
import shlex
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger
from lightning.pytorch.loggers.logger import rank_zero_experiment

from vitcrypt.experiment.config import Config
from vitcrypt.experiment.identity import published
from vitcrypt.report.results import TrainingResult
from vitcrypt.untrusted.text import console, one_line

MODES = ("online", "offline", "disabled")
WANDB_ID = re.compile(r"[0-9a-z]{8}")
INIT_SECONDS, FINISH_SECONDS = 30, 300
"""How long wandb may take to begin a run, and to send what is left of it at the end."""


def csv_logger(folder: Path, config: Config) -> CSVLogger:  # noqa: ARG001
    """Return a logger to FOLDER/csv/version_N/metrics.csv; a resumed run has a version for each attempt."""
    return CSVLogger(save_dir=folder, name="csv")


class OfflineIfNeeded(WandbLogger):
    """Weights & Biases, and offline where there is no account or it cannot be reached: a run never waits for it."""

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The run of wandb; the first use begins it."""
        if self._experiment is None:
            options = self._wandb_init
            options["mode"] = options["mode"] or _reachable()
            try:
                return super().experiment
            except Exception as error:
                if options["mode"] == "offline":
                    raise ValueError(f"wandb cannot log, even offline: {one_line(error)}; set logger=csv") from error
                _tell_offline(error)
                options["mode"] = "offline"
        return super().experiment


def wandb_logger(
    folder: Path, config: Config, project: str, entity: str | None, group: str | None, tags: list[str]
) -> WandbLogger:
    """Return a logger to Weights & Biases: one run there for one run here, also when it resumes.

    Without an account, or where it cannot be reached, it logs offline. wandb would by itself record the command line,
    the machine and its packages, and how busy they are; all that is off, so that nothing leaves the machine but what
    is logged, the given configuration, and the versions of Python, wandb and platform.

    Raises:
        ValueError: WANDB_MODE is no mode.
    """
    import wandb

    mode = os.environ.get("WANDB_MODE")
    mode = {"dryrun": "offline", "run": "online"}.get(mode or "", mode)  # older names
    if mode and mode not in MODES:
        raise ValueError(f"WANDB_MODE={mode} is no mode of wandb; set it to {', '.join(MODES)}, or unset it")
    names = config.names
    return OfflineIfNeeded(
        project=project,
        entity=entity,
        group=group,
        tags=[*tags, *vars(names).values(), f"adaptation-{config.model.adaptation}"],
        name=f"{names.encryption}-{names.model}-{names.data}-{config.seed}",
        id=_run_id(folder),
        resume="allow",
        save_dir=folder,
        mode=mode or None,
        log_model=False,
        config=published(config),
        settings=wandb.Settings(
            x_disable_meta=True,
            x_disable_machine_info=True,
            x_disable_stats=True,
            x_save_requirements=False,
            save_code=False,
            disable_code=True,
            disable_git=True,
            console="off",
            init_timeout=INIT_SECONDS,
            finish_timeout=FINISH_SECONDS,
        ),
    )


def _run_id(folder: Path) -> str:
    path = folder / "wandb-run-id"
    known = path.read_text().strip() if path.exists() else ""
    if not WANDB_ID.fullmatch(known):  # there is none, or its writing was broken off
        known = secrets.token_hex(4)
        path.write_text(known)
    return known


def _reachable() -> str:
    """Return "online" if there is an account and it answers, which wandb asks for a few seconds, else "offline"."""
    import wandb

    try:
        return "online" if wandb.login(prompt=False) else "offline"
    except Exception as error:  # no network, a key that is none, settings that cannot be written: wandb has many
        _tell_offline(error)
        return "offline"


def _tell_offline(error: Exception) -> None:
    console.print(f"  wandb cannot be reached, so this run is logged offline: {one_line(error)}", style="yellow")


def publish(logger: Logger, result: TrainingResult, pictures: list[Path]) -> None:
    """Send the result of a finished run: measures as summary, the classes as a table, the pictures."""
    if not isinstance(logger, WandbLogger):
        return
    import wandb

    run = logger.experiment
    classes, confusion = result.classes, result.metrics.confusion
    table = wandb.Table(columns=["class", "images", "accuracy"])
    for name, row, i in zip(classes, confusion, range(len(classes)), strict=True):
        table.add_data(name, sum(row), row[i] / max(1, sum(row)))
    run.log({"classes": table, **{picture.stem: wandb.Image(str(picture)) for picture in pictures}})
    run.summary.update({f"test/{k}": v for k, v in result.metrics.values().items() if k != "confusion"})
    run.summary["key_fingerprint"] = result.key.fingerprint


def finish(logger: Logger | None, *, failed: bool) -> list[str]:
    """End a logger's run, so that the next job of a sweep gets its own, and return the lines to print: never raises.

    A run that failed or was interrupted is failed in wandb too. One that logged offline, perhaps in several attempts,
    is sent by the line that is returned.
    """
    if not isinstance(logger, WandbLogger):
        return []
    import wandb

    told = []
    places = set(Path(logger.save_dir or ".").glob(f"wandb/offline-run-*-{logger.version}"))
    try:
        if wandb.run is not None and wandb.run.settings.mode == "offline":
            places.add(Path(wandb.run.dir).parent)  # elsewhere if the run's folder cannot be written
        wandb.finish(exit_code=int(failed))
    except Exception as error:
        told.append(f"  warning: wandb did not end its run: {one_line(error)}")
    if places:
        told.append(f"  logged offline; to send it: wandb sync {shlex.join(map(str, sorted(places)))}")
    return told
