"""Checks on what Hydra composes, before Hydra acts on it: configuration files may come from someone else.

Hydra itself builds launchers, callbacks and log handlers from the configuration, and OmegaConf calls resolvers while it
reads a value. So every file is checked when it was read, and every configuration when it was composed. What is typed on
the command line is the user's own; `allow_targets` counts only there.
"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from vitcrypt.experiment.config import CONF
from vitcrypt.experiment.schema import register
from vitcrypt.untrusted import renames
from vitcrypt.untrusted.text import printable

REFERENCE = re.compile(r"\$\{\s*((hydra:)?[\w.\[\]@/-]+|now:[%\w:-]+)\s*\}")
"""Another value of the configuration, one of Hydra's own, or the date."""

PLUGIN = re.compile(r"(hydra_plugins|hydra\._internal\.core_plugins)(\.\w+)+(Launcher|Sweeper)")
HYDRA_TARGETS = {"launcher": PLUGIN, "sweeper": PLUGIN, "sweeper.sampler": re.compile(r"optuna\.samplers\.\w+")}
"""What Hydra may build; of launchers and sweepers it takes its plugins alone."""

LOGGING = {
    "class": ("logging.StreamHandler", "logging.FileHandler", "logging.NullHandler"),
    "()": ("colorlog.ColoredFormatter",),
    "filename": ("${hydra.runtime.output_dir}/${hydra.job.name}.log", "hydra-${hydra.job.name}.log"),
    "stream": ("ext://sys.stdout", "ext://sys.stderr"),
}
"""What handlers of logs may be and where they write: Python's `dictConfig` would call anything."""

SEVERAL = ("callbacks", "logger")
"""Groups of which several files may be chosen at once."""

TARGETS = {"encryption": "_target_", "model": "network._target_", "attack": "method._target_"}
"""Groups by whose choices results are filed, and the option of each that says what is built."""

DEBUGGED = ("data", "model", "trainer")
"""Sections that the group `debug` may change."""

COMMANDS = ("setup", "python", "srun_args", "additional_parameters")


@contextmanager
def checked() -> Iterator[None]:
    """Within this block Hydra reads files and composes configurations only if they name no code but vitcrypt's.

    Raises:
        ValueError: One does; the message names the place.
    """
    if any(word.startswith("--exp") for word in sys.argv[1:]):
        raise ValueError("--experimental-rerun reads a pickle, which can run anything; repeat the command itself")
    Plugins.instance()  # registers what reads files: classes of its own, not those that an import gives
    files: Any = SourcesRegistry.instance().resolve("file")
    read, exists, compose = files.load_config, files.is_config, ConfigLoaderImpl.load_configuration
    get_mode, begun, left_open = Hydra.get_mode, list[DictConfig](), list[str]()
    listed = Hydra.format_config_groups

    def found(self: Any, config_path: str) -> str | None:
        """Return where a file lies, which may be under an old name."""
        places = (config_path, *renames.old_paths(config_path))
        return next((place for place in places if exists(self, place)), None)

    def read_checked(self: Any, config_path: str) -> Any:
        result = read(self, found(self, config_path) or config_path)
        if result.provider != "hydra":
            written = _raw(result.config)
            if (today := renames.config(written, config_path.rpartition("/")[0])) != written:
                result.config = OmegaConf.create(today)
            content, file = _raw(result.config), f"{printable(config_path, 200)}.yaml, "
            left_open.extend([file] * ("???" in str(content)))
            check_references(content, file)
            if any(name == "searchpath" and "pkg:" in str(value) for _, name, value in _entries(content)):
                raise ValueError(f"{file}hydra.searchpath: pkg:// imports a module; name a folder by file://")
        return result

    def compose_checked(
        self: ConfigLoaderImpl, config_name: str | None, overrides: list[str], run_mode: RunMode, **options: bool
    ) -> DictConfig:
        today = renames.overrides(overrides)
        _check_choices(today)
        if begun:
            config = begun.pop()
            _complete(config, self, today, run_mode)
        else:
            config = compose(self, config_name, today, run_mode, **options)
        check_composed(config, today)
        return config

    def mode_checked(self: Hydra, config_name: str | None, overrides: list[str]) -> RunMode | None:
        """Return whether Hydra runs or sweeps, and keep what was composed to see it: that is what it asks for next."""
        config = self.compose_config(config_name, overrides, RunMode.MULTIRUN, validate_sweep_overrides=False)
        if not left_open:  # what a sweep may leave open a run has to choose
            begun.append(config)
        mode: RunMode | None = config.hydra.mode
        return mode

    files.load_config, files.is_config = read_checked, lambda self, path: found(self, path) is not None
    ConfigLoaderImpl.load_configuration = compose_checked  # type: ignore[method-assign, assignment]
    Hydra.get_mode = mode_checked  # type: ignore[method-assign]
    Hydra.format_config_groups = lambda *options: _Late(lambda: listed(*options))  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        files.load_config, files.is_config = read, exists
        ConfigLoaderImpl.load_configuration = compose  # type: ignore[method-assign]
        Hydra.get_mode, Hydra.format_config_groups = get_mode, listed  # type: ignore[method-assign]


class _Late:
    """A text that is made where it is shown: Hydra lists all options for a help whose template does not name them."""

    def __init__(self, made: Callable[[], str]) -> None:
        self.made = made

    def __str__(self) -> str:
        return self.made()


def _complete(config: DictConfig, loader: ConfigLoaderImpl, overrides: list[str], run_mode: RunMode) -> None:
    """Make what was composed to see the mode into what Hydra would compose next: checked, and with the mode named."""
    parsed = OverridesParser.create().parse_overrides(overrides)
    loader.validate_sweep_overrides_legal(parsed, run_mode, from_shell=True)
    named = config.hydra.overrides
    for mode in parsed[len(named.hydra) + len(named.task) :]:
        config.hydra.mode = mode.value()
        named.hydra.append(mode.input_line)


def composed(name: str, overrides: list[str]) -> DictConfig:
    """Compose a program's configuration outside of its command line; without Hydra's own part, not yet resolved.

    Args:
        name: "config" or "attack_config".
        overrides: As on a command line.

    Raises:
        ValueError: As of `checked`.
    """
    register()
    GlobalHydra.instance().clear()
    with checked(), initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(name, overrides)


def resolved(config: DictConfig) -> dict[str, Any]:
    """Return the configuration of a job as plain values, checked once more: launchers compose in other processes too.

    The values of `debug` are laid over it, and what a value leaves open is settled: see `settled`.

    Raises:
        ValueError: See `check_composed`.
    """
    typed = list(HydraConfig.get().overrides.task)
    config = _with_debug(config, typed)
    check_composed(config, typed)
    values: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    return settled(values)


def settled(values: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with what is left open in it: who augments, and under what names results are filed."""
    data, names = values["data"], values["names"]
    if data.get("augment") == "auto":
        received = values["encryption"].get("_target_") is None and data["root"] is not None
        values = {**values, "data": {**data, "augment": "none" if received else "owner"}}
    return {**values, "names": names | _names_of_others(values)}


def _names_of_others(values: dict[str, Any]) -> dict[str, str]:
    """Return, by group, the name of what is built in place of the chosen option's own: results tell the two apart."""
    names, others = values["names"], {}
    for group, option in TARGETS.items():
        file = CONF / group / f"{names.get(group)}.yaml"
        if file.parent != CONF / group or not file.is_file():  # a name of the user's
            continue
        part = option.rpartition(".")[0]
        built = values[group][part] if part else values[group]
        if not isinstance(built, dict):  # refused where types are checked
            continue
        target = built.get("_target_")
        if file.stem == "timm":
            others[group] = built["model_name"]
        elif target != OmegaConf.select(OmegaConf.load(file), option):
            package, _, called = str(target).rpartition(".")
            others[group] = called.lower() if package.partition(".")[0] == "vitcrypt" else str(target)
    return others


def _with_debug(config: DictConfig, typed: list[str]) -> DictConfig:
    """Lay the values of the group `debug` over all files; what is typed on the command line stays."""
    values = _raw(config).get("debug") or {}
    if not values:
        return config
    config, said = copy.deepcopy(config), _said(typed)
    for name, value in values.items():
        if str(name).partition(".")[0] not in DEBUGGED:
            raise ValueError(f"debug.{printable(name, 60)}: a debug run changes {', '.join(DEBUGGED)} alone; remove it")
        if name not in said:
            OmegaConf.update(config, str(name), value)
    config.results = f"{config.results}/debug"
    return config


def check_composed(config: Any, overrides: list[str]) -> None:
    """Raise ValueError if a composed configuration, not yet resolved, names code or reads what is not its own."""
    node = _raw(config)
    hydra = node.pop("hydra", None) or {}
    check_references(node)
    _check_allowed(node.get("allow_targets"), overrides)
    _check_choices(overrides)
    _check_hydra(hydra)
    _check_commands(hydra.get("launcher") or {}, overrides)


def check_references(node: Any, source: str = "") -> None:
    """Raise ValueError if a text below `node` holds an interpolation that is no name of another value."""
    for place, name, value in _entries(node):
        if any("${" in REFERENCE.sub("", text) for text in (name, value) if isinstance(text, str)):
            where = f"{place}.{name}".lstrip(".")
            raise ValueError(
                f"{source}{where}: an interpolation names another value, as ${{model.image_size}}, and nothing else; "
                "write the value itself, or let your shell fill it in on the command line"
            )


def _check_allowed(allowed: Any, overrides: list[str]) -> None:
    if not allowed:
        return
    said = _said(overrides).get("allow_targets")
    if said is None or said.value() != allowed:
        raise ValueError(
            "allow_targets counts on the command line alone, and a configuration file names "
            f"{printable(allowed, 200)}. If you trust these modules: 'allow_targets={printable(allowed, 200)}'"
        )


def _check_commands(launcher: dict[str, Any], overrides: list[str]) -> None:
    """Check what launchers of clusters would hand to a shell."""
    for name in COMMANDS:
        if launcher.get(name) and f"hydra.launcher.{name}" not in _said(overrides):
            raise ValueError(f"hydra.launcher.{name} is run by a shell, and counts on the command line alone")


def _said(overrides: list[str]) -> dict[str, Override]:
    return {override.key_or_group: override for override in OverridesParser.create().parse_overrides(overrides)}


def _check_choices(overrides: list[str]) -> None:
    """Raise ValueError if a list stands where one file of a group is chosen: Hydra would lay them on each other."""
    for name, override in _said(overrides).items():
        value = override.value()
        if isinstance(value, list) and name not in SEVERAL and "." not in name and (CONF / name).is_dir():
            each = ",".join(map(str, value))
            raise ValueError(
                f"{name} is one choice and not a list; set {name}={value[-1] if value else 'NAME'}, "
                f"or let a sweep run each in turn: -m {name}={each}"
            )


def _check_hydra(hydra: dict[str, Any]) -> None:
    """Check what Hydra would build, log into or set by itself."""
    if "allow_targets" in str(hydra.get("sweeper")):
        raise ValueError("hydra.sweeper names allow_targets, which counts as an override alone; remove it there")
    job = hydra.get("job") or {}
    for name, value in (("hydra.callbacks", hydra.get("callbacks")), ("hydra.job.env_set", job.get("env_set"))):
        if value:
            raise ValueError(f"{name} is not used by vitcrypt and could run anything; remove it")
    logging = {name: hydra.pop(name, None) for name in ("job_logging", "hydra_logging")}
    for place, name, value in _entries(hydra):
        if name == "_target_" and not (place in HYDRA_TARGETS and HYDRA_TARGETS[place].fullmatch(str(value))):
            raise ValueError(f"hydra.{place}._target_: {printable(value, 200)} is not allowed; remove it")
    for place, name, value in _entries(logging):
        foreign = name in LOGGING and value not in LOGGING[name]
        if foreign or (name not in LOGGING and isinstance(value, str) and "://" in value):
            raise ValueError(f"hydra.{place}.{name}: {printable(value, 200)} is not allowed; remove it")


def _entries(node: Any, place: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield every entry of dicts and lists below a node: where that stands, the entry's name, its value."""
    for name, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        shown = printable(name, 60)
        yield place, shown, value
        yield from _entries(value, f"{place}.{shown}".lstrip("."))


def _raw(config: Any) -> Any:
    return OmegaConf.to_container(config, resolve=False)
