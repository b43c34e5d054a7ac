"""ShakeDrop against its definition, and PyramidNet against the published counts."""

import itertools
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from vitcrypt.models import ImageClassifier, PyramidNet
from vitcrypt.models.shakedrop import ShakeDrop, shake, shake_drop


def parameters(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("arguments", "count"),
    [((10,), 28_485_477), ((100,), 28_511_307), ((10, 20, 24), 143_133), ((10, 20, 48), 310_845)],
)
def test_counts_of_parameters(arguments, count):
    with torch.device("meta"):
        assert parameters(PyramidNet(*arguments)) == count


def test_the_paper_s_network_has_54_blocks_that_widen_evenly_to_286_channels_and_drop_linearly():
    with torch.device("meta"):
        network = PyramidNet(10)
    widths = [block.branch[1].out_channels for block in network.blocks]
    assert widths == [16 + 5 * i for i in range(1, 55)]
    assert [i for i, block in enumerate(network.blocks) if block.stride == 2] == [18, 36]
    keeps = [block.branch[-1].keep_prob for block in network.blocks]
    assert keeps == pytest.approx([1 - i / 54 * 0.5 for i in range(1, 55)])


@pytest.mark.parametrize("gate", [False, True])
def test_forward_takes_alpha_and_backward_takes_beta_only_where_the_gate_is_shut(gate):
    x = torch.randn(5, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn_like(x)
    b, alpha, beta = torch.tensor(gate), *torch.rand(2, 5, 1, 1, 1, dtype=torch.float64)
    y = shake(x, b, alpha, beta)
    y.backward(upstream)
    assert torch.equal(y, x if gate else alpha * x)
    assert torch.equal(x.grad, upstream if gate else beta * upstream)


def test_the_gradient_does_not_depend_on_alpha():
    gradients = []
    for value in (-1.0, 0.3):
        x = torch.ones(2, 1, requires_grad=True)
        shake(x, torch.tensor(False), torch.full((2, 1), value), torch.tensor([[0.25], [0.75]])).sum().backward()
        gradients.append(x.grad)
    assert torch.equal(*gradients)
    assert gradients[0].flatten().tolist() == [0.25, 0.75]


def test_the_exact_expectation_over_gate_and_alpha_is_the_evaluation():
    x, keep, n = torch.randn(1, 4, dtype=torch.float64), 0.7, 101
    alphas = torch.linspace(-1, 1, n, dtype=torch.float64)  # symmetric, as the uniform distribution is
    mean = sum(
        probability / n * shake(x, torch.tensor(gate), alpha, alpha)
        for (gate, probability), alpha in itertools.product([(True, keep), (False, 1 - keep)], alphas)
    )
    torch.testing.assert_close(mean, shake_drop(x, keep, training=False), rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("gate", ["batch", "sample"])
def test_the_mean_over_training_is_the_evaluation(gate):
    torch.manual_seed(0)
    module, keep, draws = ShakeDrop(0.6, gate), 0.6, 40_000
    x = torch.ones(draws, 1) if gate == "sample" else torch.ones(8, 1)
    factors = module(x) if gate == "sample" else torch.cat([module(x) for _ in range(draws // 8)])
    module.eval()
    # the variance of a factor is E[f^2] - keep^2, with E[f^2] = keep + (1 - keep) / 3; gates come 8 at a time by batch
    variance = keep + (1 - keep) / 3 - keep**2
    standard_error = (variance / (draws if gate == "sample" else draws / 8)) ** 0.5
    assert abs(float(factors.mean()) - float(module(x)[0, 0])) < 4 * standard_error
    assert float(factors.var()) == pytest.approx(variance, rel=0.03)


def test_a_batch_shares_its_gate_and_samples_have_their_own():
    torch.manual_seed(1)
    x = torch.ones(64, 3, 2, 2)
    for _ in range(10):
        factors = shake_drop(x, 0.5, gate="batch")
        assert (factors == factors[:, :1, :1, :1]).all(), "channels and pixels of an image share their factor"
        assert int((factors[:, 0, 0, 0] == 1).sum()) in (0, 64)
    assert 10 < int((shake_drop(x, 0.5, gate="sample")[:, 0, 0, 0] == 1).sum()) < 54


def test_keep_1_leaves_everything_alone():
    x = torch.randn(3, 2)
    assert torch.equal(shake_drop(x, 1.0), x)
    assert torch.equal(ShakeDrop(1.0).eval()(x), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_dtype_is_kept(dtype):
    assert shake_drop(torch.ones(2, 2, dtype=dtype), 0.5).dtype == dtype


def test_nothing_asks_the_host():
    """On the meta device there are no values: whatever waits for one (.item(), bool(), a branch) raises."""
    with torch.device("meta"):
        network = PyramidNet(10, depth=20, alpha=24)
        logits = network(torch.empty(4, 3, 32, 32))
    logits.sum().backward()
    assert logits.shape == (4, 10)
    assert all(p.grad.device.type == "meta" for p in network.parameters())


@pytest.mark.slow
def test_it_compiles_as_one_graph():
    torch._dynamo.reset()
    compiled = torch.compile(ShakeDrop(0.5), backend="aot_eager", fullgraph=True)
    x = torch.randn(4, 2, 3, 3, requires_grad=True)
    compiled(x).sum().backward()
    assert x.grad.shape == x.shape


def test_forward_and_backward_reach_every_parameter():
    torch.manual_seed(0)
    network = PyramidNet(7, depth=20, alpha=24)
    logits = network(torch.randn(4, 3, 32, 32))
    logits.square().sum().backward()
    assert logits.shape == (4, 7)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    network.eval()
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(network(x), network(x)), "evaluation draws nothing"


def test_the_names_of_the_state_are_stable():
    names = list(PyramidNet(10, depth=8, alpha=6).state_dict())
    assert names[0] == "stem.0.weight"
    assert "blocks.2.branch.5.running_var" in names
    assert names[-2:] == ["fc.weight", "fc.bias"]
    assert not any("shake" in name.lower() for name in names), "ShakeDrop has no state"


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: PyramidNet(10, depth=18), "6 n .*try 20"),
        (lambda: ShakeDrop(1.5), "probability"),
        (lambda: ShakeDrop(0.5, "pixel"), "'batch' or 'sample'"),
    ],
)
def test_what_cannot_work_is_an_error(build, told):
    with pytest.raises(ValueError, match=told):
        build()


def test_channels_last_is_another_place_in_memory_and_the_same_network():
    x = torch.randn(2, 3, 16, 16)
    network = PyramidNet(5, depth=8, alpha=6).eval()
    expected = network(x)
    classifier = ImageClassifier(network, 5, torch.optim.SGD, channels_last=True).eval()
    assert network.stem[0].weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(classifier(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("steps", [305 * 98, 230 * 98])  # also where model.steps ends it before the last epoch
def test_the_published_schedule_drops_before_epochs_150_and_225(steps):
    classifier = ImageClassifier(
        torch.nn.Linear(1, 2), 2, partial(torch.optim.SGD, lr=0.1), schedule="multistep", milestones=[150, 225]
    )
    classifier.trainer = SimpleNamespace(
        estimated_stepping_batches=steps, max_epochs=305, num_training_batches=2 * 98, accumulate_grad_batches=2
    )
    (factor,) = classifier.configure_optimizers()["lr_scheduler"]["scheduler"].lr_lambdas
    by_epoch = [[factor(epoch * 98 + step) for step in (0, 97)] for epoch in range(305)]
    assert all(first == last for first, last in by_epoch)
    factors = [first for first, _ in by_epoch]
    assert [factors.index(value) for value in dict.fromkeys(factors)] == [0, 150, 225]
    assert factors[-1] == pytest.approx(0.01)
