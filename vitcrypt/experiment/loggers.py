"""Where measures go while a run is under way: a CSV file, or Weights & Biases with or without an account."""

import os
import secrets
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger

from vitcrypt.experiment.identity import published


def csv_logger(folder: Path, config: dict[str, Any]) -> CSVLogger:  # noqa: ARG001
    """Return a logger to FOLDER/csv/version_N/metrics.csv; a resumed run has a version for each attempt."""
    return CSVLogger(save_dir=folder, name="csv")


def wandb_logger(
    folder: Path, config: dict[str, Any], project: str, entity: str | None, group: str | None, tags: list[str]
) -> WandbLogger:
    """Return a logger to Weights & Biases: one run there for one run here, also when it resumes.

    Without an account it logs offline. wandb would by itself record the command line and the program; both are off, so
    that nothing but the given configuration leaves the machine.
    """
    import wandb

    run_id = folder / "wandb-run-id"
    if not run_id.exists():
        run_id.write_text(secrets.token_hex(4))
    mode = os.environ.get("WANDB_MODE") or ("online" if wandb.login(prompt=False) else "offline")
    names = config["names"]
    return WandbLogger(
        project=project,
        entity=entity,
        group=group,
        tags=[*tags, *names.values(), f"adaptation-{config['model']['adaptation']}"],
        name=f"{names['encryption']}-{names['model']}-{names['data']}-{config['seed']}",
        id=run_id.read_text(),
        resume="allow",
        save_dir=folder,
        mode=mode,
        offline=mode == "offline",
        log_model=False,
        config=published(config),
        settings=wandb.Settings(x_disable_meta=True, save_code=False, disable_git=True, console="off"),
    )


def publish(logger: Logger, result: dict[str, Any], pictures: list[Path]) -> None:
    """Send the result of a finished run: measures as summary, the classes as a table, the pictures."""
    if not isinstance(logger, WandbLogger):
        return
    import wandb

    run = logger.experiment
    classes, confusion = result["classes"], result["metrics"]["confusion"]
    table = wandb.Table(columns=["class", "images", "accuracy"])
    for name, row, i in zip(classes, confusion, range(len(classes)), strict=True):
        table.add_data(name, sum(row), row[i] / max(1, sum(row)))
    run.log({"classes": table, **{picture.stem: wandb.Image(str(picture)) for picture in pictures}})
    run.summary.update({f"test/{k}": v for k, v in result["metrics"].items() if k != "confusion"})
    run.summary["key_fingerprint"] = result["key"]["fingerprint"]


def finish(logger: Logger | None) -> str | None:
    """End a logger's run, so that the next job of a sweep gets its own; return the line that sends an offline one."""
    if not isinstance(logger, WandbLogger):
        return None
    import wandb

    offline = wandb.run is not None and wandb.run.settings.mode == "offline"
    place = Path(wandb.run.dir).parent if wandb.run is not None else None
    wandb.finish()
    return f"wandb sync {place}" if offline else None
