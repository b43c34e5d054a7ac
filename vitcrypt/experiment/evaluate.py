"""Testing the network of a run alone, as it was configured or on other images or under another key.

The folder may come from someone else: its configuration is read as plain values that name no code but vitcrypt's, its
record as a typed document and its checkpoint as plain tensors.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn

import vitcrypt
from vitcrypt.experiment import devices
from vitcrypt.experiment.blame import blame
from vitcrypt.experiment.composition import composed, settled
from vitcrypt.experiment.config import Config
from vitcrypt.experiment.export import trained_tensors
from vitcrypt.experiment.identity import published
from vitcrypt.experiment.images import data_module_of, splits_of
from vitcrypt.experiment.job import Job
from vitcrypt.experiment.plan import planned
from vitcrypt.experiment.progress import quiet_libraries
from vitcrypt.experiment.record import state_sha256
from vitcrypt.experiment.training_run import TrainingRun, classifier_of
from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.jobs.place import is_address
from vitcrypt.models.networks import check_state
from vitcrypt.report.records import TrainingResult
from vitcrypt.report.results import DEEPEST, finite, read_result
from vitcrypt.untrusted import renames
from vitcrypt.untrusted.files import read_regular
from vitcrypt.untrusted.text import one_line

FORMAT = "vitcrypt evaluation 1"
MAX_CONFIG_BYTES = 2**20
GROUPS = ("data", "encryption", "trainer")
"""What may be chosen anew; the network is the run's."""
UNUSED = ("results", "resume", "callbacks", "logger", "debug", "hydra")
"""Of no effect: what is found is written beside the run, of which nothing is kept or resumed."""


def evaluate(run: Path, overrides: list[str]) -> tuple[dict[str, Any], Path]:
    """Test the network of a run, finished or not, and write RUN/evaluation-DIGITS.json; result.json stays.

    Args:
        run: The folder, or the checkpoint in it.
        overrides: Values in place of those of the run, as for `vitcrypt run`: `data.root=...`, `key=...`.

    Returns:
        The measures, and the file that holds them. Its digits follow from what was evaluated.

    Raises:
        FileNotFoundError: The folder holds no run, or data or key are missing.
        ValueError: It is damaged, names code that is not vitcrypt's, or does not fit the data.
    """
    checkpoint = run if run.suffix == ".ckpt" else run / "last.ckpt"
    folder = checkpoint.parent
    quiet_libraries()
    result = read_result(folder, TrainingResult, folder)
    job = job_of(folder, overrides)
    splits = splits_of(job.config)
    if result is not None and result.classes != splits.classes:
        raise ValueError(
            f"the network of {folder} tells {len(result.classes)} classes apart ({_some(result.classes)}), and these "
            f"images have {len(splits.classes)} ({_some(splits.classes)}); set data and data.root to images of the same"
        )
    data = data_module_of(job, splits)
    plan = planned(job.config.trainer, len(splits.train), data.division(devices.world(job.config.trainer)))
    classifier, _ = classifier_of(job.config, data.num_classes, data.encryption, shape=data.shape)
    identity = result.identity if result is not None else _identity(folder)
    load_trained(classifier.network, checkpoint, folder, identity)
    training = TrainingRun(job, data, classifier, plan, None)
    with blame("trainer"):
        metrics = finite(training.measure())
    path = folder / f"evaluation-{job.identity}.json"
    content = {
        "format": FORMAT,
        "run": identity,
        "config": published(job.config),
        "key": {"fingerprint": job.fingerprint},
        "metrics": metrics,
        "trained_sha256": state_sha256(classifier.network),
        "vitcrypt": vitcrypt.__version__,
    }
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=2, allow_nan=False) + "\n").encode())
    return metrics, path


def job_of(folder: Path, overrides: list[str]) -> Job[Config]:
    """Return the job of a run, with some values in place of its own, as one that lies where the run lies."""
    return replace(Job.of(Config, _values(folder, overrides)), folder=folder)


def load_trained(network: nn.Module, checkpoint: Path, folder: Path, identity: str) -> None:
    """Load the checkpoint of a run, which may come from someone else; ValueError if it does not fit."""
    state = trained_tensors(checkpoint, folder, identity)
    expected = {name: (value.shape, value.dtype) for name, value in network.state_dict().items()}
    check_state(state, expected, checkpoint)
    network.load_state_dict(state)


def _values(folder: Path, overrides: list[str]) -> dict[str, Any]:
    """Return the configuration of a run with some values in place of its own."""
    values = _read(folder)
    parsed = OverridesParser.create().parse_overrides(renames.overrides(overrides))
    for entry in parsed:
        if entry.is_sweep_override():
            raise ValueError(f"{entry.input_line}: vitcrypt evaluate tests once; give one value")
        if (name := entry.key_or_group).partition(".")[0] in UNUSED:
            raise ValueError(f"{entry.input_line}: a test makes no use of {name}; leave it out")
    chosen = {entry.key_or_group: entry.value() for entry in parsed}
    groups = {name: option for name, option in chosen.items() if name in GROUPS}
    if groups:
        made: Any = OmegaConf.to_container(composed("config", [f"{g}={o}" for g, o in groups.items()]))
        values |= {group: made[group] for group in groups}
        values["names"] = {**values["names"], **{g: o for g, o in groups.items() if g != "trainer"}}
        if "data" in groups:
            values["data"]["validation"] = 0
    if "data.root" not in chosen and is_address(root := str(values["data"]["source"].get("root"))):
        raise ValueError(f"a configuration alone asks no other machine for images; name the address: data.root={root}")
    if "data.root" in chosen and "root" in values["data"]["source"]:
        values["data"]["source"]["root"] = "${data.root}"
    node = OmegaConf.create(values)
    for name, value in chosen.items():
        if name not in GROUPS:
            OmegaConf.update(node, name, value)
    plain: Any = OmegaConf.to_container(node, resolve=True)
    return settled(plain)


def _read(folder: Path) -> dict[str, Any]:
    """Return the configuration in the folder of a run, less what a test does not need."""
    path = folder / "config.yaml"
    try:
        text = read_regular(path, MAX_CONFIG_BYTES, folder)
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > DEEPEST:
                raise ValueError(f"{path} holds an alias, or is nested too deep, as no configuration of a run is")
        values: Any = OmegaConf.to_container(OmegaConf.load(io.StringIO(text.decode())))  # refuses a name twice
    except FileNotFoundError:
        raise FileNotFoundError(f"{folder} holds no run (no config.yaml); vitcrypt run prints the folder") from None
    except (yaml.YAMLError, OmegaConfBaseException, OSError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {one_line(error, 200)}") from error
    sections = ("data", "model", "trainer", "encryption", "names")
    if not isinstance(values, dict) or not all(isinstance(values.get(name), dict) for name in sections):
        raise ValueError(f"{path} is not the configuration of a run: it lacks {', '.join(sections)}")
    if "${" in str(values):
        raise ValueError(f"{path} holds an interpolation, as no configuration of a run does")
    today: dict[str, Any] = renames.config(values)
    if not isinstance(today["data"].get("source"), dict):
        raise ValueError(f"{path} is not the configuration of a run: it lacks data.source")
    return today | {"callbacks": {}, "logger": {}, "debug": {}, "allow_targets": []}


def _identity(folder: Path) -> str:
    """Return the identity of a run without a result: the end of its folder's name."""
    for name in (folder.absolute().name, folder.absolute().parent.name):  # the latter of an attempt that was put aside
        if found := re.search(r"-([0-9a-f]{8})$", name):
            return found[1]
    raise FileNotFoundError(f"{folder} is not the folder of a run, whose name ends in its 8 digits")


def _some(classes: list[str]) -> str:
    return one_line(", ".join(classes[:5]) + (", ..." if len(classes) > 5 else ""), 200)
