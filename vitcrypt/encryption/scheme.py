"""What all schemes have in common: drawing subkeys, and from these to a cipher."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from vitcrypt.encryption.arrays import A, cast, count, flat, library, moveaxis, signs
from vitcrypt.encryption.moves import FULL, Moves
from vitcrypt.encryption.properties import KEY_SCOPES, KeyScope, Properties
from vitcrypt.encryption.stage import Stage
from vitcrypt.untrusted.scheme import SchemeValues, scheme_values

if TYPE_CHECKING:  # a process that never holds a key need not load the code that makes one
    from torch import Tensor

    from vitcrypt.encryption.cipher import Cipher
    from vitcrypt.keys import Key

__all__ = ["MASTER_KEY_BITS", "SCHEMES", "Scheme", "Shape", "Stage"]
Shape = tuple[int, int, int]
MASTER_KEY_BITS = 256


@dataclass(frozen=True)
class Scheme:
    """An encryption scheme: values only, no key inside.

    Args:
        block_size: Side of a square block in pixels; divides height and width of the image.

    Shape:
        `shape` is always that of one image, (C, H, W).
    """

    block_size: int
    properties: ClassVar[Properties] = Properties()
    """What the scheme declares of its ciphers."""
    is_plain: ClassVar[bool] = False
    """Whether it leaves images as they are, so that no key is needed."""
    scrambles_blocks: ClassVar[bool] = False
    """Whether it only moves whole blocks and, in all of them alike, pixels: a ViT absorbs this if a block is a patch.

    ELE and EtC move blocks too, but treat each one in a way of its own.
    """
    translation_by_blocks: ClassVar[bool] = False
    """Whether moving a ciphertext by whole blocks gives the ciphertext of the moved image."""

    released_once: ClassVar[bool] = False
    """Whether what it hides of an image holds for one ciphertext of it: then nothing is cropped or flipped first."""

    nibbles: ClassVar[bool] = False
    """Whether `steps` move halves of bytes."""

    batched: ClassVar[bool] = False
    """Whether `apply` also takes the subkeys of several keys, stacked, and gives a map with a row for each."""

    def __post_init__(self) -> None:
        """Check the block size."""
        if not isinstance(self.block_size, int) or self.block_size < 1:
            raise ValueError(f"block_size is a whole number of pixels, at least 1; got {self.block_size!r}")

    def to_dict(self) -> dict[str, Any]:
        """Return name and values, as {"name": "proposed", "block_size": 16}: how files describe a scheme."""
        return {"name": self.name, **asdict(self)}

    @staticmethod
    def from_dict(described: dict[str, Any] | SchemeValues) -> Scheme:
        """Return the scheme that a file or a service describes, whoever wrote that: one of `SCHEMES`, by its name.

        Raises:
            ValueError: It names none of them, or a value is unknown, of another type or out of range.
        """
        values = scheme_values(described)
        return SCHEMES[values.name](**values.model_dump(exclude={"name"}))

    @property
    def name(self) -> str:
        """The name in configurations and results: that of the class, lowered."""
        return type(self).__name__.lower()

    @property
    def jpeg_quality(self) -> int | None:
        """The quality of the JPEG files that keep its ciphertexts; None: to the byte, as PNG."""
        return None

    @property
    def has_files(self) -> bool:
        """Whether files can keep its ciphertexts: PNG those that are images as before, JPEG, or .npy float32."""
        image = (3, 224, 224)
        kept = self.jpeg_quality is not None or self.properties.dtype == "float32"
        return kept or self.output_shape(image) == image

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """Return which subkeys there are at this image shape; none where a scheme draws its own in `subkeys`."""
        return {}

    def output_shape(self, shape: Shape) -> Shape:
        """Return (C', H', W') of a ciphertext: as the image, unless a scheme says otherwise."""
        return shape

    def steps(self, image: A, subkeys: dict[str, A], negate: Callable[[A, A], A]) -> A:
        """Move and negate what stands in an image, NumPy's or torch's: the whole of a scheme of signed permutations.

        A scheme whose ciphers are others has an `apply` of its own instead.

        Args:
            image: [..., C, H, W]; of a scheme of `nibbles` [..., 2, C, H, W], the low ones first.
            subkeys: As `stages` names them, perhaps with a dimension in front that the image may have too.
            negate: Called with a part of the image and bits, complements the values where a bit is set.
        """
        raise NotImplementedError(f"{self.name} says neither by `steps` nor by `apply` what it does")

    def moves(self, subkeys: dict[str, A], shape: Shape) -> Moves[A]:
        """Return the signed permutation that subkeys amount to: its steps done to the numbers of the values."""
        shapes, marked = (2, *shape) if self.nibbles else shape, False
        size = math.prod(shapes)
        # `high`: the bit of the number of a value that is negated
        kind, high = ("int32", 2**30) if size <= 2**30 else ("int64", 2**62)

        def mark(numbers: A, bits: A) -> A:
            nonlocal marked
            marked = True
            made: A = numbers ^ (cast(bits, kind) * high)
            return made

        numbers = count(size, next(iter(subkeys.values())), kind).reshape(*shapes)
        made = flat(self.steps(numbers, subkeys, mark), len(shapes))
        bits = 4 if self.nibbles else 8
        index = cast(made & (high - 1), "int64") if marked else cast(made, "int64")
        return Moves(index, signs(made >= high, FULL[bits]) if marked else None, bits)

    def encrypted(self, images: A, subkeys: dict[str, A]) -> A:
        """Do the steps to uint8 [B, C, H, W], each image under its row of the subkeys: no map is made for once."""
        if images.dtype != library(images).uint8:
            raise TypeError(f"images are encrypted as uint8 in 0..255, before they are normalised, got {images.dtype}")
        full = FULL[4 if self.nibbles else 8]

        def negate(values: A, bits: A) -> A:
            made: A = values ^ signs(bits, full)
            return made

        if not self.nibbles:
            return self.steps(images, subkeys, negate)
        halves = library(images).stack([images & 15, images >> 4], -4)
        low, high = moveaxis(self.steps(halves, subkeys, negate), -4, 0)
        made: A = low | (high << 4)
        return made

    def apply(self, subkeys: dict[str, Tensor], shape: Shape) -> Cipher:
        """Build the map from checked subkeys."""
        from vitcrypt.encryption.compressed import Compressed
        from vitcrypt.encryption.permutation import SignedPermutation

        moves = SignedPermutation.of(self.moves(subkeys, shape))
        return moves if self.jpeg_quality is None else Compressed(moves, self.jpeg_quality)

    def invariants(self, images: Tensor) -> Tensor:
        """Return what no key changes of uint8 images [B, C, H, W], float32 [B, F]: the same for all ciphertexts of one.

        Whoever finds a row's nearest neighbour (in L1) among those of known images links the ciphertext to its image.
        """
        raise NotImplementedError(f"{self.name} names nothing that its keys leave as it is")

    def orbits(self, shape: Shape, levels: int = 256) -> int | None:
        """Return into how many classes the keys divide the images of `shape`, or a number above it; None: unknown.

        Two images are of one class if keys map them to each other; what is made from such ciphertexts tells no more.
        Whoever overrides `apply` with another map overrides this. `levels`: see `vitcrypt.encryption.orbits`.
        """
        return None

    def leak_bits(self, shape: Shape) -> float | None:
        """Return the most that one ciphertext under a fresh key of its own tells of its image; None: not known."""
        count = self.orbits(shape)
        return None if count is None else math.log2(count)

    def key_space_bits(self, shape: Shape) -> float:
        """Return log2 of the number of keys, which is the published formula; see also `effective_key_bits`.

        Of a scheme that draws its own subkeys nothing is known but the key they are drawn from.
        """
        if self._draws_its_own:
            return float(MASTER_KEY_BITS)
        return sum((stage.key_bits for stage in self.stages(shape).values()), start=0.0)

    def effective_key_bits(self, shape: Shape) -> float:
        """Return the same, but never more than the bits of the key that the subkeys are derived from."""
        return min(float(MASTER_KEY_BITS), self.key_space_bits(shape))

    def bounds(self, shape: Shape) -> dict[str, float]:
        """Return what is proved of one ciphertext against any attack, by name; nothing of most schemes."""
        return {}

    def num_blocks(self, shape: Shape) -> int:
        """Return N."""
        return (shape[1] // self.block_size) * (shape[2] // self.block_size)

    def check_shape(self, shape: Shape) -> None:
        """Raise ValueError unless images of this shape can be encrypted."""
        channels, height, width = shape
        if height % self.block_size or width % self.block_size:
            fits = [size for size in range(2, 33) if height % size == 0 and width % size == 0]
            raise ValueError(
                f"block_size={self.block_size} does not divide images of {height} x {width} pixels; "
                + (f"try block_size in {fits}, or another image size" if fits else "resize the images")
            )
        if "channel_permutation" in self.stages(shape) and channels != 3:
            raise ValueError(f"{self.name} shuffles three colour channels, got {channels}; convert the images to RGB")

    def check_use(self, shape: Shape, key_scope: KeyScope) -> None:
        """Raise ValueError unless images of this shape can be encrypted with keys of this scope."""
        if key_scope not in KEY_SCOPES:
            raise ValueError(f"key_scope is 'shared' or 'per_image', got {key_scope!r}")
        if key_scope not in (scopes := self.properties.key_scopes):
            raise ValueError(f"{self.name} is not for key_scope={key_scope}; set key_scope={' or '.join(scopes)}")
        self.check_shape(shape)

    @property
    def is_moves(self) -> bool:
        """Whether `steps` says all: then no torch is needed. Who overrides one of these has ciphers of other kinds."""
        own = ("apply", "moves", "cipher", "ciphers", "subkeys", "subkeys_of_each", "common_subkeys")
        return all(getattr(type(self), name) is getattr(Scheme, name) for name in own)

    @property
    def _draws_its_own(self) -> bool:
        return type(self).subkeys is not Scheme.subkeys

    def subkeys(self, key: Key, shape: Shape) -> dict[str, Tensor]:
        """Draw the subkeys of `key` for images of `shape`, one keystream a stage; CPU tensors, always the same."""
        return {name: drawn[0] for name, drawn in self.subkeys_of_each([key], shape).items()}

    def common_subkeys(self, key: Key, shape: Shape) -> dict[str, Tensor]:
        """Draw those that are the owner's also where every image has a key of its own."""
        common = {name for name, stage in self.stages(shape).items() if stage.common}
        return {name: drawn for name, drawn in self.subkeys(key, shape).items() if name in common} if common else {}

    def subkeys_of_each(
        self, keys: Sequence[Key], shape: Shape, common: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Draw the subkeys of several keys, stacked: what `subkeys` gives for keys[i] is row i.

        Args:
            keys: The keys.
            shape: Of the images.
            common: Subkeys that all have: they are not drawn, and not stacked.
        """
        import torch

        self.check_shape(shape)
        if self._draws_its_own:
            rows = [self.subkeys(key, shape) for key in keys]
            return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
        drawn = {name: torch.from_numpy(rows) for name, rows in self.drawn(keys, shape, common or ()).items()}
        return {**drawn, **(common or {})}

    def drawn(self, keys: Sequence[Key], shape: Shape, leave: Collection[str] = ()) -> dict[str, NDArray[Any]]:
        """Draw the same as NumPy arrays, but for those that are left out."""
        drawn = {}
        for name, stage in self.stages(shape).items():
            if name not in leave:
                streams = [key.keystream(self.name, name, shape, self.block_size) for key in keys]
                drawn[name] = stage.draw(streams).reshape(len(keys), *stage.shape)
        return drawn

    def cipher(self, subkeys: dict[str, Tensor], shape: Shape) -> Cipher:
        """Build the cipher of the given subkeys, whoever drew them.

        Raises:
            ValueError: A subkey is missing, unknown, of another shape, or no permutation; or `shape` does not fit.
            TypeError: A subkey has another dtype.
        """
        self.check_shape(shape)
        stages = self.stages(shape)
        if subkeys.keys() != stages.keys():
            raise ValueError(f"{self.name} takes the subkeys {sorted(stages)}, got {sorted(subkeys)}")
        for name, stage in stages.items():
            stage.check(name, subkeys[name])
        return self.apply({name: subkey.cpu() for name, subkey in subkeys.items()}, shape)

    def ciphers(self, subkeys: dict[str, Tensor], shape: Shape) -> Cipher:
        """Build a cipher with a row for each of several keys, from their stacked subkeys as they were drawn."""
        from vitcrypt.encryption.cipher import EachCipher
        from vitcrypt.encryption.permutation import SignedPermutation

        if self.batched or not subkeys:
            return self.apply(subkeys, shape)
        rows = zip(*subkeys.values(), strict=True)
        ciphers = [self.cipher(dict(zip(subkeys, row, strict=True)), shape) for row in rows]
        moves = [cipher for cipher in ciphers if isinstance(cipher, SignedPermutation)]
        return SignedPermutation.stack(moves) if len(moves) == len(ciphers) else EachCipher(ciphers)


class Known(dict[str, type[Scheme]]):
    """Schemes by name. A name that is not among them may be of one that torch computes: then those are loaded too."""

    load_others: Callable[[], object]

    def __missing__(self, name: str) -> type[Scheme]:
        self.load_others()
        if name not in self:
            raise KeyError(name)
        return self[name]


SCHEMES = Known()
"""All schemes that are loaded, by name; each module enters its own. `vitcrypt.encryption.SCHEMES` are all there are."""
