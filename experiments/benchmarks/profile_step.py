"""Where the time of a training step goes, by torch's profiler, in a training as `vitcrypt run` does it.

    PYTHONPATH=experiments python -m benchmarks.profile_step model=vit_b16 data.batch_size=16 --batches 3
    PYTHONPATH=experiments python -m benchmarks.profile_step model=vit_b16 trainer=gpu model.micro_batch_size=512

Takes the overrides of `vitcrypt run` (`data=digits` if none is said), trains two batches to warm up, and prints the
operations that take the most time themselves, and the share of products (linear layers, attention, convolutions).
Recorded: README.md.
"""

from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning import Callback, Trainer
from torch.profiler import ProfilerActivity, profile

from benchmarks.speed import composed
from vitcrypt.experiment.training_run import TrainingRun

WARM_UP = 2
PRODUCTS = ("mm", "conv", "attention", "gemm", "flash", "fmha", "linear")


class Profiled(Callback):
    """Profile the batches of a training after the first ones."""

    def __init__(self, cuda: bool) -> None:
        self.profile = profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])])

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Start when all is warm."""
        if batch_idx == WARM_UP:
            self.profile.start()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Stop."""
        self.profile.stop()


def main() -> None:
    """Train, profile, print."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument("--rows", type=int, default=20)
    asked, overrides = parser.parse_known_args()
    chosen = overrides if any(override.startswith("data=") for override in overrides) else ["data=digits", *overrides]
    overrides = ["model.epochs=1", "model.pretrained=false", "data.validation=0", *chosen]
    config = composed(*overrides).config
    at_once = min(config.data.micro_batch_size or config.data.batch_size, config.data.batch_size)
    job = composed(*overrides, f"data.limit_train={at_once * (WARM_UP + asked.batches)}")
    cuda = config.trainer.accelerator != "cpu" and torch.cuda.is_available()
    profiled = Profiled(cuda)
    with TemporaryDirectory() as folder:
        TrainingRun.of(replace(job, folder=Path(folder))).fit_here([], [profiled])
    order = "self_device_time_total" if cuda else "self_cpu_time_total"
    averages = profiled.profile.key_averages()
    print(averages.table(sort_by=order, row_limit=asked.rows, max_name_column_width=60))
    times = {entry.key: getattr(entry, order) for entry in averages}
    products = sum(time for name, time in times.items() if any(part in name.lower() for part in PRODUCTS))
    print(f"products: {100 * products / sum(times.values()):.1f} % of {sum(times.values()) / 1e6:.2f} s")


if __name__ == "__main__":
    main()
