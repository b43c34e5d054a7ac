"""The parts of a training: data module, classifier, plan and trainer, built from the configuration of a job.

`python -m vitcrypt.experiment.training_run FOLDER IDENTITY` is one process of a training on several devices.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from lightning import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.trainer.states import TrainerStatus
from omegaconf import OmegaConf
from torch import nn

from vitcrypt.data import ImageDataModule, Splits
from vitcrypt.encryption import ImageEncryption, Shape
from vitcrypt.experiment import beforehand, callbacks, devices, errors
from vitcrypt.experiment.blame import blame
from vitcrypt.experiment.callbacks import EpochHistory, SeedSteps, diverged
from vitcrypt.experiment.checkpoint import AtomicCheckpointIO, read_checkpoint
from vitcrypt.experiment.config import Config
from vitcrypt.experiment.images import data_module_of, splits_of
from vitcrypt.experiment.inputs import digests_of
from vitcrypt.experiment.job import Job
from vitcrypt.experiment.plan import Plan, limited, planned
from vitcrypt.experiment.progress import Estimate, ProgressBar, quiet_libraries
from vitcrypt.jobs.pool import end_with_parent
from vitcrypt.models import ImageClassifier, fetch_pretrained, fold_key, kind_of, load_weights, zero_classifier
from vitcrypt.models.classifier import Schedule
from vitcrypt.models.networks import build_network
from vitcrypt.targets import build, builder


def checkpoint_of(job: Job[Config]) -> Path:
    """Return where the last checkpoint of a training lies, if there is one."""
    return job.folder / "last.ckpt"


def was_stopped(job: Job[Config]) -> bool:
    """Return whether a training was ended before its last epoch, so that nothing of it is left to do."""
    if not checkpoint_of(job).exists():
        return False
    checkpoint = read_checkpoint(checkpoint_of(job), job.identity, digests_of(job.folder))
    stops = job.config.trainer.stop_on_nan and diverged(_history(checkpoint)) is not None
    return callbacks.stopped_early(checkpoint) or stops


def weights_of(config: Config) -> Path | None:
    """Return the file of pretrained weights, which may be downloaded; None if the network starts at random.

    Raises:
        FileNotFoundError: It is not there and cannot be downloaded; the message names each way to provide it.
    """
    model = config.model
    if model.weights is not None:
        return Path(model.weights)
    if not model.pretrained:
        return None
    return fetch_pretrained(model.network["model_name"])


def classifier_of(
    config: Config,
    num_classes: int,
    encryption: ImageEncryption | None = None,
    weights: Path | None = None,
    shape: Shape | None = None,
) -> tuple[ImageClassifier, str | None]:
    """Return the Lightning module, its network initialised by seed and weights, and the SHA-256 of the weights.

    Args:
        config: Of the training.
        num_classes: Of the images.
        encryption: The key is folded into the network if the configuration says so.
        weights: File of pretrained weights.
        shape: (C, H, W) of what the network sees, where that is no image of `data.image_size`.
    """
    model = config.model
    seed_everything(config.seed, verbose=False)
    with blame("model.network", model.network):
        network = build_network(asdict(model), config.data.image_size, num_classes, config.allow_targets, shape)
    if model.zero_head:
        zero_classifier(network)
    sha256 = load_weights(network, weights) if weights is not None else None
    if model.fold_key and encryption is not None:
        network = _with_key_folded(network, encryption, config)
    classifier = ImageClassifier(
        network,
        num_classes,
        builder("model.optimizer", model.optimizer, config.allow_targets),
        schedule=cast("Schedule", model.schedule),
        milestones=model.milestones,
        warmup_steps=model.warmup_steps,
        label_smoothing=model.label_smoothing,
        mixup=model.mixup,
        cutmix=model.cutmix,
        compile=model.compile,
        channels_last=model.channels_last,
    )
    return classifier, sha256


def _with_key_folded(network: nn.Module, encryption: ImageEncryption, config: Config) -> nn.Module:
    folded = fold_key(network, encryption.cipher)
    asked, kind = config.model.patch_embedding, kind_of(folded)
    if kind != asked:
        raise ValueError(
            f"model.patch_embedding={asked} cannot follow what encryption={config.names.encryption} does to patches; "
            f"set model.patch_embedding={kind}"
        )
    return folded


@dataclass
class TrainingRun:
    """A training, ready to begin or to resume.

    Attributes:
        job: What is trained.
        data: Images, encrypted on the device.
        classifier: The network that is trained.
        plan: How long, and in which steps.
        weights_sha256: Of the pretrained weights.
    """

    job: Job[Config]
    data: ImageDataModule
    classifier: ImageClassifier
    plan: Plan
    weights_sha256: str | None

    @classmethod
    def of(cls, job: Job[Config]) -> TrainingRun:
        """Find data and weights and build all parts, so that what cannot work fails before anything is written.

        Raises:
            FileNotFoundError: Data or weights are missing; the message names both and each way to provide them.
            ValueError: Parts do not fit together.
        """
        config = job.config
        found = _found(config)
        devices.check(config.trainer)
        beforehand.check_compiler(config)
        beforehand.check_clipping(config)
        run = cls.built(job, *found)
        with blame("trainer"):
            run._fitting([])
        with blame("model.optimizer", config.model.optimizer):
            beforehand.check_optimizer(run.classifier)
        beforehand.check_network(run.classifier.network, run.data.shape, run.data.num_classes, run.plan, config)
        return run

    @classmethod
    def built(cls, job: Job[Config], splits: Splits, weights: Path | None) -> TrainingRun:
        """Build all parts from images and weights, without trying whether they work."""
        config, data = job.config, data_module_of(job, splits)
        plan = planned(config.trainer, len(splits.train), data.division(devices.world(config.trainer)))
        classifier, sha256 = classifier_of(config, data.num_classes, data.encryption, weights, data.shape)
        return cls(job, data, classifier, plan, sha256)

    def loggers(self) -> list[Logger]:
        """Return the loggers for this run."""
        config, made = self.job.config, []
        for name, node in config.logger.items():
            with blame(place := f"logger.{name}", node):
                made.append(build(place, node, config.allow_targets, folder=self.job.folder, config=config))
        return made

    def fit(self, loggers: list[Logger]) -> None:
        """Train from the last checkpoint, or from the start, until done; on several devices in as many processes."""
        if was_stopped(self.job):
            return
        if devices.world(self.job.config.trainer) == 1:
            self.fit_here(loggers)
        else:
            devices.train_in_processes(self.job.folder, self.job.identity, self.job.config.trainer)

    def fit_here(self, loggers: list[Logger], watching: Sequence[Callback] = ()) -> None:
        """Train in this process, which may be one of several; further callbacks may watch."""
        trainer, last = self._fitting(loggers, watching), checkpoint_of(self.job)
        with _interruptible(trainer):
            trainer.fit(
                self.classifier,
                datamodule=self.data,
                ckpt_path=str(last) if last.exists() else None,
                weights_only=True,
            )

    def test(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Test the trained network on one device; return its measures and the history of the training."""
        checkpoint = read_checkpoint(checkpoint_of(self.job), self.job.identity)
        self.classifier.load_state_dict(checkpoint["state_dict"])
        return self.measure(), _history(checkpoint)

    def measure(self) -> dict[str, Any]:
        """Test the network as it is on one device; return its measures."""
        which = devices.chosen(self.job.config.trainer)
        trainer = self._trainer(
            devices=which[:1] if isinstance(which, list) else 1,
            num_nodes=1,
            strategy="auto",
            logger=False,
            enable_checkpointing=False,
            plugins=[devices.environment(1)],
        )
        with _interruptible(trainer):
            trainer.test(self.classifier, datamodule=self.data, verbose=False)
        metrics, count = self.classifier.test_result, len(self.data.splits.test)
        if metrics["images"] != count:
            raise RuntimeError(f"evaluated {metrics['images']} of {count} test images: this is a bug")
        return metrics

    def _fitting(self, loggers: list[Logger], watching: Sequence[Callback] = ()) -> Trainer:
        job, options, plan, val = self.job, self.job.config.trainer, self.plan, self.data.splits.val
        accumulation = plan.division.accumulation
        batches = limited("limit_val_batches", options.limit_val_batches, len(plan.division.steps(len(val or ()))))
        unvalidated = None if batches else "trainer.limit_val_batches=1.0" if val is not None else "data.validation=0.1"
        added = callbacks.built(job.config, bool(loggers), unvalidated)
        checkpoints = ModelCheckpoint(
            job.folder, filename="last", enable_version_counter=False, save_on_train_epoch_end=True
        )
        own: list[Callback] = [SeedSteps(job.config.seed), Estimate(), checkpoints]
        if options.enable_progress_bar and sys.stderr.isatty():
            own.append(ProgressBar())
        return self._trainer(
            devices=devices.chosen(options),
            strategy=devices.strategy(options),
            logger=loggers,
            callbacks=[*added, *watching, EpochHistory(options.stop_on_nan), *own],
            plugins=[AtomicCheckpointIO(self._stamp()), devices.environment(devices.world(options))],
            accumulate_grad_batches=accumulation,
            # Lightning counts micro batches
            limit_train_batches=None if options.limit_train_batches is None else plan.epoch * accumulation,
            limit_val_batches=None if options.limit_val_batches is None else batches * accumulation,
        )

    def _stamp(self) -> dict[str, Any]:
        job, received = self.job, self.job.received
        came = {"received": str(received), "fingerprint": received.fingerprint} if received is not None else {}
        return {"identity": job.identity, "inputs": digests_of(job.folder), **asdict(job.config.names), **came}

    def _trainer(self, **arguments: Any) -> Trainer:
        config = self.job.config
        options = {**asdict(config.trainer), **arguments}
        del options["stop_on_nan"]
        if config.trainer.profiler is not None:
            options["profiler"] = callbacks.profiler_of(config.trainer.profiler, self.job.folder)
        if options["precision"] == "auto":
            native = devices.uses_cuda(config.trainer) and torch.cuda.is_bf16_supported()
            options["precision"] = "bf16-mixed" if native else "32-true"
        options["enable_progress_bar"] = options["enable_progress_bar"] and sys.stderr.isatty()
        fixed = {
            "default_root_dir": self.job.folder / "lightning",  # where it would look for checkpoints of its own making
            "use_distributed_sampler": False,  # the data module shares out the images itself
            "num_sanity_val_steps": 0,
            "enable_model_summary": False,
        }
        node = {"_target_": options.pop("_target_")}
        trainer: Trainer = build("trainer", node, config.allow_targets, **fixed, **options)
        return trainer


def _found(config: Config) -> tuple[Splits, Path | None]:
    """Return images and weights; if both are missing one message says so."""
    try:
        splits = splits_of(config)
    except FileNotFoundError as no_images:
        try:
            weights_of(config)
        except FileNotFoundError as no_weights:
            raise FileNotFoundError(f"{no_images}\n{no_weights}") from no_images
        raise
    return splits, weights_of(config)


def _history(checkpoint: dict[str, Any]) -> list[dict[str, Any]]:
    return next(state["epochs"] for name, state in checkpoint["callbacks"].items() if name.startswith("EpochHistory"))


@contextmanager
def _interruptible(trainer: Trainer) -> Iterator[None]:
    """Raise KeyboardInterrupt after Ctrl-C, where Lightning ends the program."""
    try:
        yield
    except SystemExit:
        if trainer.state.status == TrainerStatus.INTERRUPTED:
            raise KeyboardInterrupt from None
        raise


def main() -> None:
    """Train as one of several processes: the folder holds the configuration, which was checked when it was written."""
    end_with_parent()  # torchrun, which ends with the program
    quiet_libraries()
    folder, identity = Path(sys.argv[1]), sys.argv[2]
    with errors.explained("config"):
        if not (folder / "config.yaml").exists():
            raise FileNotFoundError(
                f"{folder} is not on this machine; set results=FOLDER to one that all of them share"
            )
        values: Any = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
        job = replace(Job.of(Config, values), folder=folder, identity=identity)
        run = TrainingRun.built(job, *_found(job.config))  # all was tried where the processes were started
        run.fit_here(run.loggers())


if __name__ == "__main__":
    main()
