"""A service and a client of a scheme whose ciphertexts are kept as JPEG."""

import json
import urllib.request

import pytest
import torch
from bundles import KEY, network_of, written
from serving import served

from vitcrypt.encryption import EtCJPEG, ImageEncryption
from vitcrypt.service import Client
from vitcrypt.service.graph import Served, sample_images
from vitcrypt.service.limits import Limits

SCHEME = EtCJPEG(block_size=8)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    bundle = written(tmp_path_factory.mktemp("jpeg") / "bundle", scheme=SCHEME.to_dict())
    with served(bundle, Limits(max_images=4)) as url:
        yield url, bundle


def posted(url, kind, body):
    headers = {"Content-Type": kind, "X-Key-Fingerprint": KEY.fingerprint}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/predict", body, headers), timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_the_client_sends_jpeg_files_and_gets_the_answers_to_what_they_hold(service):
    url, bundle = service
    images, encryption = sample_images(16)[:6], ImageEncryption(SCHEME, KEY, (3, 16, 16))
    client = Client(url, KEY, bundle.folder / "client.json")
    with torch.inference_mode():
        labels = Served(network_of(bundle))(encryption(images)).argmax(1).tolist()
    assert [entry.label for entry in client.predict(images)] == labels, "six images, four in a request"
    assert [entry.label for entry in client.ask(encryption(images[:4]))] == labels[:4], "or their pixels"
    status, answer = posted(url, "image/jpeg", client.files(images[:1])[0])
    assert (status, answer["predictions"][0]["label"]) == (200, labels[0])


def test_what_is_no_such_jpeg_is_refused(service):
    file = ImageEncryption(SCHEME, KEY, (3, 16, 16)).files(sample_images(16)[0])[0]
    assert posted(service[0], "image/jpeg", file[:-2])[0] == 422
    other = ImageEncryption(SCHEME, KEY, (3, 32, 32)).files(sample_images(32)[0])[0]
    assert posted(service[0], "image/jpeg", other) == (422, {"detail": "image is 32 x 32, not 16 x 16"})


def test_a_service_of_another_scheme_takes_no_jpeg(tmp_path):
    file = ImageEncryption(SCHEME, KEY, (3, 16, 16)).files(sample_images(16)[0])[0]
    with served(written(tmp_path / "bundle"), Limits()) as url:
        assert posted(url, "image/jpeg", file)[0] == 415
        assert posted(url, "image/png", file)[0] == 415
