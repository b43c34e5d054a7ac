"""Attacks on any fixed map: nothing is known of the scheme but that its map is linear, or moves and complements."""

from vitcrypt.attacks.maps.isometry import Isometry as Isometry
from vitcrypt.attacks.maps.pairs import LinearMap as LinearMap
from vitcrypt.attacks.maps.pairs import Trilateration as Trilateration
from vitcrypt.attacks.maps.topology import Topology as Topology
