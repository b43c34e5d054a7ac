"""How long a training will take: said once, before hours are spent, and on the progress bar of a terminal."""

import logging
import time
import warnings
from datetime import datetime, timedelta
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar

from vitcrypt.experiment.callbacks import MEASURES, peak_gib
from vitcrypt.untrusted.text import console

FIRST = 3
"""Batches that are not timed: memory is taken and kernels are chosen then."""
TIMED, SECONDS = 20, 2.0
"""After so many batches more, or so many seconds, the rest is estimated."""
WORTH = 60.0
"""Seconds from which on a training is told how long it will take."""


def quiet_libraries() -> None:
    """Let a process that trains or tests print what is ours alone."""
    warnings.filterwarnings("ignore", module="lightning|torchmetrics|timm")
    for part in ("pytorch", "fabric"):
        logging.getLogger(f"lightning.{part}").setLevel(logging.WARNING)


class Estimate(Callback):
    """Tell, after the first batches, how long a training will take and how much memory it holds."""

    def __init__(self) -> None:
        self._batches, self._started, self._told = 0, 0.0, False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Time the batches, and tell once."""
        self._batches += 1
        if self._batches == FIRST:
            self._started = time.monotonic()
        taken, timed = time.monotonic() - self._started, self._batches - FIRST
        if self._told or timed < 1 or (timed < TIMED and taken < SECONDS):
            return
        self._told, left = True, taken / timed * batches_left(trainer, batch_idx)
        if trainer.is_global_zero and left >= WORTH:
            memory = f"{peak_gib(pl_module.device):.1f} GiB held at most so far"
            console.print(f"  about {spoken(left)} to train, until {clock(left)}; {memory}")


class ProgressBar(RichProgressBar):
    """Lightning's bar with the measures of the last epoch and the time at which the training will end."""

    def __init__(self) -> None:
        super().__init__()
        self._started, self._first = 0.0, 0

    def on_train_start(self, *arguments: Any) -> None:
        """Start the clock."""
        super().on_train_start(*arguments)
        trainer: Trainer = arguments[0]
        self._started, self._first = time.monotonic(), trainer.fit_loop.total_batch_idx + 1

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """Return what stands at the end of the bar."""
        measured = super().get_metrics(trainer, pl_module)
        shown: dict[str, Any] = {}
        done = trainer.fit_loop.total_batch_idx + 1 - self._first
        if done > FIRST and trainer.training:
            left = (time.monotonic() - self._started) / done * batches_left(trainer, trainer.fit_loop.batch_idx)
            shown["ends"] = clock(left)
        return {**shown, **{name: measured[name] for name in MEASURES if name in measured}}


def batches_left(trainer: Trainer, batch_idx: int) -> int:
    """Return how many batches are left after batch `batch_idx` of an epoch."""
    in_epoch, epochs = int(trainer.num_training_batches), trainer.max_epochs or -1
    left = (epochs - trainer.current_epoch) * in_epoch - batch_idx - 1 if epochs > 0 else 10**12
    if trainer.max_steps > 0:
        left = min(left, (trainer.max_steps - trainer.global_step) * trainer.accumulate_grad_batches)
    return max(0, left)


def spoken(seconds: float) -> str:
    """Return a time in the largest unit that tells it.

    Example:
        >>> spoken(90), spoken(5000), spoken(200000)
        ('2 min', '1.4 h', '2.3 days')
    """
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 86400 else f"{seconds / 86400:.1f} days"


def clock(seconds: float) -> str:
    """Return the time of the day in so many seconds, with the date if that is another day."""
    now = datetime.now().astimezone()
    then = now + timedelta(seconds=seconds)
    return f"{then:%H:%M}" if then.date() == now.date() else f"{then:%Y-%m-%d %H:%M}"
