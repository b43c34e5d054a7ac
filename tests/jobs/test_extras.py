"""What another package brings is named with the extra that installs it."""

import pytest
from hydra.errors import MissingConfigException

from vitcrypt.experiment.errors import message_of


@pytest.mark.parametrize(("missing", "extra"), [("hydra/launcher/submitit_slurm", "slurm")])
def test_a_part_that_is_not_installed_says_how_it_is(missing, extra):
    error = MissingConfigException(f"In 'hydra/launcher/slurm': Could not find '{missing}'\n\nAvailable options ...")
    assert f"pip install 'vitcrypt[{extra}]'" in message_of(error)
