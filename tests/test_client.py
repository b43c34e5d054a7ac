"""The owner's client: the bytes of the pipeline, the right key or an error, and nothing in plain by mistake."""

import json
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from bundles import KEY, described, network_of, ran, serving, written
from PIL import Image

from vitcrypt.data import read_image
from vitcrypt.encryption import ImageEncryption, Proposed
from vitcrypt.keys import Key
from vitcrypt.service import Client
from vitcrypt.service.graph import Served, sample_images


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    written(folder / "bundle")
    with serving(folder / "bundle", "--max-images", "4", log=folder / "log.txt") as (_, url):
        yield url, folder / "bundle"


@pytest.fixture
def photographs(tmp_path):
    paths = [tmp_path / name for name in ("a.png", "b.jpg", "c.webp", "d.bmp", "e.png")]
    for i, path in enumerate(paths):
        Image.fromarray(sample_images(40)[i].permute(1, 2, 0).numpy()[: 40 - i]).save(path)
    return paths


def test_what_is_sent_is_what_the_pipeline_encrypts(service, photographs):
    client = Client(service[0], KEY)
    plain = torch.stack([read_image(path, 16) for path in photographs])
    encrypted = ImageEncryption(Proposed(4), KEY, (3, 16, 16))(plain)
    assert torch.equal(client.encrypted(client.plain(photographs)), encrypted)
    with torch.inference_mode():
        labels = Served(network_of(described()))(encrypted).argmax(1).tolist()
    assert [entry.label for entry in client.predict(photographs)] == labels, "five images, four in a request"
    squares = sample_images(40)
    assert torch.equal(client.plain(squares)[0], read_image_of(squares[0]))


def read_image_of(image):
    return torch.from_numpy(
        np.array(Image.fromarray(image.permute(1, 2, 0).numpy()).resize((16, 16), Image.Resampling.BILINEAR))
    ).permute(2, 0, 1)


def test_a_wrong_key_is_an_error_before_anything_is_sent(service):
    with pytest.raises(ValueError, match=rf"wrong key.*{KEY.fingerprint}; nothing was sent"):
        Client(service[0], Key.test("test-1"))
    with pytest.raises(ValueError, match="give the key"):
        Client(service[0], None)


def answering(monkeypatch, **changes):
    """A service that says of itself what it likes."""
    info = described().for_clients() | {"limits": {"max_images": 9, "max_bytes": 9999}} | changes
    asked = []

    def request(self, method, url, **options):
        asked.append((method, options.get("content")))
        return httpx.Response(200, json=info, request=httpx.Request(method, url))

    monkeypatch.setattr(httpx.Client, "request", request)
    return asked


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"scheme": {"name": "plain"}}, "wants images in plain; with a key none is sent that way"),
        ({"scheme": {"name": "os.system"}}, "no scheme"),
        ({"scheme": {"name": "le", "block_size": 3}}, "does not divide"),
        ({"scheme": None}, "nothing says how"),
        ({"image_size": 100000}, "at most 4096"),
        ({"limits": None}, "no service of vitcrypt"),
        ({"fingerprint": "0" * 16}, "wrong key"),
    ],
)
def test_a_service_cannot_talk_a_client_into_anything(monkeypatch, changes, told):
    asked = answering(monkeypatch, **changes)
    with pytest.raises(ValueError, match=told):
        Client("http://127.0.0.1:9", KEY)
    assert asked == [("GET", None)]


def test_the_owners_description_is_believed_and_not_the_service(monkeypatch, service):
    Client(service[0], KEY, service[1] / "client.json")
    answering(monkeypatch, scheme={"name": "le", "block_size": 4})
    Client("http://127.0.0.1:9", KEY)  # with nothing to compare it with
    with pytest.raises(ValueError, match="the service is another than"):
        Client("http://127.0.0.1:9", KEY, service[1] / "client.json")
    answering(monkeypatch, scheme=None, fingerprint=None)  # a service that does not know is filled in
    assert Client("http://127.0.0.1:9", KEY, service[1] / "client.json").scheme == Proposed(4)


def test_predictions_that_are_none_are_refused(monkeypatch):
    answering(monkeypatch, predictions=[{"label": 10, "name": "x", "probability": 1, "top": []}])
    with pytest.raises(ValueError, match="gave no predictions"):
        Client("http://127.0.0.1:9", KEY).predict(sample_images(16)[:1])
    answering(monkeypatch, predictions=[])
    with pytest.raises(ValueError, match="0 predictions for 1 images"):
        Client("http://127.0.0.1:9", KEY).predict(sample_images(16)[:1])


def test_per_image_keys_make_another_ciphertext_of_every_query(monkeypatch):
    answering(monkeypatch, key_scope="per_image")
    client = Client("http://127.0.0.1:9", KEY)
    image = sample_images(16)[:1]
    first, second = client.encrypted(image), client.encrypted(image)
    assert not torch.equal(first, second)
    assert torch.equal(first.sort().values.flatten().bincount(), second.sort().values.flatten().bincount())


def test_no_service_or_another_one_is_said(monkeypatch):
    with pytest.raises(ConnectionError, match="is the service running there"):
        Client("http://127.0.0.1:9", KEY)
    with pytest.raises(ValueError, match="the address of a service is"):
        Client("127.0.0.1:9", KEY)


@pytest.mark.slow
def test_the_verbs_print_predictions_and_what_went_wrong(service, photographs, tmp_path):
    url, bundle = service
    done = ran("predict", "--url", url, "--key-file", "test-0", "--json", tmp_path, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [Path(entry["file"]).name for entry in told] == [path.name for path in photographs]
    assert [entry["label"] for entry in told] == [p.label for p in Client(url, KEY).predict(photographs)]
    for arguments, reason in (
        (("predict", "--url", url, "--key-file", "test-1", tmp_path), "wrong key"),
        (("predict", "--url", url, "--key-file", 64 * "a", tmp_path), "looks like a key itself"),
        (("serve", bundle, "--host", "0.0.0.0"), "set a token"),
        (("serve", bundle, "--port", url.split(":")[-1]), "try another --port"),
    ):
        done = ran(*arguments, folder=tmp_path)
        assert done.returncode == 1, done.stdout + done.stderr
        assert reason in done.stderr
        assert "Traceback" not in done.stderr
