"""A job, a training or an attack: what it is, under which key, where its results lie, and that it is done once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from rich.text import Text

from vitcrypt.encryption import ImageEncryption, Scheme, Shape
from vitcrypt.encryption.cipher import KeyScope
from vitcrypt.experiment.blame import blame, strangers
from vitcrypt.experiment.composition import resolved
from vitcrypt.experiment.config import AttackConfig, C, Config, typed
from vitcrypt.experiment.identity import identity, with_plain_paths
from vitcrypt.experiment.validate import check_blocks, check_finite, validate, validate_attack
from vitcrypt.jobs.lock import alone_in
from vitcrypt.jobs.place import expanded, is_address
from vitcrypt.jobs.pool import give_back
from vitcrypt.report.records import AttackResult, TrainingResult
from vitcrypt.report.records import Key as KeyRecord
from vitcrypt.report.results import read_result
from vitcrypt.targets import SHARDS, build
from vitcrypt.targets import check as check_targets
from vitcrypt.untrusted import renames
from vitcrypt.untrusted.text import console

if TYPE_CHECKING:
    from vitcrypt.data.manifest import Manifest
    from vitcrypt.experiment.inputs import Inputs
    from vitcrypt.keys import Key

R = TypeVar("R", TrainingResult, AttackResult)


def configured(schema: type[C], values: dict[str, Any]) -> tuple[C, Scheme | None]:
    """Return a configuration after all checks, and the scheme that it encrypts with; None: images come encrypted.

    Args:
        schema: Of the program.
        values: Composed and resolved.

    Raises:
        ValueError: An option does not exist, is out of its range, or does not go with others.
    """
    check_targets(values, values["allow_targets"])
    config: C = typed(schema, values)
    scheme: Scheme | None = None
    if isinstance(config, Config):
        check_blocks(config)
    if config.encryption["_target_"] is not None:
        with blame("encryption", config.encryption):
            scheme = build("encryption", config.encryption, config.allow_targets)
    if isinstance(config, Config):
        validate(config, scheme)
    else:
        validate_attack(config, scheme)
    check_finite(values)
    if isinstance(config.key, list):
        config.keys = len(config.key)
    return config, scheme


@dataclass(frozen=True)
class Job(Generic[C]):
    """A training or an attack.

    Attributes:
        config: The whole configuration, its paths in one spelling.
        scheme: What the images are encrypted with, here or by their owner; None if nothing says how.
        received: The manifest of the folder or packed file that the images come from, if it has one.
        key: The key, opened once, or those of several owners; None where nothing is encrypted here.
        fingerprint: Of the key that the images are under; of several, a digest of theirs in order.
        identity: 8 hexadecimal digits that follow from what the job is.
        folder: Where its results lie.
    """

    config: C
    scheme: Scheme | None
    received: Manifest | None
    key: Key | tuple[Key, ...] | None
    fingerprint: str | None
    identity: str
    folder: Path

    @classmethod
    def of(cls, schema: type[C], values: dict[str, Any]) -> Job[C]:
        """Return the job of composed and resolved values, after checking them.

        The folder follows from what the job is, alone. Where an earlier version put the same job, called
        `key=...-seed=...`, under old names of options or with a path counted as it was typed, that folder is it.

        Raises:
            ValueError: Options are out of range or do not go together, or the key file is damaged.
            FileNotFoundError: There is no such key file.
        """
        config: C
        respelled = with_plain_paths(values)
        config, scheme = configured(schema, respelled)
        received = _manifest(config) if isinstance(config, Config) else None
        key = opened(config.key) if scheme is not None and not scheme.is_plain else None
        fingerprint = _fingerprint(key) if key is not None else received.fingerprint if received is not None else None
        digest = received.digest if received is not None else None
        names = [*(["attacks"] if isinstance(config, AttackConfig) else []), *vars(config.names).values()]
        places = [Path(config.results, *spelled).absolute() for spelled in renames.places(names)]
        spellings = [config] if respelled == values else [config, typed(schema, values)]
        identities = dict.fromkeys(identity(spelled, fingerprint, digest) for spelled in spellings)
        folders = {
            place / f"{form.format(fingerprint or 'none', config.seed)}-{digits}": digits
            for place in places
            for digits in identities
            for form in ("key-{}-seed-{}", "key={}-seed={}")
        }
        folder = next((folder for folder in folders if folder.is_dir()), next(iter(folders)))
        if scheme is None and received is not None:
            scheme = received.scheme
        return cls(config, scheme, received, key, fingerprint, folders[folder], folder)

    @property
    def public_test_key(self) -> str | None:
        """The name of the key if it is one that anyone has."""
        if self.key is not None:
            names = self.public_test_keys
            return ",".join(names) if len(names) == (len(self.key) if isinstance(self.key, tuple) else 1) else None
        return self.received.public_test_key if self.received is not None else None

    @property
    def public_test_keys(self) -> list[str]:
        """The names of those of its keys that anyone has."""
        names = self.config.key if isinstance(self.config.key, list) else [self.config.key]
        return [name for name in names if name.startswith("test-")]

    def encryption(self, size: int) -> ImageEncryption | None:
        """Return what encrypts images of `size` x `size` pixels here; None where nothing is."""
        if self.key is None or self.scheme is None:
            return None
        scope = cast("KeyScope", self.config.key_scope)
        return ImageEncryption(self.scheme, self.key, (3, size, size), scope, self.config.keys)

    def describe_key(self, shape: Shape) -> KeyRecord:
        """Return what a record says of the key: its fingerprint, how large its space is, what leaks; never the key."""
        scheme = self.scheme
        bounds = dict(scheme.bounds(shape)) if scheme else {}
        alone = self.config.key_scope == "per_image" and not self.config.keys
        if scheme and alone and (bits := scheme.leak_bits(shape)) is not None:
            bounds["leakage_bits"] = bits
        more: dict[str, Any] = {"bounds": bounds} if bounds else {}
        more |= {"owners": [each.fingerprint for each in self.key]} if isinstance(self.key, tuple) else {}
        return KeyRecord(
            fingerprint=self.fingerprint,
            public_test_key=self.public_test_key,
            nominal_bits=scheme.key_space_bits(shape) if scheme else None,
            effective_bits=scheme.effective_key_bits(shape) if scheme else None,
            **more,
        )

    def settle(self, result: TrainingResult | AttackResult | None = None) -> Inputs:
        """Compare what it was made from with what is there now: see `experiment.inputs`."""
        from vitcrypt.experiment.inputs import settle  # takes seconds

        return settle(self.config, self.folder, result)

    def print_files(self) -> None:
        """Print where the result and the pictures are, as short as a person would type it."""
        here = Path.cwd()
        for path in (self.folder / "result.json", self.folder / "images.png"):
            if path.exists():
                console.print(f"  {path.relative_to(here) if path.is_relative_to(here) else path}")

    def once(self, kind: type[R], work: Callable[[Job[C]], R], finished_before: Callable[[Job[C], R], None]) -> R:
        """Do the work of a job that has no result yet, alone in its folder; return the result.

        Args:
            kind: What a result is.
            work: Resumes or begins, and writes the result.
            finished_before: What is done if there is a result already, made from the same inputs.
        """
        with alone_in(self.folder):
            if not self.config.resume:
                _put_aside(self.folder)
            result = read_result(self.folder, kind)
            if result is None:
                return work(self)
            self.settle(result)
            finished_before(self, result)
            return result


def run_task(cfg: DictConfig, run: Callable[[dict[str, Any]], R | None], value: Callable[[R], float]) -> float | None:
    """Do what Hydra asks a program for, once for every job: return its value, for sweepers that look for the best.

    Args:
        cfg: What Hydra composed.
        run: Brings the job of resolved values to its end and returns its result, if it is kept by this machine.
        value: Takes the value from the result.
    """
    values = resolved(cfg)
    try:
        with strangers(values["allow_targets"]):
            result = run(values)
        return give_back(value(result)) if result is not None else None
    except Exception as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN:  # a sweep goes on, and in the end raises the first error only
            names = " x ".join(map(str, reversed(values["names"].values())))
            console.print(Text.assemble((f"{names} failed:", "bold red"), f" {error}"))
        raise


def opened(name: str | list[str]) -> Key | tuple[Key, ...]:
    """Open the key of a configuration, or those of several owners, one after another.

    Raises:
        ValueError: Two of them are the same.
        The errors of `open_key`.
    """
    from vitcrypt.keys import open_key  # a provider's process holds no code of keys

    if isinstance(name, str):
        if "," in name and not expanded(name).exists():
            raise FileNotFoundError(f"no key file {name}; those of several owners are a list: 'key=[{name}]'")
        return open_key(name)
    keys = tuple(map(open_key, name))
    places: dict[Key, str] = {}
    for each, key in zip(name, keys, strict=True):
        if key in places:
            raise ValueError(f"key=[...]: {places[key]} and {each} are the same key; each owner has one of their own")
        places[key] = each
    return keys


def _fingerprint(key: Key | tuple[Key, ...]) -> str:
    if not isinstance(key, tuple):
        return key.fingerprint
    return hashlib.sha256(",".join(each.fingerprint for each in key).encode()).hexdigest()[:16]


def _manifest(config: Config) -> Manifest | None:
    if config.data.root is None:
        return None
    if is_address(config.data.root):
        if config.data.source["_target_"] != SHARDS:
            return None
        from vitcrypt.data.remote import manifest_near

        root = manifest_near(config.data.root)
    elif not (root := expanded(config.data.root)).exists():
        return None
    from vitcrypt.data.manifest import Manifest

    found = Manifest.of(root)
    return found[1] if found is not None else None


def _put_aside(folder: Path) -> None:
    """Move what an earlier attempt left into FOLDER/aside-N: nothing is deleted."""
    files = [file for file in folder.iterdir() if file.name != ".lock" and not file.name.startswith("aside-")]
    if files:
        aside = folder / f"aside-{len(list(folder.glob('aside-*'))) + 1}"
        aside.mkdir()
        for file in files:
            file.rename(aside / file.name)
        console.print(f"put the earlier attempt aside in {aside}")
