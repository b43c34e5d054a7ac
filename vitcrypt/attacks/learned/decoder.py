"""Pixels out of vectors of private features: a network of one hidden layer, trained on public images.

The attacker makes vectors of public images as the victim does, adds noise of the same size, other noise in every epoch,
and learns the way back to pixels. How much a network of many layers would add is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from vitcrypt.attacks.learned import loop, memory
from vitcrypt.attacks.observation import Budget, Observation, Reconstruction
from vitcrypt.attacks.vectors import pooled, turned_back
from vitcrypt.encryption import Features

BATCH = 128


@dataclass(frozen=True)
class Decoder:
    """Restore images from vectors that are turned back, by the rotation or by what known pairs tell of it.

    Args:
        hidden: Values of the hidden layer.
        epochs: Passes over the public images, in batches of 128.
        learning_rate: Of Adam.
        seed: Seed of initialisation, order and the attacker's own noise.
    """

    hidden: int = 256
    epochs: int = 15
    learning_rate: float = 1e-3
    seed: int = 0
    name = "decoder"

    def __post_init__(self) -> None:
        """Check the sizes."""
        for option in ("hidden", "epochs"):
            if getattr(self, option) < 1:
                raise ValueError(f"attack.method.{option}={getattr(self, option)}: set it to at least 1")

    def __call__(self, observation: Observation) -> Reconstruction:
        """Needs public images, and the rotation or known pairs.

        Raises:
            ValueError: Something is missing.
        """
        public: Tensor = observation.need(self.name, "public_images", schemes=("features",))
        observation = pooled(observation)
        vectors = turned_back(observation)
        if vectors is None:
            raise ValueError(
                f"{self.name} needs the rotation (attack.observation.rotation=true) or known pairs that tell it "
                "(attack.observation.known=1000)"
            )
        scheme = cast("Features", observation.scheme)
        own = scheme.features(public)
        scale = own.std()
        with loop.seeded(self.seed) as random:
            network = fitted(
                lambda _: (own + scheme.sigma * torch.randn(own.shape, generator=random, dtype=own.dtype)) / scale,
                public.flatten(1) / 255,
                self.hidden,
                self.epochs,
                self.learning_rate,
            )
        with torch.inference_mode():
            pixels = network((vectors / scale).float()).clamp(0, 1)
        return Reconstruction(
            (pixels * 255).round().to(torch.uint8).view(-1, *observation.shape),
            spent=Budget(self.epochs * -(-len(public) // BATCH), len(public), memory.parameters(network)),
        )


def fitted(
    draw: Callable[[int], Tensor], pixels: Tensor, hidden: int = 256, epochs: int = 15, learning_rate: float = 1e-3
) -> nn.Module:
    """Return a network of one hidden layer from vectors to pixels, trained with torch's global generator.

    Args:
        draw: Vectors of an epoch, float [n, d], under noise of its own.
        pixels: float [n, k], in 0..1.
        hidden: Values of the hidden layer.
        epochs: Passes over the vectors.
        learning_rate: Of Adam.
    """
    rows = draw(0).float()
    network = nn.Sequential(nn.Linear(rows.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, pixels.shape[1]))
    optimizer = torch.optim.Adam(network.parameters(), learning_rate, weight_decay=1e-5)
    for epoch in range(epochs):
        rows = draw(epoch).float() if epoch else rows
        for chosen in torch.split(torch.randperm(len(rows)), BATCH):
            loop.step(optimizer, mse_loss(network(rows[chosen]), pixels[chosen].float()))
    return network
