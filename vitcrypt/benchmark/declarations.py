"""Whether a scheme is what it declares: every property is tried on images, and what is found counts.

A lie is a declaration that a trial contradicts. What a scheme is without saying so (linear, say) is told as well, since
it decides which attacks apply.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor

from vitcrypt.encryption import Cipher, ImageEncryption, Scheme, Shape
from vitcrypt.encryption.cipher import Symbols, symbols_of
from vitcrypt.keys import Key

KEYS = 256
"""So many keys are tried for two with one ciphertext."""
BY_CHANCE = 4
"""Times as often as keys are drawn twice by chance may two of them have one ciphertext."""
FEW_BITS = 64.0
"""Keys of fewer bits can be tried one by one."""


@dataclass(frozen=True)
class Finding:
    """What was tried.

    Attributes:
        what: The property.
        declared: What the scheme says.
        found: What the trial says.
        honest: Whether the two go together.
        told: A sentence.
    """

    what: str
    declared: str
    found: str
    honest: bool
    told: str


@dataclass(frozen=True)
class Examined:
    """All findings, and what attacks are chosen by."""

    findings: list[Finding]
    linear: Symbols | None
    isometry: Symbols | None
    invertible: bool
    key_bits: float

    @property
    def lies(self) -> list[Finding]:
        """Declarations that are not so."""
        return [finding for finding in self.findings if not finding.honest]


def examine(scheme: Scheme, plain: Tensor) -> Examined:
    """Try everything that a scheme declares.

    Args:
        scheme: The scheme.
        plain: uint8 [n, 3, S, S], natural images.

    Raises:
        ValueError: It fails on an image, or makes something of another type or shape than it declares.
    """
    _, channels, height, width = plain.shape
    shape = (channels, height, width)
    images = _images(plain)
    cipher, other = (scheme.cipher(scheme.subkeys(Key.test(name), shape), shape) for name in ("test-0", "test-1"))
    made = _made(scheme, cipher, images)
    findings = [_deterministic(cipher, images, made)]
    keyed, told = _keyed(scheme, made, other(images))
    findings.append(told)
    bits = 0.0
    if keyed:
        key_findings, bits = _keys(scheme, shape, images[-1:])
        findings += key_findings
    inverted, told = _invertible(scheme, cipher, images, made)
    findings.append(told)
    linear, told = _first("linear", scheme.properties.linear, lambda kind: _is_linear(cipher, shape, kind))
    findings.append(told)
    isometry, told = _first("isometry", scheme.properties.isometry, lambda kind: _is_isometry(images, made, kind))
    findings.append(told)
    findings += _scopes(scheme, shape, images[:1]) if keyed else []
    return Examined(findings, linear, isometry, inverted, bits)


def _images(plain: Tensor) -> Tensor:
    """Natural images, each also with one bit changed, constant ones, and noise."""
    natural = plain[:16]
    changed = natural.clone()
    changed[:, 0, -1, -1] ^= 1
    constant = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(-1, *plain.shape[1:])
    return torch.cat([natural, changed, constant, _noise(8, plain.shape[1:], 0)])


def _noise(count: int, shape: Any, seed: int, below: int = 256) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, below, (count, *shape), dtype=torch.uint8, generator=generator)


def _made(scheme: Scheme, cipher: Cipher, images: Tensor) -> Tensor:
    made = cipher(images)
    shape, dtype = tuple(images.shape[1:]), scheme.properties.dtype
    wanted = scheme.output_shape((shape[0], shape[1], shape[2]))
    if made.dtype != getattr(torch, dtype):
        raise ValueError(f"{scheme.name} declares {dtype} ciphertexts and makes {made.dtype}")
    if tuple(made.shape) != (len(images), *wanted):
        raise ValueError(
            f"{scheme.name} makes {list(made.shape[1:])} of an image {list(shape)}, and its output_shape says "
            f"{list(wanted)}"
        )
    if made.is_floating_point() and not bool(made.isfinite().all()):
        raise ValueError(f"{scheme.name} makes numbers that are not finite")
    return made


def _deterministic(cipher: Cipher, images: Tensor, made: Tensor) -> Finding:
    again = cipher(images)
    alone = torch.stack([cipher(image) for image in images[:4]])
    if not torch.equal(again, made):
        told = f"the same {len(images)} images under the same key gave other ciphertexts: {_differing(made, again)}"
        return Finding("deterministic", "yes", "no", False, f"{told}. Draw what is random from the key alone.")
    if not _near(alone, made[:4]):
        told = "an image alone has another ciphertext than in a batch"
        return Finding("deterministic", "yes", "no", False, f"{told}: {_differing(made[:4], alone)}.")
    return Finding("deterministic", "yes", "yes", True, "The same image and key always gave the same ciphertext.")


def _near(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-4, atol=1e-4) if one.is_floating_point() else torch.equal(one, other)


def _differing(one: Tensor, other: Tensor) -> str:
    """Say how many values differ, and which is the first."""
    places = (one != other).nonzero()
    image, *place = places[0].tolist()
    there = ", ".join(map(str, place))
    return (
        f"{len(places):,} of {one.numel():,} values differ, first at (channel, row, column) ({there}) of image "
        f"{image}, {one[image][tuple(place)].item():g} and {other[image][tuple(place)].item():g}"
    )


def _keyed(scheme: Scheme, made: Tensor, other: Tensor) -> tuple[bool, Finding]:
    keyed, declared = not torch.equal(made, other), scheme.properties.keyed
    told = {
        (True, True): "Another key gave another ciphertext.",
        (True, False): "It takes a key and ignores it: two keys gave the same ciphertexts. Use the key, or declare "
        "keyed = False.",
        (False, True): "It declares that it needs no key, and two keys gave different ciphertexts.",
        (False, False): "It has no key: whoever has the code makes pairs.",
    }[declared, keyed]
    return keyed, Finding("keyed", _yes(declared), _yes(keyed), declared == keyed, told)


class _Impostor(Key):
    """Another secret that claims the fingerprint of `test-0`."""

    __slots__ = ()

    @property
    def fingerprint(self) -> str:
        """That of the public key test-0."""
        return Key.test("test-0").fingerprint


def _keys(scheme: Scheme, shape: Shape, image: Tensor) -> tuple[list[Finding], float]:
    """Look for subkeys without effect, for keys with one ciphertext, and whether the fingerprint tells the key."""
    declared = scheme.effective_key_bits(shape)
    mine = scheme.subkeys(Key.test("test-0"), shape)
    bits = min(declared, _used_bits(scheme, mine, shape, image))
    impostor = scheme.subkeys(_Impostor.from_bytes(bytes(range(32))), shape)
    if mine and all(torch.equal(subkey, impostor[name]) for name, subkey in mine.items()):
        told = "The subkeys follow from the fingerprint of the key, which is public: anyone can draw them."
        return [Finding("key", f"{declared:.0f} bits", "0 bits", False, told)], 0.0
    ciphertexts = set()
    for number in range(KEYS):
        cipher = scheme.cipher(scheme.subkeys(Key.test(f"test-{number}"), shape), shape)
        ciphertexts.add(cipher(image).numpy().tobytes())
    pairs, same = KEYS * (KEYS - 1) / 2, KEYS - len(ciphertexts)
    if same > BY_CHANCE * (1 + pairs / 2.0**bits):  # of few keys some are drawn twice
        bits = min(bits, math.log2(pairs / same))
        told = f"Of {KEYS} keys {same} gave the ciphertext of another: there are some 2^{bits:.0f} of them."
    elif bits < declared:
        told = f"A part of the key changes nothing: at most {bits:.0f} bits of it count."
    else:
        told = f"{KEYS} keys gave {KEYS} ciphertexts, and every part of the key changes them."
    if bits < FEW_BITS:
        told += f" 2^{bits:.0f} keys can be tried, each against one known pair."
    honest = bits >= declared - 1e-9
    return [Finding("key", f"{declared:.0f} bits", f"{bits:.0f} bits", honest, told)], bits


def _used_bits(scheme: Scheme, mine: dict[str, Tensor], shape: Shape, image: Tensor) -> float:
    """Return the bits of those subkeys, and of the bytes of a function's key, that change the ciphertext."""
    made, total = scheme.cipher(mine, shape)(image), 0.0
    stages = scheme.stages(shape)
    other = scheme.subkeys(Key.test("test-1"), shape)
    for name, stage in stages.items():
        if (stage.kind, stage.shape, stage.bound) == ("codes", (32,), 256):  # the bytes of a function's key
            for i in range(32):
                changed = mine[name].clone()
                changed[i] ^= 255
                total += 8.0 * (not torch.equal(scheme.cipher({**mine, name: changed}, shape)(image), made))
            continue
        alike = torch.equal(mine[name], other[name])  # then nothing can be seen
        if alike or not torch.equal(scheme.cipher({**mine, name: other[name]}, shape)(image), made):
            total += stage.key_bits
    return total if stages else float("inf")  # subkeys of its own making: only ciphertexts tell


def _invertible(scheme: Scheme, cipher: Cipher, images: Tensor, made: Tensor) -> tuple[bool, Finding]:
    declared, found, told = scheme.properties.invertible, True, ""
    try:
        back = cipher.inverse()(made)
        if back.shape != images.shape or back.dtype != images.dtype:
            found, told = False, f"What is decrypted is {back.dtype} {list(back.shape[1:])}, and not the image"
        elif not torch.equal(back, images):
            found, told = False, f"What is decrypted is not the image: {_differing(images, back)}"
    except ValueError as error:
        found, told = False, f"Nothing decrypts: {error}"
    if found:
        told = f"{len(images)} images were decrypted to the byte, constant ones and noise among them"
        told += "" if declared else "; it does not declare so"
    honest = found or not declared
    return found, Finding("invertible", _yes(declared), _yes(found), honest, f"{told}.")


def _first(what: str, declared: Symbols | None, holds: Callable[[Symbols], bool]) -> tuple[Symbols | None, Finding]:
    """Return in which symbols something holds: the declared ones, or the first that it does hold in."""
    order = dict.fromkeys([*([declared] if declared else []), *get_args(Symbols)])
    found: Symbols | None = next((kind for kind in order if holds(kind)), None)
    honest = declared is None or found == declared
    words = {"linear": "linear but for a constant", "isometry": "keeps all distances"}[what]
    if found:
        told = f"It is {words} in {found}." if what == "linear" else f"It {words} between {found}, but for a factor."
        told += "" if declared else " It does not declare so; attacks on such maps apply."
    else:
        told = f"It is not {words}." if what == "linear" else "It does not keep distances."
    return found, Finding(what, declared or "no", found or "no", honest, told)


def _is_linear(cipher: Cipher, shape: Shape, kind: Symbols) -> bool:
    """Whether f(a) + f(b) = f(a + b) + f(0) for symbols that do not overflow."""
    below = 128 if kind == "bytes" else 8
    one, other = (_noise(8, shape, seed, below) for seed in (1, 2))
    if kind == "nibbles":
        high = [_noise(8, shape, seed, below) for seed in (3, 4)]
        one, other = one | high[0] << 4, other | high[1] << 4
    zero = torch.zeros(1, *shape, dtype=torch.uint8)
    parts = [cipher(images) for images in (one, other, one + other, zero)]
    if parts[0].is_floating_point() and kind == "nibbles":
        return False
    a, b, both, constant = (symbols_of(part, kind).double() for part in parts)
    sums, wanted = a + b, both + constant
    scale = float(sums.abs().max()) + 1e-9
    return bool((sums - wanted).abs().max() <= (1e-4 * scale if parts[0].is_floating_point() else 0))


def _is_isometry(images: Tensor, made: Tensor, kind: Symbols) -> bool:
    if made.is_floating_point() and kind == "nibbles":
        return False
    plain, encrypted = (torch.pdist(symbols_of(part, kind).double()) for part in (images, made))
    factor = float(encrypted.sum() / plain.sum().clamp(min=1e-9))
    return factor > 0 and bool(((encrypted - factor * plain).abs() <= 1e-4 * float(encrypted.max())).all())


def _scopes(scheme: Scheme, shape: Shape, image: Tensor) -> Iterator[Finding]:
    """Try that a key for each image gives an image another ciphertext in another place."""
    scopes = scheme.properties.key_scopes
    if "per_image" in scopes:
        copies = image.expand(8, -1, -1, -1)
        each = ImageEncryption(scheme, Key.test("test-0"), shape, "per_image")(copies, torch.arange(8))
        found = not torch.equal(each, each[:1].expand_as(each))
        told = "An image had other ciphertexts" if found else "An image had the same ciphertext"
        yield Finding("a key each", "yes", _yes(found), found, f"{told} under the keys of eight images.")


def _yes(value: bool) -> str:
    return "yes" if value else "no"
