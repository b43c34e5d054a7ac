"""The verdict itself: what holds no information is never a leak, what shows the images always is, in any version."""

from functools import cache

import pytest
import recorded
import torch
from attacked import PUBLIC, VICTIM, encrypt, scenes

from vitcrypt.attacks import Observation, Reconstruction
from vitcrypt.attacks.plaintext.attack import noise
from vitcrypt.encryption import ELE, LE, PE, EtC, Plain, Proposed
from vitcrypt.experiment.score import Truth, score, similarity
from vitcrypt.metrics import symmetries
from vitcrypt.report.records import Budget
from vitcrypt.report.verdict import above_chance, judge, worst

SIDES = {32: (40, VICTIM, PUBLIC), 224: (4, (448, 672), (384, 512))}  # images, and photographs they are cut out of
SCHEMES = {"plain": Plain, "le": LE, "etc": EtC, "ele": ELE, "pe": PE, "proposed": Proposed}
PUBLISHED = Budget(steps=17_600, images=50_000, parameters=1000)


@cache
def truth(side):
    count, victim, public = SIDES[side]
    mean = scenes(60, public, side).float().mean(0).round().to(torch.uint8)
    return Truth(scenes(count, victim, side), mean)


def mixed(images, share):
    """Images under so much noise."""
    other = noise(len(images), tuple(images.shape[1:]), seed=5)
    return ((1 - share) * images.float() + share * other.float()).round().to(torch.uint8)


def each_in_its_own_version(images):
    return torch.cat([symmetries(3, True)[(11 * i + 5) % 96](images[i : i + 1]) for i in range(len(images))])


def mean_of_others(images):
    """The mean image of an attacker, who has other public images than those of the floor."""
    side = images.shape[-1]
    return scenes(30, SIDES[side][2], side).flip(0)[:25].float().mean(0).to(torch.uint8).expand_as(images)


NOTHING = {
    "grey": lambda images: torch.full_like(images, 128),
    "brown": lambda images: torch.tensor([120, 100, 80], dtype=torch.uint8).view(3, 1, 1).expand_as(images),
    "mean of public images": mean_of_others,
    "one public image": lambda images: scenes(1, SIDES[images.shape[-1]][2], images.shape[-1]).expand_as(images),
    "other images": lambda images: images.roll(2, 0),
    "noise": lambda images: mixed(images, 1.0),
}
SHOWN = {
    "oracle": lambda images: images,
    "mirrored": lambda images: images.flip(-1),
    "turned": lambda images: images.rot90(1, (-2, -1)),
    "negated": lambda images: 255 - images,
    "channels exchanged": lambda images: images[:, [2, 0, 1]],
    "each in its own version": each_in_its_own_version,
    "oracle with a grain": lambda images: mixed(images, 0.02),
}
PARTLY = {
    "noisy": lambda images: mixed(images, 0.3 if images.shape[-1] == 32 else 0.15),
    "negated, noisy": lambda images: mixed(255 - images, 0.3 if images.shape[-1] == 32 else 0.15),
    "hardly to be seen": lambda images: mixed(images, 0.85),
}


@cache
def scored(side, scheme, attack):
    """Measures of an attack; those of restored images do not depend on the scheme, nor floors on the attack."""
    held = truth(side)
    built = SCHEMES[scheme]()
    ciphertexts, _ = encrypt(built, held.plain)
    restored = ciphertexts if attack == "untouched" else {**NOTHING, **SHOWN, **PARTLY}[attack](held.plain)
    return score(held, Observation(built, ciphertexts), Reconstruction(restored.contiguous()))


@cache
def untouched(side, scheme):
    """What the ciphertexts show; among so few large images none is looked for."""
    if side == 32:
        return scored(side, scheme, "untouched").restored
    return similarity(truth(side).plain, encrypt(SCHEMES[scheme](), truth(side).plain)[0])[0]


def judged(side, scheme, attack, **budgets):
    metrics = scored(side, "plain", attack)
    if scheme != "plain":
        metrics = metrics.model_copy(update={"ciphertext": untouched(side, scheme)})
    return judge(recorded.typed(recorded.attack(scheme, "fr", 0)).model_copy(update={"metrics": metrics, **budgets}))


@pytest.mark.slow
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("attack", NOTHING)
def test_what_holds_no_information_is_no_leak(side, attack):
    for scheme in SCHEMES:
        found = judged(side, scheme, attack)
        assert (found.word, found.missing) == ("not by this", ""), (scheme, found.reason)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("attack", SHOWN)
def test_what_shows_the_images_is_broken_in_any_version(side, attack):
    for scheme in SCHEMES:
        if (scheme, attack) != ("plain", "oracle with a grain"):  # the ciphertext shows more
            assert judged(side, scheme, attack).word == "broken", scheme


@pytest.mark.slow
@pytest.mark.parametrize("scheme", sorted(SCHEMES.keys() - {"plain"}))
def test_what_shows_something_leaks(scheme):
    for side in SIDES:
        for attack in ("noisy", "negated, noisy"):
            found = judged(side, scheme, attack)
            assert found.word == "leaks", (side, attack, found.reason)
    found = judged(32, scheme, "hardly to be seen")
    assert found.word == "leaks"
    assert scored(32, "le", "hardly to be seen").restored.best.median < 0.06
    assert "restored images find their own original among 40" in found.reason


@pytest.mark.parametrize("side", SIDES)
def test_a_failure_on_less_than_the_published_budget_is_no_verdict(side):
    for change in ({"steps": 48}, {"images": 1000}, {"parameters": 899}):
        spent = PUBLISHED.model_copy(update=change)
        for scheme in SCHEMES.keys() - {"plain"}:  # which shows its images
            found = judged(side, scheme, "mean of public images", spent=spent, published=PUBLISHED)
            assert found.word == "undertrained"
            assert f"{next(iter(change.values())):,} of" in found.reason
            assert judged(side, scheme, "mirrored", spent=spent, published=PUBLISHED).word == "broken"
    nearly = PUBLISHED.model_copy(update={"parameters": 901, "steps": 20_000})
    assert judged(side, "le", "grey", spent=nearly, published=PUBLISHED).word == "not by this"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_attack_that_returns_the_ciphertexts_is_told_from_what_they_show(scheme):
    metrics = scored(32, scheme, "untouched")
    found = judge(recorded.typed(recorded.attack(scheme, "fr", 0)).model_copy(update={"metrics": metrics}))
    assert found.word == ("broken" if scheme == "plain" else "not by this")
    # LE hardly changes how bright a block is; proposed has four blocks here, whose colours stay
    assert bool(found.linked) == (scheme in ("plain", "le", "proposed")), found.linked


def test_records_without_a_budget_prove_nothing_where_a_network_was_trained():
    for attack, word in (("gan", "undertrained"), ("itn", "undertrained"), ("jigsaw", "not by this")):
        record = recorded.attack("le", attack, 0.05)
        assert judge(recorded.typed(record)).word == word
        renamed = recorded.changed(record, config__names__attack="mine", config__attack__method={"_target_": "a.ITN"})
        assert judge(recorded.typed(renamed)).reason.startswith("budget unknown")
    assert judge(recorded.typed(recorded.attack("le", "gan", 0.5))).word == "leaks"


def test_records_of_before_say_which_floors_they_lack():
    record = recorded.attack("le", "fr", 0.5)
    for name in ("constant", "mean_image"):
        del record["metrics"][name]
    for measures in record["metrics"].values():
        if isinstance(measures, dict):
            del measures["symmetric_ssim"]
    found = judge(recorded.typed(record))
    assert (found.marked, found.missing) == ("leaks*", "a constant, the mean image, the symmetries")
    assert judge(recorded.typed(recorded.changed(record, metrics__exact_images=0.6))).marked == "broken"


def test_several_attacks_on_a_scheme_are_as_bad_as_the_worst():
    assert worst(["not by this", "leaks", "broken"]) == "broken"
    assert worst(["undertrained", "leaks"]) == "leaks"
    assert worst(["undertrained", "undertrained"]) == "undertrained only"
    assert worst(["undertrained", "not by this"]) == "nothing found, some undertrained"
    assert worst(["not by this"]) == "nothing found"


def test_luck_is_what_the_binomial_says():
    random = torch.Generator().manual_seed(0)
    hits = (torch.rand(2000, 100, generator=random) < 0.01).double().mean(1)
    assert not any(above_chance(float(rate), 100, 0.01) for rate in hits)
    assert above_chance(0.1, 100, 0.01)
    assert not above_chance(0.04, 1000, 0.001)  # no luck, but few
    assert not above_chance(0.5, 1000, 0.5)
