"""Attacks on private features: the best linkage there is, near copies pooled, rotations from pairs, and a decoder."""

import pytest
import torch
from attacked import PUBLIC, VICTIM, encrypt, scenes
from configurations import attack_values as config
from samples import noise_tensor as noise

from vitcrypt.attacks import Decoder, Link, Observation
from vitcrypt.encryption import PE, Features
from vitcrypt.encryption.orthogonal import orthogonal_matrix
from vitcrypt.experiment.attack import run as attack
from vitcrypt.experiment.config import AttackConfig
from vitcrypt.experiment.job import Job
from vitcrypt.experiment.score import Truth, floors
from vitcrypt.experiment.victim import Victim
from vitcrypt.metrics import linkage, ssim
from vitcrypt.report.verdict import judge

SCHEME = Features(8, sigma=0.2)


def held(scheme, images, gallery=None, releases=1, known=0, rotation=True, **more):
    """What an attacker holds of images: releases under another noise each, pairs, and the rotation."""
    ciphertexts, subkeys = encrypt(scheme, images)
    if releases > 1:
        ones = torch.eye(releases - 1, images[0].numel(), dtype=torch.uint8).view(-1, *images.shape[1:])
        more["releases"] = torch.stack([encrypt(scheme, images ^ one)[0] for one in ones])
    if known:
        pairs = scenes(known, PUBLIC)
        more["known"] = pairs, encrypt(scheme, pairs)[0]
    if rotation:
        more["rotation"] = orthogonal_matrix(subkeys["gaussian"])
    return Observation(scheme, ciphertexts, gallery=gallery, plain_shape=tuple(images.shape[1:]), **more)


def found(observation):
    return linkage(Link(chunk=70)(observation).distances, torch.arange(len(observation.ciphertexts))).top1


def test_the_likeliest_image_is_named_and_chance_where_there_is_nothing_but_noise():
    gallery = torch.cat([scenes(40, VICTIM), scenes(160, PUBLIC)])
    observation = held(SCHEME, gallery[:40], gallery)
    plain = SCHEME.features(gallery)
    turned = torch.linalg.solve(observation.rotation, observation.ciphertexts.flatten(1).double().mT).mT
    logs = torch.distributions.Normal(plain, SCHEME.sigma).log_prob(turned[:, None]).sum(2)
    assert torch.equal(Link()(observation).distances.argmin(1), logs.argmax(1))
    assert found(observation) > 0.5 > found(held(SCHEME, gallery[:40], gallery, rotation=False))
    assert found(held(SCHEME, noise(40, 3, 32, 32, seed=1), gallery)) <= 0.1


def test_near_copies_are_pooled_and_the_same_image_again_tells_nothing_new():
    gallery = torch.cat([scenes(40, VICTIM), scenes(160, PUBLIC)])
    scheme = Features(8, sigma=1.0)
    once, pooled = (held(scheme, gallery[:40], gallery, releases) for releases in (1, 30))
    assert found(pooled) > 0.5 > found(once)
    assert not torch.equal(pooled.releases[0], pooled.ciphertexts)
    again = Observation(scheme, once.ciphertexts, gallery=gallery, plain_shape=once.shape, rotation=once.rotation,
                        releases=once.ciphertexts[None].expand(30, -1, -1, -1, -1))  # fmt: skip
    assert found(again) == found(once)
    lengths = Link()(held(scheme, gallery[:40], gallery, 30, rotation=False)).distances
    assert lengths.mean() < 0.3  # all are 1 long, and of one release the noise adds 7


def test_known_pairs_tell_the_rotation_where_there_is_little_noise():
    gallery, scheme = torch.cat([scenes(40, VICTIM), scenes(160, PUBLIC)]), Features(8, sigma=0.02)
    assert found(held(scheme, gallery[:40], gallery, known=100, rotation=False)) > 0.9
    assert found(held(scheme, gallery[:40], gallery, known=2, rotation=False)) < 0.5


def test_a_decoder_restores_means_of_blocks_and_draws_nothing_of_noise():
    images, public = scenes(40, VICTIM), scenes(400, PUBLIC)
    mean = public.float().mean(0).round().to(torch.uint8)
    best = {}
    for name, sigma in (("none", 0.0), ("much", 1.0)):
        observation = held(Features(8, clip=8.0, sigma=8 * sigma), images, public_images=public)
        made = Decoder(hidden=128, epochs=60)(observation)
        assert (made.spent.steps, made.spent.images) == (60 * 4, 400)
        others = floors(Truth(images, mean), observation.pictures).values()
        best[name] = float(ssim(images, made.images).median()) - max(float(ssim(images, o).median()) for o in others)
    assert best["none"] > 0.1
    assert best["much"] < 0.03


def test_what_is_missing_is_said():
    images = scenes(4, VICTIM)
    with pytest.raises(ValueError, match=r"decoder needs the rotation .*rotation=true.*known=1000"):
        Decoder()(held(SCHEME, images, public_images=images, rotation=False))
    with pytest.raises(ValueError, match="decoder is an attack on features; this is pe"):
        Decoder()(Observation(PE(), images, public_images=images))
    with pytest.raises(ValueError, match=r"attack\.method\.hidden=0: set it to at least 1"):
        Decoder(hidden=0)


def victim(tmp_path, scheme, *options):
    few = ["attack.observation.ciphertexts=20", "attack.observation.gallery=60"]
    return Job.of(AttackConfig, config(tmp_path, scheme, "link", *few, *options))


def test_a_victim_releases_near_copies_and_says_what_was_told(tmp_path):
    job = victim(tmp_path, "features", "attack.observation.releases=3", "attack.observation.rotation=true")
    observation = Victim(job).observation()
    assert observation.threat_model["releases"].endswith("in copies that differ in a bit: 2")
    assert observation.threat_model["rotation"].endswith("does not count on; values: 48")
    noises = torch.cat([observation.ciphertexts[None], observation.releases]).flatten(2)
    assert (noises.diff(dim=0).std() - 2**0.5 * 0.5).abs() < 0.05
    for option in ("releases=2", "rotation=true"):
        with pytest.raises(ValueError, match=f"observation.{option[:8]}.* of private features .*, not of pe"):
            Victim(victim(tmp_path, "pe", f"attack.observation.{option}")).observation()


@pytest.mark.slow
def test_the_program_judges_features_by_what_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(Victim, "_mean_image", lambda self: None)
    few = ["attack.observation.ciphertexts=40", "attack.observation.gallery=200", "attack.observation.rotation=true"]
    told = attack(config(tmp_path, "features", "link", *few, "encryption.sigma=0.1"))
    assert judge(told).word == "linkable"
    hidden = attack(config(tmp_path, "features", "link", *few, "encryption.sigma=50"))
    assert (judge(hidden).word, hidden.metrics.linked.among) == ("not by this", 200)
