"""Bundles of networks that were never trained, and services on them: how well they classify does not matter here."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from forked import Forked
from program import environment
from recorded import changed, training

from vitcrypt.keys import Key
from vitcrypt.models.networks import build_network
from vitcrypt.service import Bundle
from vitcrypt.service.documents import CLIENT_FORMAT

VIT = {
    "network": {
        "_target_": "timm.create_model",
        "model_name": "vit_tiny_patch16_224",
        "img_size": 16,
        "patch_size": 4,
        "embed_dim": 16,
        "depth": 1,
        "num_heads": 2,
    },
    "adaptation": "none",
    "patch_embedding": "shared",
    "patch_size": 4,
    "block_size": 4,
}
RESNET = {
    "network": {"_target_": "vitcrypt.models.ResNet18", "width": 4},
    "patch_embedding": "shared",
    "patch_size": None,
    "block_size": 4,
}
KEY = Key.test("test-0")
GOOD = {
    "format": CLIENT_FORMAT,
    "image_size": 16,
    "interpolation": "bilinear",
    "classes": ["cat", "dog"],
    "scheme": {"name": "proposed", "block_size": 4},
    "fingerprint": "0123456789abcdef",
    "key_scope": "shared",
}
RECORD = changed(
    training("proposed", "vit_micro", data="npz", key=KEY.fingerprint),
    identity="01234567",
    config__data__interpolation="bilinear",
    config__encryption={"_target_": "vitcrypt.encryption.Proposed", "block_size": 4},
    config__model=VIT,
    classes=["cat", "dog"],
    weights__trained_sha256="0" * 64,
)


def described(**changes) -> Bundle:
    """A bundle on classes 0..9 of 16 x 16 images under the proposed scheme."""
    values = {
        "model": VIT,
        "image_size": 16,
        "interpolation": "bilinear",
        "classes": [str(digit) for digit in range(10)],
        "scheme": {"name": "proposed", "block_size": 4},
        "fingerprint": KEY.fingerprint,
        "key_scope": "shared",
        "origin": {"identity": "01234567", "names": {"model": "vit_tiny"}},
    }
    return Bundle(**values | changes)


def network_of(bundle: Bundle) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(bundle.model, bundle.image_size, len(bundle.classes), shape=bundle.shape).eval()


def written(folder: Path, **changes) -> Bundle:
    """Write such a bundle; the graph of a network that a test exported before, in any process, is copied."""
    bundle = described(**changes)
    known = json.dumps([bundle.model, *bundle.accepts[0], len(bundle.classes)], sort_keys=True)
    graph = Path(os.environ["VITCRYPT_TEST_GRAPHS"], hashlib.sha256(known.encode()).hexdigest())
    if not graph.exists():
        made = bundle.write(folder, network_of(bundle))
        own = shutil.copyfile(folder / "model.onnx", graph.with_suffix(f".{os.getpid()}"))
        own.replace(graph)
        return made
    with mock.patch(
        "vitcrypt.service.graph.write_onnx", lambda network, path, shape, dtype: shutil.copyfile(graph, path)
    ):
        return bundle.write(folder, network_of(bundle))


def ran(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess:
    """Run a verb of the console script to its end."""
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as errors:
        process = Forked("vitcrypt", arguments, folder, environment(**variables), printed, errors)
        code = process.wait(120)
        for file in (printed, errors):
            file.seek(0)
        return subprocess.CompletedProcess(process.args, code, printed.read(), errors.read())


@contextmanager
def serving(folder: Path, *options: str, log: Path, fresh: bool = False, **variables: str) -> Iterator[tuple[Any, str]]:
    """Run `vitcrypt serve` as a process of its own, `fresh`: one with nothing imported; give it and its address."""
    arguments, variables = ["serve", str(folder), "--port", "0", *options], environment(**variables)
    with log.open("w") as file:
        if fresh:
            command = [sys.executable, "-um", "vitcrypt", *arguments]
            pipes = {"stdout": subprocess.PIPE, "stderr": file, "stdin": subprocess.DEVNULL, "text": True}
            process = subprocess.Popen(command, env=variables, cwd=log.parent, **pipes)
        else:
            process = Forked("vitcrypt", arguments, log.parent, variables, errors=file)
    try:
        line = process.stdout.readline()
        assert "http://" in line, log.read_text()
        yield process, "http://" + line.split("http://")[1].split()[0]
        assert process.poll() is None, "the server lives"
    finally:
        process.terminate()
        rest, _ = process.communicate(timeout=20)
        with log.open("a") as file:
            file.write(line + rest)
