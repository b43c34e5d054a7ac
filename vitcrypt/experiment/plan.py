"""How long a training is, in steps, and what in its recipe cannot come about in that time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from vitcrypt.data.steps import Division
from vitcrypt.experiment.config import Config, TrainerConf


@dataclass(frozen=True)
class Plan:
    """The steps of a training.

    Args:
        division: How steps are divided over devices and micro batches.
        images: In the training split.
        epoch: Steps in an epoch.
        steps: Steps in the whole training.
    """

    division: Division
    images: int
    epoch: int
    steps: int

    @property
    def sizes(self) -> list[int]:
        """How many images each step of an epoch has, of those that are ever taken."""
        return self.division.steps(self.images)[: min(self.epoch, self.steps)]

    def without_single_images(self) -> Iterator[Division]:
        """Yield divisions, the nearest first, that leave no device a micro batch of one image."""
        world, micro = self.division.world_size, self.division.micro_batch_size
        for size in dict.fromkeys((micro, None if micro == 1 else micro)):
            for batch in range(self.division.batch_size, 1, -world):
                other = replace(self.division, batch_size=batch, micro_batch_size=size)
                if other.smallest(other.steps(self.images)) > 1:
                    yield other


def planned(trainer: TrainerConf, images: int, division: Division) -> Plan:
    """Return the plan of a training.

    Raises:
        ValueError: It has no end, or no step.
    """
    epoch = limited("limit_train_batches", trainer.limit_train_batches, len(division.steps(images)))
    epochs, most = trainer.max_epochs, trainer.max_steps
    ends = [*([epoch * epochs] if epochs is not None and epochs >= 0 else []), *([most] if most >= 0 else [])]
    if not ends:
        raise ValueError("nothing ends this training: set model.epochs=NUMBER or model.steps=NUMBER")
    if (steps := min(ends) if epoch else 0) < 1:
        options = ("limit_train_batches", "max_epochs", "max_steps")
        zero = next(f"{name}=0" for name in options if getattr(trainer, name) == 0)
        raise ValueError(f"trainer.{zero} leaves nothing to train; set a number from 1")
    return Plan(division, images, epoch, steps)


def limited(name: str, limit: Any, batches: int) -> int:
    """Return how many of so many batches of `batch_size` images the limit `trainer.NAME` leaves.

    Args:
        name: Of the option.
        limit: A number of batches, or a share as 0.5 or 1.0; None: all.
        batches: How many there are.

    Raises:
        ValueError: It leaves none, though it is not 0.
    """
    if limit is None:
        return batches
    count = int(batches * limit) if isinstance(limit, float) else min(limit, batches)
    if limit and batches and not count:
        raise ValueError(f"trainer.{name}={limit} of {batches} batches is none; set trainer.{name}=1 for one batch")
    return count


def warnings_of(config: Config, plan: Plan, validated: bool) -> list[str]:
    """Return a line for each part of a recipe that this training is too short for."""
    model, trainer = config.model, config.trainer
    lines, epochs = [], -(-plan.steps // plan.epoch)
    if model.warmup_steps >= plan.steps:
        highest = model.optimizer.get("lr", 1) * plan.steps / (model.warmup_steps + 1)
        lines.append(
            f"model.warmup_steps={model.warmup_steps} is longer than this training of {plan.steps} steps: the "
            f"learning rate ends at {highest:.2g} of model.optimizer.lr={model.optimizer.get('lr')}; "
            f"set model.warmup_steps={plan.steps // 10}"
        )
    if model.schedule == "multistep" and (never := [m for m in model.milestones if m >= epochs]):
        lines.append(f"model.milestones: epoch {', '.join(map(str, never))} is never reached, there are {epochs}")
    if model.schedule == "multistep" and not model.milestones:
        lines.append(
            "model.schedule=multistep without model.milestones never lowers the learning rate; set some epochs"
        )
    if validated and trainer.check_val_every_n_epoch > epochs:
        lines.append(
            f"trainer.check_val_every_n_epoch={trainer.check_val_every_n_epoch}: nothing is validated in {epochs} "
            "epochs; set trainer.check_val_every_n_epoch=1"
        )
    return lines
