"""From the folder of a finished run to a bundle that can be served.

The folder may come from someone else: its record is read as a typed document, its checkpoint as plain tensors.
"""

import os
import zipfile
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError
from torch import Tensor

import vitcrypt
from vitcrypt.encryption import SCHEMES
from vitcrypt.experiment.checkpoint import read_checkpoint
from vitcrypt.models.networks import check_shapes, check_values, network_of, state_of
from vitcrypt.report.results import FILENAME
from vitcrypt.service import Bundle
from vitcrypt.untrusted.documents import (
    ClassNames,
    Document,
    Fingerprint,
    Interpolation,
    KeyScope,
    Sha256,
    Share,
    Side,
    Text,
    explain,
    parse_json,
)
from vitcrypt.untrusted.files import open_regular, read_regular
from vitcrypt.untrusted.network import Network
from vitcrypt.untrusted.scheme import SchemeValues
from vitcrypt.untrusted.text import one_line

MAX_RECORD_BYTES, MAX_CHECKPOINT_BYTES = 2**28, 2**36


class _Part(Document):
    """What export needs of a part of a record; there is more in it."""

    model_config = ConfigDict(extra="ignore")


class _Model(_Part):
    network: Network
    adaptation: Literal["none", "le", "ele"] = "none"  # what the networks of runs were before there was a choice
    patch_embedding: Literal["shared", "per_position", "shared_nibbles", "per_position_nibbles"] = "shared"
    patch_size: Side | None
    block_size: Side


class _Data(_Part):
    image_size: Side
    interpolation: Interpolation


class _Config(_Part):
    model: _Model
    data: _Data
    encryption: dict[Text, Text | int | bool | None]
    names: Annotated[dict[Text, Text], Field(max_length=100)]
    key_scope: KeyScope


class _Key(_Part):
    fingerprint: Fingerprint | None


class _Metrics(_Part):
    acc: Share
    images: Annotated[int, Field(ge=0)]


class _Weights(_Part):
    trained_sha256: Sha256


class _Received(_Part):
    scheme: SchemeValues | None = None
    key_scope: KeyScope | None = None
    interpolation: Interpolation | None = None


class Record(_Part):
    """What export needs of result.json."""

    format: Literal["vitcrypt result 1"]
    identity: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
    config: _Config
    key: _Key
    received: _Received | None = None
    classes: ClassNames
    metrics: _Metrics
    weights: _Weights


def export(run: Path, out: Path) -> Bundle:
    """Make a bundle of a run: its network after the last epoch, and what its result says of images and encryption.

    Args:
        run: The folder of the run, with result.json and last.ckpt. No data and no key are needed.
        out: The new folder.

    Raises:
        FileNotFoundError: The run is not finished, or its checkpoint is gone.
        FileExistsError: `out` is there already.
        ValueError: The run is an attack, damaged, or of parts of one's own that a bundle cannot name.
    """
    record = _record(run)
    config, received = record.config, record.received or _Received()  # received: what a folder's manifest said
    bundle = Bundle(
        model=config.model.model_dump(by_alias=True) | {"network": _network(config.model)},
        image_size=config.data.image_size,
        interpolation=received.interpolation or config.data.interpolation,
        classes=record.classes,
        scheme=received.scheme.model_dump() if received.scheme else _scheme(config.encryption),
        fingerprint=record.key.fingerprint,
        key_scope=received.key_scope or config.key_scope,
        origin={
            "identity": record.identity,
            "names": config.names,
            "test_accuracy": record.metrics.acc,
            "test_images": record.metrics.images,
            "trained_sha256": record.weights.trained_sha256,
            "vitcrypt": vitcrypt.__version__,
        },
    )
    what = bundle.described.model, bundle.image_size, len(bundle.classes)
    expected, path = state_of(*what), run / "last.ckpt"
    state = _trained(path, run, record.identity)
    check_shapes({name: value.shape for name, value in state.items()}, expected, path)
    check_values(state, expected, path)
    network = network_of(*what)
    network.load_state_dict(state)
    return bundle.write(out, network)


def _record(run: Path) -> Record:
    path = run / FILENAME
    if not os.path.lexists(path):
        raise FileNotFoundError(f"{run} holds no finished run (no result.json); vitcrypt run prints the folder")
    content = parse_json(read_regular(path, MAX_RECORD_BYTES, run), str(path), constants=lambda _: None)  # older ones
    if isinstance(content, dict) and "kind" in content:
        raise ValueError(f"{run} is an attack or a debug run; a network is exported from the run of a training")
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        raise ValueError(f"{path} is incomplete, damaged or not trustworthy: {explain(error)}") from None


def _network(model: _Model) -> dict[str, Any]:
    return model.network.model_dump(by_alias=True, exclude_unset=True)


def _trained(path: Path, run: Path, identity: str) -> dict[str, Tensor]:
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
    target = node.get("_target_")
    if target is None:
        return None
    names = {f"vitcrypt.encryption.{cls.__name__}": name for name, cls in SCHEMES.items()}
    if target not in names:
        raise ValueError(f"{target} is no scheme of vitcrypt, so no client could build it: {', '.join(SCHEMES)}")
    return {"name": names[target], **{name: value for name, value in node.items() if name != "_target_"}}
