"""Attack images under an encryption: `python -m vitcrypt.attack encryption=proposed attack=fr`."""

import platform
import sys
import time
from pathlib import Path
from typing import Any

import hydra
import numpy as np
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from rich.table import Table
from rich.text import Text

import vitcrypt
from vitcrypt.experiment import errors
from vitcrypt.experiment.afterwards import tried
from vitcrypt.experiment.attack_config import register_attack
from vitcrypt.experiment.command_line import refuse_keys
from vitcrypt.experiment.composition import checked, resolved
from vitcrypt.experiment.config import CONF, register
from vitcrypt.experiment.identity import attack_identity, published
from vitcrypt.experiment.job import Job, opened_key, placed, put_aside, shown
from vitcrypt.experiment.validate import validate_attack
from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.jobs.lock import alone_in
from vitcrypt.jobs.pool import give_back
from vitcrypt.report.results import (
    AttackConfig,
    AttackResult,
    Details,
    First,
    Key,
    Similarity,
    ThreatModel,
    Versions,
    finite,
    read_result,
    write_result,
)
from vitcrypt.untrusted.text import console

SHOWN = 8  # images that are drawn and kept
register()
register_attack()


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="attack_config")
def task(cfg: DictConfig) -> float:
    """Attack; return the median SSIM of what was restored."""
    config = resolved(cfg)
    try:
        validate_attack(config)
        return give_back(attack(config).metrics.restored.ssim.median)
    except Exception as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN:  # a sweep goes on, and in the end raises the first error only
            names = config["names"]
            what = f"{names['attack']} on {names['encryption']}, {names['data']} failed:"
            console.print(Text.assemble((what, "bold red"), f" {error}"))
        raise


def attack(config: dict[str, Any]) -> AttackResult:
    """Carry out the attack of a configuration, unless it is done already; return its result."""
    key, names = opened_key(config), config["names"]
    fingerprint = key.fingerprint if key else None
    parts = ["attacks", names["data"], names["encryption"], names["attack"]]
    job = placed(config, parts, lambda spelled: attack_identity(spelled, fingerprint), key, fingerprint)
    with alone_in(job.folder):
        if not config["resume"]:
            put_aside(job.folder)
        result = read_result(job.folder, AttackResult)
        if result is not None:
            job.settle(result)
            if config["lpips_weights"] and (why_not := result.metrics.lpips_absent):
                raise ValueError(
                    f"{job.folder} was finished without LPIPS ({why_not}), and lpips_weights="
                    f"{config['lpips_weights']} is there now; set resume=false to attack again with it"
                )
            _tell(result, job.folder, "finished before, skipped (resume=false attacks again)")
            return result
        return _carry_out(job)


def _carry_out(job: Job) -> AttackResult:
    from vitcrypt.experiment.score import score  # from here on it takes seconds to import what is needed
    from vitcrypt.experiment.victim import Victim
    from vitcrypt.metrics import lpips
    from vitcrypt.report.figures import image_grid
    from vitcrypt.targets import build

    config, folder, fingerprint = job.config, job.folder, job.fingerprint
    names = config["names"]
    what = f"{names['attack']} on {names['encryption']}, {names['data']}"
    console.print(Text.assemble((what, "bold"), f" in {folder}"))
    weights, why_not = _lpips_weights(config)
    victim = Victim(config, job.key)
    for note in victim.splits.notes:
        console.print(f"  {note}")
    observation = victim.observation()
    inputs = job.settle()
    threat_model = observation.threat_model
    console.print("The attacker")
    for part, words in threat_model.items():
        console.print(f"  {part.replace('_', ' ')}: {words}")
    method = build("attack.method", config["attack"]["method"], config["allow_targets"])
    started = time.perf_counter()
    reconstruction = method(observation)
    seconds = time.perf_counter() - started
    perceptual = lpips(weights) if weights else None
    metrics = score(victim.plain, observation, reconstruction, victim.subkeys, perceptual)
    if why_not:
        metrics = metrics.model_copy(update={"lpips_absent": why_not})
    result = AttackResult(
        kind="attack",
        identity=job.identity,
        inputs=inputs.summary(),
        config=AttackConfig(**published(config)),
        threat_model=ThreatModel(**threat_model),
        key=Key(
            fingerprint=fingerprint,
            public_test_key=config["key"] if fingerprint and config["key"].startswith("test-") else None,
            nominal_bits=observation.scheme.key_space_bits(observation.shape),
            effective_bits=observation.scheme.effective_key_bits(observation.shape),
        ),
        details=Details(**finite(reconstruction.details)),
        metrics=metrics,
        seconds=seconds,
        versions=Versions(vitcrypt=vitcrypt.__version__, python=platform.python_version()),
        first=First(
            restored=victim.similarity(reconstruction.images, SHOWN),
            ciphertext=victim.similarity(observation.ciphertexts, SHOWN),
        ),
    )
    write_result(folder, result)
    rows = {"plain": victim.plain, "encrypted": observation.ciphertexts, "restored": reconstruction.images.cpu()}
    pictures = {label: images[:SHOWN].permute(0, 2, 3, 1).numpy() for label, images in rows.items()}
    scores = [f"{value:.3f}" for value in result.first.restored]
    tried(lambda: _keep(folder / "images.npz", pictures), "images.npz is missing")
    tried(lambda: image_grid(folder / "images.png", pictures, scores), "images.png is missing")
    _tell(result, folder, "finished")
    return result


def _keep(path: Path, images: dict[str, Any]) -> None:
    with atomic_write(path) as file:
        np.savez_compressed(file, **images)


def _lpips_weights(config: dict[str, Any]) -> tuple[Path | None, str | None]:
    """Return where the weights are, or why there is no LPIPS. A file that was named must be there and right."""
    from vitcrypt.metrics import lpips_weights
    from vitcrypt.metrics.lpips import LEAST

    named = config["lpips_weights"]
    if config["image_size"] < LEAST:
        if named:
            raise ValueError(f"LPIPS needs images of at least {LEAST} x {LEAST}, got image_size={config['image_size']}")
        return None, f"LPIPS needs images of at least {LEAST} x {LEAST}"
    try:
        return lpips_weights(named), None
    except FileNotFoundError:
        if named:
            raise
        return None, "AlexNet's weights are not in torch's cache, and lpips_weights= names no file"


def _tell(result: AttackResult, folder: Path, how: str) -> None:
    names, metrics = result.config.names, result.metrics
    table = Table(title=f"{names.attack} on {names.encryption}, {names.data}: {how}", title_justify="left")
    measured = metrics.restored.lpips is not None
    for column in ("", "SSIM", "quartiles", "PSNR", "folded SSIM", *(["LPIPS"] if measured else [])):
        table.add_column(column, justify="left" if not column else "right")
    for name in ("restored", "ciphertext", "unrelated"):
        found: Similarity | None = getattr(metrics, name)
        if found is not None:
            decibels = "exact" if found.psnr.median is None else f"{found.psnr.median:.1f} dB"
            spread = f"{found.ssim.lower:.3f} to {found.ssim.upper:.3f}"
            distance = [f"{found.lpips.median:.3f}"] if found.lpips is not None else []
            table.add_row(
                name, f"{found.ssim.median:.3f}", spread, decibels, f"{found.folded_ssim.median:.3f}", *distance
            )
    console.print(table)
    exact = f"{100 * metrics.exact_images:.0f} % restored exactly"
    console.print(f"  {metrics.images} images, {exact}, {result.seconds:.1f} s")
    for name, share in metrics.key.items():
        console.print(f"  {name}: {100 * share.share:.1f} % recovered (guessing: {100 * share.guessing:.1f} %)")
    if metrics.blocks:
        joined = ", ".join(f"{name} {100 * share:.1f} %" for name, share in metrics.blocks.items())
        console.print(f"  blocks: {joined}")
    for file in ("result.json", "images.png"):
        if (folder / file).exists():
            console.print(f"  {shown(folder / file)}")


def main(arguments: list[str] | None = None) -> None:
    """Attack with command-line arguments; end with a message where the user can mend it."""
    if arguments is not None:
        sys.argv[1:] = arguments
    with errors.explained("attack_config"):
        refuse_keys(sys.argv[1:])
        with checked():
            task()


if __name__ == "__main__":
    main()
