"""From the folder of a finished run to a bundle that can be served.

The folder may come from someone else: its record is read as a typed document, its checkpoint as plain tensors.
"""

import os
import zipfile
from pathlib import Path
from typing import Any

from torch import Tensor

import vitcrypt
from vitcrypt.encryption import SCHEMES, Scheme
from vitcrypt.experiment.checkpoint import read_checkpoint
from vitcrypt.experiment.hub import check_for_hub, write_for_hub
from vitcrypt.models.networks import check_state, network_of, state_of
from vitcrypt.report.records import TrainingResult
from vitcrypt.report.results import read_result
from vitcrypt.service import Bundle
from vitcrypt.service.triton import check_for_triton, write_triton
from vitcrypt.targets import build
from vitcrypt.untrusted.files import open_regular
from vitcrypt.untrusted.network import ModelValues
from vitcrypt.untrusted.text import one_line

MAX_RECORD_BYTES, MAX_CHECKPOINT_BYTES = 2**28, 2**36


def export(run: Path, out: Path, hub: Path | None = None, triton: Path | None = None) -> Bundle:
    """Make a bundle of a run: its network after the last epoch, and what its result says of images and encryption.

    Args:
        run: The folder of the run, with result.json and last.ckpt. No data and no key are needed.
        out: The new folder.
        hub: A second new folder, which timm and the Hugging Face hub load; None: no such.
        triton: A third one, a model of a Triton repository.

    What was broken off goes on: where `out` is there and is this bundle, it stays, as do the other two.

    Raises:
        FileNotFoundError: The run is not finished, or its checkpoint is gone.
        FileExistsError: One of the folders is there already and is another one.
        ValueError: The run is an attack, damaged, or of parts of one's own that a bundle cannot name.
    """
    result = read_result(run, TrainingResult, run, MAX_RECORD_BYTES)
    if result is None:
        raise FileNotFoundError(f"{run} holds no finished run (no result.json); vitcrypt run prints the folder")
    if result.kind == "debug":
        raise ValueError(f"{run} is a debug run; a network is exported from a run that counts (debug=none)")
    if result.config.keys:
        raise ValueError(f"{run} was trained on images under {result.config.keys} keys, and a bundle is for one owner")
    config, received = result.config, result.received or {}  # received: what a folder's manifest said
    bundle = Bundle(
        model={name: getattr(config.model, name) for name in ModelValues.model_fields},
        image_size=config.data.image_size,
        interpolation=received.get("interpolation") or config.data.interpolation,
        classes=result.classes,
        scheme=received.get("scheme") or _scheme(config.encryption or {}),
        fingerprint=result.key.fingerprint,
        key_scope=received.get("key_scope") or config.key_scope,
        origin={
            "identity": result.identity,
            "names": config.names.values(),
            "test_accuracy": result.metrics.acc,
            "test_images": result.metrics.images,
            "trained_sha256": result.weights.trained_sha256,
            "vitcrypt": vitcrypt.__version__,
        },
    )
    if hub is not None:
        check_for_hub(result, bundle)
    if triton is not None:
        check_for_triton(bundle, triton)
    for option, folder in (("--hub", hub), ("--triton", triton)):
        if folder is not None and os.path.lexists(folder) and not os.path.lexists(out):
            raise FileExistsError(f"{folder} exists: nothing is overwritten; choose another name for {option}")
    what = bundle.described.model, bundle.image_size, len(bundle.classes), bundle.shape
    expected, path = state_of(*what), run / "last.ckpt"
    state = trained_tensors(path, run, result.identity)
    check_state(state, expected, path)
    network = network_of(*what)
    network.load_state_dict(state)
    written = bundle.write(out, network)
    if hub is not None:
        write_for_hub(result, written, hub)
    if triton is not None:
        write_triton(written, triton)
    return written


def trained_tensors(path: Path, run: Path, identity: str) -> dict[str, Tensor]:
    """Return the network's tensors of a checkpoint, by their names in the network."""
    if not os.path.lexists(path):
        raise FileNotFoundError(f"{run} has no last.ckpt; the network is in there: train it again with resume=false")
    with open_regular(path, MAX_CHECKPOINT_BYTES, run) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            entries = zipfile.ZipFile(file).infolist()
        except Exception as error:  # a damaged archive can raise anything
            raise ValueError(f"{path} is damaged: {one_line(error)}") from error
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if packed or sum(entry.file_size for entry in entries) > size:
        raise ValueError(f"{path} unpacks to more than it is, as no checkpoint of vitcrypt does")
    state, prefix = read_checkpoint(path, identity).get("state_dict"), "network."
    if not isinstance(state, dict) or not all(isinstance(entry, Tensor) for entry in state.values()):
        raise ValueError(f"{path} holds no weights by name")
    return {name[len(prefix) :]: value for name, value in state.items() if str(name).startswith(prefix)}


def _scheme(node: dict[str, Any]) -> dict[str, Any] | None:
    """Return name and values of a configured scheme; None where images came encrypted and nothing says how."""
    if node.get("_target_") is None:
        return None
    try:
        scheme: Scheme = build("encryption", node)
    except (TypeError, ValueError) as error:
        told = f"{one_line(error)}; a client builds no other scheme than {', '.join(SCHEMES)}"
        raise ValueError(told) from error
    if not scheme.has_files:
        raise ValueError(f"{scheme.name} makes 8-bit images of another size; it can be trained, not served")
    return scheme.to_dict()
