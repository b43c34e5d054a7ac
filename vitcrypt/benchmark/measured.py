"""Claims from results of trainings and attacks: those that differ in nothing but seed and key are one."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from statistics import mean, median
from typing import Any

import pandas as pd

from vitcrypt.benchmark.claim import ACCURACY, FORMAT, KEYS, SSIM, TOP1, Claim, Measured
from vitcrypt.report.frame import CASE, training_frame
from vitcrypt.report.paper import data_of
from vitcrypt.report.recipe import recipe_of, told_apart
from vitcrypt.report.records import AttackResult, Results, TrainingResult
from vitcrypt.report.results import attacked
from vitcrypt.report.table1 import wilson
from vitcrypt.report.verdict import judge, shortfall

Part = dict[str, Any]
Said = Callable[[list[Any]], Measured]
"""Says of results of one claim by what code, hardware and command they were made."""
DIGITS = 6


def claims_of(results: Results, families: Mapping[str, str], said: Said) -> list[Claim]:
    """Return what results claim: accuracies, attacks, linkage, and the key space of each scheme among them.

    Args:
        results: As `read_results` returns them.
        families: The family of each scheme by its name; those not named are "other".
        said: Called with the results that become one claim.
    """
    parts = list(_accuracies(results))
    parts += [(group, _attack(group)) for group in _alike(attacked(results))]
    sized = {json.dumps(_scheme(each, {}), sort_keys=True) + str(each.config.image_size): each for each in results}
    parts += [([each], _keyspace(each)) for each in sized.values() if each.key.nominal_bits]
    return [
        Claim.model_validate({"format": FORMAT, "scheme": _scheme(group[0], families), **part, "said": said(group)})
        for group, part in parts
    ]


def _accuracies(results: Results) -> Iterator[tuple[list[Any], Part]]:
    """Yield trainings by one recipe and what they claim; several recipes of a network are told apart in its options."""
    for (*_, network), same in training_frame(results).groupby([*CASE, "network"], sort=False):
        groups = [list(each["result"]) for _, each in same.groupby("recipe", sort=False)]
        variants = told_apart(recipe_of(group[0]) for group in groups)
        for group, variant in zip(groups, variants, strict=True):
            yield group, _accuracy(group, {"name": network, "values": {"recipe": variant} if variant else {}})


def _alike(attacks: list[AttackResult]) -> list[list[AttackResult]]:
    """Return attacks in groups that differ in nothing but seed and key."""
    groups: dict[str, list[AttackResult]] = {}
    for each in attacks:
        case = {name: value for name, value in _case([each]).items() if name not in ("seeds", "keys")}
        same = [_scheme(each, {}), case, _method(each), _holds(each), each.spent and each.spent.values()]
        groups.setdefault(json.dumps(same, sort_keys=True), []).append(each)
    return list(groups.values())


def _method(result: AttackResult) -> Part:
    return {"name": result.config.names.attack, "values": _plain(result.config.attack.method)}


def _scheme(result: TrainingResult | AttackResult, families: Mapping[str, str]) -> Part:
    name, values = result.config.names.encryption, _plain(result.config.encryption or {})
    if result.config.keys:  # so many owners are another case than one, or a key for each image
        values["keys"] = result.config.keys
    return {"name": name, "family": families.get(name, "other"), "values": values}


def _case(group: list[Any]) -> Part:
    """Return what trainings and attacks say alike."""
    first = group[0]
    keys = {each.key.fingerprint for each in group} - {None}
    return {
        "data": {"name": data_of(first), "image_size": first.config.image_size},
        "key_scope": ("per_client" if first.config.keys else first.config.key_scope) if keys else "none",
        "n": first.metrics.images,
        "seeds": len({each.config.seed for each in group}),
        "keys": len(keys) * (first.config.keys or 1) or None,
    }


def _accuracy(group: list[TrainingResult], network: Part) -> Part:
    """Return mean test accuracy after the last epoch, its 95 % interval, and the range over runs."""
    first, accuracies = group[0], [100 * each.metrics.acc for each in group]
    value = mean(accuracies)
    low, high = wilson(value / 100, first.metrics.images)
    spread = [_spread("95 % interval", "test images", 100 * low, 100 * high)]
    spread += [_spread("range", f"{len(group)} runs", min(accuracies), max(accuracies))] * (len(group) > 1)
    return {
        **_case(group),
        "kind": "accuracy",
        "method": network,
        "budget": {
            "epochs": max(each.training.epochs for each in group),
            "images": first.images.train,
            "parameters": first.weights.parameters,
            "seconds": _seconds(each.training.seconds for each in group),
        },
        "result": {"metric": ACCURACY, "value": round(value, DIGITS), "unit": "%", "spread": spread},
    }


def _attack(group: list[AttackResult]) -> Part:
    """Return the median over runs of what an attack restored or linked, and in how many it came to which verdict."""
    first, linked = group[0], group[0].metrics.linked is not None
    judged = [judge(each) for each in group]
    words = [each.word for each in judged]
    budget = {**(first.spent.values() if first.spent else {}), "seconds": _seconds(each.seconds for each in group)}
    short = {told for each in group if (told := shortfall(each)) and "undertrained" in words}
    return {
        **_case(group),
        "kind": "linkage" if linked else "attack",
        "method": _method(first),
        "threat_model": _holds(first),
        "budget": budget,
        "result": {
            **(_top1(group) if linked else _restored(group)),
            "verdicts": {word: words.count(word) for word in sorted(set(words))},
        },
        "notes": [f"trained with less than published: {told}" for told in sorted(short)],
    }


def _restored(group: list[AttackResult]) -> Part:
    """Return median SSIM: of one run with its quartiles over images, of several with those over runs."""
    medians = pd.Series([each.metrics.restored.best.median for each in group])
    low, value, high = medians.quantile([0.25, 0.5, 0.75])
    over, best = f"{len(group)} runs", group[0].metrics.restored.best
    if len(group) == 1:
        over, low, high = "images", best.lower, best.upper
    all_floors = [each.metrics.floors for each in group]
    floors = {name: median(floors[name].best.median for floors in all_floors) for name in all_floors[0]}
    highest = max(floors, key=lambda name: floors[name])
    return {
        "metric": SSIM,
        "value": round(value, DIGITS),
        "unit": "",
        "spread": [_spread("quartiles", over, low, high)],
        "floor": {"name": highest.replace("_", " "), "value": round(floors[highest], DIGITS)},
    }


def _top1(group: list[AttackResult]) -> Part:
    found = [each.metrics.linked for each in group if each.metrics.linked is not None]
    value = 100 * mean(linked.top1 for linked in found)
    low, high = wilson(value / 100, group[0].metrics.images)
    return {
        "metric": TOP1,
        "value": round(value, DIGITS),
        "unit": "%",
        "spread": [_spread("95 % interval", "ciphertexts", 100 * low, 100 * high)],
        "floor": {"name": "chance", "value": round(100 / found[0].among, DIGITS)},
    }


def _holds(result: AttackResult) -> Part:
    """Return the threat model of an observation."""
    observed = result.config.attack.observation.values()
    held = {
        "ciphertexts": result.threat_model.ciphertexts + int(observed.get("intercepted") or 0),
        "pairs": int(observed.get("known") or 0),
        "queries": result.details.queries,
        "public_images": int(observed.get("public_images") or 0),
        "gallery": int(observed.get("gallery") or 0),
    }
    holds = "weights" if observed.get("weights") else "known pairs" if held["pairs"] else "ciphertexts only"
    linked = result.metrics.linked
    if linked is not None:
        held |= {"gallery": linked.among, "copies": observed.get("gallery_copies", "exact")}
    return {"holds": "chosen images" if held["queries"] else holds, **held}


def _keyspace(result: TrainingResult | AttackResult) -> Part:
    """Return the bits of a scheme's key space at the size of the images."""
    bits, effective = result.key.nominal_bits or 0, result.key.effective_bits or 0
    return {
        "kind": "keyspace",
        "data": {"name": "any", "image_size": result.config.image_size},
        "key_scope": "shared",
        "result": {"metric": KEYS, "value": round(bits, 3), "unit": "bits"},
        "notes": [f"a key file has {effective:.0f} bits, so no more keys than that can be drawn"] * (effective < bits),
    }


def _plain(values: Mapping[str, Any]) -> Part:
    """Return the options of a configuration that are plain values."""
    return {n: v for n, v in values.items() if not n.startswith("_") and isinstance(v, (bool, int, float, str))}


def _spread(kind: str, over: str, lower: float, upper: float) -> Part:
    return {"kind": kind, "over": over, "lower": round(lower, DIGITS), "upper": round(upper, DIGITS)}


def _seconds(seconds: Iterable[float]) -> float:
    return round(max(seconds), 1)
