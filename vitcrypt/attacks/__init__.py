"""Attacks: functions of what the attacker holds. They know the public algorithms and never the victim's key."""

from vitcrypt.attacks.fr import FR as FR
from vitcrypt.attacks.jigsaw import Jigsaw as Jigsaw
from vitcrypt.attacks.learned import GAN as GAN
from vitcrypt.attacks.learned import ITN as ITN
from vitcrypt.attacks.learned import Decoder as Decoder
from vitcrypt.attacks.learned import LearnedLink as LearnedLink
from vitcrypt.attacks.link import Link as Link
from vitcrypt.attacks.maps import Isometry as Isometry
from vitcrypt.attacks.maps import LinearMap as LinearMap
from vitcrypt.attacks.maps import Topology as Topology
from vitcrypt.attacks.maps import Trilateration as Trilateration
from vitcrypt.attacks.observation import Attack as Attack
from vitcrypt.attacks.observation import Budget as Budget
from vitcrypt.attacks.observation import Observation as Observation
from vitcrypt.attacks.observation import Oracle as Oracle
from vitcrypt.attacks.observation import Reconstruction as Reconstruction
from vitcrypt.attacks.plaintext import ChosenPlaintext as ChosenPlaintext
from vitcrypt.attacks.plaintext import KnownPlaintext as KnownPlaintext
from vitcrypt.attacks.propagation import Propagation as Propagation
from vitcrypt.attacks.statistics import Statistics as Statistics
from vitcrypt.attacks.weight_diff import Weights as Weights
