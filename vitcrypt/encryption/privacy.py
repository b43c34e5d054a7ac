"""What Gaussian noise on clipped vectors provably hides: two bounds that no attack can beat, whatever it knows.

A vector of Euclidean norm at most `clip` is released once, with independent noise of deviation `sigma` on each of its
values. Nothing is assumed of the vectors, of the noise only that it is Gaussian, exact and not known to the attacker.
"""

import math

from scipy.optimize import brentq
from scipy.special import gammaln, log_ndtr, logsumexp

DELTA = 1e-5
"""Of the local differential privacy that is stated, unless another is asked for."""


def gaussian_delta(epsilon: float, ratio: float) -> float:
    """Return the least delta for which noise gives (epsilon, delta)-differential privacy: in 0..1.

    Args:
        epsilon: At least 0.
        ratio: Sensitivity over sigma: the largest distance of two vectors, in deviations of the noise. For vectors that
            are clipped, and one release each, 2 clip / sigma; with r releases, sqrt(r) times that.

    Theorem 8 of Balle and Wang, "Improving the Gaussian Mechanism for Differential Privacy", ICML 2018.
    """
    if ratio == 0:
        return 0.0
    shift = epsilon / ratio
    return float(math.exp(log_ndtr(ratio / 2 - shift)) - math.exp(epsilon + log_ndtr(-ratio / 2 - shift)))


def gaussian_epsilon(ratio: float, delta: float = DELTA) -> float:
    """Return the least epsilon for a delta in 0..1: infinite for an infinite ratio, that is without noise."""
    if math.isinf(ratio):
        return math.inf
    if gaussian_delta(0, ratio) <= delta:
        return 0.0
    most = ratio**2 / 2 + ratio * math.sqrt(2 * math.log(1 / delta))  # where a plain tail bound already holds
    return float(brentq(lambda epsilon: gaussian_delta(epsilon, ratio) - delta, 0, most))


def leakage_bits(dimension: int, clip: float, sigma: float, releases: int = 1) -> float:
    """Return the maximal leakage of one image in bits: no guess of anything about it gains more than 2 to this power.

    Whoever names one of n equally likely images is right with a probability of at most 2^bits / n, with any means, any
    knowledge of key and network included. So n / 2^bits images are an anonymity set that no attack can shrink to one.

    Maximal leakage (Issa, Wagner, Kamath, "An Operational Approach to Information Leakage", IEEE Trans. Inf. Theory
    66(3), 2020) is the logarithm of the integral over y of the largest density of y that an input gives. Here that is
    exp(-distance(y, ball)^2 / (2 sigma^2)) / (sigma sqrt(2 pi))^d, whose integral by Steiner's formula is the sum over
    j of V_j / (sigma sqrt(2 pi))^j, V_j = binom(d, j) k_d / k_(d-j) clip^j the intrinsic volumes of a ball and k_j the
    volume of the unit ball in j dimensions. Of several releases with noise of their own their mean says all.

    Args:
        dimension: d, of a vector.
        clip: The largest norm.
        sigma: Of the noise.
        releases: Of each image, with fresh noise.
    """
    if sigma == 0:
        return math.inf
    ratio = clip * math.sqrt(releases) / (sigma * math.sqrt(2 * math.pi))
    terms = [
        _log_binomial(dimension, j) + _log_ball(dimension) - _log_ball(dimension - j) + j * math.log(ratio)
        for j in range(dimension + 1)
    ]
    return float(logsumexp(terms) / math.log(2))


def _log_ball(dimension: int) -> float:
    return float(dimension / 2 * math.log(math.pi) - gammaln(dimension / 2 + 1))


def _log_binomial(n: int, k: int) -> float:
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
