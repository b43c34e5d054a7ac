"""Every result that needs a GPU and is not there yet, as a list of jobs: in full, or tiny, to try the plan itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from campaign.job import START_SECONDS, TINY, Job, time_of
from campaign.progress import ROOT
from vitcrypt.report.paper import DATA, NETWORKS, TABLE1

IMAGES = 50_000  # for training, of CIFAR-10 and of CIFAR-100
FINE_TUNED = "vit_b16"
PER_IMAGE = "key_scope=per_image"
VALUES = {"proposed_vit_b16": 100, "plain_vit_b16": 90, "pe_resnet18": 12, "plain_resnet18": 12}
TINY_NETWORKS = {
    "vit_micro": ("model.network.embed_dim=16", "model.network.depth=1", "model.network.num_heads=2"),
    "resnet18": ("model.network.width=4",),
    "shakedrop": ("model.network.depth=8", "model.network.alpha=3"),
}
TINY_DATA = ("data.limit_train=256", "data.limit_test=64")
SCHEMES = ("le", "etc", "ele", "pe", "proposed")


class Attack(NamedTuple):
    """A learned attack at its published budget: the images of an epoch, and its epochs."""

    title: str
    speed: str
    options: tuple[str, ...]
    images: int
    epochs: int
    value: float


FRESH = "attack.method.keys=fresh"
ATTACKS = {
    "gan_sia": Attack("SIA-GAN", "sia", ("gan", "sia"), 51_000, 100, 10),
    "gan_small": Attack("GAN, the group's form", "small", ("gan", "small"), 51_000, 25, 6),
    "itn_block": Attack("ITN, the group's network", "block", ("itn", "block"), 45_000, 50, 6),
    "itn_unet": Attack("ITN, U-Net", "unet", ("itn", "unet"), 45_000, 200, 8),
    "itn_unet_fresh": Attack("ITN, U-Net, fresh keys", "unet", ("itn", "unet", FRESH), 45_000, 200, 5),
}
TINY_ATTACKS = {
    "sia": ("attack.method.width=0.05", "attack.observation.intercepted=64"),
    "small": ("attack.method.width=0.1", "attack.observation.intercepted=64"),
    "block": ("attack.method.width=8",),
    "unet": ("attack.method.width=4",),
}
FEW = (
    "attack.method.epochs=4",
    "attack.observation.ciphertexts=64",
    "attack.observation.public_images=64",
)


@dataclass(frozen=True)
class Plan:
    """What the jobs have in common.

    Args:
        data: A folder with the images; None: the archives, which are downloaded.
        weights: The file of ViT-B/16's ImageNet-21k weights; None: the cache of the Hugging Face hub, or a download.
        small: Tiny networks on few images, for a CPU; without `data` on digits.
    """

    data: Path | None = None
    weights: Path | None = None
    small: bool = False

    def jobs(self) -> list[Job]:
        """Return all jobs."""
        found = [*self._table1(), *self._variants(), *self._fig4(), *self._speed()]
        return [replace(job, gives=f"a tiny one of: {job.gives}") for job in found] if self.small else found

    def _table1(self) -> Iterator[Job]:
        for row in _rows():
            for data in DATA:
                value = VALUES.get(row, 12) * (1.0 if data == "cifar10" else 0.5)
                yield self._training(f"{row}-{data}", row, data, "Table I", _published(row, data), value)

    def _variants(self) -> Iterator[Job]:
        unshuffled, published = "encryption.channel_shuffle=false", _published("pe_resnet18", "cifar10")
        variants = {
            "per_image": ("a key for each image", PER_IMAGE),
            "unshuffled": ("without channel shuffling", unshuffled),
            "unshuffled_per_image": ("without channel shuffling, a key for each image", unshuffled, PER_IMAGE),
        }
        for name, (words, *options) in variants.items():
            gives, group = f"{published}; {words}", "Table I, PE in its variants"
            yield self._training(f"pe_resnet18_{name}-cifar10", "pe_resnet18", "cifar10", group, gives, 10, *options)
        adapted = "key-adapted, at plain images' learning rate: expected as plain, 99.11 %"
        for name, fold, gives in (("adapted", "true", adapted), ("low_rate", "false", "the same without adapting")):
            yield self._training(
                f"proposed_vit_b16_{name}-cifar10",
                "proposed_vit_b16",
                "cifar10",
                "The main row, key-adapted",
                f"Proposed x ViT-B_16 on CIFAR-10, {gives}",
                70 if fold == "true" else 30,
                f"model.fold_key={fold}",
                "model.optimizer.lr=0.03",
            )

    def _training(self, name: str, row: str, data: str, group: str, gives: str, value: float, *options: str) -> Job:
        network = _network(row)
        speed, images, epochs = network, IMAGES, _epochs(network)
        speed += ", a key for each image" if PER_IMAGE in options else ""
        given = [*options, f"model.weights={self.weights}"] if self.weights and network == FINE_TUNED else [*options]
        given += ["trainer=gpu", *(["data.num_workers=8", "model.micro_batch_size=256"] * (network == FINE_TUNED))]
        if self.small:
            row, network = (word.replace(FINE_TUNED, "vit_micro") for word in (row, network))
            speed, images, epochs = TINY, 256, 12
            given = [*options, *TINY_NETWORKS[network], *TINY_DATA, f"model.epochs={epochs}", "trainer=cpu"]
        named = f"row={row}", "hydra.mode=RUN", *self._images(data), *given, "results=RESULTS"
        config = "table1_small" if self.small else "table1"
        command = ("-m", "vitcrypt.run", "--config-dir", "experiments", "--config-name", config, *named)
        return Job(name, group, command, gives, value, *time_of(speed, images, epochs), epochs)

    def _fig4(self) -> Iterator[Job]:
        for name, attack in ATTACKS.items():
            for scheme in SCHEMES:
                yield self._attack(name, attack, scheme, 32, 4, attack.speed, attack.value)
            yield self._attack(name, attack, "proposed", 224, 16, f"{attack.speed} at 224", 3 * attack.value)

    def _attack(
        self, name: str, attack: Attack, scheme: str, size: int, block_size: int, speed: str, value: float
    ) -> Job:
        (kind, form, *options), images, epochs, device = attack.options, attack.images, attack.epochs, "cuda"
        sizes = [f"image_size={size}", f"block_size={block_size}"] if size > 32 else []
        options += ["attack.method.maps=shared"] if (form, size) == ("sia", 224) else []
        if self.small:
            sizes = [f"block_size={min(block_size, 8)}"]
            options += [*TINY_ATTACKS[form], *FEW, *TINY_DATA]
            speed, images, epochs, device = TINY, 64, 4, "cpu"
        seconds, lasting = time_of(speed, images, epochs)
        config = ("--config-dir", "experiments", "--config-name", f"fig4_{kind}", "hydra.mode=RUN", f"{kind}={form}")
        named = f"encryption={scheme}", *self._images("cifar10"), *sizes, *options, f"attack.method.device={device}"
        return Job(
            f"{name}-{scheme}-{size}",
            "Fig. 4 at published budgets",
            ("-m", "vitcrypt.attack", *config, *named, "results=RESULTS"),
            f"{attack.title} on {scheme}, {size} x {size}, blocks of {block_size} x {block_size}: SSIM and verdict",
            value,
            seconds,
            min(lasting, START_SECONDS + 60),  # an attack keeps where it is every minute
            epochs,
        )

    def _speed(self) -> Iterator[Job]:
        device = ("--device", "cpu", "--batch", "4", "--size", "32", "--rounds", "1", "--no-compiled")
        device = device if self.small else ("--device", "cuda")
        vit = ("model=vit_micro", "trainer=cpu", "--batches", "1") if self.small else ("model=vit_b16", "trainer=gpu")
        batch = () if self.small else ("model.micro_batch_size=512", *self._images("cifar10"))
        parts = {
            "ciphers": (
                "encryption beside a device copy: proposed, PE, EtC at most 1.5, LE, ELE at most 2.5 times",
                8,
                3,
            ),
            "forms": ("the same encryptions as one would write them first", 1, 2),
            "scaling": ("the same over sizes and batches", 1, 2),
            "pipeline": ("crop, flip, resize, encrypt, normalise, with encryption and without", 4, 3),
            "step": ("a step of ViT-B/16 and ResNet-18: 3,000 and 90,000 images/s expected", 12, 6),
            "fit": ("an epoch of `fit` beside a bare loop", 4, 3),
        }
        for part, (gives, value, minutes) in parts.items():
            command = ("-m", "benchmarks.speed", part, *device, "--output", "RESULTS/bench.json")
            yield self._whole(f"speed_{part}", "Speed", command, gives, value, minutes)
        yield self._whole(
            "profile_step",
            "Speed",
            ("-m", "benchmarks.profile_step", *vit, *batch),
            "a profile of the ViT-B/16 step: products above 80 %, and what else takes time",
            5,
            2,
        )
        yield self._whole(
            "patch_embedding",
            "Speed",
            ("-m", "benchmarks.patch_embedding", *(["1"] if self.small else [])),
            "the cost of a kernel for each position",
            2,
            1,
        )
        tests = ["tests/encryption"] if self.small else []
        yield self._whole(
            "tests", "Tests", ("-m", "pytest", "-m", "gpu", *tests), "CPU and GPU give the same bytes", 30, 5
        )

    def _whole(self, name: str, group: str, command: tuple[str, ...], gives: str, value: float, minutes: float) -> Job:
        """Return a job that is done in one piece and leaves no result.json."""
        seconds, environment = 20.0 if self.small else 60.0 * minutes, {"PYTHONPATH": "experiments"}
        return Job(name, group, command, gives, value, seconds, seconds, resumes=False, environment=environment)

    def _images(self, data: str) -> tuple[str, ...]:
        """Return the options that name the images of CIFAR-10 or CIFAR-100."""
        if self.data is None:
            return ("data=digits", f"names.data=digits_for_{data}") if self.small else (f"data={data}",)
        if (file := self.data / f"{data}.npz").exists():
            return "data=npz", f"data.root={file}", f"names.data={data}"
        if (folder := self.data / data).is_dir():
            return "data=folder", f"data.root={folder}", f"names.data={data}"
        return f"data={data}", f"data.root={self.data}"


def _rows() -> list[str]:
    """Return the rows of table1.yaml that the paper has, each once."""
    table: Any = yaml.safe_load((ROOT / "experiments" / "table1.yaml").read_text())
    rows = [row.strip() for row in table["hydra"]["sweeper"]["params"]["row"].split(",")]
    return [row for row in rows if row.endswith(tuple(NETWORKS))]


def _network(row: str) -> str:
    return next(network for network in NETWORKS if network in row)


def _published(row: str, data: str) -> str:
    """Return a cell of Table I in words."""
    network, scheme = _network(row), row.partition("_")[0]
    cell = next(cell for cell in TABLE1 if (cell.encryption, cell.network) == (scheme, network))
    accuracy = cell.accuracy(data)
    in_paper = f"{accuracy:.2f} % in the paper" if accuracy else "not in the paper"
    return f"{cell.label} x {NETWORKS[network][0]} on {DATA[data]}: {in_paper}"


def _epochs(network: str) -> float:
    """Return the epochs of a network's recipe."""
    recipe: Any = yaml.safe_load((ROOT / "conf" / "model" / f"{network}.yaml").read_text())
    epochs: float = recipe["epochs"] if recipe["epochs"] > 0 else recipe["steps"] * recipe["batch_size"] / IMAGES
    return epochs
