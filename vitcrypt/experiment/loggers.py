"""Where measures go while a run is under way: CSV, TensorBoard, MLflow, Weights & Biases; any of them, or several.

What they get is measures, pictures, and the configuration as `published` gives it: no key, no path.
"""

import os
import re
import secrets
import shlex
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from PIL import Image

from vitcrypt.experiment.config import Config
from vitcrypt.experiment.identity import published
from vitcrypt.report.recipe import flat
from vitcrypt.report.records import TrainingResult
from vitcrypt.untrusted.text import console, one_line

MODES = ("online", "offline", "disabled")
WANDB_ID = re.compile(r"[0-9a-z]{8}")
INIT_SECONDS, FINISH_SECONDS = 30, 300
"""How long wandb may take to begin a run, and to send what is left of it at the end."""


def csv_logger(folder: Path, config: Config) -> CSVLogger:  # noqa: ARG001
    """Return a logger to FOLDER/csv/version_N/metrics.csv; a resumed run has a version for each attempt."""
    return CSVLogger(save_dir=folder, name="csv")


def tensorboard_logger(folder: Path, config: Config) -> TensorBoardLogger:
    """Return a logger to FOLDER/tensorboard, of all attempts of a run together.

    Raises:
        ValueError: The package tensorboard is not installed.
    """
    _require("tensorboard")
    logger = TensorBoardLogger(folder, name="tensorboard", version="", default_hp_metric=False)
    logger.log_hyperparams(dict(flat(published(config))))
    return logger


def mlflow_logger(folder: Path, config: Config, experiment: str, tracking_uri: str | None) -> MLFlowLogger:
    """Return a logger to MLflow: one run there for one run here, also when it resumes.

    MLflow would by itself record the user and the program; the run is therefore made here, with its names alone.

    Args:
        folder: Of the run.
        config: The whole configuration.
        experiment: Its name in MLflow.
        tracking_uri: Of a server; None: $MLFLOW_TRACKING_URI, else the file `mlflow.db` in the folder of results.

    Raises:
        ValueError: The package mlflow is not installed, or the server cannot be reached.
    """
    _require("mlflow")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    results = Path(config.results).absolute()
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{results}/mlflow.db"
    place, names, file = None if tracking_uri else str(results / "mlflow"), config.names, folder / "mlflow-run-id"
    try:
        client = MlflowClient(uri)
        known = client.get_experiment_by_name(experiment)
        number = known.experiment_id if known else client.create_experiment(experiment, artifact_location=place)
        if not file.exists():
            made = client.create_run(number, tags=asdict(names), run_name=_title(config))
            file.write_text(made.info.run_id)
            for name, value in flat(published(config)):
                client.log_param(made.info.run_id, name, str(value)[:500])
    except MlflowException as error:
        raise ValueError(f"logger=mlflow cannot log to {uri}: {one_line(error)}; set logger=csv") from error
    return MLFlowLogger(experiment_name=experiment, tracking_uri=uri, run_id=file.read_text().strip())


def _require(package: str) -> None:
    if find_spec(package) is None:
        raise ValueError(f"logger={package} needs a package that is not here: pip install {package}, or set logger=csv")


def _title(config: Config) -> str:
    names = config.names
    return f"{names.encryption}-{names.model}-{names.data}-{config.seed}"


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
        tags=[*tags, *asdict(names).values(), f"adaptation-{config.model.adaptation}"],
        name=_title(config),
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


def publish(loggers: list[Logger], result: TrainingResult, pictures: list[Path]) -> None:
    """Send the result of a finished run: measures as summary, the classes as a table, the pictures."""
    measures = {f"test/{name}": value for name, value in result.metrics.values().items() if name != "confusion"}
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            _publish_to_wandb(logger, result, measures, pictures)
        elif isinstance(logger, MLFlowLogger | TensorBoardLogger):
            logger.log_metrics({name: value for name, value in measures.items() if value is not None})
        if isinstance(logger, MLFlowLogger):
            for picture in pictures:
                logger.experiment.log_artifact(logger.run_id, str(picture))
        elif isinstance(logger, TensorBoardLogger):
            for picture in pictures:
                pixels = np.array(Image.open(picture).convert("RGB"))
                logger.experiment.add_image(picture.stem, pixels, dataformats="HWC")


def _publish_to_wandb(
    logger: WandbLogger, result: TrainingResult, measures: dict[str, Any], pictures: list[Path]
) -> None:
    import wandb

    run = logger.experiment
    classes, confusion = result.classes, result.metrics.confusion
    table = wandb.Table(columns=["class", "images", "accuracy"])
    for name, row, i in zip(classes, confusion, range(len(classes)), strict=True):
        table.add_data(name, sum(row), row[i] / max(1, sum(row)))
    run.log({"classes": table, **{picture.stem: wandb.Image(str(picture)) for picture in pictures}})
    run.summary.update(measures)
    run.summary["key_fingerprint"] = result.key.fingerprint


def finish(loggers: list[Logger], *, failed: bool) -> list[str]:
    """End the runs of loggers, so that the next job of a sweep gets its own; return lines to print: never raises.

    A run that failed or was interrupted is failed there too. One that logged offline to wandb, perhaps in several
    attempts, is sent by the line that is returned.
    """
    told: list[str] = []
    for logger in loggers:
        try:
            if isinstance(logger, WandbLogger):
                told += _finish_wandb(logger, failed)
            else:
                logger.finalize("failed" if failed else "success")
        except Exception as error:  # networks, disks, servers: whatever it is, the run itself is over
            told.append(f"  warning: {type(logger).__name__} did not end its run: {one_line(error)}")
    return told


def _finish_wandb(logger: WandbLogger, failed: bool) -> list[str]:
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
