"""The LightningModule: a network, its loss, its optimiser and its measures. The network itself is plain torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from lightning import LightningModule
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix


@runtime_checkable
class Penalised(Protocol):
    """A network that adds something of its own to the loss."""

    def penalty(self) -> Tensor | None:
        """Return what the last forward pass in training adds, a scalar, or None for nothing."""


Schedule = Literal["cosine", "constant", "multistep"]


class ImageClassifier(LightningModule):
    """Train and evaluate a network on batches of `ImageDataModule`.

    Args:
        network: float [B, C, S, S] -> logits [B, num_classes]. If it is `Penalised`, its penalty joins the loss.
        num_classes: Number of classes.
        optimizer: Takes parameters, returns an optimiser; for example a partial of `torch.optim.SGD`.
        schedule: Of the learning rate after warm-up: "cosine" to zero at the last step, "constant", or "multistep", a
            tenth at each of the milestones.
        milestones: Epochs before which "multistep" drops.
        warmup_steps: Steps over which the learning rate rises linearly.
        label_smoothing: Of the training loss.
        mixup: Mix each image of a batch with another one (Zhang et al. 2018): both, weighted by a draw from
            Beta(mixup, mixup), one for the batch; 0: never. Images come encrypted, and so do their mixtures.
        cutmix: Put a box of another image into each (Yun et al. 2019), a share of the area drawn in the same way. With
            both, one of the two by chance. "train/acc" then counts the class with the larger share.
        compile: Compile the network in place when training starts (names of parameters stay as they are).
        channels_last: Keep convolutions in the memory format NHWC, which makes CNNs a third faster or more.

    After `Trainer.test`, `test_result` holds the measures over all test images, the number of images seen ("images")
    and the confusion matrix (rows are true classes).
    """

    def __init__(
        self,
        network: nn.Module,
        num_classes: int,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Schedule = "cosine",
        milestones: Sequence[int] = (),
        warmup_steps: int = 0,
        label_smoothing: float = 0.0,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        compile: bool = False,  # noqa: A002
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last) if channels_last else network
        self.optimizer = optimizer
        self.schedule, self.milestones, self.warmup_steps = schedule, milestones, warmup_steps
        self.label_smoothing, self.compile_network = label_smoothing, compile
        self.mixing = _mixing(mixup, cutmix, num_classes)
        # labels are checked at the source; torchmetrics would check them in every batch, and wait for the GPU to do so
        top = {"acc": MulticlassAccuracy(num_classes, average="micro", validate_args=False)}
        if num_classes > 5:
            top["acc5"] = MulticlassAccuracy(num_classes, average="micro", top_k=5, validate_args=False)
        self.train_accuracy = top["acc"].clone()
        self.train_loss, self.train_penalty, self.val_loss = (MeanMetric(nan_strategy="disable") for _ in range(3))
        self.val_measures = MetricCollection(dict(top), prefix="val/")
        self.test_measures = MetricCollection(dict(top)).clone()
        self.confusion = MulticlassConfusionMatrix(num_classes, validate_args=False)
        self.test_result: dict[str, Any] = {}

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.network(image)
        return logits

    def configure_model(self) -> None:
        """Compile in place, once; where devices share the network (FSDP), divide it layer by layer."""
        if self.device_mesh is not None and not isinstance(self.network, FSDPModule):
            mesh = self.device_mesh["data_parallel"]
            for part in self.network.children():
                for layer in part if isinstance(part, (nn.ModuleList, nn.Sequential)) else ():
                    fully_shard(layer, mesh=mesh)
            fully_shard(self.network, mesh=mesh)
        if self.compile_network:
            self.network.compile()
            self.compile_network = False

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Return the loss of a batch: the cross-entropy, and the network's own penalty if it has one.

        It is weighted by the batch's share of its step, so that the step does not depend on how it was divided.
        """
        image, label = batch["image"], batch["label"]
        if self.mixing is not None:
            image, label = self.mixing(image, label)
            label = label.to(self.dtype)  # [B, num_classes]
        logits = self(image)
        loss = F.cross_entropy(logits, label, label_smoothing=self.label_smoothing)
        measures = {"train/loss": self.train_loss, "train/acc": self.train_accuracy}
        count = _counted(batch)
        if count:
            self.train_loss.update(loss.detach().expand(count))
            self.train_accuracy.update(logits, label if label.dim() == 1 else label.argmax(1))
        if isinstance(self.network, Penalised) and (penalty := self.network.penalty()) is not None:
            measures["train/penalty"] = self.train_penalty
            if count:
                self.train_penalty.update(penalty.detach().expand(count))
            loss = loss + penalty
        # Lightning computes them at the end of the epoch; logging every step takes a tenth of the time
        if batch_idx == 0:
            self.log_dict(measures, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(logits))
        return loss * batch["share"].weight if "share" in batch else loss

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Measure a batch of the validation split."""
        logits = self(batch["image"])
        if count := _counted(batch):
            self.val_measures.update(logits, batch["label"])
            self.val_loss.update(F.cross_entropy(logits, batch["label"]).expand(count))
        if batch_idx == 0:
            self.log("val/loss", self.val_loss, prog_bar=True, batch_size=len(logits))
            self.log_dict(self.val_measures, prog_bar=True, batch_size=len(logits))

    def on_test_epoch_start(self) -> None:
        """Forget earlier tests."""
        self._loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        self.test_measures.reset()
        self.confusion.reset()

    def test_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Measure a batch of the test split."""
        logits = self(batch["image"])
        self.test_measures.update(logits, batch["label"])
        self.confusion.update(logits, batch["label"])
        self._loss_sum += F.cross_entropy(logits.float(), batch["label"], reduction="sum")

    def on_test_epoch_end(self) -> None:
        """Put `test_result` together."""
        confusion = self.confusion.compute().cpu()
        images = int(confusion.sum())
        measures = {name: float(value) for name, value in self.test_measures.compute().items()}
        loss = float(self._loss_sum) / images
        self.test_result = {"images": images, **measures, "loss": loss, "confusion": confusion.tolist()}

    def predict_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return the logits."""
        return self.forward(batch["image"])

    def built_optimizer(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """Build the optimiser of some parameters."""
        optimizer = self.optimizer(parameters)
        for group in optimizer.param_groups:
            # one kernel for all parameters; an argument `fused` would forbid clipping of gradients
            if "fused" in group:
                group["fused"] = True
        return optimizer

    def configure_optimizers(self) -> Any:
        """Build the optimiser, and a schedule that moves step by step."""
        optimizer = self.built_optimizer(self.parameters())
        steps = int(self.trainer.estimated_stepping_batches)
        if self.schedule == "multistep":  # it counts epochs; a training that counts steps alone does not know theirs
            epoch_steps = -(-int(self.trainer.num_training_batches) // self.trainer.accumulate_grad_batches)

        def factor(step: int) -> float:
            if step < self.warmup_steps:
                return (step + 1) / (self.warmup_steps + 1)
            if self.schedule == "constant":
                return 1.0
            if self.schedule == "multistep":
                return 0.1 ** sum(step // epoch_steps >= milestone for milestone in self.milestones)
            progress = (step - self.warmup_steps) / max(1, steps - self.warmup_steps)
            return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}}


def _mixing(mixup: float, cutmix: float, num_classes: int) -> nn.Module | None:
    """Return what mixes images and labels of a batch, with random numbers of torch's generator; None for nothing."""
    from torchvision.transforms import v2

    kinds = ((v2.MixUp, mixup), (v2.CutMix, cutmix))
    chosen = [kind(alpha=alpha, num_classes=num_classes) for kind, alpha in kinds if alpha]
    return v2.RandomChoice(chosen) if chosen else None


def _counted(batch: dict[str, Any]) -> int:
    """Return how many images of a batch count: none of one that only keeps a device company."""
    return batch["share"].images if "share" in batch else len(batch["label"])
