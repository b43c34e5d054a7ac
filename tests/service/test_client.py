"""The owner's client: the bytes of the pipeline, the right key or an error, and nothing in plain by mistake."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from bundles import KEY, described, network_of, ran, written
from other_service import info, other
from PIL import Image
from serving import served

from vitcrypt.cli.serve import _token
from vitcrypt.data import read_image
from vitcrypt.encryption import ImageEncryption, Proposed
from vitcrypt.service import Client
from vitcrypt.service.graph import Served, sample_images
from vitcrypt.service.limits import Limits


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    bundle = written(tmp_path_factory.mktemp("service") / "bundle")
    with served(bundle, Limits(max_images=4)) as url:
        yield url, bundle.folder


@pytest.fixture
def photographs(tmp_path):
    paths = [tmp_path / name for name in ("a.png", "b.jpg", "c.webp", "d.bmp", "e.png")]
    for i, path in enumerate(paths):
        Image.fromarray(sample_images(40)[i].permute(1, 2, 0).numpy()[: 40 - i]).save(path)
    return paths


def test_what_is_sent_is_what_the_pipeline_encrypts(service, photographs):
    client = Client(service[0], KEY, service[1] / "client.json")
    plain = torch.stack([read_image(path, 16) for path in photographs])
    encrypted = ImageEncryption(Proposed(4), KEY, (3, 16, 16))(plain)
    assert np.array_equal(client.encrypted(client.plain(photographs)), encrypted)
    with torch.inference_mode():
        labels = Served(network_of(described()))(encrypted).argmax(1).tolist()
    assert [entry.label for entry in client.predict(photographs)] == labels, "five images, four in a request"
    squares = sample_images(40)
    assert np.array_equal(client.plain(squares)[0], read_image_of(squares[0]))


def read_image_of(image):
    return torch.from_numpy(
        np.array(Image.fromarray(image.permute(1, 2, 0).numpy()).resize((16, 16), Image.Resampling.BILINEAR))
    ).permute(2, 0, 1)


def test_the_owners_description_is_believed_and_not_the_service(service):
    described = service[1] / "client.json"
    Client(service[0], KEY, described)
    with other(info=info(image_size=16, scheme={"name": "le", "block_size": 4})) as weaker:
        Client(weaker.url, KEY)  # with nothing to compare it with
        with pytest.raises(ValueError, match="the service is another than"):
            Client(weaker.url, KEY, described)
    with other(
        info=info(image_size=16, scheme=None, fingerprint=None)
    ) as vague:  # a service that does not know is filled in
        assert Client(vague.url, KEY, described).scheme == Proposed(4)


def test_per_image_keys_make_another_ciphertext_of_every_query():
    with other(info=info(key_scope="per_image")) as service:
        client = Client(service.url, KEY)
    image = sample_images(32)[:1]
    first, second = client.encrypted(image), client.encrypted(image)
    assert not np.array_equal(first, second)
    assert np.array_equal(np.bincount(first.flatten()), np.bincount(second.flatten()))


def test_no_service_is_said():
    with pytest.raises(ConnectionError, match="is the service running there"):
        Client("http://127.0.0.1:9", KEY)


@pytest.mark.parametrize(
    "token", ["short", "two words of a token", "ünïcödé-of-enough-letters", "line\nline-line-line-line"]
)
@pytest.mark.parametrize("place", ["file", "environment"])
def test_a_token_is_checked_wherever_it_comes_from(tmp_path, monkeypatch, token, place):
    path = tmp_path / "token.txt"
    path.write_text(token)
    monkeypatch.setenv("VITCRYPT_TOKEN", token)
    with pytest.raises(ValueError, match=r"(token\.txt|VITCRYPT_TOKEN): a token is one line of at least 16 characters"):
        _token(path if place == "file" else None)
    path.write_text("0123456789abcdef\n")
    monkeypatch.setenv("VITCRYPT_TOKEN", "0123456789abcdef\n")
    assert _token(path) == _token(None) == "0123456789abcdef"


@pytest.mark.slow
def test_the_verbs_print_predictions_and_what_went_wrong(service, photographs, tmp_path):
    url, bundle = service
    described = ("--client", bundle / "client.json")
    done = ran("predict", "--url", url, "--key-file", "test-0", *described, "--json", tmp_path, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [Path(entry["file"]).name for entry in told] == [path.name for path in photographs]
    assert [entry["label"] for entry in told] == [
        p.label for p in Client(url, KEY, bundle / "client.json").predict(photographs)
    ]
    for arguments, reason in (
        (
            ("predict", "--url", url, "--key-file", "test-0", tmp_path),
            "at least 128 are needed; nothing was sent",
        ),
        (("predict", "--url", url, "--key-file", "test-1", tmp_path), "wrong key"),
        (("predict", "--url", url, "--key-file", 64 * "a", tmp_path), "looks like a key itself"),
        (("serve", bundle, "--host", "0.0.0.0"), "set a token"),
        (("serve", bundle, "--port", url.split(":")[-1]), "try another --port"),
    ):
        done = ran(*arguments, folder=tmp_path)
        assert done.returncode == 1, done.stdout + done.stderr
        assert reason in done.stderr
        assert "Traceback" not in done.stderr
