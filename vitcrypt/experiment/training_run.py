"""One cell of the table: its data, its encryption, its network, trained and tested in its folder.

`python -m vitcrypt.experiment.training_run FOLDER` is one process of a training on several devices; see `devices`.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.trainer.states import TrainerStatus
from omegaconf import OmegaConf
from torch import Tensor, nn

from vitcrypt.data import ImageDataModule, Manifest, Splits
from vitcrypt.encryption import ImageEncryption, Scheme
from vitcrypt.experiment import beforehand, callbacks, devices, errors
from vitcrypt.experiment.blame import blame
from vitcrypt.experiment.build import build_network
from vitcrypt.experiment.callbacks import EpochHistory, SeedSteps, diverged
from vitcrypt.experiment.checkpoint import AtomicCheckpointIO, read_checkpoint
from vitcrypt.experiment.inputs import digests_of
from vitcrypt.experiment.job import received_manifest
from vitcrypt.experiment.plan import Plan, limited, planned
from vitcrypt.models import ImageClassifier, fetch_pretrained, fold, kind_of, load_weights
from vitcrypt.targets import build, builder

if TYPE_CHECKING:
    from vitcrypt.keys import Key


class Cell:
    """A configured run in its folder.

    Args:
        config: The whole configuration, resolved, as plain values.
        folder: Where everything about this run is kept.
        identity: What `experiment.identity` returned for it.
        key: The key of the configuration, if it is open already.
    """

    def __init__(self, config: dict[str, Any], folder: Path, identity: str, key: Key | None = None) -> None:
        self.config, self.folder, self.identity, self.key = config, folder, identity, key
        self.checkpoint_path = folder / "last.ckpt"
        self.weights_sha256: str | None = None

    @property
    def own(self) -> list[str]:
        """The user's own modules, from which more may be built."""
        return self.config["allow_targets"]

    @cached_property
    def received(self) -> Manifest | None:
        """The manifest of the folder or packed file that the images come from, if it has one."""
        return received_manifest(self.config)

    @cached_property
    def scheme(self) -> Scheme | None:
        """The encryption scheme; None if the images come encrypted and nothing says how."""
        if self.config["encryption"]["_target_"]:
            with blame("encryption", self.config["encryption"]):
                return build("encryption", self.config["encryption"], self.own)
        return self.received.scheme if self.received is not None else None

    @cached_property
    def encryption(self) -> ImageEncryption | None:
        """What encrypts; None for plain images and for such as come encrypted: then no key is read at all."""
        if self.scheme is None or self.scheme.is_plain or not self.config["encryption"]["_target_"]:
            return None
        from vitcrypt.keys import open_key

        size = self.config["data"]["image_size"]
        key = self.key or open_key(self.config["key"])
        return ImageEncryption(self.scheme, key, (3, size, size), self.config["key_scope"])

    def provide(self) -> None:
        """Find data and weights and build all parts, so that what cannot work fails before anything is written.

        Raises:
            FileNotFoundError: Data or weights are missing; the message names both and each way to provide them.
            ValueError: Parts do not fit together.
        """
        missing = []
        for part in ("splits", "pretrained"):
            try:
                getattr(self, part)
            except FileNotFoundError as error:
                missing.append(str(error))
        if missing:
            raise FileNotFoundError("\n".join(missing))
        devices.check(self.config["trainer"])
        beforehand.check_compiler(self.config)
        beforehand.check_clipping(self.config)
        with blame("trainer"):
            self._fitting([])
        with blame("model.optimizer", self.config["model"]["optimizer"]):
            beforehand.check_optimizer(self.classifier)
        beforehand.check_network(self.classifier.network, self.data.num_classes, self.plan, self.config)

    @cached_property
    def splits(self) -> Splits:
        """The images."""
        data = self.config["data"]
        with blame("data.source", data["source"]):
            splits: Splits = build("data.source", data["source"], self.own).usable()
        splits = splits.limit(data["limit_train"], data["limit_test"], data["split_seed"], data["skip_train"])
        return splits.hold_out(data["validation"], data["split_seed"])

    @cached_property
    def plan(self) -> Plan:
        """How long the training is, and how its steps are divided."""
        return planned(self.config["trainer"], len(self.splits.train), self.data.division(self.devices))

    @cached_property
    def pretrained(self) -> Path | None:
        """The file of pretrained weights, if any."""
        model = self.config["model"]
        if model["weights"] is not None:
            return Path(model["weights"])
        return fetch_pretrained(model["network"]["model_name"]) if model["pretrained"] else None

    @cached_property
    def data(self) -> ImageDataModule:
        """The data module."""
        names = ("image_size", "batch_size", "micro_batch_size", "augment", "crop_padding", "flip", "interpolation")
        options = {name: self.config["data"][name] for name in (*names, "num_workers", "resident_gib", "compile")}
        return ImageDataModule(
            self.splits, encryption=self.encryption, received=self.received, seed=self.config["seed"], **options
        )

    @cached_property
    def classifier(self) -> ImageClassifier:
        """The Lightning module, its network initialised by the seed and the pretrained weights."""
        model = self.config["model"]
        seed_everything(self.config["seed"], verbose=False)
        with blame("model.network", model["network"]):
            network = build_network(model, self.config["data"]["image_size"], self.data.num_classes, self.own)
        if self.pretrained is not None:
            self.weights_sha256 = load_weights(network, self.pretrained)
        if model["fold_key"]:
            network = self._adapted_to_key(network)
        options = {
            name: model[name]
            for name in ("schedule", "milestones", "warmup_steps", "label_smoothing", "compile", "channels_last")
        }
        optimizer = builder("model.optimizer", model["optimizer"], self.own)
        return ImageClassifier(network, self.data.num_classes, optimizer, **options)

    def _adapted_to_key(self, network: nn.Module) -> nn.Module:
        assert self.encryption is not None
        folded = fold(network, self.encryption.cipher)
        asked, kind = self.config["model"]["patch_embedding"], kind_of(folded)
        if kind != asked:
            raise ValueError(
                f"model.patch_embedding={asked} cannot follow what encryption="
                f"{self.config['names']['encryption']} does to patches; say model.patch_embedding={kind}"
            )
        return folded

    def loggers(self) -> list[Logger]:
        """Return the loggers for this run."""
        made = []
        for name, node in self.config["logger"].items():
            with blame(f"logger.{name}", node):
                made.append(build(f"logger.{name}", node, self.own, folder=self.folder, config=self.config))
        return made

    @property
    def devices(self) -> int:
        """How many devices train."""
        return devices.count(self.config["trainer"])

    def fit(self, loggers: list[Logger]) -> None:
        """Train from the last checkpoint, or from the start, until done; on several devices in as many processes."""
        if self.checkpoint_path.exists():
            checkpoint = read_checkpoint(self.checkpoint_path, self.identity, digests_of(self.folder))
            state = _history(checkpoint)
            if state.get("stopped") or (self.config["trainer"]["stop_on_nan"] and diverged(state["epochs"])):
                return  # it was stopped there
        if self.devices == 1:
            self.fit_here(loggers)
        else:
            devices.train_in_processes(self.folder, self.identity, self.devices)

    def fit_here(self, loggers: list[Logger], watching: Sequence[Callback] = ()) -> None:
        """Train in this process, which may be one of several; further callbacks may watch."""
        trainer = self._fitting(loggers, watching)
        resumed = str(self.checkpoint_path) if self.checkpoint_path.exists() else None
        with _interruptible(trainer):
            trainer.fit(self.classifier, datamodule=self.data, ckpt_path=resumed, weights_only=True)

    def _fitting(self, loggers: list[Logger], watching: Sequence[Callback] = ()) -> Trainer:
        checkpoints = ModelCheckpoint(
            self.folder, filename=self.checkpoint_path.stem, enable_version_counter=False, save_on_train_epoch_end=True
        )
        options, plan = self.config["trainer"], self.plan
        history, val = EpochHistory(options["stop_on_nan"]), len(self.splits.val) if self.splits.val is not None else 0
        batches = limited(options, "limit_val_batches", len(plan.division.steps(val)))
        unvalidated = None if batches else "trainer.limit_val_batches=1.0" if val else "data.validation=0.1"
        added = callbacks.built(self.config["callbacks"], self.own, bool(loggers), unvalidated)
        return self._trainer(
            devices=devices.chosen(options),
            logger=loggers,
            callbacks=[*added, *watching, history, SeedSteps(self.config["seed"]), checkpoints],
            plugins=[AtomicCheckpointIO(self._stamp), devices.environment(self.devices)],
            accumulate_grad_batches=plan.division.accumulation,
            # Lightning counts micro batches
            limit_train_batches=None
            if options["limit_train_batches"] is None
            else plan.epoch * plan.division.accumulation,
            limit_val_batches=None if options["limit_val_batches"] is None else batches * plan.division.accumulation,
        )

    def evaluate(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Test the trained network on one device; return its measures and the history of the training."""
        checkpoint = read_checkpoint(self.checkpoint_path, self.identity)
        self.classifier.load_state_dict(checkpoint["state_dict"])
        which = devices.chosen(self.config["trainer"])
        trainer = self._trainer(
            devices=which[:1] if isinstance(which, list) else 1,
            strategy="auto",
            logger=False,
            enable_checkpointing=False,
            plugins=[devices.environment(1)],
        )
        with _interruptible(trainer):
            trainer.test(self.classifier, datamodule=self.data, verbose=False)
        metrics = self.classifier.test_result
        if metrics["images"] != len(self.splits.test):
            raise RuntimeError(f"evaluated {metrics['images']} of {len(self.splits.test)} test images: this is a bug")
        return metrics, _history(checkpoint)["epochs"]

    def trained_sha256(self) -> str:
        """Return the SHA-256 of the network's state, name by name: equal only for equal networks."""
        digest = hashlib.sha256()
        for name, value in sorted(self.classifier.network.state_dict().items()):
            digest.update(
                name.encode() + value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
            )
        return digest.hexdigest()

    def pictures(self, count: int = 8) -> tuple[dict[str, Any], list[str]]:
        """Return rows of test images [n, S, S, 3] (plain, encrypted, decrypted), and the names of their classes."""
        batch = self.splits.test.__getitems__(list(range(min(count, len(self.splits.test)))))
        plain, index = self.data.plain(batch["image"]), batch["index"]
        rows: dict[str, Tensor] = {"plain" if self.config["encryption"]["_target_"] else "received": plain}
        if self.encryption is not None:
            encryption = self.encryption.cpu()
            rows["encrypted"] = encryption(plain, index)
            rows["decrypted"] = encryption.decrypt(rows["encrypted"], index)
        names = [self.splits.classes[label] for label in batch["label"].tolist()]
        return {name: images.permute(0, 2, 3, 1).numpy() for name, images in rows.items()}, names

    @property
    def _cuda(self) -> bool:
        return devices.uses_cuda(self.config["trainer"])

    @property
    def _stamp(self) -> dict[str, Any]:
        received = self.received
        came = {"received": str(received), "fingerprint": received.fingerprint} if received is not None else {}
        return {"identity": self.identity, "inputs": digests_of(self.folder), **self.config["names"], **came}

    def _trainer(self, **arguments: Any) -> Trainer:
        options = {**self.config["trainer"], **arguments}
        options.pop("stop_on_nan")
        if options["profiler"] is not None:
            options["profiler"] = callbacks.profiler_of(options["profiler"], self.folder)
        if options["precision"] == "auto":
            options["precision"] = "bf16-mixed" if self._cuda and torch.cuda.is_bf16_supported() else "32-true"
        options["enable_progress_bar"] = options["enable_progress_bar"] and sys.stderr.isatty()
        fixed = {
            "default_root_dir": self.folder / "lightning",  # where it would look for checkpoints of its own making
            "use_distributed_sampler": False,  # the data module shares out the images itself
            "num_sanity_val_steps": 0,
            "enable_model_summary": False,
        }
        return build("trainer", {"_target_": options.pop("_target_")}, self.own, **fixed, **options)


def _history(checkpoint: dict[str, Any]) -> dict[str, Any]:
    return next(state for name, state in checkpoint["callbacks"].items() if name.startswith("EpochHistory"))


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
    """Train as one of several processes."""
    folder, identity = Path(sys.argv[1]), sys.argv[2]
    config: Any = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))  # it was resolved when it was written
    cell = Cell(config, folder, identity)
    with errors.explained("config"):
        cell.fit_here(cell.loggers())


if __name__ == "__main__":
    main()
