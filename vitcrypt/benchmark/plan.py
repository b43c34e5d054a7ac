"""What is measured at which budget: trainings and attacks, as overrides of the two programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vitcrypt.benchmark.candidate import Candidate, installed_points
from vitcrypt.benchmark.declarations import Examined
from vitcrypt.encryption import Shape

BudgetName = Literal["10m", "1h", "gpu"]
PLAIN = ["encryption=plain"]


@dataclass(frozen=True)
class Budget:
    """Sizes of the trainings and attacks; the name is what they take on two cores, or on one GPU."""

    train: int
    test: int
    epochs: dict[str, int]
    ciphertexts: int
    many: int
    gallery: int
    learned: dict[str, list[str]]
    """Attacks that train a network, with their options."""


SMALL = {"vit_micro": ["model=vit_micro"], "resnet18": ["model=resnet18", "model.network.width=16"]}
BUDGETS: dict[BudgetName, Budget] = {
    "10m": Budget(2000, 2000, {"vit_micro": 6, "resnet18": 3}, 50, 2000, 2000, {}),
    "1h": Budget(
        5000,
        10000,
        {"vit_micro": 15, "resnet18": 8},
        100,
        5000,
        10000,
        {
            "itn": ["attack.method.keys=fresh", "attack.method.epochs=30", "attack.observation.public_images=2000"],
            "gan": ["attack.method.width=0.5", "attack.method.epochs=20"],
        },
    ),
    "gpu": Budget(
        50000,
        10000,
        {"vit_micro": 100, "resnet18": 100},
        1000,
        10000,
        10000,
        {"itn": ["attack.method.keys=fresh", "attack.observation.public_images=10000"], "gan": []},
    ),
}


@dataclass(frozen=True)
class Step:
    """One training or attack.

    Attributes:
        name: Says what it is, and is the same in every benchmark.
        program: "run" or "attack".
        overrides: Of its configuration.
        weight: Its share of the time, for the estimate.
        part: Of the card.
        after: A step whose network it starts from.
    """

    name: str
    program: Literal["run", "attack"]
    overrides: list[str]
    weight: float
    part: Literal["accuracy", "attack", "linkage", "curve"]
    after: str | None = field(default=None)

    @property
    def on_plain(self) -> bool:
        """Whether it is a training on plain images, which serves all schemes."""
        return self.program == "run" and self.name.endswith("on plain")


def trainings(candidate: Candidate, data: list[str], budget: Budget, shape: Shape, ciphertext: Shape) -> list[Step]:
    """Return the trainings: each network on plain and on encrypted images, from scratch and, a ViT, transferred."""
    steps = []
    scope = _scope(candidate, "shared")
    patch = _patch(candidate, ciphertext)
    networks = dict(SMALL)
    for point in installed_points("models"):
        module = point.value.replace(":", ".")
        own = [f"model.network._target_={module}", "~model.network.width", _allowed(candidate, module)]
        networks[point.name] = [*SMALL["resnet18"], *own]
    encryptions = (
        {"plain": PLAIN} if candidate.scheme.is_plain else {"plain": PLAIN, candidate.name: candidate.overrides}
    )
    for network, chosen in networks.items():
        for name, encryption in encryptions.items():
            own = [*data, *encryption, *chosen, *_sizes(budget, network), *(scope if name != "plain" else [])]
            own += [f"model.patch_size={patch if name != 'plain' else _patch(candidate, shape)}"] * (
                network == "vit_micro"
            )
            steps.append(Step(f"{network} on {name}", "run", own, 8.0, "accuracy"))
    if "vit_micro" in SMALL and ciphertext == shape and candidate.scheme.properties.dtype == "uint8":
        steps += _transferred(data, budget, encryptions, scope, patch)
    return steps


def _transferred(
    data: list[str],
    budget: Budget,
    encryptions: dict[str, list[str]],
    scope: list[str],
    patch: int,
) -> list[Step]:
    """Train a ViT on plain images of others first, then for a few epochs on the owner's."""
    half, first = budget.train // 2, "pretraining on plain"
    base = [*data, *SMALL["vit_micro"], f"model.patch_size={patch}", f"data.limit_test={budget.test}"]
    sizes = [*base, "data.validation=0", f"data.limit_train={half}"]
    steps = [Step(first, "run", [*sizes, *PLAIN, f"model.epochs={budget.epochs['vit_micro']}"], 5.0, "accuracy")]
    for name, encryption in encryptions.items():
        own = [*sizes, *encryption, *(scope if name != "plain" else []), f"data.skip_train={half}", "model.epochs=3"]
        own += ["model.optimizer._target_=torch.optim.SGD", "model.optimizer.lr=0.03", "+model.optimizer.momentum=0.9"]
        steps.append(Step(f"vit_micro, transferred, on {name}", "run", own, 3.0, "accuracy", after=first))
    return steps


def attacks(
    candidate: Candidate, data: list[str], budget: Budget, shape: Shape, examined: Examined, images: int, tests: int
) -> list[Step]:
    """Return all attacks; one that does not apply says so itself, before it begins.

    Args:
        candidate: The scheme.
        data: Overrides that choose the images.
        budget: The sizes.
        shape: (C, H, W) of an image.
        examined: What the scheme was found to be.
        images: Training images there are.
        tests: Test images there are, of which ciphertexts and galleries are made.
    """
    shared = [*data, *candidate.overrides, *_scope(candidate, "shared")]
    each = [*data, *candidate.overrides, *_scope(candidate, "per_image")]
    symbols = examined.linear or "bytes"
    needed = shape[0] * shape[1] * shape[2] * (2 if symbols == "nibbles" else 1) + 1
    known, public = min(needed, images // 2), min(budget.many, images // 2)
    few = f"attack.observation.ciphertexts={min(budget.ciphertexts, tests)}"
    many = [few, f"attack.observation.intercepted={public}", f"attack.observation.public_images={public}"]
    told = f"attack.method.symbols={symbols}"
    found = {
        "fr": [few],
        "known_plaintext": [few],
        "chosen_plaintext": [few],
        "linear_map": [few, told, f"attack.observation.known={known}"],
        "trilateration": [few, told, "attack.observation.known=200", f"attack.observation.public_images={public}"],
        "topology": [*many, told],
        "isometry": many,
        "statistics": [f"attack.observation.ciphertexts={public // 2}", f"attack.observation.public_images={public}"],
        "jigsaw": [few],
        "propagation": [few],
        **{name: [few, *options] for name, options in budget.learned.items()},
    }
    steps = [
        Step(name, "attack", [*shared, f"attack={name}", *options], 4.0 if name in budget.learned else 1.0, "attack")
        for name, options in found.items()
    ]
    for point in installed_points("attacks"):
        target = point.value.replace(":", ".")
        own = ["attack=fr", f"attack.method._target_={target}", "~attack.method.variant", _allowed(candidate, target)]
        steps.append(Step(point.name, "attack", [*shared, *own, *many, f"names.attack={point.name}"], 1.0, "attack"))
    gallery = f"attack.observation.gallery={min(budget.gallery, tests)}"
    for copies in ("exact", "jpeg90"):
        options = [few, gallery, f"attack.observation.gallery_copies={copies}"]
        options += [f"attack.observation.public_images={public}"] * bool(budget.learned)  # to learn from, if it must
        steps.append(Step(f"link, {copies}", "attack", [*each, "attack=link", *options], 2.0, "linkage"))
    return steps


def curve(attack: Step, held: str, most: int) -> list[Step]:
    """Return an attack with less of what it gains from: 1, 10, 100, ... of `ciphertexts`, `intercepted` or `known`."""
    kept = [entry for entry in attack.overrides if not entry.startswith("attack.observation.intercepted")]
    return [
        Step(
            f"{attack.name} from {count} {held}", "attack", [*kept, f"attack.observation.{held}={count}"], 0.5, "curve"
        )
        for count in (1, 10, 100, 1000)
        if count < most
    ]


def _allowed(candidate: Candidate, target: str) -> str:
    """Return the override that lets configurations build from a module of an installed package too."""
    return f"allow_targets=[{','.join(dict.fromkeys([*candidate.modules, target.partition('.')[0]]))}]"


def _sizes(budget: Budget, network: str) -> list[str]:
    epochs = budget.epochs.get(network, budget.epochs["resnet18"])
    sizes = [f"data.limit_train={budget.train}", f"data.limit_test={budget.test}", "data.validation=0"]
    return [*sizes, f"model.epochs={epochs}", "data.batch_size=64", "model.warmup_steps=10"]


def _scope(candidate: Candidate, wanted: str) -> list[str]:
    """Return the wanted key scope, or the one that the scheme is for; without a key there is none for each image."""
    properties = candidate.scheme.properties
    scopes = properties.key_scopes if properties.keyed else ("shared",)
    return [f"key_scope={wanted if wanted in scopes else scopes[0]}"]


def _patch(candidate: Candidate, shape: Shape) -> int:
    """Return the patch size of a ViT: a block, if the ciphertext is cut into so many, else what divides it."""
    block, sides = candidate.scheme.block_size, shape[1:]
    sizes = [block] if 2 <= block <= 8 else []
    return next((size for size in [*sizes, 4, 2] if all(side % size == 0 and side >= 2 * size for side in sides)), 1)
