"""What files say of a scheme: its name and values, read from anyone and built into one of six classes alone."""

import json

import pytest
from cases import ONE_EACH

from vitcrypt.encryption import LE, PE, Plain, Proposed, Scheme


@pytest.mark.parametrize("scheme", [*ONE_EACH, PE(channel_shuffle=False), LE(2)], ids=repr)
def test_a_description_reads_back(scheme):
    described = scheme.to_dict()
    assert described["name"] == scheme.name
    assert Scheme.from_dict(json.loads(json.dumps(described))) == scheme


def test_what_is_not_said_is_as_by_default():
    assert Scheme.from_dict({"name": "pe"}) == PE()
    assert Scheme.from_dict({"name": "plain"}) == Plain()


@pytest.mark.parametrize(
    "described",
    [
        {},
        [],
        None,
        "proposed",
        {"name": "proposed"},
        {"name": "Proposed", "block_size": 4},
        {"name": "vitcrypt.encryption.Proposed", "block_size": 4},
        {"name": ["le"], "block_size": 4},
        {"name": "le", "block_size": "4"},
        {"name": "le", "block_size": True},
        {"name": "le", "block_size": 4.0},
        {"name": "le", "block_size": 0},
        {"name": "le", "block_size": 10**6},
        {"name": "proposed", "block_size": 3},
        {"name": "pe", "block_size": 2},
        {"name": "pe", "channel_shuffle": 1},
        {"name": "le", "block_size": 4, "_target_": "os.system"},
    ],
    ids=str,
)
def test_what_describes_no_scheme_is_an_error(described):
    with pytest.raises(ValueError, match="describes no encryption scheme"):
        Scheme.from_dict(described)


def test_what_others_ask_of_a_scheme_holds_for_subclasses_too():
    class Mine(Proposed):
        pass

    assert [scheme.name for scheme in ONE_EACH if scheme.is_plain] == ["plain"]
    assert [scheme.name for scheme in ONE_EACH if scheme.scrambles_blocks] == ["proposed"]
    assert Mine(4).scrambles_blocks
