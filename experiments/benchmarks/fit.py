"""Training with everything around it beside a bare loop in torch over the same network, data and encryption."""

import copy
import time
from typing import Any

import torch
import torch.nn.functional as F
from lightning import Callback, Trainer

BARE, FIT = "a bare loop", "fit"


class BareLoopInTurns(Callback):
    """Before every epoch of a training, run one of a bare loop on a copy of the network; `times` has both, in seconds.

    The epochs of the training are timed from end to end: logging, history, checkpoint and validation are in it.
    """

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {BARE: [], FIT: []}

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Copy the network before it is trained."""
        self.network = copy.deepcopy(pl_module.network)
        kind: Any = type(trainer.optimizers[0])
        self.optimizer = kind(self.network.parameters(), lr=1e-3, fused=True)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        """End the clock of the last epoch; run a bare one; start the clock."""
        if trainer.current_epoch:
            self.times[FIT].append(self._elapsed())
        self._elapsed()
        self._bare_epoch(trainer)
        self.times[BARE].append(self._elapsed())

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """End the clock of the last epoch."""
        self.times[FIT].append(self._elapsed())

    def _elapsed(self) -> float:
        """Return the seconds since the last call, the work of the device included."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        passed, self.started = now - getattr(self, "started", now), now
        return passed

    def _bare_epoch(self, trainer: Trainer) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        device, held = trainer.strategy.root_device, data.splits.train
        images, labels, index = (part.to(device) for part in (held.images, held.labels, held.index))
        for positions in torch.randperm(len(labels)).to(device).split(data.batch_size):
            prepared = data.prepare(images[positions], index[positions], training=True)
            with trainer.precision_plugin.forward_context():
                loss = F.cross_entropy(self.network(prepared), labels[positions])
            self.optimizer.zero_grad()
            loss.backward()
            if trainer.gradient_clip_val:
                torch.nn.utils.clip_grad_norm_(self.network.parameters(), trainer.gradient_clip_val)
            self.optimizer.step()
