"""A job of the plan, and how long it is expected to take before anybody has measured it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

START_SECONDS = 40.0  # Python, images and weights, and the test at the end
TINY = "tiny"


class Speed(NamedTuple):
    """How fast a network is trained, on an H200 in bf16: an assumption, not a measurement."""

    images_per_second: float
    because: str


SPEEDS = {
    "vit_b16": Speed(2500, "105 GFLOP an image at a third of 790 TFLOP/s"),
    "resnet18": Speed(40_000, "3.3 GFLOP an image; a step of 128 takes 3 ms to launch"),
    "resnet18, a key for each image": Speed(1000, "a key is drawn in 1 ms, on one core of the CPU"),
    "shakedrop": Speed(6000, "28 GFLOP an image, 225 MB of activations; widths that no kernel likes: 20 %"),
    "sia": Speed(1500, "38 GFLOP an image, three quarters of it PyramidNet-110's; steps of 64 are short"),
    "small": Speed(12_000, "a step of 64 takes 5 ms to launch"),
    "block": Speed(30_000, "a step of 128 takes 4 ms to launch"),
    "unet": Speed(12_000, "6 GFLOP an image; steps of 128 are short"),
    "sia at 224": Speed(400, "470 GFLOP an image at a quarter of 790 TFLOP/s"),
    "small at 224": Speed(2000, "the discriminator sees 49 times the pixels"),
    "block at 224": Speed(5000, "19 MB of bytes in a step of 128, gathered on the CPU"),
    "unet at 224": Speed(700, "300 GFLOP an image at a quarter of 790 TFLOP/s"),
    TINY: Speed(100, "whatever a small plan trains on a CPU"),
}


@dataclass(frozen=True)
class Job:
    """A command that gives one result of the plan.

    Args:
        name: One word; its folder below the results.
        group: Which row of the overview it belongs to.
        command: What follows `python`; RESULTS stands for the folder of the job.
        gives: What it gives, and what is expected.
        value: What that is worth, a judgement: the paper's main result is 100.
        seconds: How long it takes, all in all, expected.
        lasting: How long until something is done that stays, expected: the start, and the time between checkpoints.
        epochs: Of a training; None where it counts none.
        resumes: It goes on where it was broken off, and leaves a result.json. Else it is done in one piece.
        environment: What the command needs besides.
    """

    name: str
    group: str
    command: tuple[str, ...]
    gives: str
    value: float
    seconds: float
    lasting: float
    epochs: float | None = None
    resumes: bool = True
    environment: dict[str, str] = field(default_factory=dict)


def time_of(speed: str, images: float, epochs: float) -> tuple[float, float]:
    """Return the seconds of a training of so many epochs of images, and those until its first checkpoint."""
    epoch, start = images / SPEEDS[speed].images_per_second, 8.0 if speed == TINY else START_SECONDS
    return start + epochs * epoch, start + epoch
