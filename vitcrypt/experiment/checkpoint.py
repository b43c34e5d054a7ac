"""Checkpoints that are written as a whole or not at all, know which run they belong to, and never execute anything."""

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from vitcrypt.jobs import interrupt
from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.models.weight_files import read_saved
from vitcrypt.untrusted.text import one_line

STAMP = "vitcrypt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write beside the old checkpoint, then exchange the two: when the disk is full the old one stays.

    Args:
        stamp: Plain values that say which run this is; `read_checkpoint` compares its "identity" and its "inputs".
    """

    def __init__(self, stamp: dict[str, Any]) -> None:
        self.stamp = stamp

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Save."""
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with interrupt.deferred(), atomic_write(path) as file:
                torch.save({**checkpoint, STAMP: self.stamp}, file)
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or error
            kept = f"the one of an earlier epoch stays in {path}" if path.exists() else "there was none before"
            raise OSError(
                f"cannot write the checkpoint {path}: {reason}; {kept}. Free some space and repeat: it resumes"
            ) from error


def read_checkpoint(path: Path, identity: str, inputs: dict[str, str] | None = None) -> dict[str, Any]:
    """Return a checkpoint after checking that it is whole and belongs to the run `identity`.

    Args:
        path: The file.
        identity: Of the run.
        inputs: Digests of what it is to be made from, compared where the checkpoint says such; see `experiment.inputs`.

    Raises:
        ValueError: It is damaged, or of another run or other inputs.
    """
    try:
        checkpoint = read_saved(path)
    except Exception as error:
        raise ValueError(
            f"the checkpoint {path} is damaged ({one_line(error, 200)}); set resume=false to put it aside and start "
            "this run over"
        ) from error
    stamp = checkpoint.get(STAMP) if isinstance(checkpoint, dict) else None
    theirs = stamp.get("identity") if isinstance(stamp, dict) else None
    if theirs != identity:
        raise ValueError(
            f"the checkpoint {path} is of another run ({theirs or 'not one of vitcrypt'}, this is {identity}): its "
            "configuration differs; move it away, or set resume=false to start this run over (the file is put aside)"
        )
    made_from = stamp.get("inputs") if isinstance(stamp, dict) else None
    if inputs is not None and isinstance(made_from, dict) and made_from != inputs:
        raise ValueError(
            f"the checkpoint {path} was made from other data or weights than are there now; set resume=false to start "
            "this run over (the file is put aside)"
        )
    found: dict[str, Any] = checkpoint
    return found
