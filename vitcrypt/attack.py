"""Attack images under an encryption: `python -m vitcrypt.attack encryption=proposed attack=fr`."""

import sys

import hydra
from omegaconf import DictConfig

from vitcrypt.experiment import attack, errors
from vitcrypt.experiment.command_line import refuse_keys, refuse_misread
from vitcrypt.experiment.composition import checked
from vitcrypt.experiment.config import CONF
from vitcrypt.experiment.job import run_task
from vitcrypt.experiment.schema import register

register()


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="attack_config")
def task(cfg: DictConfig) -> float | None:
    """Attack; return the median SSIM of what was restored."""
    return run_task(cfg, attack.run, lambda result: result.metrics.restored.ssim.median)


def main(arguments: list[str] | None = None) -> None:
    """Attack with command-line arguments; end with a message where the user can mend it."""
    if arguments is not None:
        sys.argv[1:] = arguments
    with errors.explained("attack_config"):
        refuse_keys(sys.argv[1:])
        refuse_misread(sys.argv[1:])
        with checked():
            task()


if __name__ == "__main__":
    from vitcrypt.attack import main as main_by_name  # launchers that pickle the task find it again only by this name

    main_by_name()
