"""Changed copies of JSON documents, always the same: what another party may send instead of what was meant."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 7, 2**31, 2**63, 2**70, -(2**70), 0.5, 1.5, -0.0, 1e308, 10**400),
    *("", "x", "\x1b[2J", "\x00", "\u202e", "\ud800", "é", "${oc.env:HOME}", "${oc.create:{a: 1}}", "../../up", "[/b]"),
    *(
        "a" * 5000,
        "/etc/passwd",
        "1",
        "null",
        "true",
        "test-0",
        "0123456789abcdef",
        "0" * 64,
        "plain",
        "le",
        "per_image",
    ),
    *([], {}, [[]], [None], {"": 0}, {"_target_": "os.system"}, {"name": "pe"}, {"name": "le", "block_size": 8}),
]
NAMES = [
    "_target_",
    "more",
    "",
    "\x1b[2J",
    "format",
    "name",
    "block_size",
    "__class__",
    "pretrained",
    "checkpoint_path",
]


def mutations(document: dict[str, Any], count: int, seed: int = 0) -> Iterator[str]:
    """Yield so many changed copies as text; most are still JSON."""
    chance = random.Random(seed)
    for _ in range(count):
        changed = copy.deepcopy(document)
        for _ in range(chance.choice([1, 1, 1, 2, 3])):
            changed = _changed(changed, chance)
        text = json.dumps(changed)
        yield _distorted(text, chance) if chance.random() < 0.15 else text


def _changed(document: Any, chance: random.Random) -> Any:
    places = list(_places(document))
    if not places:
        return chance.choice(VALUES)
    node, key = chance.choice(places)
    value = node[key]
    action = chance.randrange(8)
    if action == 0:
        del node[key]
    elif action == 1 and isinstance(node, dict):
        node[chance.choice(NAMES)] = chance.choice(VALUES)
    elif action == 2:
        node[key] = [value]
    elif action == 3:
        node[key] = {"_target_": value} if chance.random() < 0.5 else {"value": value}
    elif action == 4 and isinstance(value, str):
        node[key] = value + chance.choice([" ", "\n", "\x00", "é", ".x", "${a}", value])
    elif action == 4 and isinstance(value, int | float):
        node[key] = value * chance.choice([-1, 2, 0.5, 1.0, 10**9])
    elif action == 5 and isinstance(node, list):
        node.append(copy.deepcopy(value))
    elif action == 6:
        other, there = chance.choice(places)
        node[key] = copy.deepcopy(other[there])
    else:
        node[key] = copy.deepcopy(chance.choice(VALUES))
    return document


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield node, key
        yield from _places(value)


def _distorted(text: str, chance: random.Random) -> str:
    place = chance.randrange(len(text) + 1)
    inserted = chance.choice(
        ["[" * 100_000, '{"a":' * 100_000, "NaN", "Infinity", "1e999", "9" * 5000, "\x00", '"', "}"]
    )
    twice = text[:-1] + ", " + text[1:]  # every name twice
    return chance.choice([text[:place], text[:place] + inserted + text[place:], text + text, twice])
