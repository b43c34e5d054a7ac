"""Claims about one scheme on one data set brought together, and which of several numbers speaks for it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from vitcrypt.benchmark.claim import ACCURACY, SSIM, Claim
from vitcrypt.report.verdict import WORDS, worst

SURVIVED = "survived the attacks run here"


@dataclass(frozen=True)
class Case:
    """A scheme on one data set, at one size, under one key scope.

    Attributes:
        claims: All that is claimed about it.
        accuracy: The highest that was measured.
        plain: That of the same network on as many plain images.
        attacks: The attacks that were run, the worst for the owner first.
        linked: Attacks that link, the most successful first. What links ciphertexts under a key each links those under
            one key too, so these are among them.
        keys: The computed key space.
    """

    claims: list[Claim]
    accuracy: Claim | None
    plain: Claim | None
    attacks: list[Claim]
    linked: list[Claim]
    keys: Claim | None

    @property
    def first(self) -> Claim:
        """One of the claims, for what all have in common."""
        return self.claims[0]

    @property
    def measured(self) -> bool:
        """Whether any of them was measured."""
        return not all(claim.published for claim in self.claims)

    @property
    def restored(self) -> list[Claim]:
        """The attacks whose success was measured as median SSIM."""
        return [claim for claim in self.attacks if claim.number.metric == SSIM]

    @property
    def verdict(self) -> str:
        """The worst verdict over all attacks, in words; nothing where there is nothing to protect or to judge."""
        if self.attacks or self.linked:
            return verdict_words(word for claim in (*self.attacks, *self.linked) for word in claim.number.verdicts)
        return "not attacked here" if self.measured and self.first.scheme.name != "plain" else ""


def cases(claims: list[Claim]) -> list[Case]:
    """Return all cases, those first that something was measured of."""
    groups: dict[tuple[str, ...], list[Claim]] = {}
    for claim in claims:
        if claim.kind != "keyspace":
            groups.setdefault((claim.on, *scheme_of(claim), claim.key_scope), []).append(claim)
    found = [_case(groups[name], claims) for name in sorted(groups)]
    return sorted(found, key=lambda case: (not case.measured, case.first.kind == "absent"))


def scheme_of(claim: Claim) -> tuple[str, str, str]:
    """Return scheme, options and size, equal for claims about the same map."""
    return claim.scheme.name, json.dumps(claim.scheme.values, sort_keys=True), str(claim.size or "")


def verdict_words(words: Iterable[str]) -> str:
    """Return the worst of several verdicts; never that a scheme is secure."""
    return worst(words).replace("nothing found", SURVIVED)


def _case(group: list[Claim], claims: list[Claim]) -> Case:
    ours = [claim for claim in group if not claim.published]
    trained = [claim for claim in ours if claim.kind == "accuracy" and claim.number.metric == ACCURACY]
    accuracy = max(trained, key=lambda claim: claim.number.value, default=None)
    alike = (
        [claim for claim in claims if not claim.published and scheme_of(claim) == scheme_of(group[0])] if ours else []
    )
    linked = [claim for claim in alike if claim.kind == "linkage" and claim.data == group[0].data]
    linked = [claim for claim in linked if claim.key_scope in ("per_image", group[0].key_scope)]
    return Case(
        claims=group,
        accuracy=accuracy,
        plain=next((claim for claim in claims if accuracy is not None and _beside(accuracy, claim)), None),
        attacks=sorted((claim for claim in ours if claim.kind == "attack"), key=_badness),
        linked=sorted(linked, key=lambda claim: (-claim.number.value, claim.copies != "exact")),
        keys=next((claim for claim in alike if claim.kind == "keyspace"), None),
    )


def _beside(claim: Claim, plain: Claim) -> bool:
    """Whether a claim is of plain images, the same network and as many of them."""
    return (
        claim.scheme.name != "plain"
        and (plain.scheme.name, plain.kind, plain.published, plain.data) == ("plain", "accuracy", False, claim.data)
        and plain.by == claim.by.split(" behind ")[0]
        and (plain.budget and plain.budget.images) == (claim.budget and claim.budget.images)
    )


def _badness(claim: Claim) -> tuple[int, float, int]:
    word = min((WORDS.index(word) for word in claim.number.verdicts), default=len(WORDS))
    return word, -round(claim.number.value, 3), claim.held
