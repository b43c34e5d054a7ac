"""The attack on rows that mix images weighs what it says it weighs."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import multivariate_normal

FEATURES = Path(__file__).parents[2] / "experiments" / "features"


@pytest.fixture
def mixing(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FEATURES))  # a folder of scripts that import each other
    return import_module("mixing")


def test_a_score_is_the_likelihood_of_membership_against_nobody_in_particular(mixing):
    random = np.random.default_rng(0)
    gallery = random.normal(size=(200, 5)) @ random.normal(size=(5, 5)) + 1
    rows, candidates, mixed, noise = random.normal(size=(4, 5)), gallery[:3], 4, 0.3
    spread = (mixed - 1) / mixed**2 * np.cov(gallery.T) + noise**2 * np.eye(5)
    others = (mixed - 1) / mixed * gallery.mean(0)
    likely = [
        [multivariate_normal.logpdf(row, others + one / mixed, spread) for one in candidates] for row in rows
    ] - np.array([[multivariate_normal.logpdf(row, others, spread)] for row in rows])
    assert np.allclose(mixing.scores(rows, candidates, gallery, mixed, noise), likely)


def test_every_image_is_in_one_row_with_k_of_its_class_at_least(mixing):
    labels = np.repeat(np.arange(10), [9, 4, 5, 8, 7, 6, 4, 4, 4, 11])
    dealt = mixing.groups(labels, 4, seed=1)
    assert sorted(np.concatenate(dealt)) == list(range(len(labels)))
    assert all(len(members) >= 4 and len(set(labels[members])) == 1 for members in dealt)
