"""What a finished run leaves behind: result.json and its pictures."""

import hashlib
import math
import os
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

import vitcrypt
from vitcrypt.data import ImageDataModule
from vitcrypt.encryption import as_pictures
from vitcrypt.experiment.callbacks import diverged
from vitcrypt.experiment.config import Config
from vitcrypt.experiment.devices import count
from vitcrypt.experiment.identity import published
from vitcrypt.experiment.inputs import Inputs
from vitcrypt.experiment.job import Job
from vitcrypt.experiment.training_run import TrainingRun
from vitcrypt.report.figures import confusion_matrix, image_grid
from vitcrypt.report.records import (
    Epoch,
    Hardware,
    Images,
    Metrics,
    Training,
    TrainingConfig,
    TrainingResult,
    Validation,
    Versions,
    Weights,
)
from vitcrypt.report.results import PICTURES, finite, write_result

PACKAGES = (
    "torch",
    "torchvision",
    "lightning",
    "hydra-core",
    "timm",
    "torchmetrics",
    "numpy",
    "pillow",
    "cryptography",
)


def record(
    training: TrainingRun, metrics: dict[str, Any], history: list[dict[str, Any]], inputs: Inputs
) -> TrainingResult:
    """Put the result of a training together, write FOLDER/result.json, and return it."""
    job, splits, classifier = training.job, training.data.splits, training.classifier
    config = job.config
    # the epoch with which the loss was no number any more
    lost = diverged(history) or (None if math.isfinite(metrics["loss"]) else len(history))
    epochs = [Epoch(**finite(epoch)) for epoch in history]
    result = TrainingResult(
        **dict[str, Any]({"kind": "debug"} if config.debug else {}),
        identity=job.identity,
        config=TrainingConfig(**published(config)),
        key=job.describe_key((3, config.data.image_size, config.data.image_size)),
        inputs=inputs.summary(splits.content),
        received=job.received.summary() if job.received is not None else None,
        classes=splits.classes,
        images=Images(train=len(splits.train), val=len(splits.val) if splits.val else 0, test=len(splits.test)),
        metrics=Metrics(**finite(metrics)),
        validation=Validation.of(epochs),
        training=Training(
            epochs=len(epochs),
            steps=epochs[-1].step if epochs else 0,
            seconds=sum(epoch.seconds for epoch in epochs),
            devices=count(config.trainer),
            history=epochs,
            **({"diverged": lost} if lost else {}),
        ),
        weights=Weights(
            parameters=sum(p.numel() for p in classifier.network.parameters()),
            pretrained_sha256=training.weights_sha256,
            trained_sha256=state_sha256(classifier.network),
        ),
        versions=Versions(
            vitcrypt=vitcrypt.__version__,
            python=platform.python_version(),
            **dict[str, Any]((name, version(name)) for name in PACKAGES),
        ),
        hardware=hardware(next(classifier.parameters()).is_cuda),
    )
    write_result(job.folder, result)
    return result


def state_sha256(network: nn.Module) -> str:
    """Return the SHA-256 of a network's state, name by name: equal only for equal networks."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def pictures(
    job: Job[Config], data: ImageDataModule, confusion: list[list[int]]
) -> Iterator[tuple[Path, Callable[[], object]]]:
    """Yield FOLDER/images.png and FOLDER/confusion.png, each with what draws it."""

    def images() -> None:
        image_grid(job.folder / PICTURES[0], *examples(job, data))

    def matrix() -> None:
        confusion_matrix(job.folder / PICTURES[1], confusion, data.splits.classes)

    yield from zip((job.folder / name for name in PICTURES), (images, matrix), strict=True)


def examples(job: Job[Config], data: ImageDataModule, count: int = 8) -> tuple[dict[str, Any], list[str]]:
    """Return rows of test images uint8 [n, S, S, 3] (plain, encrypted, decrypted), and the names of their classes."""
    batch = data.splits.test.batch(list(range(min(count, len(data.splits.test)))))
    plain, index = data.plain(batch["image"]), batch["index"]
    rows = {"plain" if job.config.encryption["_target_"] else "received": plain}
    if data.encryption is not None:
        encryption = data.encryption.cpu()
        rows["encrypted"] = encryption(plain, index)
        if encryption.scheme.properties.invertible or encryption.scheme.properties.dtype == "uint8":
            rows["decrypted"] = encryption.decrypt(rows["encrypted"], index)
    names = [data.splits.classes[label] for label in batch["label"].tolist()]
    side = (3, data.image_size, data.image_size)
    shown = {
        name: images if images.dtype == torch.uint8 else as_pictures(images, side) for name, images in rows.items()
    }
    return {name: images.permute(0, 2, 3, 1).numpy() for name, images in shown.items()}, names


def hardware(cuda: bool) -> Hardware:
    """Return what this machine computes with."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    processor = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())
    return Hardware(
        device=torch.cuda.get_device_name() if cuda else f"CPU, {os.cpu_count()} cores",
        processor=processor,
        cores=os.cpu_count(),
    )
