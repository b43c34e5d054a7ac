"""The schemes, block sizes and image sizes that are tested."""

from functools import cache

import oracle
import pytest
import torch
from samples import noise_tensor as noise  # noqa: F401  for those who take cases from here

from vitcrypt.encryption import (
    ELE,
    LE,
    PE,
    EtC,
    EtCJPEG,
    Features,
    GrayscaleEtC,
    Horio,
    NeuraCrypt,
    Noise,
    Orthogonal,
    PEViTRS,
    Pixelise,
    Plain,
    Proposed,
    Scheme,
)
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
    Features: oracle.features,
    Orthogonal: oracle.orthogonal,
    EtCJPEG: oracle.etc_jpeg,
    GrayscaleEtC: oracle.grayscale_etc,
    PEViTRS: oracle.pevit_rs,
    Pixelise: oracle.pixelise,
    Noise: oracle.noise,
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


LOSSY = [(EtCJPEG(), (3, 32, 48)), (EtCJPEG(block_size=8), SHAPE), (Pixelise(), (3, 8, 12)), (Pixelise(3), (1, 9, 6))]
LOSSY += [(Noise(), (3, 8, 12)), (Noise(block_size=4), (1, 8, 12)), (PEViTRS(4), (3, 8, 12))]
LOSSY += [(GrayscaleEtC(quality=None), (3, 16, 24)), (GrayscaleEtC(4, quality=None), SHAPE)]


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
