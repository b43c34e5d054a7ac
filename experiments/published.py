"""What was published about schemes, number by number, with its place; `claims.py` makes claims of it.

Only what was read in the publication, its abstract or its code, and says so; nothing that others quote.
"""

from collections.abc import Iterator
from typing import Any

from vitcrypt.benchmark.claim import ACCURACY, KEYS, TOP1
from vitcrypt.report.paper import TABLE1

Part = dict[str, Any]
SOURCES = {
    "qi2022": (
        "Z. Qi, A. MaungMaung, Y. Kinoshita, H. Kiya: Privacy-Preserving Image Classification Using Vision "
        "Transformer, EUSIPCO 2022",
        "https://arxiv.org/abs/2205.12041",
    ),
    "madono2020": (
        "K. Madono, M. Tanaka, M. Onishi, T. Ogawa: Block-wise Scrambled Image Recognition Using Adaptation Network, "
        "AAAI Workshop on Artificial Intelligence of Things 2020",
        "https://github.com/MADONOKOUKI/Block-wise-Scrambled-Image-Recognition",
    ),
    "madono2021": (
        "K. Madono, M. Tanaka, M. Onishi, T. Ogawa: SIA-GAN: Scrambling Inversion Attack Using Generative Adversarial "
        "Network, IEEE Access 9, 2021",
        "https://github.com/MADONOKOUKI/SIA-GAN",
    ),
    "ito2022": (
        "H. Ito: code of evaluations of learnable encryption, 2022",
        "https://github.com/ito-hiroki/learnable_encryption_robustness",
    ),
    "scramblemix2023": (
        "K. Madono: ScrambleMix, slides and code, PSIVT 2023",
        "https://github.com/MADONOKOUKI/psivt23_scramblemix",
    ),
    "carlini2021": (
        "N. Carlini, S. Garg, S. Jha, S. Mahloujifar, M. Mahmoody, F. Tramer: NeuraCrypt is not private, 2021",
        "https://arxiv.org/abs/2108.07256",
    ),
    "instahide-challenge": (
        "InstaHide challenge, after N. Carlini et al.: Is Private Learning Possible with Instance Encoding?, IEEE "
        "Symposium on Security and Privacy 2021",
        "https://github.com/Hazelsuko07/InstaHide_Challenge",
    ),
    "yala2022": (
        "A. Yala et al.: Syfer: Neural Obfuscation for Private Data Release, 2022",
        "https://arxiv.org/abs/2201.12406",
    ),
    "sirichotedumrong2020": (
        "W. Sirichotedumrong, H. Kiya: A GAN-Based Image Transformation Scheme for Privacy-Preserving Deep Neural "
        "Networks, EUSIPCO 2020",
        "https://arxiv.org/abs/2006.01342",
    ),
}
"""By short name the reference and the address."""

BEST = "best accuracy over all epochs on the test set"
MADONO = {  # network: plain, LE, EtC, ELE; first CIFAR-10, then CIFAR-100
    "shakedrop": ((96.70, 94.94, 85.94, 67.10), (83.59, 78.25, 61.90, 43.05)),
    "shakedrop behind le": ((95.64, 94.49, 80.16, 48.39), (79.13, 75.48, 44.83, 7.19)),
    "shakedrop behind ele": ((85.32, 87.28, 89.09, 83.06), (60.36, 71.30, 71.91, 62.97)),
}
IN_PLACE = "the EtC of its code loses a colour channel in five of six codes, so it cannot be decrypted"
BOXES = {  # medians and quartiles of |SSIM| under FR, then under GAN, read off the box plot
    "le": ((0.05, 0.03, 0.08), (0.66, 0.61, 0.70)),
    "ele": ((0.024, 0.013, 0.037), (0.095, 0.06, 0.15)),
    "pe": ((0.31, 0.15, 0.52), (0.12, 0.05, 0.22)),
    "etc": ((0.04, 0.02, 0.07), (0.095, 0.06, 0.15)),
}
LPIPS = (  # scheme, key scope, lowest LPIPS of four variants, that of the ciphertext, adaptation network, public data
    ("pe", "shared", 0.1632, 0.3255, True, "cifar100"),
    ("pe", "per_image", 0.1509, 0.3231, False, "cifar10"),
    ("le", "shared", 0.0914, 0.3035, True, "cifar10"),
    ("ele", "shared", 0.1483, 0.2947, True, "cifar100"),
    ("etc", "shared", 0.2067, 0.2074, False, "cifar10"),
)
SLIDE = (  # scheme, key scope, options, and by data set the accuracies of WRN-40-2 and ShakeDrop
    ("le", "shared", {}, {"cifar10": (91.34, 94.02), "cifar100": (70.62, 77.59), "svhn": (96.50, 97.26)}),
    ("pe", "per_image", {}, {"cifar10": (92.23, 93.51), "cifar100": (70.82, 77.10), "svhn": (96.83, 97.26)}),
    ("instahide", "none", {"averaged": 1}, {"cifar10": (53.58, 52.93)}),
    ("instahide", "none", {"averaged": 10}, {"cifar10": (94.92, 92.91)}),
    ("datamix", "none", {}, {"cifar10": (66.89, 80.10)}),
    ("scramblemix", "shared", {"averaged": 1}, {"cifar10": (93.08, 95.02)}),
    ("scramblemix", "shared", {"averaged": 4}, {"cifar10": (93.12, 95.31)}),
)
BLOCKS = {"le": 4, "ele": 4, "etc": 4, "proposed": 16}


def published() -> Iterator[Part]:
    """Yield the parts of a claim that its place says; `scheme` is (name, options)."""
    yield from _qi2022()
    yield from _madono2020()
    yield from _attacks()
    for scheme, scope, options, found in SLIDE:
        for data, values in found.items():
            for network, value in zip(("wrn-40-2", "shakedrop"), values, strict=True):
                part = _accuracy(scheme, network, data, 32, value, options) | {"key_scope": scope}
                yield (
                    part
                    | {"notes": ["the slide says WideResNet 40x10, its code builds 40-2"] * (network[0] == "w")}
                    | _in("scramblemix2023", "slide 39")
                )
    auc = {"metric": "AUC", "value": 0.78, "unit": ""}
    yield {
        **_accuracy("syfer", "not said", "chest x-rays", None, 0, {}),
        "key_scope": "not said",
        "result": auc,
        "notes": ["on plain images 0.86"],
        **_in("yala2022", "abstract"),
    }
    yield {
        "kind": "absent",
        "scheme": ("gan_transformation", {}),
        "key_scope": "none",
        "notes": [
            "definition not available",
            "architecture, losses and numbers could not be found, and it is not built from guesses",
        ],
        **_in("sirichotedumrong2020", "abstract"),
    }


def _qi2022() -> Iterator[Part]:
    for row in TABLE1:
        size, block = (
            (224, BLOCKS.get(row.encryption)) if row.network == "vit_b16" else (32, BLOCKS.get(row.encryption))
        )
        network = row.network + (f" behind {row.adaptation}" if row.adaptation != "none" else "")
        notes = [f"equals Table 3 of Madono et al. 2020, which is the {BEST}"] * row.best
        for data in ("cifar10", "cifar100"):
            value = row.accuracy(data)
            if value is not None:
                part = _accuracy(row.encryption, network, data, size, value, {"block_size": block} if block else {})
                scope = {"plain": "none", "pe": "not said"}.get(row.encryption, "shared")
                yield part | {"key_scope": scope, "notes": notes} | _in("qi2022", "Table I")
    yield {
        "kind": "keyspace",
        "scheme": ("proposed", {"block_size": 16}),
        "data": {"name": "any", "image_size": 224},
        "key_scope": "shared",
        "result": {"metric": KEYS, "value": 1511.0, "unit": "bits"},
        **_in("qi2022", "equation (2)"),
    }


def _madono2020() -> Iterator[Part]:
    for network, sets in MADONO.items():
        for data, values in zip(("cifar10", "cifar100"), sets, strict=True):
            for scheme, value in zip(("plain", "le", "etc", "ele"), values, strict=True):
                options = {"block_size": 4} if scheme != "plain" else {}
                part = _accuracy(scheme, network, data, 32, value, options)
                notes = [BEST, *[IN_PLACE] * (scheme == "etc")]
                scope = "none" if scheme == "plain" else "shared"
                yield part | {"key_scope": scope, "notes": notes} | _in("madono2020", "Table 3")


def _attacks() -> Iterator[Part]:
    for scheme, boxes in BOXES.items():
        for attack, (median, lower, upper) in zip(("fr", "gan"), boxes, strict=True):
            spread = [{"kind": "quartiles", "over": "images", "lower": lower, "upper": upper}]
            options = {"channel_shuffle": False} if scheme == "pe" else {"block_size": 4}
            yield {
                **_attack(scheme, options, attack, "median |SSIM|", median),
                "n": 10_000,
                "result": {"metric": "median |SSIM|", "value": median, "unit": "", "spread": spread},
                "notes": ["read off a box plot", *[IN_PLACE] * (scheme == "etc")],
                **_in("ito2022", "notebook/box_plot.ipynb"),
            }
    for scheme, scope, value, floor, adaptation, public in LPIPS:
        part = _attack(scheme, {} if scheme == "pe" else {"block_size": 4}, "sia-gan", "LPIPS", value)
        part["method"]["values"] = {"adaptation_network": adaptation, "public_images": public}
        part["result"]["floor"] = {"name": "untouched ciphertext", "value": floor}
        notes = ["lower is closer to the plain image", "the lowest of four variants of the attack"]
        yield part | {"key_scope": scope, "notes": notes} | _in("madono2021", "table of results in its README")
    yield {
        **_attack("instahide", {}, "carlini", "mean SSIM", 0.43),
        "data": {"name": "instahide challenge"},
        "key_scope": "none",
        **_in("instahide-challenge", "board of results"),
    }
    yield {
        **_attack("neuracrypt", {}, "carlini", TOP1, 100.0, "%"),
        "kind": "linkage",
        "data": {"name": "neuracrypt challenge 1"},
        **_in("carlini2021", "abstract"),
    }


def _attack(scheme: str, options: Part, attack: str, metric: str, value: float, unit: str = "") -> Part:
    return {
        "kind": "attack",
        "scheme": (scheme, options),
        "method": {"name": attack},
        "data": {"name": "cifar10", "image_size": 32},
        "key_scope": "shared",
        "threat_model": {"holds": "ciphertexts only"},
        "result": {"metric": metric, "value": value, "unit": unit},
    }


def _accuracy(scheme: str, network: str, data: str, size: int | None, value: float, options: Part) -> Part:
    return {
        "kind": "accuracy",
        "scheme": (scheme, options),
        "method": {"name": network},
        "data": {"name": data, "image_size": size},
        "result": {"metric": ACCURACY, "value": value, "unit": "%"},
    }


def _in(source: str, place: str) -> Part:
    reference, url = SOURCES[source]
    return {"said": {"by": "published", "source": source, "reference": reference, "place": place, "url": url}}
