"""Train the transformation network of `encryption=i2p` for a classifier of plain images.

    python -m vitcrypt.run --config-dir experiments --config-name field_small field=plain model=resnet18 \
        data=npz data.root=cifar10.npz names.data=cifar10
    python experiments/i2p.py RUN h.safetensors
    vitcrypt evaluate RUN encryption=i2p encryption.block_size=8 encryption.weights=h.safetensors

RUN: the folder of a run on plain images, whose network psi is frozen; its training images are taken. h is trained by

    CE(psi(h(x)), y) - p MSE(V(h(x)), V(x)) / Var(V(x))

with SGD (momentum 0.9, weight decay 5e-4, batches of 128), a learning rate that falls to a fifth after 30, 60 and 80 %
of the epochs, flips, and crops with a padding of 4; of a tenth of the images, held out class by class, the network with
the least loss is kept. So did Ito, Kinoshita and Kiya (IEEE Access 9:64629, 2021; code:
ito-hiroki/image_to_perturbation, of which nothing is copied). What differs:

- psi is a ResNet of vitcrypt's on values in [-1, 1]; theirs is ResNet-20 or VGG16 with batch normalisation.
- V is the first stage of psi, as ImageNet weights are no part of vitcrypt; theirs is VGG16 of torchvision up to
  relu2_2. The distance is divided by the variance of V(x), so that p is another number than theirs (0.01).
- Width, levels, epochs and images are a CPU's by default. Theirs: 64, 5, 200, 45,000.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from vitcrypt.data.stratified import split_positions
from vitcrypt.data.transforms import random_crop, random_flip
from vitcrypt.encryption.cipher import scaled
from vitcrypt.encryption.unet import UNet
from vitcrypt.experiment.evaluate import job_of, load_trained
from vitcrypt.experiment.images import splits_of
from vitcrypt.models import ResNet18
from vitcrypt.models.networks import build_network


class Trained:
    """The frozen classifier, and the images of its run: some to train on and some held out."""

    def __init__(self, run: Path, overrides: list[str], seed: int) -> None:
        job = job_of(run, overrides)
        if job.scheme is None or not job.scheme.is_plain:
            raise SystemExit(f"{run} was not trained on plain images: field=plain")
        splits, config = splits_of(job.config), job.config
        psi = build_network(vars(config.model), config.data.image_size, len(splits.classes))
        load_trained(psi, run / "last.ckpt", run, job.identity)
        if not isinstance(psi, ResNet18):
            raise SystemExit(f"{run} is no ResNet, whose first stage is V: model=resnet18")
        self.psi, self.seen = psi.eval().requires_grad_(False), nn.Sequential(psi.stem, psi.stages[0])
        batch = splits.train.batch(list(range(len(splits.train))))
        parts = [torch.from_numpy(part) for part in split_positions(batch["label"].numpy(), 0.1, seed)]
        self.train, self.held = ((batch["image"][part], batch["label"][part]) for part in parts)
        self.variance = self.seen(scaled(self.held[0])).var(0, unbiased=False).mean()

    def losses(self, h: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the classification loss of a batch, its distance in V, and how many it is right about."""
        x = scaled(images)
        made = h(x)
        logits = self.psi(made)
        apart = mse_loss(self.seen(made), self.seen(x)) / self.variance
        return cross_entropy(logits, labels), apart, (logits.argmax(1) == labels).sum()


def train(held: Trained, told: argparse.Namespace) -> dict[str, Tensor]:
    """Return the state of the network that was best on the held-out images."""
    torch.manual_seed(told.seed)
    random = torch.Generator().manual_seed(told.seed)
    h, best, state = UNet(3, told.width, told.levels), float("inf"), {}
    optimizer = torch.optim.SGD(h.parameters(), told.rate, momentum=0.9, weight_decay=5e-4)
    steps = [int(told.epochs * share) for share in (0.3, 0.6, 0.8)]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, steps, 0.2)
    images, labels = held.train
    for epoch in range(told.epochs):
        h.train()
        for chosen in torch.randperm(len(images), generator=random).split(128):
            moved = random_flip(random_crop(images[chosen], 4, random), random)
            loss, apart, _ = held.losses(h, moved, labels[chosen])
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss - told.p * apart)
            optimizer.step()
        schedule.step()
        h.eval()
        with torch.no_grad():
            parts = [held.losses(h, *part) for part in zip(*(x.split(250) for x in held.held), strict=True)]
        loss, apart = (float(torch.stack(part).mean()) for part in list(zip(*parts, strict=True))[:2])
        right = 100 * float(sum(part[2] for part in parts)) / len(held.held[0])
        print(f"epoch {epoch + 1}: loss {loss:.3f}, distance {apart:.2f}, accuracy {right:.1f} %", flush=True)
        if loss - told.p * apart < best:
            best, state = loss - told.p * apart, {name: value.clone() for name, value in h.state_dict().items()}
    return state


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("overrides", nargs="*", help="where the images lie now: data.root=...")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--levels", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--p", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    state = train(Trained(told.run, told.overrides, told.seed), told)
    save_file(state, told.out)
    print(f"{told.out}: {told.out.stat().st_size / 1e6:.1f} MB; encryption.block_size={2 ** (told.levels - 1)}")


if __name__ == "__main__":
    main()
