"""Attacks that train a network: GAN, ITN, the learned matcher of linkage, and a decoder of private features."""

from vitcrypt.attacks.learned.decoder import Decoder as Decoder
from vitcrypt.attacks.learned.gan import GAN as GAN
from vitcrypt.attacks.learned.itn import ITN as ITN
from vitcrypt.attacks.learned.matcher import LearnedLink as LearnedLink
