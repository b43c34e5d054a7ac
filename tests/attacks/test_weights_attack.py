"""Reading the key from a folded network and the public original."""

import pytest
import torch
from cases import cipher_of, drawn, each, noise
from configurations import attack_values as config
from networks import small
from safetensors.torch import save_file

from vitcrypt.attacks import Observation, Weights
from vitcrypt.attacks.weight_diff import read_key
from vitcrypt.encryption import ELE, LE, PE, EtC, Proposed
from vitcrypt.experiment.attack import run as attack
from vitcrypt.metrics import key_shares
from vitcrypt.models import fold_key, widen

SHAPE = (3, 16, 16)
SCHEMES = [Proposed(4), PE(), PE(channel_shuffle=False), EtC(4), LE(4), LE(2), ELE(4)]


def shares(scheme, network, public):
    held = cipher_of(scheme, SHAPE)(noise(2, *SHAPE))
    found = Weights()(Observation(scheme, held, weights=(network.state_dict(), public.state_dict())))
    return key_shares(found.subkeys, drawn(scheme, SHAPE)), found.images


@each(SCHEMES)
def test_the_complete_key_is_read_from_a_folded_network(scheme):
    network = small()
    found, images = shares(scheme, fold_key(network, cipher_of(scheme, SHAPE)), network)
    assert set(found.values()) == {1.0}
    assert torch.equal(images, noise(2, *SHAPE))


@each(SCHEMES)
def test_noise_in_the_weights_costs_the_attacker_a_part_and_an_unrelated_network_all(scheme):
    network, cipher = small(), cipher_of(scheme, SHAPE)
    folded = fold_key(network, cipher)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in (folded.patch_embed.proj.weight, folded.pos_embed):
            parameter.add_(torch.randn_like(parameter) * parameter.std() * 0.1)
    some, _ = shares(scheme, folded, network)
    none, _ = shares(scheme, fold_key(small(seed=5), cipher), network)
    assert min(some.values()) > 0.6
    assert sum(none.values()) < sum(some.values()) - 0.2


@each([Proposed(4), PE(), EtC(4), LE(4), ELE(4)])
def test_images_need_not_be_square(scheme):
    shape, network = (3, 16, 24), small(img_size=(16, 24))
    state = fold_key(network, cipher_of(scheme, shape)).state_dict()
    found = read_key(scheme, shape, state, network.state_dict())
    assert set(key_shares(found, drawn(scheme, shape)).values()) == {1.0}


@pytest.mark.parametrize("kind", ["per_position", "shared_nibbles", "per_position_nibbles"])
def test_a_network_of_richer_embedding_than_needed_gives_the_key_as_well(kind):
    network, widened = small(), small()
    widen(widened, kind)
    assert set(shares(Proposed(4), fold_key(widened, cipher_of(Proposed(4), SHAPE)), network)[0].values()) == {1.0}


@pytest.mark.parametrize(
    ("scheme", "network", "public", "told"),
    [
        (EtC(4), small(), small(), "embeds all patches alike"),
        (LE(4), small(), small(), "embeds bytes"),
        (Proposed(8), small(), small(), "blocks of 8 are no patches of 4; set block_size=4"),
        (Proposed(4), small(), small(embed_dim=16), "not made from these public weights"),
        (Proposed(4), small(img_size=32), small(), "not made from these public weights"),
        (PE(), small(pos_embed="none"), small(), "one has no pos_embed"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_does_not_belong_together_is_named(scheme, network, public, told):
    with pytest.raises(ValueError, match=told):
        shares(scheme, network, public)


@pytest.mark.slow
def test_the_program_records_the_share_of_the_key(tmp_path):
    network, scheme = small(), EtC(4)
    save_file(network.state_dict(), tmp_path / "public.safetensors")
    save_file(fold_key(network, cipher_of(scheme, SHAPE)).state_dict(), tmp_path / "adapted.safetensors")
    files = {"weights": "adapted", "public_weights": "public"}
    held = [f"attack.observation.{name}={tmp_path}/{file}.safetensors" for name, file in files.items()]
    result = attack(config(tmp_path, "etc", "weights", "image_size=16", *held))
    assert {share.share for share in result.metrics.key.values()} == {1.0}
    assert result.metrics.exact_images == 1
    assert "the public ones it was made from" in result.threat_model.values()["weights"]
    assert str(tmp_path) not in str(result.config.attack.values())
    with pytest.raises(ValueError, match="give both"):
        attack(config(tmp_path, "etc", "weights", held[0]))
    with pytest.raises(FileNotFoundError, match=r"observation\.weights=nothing\.pth does not exist"):
        attack(config(tmp_path, "etc", "weights", held[1], "attack.observation.weights=nothing.pth"))
    with pytest.raises(ValueError, match="weights needs weights of a network"):
        attack(config(tmp_path, "etc", "weights", "image_size=16"))
