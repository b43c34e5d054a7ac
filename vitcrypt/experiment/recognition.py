"""A classifier that was trained on plain images, which tells whether restored images still show what they showed.

The folder of its run may come from someone else and is read as `vitcrypt evaluate` reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from vitcrypt.data import normalise, resize
from vitcrypt.experiment.evaluate import job_of, load_trained
from vitcrypt.experiment.training_run import classifier_of
from vitcrypt.report.records import TrainingResult
from vitcrypt.report.results import read_result

BATCH = 256


def recogniser(folder: Path, classes: list[str]) -> Callable[[Tensor], Tensor]:
    """Return the network of a finished run as a function of uint8 [n, 3, S, S] to classes, int64 [n].

    Images of another size than the run's are resized to it.

    Args:
        folder: Of a run with encryption=plain.
        classes: Of the images that it is to recognise.

    Raises:
        FileNotFoundError: The folder holds no finished run.
        ValueError: It is damaged, was trained on encrypted images, or on other classes.
    """
    result = read_result(folder, TrainingResult, folder)
    if result is None:
        raise FileNotFoundError(f"classifier={folder} holds no finished run; name the folder that vitcrypt run prints")
    job = job_of(folder, [])
    if job.scheme is None or not job.scheme.is_plain:
        raise ValueError(
            f"classifier={folder} was trained with encryption={job.config.names.encryption}; restored images are shown "
            "to one that knows plain images: train it with encryption=plain"
        )
    if result.classes != classes:
        raise ValueError(
            f"classifier={folder} tells {len(result.classes)} classes apart, and these images have {len(classes)}, or "
            "others; name a run on the same data"
        )
    classifier, _ = classifier_of(job.config, len(classes))
    load_trained(classifier.network, folder / "last.ckpt", folder, result.identity)
    network, data = classifier.network.eval(), job.config.data

    @torch.no_grad()
    def classify(images: Tensor) -> Tensor:
        sized = resize(images, data.image_size, data.interpolation)
        return torch.cat([network(normalise(part)).argmax(1) for part in torch.split(sized, BATCH)])

    return classify
