"""Linkage: no key changes the invariants, and ciphertexts find their images; what is independent of them does not."""

import math

import pytest
import recorded
import torch
from attacked import PUBLIC, VICTIM, scenes
from cases import each
from configurations import attack_values as config

from vitcrypt.attacks import LearnedLink, Link, Observation
from vitcrypt.attacks.plaintext.attack import noise
from vitcrypt.data.copies import COPIES
from vitcrypt.encryption import ELE, LE, PE, EtC, Horio, ImageEncryption, Orthogonal, Plain, Proposed, Scheme
from vitcrypt.experiment.attack import run as attack
from vitcrypt.experiment.victim import Victim
from vitcrypt.keys import Key
from vitcrypt.metrics import linkage
from vitcrypt.report.linkage import linkage as linkage_table
from vitcrypt.report.results import read_results
from vitcrypt.report.security import security
from vitcrypt.report.verdict import judge

SCHEMES = [Plain(), PE(), PE(channel_shuffle=False), *(cls(4) for cls in (LE, ELE, EtC, Proposed, Horio)), Proposed(16)]


def fresh(scheme, images):
    """Ciphertexts under a key for each image."""
    keys = ImageEncryption(scheme, Key.test("test-3"), tuple(images.shape[1:]), "per_image")
    return keys(images, torch.arange(len(images)))


def found(scheme, ciphertexts, gallery):
    """How often the i-th ciphertext finds the i-th image."""
    observation = Observation(scheme, ciphertexts, shared_key=False, gallery=gallery)
    return linkage(Link(chunk=70)(observation).distances, torch.arange(len(ciphertexts)))


@each(SCHEMES)
def test_no_key_changes_the_invariants_and_one_ciphertext_finds_its_image(scheme):
    gallery = torch.cat([scenes(40, VICTIM), scenes(160, PUBLIC)])
    ciphertexts = fresh(scheme, gallery[:40])
    assert torch.equal(scheme.invariants(ciphertexts), scheme.invariants(gallery[:40]))
    assert found(scheme, ciphertexts, gallery).top1 == 1
    assert found(scheme, ciphertexts, COPIES["jpeg90"](gallery)).top1 > 0.9


def test_blocks_under_any_matrix_find_their_image_also_a_brighter_one():
    scheme, gallery = Orthogonal(4), torch.cat([scenes(40, VICTIM), scenes(160, PUBLIC)])
    ciphertexts = fresh(scheme, gallery[:40])
    assert torch.allclose(scheme.invariants(ciphertexts), scheme.invariants(gallery[:40]), atol=1e-4)
    assert found(scheme, ciphertexts, gallery).top1 == 1
    assert found(scheme, ciphertexts, gallery.clamp(max=235) + 20).top1 > 0.9
    assert found(scheme, fresh(scheme, noise(40, (3, 32, 32), seed=9)), gallery).top1 <= 0.1


@each(SCHEMES)
def test_under_a_fresh_map_of_all_bytes_and_without_the_image_linkage_is_chance(scheme):
    gallery = torch.cat([scenes(40, VICTIM), scenes(160, PUBLIC)])
    pads = noise(40, (3, 32, 32), seed=7)
    assert found(scheme, gallery[:40] ^ pads, gallery).top1 <= 0.1
    absent = found(scheme, fresh(scheme, noise(40, (3, 32, 32), seed=9)), noise(200, (3, 32, 32), seed=10))
    assert absent.top1 <= 0.1
    assert abs(absent.membership - 0.5) < 0.15


@pytest.mark.slow
def test_networks_learn_to_link_and_find_nothing_where_pairs_are_wrong():
    gallery, public = scenes(20, VICTIM, 16), scenes(240, PUBLIC, 16)
    pads = noise(20, (3, 16, 16), seed=7)
    ciphertexts = torch.cat([fresh(PE(), gallery), gallery.roll(7, 0), gallery ^ pads])
    held = Observation(PE(), ciphertexts, shared_key=False, public_images=public, gallery=gallery)
    found = LearnedLink(steps=80, batch_size=48, width=32)(held)
    assert (found.spent.steps, found.spent.images) == (80, 192)
    right, shifted, padded = (linkage(part, torch.arange(20)).top1 for part in found.distances.split(20))
    assert right > 0.8
    assert max(shifted, padded) < 0.3


def test_linkage_agrees_with_counting_by_hand():
    distances = torch.tensor([[0.0, 1.0, 2.0], [1.0, 1.0, 5.0], [1.0, 2.0, 3.0]])
    measured = linkage(distances, torch.tensor([0, 1, 2]))  # first; one of two; last
    assert measured.anonymity.tolist() == [1, 2, 3]
    assert measured.top1 == pytest.approx((1 + 0.5 + 0) / 3)
    assert measured.top5 == 1
    # nearest with the own image 0, 1, 1; without it 1, 1, 1
    assert measured.membership == pytest.approx((3 * 1 + 6 * 0.5) / 9)


def test_what_a_scheme_or_an_observation_lacks_is_said():
    images = scenes(2, VICTIM)

    class Mine(Scheme):
        def stages(self, shape):
            return {}

    with pytest.raises(ValueError, match=r"mine names nothing that its keys leave as it is; a class may say what does"):
        Link()(Observation(Mine(4), images, gallery=images))
    with pytest.raises(ValueError, match=r"link needs candidates.*observation.gallery"):
        Link()(Observation(LE(4), images))


@pytest.mark.slow
def test_the_program_records_linkage_and_reports_it(tmp_path, monkeypatch):
    job = ["key_scope=per_image", "attack.observation.ciphertexts=20"]
    monkeypatch.setattr(Victim, "_mean_image", lambda self: None)
    result = attack(config(tmp_path, "pe", "link", *job))
    assert (result.metrics.linked.among, result.metrics.linked.top1) == (360, 1)
    assert judge(result).word == "linkable"
    attack(config(tmp_path, "pe", "link", *job, "attack.observation.gallery_copies=jpeg50"))
    table = security([*read_results(tmp_path)[0], recorded.typed(recorded.attack("le", "fr", 0.1))])
    le, pe = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    assert pe["linkage"].startswith("linkable: exact 100.0 %, jpeg50 ")
    assert pe["linkage"].endswith(" % (20 x 360)")
    assert (pe["verdict"], le["linkage"]) == ("linkable", "not run")
    (row,) = linkage_table(read_results(tmp_path)[0]).rows
    assert row[1:5] == ["pe, a key each", "32", "20 x 360", "100.0 / 100.0 (1)"]
    for value, message in (
        ("gallery=19", "it holds the victim's 20 images"),
        ("gallery_copies=x", "exact, jpeg90"),
    ):
        with pytest.raises(ValueError, match=message):
            attack(config(tmp_path, "pe", "link", *job, f"attack.observation.{value}"))


@pytest.mark.parametrize("name", COPIES)
def test_copies_resemble_their_images(name):
    images = scenes(8, VICTIM)
    copies = COPIES[name](images)
    assert (copies.dtype, copies.shape) == (torch.uint8, images.shape)
    assert torch.equal(copies, images) == (name == "exact")
    assert math.sqrt((copies.double() - images.double()).square().mean()) < 40
