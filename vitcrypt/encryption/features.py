"""Private features: a public network on the owner's side, clipping, a secret rotation, noise with a stated bound."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256, shake_256
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vitcrypt.encryption import primitives
from vitcrypt.encryption.cipher import Cipher, Properties, scaled
from vitcrypt.encryption.orthogonal import orthogonal_matrix
from vitcrypt.encryption.scheme import SCHEMES, Shape, Stage
from vitcrypt.encryption.weights import OfWeights, Weights, read_weights
from vitcrypt.untrusted.graphs import refers_elsewhere
from vitcrypt.untrusted.text import one_line

LARGEST = 10_000
"""Of clip and sigma, and of clip / sigma: as far as the bounds are computed."""
MAX_ONNX_BYTES = 2**31
"""No protobuf is longer."""

KEPT, OVERHEAD = 2**28, 1024
"""Bytes of the vectors that are kept, and of each beside its values: 174,762 of 128 values, 43,690 of 1,280."""


@dataclass(frozen=True)
class Features(OfWeights):
    """y = Q clip(f(x)) + sigma n: features f of a public network, clipped to a norm, turned by a secret Q, and noise n.

    What is claimed of one release of an image holds against anyone who knows all but the noise, Q and f included:

    - local differential privacy (epsilon, delta) of the Gaussian mechanism (Balle and Wang 2018), as two vectors are at
      most 2 clip apart (sqrt(2) clip with `code`);
    - at most `leakage_bits` of maximal leakage, so that linkage among n images succeeds with at most 2^bits / n.
      With `code` these are never more than log2(d), also without noise.

    Both are in `bounds`. They are statements about f(x), thus about everything that follows from it, the class as well.
    Q is no part of them: whoever holds many ciphertexts and images alike finds it out.

    The noise follows from the key and the bytes of the image. The same image therefore gives the same ciphertext, in
    every epoch and for every query, and repeating it tells nothing new; that two images are equal is seen. An image
    that differs in one bit gets fresh noise: r near copies (crops, epochs of augmentation) are r releases, whose mean
    has noise sigma / sqrt(r). Therefore no augmentation is done before this encryption. To whoever does not hold
    the key, noise is Gaussian only as far as SHAKE-256 is a pseudo-random function; its last bits are float32's.

    Args:
        block_size: Without `weights`, f is the means of blocks, less those of the image: a baseline that needs no file.
        weights: An ONNX file: uint8 [n, 3, H, W] named `image` to float32 [n, d] (`experiments/features/encoder.py`
            makes one of any network of timm). Its training images must not be those that are to be protected.
        clip: The largest Euclidean norm; longer vectors are shortened to it.
        sigma: Standard deviation of the noise on each value, in the unit of `clip`.
        code: Whether nothing is released but which value of f(x) is the largest: that one becomes clip, all others 0.
        network: SHA-256 of the file `weights`: what manifests and services say of it. Only the owner needs the file.
        values: d of that network.

    Shape:
        A ciphertext is float32 [d, 1, 1].

    Subkeys:
        gaussian: float64 [d, d], made orthogonal as in `Orthogonal`.
        noise: bool [256], what noise is derived from: SHAKE-256 of these bytes and the image's SHA-256, 64 bits a
            number, the lower 53 of which are taken as those of a keystream are.
    """

    block_size: int = 8
    weights: str | None = None
    clip: float = 1.0
    sigma: float = 0.5
    code: bool = False
    network: str | None = None
    values: int | None = None
    properties = Properties(invertible=False, key_scopes=("shared",), dtype="float32")
    released_once = True

    def __post_init__(self) -> None:
        """Check clip and noise."""
        super().__post_init__()
        for name, least in (("clip", "above 0"), ("sigma", "from 0 on")):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or value < 0 or (name == "clip" and value == 0):
                raise ValueError(f"{name} is a number {least}; got {value!r}")
        if max(self.clip, self.sigma) > LARGEST or self.clip < LARGEST**-3 or 0 < self.sigma < self.clip / LARGEST:
            raise ValueError(
                f"no bounds are computed for clip={self.clip} and sigma={self.sigma}: set both up to {LARGEST:,}, and "
                f"sigma to 0, or from clip / {LARGEST:,} on"
            )
        if (self.network is None) != (self.values is None):
            raise ValueError("network (SHA-256 of a file) and values (the length of its vectors) belong together")

    def file(self) -> Weights:
        """Read the ONNX file."""
        return read_weights(str(self.weights), MAX_ONNX_BYTES, _network)

    def to_dict(self) -> dict[str, Any]:
        """Return name and values; a network by its SHA-256 and length, not by where its file lies here."""
        described = {**super().to_dict(), "clip": float(self.clip), "sigma": float(self.sigma)}
        return described if self.weights is None else {**described, "values": self.file().network.length}

    def dimension(self, shape: Shape) -> int:
        """Return d."""
        if self.weights is not None:
            return int(self.file().network.length)
        return self.values or shape[0] * self.num_blocks(shape)

    def features(self, images: Tensor) -> Tensor:
        """Return what is turned and made noisy of uint8 [n, C, H, W]: float64 [n, d], of a norm of at most `clip`."""
        if self.weights is None and self.network is not None:
            raise ValueError(
                f"set weights to the file of the network with the SHA-256 {self.network}: it makes the vectors"
            )
        if self.weights is None:
            means = primitives.to_vectors(scaled(images), self.block_size)  # [n, N, b b C]
            blocks = means.double().view(*means.shape[:2], -1, images.shape[1]).mean(2)
            vectors = (blocks - blocks.mean(1, keepdim=True)).flatten(1)
        else:
            vectors = torch.from_numpy(self.file().network.apply(images.cpu().numpy())).double()
        if not bool(vectors.isfinite().all()):
            raise ValueError(f"weights={self.weights}: this network gives values that are not finite")
        if self.code:
            return F.one_hot(vectors.argmax(1), vectors.shape[1]).double() * self.clip
        shortened: Tensor = vectors * (self.clip / vectors.norm(dim=1, keepdim=True).clamp_min(self.clip))
        return shortened

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """A rotation, and what noise is derived from."""
        size = self.dimension(shape)
        return {"gaussian": Stage("normal", (size, size)), "noise": Stage("bits", (256,))}

    def output_shape(self, shape: Shape) -> Shape:
        """(d, 1, 1)."""
        return self.dimension(shape), 1, 1

    def check_shape(self, shape: Shape) -> None:
        """A network takes images of any size; the baseline, those that blocks divide."""
        if self.weights is None and self.network is None:
            super().check_shape(shape)

    def apply(self, subkeys: dict[str, Tensor], shape: Shape) -> NoisyFeatures:
        """Make the rotation, and pack the bits."""
        secret = np.packbits(subkeys["noise"].numpy(), bitorder="little").tobytes()
        return NoisyFeatures(self, orthogonal_matrix(subkeys["gaussian"]), secret)

    def invariants(self, images: Tensor) -> Tensor:
        """The length of the vector, all that a rotation leaves; of a ciphertext less what noise adds on average."""
        if images.dtype == torch.uint8:
            return self.features(images).square().sum(1, keepdim=True).sqrt().float()
        squares = images.double().flatten(1).square().sum(1, keepdim=True)
        lengths: Tensor = (squares - images[0].numel() * self.sigma**2).clamp_min(0).sqrt()
        return lengths.float()

    def key_space_bits(self, shape: Shape) -> float:
        """0: the size of the noise protects, not the number of keys, and nobody needs a key to take noise away."""
        return 0.0

    def bounds(self, shape: Shape) -> dict[str, float]:
        """Epsilon and delta of local differential privacy, and maximal leakage, of one release of an image."""
        from vitcrypt.encryption.privacy import DELTA, gaussian_epsilon, leakage_bits

        size = self.dimension(shape)
        bits = min(leakage_bits(size, self.clip, self.sigma), math.log2(size) if self.code else math.inf)
        proved = {"leakage_bits": bits} if math.isfinite(bits) else {}
        if self.sigma > 0:
            apart = math.sqrt(2 if self.code else 4) * self.clip
            proved |= {"epsilon": gaussian_epsilon(apart / self.sigma), "delta": DELTA}
        return proved


class NoisyFeatures(Cipher):
    """Features, turned and with noise. What was made of an image is kept: networks are slow, and it never changes.

    It is kept as long as there is room for it in `KEPT` bytes, and then no more: of images that come again epoch by
    epoch, dropping the oldest would leave none that is still there when its turn comes.
    """

    rotation: Tensor

    def __init__(self, scheme: Features, rotation: Tensor, secret: bytes) -> None:
        super().__init__()
        self.scheme, self._secret = scheme, secret
        self._made: dict[bytes, Tensor] = {}
        self._room = KEPT // (OVERHEAD + 4 * len(rotation))
        self.register_buffer("rotation", rotation, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Make a vector of each image, float32 [..., d, 1, 1]."""
        if image.dtype != torch.uint8:
            raise TypeError(f"images are encrypted as uint8 in 0..255, before they are normalised, got {image.dtype}")
        images = (image if image.dim() == 4 else image[None]).cpu()
        names = [sha256(each.numpy().tobytes()).digest() for each in images]
        here = {name: self._made[name] for name in names if name in self._made}
        fresh = [place for place, name in enumerate(names) if name not in here]
        if fresh:
            turned = self.scheme.features(images[fresh]) @ self.rotation.cpu().mT
            for place, vector in zip(fresh, turned, strict=True):
                here[names[place]] = (vector + self.scheme.sigma * self._noise(names[place], len(vector))).float()
                if len(self._made) < self._room:
                    self._made[names[place]] = here[names[place]]
        made = torch.stack([here[name] for name in names]).to(image.device)
        return made.view(*image.shape[:-3], -1, 1, 1)

    def _noise(self, name: bytes, count: int) -> Tensor:
        words = np.frombuffer(shake_256(self._secret + name).digest(8 * count), "<u8") & np.uint64(2**53 - 1)
        from scipy.special import ndtri

        return torch.from_numpy(ndtri((words.astype(np.float64) + 0.5) / 2**53))

    def extra_repr(self) -> str:
        """Say what it makes, and nothing of the key."""
        return f"{self.scheme}"


class _Network(NamedTuple):
    """What is applied to uint8 [n, C, H, W], and d."""

    apply: Callable[[Any], Any]
    length: int


def _network(data: bytes, start: str) -> _Network:
    try:
        import onnxruntime
        from onnx import ModelProto
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{error.name} is not installed: pip install 'vitcrypt[serve]'") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    try:
        elsewhere = refers_elsewhere(ModelProto.FromString(data))
        session = None if elsewhere else onnxruntime.InferenceSession(data, options)
    except Exception as error:  # ONNX Runtime raises its own
        raise ValueError(f"{start} is no ONNX file: {one_line(error)}") from error
    if session is None:
        raise ValueError(f"{start} keeps weights in other files, and none but it is read; save it whole")
    (taken, *others), (given, *_) = session.get_inputs(), session.get_outputs()
    if others or taken.name != "image" or len(given.shape) != 2 or not isinstance(given.shape[1], int):
        raise ValueError(f"{start} does not map `image` to vectors of one length")
    run = session.run
    return _Network(lambda images: run([given.name], {"image": images})[0], given.shape[1])


SCHEMES["features"] = Features
