"""What another package brings is named with the extra that installs it."""

import re
from pathlib import Path

import pytest
from hydra.errors import MissingConfigException
from program import SMALL, finish, results

from vitcrypt.experiment.errors import message_of


@pytest.mark.parametrize(
    ("missing", "extra"), [("hydra/launcher/submitit_slurm", "slurm"), ("hydra/sweeper/optuna", "search")]
)
def test_a_part_that_is_not_installed_says_how_it_is(missing, extra):
    error = MissingConfigException(f"In 'hydra/launcher/slurm': Could not find '{missing}'\n\nAvailable options ...")
    assert f"pip install 'vitcrypt[{extra}]'" in message_of(error)


@pytest.mark.slow
def test_a_search_gets_the_values_of_the_pool_and_names_the_best(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="pip install 'vitcrypt[search]'")
    example = Path(__file__).parent.parent.parent / "experiments/search"
    small = [*SMALL, "trainer.max_epochs=1", "hydra.sweeper.n_trials=2"]
    printed = finish("--config-dir", str(example), "--config-name", "learning_rate", *small, folder=tmp_path)
    found = float(re.search(r"Best value: ([\d.]+)", printed)[1])
    assert found == pytest.approx(max(result["metrics"]["acc"] for result in results(tmp_path)), abs=1e-6)
    assert len(results(tmp_path)) == 2
