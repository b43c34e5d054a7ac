"""Attacks: functions of what the attacker holds. They know the public algorithms and never the victim's key."""

from vitcrypt.attacks.fr import FR
from vitcrypt.attacks.jigsaw import Jigsaw
from vitcrypt.attacks.learned import GAN, ITN
from vitcrypt.attacks.observation import Attack, Observation, Oracle, Reconstruction
from vitcrypt.attacks.plaintext import ChosenPlaintext, KnownPlaintext
from vitcrypt.attacks.statistics import Statistics
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
