"""Linkage under any keyed map: a learned matcher of ciphertexts and plain images, from pairs of the attacker's own.

Public images are encrypted under fresh keys at every step, one for each image, and two networks, one for ciphertexts
and one for plain images, learn to give both of a pair the same direction and others another one (the loss of CLIP,
Radford et al. 2021; so did Carlini et al. 2021 in the NeuraCrypt challenge, with other networks). Nothing is known of
the scheme but how to run it.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu, normalize

from vitcrypt.attacks.learned import loop, memory, own_keys
from vitcrypt.attacks.observation import Budget, Observation, Reconstruction
from vitcrypt.encryption import Shape

HELD_OUT = 256
EMBEDDED = 128
SHARPNESS = 20.0
"""What cosines are multiplied by in the loss."""


@dataclass(frozen=True)
class LearnedLink:
    """Train two networks on self-encrypted public images, then name the nearest candidate.

    Args:
        steps: Steps of Adam, each on another batch under fresh keys.
        batch_size: Pairs per step, among which each ciphertext has to find its image.
        width: Channels of both networks.
        learning_rate: At the first step; it falls to 0 along a cosine.
        seed: Seed of initialisation, batches and the attacker's own keys.
        device: "cpu", "cuda" or "auto".
    """

    steps: int = 1000
    batch_size: int = 128
    width: int = 96
    learning_rate: float = 2e-3
    seed: int = 0
    device: str = field(default="auto", repr=False)
    name = "link_learned"

    def __post_init__(self) -> None:
        """Check the sizes."""
        for option, least in (("steps", 1), ("batch_size", 2), ("width", 1)):
            if getattr(self, option) < least:
                raise ValueError(f"attack.method.{option}={getattr(self, option)}: set it to at least {least}")

    def __call__(self, observation: Observation) -> Reconstruction:
        """Needs a gallery, and public images: as many as a batch beside a fifth that is held out.

        Raises:
            ValueError: Something is missing.
        """
        gallery: Tensor = observation.need(self.name, "gallery")
        public: Tensor = observation.need(self.name, "public_images")
        held, trained = public[: min(HELD_OUT, len(public) // 5)], public[min(HELD_OUT, len(public) // 5) :]
        if len(trained) < self.batch_size:
            raise ValueError(
                f"{self.name} trains on {len(trained)} images and takes batches of {self.batch_size}; raise "
                "attack.observation.public_images"
            )
        device = loop.pick_device(self.device)
        with loop.seeded(self.seed) as random:
            networks = [
                Tower(shape, observation.scheme.block_size, self.width).to(device)
                for shape in (observation.scheme.output_shape(observation.shape), observation.shape)
            ]
            self._train(networks, observation, trained, random, device)
            own = _encrypt(observation, held, random, device)
            tested = distances_of(networks, own, held, device)
            distances = distances_of(networks, observation.ciphertexts, gallery, device)
        correct = (tested.argmin(1) == torch.arange(len(held))).float().mean()
        return Reconstruction(
            gallery[distances.argmin(1)],
            details={"learned": True, "held_out": len(held), "held_out_top1": float(correct)},
            spent=Budget(self.steps, len(trained), memory.parameters(*networks)),
            distances=distances,
        )

    def _train(
        self, networks: list["Tower"], observation: Observation, public: Tensor, random: torch.Generator, device: str
    ) -> None:
        weights = [weight for network in networks for weight in network.parameters()]
        optimizer = torch.optim.AdamW(weights, self.learning_rate, weight_decay=1e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        for network in networks:
            network.train()
        for _ in range(self.steps):
            plain = public[torch.randperm(len(public), generator=random)[: self.batch_size]]
            plain = loop.flip(plain, random).to(device)
            encrypted = _encrypt(observation, plain, random, device)
            with loop.autocast(device):
                ones, others = (net(_signal(x)) for net, x in zip(networks, (encrypted, plain), strict=True))
            cosines = SHARPNESS * ones.float() @ others.float().T
            own = torch.arange(len(cosines), device=device)
            loop.step(optimizer, cross_entropy(cosines, own) + cross_entropy(cosines.T, own))
            schedule.step()


class Tower(nn.Module):
    """Maps images or ciphertexts [B, C, H, W] to directions [B, 128]: of blocks in place, and pooled over places.

    Args:
        shape: (C, H, W).
        block_size: Side of a block; where it does not divide height and width, single pixels are taken.
        width: Channels.
    """

    def __init__(self, shape: Shape, block_size: int, width: int) -> None:
        super().__init__()
        channels, height, width_ = shape
        side = block_size if height % block_size == 0 == width_ % block_size else 1
        # 1 x 1 pixels would be too many places
        side = max(side, 4) if height % 4 == 0 == width_ % 4 and height > 16 else side
        self.points = nn.Conv2d(channels, 12, 1)
        self.blocks = nn.Sequential(
            nn.Conv2d(12, width, side, side), nn.BatchNorm2d(width), nn.GELU(),
            nn.Conv2d(width, width, 1), nn.BatchNorm2d(width), nn.GELU(),
        )  # fmt: skip
        self.places = nn.Conv2d(width, 8, 1)
        count = (height // side) * (width_ // side)
        self.head = nn.Sequential(
            nn.Linear(2 * width + 8 * count, 256), nn.BatchNorm1d(256), nn.GELU(), nn.Linear(256, EMBEDDED)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return unit vectors."""
        blocks = self.blocks(gelu(self.points(images)))
        flat = blocks.flatten(2)
        pooled = [flat.mean(2), flat.std(2), self.places(blocks).flatten(1)]
        directions: Tensor = normalize(self.head(torch.cat(pooled, 1)), dim=1)
        return directions


@torch.no_grad()
def distances_of(networks: list[Tower], ciphertexts: Tensor, gallery: Tensor, device: str) -> Tensor:
    """Return 1 - cosine of each ciphertext and each candidate, float32 [n, g], on the CPU."""
    rows = []
    for network, images in zip(networks, (ciphertexts, gallery), strict=True):
        parts = [network.eval()(_signal(part.to(device))).float().cpu() for part in torch.split(images, 250)]
        rows.append(torch.cat(parts))
    distances: Tensor = 1 - rows[0] @ rows[1].T
    return distances


def _signal(images: Tensor) -> Tensor:
    return images.float() if images.is_floating_point() else loop.to_signal(images)


def _encrypt(observation: Observation, plain: Tensor, random: torch.Generator, device: str) -> Tensor:
    subkeys = own_keys.draw(observation.scheme, observation.shape, len(plain), random, device)
    return own_keys.encrypt(observation.scheme, plain.to(device), subkeys)
