"""A service and a client of a scheme whose ciphertexts are kept as JPEG."""

import json
import urllib.request

import pytest
import torch
from bundles import KEY, RESNET, VIT, network_of, written
from serving import served

from vitcrypt.encryption import EtCJPEG, GrayscaleEtC, ImageEncryption, Scheme
from vitcrypt.service import Client
from vitcrypt.service.graph import Served, sample_images
from vitcrypt.service.limits import Limits

SCHEME, GRAY = EtCJPEG(block_size=8), GrayscaleEtC(table="planes")


@pytest.fixture(
    scope="module", params=[(SCHEME, VIT), (GRAY, RESNET | {"adaptation": "none"})], ids=["etc_jpeg", "grayscale_etc"]
)
def service(request, tmp_path_factory):
    scheme, model = request.param
    bundle = written(tmp_path_factory.mktemp("jpeg") / "bundle", scheme=scheme.to_dict(), model=model)
    with served(bundle, Limits(max_images=4)) as url:
        yield url, bundle


def scheme_of(bundle):
    return Scheme.from_dict(bundle.scheme)


def posted(url, kind, body):
    headers = {"Content-Type": kind, "X-Key-Fingerprint": KEY.fingerprint}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/predict", body, headers), timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_the_client_sends_jpeg_files_and_gets_the_answers_to_what_they_hold(service):
    url, bundle = service
    images, encryption = sample_images(16)[:6], ImageEncryption(scheme_of(bundle), KEY, (3, 16, 16))
    client = Client(url, KEY, bundle.folder / "client.json")
    with torch.inference_mode():
        labels = Served(network_of(bundle))(encryption(images)).argmax(1).tolist()
    assert [entry.label for entry in client.predict(images)] == labels, "six images, four in a request"
    assert [entry.label for entry in client.ask(encryption(images[:4]))] == labels[:4], "or their pixels"
    status, answer = posted(url, "image/jpeg", client.files(images[:1])[0])
    assert (status, answer["predictions"][0]["label"]) == (200, labels[0])


def test_what_is_no_such_jpeg_is_refused(service):
    url, bundle = service
    scheme, width = scheme_of(bundle), bundle.accepts[0][2]
    file = ImageEncryption(scheme, KEY, (3, 16, 16)).files(sample_images(16)[0])[0]
    assert posted(url, "image/jpeg", file[:-2])[0] == 422
    other = ImageEncryption(scheme, KEY, (3, 32, 32)).files(sample_images(32)[0])[0]
    assert posted(url, "image/jpeg", other) == (422, {"detail": f"image is {2 * width} x 32, not {width} x 16"})
    if scheme == GRAY:
        told = "Content-Type is image/png; send image/jpeg or application/octet-stream (uint8 [N, 1, 16, 48])"
        assert posted(url, "image/png", file) == (415, {"detail": f"{told} or multipart/form-data"})


def test_a_service_of_another_scheme_takes_no_jpeg(tmp_path):
    file = ImageEncryption(SCHEME, KEY, (3, 16, 16)).files(sample_images(16)[0])[0]
    with served(written(tmp_path / "bundle"), Limits()) as url:
        assert posted(url, "image/jpeg", file)[0] == 415
        assert posted(url, "image/png", file)[0] == 415
