"""Training a folded network on encrypted images is training the original on plain ones: where it is, and where not."""

import pytest
import torch
import torch.nn.functional as F
from cases import cipher_of, noise
from networks import KINDS, seen, small

from vitcrypt.encryption import ELE, LE, PE, EtC, Proposed
from vitcrypt.models import fold_key, widen

SHAPE = (3, 16, 16)
SCHEMES = [Proposed(4), PE(), EtC(4), LE(4), ELE(4)]
OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.03, momentum=0.9, weight_decay=5e-4),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.05),
}


def trained(network, images, optimizer, steps=8):
    """Train in place with gradients clipped; return the losses."""
    labels = torch.arange(len(images)) % 5
    optimizer = OPTIMIZERS[optimizer](network.parameters())
    losses = []
    for step in range(steps):
        batch = slice(step % 4 * 16, step % 4 * 16 + 16)
        loss = F.cross_entropy(network(seen(images[batch])), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return torch.tensor(losses)


def distance(one, other):
    a, b = one.state_dict(), other.state_dict()
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.parametrize(("scheme", "optimizer"), [*((scheme, "sgd") for scheme in SCHEMES), (ELE(4), "adamw")])
def test_training_goes_the_same_way_from_the_same_kind_of_embedding(scheme, optimizer):
    network, images, cipher = small(gain=1.5), noise(64, *SHAPE), cipher_of(scheme, SHAPE)
    widen(network, KINDS[type(scheme)])
    start, folded = network.state_dict()["head.weight"].clone(), fold_key(network, cipher)
    on_plain, on_encrypted = trained(network, images, optimizer), trained(folded, cipher(images), optimizer)
    assert (on_plain - on_encrypted).abs().max() < 1e-8
    assert distance(fold_key(network, cipher), folded) < 1e-8
    assert (network.state_dict()["head.weight"] - start).abs().max() > 1e-3, "it has learnt something"


@pytest.mark.parametrize(("scheme", "optimizer"), [*((scheme, "sgd") for scheme in SCHEMES), (ELE(4), "adamw")])
def test_only_the_proposed_scheme_trains_as_the_shared_embedding_on_plain_images(scheme, optimizer):
    network, images, cipher = small(gain=1.5), noise(64, *SHAPE), cipher_of(scheme, SHAPE)
    folded = fold_key(network, cipher)
    apart = (trained(network, images, optimizer) - trained(folded, cipher(images), optimizer)).abs()
    assert apart[0] < 1e-10, "both start from the same loss"
    assert (apart.max() < 1e-8) == isinstance(scheme, Proposed)
