"""A training that can be broken off: where it is, and all that it needs to go on as if nothing had happened."""

import hashlib
import sys
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.progress import track
from torch import Tensor, nn

from vitcrypt.attacks.learned.loop import is_gpu
from vitcrypt.attacks.observation import Observation
from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.models.weight_files import read_saved
from vitcrypt.untrusted.text import console

EVERY = 60.0  # seconds between checkpoints


class Part(Protocol):
    """Something with a state: a network, an optimiser, the best network so far."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""

    def load_state_dict(self, state: Any) -> Any:
        """Take a state over."""


class Best:
    """The network with the lowest loss on held-out images so far; the later one of equals."""

    def __init__(self) -> None:
        self.loss, self.network = float("inf"), dict[str, Tensor]()

    def offer(self, loss: float, network: nn.Module) -> None:
        """Keep a copy of the network if it is the best."""
        if loss <= self.loss:
            self.loss, self.network = loss, deepcopy(network.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Return loss and tensors."""
        return {"loss": self.loss, "network": self.network}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take them over."""
        self.loss, self.network = state["loss"], state["network"]


class Training:
    """Epochs and batches of a training, counted and kept.

    Args:
        what: What is trained, with its settings: a checkpoint of anything else is refused.
        parts: Everything that changes in the training, by name.
        random: Where order and augmentation are drawn from.
        device: Where it is trained; on a CPU a resumed training ends in the same bits as an unbroken one.
        checkpoint: The file; None: it begins anew and keeps nothing.

    Attributes:
        steps: Batches that were trained on.
        earlier: Seconds of the calls before this one, up to their last checkpoint.

    Raises:
        ValueError: The file is no checkpoint of this training.
    """

    def __init__(
        self, what: str, parts: dict[str, Part], random: torch.Generator, device: str, checkpoint: Path | None
    ) -> None:
        self._what, self._parts, self._random, self._device, self._path = what, parts, random, device, checkpoint
        self._epoch, self._position, self._order = 0, 0, torch.empty(0, dtype=torch.int64)
        self.steps, self.earlier = 0, 0.0
        self._began = self._saved = time.monotonic()
        if checkpoint is not None and checkpoint.exists():
            self._resume(checkpoint)

    def epochs(self, count: int, title: str) -> Iterator[int]:
        """Count epochs from the one where it is, with a progress bar on terminals."""
        rest = range(self._epoch, count)
        for epoch in track(rest, title, count, self._epoch, disable=not sys.stderr.isatty()):
            self._epoch = epoch
            yield epoch
            self._position, self._order = 0, self._order[:0]

    def batches(self, count: int, size: int) -> Iterator[Tensor]:
        """Yield positions 0..count-1 in random order, `size` at once; a single last one is left out (batch statistics).

        A batch counts as done when the next one is asked for.
        """
        if not len(self._order):
            self._order = torch.randperm(count, generator=self._random)
        for positions in torch.split(self._order, size)[self._position :]:
            if len(positions) > 1:
                yield positions
                self.steps += 1
            self._position += 1
            if self._path is not None and time.monotonic() - self._saved >= EVERY:
                self._save(self._path)

    def _save(self, path: Path) -> None:
        state = {"what": self._what, "epoch": self._epoch, "position": self._position, "order": self._order}
        state |= {"seconds": self.earlier + time.monotonic() - self._began}
        state |= {"steps": self.steps, "random": self._random.get_state(), "torch": torch.get_rng_state()}
        state |= {f"part.{name}": part.state_dict() for name, part in self._parts.items()}
        if is_gpu(self._device):
            state["cuda"] = torch.cuda.get_rng_state(self._device)
        with atomic_write(path) as file:
            torch.save(state, file)
        self._saved = time.monotonic()

    def _resume(self, path: Path) -> None:
        try:
            state = read_saved(path)
        except Exception as error:
            raise ValueError(f"{path} is no checkpoint of an attack, or damaged; remove it to begin anew") from error
        if not isinstance(state, dict) or state.get("what") != self._what:
            raise ValueError(f"{path} is the checkpoint of another attack; remove it to begin anew")
        for name, part in self._parts.items():
            part.load_state_dict(state[f"part.{name}"])
        self._epoch, self._position, self._order = state["epoch"], state["position"], state["order"]
        self.steps, self.earlier = state["steps"], state["seconds"]
        self._random.set_state(state["random"])
        torch.set_rng_state(state["torch"])
        if is_gpu(self._device) and "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], self._device)
        console.print(f"  goes on in epoch {self._epoch + 1} after {self.steps:,} steps")


def check_sizes(attack: str, epochs: int | None, batch_size: int) -> None:
    """Raise ValueError unless there is something to train on: batch statistics need two images."""
    if epochs is not None and epochs < 1:
        raise ValueError(f"{attack} trains for at least 1 epoch, got epochs={epochs}; null: as published")
    if batch_size < 2:
        raise ValueError(f"{attack} needs at least 2 images in a batch, got batch_size={batch_size}")


def described(attack: object, observation: Observation) -> str:
    """Return attack and observation as a few digits, by which a checkpoint is recognised."""
    seen = hashlib.sha256(repr((attack, observation.scheme, observation.threat_model)).encode())
    for images in (observation.ciphertexts, observation.public_images):
        if images is not None:
            seen.update(images[:100].cpu().contiguous().numpy().tobytes())
    return seen.hexdigest()
