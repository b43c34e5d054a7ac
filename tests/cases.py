"""The schemes, block sizes and image sizes that are tested."""

from functools import cache

import oracle
import pytest
import torch
from samples import noise_tensor as noise  # noqa: F401  for those who take cases from here

from vitcrypt.encryption import ELE, LE, PE, EtC, Horio, NeuraCrypt, Orthogonal, Plain, Proposed, Scheme
from vitcrypt.keys import Key

ORACLES = {
    Plain: oracle.plain,
    PE: oracle.pe,
    LE: oracle.le,
    ELE: oracle.ele,
    EtC: oracle.etc,
    Proposed: oracle.proposed,
    Horio: oracle.horio,
    NeuraCrypt: oracle.neuracrypt,
    Orthogonal: oracle.orthogonal,
}


BLOCKWISE = [LE, ELE, EtC, Proposed]


PIXELWISE = [Plain(), PE(), PE(channel_shuffle=False)]


SMALL = [(cls(block_size=size), (3, 32, 48)) for cls in BLOCKWISE for size in (2, 4, 8, 16)]
SMALL += [(scheme, (3, 32, 48)) for scheme in PIXELWISE]
SMALL += [(cls(block_size=4), (1, 16, 16)) for cls in (LE, ELE, Proposed)]  # the others need three channels


LARGE = [(cls(block_size=16), (3, 224, 224)) for cls in BLOCKWISE] + [(PE(), (3, 224, 224))]


ONE_EACH = [*PIXELWISE, *(cls(block_size=4) for cls in BLOCKWISE)]


KEYED = [scheme for scheme in ONE_EACH if not isinstance(scheme, Plain)]


SHAPE = (3, 32, 32)


def label(value):
    if isinstance(value, tuple):
        return "x".join(str(size) for size in value)
    if isinstance(value, int) and value.bit_length() > 64:
        return "many"  # too long to print
    return repr(value) if isinstance(value, Scheme) else None


def case(*cases):
    return pytest.mark.parametrize(("scheme", "shape"), cases, ids=label)


def each(schemes):
    return pytest.mark.parametrize("scheme", schemes, ids=label)


@cache
def drawn(scheme, shape, name="test-0"):
    return scheme.subkeys(Key.test(name), shape)


@cache
def cipher_of(scheme, shape, name="test-0"):
    return scheme.cipher(drawn(scheme, shape, name), shape)


def by_oracle(scheme, subkeys, image):
    arrays = {name: subkey.numpy() for name, subkey in subkeys.items()}
    return torch.from_numpy(ORACLES[type(scheme)](image.numpy(), arrays, scheme.block_size))
