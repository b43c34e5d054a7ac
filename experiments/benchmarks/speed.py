"""Speed on this machine, as ratios measured in turns within one run: `make bench`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from vitcrypt.untrusted.text import console

if TYPE_CHECKING:
    from vitcrypt.experiment.config import Config, ModelConf
    from vitcrypt.experiment.job import Job


class Part(StrEnum):
    """What can be measured."""

    CIPHERS = "ciphers"
    FORMS = "forms"
    SCALING = "scaling"
    PIPELINE = "pipeline"
    STEP = "step"
    FIT = "fit"
    FOLDER = "folder"


def bench(
    parts: Annotated[list[Part] | None, typer.Argument(help="What to measure; everything if left out.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda; cuda where there is one.")] = "auto",
    batch: Annotated[int, typer.Option(help="Images in a batch of encryption, or in the folder.")] = 512,
    size: Annotated[int, typer.Option(help="Side of the images of encryption.")] = 224,
    block_size: Annotated[int, typer.Option(help="Of the encryption.")] = 16,
    rounds: Annotated[int, typer.Option(help="How often everything is repeated.")] = 9,
    compiled: Annotated[bool, typer.Option(help="Also time torch.compile.")] = True,
    source: Annotated[Path | None, typer.Option(help="For folder: CLASS/* to encrypt; else made up.")] = None,
    output: Annotated[Path, typer.Option(help="The file that takes all figures.")] = Path("bench.json"),
) -> None:
    """Measure the speed of encryption, pipeline, training step and training beside what they are made of."""
    import torch

    from vitcrypt.experiment.record import hardware

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise ValueError(f"--device {device}: this machine has {'cpu, cuda' if torch.cuda.is_available() else 'cpu'}")
    if rounds < 1 or batch < 1:
        raise ValueError(f"--rounds and --batch are at least 1; got {rounds} and {batch}")
    machine = hardware(device == "cuda")
    where = f"{machine.device} ({machine.processor}), PyTorch {torch.__version__}, {torch.get_num_threads()} threads"
    console.print(where)
    rows = []
    for group in _groups(parts or list(Part), device, batch, size, block_size, rounds, compiled, source):
        _print(group)
        rows += group
    output.write_text(
        json.dumps({"machine": where, "rows": [asdict(row) for row in rows]}, indent=2, allow_nan=False) + "\n"
    )
    console.print(f"{len(rows)} figures in {output}")


def _groups(
    parts: list[Part],
    device: str,
    batch: int,
    size: int,
    block_size: int,
    rounds: int,
    compiled: bool,
    source: Path | None,
) -> Iterator[list[Any]]:
    """Measure part by part, and hand over the rows of each group as they come."""
    from benchmarks import ciphers, folder, steps

    large = device == "cuda"
    if Part.CIPHERS in parts:
        yield ciphers.ciphers(device, batch, size, block_size, rounds, compiled)
    if Part.FORMS in parts:
        yield ciphers.first_forms(device, batch, size, block_size, min(rounds, 3))
    if Part.SCALING in parts:
        yield ciphers.scaling(device, rounds)
    if Part.PIPELINE in parts:
        yield steps.pipeline(device, 512 if large else 64, 224, 16, rounds, compiled)
        yield steps.pipeline(device, 512, 32, 4, rounds, compiled)
    networks = {"vit_micro": 128, "resnet18": 1024, "vit_b16": 256} if large else {"vit_micro": 128}
    for model, count in networks.items() if Part.STEP in parts else ():
        network, config = _network(model, compiled and large)
        yield steps.step(network, model, device, count, config.image_size, config.block_size, rounds)
    if Part.FIT in parts:
        for model in ("vit_micro", "resnet18"):
            yield fit(model, "gpu" if large else "cpu")
    if Part.FOLDER in parts:
        yield folder.folder(source, batch, size, block_size, rounds)


def composed(*overrides: str) -> Job[Config]:
    """Return the job that `vitcrypt run` does with these overrides."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from vitcrypt.experiment.composition import settled
    from vitcrypt.experiment.config import CONF, Config
    from vitcrypt.experiment.job import Job
    from vitcrypt.experiment.schema import register

    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        names = [f"names.{group}=bench" for group in ("data", "encryption", "model")]
        values: Any = OmegaConf.to_container(compose("config", overrides=[*names, *overrides]), resolve=True)
    return Job.of(Config, settled(values))


def _network(model: str, compiled: bool) -> tuple[Any, ModelConf]:
    import torch

    from vitcrypt.models.networks import build_network

    config = composed(f"model={model}", "model.pretrained=false").config.model
    network = build_network(asdict(config), config.image_size, 10)
    if config.channels_last:
        network = network.to(memory_format=torch.channels_last)
    if compiled:
        network.compile()
    return network, config


def fit(model: str, trainer: str, epochs: int = 5) -> list[Any]:
    """Time epochs as `vitcrypt run` trains them, in turns with those of a bare loop; the first warms up."""
    from benchmarks.fit import BARE, BareLoopInTurns
    from benchmarks.timing import rows_of
    from vitcrypt.experiment.training_run import TrainingRun

    images = 640 if (model, trainer) == ("resnet18", "cpu") else 1437
    job = composed(
        *(f"model={model}", "data=digits", f"trainer={trainer}", "encryption=proposed", f"model.epochs={epochs}"),
        *("model.batch_size=128", "data.validation=0", f"data.limit_train={images}"),
        *("model.image_size=32", *(["model.patch_size=4"] if model == "vit_micro" else [])),  # as on CIFAR
    )
    turns = BareLoopInTurns()
    with TemporaryDirectory() as folder:
        TrainingRun.of(replace(job, folder=Path(folder))).fit_here([], [turns])
    times = {name: measured[1:] for name, measured in turns.times.items()}
    return rows_of(f"an epoch of {model}, batches of 128", times, BARE, images)


def _print(rows: list[Any]) -> None:
    """Print a table for each thing that is compared with."""
    for to, compared in groupby(rows, lambda row: row.to):
        told = list(compared)
        several = len({row.group for row in told}) > 1  # scaling: the sizes are in the names
        title = told[0].group.partition(":")[0] if several else told[0].group
        table = Table("", title=title, title_justify="left")
        for column in ("ms", f"{told[0].unit} a second", f"x {to}"):
            table.add_column(column, justify="right")
        for row in told:
            table.add_row(row.name, f"{1000 * row.seconds:.3f}", f"{row.units / row.seconds:,.0f}", f"{row.ratio:.3f}")
        console.print(table)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(bench)

if __name__ == "__main__":
    app()
