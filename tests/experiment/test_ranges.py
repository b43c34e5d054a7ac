"""Every number and name of a configuration has a range, and a value outside of it is refused with what to set."""

import copy
import math
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import get_args

import pytest
from configurations import composed
from program import SMALL

from vitcrypt.experiment.config import AttackConfig, Config, typed
from vitcrypt.experiment.job import configured

FREE = {"_target_", "devices", "deterministic", "milestones", "weights", "public_weights"}
"""Checked elsewhere: by the list of targets, with the devices of the machine, together with other options."""


def options(schema, place=""):
    """Every option of a program, by its dotted name, with its type."""
    for entry in fields(schema):
        if is_dataclass(entry.type):
            yield from options(entry.type, f"{place}{entry.name}.")
        else:
            yield f"{place}{entry.name}", entry.type


OPTIONS = {**dict(options(Config)), **dict(options(AttackConfig))}
NUMBERS = {name: kind for name, kind in OPTIONS.items() if any(part in str(kind) for part in ("int", "float"))}


def test_every_number_and_name_has_a_range():
    for name, kind in OPTIONS.items():
        alternatives = get_args(kind) if isinstance(kind, UnionType) else (kind,)
        bare = {int, float, str} & set(alternatives)
        assert not bare or name.split(".")[-1] in FREE, name


@pytest.fixture(scope="module")
def plain():
    return composed(*SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name for name in NUMBERS if not name.startswith(("attack", "image", "block"))))
def test_a_value_beyond_its_range_is_refused_with_what_to_set(plain, name):
    if name.split(".")[-1] in FREE:
        pytest.skip("checked elsewhere")
    for value in (-3, math.nan, math.inf, "many"):
        config = copy.deepcopy(plain)
        *path, last = name.split(".")
        node = config
        for part in path:
            node = node[part]
        node[last] = value
        with pytest.raises(ValueError, match=f"^{name}=.*: set it to "):
            typed(Config, config)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["model.epochs=-1", "trainer.max_epochs=-1"], "never ends"),
        (["trainer.max_epochs=null"], "never ends"),
        (["model.milestones=[3,2]"], "each later than the one before"),
        (["model.milestones=[0]"], "from 1 on"),
        (["trainer.deterministic=sometimes"], "true, false or warn"),
        (["seed=4294967296"], "less than 4,294,967,296"),
        (["trainer.strategy=ddp_spwan"], "ddp_find_unused"),
        (["model.optimizer.lr=-1"], "greater than 0"),
        (["model.optimizer.lr=.nan"], "greater than 0"),
        (["model.optimizer.weight_decay=-1"], "from 0 on"),
        (["+data.source.x=inf"], "data.source.x=inf: set it to a finite number"),
        (["encryption.block_size=0"], "does not divide images"),
        (["+data.source.root=one", "data.root=two"], "are two places"),
        (["encryption=features", "encryption.sigma=1e300"], "no bounds are computed"),
    ],
)
def test_values_that_do_not_go_together_are_refused(overrides, told):
    with pytest.raises(ValueError, match=told):
        configured(Config, composed(*SMALL, *overrides))
