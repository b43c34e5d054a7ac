"""Attacks that train a network: GAN, ITN and the learned matcher of linkage."""

from vitcrypt.attacks.learned.gan import GAN as GAN
from vitcrypt.attacks.learned.itn import ITN as ITN
from vitcrypt.attacks.learned.matcher import LearnedLink as LearnedLink
