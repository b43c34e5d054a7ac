"""Claims as small as the leaderboard needs, as dicts that tests change."""

import copy

from recorded import change

from vitcrypt.benchmark.claim import Claim

ATTACK = {
    "format": "vitcrypt claim 1",
    "kind": "attack",
    "scheme": {"name": "mine", "family": "braids", "values": {"block_size": 4}},
    "method": {"name": "solver"},
    "data": {"name": "digits", "image_size": 16},
    "key_scope": "shared",
    "threat_model": {"holds": "ciphertexts only", "ciphertexts": 10},
    "n": 10,
    "seeds": 1,
    "keys": 1,
    "result": {"metric": "median SSIM", "value": 0.5, "unit": "", "verdicts": {"leaks": 1}},
    "said": {
        "by": "measured",
        "commit": "0123abc",
        "hardware": "a machine",
        "command": "vitcrypt attack attack=solver",
    },
}
ACCURACY = {name: value for name, value in ATTACK.items() if name != "threat_model"} | {
    "kind": "accuracy",
    "method": {"name": "vit_micro"},
    "result": {"metric": "test accuracy", "value": 80.0, "unit": "%"},
}
PLAIN = ACCURACY | {
    "scheme": {"name": "plain", "family": "none"},
    "key_scope": "none",
    "result": {"metric": "test accuracy", "value": 90.0, "unit": "%"},
}
LINKAGE = ATTACK | {
    "kind": "linkage",
    "key_scope": "per_image",
    "threat_model": {"holds": "ciphertexts only", "ciphertexts": 10, "gallery": 100, "copies": "exact"},
    "result": {"metric": "top-1", "value": 40.0, "unit": "%", "verdicts": {"linkable": 1}},
}
PUBLISHED = ACCURACY | {
    "result": {"metric": "test accuracy", "value": 99.0, "unit": "%"},
    "said": {
        "by": "published",
        "source": "them2030",
        "reference": "They: A scheme, 2030",
        "place": "Table I",
        "url": "https://example.org/they",
    },
}
ABSENT = {name: PUBLISHED[name] for name in ("format", "scheme", "key_scope", "said")} | {
    "kind": "absent",
    "scheme": {"name": "lost", "family": "braids"},
    "notes": ["definition not available"],
}
SMALL = [ATTACK, ACCURACY, PLAIN, LINKAGE, PUBLISHED, ABSENT]


def claim(record, **places):
    """Return a claim with other values; "result__value" stands for result.value."""
    return Claim.model_validate(with_values(record, **places))


def with_values(record, **places):
    """Return a copy with other values; None takes a field away."""
    record = copy.deepcopy(record)
    for where, value in places.items():
        change(record, where.replace("__", "."), value)
    return record


def stored(root, *claims):
    """Write claims where they belong, and return the folder."""
    for each in claims:
        (root / each.path).parent.mkdir(parents=True, exist_ok=True)
        (root / each.path).write_text(each.text())
    return root
