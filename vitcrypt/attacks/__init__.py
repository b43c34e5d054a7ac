"""Attacks: functions of what the attacker holds. They know the public algorithms and never a key of the victim."""

from vitcrypt.attacks.fr import FR
from vitcrypt.attacks.gan import GAN
from vitcrypt.attacks.itn import ITN
from vitcrypt.attacks.jigsaw import Jigsaw
from vitcrypt.attacks.observation import Attack, Observation, Oracle, Reconstruction
from vitcrypt.attacks.plaintext import ChosenPlaintext, KnownPlaintext
from vitcrypt.attacks.statistics import Statistics
from vitcrypt.attacks.weights import Weights

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
