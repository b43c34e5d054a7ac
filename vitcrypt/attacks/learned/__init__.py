"""Attacks that train a network: GAN and ITN."""

from vitcrypt.attacks.learned.gan import GAN as GAN
from vitcrypt.attacks.learned.itn import ITN as ITN
