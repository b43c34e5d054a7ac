"""Adaptation networks against literal loops over blocks."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vitcrypt.models import ImageClassifier, PyramidNet, ResNet18, adapted
from vitcrypt.models.adaptation import (
    ELEAdaptation,
    LEAdaptation,
    permutation_penalty,
    smoothness_penalty,
    spectral_normalise,
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def parameters(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("adaptation", "count"), [("none", 28_485_477), ("le", 28_500_149), ("ele", 29_310_645)])
def test_counts_of_parameters_in_front_of_shakedrop(adaptation, count):
    with torch.device("meta"):
        assert parameters(adapted(partial(PyramidNet, 10), adaptation, 32, 4)) == count


def loop_of_sub_networks(module: ELEAdaptation, x):
    """ELE-AdaptNet as a program of 64 convolutions and 64 batch normalisations, one block at a time."""
    size, grid = module.block_size, module.grid
    weight = spectral_normalise(module.weight.detach(), module.left.clone(), update=module.training)
    width = weight.shape[1]
    features = []
    for n in range(grid**2):
        row, column = divmod(n, grid)
        block = x[:, :, row * size : (row + 1) * size, column * size : (column + 1) * size]
        conv = nn.Conv2d(x.shape[1], width, size, size, bias=False).to(x.dtype)
        conv.weight.data = weight[n].view(width, x.shape[1], size, size)
        norm = nn.BatchNorm2d(width).to(x.dtype).train(module.training)
        mine = slice(n * width, (n + 1) * width)
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(norm, name).data = getattr(module.norm, name).data[mine].clone()
        features.append(F.leaky_relu(norm(conv(block)), 0.2).flatten(1))
    mixed = torch.stack(features, 2) @ module.mixing
    return F.pixel_shuffle(mixed.view(len(x), width, grid, grid), size)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("image_size", "block_size"), [(32, 4), (16, 8)])
def test_all_sub_networks_at_once_are_a_loop_of_convolutions(training, image_size, block_size):
    module = ELEAdaptation(image_size, block_size).double()
    nn.init.uniform_(module.norm.weight, 0.5, 2)
    nn.init.normal_(module.norm.bias)
    module.norm.running_mean.normal_()
    module.train(training)
    x = torch.randn(6, 3, image_size, image_size, dtype=torch.float64)
    expected = loop_of_sub_networks(module, x)
    output = module(x)
    assert output.shape == (6, 16, image_size, image_size)
    torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)


def test_the_spectral_norm_is_that_of_every_block():
    weight = torch.randn(5, 24, 12, dtype=torch.float64)
    left = F.normalize(torch.randn(5, 24, dtype=torch.float64), dim=1)
    for _ in range(300):
        normalised = spectral_normalise(weight, left)
    norms = torch.linalg.matrix_norm(weight, 2)
    torch.testing.assert_close(normalised, weight / norms[:, None, None], rtol=1e-9, atol=1e-9)


def test_the_gradient_goes_through_the_norm_and_evaluation_takes_no_step():
    weight = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    left = F.normalize(torch.randn(2, 4, dtype=torch.float64), dim=1)
    for _ in range(500):
        spectral_normalise(weight, left)
    before = left.clone()
    assert torch.autograd.gradcheck(lambda w: spectral_normalise(w, left.clone(), update=False), weight)
    spectral_normalise(weight, left, update=False)
    assert torch.equal(left, before)
    exact = weight / torch.linalg.matrix_norm(weight, 2)[:, None, None]
    mine = spectral_normalise(weight, left, update=False)
    upstream = torch.randn_like(weight)
    torch.testing.assert_close(*(torch.autograd.grad(y, weight, upstream)[0] for y in (mine, exact)))


def test_le_treats_all_blocks_alike_and_keeps_them_in_place():
    module = LEAdaptation().eval()
    x = torch.randn(2, 3, 32, 32)
    moved = module(x.roll((4, 8), (2, 3)))
    torch.testing.assert_close(moved, module(x).roll((4, 8), (2, 3)))


def test_le_is_a_loop_over_blocks():
    module = LEAdaptation(4).double().eval()
    x = torch.randn(2, 3, 12, 8, dtype=torch.float64)
    output = module(x)
    for row in range(3):
        for column in range(2):
            place = (..., slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4))
            vector = torch.einsum("wchv,bchv->bw", module.conv.weight, x[place])
            mean, var = module.norm.running_mean, module.norm.running_var
            vector = F.leaky_relu((vector - mean) / (var + module.norm.eps).sqrt(), 0.1)
            torch.testing.assert_close(output[place], vector.view(2, 16, 4, 4), rtol=1e-12, atol=1e-12)


def test_the_permutation_penalty_vanishes_for_scaled_permutations_and_for_nothing_else():
    permutation = -3 * torch.eye(6, dtype=torch.float64)[torch.randperm(6)]
    assert float(permutation_penalty(permutation)) == pytest.approx(0, abs=1e-15)
    uniform = torch.full((4, 4), 0.25)
    assert float(permutation_penalty(uniform)) == pytest.approx(8 * (1 - 0.5) / 16)
    loop, mixing = 0.0, torch.randn(5, 5, dtype=torch.float64)
    for i in range(5):
        for vector in (mixing[i], mixing[:, i]):
            loop += float(vector.abs().sum() - vector.square().sum().sqrt())
    assert float(permutation_penalty(mixing)) == pytest.approx(loop / 25, rel=1e-12)


def test_the_smoothness_penalty_is_the_published_sum():
    features = torch.randn(2, 16, 5, 6, dtype=torch.float64)
    loop = 0.0
    for b in range(2):
        for c in range(3):
            for i in range(4):
                for j in range(5):
                    value = features[b, c, i, j]
                    loop += float((value - features[b, c, i + 1, j]) ** 2 + (value - features[b, c, i, j + 1]) ** 2)
    assert float(smoothness_penalty(features)) == pytest.approx(loop / (4 * 6 * 16) / 2, rel=1e-12)
    assert float(smoothness_penalty(torch.ones(1, 16, 4, 4))) == 0


def test_the_penalty_has_the_published_weights_and_is_there_once_and_in_training_only():
    module = ELEAdaptation()
    output = module(torch.randn(3, 3, 32, 32))
    expected = 1e-3 * permutation_penalty(module.mixing) + 0.1 * smoothness_penalty(output)
    torch.testing.assert_close(module.penalty(), expected)
    assert module.penalty() is None
    module.eval()(torch.randn(1, 3, 32, 32))
    assert module.penalty() is None


def test_the_penalty_reaches_the_loss_and_trains_the_mixing():
    network = adapted(partial(ResNet18, 10, width=4), "ele", 32, 4)
    classifier = ImageClassifier(network, 10, torch.optim.SGD)
    logged = {}
    classifier.log_dict = lambda measures, **_: logged.update({name: m.compute() for name, m in measures.items()})
    batch = {"image": torch.randn(4, 3, 32, 32), "label": torch.arange(4)}
    loss = classifier.training_step(batch, 0)
    torch.testing.assert_close(loss, logged["train/loss"] + logged["train/penalty"])
    assert logged["train/penalty"].item() > 0
    loss.backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("adaptation", ["none", "le"])
def test_without_a_penalty_the_loss_is_the_cross_entropy(adaptation):
    network = adapted(partial(ResNet18, 10, width=4), adaptation, 32, 4)
    classifier = ImageClassifier(network, 10, torch.optim.SGD)
    logged = {}
    classifier.log_dict = lambda measures, **_: logged.update(measures)
    loss = classifier.training_step({"image": torch.randn(4, 3, 32, 32), "label": torch.arange(4)}, 0)
    assert torch.equal(loss, logged["train/loss"].compute())
    assert "train/penalty" not in logged


def test_nothing_asks_the_host():
    with torch.device("meta"):
        module = ELEAdaptation()
        output = module(torch.empty(2, 3, 32, 32))
        (output.sum() + module.penalty()).backward()
    assert module.mixing.grad.shape == (64, 64)


@pytest.mark.slow
def test_it_compiles_as_one_graph_with_its_penalty():
    torch._dynamo.reset()
    module = ELEAdaptation(8, 4)
    module.compile(backend="aot_eager", fullgraph=True)
    output = module(torch.randn(3, 3, 8, 8))
    penalty = module.penalty()
    torch.testing.assert_close(penalty, 1e-3 * permutation_penalty(module.mixing) + 0.1 * smoothness_penalty(output))


def test_the_names_of_the_state_are_stable():
    names = set(adapted(partial(PyramidNet, 10, depth=8, alpha=6), "ele", 32, 4).state_dict())
    assert {"adaptation.weight", "adaptation.left", "adaptation.mixing", "network.fc.weight"} <= names
    assert isinstance(adapted(partial(PyramidNet, 10, depth=8), "none", 32, 4), PyramidNet)
