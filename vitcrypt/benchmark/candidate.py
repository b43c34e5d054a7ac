"""What is to be judged: a scheme of vitcrypt, one of an installed package, or a stranger's file.

A file holds either a class (a `vitcrypt.encryption.Scheme`) or a function:

    import numpy as np

    invertible = True                       # optional: also linear, isometry, keyed, key_scope, dtype

    def encrypt(image, key):                # uint8 [H, W, 3] and 32 bytes
        return image ^ key[0]

    def decrypt(image, key):                # optional
        return image ^ key[0]

Loading runs the code of the file. `vitcrypt benchmark` does that in a process of its own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, get_args

import numpy as np
import torch
from torch import Tensor

from vitcrypt.encryption import SCHEMES, Cipher, Properties, Scheme, Shape
from vitcrypt.encryption.cipher import KEY_SCOPES, Symbols
from vitcrypt.encryption.scheme import Stage
from vitcrypt.untrusted.text import one_line

EXAMPLE = """a scheme is a class, or a function:
    def encrypt(image, key):  # uint8 [H, W, 3] and 32 bytes
        return image ^ key[0]"""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,59}")
MAX_VALUES = 2**22
"""In the ciphertext of one image."""
DECLARED = ("invertible", "linear", "isometry", "keyed", "key_scope", "dtype")


@dataclass(frozen=True)
class Candidate:
    """A scheme and where it came from.

    Attributes:
        given: The scheme with its own defaults; None of vitcrypt's, whose defaults stand in its configuration.
        overrides: What makes a configuration use it.
        origin: In words, with the SHA-256 of a file.
        modules: Of the stranger's, that configurations may build from.
    """

    given: Scheme | None
    overrides: list[str]
    origin: str
    modules: tuple[str, ...] = ()

    @property
    def scheme(self) -> Scheme:
        """The scheme."""
        assert self.given is not None
        return self.given

    @property
    def name(self) -> str:
        """The name in results."""
        return self.scheme.name


def load(what: str) -> Candidate:
    """Load a scheme by its name, or FILE.py, or FILE.py:CLASS.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds no scheme, or there is none of this name.
    """
    file, _, chosen = what.partition(":")
    if file.endswith(".py"):
        path = Path(file).resolve()
        module = _module(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return _candidate(_class(module, chosen), f"{path.name}, SHA-256 {digest[:16]}")
    if what in SCHEMES:
        return Candidate(None, [f"encryption={what}"], "vitcrypt")
    installed = {point.name: point for point in installed_points("schemes")}
    if what not in installed:
        known = ", ".join([*SCHEMES, *installed])
        raise ValueError(f"{what} is no scheme: name one of {known}, or a file: my_scheme.py")
    return _candidate(loaded(installed[what]), _package(installed[what]))


def installed_points(kind: str) -> list[EntryPoint]:
    """Return what installed packages offer under the entry points `vitcrypt.schemes`, `.attacks` or `.models`."""
    return sorted(entry_points(group=f"vitcrypt.{kind}"), key=lambda point: point.name)


def loaded(point: EntryPoint) -> Any:
    """Import what an entry point names.

    Raises:
        ValueError: It cannot be imported.
    """
    try:
        return point.load()
    except Exception as error:  # an import can fail in any way
        raise ValueError(f"{_package(point)}: {type(error).__name__}: {error}") from error


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def _module(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    name = path.stem
    other = importlib.util.find_spec(name) if name.isidentifier() else None
    if not name.isidentifier() or (other is not None and (other.origin is None or Path(other.origin) != path)):
        raise ValueError(f"{path.name}: a module is imported by this name; call the file my_scheme.py, or alike")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None  # it is a .py file
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # configurations name it
    sys.path.insert(0, str(path.parent))  # what lies beside it can be imported
    try:
        spec.loader.exec_module(module)
        return module
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ValueError(f"{path.name} cannot be imported: {type(error).__name__}: {error}") from error


def _class(module: ModuleType, chosen: str) -> Any:
    """Return the scheme of a module; of several, the chosen one; of a function, a class made for it."""
    found = {
        name: entry
        for name, entry in vars(module).items()
        if isinstance(entry, type) and entry.__module__ == module.__name__ and hasattr(entry, "cipher")
    }
    if chosen and chosen not in found:
        raise ValueError(f"{module.__name__}.py defines no scheme {chosen}; it has {', '.join(found) or 'none'}")
    if len(found) > 1 and not chosen:
        raise ValueError(
            f"{module.__name__}.py has several schemes; name one: {module.__name__}.py:{next(iter(found))}"
        )
    if found:
        return found[chosen or next(iter(found))]
    if callable(getattr(module, "encrypt", None)):
        return _of_function(module)
    raise ValueError(f"{module.__name__}.py defines no scheme; {EXAMPLE}")


def _candidate(cls: Any, origin: str) -> Candidate:
    if not (isinstance(cls, type) and issubclass(cls, Scheme)):
        raise ValueError(f"{getattr(cls, '__name__', cls)} is no vitcrypt.encryption.Scheme: derive the class from it")
    try:
        required = [entry.name for entry in fields(cls) if entry.default is MISSING]
        scheme = cls(**({"block_size": getattr(cls, "block_size", 4)} if required == ["block_size"] else {}))
    except Exception as error:
        raise ValueError(f"{cls.__name__}() cannot be made: {error}; give its values defaults") from error
    if not NAME.fullmatch(scheme.name):
        raise ValueError(f"{cls.__name__}.name is {scheme.name!r:.80}; results are filed under it: make it one word")
    blocks = any(entry.name == "block_size" for entry in fields(cls)) and not isinstance(scheme, FunctionScheme)
    base = ["encryption=le", f"encryption.block_size={scheme.block_size}"] if blocks else ["encryption=plain"]
    target = f"{cls.__module__}.{cls.__qualname__}"
    overrides = [*base, f"encryption._target_={target}", f"allow_targets=[{cls.__module__.partition('.')[0]}]"]
    return Candidate(scheme, overrides, origin, (cls.__module__.partition(".")[0],))


@dataclass(frozen=True)
class FunctionScheme(Scheme):
    """A scheme made of a module with a function `encrypt(image, key)`; a subclass names the module."""

    block_size: int = 1
    module: ClassVar[ModuleType]

    @property
    def name(self) -> str:
        """That of the file."""
        return self.module.__name__

    def stages(self, shape: Shape) -> dict[str, Stage]:
        """32 bytes, drawn from the owner's key, which the function does not see."""
        return {"key": Stage("codes", (32,), 256)} if self.properties.keyed else {}

    def apply(self, subkeys: dict[str, Tensor], shape: Shape) -> Cipher:
        """Give the function its key."""
        key = bytes(subkeys["key"].tolist()) if subkeys else bytes(32)
        return FunctionCipher(self.module, key, self.properties.dtype)

    def output_shape(self, shape: Shape) -> Shape:
        """What comes out for a black image."""
        return _output_shape(self, shape)


class FunctionCipher(Cipher):
    """A function of one image and 32 bytes, image by image.

    Raises:
        ValueError: The function fails, or returns another type or shape.
    """

    def __init__(self, module: ModuleType, key: bytes, dtype: str, function: str = "encrypt") -> None:
        super().__init__()
        self._module, self._key, self._dtype, self._function = module, key, dtype, function

    def forward(self, image: Tensor) -> Tensor:
        """Call it for each image [C, H, W]; what it returns is [H', W', C'], [H', W'] or a vector."""
        if image.dim() == 4:
            return torch.stack([self(each) for each in image])
        plain = np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy())
        place = f"{self._module.__name__}.{self._function}"
        try:
            made = getattr(self._module, self._function)(plain.copy(), self._key)
        except (Exception, SystemExit) as error:
            raise ValueError(f"{place} fails: {type(error).__name__}: {one_line(error)}") from error
        wanted = self._dtype if self._function == "encrypt" else "uint8"
        if not isinstance(made, np.ndarray) or made.dtype != wanted:
            got = f"{made.dtype}" if isinstance(made, np.ndarray) else type(made).__name__
            raise ValueError(
                f"{place} returned {got}, not {wanted}; return .astype(np.{wanted})"
                + ("" if wanted != "uint8" else ", or declare dtype = 'float32' in the file")
            )
        made = made.reshape(-1, 1, 1).transpose(1, 2, 0) if made.ndim == 1 else made
        made = made[..., None] if made.ndim == 2 else made
        if made.size > MAX_VALUES:
            raise ValueError(f"{place} returned {made.size:,} values for one image; at most {MAX_VALUES:,} are taken")
        if made.ndim != 3 or not made.size:
            raise ValueError(f"{place} returned an array {list(made.shape)}; return [H, W, C], [H, W] or a vector")
        # a copy: the function may keep what it returned, and write into it the next time
        return torch.from_numpy(made.transpose(2, 0, 1).copy()).to(image.device)

    def inverse(self) -> Cipher:
        """Call `decrypt` instead."""
        if not callable(getattr(self._module, "decrypt", None)):
            raise ValueError(f"{self._module.__name__} defines no decrypt(image, key)")
        return FunctionCipher(self._module, self._key, self._dtype, "decrypt")


def _of_function(module: ModuleType) -> type[FunctionScheme]:
    said = {name: getattr(module, name) for name in DECLARED if hasattr(module, name)}
    values: dict[str, Any] = {"invertible": callable(getattr(module, "decrypt", None))}
    checks: dict[str, tuple[Callable[[Any], bool], str]] = {
        "invertible": (lambda v: isinstance(v, bool), "True or False"),
        "keyed": (lambda v: isinstance(v, bool), "True or False"),
        "linear": (lambda v: v is None or v in get_args(Symbols), "'bytes', 'nibbles' or None"),
        "isometry": (lambda v: v is None or v in get_args(Symbols), "'bytes', 'nibbles' or None"),
        "key_scope": (lambda v: v in KEY_SCOPES, "'shared' or 'per_image'"),
        "dtype": (lambda v: v in ("uint8", "float32"), "'uint8' or 'float32'"),
    }
    for name, value in said.items():
        right, wanted = checks[name]
        value = {True: "bytes", False: None}.get(value, value) if name in ("linear", "isometry") else value
        if not isinstance(value, bool | str | None) or not right(value):
            raise ValueError(f"{module.__name__}.py: {name} is {wanted}, got {value!r}")
        values["key_scopes" if name == "key_scope" else name] = (value,) if name == "key_scope" else value
    namespace = {"__module__": module.__name__, "module": module, "properties": Properties(**values)}
    made = type("EncryptFunction", (FunctionScheme,), namespace)
    vars(module)["EncryptFunction"] = made  # so that a configuration can name it
    return made


@cache
def _output_shape(scheme: FunctionScheme, shape: Shape) -> Shape:
    cipher = FunctionCipher(scheme.module, bytes(32), scheme.properties.dtype)
    channels, height, width = cipher(torch.zeros(shape, dtype=torch.uint8)).shape
    return channels, height, width
