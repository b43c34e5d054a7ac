"""What accompanies a training: what every one has, so that it can be resumed, and what the group `callbacks` adds."""

import math
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging
from lightning.pytorch.profilers import AdvancedProfiler, Profiler, SimpleProfiler

from vitcrypt.data.steps import seed_of
from vitcrypt.experiment.blame import blame
from vitcrypt.experiment.config import Config
from vitcrypt.targets import build, observes
from vitcrypt.untrusted.text import console

MEASURES = ("train/loss", "train/acc", "val/loss", "val/acc")
"""What a callback may watch, of what `ImageClassifier` logs."""


class EpochHistory(Callback):
    """Keep the measures of every epoch, in the checkpoint; print them as lines where there is no terminal.

    Args:
        stop_on_nan: End the training after an epoch whose loss is not finite.
    """

    def __init__(self, stop_on_nan: bool = False) -> None:
        self.epochs: list[dict[str, Any]] = []
        self.stop_on_nan = stop_on_nan
        self._started = 0.0
        self._validated = False

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._started, self._validated = time.perf_counter(), False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that this epoch has measures of the validation split; Lightning keeps those of earlier ones."""
        self._validated = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the epoch."""
        measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
        measures = {name: v for name, v in measured.items() if self._validated or not name.startswith("val/")}
        seconds = time.perf_counter() - self._started
        self.epochs.append(
            {"epoch": trainer.current_epoch, "step": trainer.global_step, **measures, "seconds": seconds}
            | {"peak_gib": peak_gib(pl_module.device)}
        )
        if trainer.is_global_zero and not sys.stderr.isatty():
            told = "  ".join(f"{name} {value:.4f}" for name, value in measures.items())
            of = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
            console.print(f"epoch {trainer.current_epoch + 1}{of}  {told}  {seconds:.1f} s")
        if self.stop_on_nan and diverged(self.epochs):
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Go into the checkpoint."""
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Come out of it."""
        self.epochs = state_dict["epochs"]


class EMA(EMAWeightAveraging):
    """Lightning's moving average of the weights, kept where the weights are."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Follow the network to its device, which it reaches after the average was made."""
        if self._average_model is not None:
            self._average_model.to(pl_module.device)


def built(config: Config, logged: bool, unvalidated: str | None) -> list[Callback]:
    """Build the callbacks of the group `callbacks`.

    Args:
        config: The whole configuration.
        logged: Whether anything is logged; where nothing is, what only logs is left out.
        unvalidated: What to set so that there are validation images; None if there are some.

    Raises:
        ValueError: One cannot be built, or watches a measure that there is not.
    """
    made = []
    for name, node in config.callbacks.items():
        with blame(f"callbacks.{name}", node):
            callback = build(f"callbacks.{name}", node, config.allow_targets)
        if isinstance(callback, EarlyStopping):
            _check_watched(f"callbacks.{name}.monitor", callback.monitor, unvalidated)
        if logged or not observes(node):
            made.append(callback)
    return made


def stopped_early(checkpoint: dict[str, Any]) -> bool:
    """Return whether early stopping ended the training of a checkpoint."""
    states: dict[str, Any] = checkpoint["callbacks"]
    return any(state.get("stopping_reason") for name, state in states.items() if name.startswith("EarlyStopping"))


def _check_watched(option: str, monitor: str, unvalidated: str | None) -> None:
    if monitor not in MEASURES:
        raise ValueError(f"{option}={monitor} is no measure; set it to {', '.join(MEASURES[:-1])} or {MEASURES[-1]}")
    if monitor.startswith("val/") and unvalidated:
        raise ValueError(
            f"{option}={monitor} needs validation images, and there are none; set {unvalidated}, or "
            f"{option}=train/loss, or callbacks=default"
        )


def profiler_of(name: str, folder: Path) -> Profiler:
    """Return Lightning's profiler of that name, simple or advanced, which writes into a folder."""
    return (AdvancedProfiler if name == "advanced" else SimpleProfiler)(dirpath=folder, filename="profile")


def diverged(history: list[dict[str, Any]]) -> int | None:
    """Return the first epoch, from 1, whose training loss is not finite; None if there is none."""
    lost = (epoch["epoch"] + 1 for epoch in history if not math.isfinite(epoch.get("train/loss", 0.0)))
    return next(lost, None)


def peak_gib(device: torch.device) -> float:
    """Return the most memory that was ever held: of the GPU by tensors, of the machine by this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    unit = 1 if sys.platform == "darwin" else 2**10  # Linux counts kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


class SeedSteps(Callback):
    """Seed torch (dropout, stochastic depth) by seed, epoch, step and rank: a resumed run draws what it would have."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed; at the start of an epoch would be too early, as a data loader that starts after it draws once."""
        seed = seed_of(self.seed, trainer.current_epoch, batch_idx, trainer.global_rank)
        torch.default_generator.manual_seed(seed)  # torch.manual_seed takes 3 ms where CUDA is built in but absent
        if pl_module.device.type == "cuda":
            torch.cuda.manual_seed(seed)
