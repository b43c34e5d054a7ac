"""Attacks: functions of what the attacker holds. They know the public algorithms and never a key of the victim."""

from vitcrypt.attacks.fr import FR
from vitcrypt.attacks.jigsaw.attack import Jigsaw
from vitcrypt.attacks.learned.gan import GAN
from vitcrypt.attacks.learned.itn import ITN
from vitcrypt.attacks.observation import Attack, Observation, Oracle, Reconstruction
from vitcrypt.attacks.plaintext.attack import ChosenPlaintext, KnownPlaintext
from vitcrypt.attacks.statistics.attack import Statistics
from vitcrypt.attacks.weight_diff import Weights

__all__ = [
    "FR",
    "GAN",
    "ITN",
    "Attack",
    "ChosenPlaintext",
    "Jigsaw",
    "KnownPlaintext",
    "Observation",
    "Oracle",
    "Reconstruction",
    "Statistics",
    "Weights",
]
