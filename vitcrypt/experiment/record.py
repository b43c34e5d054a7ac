"""What a finished run leaves behind: result.json and its pictures."""

import math
import os
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import vitcrypt
from vitcrypt.experiment.callbacks import diverged
from vitcrypt.experiment.identity import published
from vitcrypt.experiment.inputs import Inputs
from vitcrypt.experiment.training_run import Cell
from vitcrypt.report.figures import confusion_matrix, image_grid
from vitcrypt.report.results import (
    PICTURES,
    Epoch,
    Hardware,
    Images,
    Key,
    Metrics,
    Received,
    Training,
    TrainingConfig,
    TrainingResult,
    Validation,
    Versions,
    Weights,
    finite,
    write_result,
)

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
    cell: Cell, metrics: dict[str, Any], history: list[dict[str, Any]], fingerprint: str | None, inputs: Inputs
) -> TrainingResult:
    """Put the result together, write FOLDER/result.json, and return it."""
    shape = (3, *(cell.config["data"]["image_size"],) * 2)
    scheme, splits, lost = cell.scheme, cell.splits, _lost(metrics, history)
    epochs = [Epoch(**finite(epoch)) for epoch in history]
    result = TrainingResult(
        **dict[str, Any]({"kind": "debug"} if cell.config["debug"] else {}),
        identity=cell.identity,
        config=TrainingConfig(**published(cell.config)),
        key=Key(
            fingerprint=fingerprint,
            public_test_key=_public_test_key(cell, fingerprint),
            nominal_bits=scheme.key_space_bits(shape) if scheme else None,
            effective_bits=scheme.effective_key_bits(shape) if scheme else None,
        ),
        inputs=inputs.summary(),
        received=Received(**cell.received.summary()) if cell.received is not None else None,
        classes=splits.classes,
        images=Images(train=len(splits.train), val=len(splits.val) if splits.val else 0, test=len(splits.test)),
        metrics=Metrics(**finite(metrics)),
        validation=Validation.of(epochs),
        training=Training(
            epochs=len(epochs),
            steps=epochs[-1].step if epochs else 0,
            seconds=sum(epoch.seconds for epoch in epochs),
            devices=cell.devices,
            history=epochs,
            **({"diverged": lost} if lost else {}),
        ),
        weights=Weights(
            parameters=sum(p.numel() for p in cell.classifier.network.parameters()),
            pretrained_sha256=cell.weights_sha256,
            trained_sha256=cell.trained_sha256(),
        ),
        versions=Versions(
            vitcrypt=vitcrypt.__version__,
            python=platform.python_version(),
            **dict[str, Any]((name, version(name)) for name in PACKAGES),
        ),
        hardware=hardware(next(cell.classifier.parameters()).is_cuda),
    )
    write_result(cell.folder, result)
    return result


def pictures(cell: Cell, confusion: list[list[int]]) -> Iterator[tuple[Path, Callable[[], object]]]:
    """Yield FOLDER/images.png and FOLDER/confusion.png, each with what draws it."""

    def images() -> None:
        rows, names = cell.pictures()
        image_grid(cell.folder / PICTURES[0], rows, names)

    def matrix() -> None:
        confusion_matrix(cell.folder / PICTURES[1], confusion, cell.splits.classes)

    yield from zip((cell.folder / name for name in PICTURES), (images, matrix), strict=True)


def _lost(metrics: dict[str, Any], history: list[dict[str, Any]]) -> int | None:
    """Return the epoch, from 1, with which the loss was no number any more."""
    return diverged(history) or (None if math.isfinite(metrics["loss"]) else len(history))


def _public_test_key(cell: Cell, fingerprint: str | None) -> str | None:
    if cell.encryption is None:
        return cell.received.public_test_key if cell.received is not None else None
    return cell.config["key"] if fingerprint and cell.config["key"].startswith("test-") else None


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
