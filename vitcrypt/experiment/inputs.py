"""What a job was made from, kept in its folder: "finished" holds only for what is there now."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from vitcrypt.data.stamp import Counts, DataStamp, FileStamp, stamp_data, stamp_file
from vitcrypt.experiment.config import AttackConfig, Config
from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.jobs.place import expanded
from vitcrypt.report.records import AttackResult, TrainingResult
from vitcrypt.untrusted.documents import Document, Sha256, read_document
from vitcrypt.untrusted.text import console

FILENAME = "inputs.json"
SHOWN = 5  # names and classes in a message


class Inputs(Document):
    """Data and weight files, the latter by the option that names them; `content` as in `Splits`, of a record alone."""

    format: Literal["vitcrypt inputs 1"] = "vitcrypt inputs 1"
    data: DataStamp | None = None
    weights: dict[str, FileStamp] = Field(default_factory=dict)
    content: Sha256 | None = None

    def summary(self, content: str | None) -> dict[str, Any]:
        """Return what a record says of it and of the content of all images: digests and numbers, no names of files."""
        return {
            "data": self.data.model_dump(include={"sha256", "images"}) if self.data else None,
            "weights": {name: {"sha256": stamp.sha256} for name, stamp in self.weights.items()},
        } | ({"content": content} if content is not None else {})

    @property
    def digests(self) -> dict[str, str]:
        """What a checkpoint says of it."""
        data = {"data": self.data.sha256} if self.data else {}
        return data | {name: stamp.sha256 for name, stamp in self.weights.items()}


def settle(config: Config | AttackConfig, folder: Path, result: TrainingResult | AttackResult | None = None) -> Inputs:
    """Compare what a job in `folder` was begun or finished with to what is there now; if it is new, keep that.

    Args:
        config: The whole configuration of a run or an attack.
        folder: Where the job lies.
        result: Its result, if it is finished.

    Raises:
        FileNotFoundError: An input is gone.
        ValueError: It is another one; the message says what was, what is, and what to type.
    """
    begun = result is not None or (folder / "last.ckpt").exists()
    before = _read(folder, result) if begun else None
    now = _look(config, before)
    if before is None and begun and (now.data or now.weights):
        console.print("  made before vitcrypt recorded its data: whether they are the same now was not compared")
    elif before is not None and (told := differences(before, now, config)):
        raise ValueError(
            f"{folder} was {'finished' if result else 'begun'} with other inputs. {'. '.join(told)}. "
            "Set resume=false to put that aside and start over with what is there now, or results=FOLDER to keep both"
        )
    if (now.data or now.weights) and now != before and (before is not None or result is None):
        _write(folder / FILENAME, now)
    return now


def digests_of(folder: Path) -> dict[str, str]:
    """Return the digests of what `settle` kept in a folder; nothing if it never did."""
    kept = _read(folder, None)
    return kept.digests if kept is not None else {}


def differences(before: Inputs, now: Inputs, config: Config | AttackConfig) -> list[str]:
    """Return a sentence for each input that is another one."""
    told = []
    if now.data is not None and before.data is not None and now.data.sha256 != before.data.sha256:
        root = config.data.source["root"]
        files = _changed(before.data.files, now.data.files)
        same = "as many, and not the same" if now.data.images == before.data.images else _told(now.data.images)
        told.append(f"data.root={root}: then {_told(before.data.images)}; now {same}{files}")
    for name, stamp in now.weights.items():
        if name in before.weights and (was := before.weights[name].sha256) != stamp.sha256:
            told.append(f"{name}: the file's SHA-256 was {was[:16]}..., and is {stamp.sha256[:16]}...")
    return told


def _look(config: Config | AttackConfig, before: Inputs | None) -> Inputs:
    before = before or Inputs()
    weights = {}
    for name, path in config.weight_files.items():
        if path is not None:
            try:
                weights[name] = stamp_file(expanded(path), before.weights.get(name))
            except FileNotFoundError:
                raise FileNotFoundError(f"{name}={path} does not exist") from None
    return Inputs(data=stamp_data(config.data.source, before.data), weights=weights)


def _write(path: Path, inputs: Inputs) -> None:
    try:
        with atomic_write(path) as file:
            file.write(inputs.model_dump_json(indent=1).encode())
    except OSError as error:
        raise OSError(f"cannot write {path}: {error}; free some space and repeat") from error


def _read(folder: Path, result: TrainingResult | AttackResult | None) -> Inputs | None:
    if (folder / FILENAME).exists():
        try:
            return read_document(folder / FILENAME, Inputs)
        except ValueError as error:
            raise ValueError(f"{error}; set resume=false to put that job aside and start over") from None
    return Inputs.model_validate(result.inputs) if result is not None and result.inputs else None


def _told(images: Counts) -> str:
    """Say how many images there are."""
    parts = []
    for split, classes in images.items():
        named = [f"{name} {count:,}" for name, count in list(classes.items())[:SHOWN]]
        listed = ", ".join(named + ["..."] * (len(classes) > SHOWN))
        parts.append(f"{split} {sum(classes.values()):,} images of {len(classes)} classes ({listed})".strip())
    return "; ".join(parts) or "another file"


def _changed(before: dict[str, str], now: dict[str, str]) -> str:
    """Say which files are new, gone, or other ones; nothing where single files were not listed."""
    if not before or not now:
        return ""
    kinds = {
        "new": [name for name in now if name not in before],
        "gone": [name for name in before if name not in now],
        "changed": [name for name in now if name in before and now[name] != before[name]],
    }
    moved = Counter(before[name] for name in kinds["gone"]) & Counter(now[name] for name in kinds["new"])
    told = [f"{len(names)} {kind} ({', '.join(names[:SHOWN])})" for kind, names in kinds.items() if names]
    renamed = [f"{moved.total()} of them moved or renamed"] if moved else []
    return "; files: " + ", ".join(told + renamed) if told else ""
