"""Attacks: functions of what the attacker holds. They know the public algorithms and never the victim's key.

Those that need SciPy are imported when one of them is first asked for.
"""

from types import ModuleType
from typing import TYPE_CHECKING

from vitcrypt import lazily
from vitcrypt.attacks.fr import FR
from vitcrypt.attacks.observation import Attack, Budget, Observation, Oracle, Reconstruction
from vitcrypt.attacks.plaintext import ChosenPlaintext, KnownPlaintext
from vitcrypt.attacks.propagation import Propagation

if TYPE_CHECKING:
    from vitcrypt.attacks.jigsaw import Jigsaw
    from vitcrypt.attacks.learned import GAN, ITN, Decoder, LearnedLink
    from vitcrypt.attacks.link import Link
    from vitcrypt.attacks.maps import Isometry, LinearMap, Topology, Trilateration
    from vitcrypt.attacks.statistics import Statistics
    from vitcrypt.attacks.weight_diff import Weights

__all__ = [
    "FR",
    "GAN",
    "ITN",
    "Attack",
    "Budget",
    "ChosenPlaintext",
    "Decoder",
    "Isometry",
    "Jigsaw",
    "KnownPlaintext",
    "LearnedLink",
    "LinearMap",
    "Link",
    "Observation",
    "Oracle",
    "Propagation",
    "Reconstruction",
    "Statistics",
    "Topology",
    "Trilateration",
    "Weights",
]


def _holding(_: str) -> tuple[ModuleType, ...]:
    from vitcrypt.attacks import jigsaw, learned, link, maps, statistics, weight_diff

    return jigsaw, learned, link, maps, statistics, weight_diff


__getattr__ = lazily(__name__, _holding)
