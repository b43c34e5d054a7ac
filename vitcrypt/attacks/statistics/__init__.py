"""The attack on the statistics of many ciphertexts."""

from vitcrypt.attacks.statistics.attack import Statistics as Statistics
