"""Every number and name of a configuration has a range, and a value outside of it is refused with what to set."""

import math
from dataclasses import fields

import pytest
from test_configs import composed

from vitcrypt.experiment.attack_config import AttackConfig, ObservationConf, SizesConf
from vitcrypt.experiment.config import Config, DataConf, ModelConf, TrainerConf
from vitcrypt.experiment.ranges import RANGES, Names, Numbers
from vitcrypt.experiment.validate import validate

SCHEMAS = {"": Config, "data.": DataConf, "model.": ModelConf, "trainer.": TrainerConf, "attack.observation.": None}
SCHEMAS |= {"attack.observation.": ObservationConf}
TEXTS = {"key", "results", "data.root", "model.weights", "trainer._target_", "lpips_weights"}
TEXTS |= {"attack.observation.weights", "attack.observation.public_weights"}
SMALL = ["model=vit_micro", "data=digits", "trainer=cpu"]


def numbers_and_texts():
    for prefix, schema in [*SCHEMAS.items(), ("", AttackConfig), ("model.", SizesConf)]:
        for entry in fields(schema):
            if any(kind in str(entry.type) for kind in ("int", "float", "str")) and "[" not in str(entry.type):
                yield f"{prefix}{entry.name}"


@pytest.mark.parametrize("name", sorted(set(numbers_and_texts()) - TEXTS))
def test_every_number_and_name_has_a_range(name):
    assert name in RANGES


def beyond(allowed):
    if isinstance(allowed, Names):
        return ["nonsense", ""]
    return [allowed.least - 3, math.nan, math.inf, *([] if allowed.most is None else [allowed.most + 1])]


OF_RUNS = {name: allowed for name, allowed in RANGES.items() if name.split(".")[0] in ("seed", *SMALL, "data", "model")}
OF_RUNS |= {name: allowed for name, allowed in RANGES.items() if name.startswith(("trainer.", "key_scope"))}


@pytest.fixture(scope="module")
def plain():
    return composed(*SMALL)


@pytest.mark.parametrize("name", OF_RUNS)
def test_a_value_beyond_its_range_is_refused_with_the_range(plain, name):
    for value in beyond(RANGES[name]):
        config = {**plain}
        *path, last = name.split(".")
        node = config
        for part in path:
            node[part] = {**node[part]}
            node = node[part]
        node[last] = value
        with pytest.raises(ValueError, match=f"^{name}=.*: set it to "):
            validate(config)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["model.epochs=-1"], "never ends"),
        (["trainer.max_epochs=null"], "never ends"),
        (["model.milestones=[3,2]"], "each later than the one before"),
        (["model.milestones=[0]"], "from 1 on"),
        (["trainer.deterministic=sometimes"], "true, false or warn"),
        (["seed=4294967296"], "at most 4,294,967,295"),
        (["trainer.strategy=ddp_spwan"], "ddp_find_unused"),
        (["model.optimizer.lr=-1"], "more than 0"),
    ],
)
def test_values_that_do_not_go_together_are_refused(overrides, told):
    with pytest.raises(ValueError, match=told):
        validate(composed(*SMALL, *overrides))


def test_ranges_end_where_they_say():
    assert 0 in Numbers(0, 1)
    assert 1 in Numbers(0, 1)
    assert 1 not in Numbers(0, 1, open_above=True)
    assert 0 not in Numbers(0, 1, open_below=True)
    assert -1 in Numbers(1, or_all=True)
    assert True not in Numbers(0)
    assert "1" not in Numbers(0)
