"""Train and test a network on encrypted images: `python -m vitcrypt.run encryption=proposed model=vit_b16`."""

import sys

import hydra
from omegaconf import DictConfig

from vitcrypt.experiment import errors, train
from vitcrypt.experiment.command_line import refuse_keys, refuse_misread
from vitcrypt.experiment.composition import checked
from vitcrypt.experiment.config import CONF
from vitcrypt.experiment.job import run_task
from vitcrypt.experiment.schema import register

register()


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def task(cfg: DictConfig) -> float | None:
    """Run one job; return its test accuracy, for sweepers that look for the best."""
    return run_task(cfg, train.run, lambda result: result.metrics.acc)


def main(arguments: list[str] | None = None) -> None:
    """Run with command-line arguments; end with a message rather than a traceback where the user can mend it."""
    if arguments is not None:
        sys.argv[1:] = arguments
    with errors.explained("config"):
        refuse_keys(sys.argv[1:])
        refuse_misread(sys.argv[1:])
        with checked():
            task()


if __name__ == "__main__":
    from vitcrypt.run import main as main_by_name  # launchers that pickle the task find it again only by this name

    main_by_name()
