"""A service of someone else gets nothing but images under the right key, and what it says is bounded and checked."""

import itertools
import json
import time
import zlib

import pytest
import torch
from bundles import KEY
from other_service import info, other, prediction

from vitcrypt.encryption import SCHEMES, ImageEncryption
from vitcrypt.encryption.jpeg_files import decode
from vitcrypt.keys import Key
from vitcrypt.service import Client
from vitcrypt.service.documents import CLIENT_FORMAT

IMAGES = torch.arange(3 * 48 * 48).reshape(1, 3, 48, 48).mul(7).remainder(251).to(torch.uint8)
FIELDS = ("image_size", "interpolation", "classes", "scheme", "fingerprint", "key_scope")


def owners(tmp_path, **changes):
    """The owner's client.json."""
    path = tmp_path / "client.json"
    path.write_text(json.dumps({"format": CLIENT_FORMAT, **{name: info(**changes)[name] for name in FIELDS}}))
    return path


UNSENT = {"plain", "pixelise", "noise", "orthogonal", "neuracrypt", "pevit_rs", "features", "i2p"}
"""Of shared keys: no key at all, none that counts, no images (of the plain size), keys for each image only."""
EACH = [*((name, "shared") for name in SCHEMES), ("ele", "per_image"), ("pevit_rs", "per_image")]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "scope"), EACH)
def test_nothing_is_ever_sent_in_plain_whatever_scheme_and_sizes_a_service_names(name, scope):
    sent = 0
    sizes = itertools.product((1, 2, 4, 6, 16, 24, 48), (1, 2, 3, 4, 8, 48))
    with other() as service:
        for size, block in sizes if name not in ("pe", "plain") else ((size, 1) for size in (1, 2, 4, 5, 6, 8, 48)):
            scheme = {"name": name, "block_size": block}
            service.info = info(
                image_size=size, scheme=scheme, key_scope=scope, limits={"max_images": 1, "max_bytes": 2**23}
            )
            service.sent.clear()
            try:
                client = Client(service.url, KEY)
            except ValueError:
                assert not service.sent
                continue
            shape = (3, size, size)
            assert client.scheme.effective_key_bits(shape) >= 128
            as_jpeg = client.scheme.jpeg_quality is not None
            service.answer = {"predictions": [prediction()]} if as_jpeg else None
            client.predict(IMAGES)
            plain = torch.from_numpy(client.plain(IMAGES))
            (body,) = service.sent
            if as_jpeg:
                received = torch.from_numpy(decode(body[body.index(b"\xff\xd8") : body.rindex(b"\xff\xd9") + 2]))[None]
            else:
                received = torch.frombuffer(bytearray(body), dtype=torch.uint8).reshape(plain.shape)
            kept = (received.flatten() == plain.flatten()).float().mean()
            assert kept < 0.75, (size, block, "most values differ")
            if scope == "shared":
                assert torch.equal(received, ImageEncryption(SCHEMES[name](**client_values(client)), KEY, shape)(plain))
            sent += 1
    assert bool(sent) == (name not in UNSENT or scope == "per_image")


def client_values(client):
    values = {"block_size": client.scheme.block_size}
    return values | {"channel_shuffle": client.scheme.channel_shuffle} if client.scheme.name == "pe" else values


WEAK = {
    "two pixels": {"image_size": 2, "scheme": {"name": "proposed", "block_size": 2}},
    "one block": {"scheme": {"name": "etc", "block_size": 32}},
    "one pixel a block": {"scheme": {"name": "le", "block_size": 1}},
    "few blocks": {"image_size": 16, "scheme": {"name": "proposed", "block_size": 4}},
    "few pixels": {"image_size": 4, "scheme": {"name": "pe", "block_size": 1}},
    "no fingerprint": {"fingerprint": None},
    "large images": {"image_size": 2048},
    "all of it": {"image_size": 2, "scheme": {"name": "proposed", "block_size": 2}, "fingerprint": None},
}
WEAK_WORDS = {
    "no fingerprint": "does not name the key",
    "large images": "2048 pixels",
    "all of it": "so that yours cannot be compared with it, and asks for proposed with blocks of 2",
}


@pytest.mark.slow
@pytest.mark.parametrize("weak", WEAK)
def test_what_a_service_alone_may_not_ask_for_the_owner_may(tmp_path, weak):
    with other(info=info(**WEAK[weak])) as service:
        with pytest.raises(ValueError, match=r"nothing was sent.*--client FILE") as error:
            Client(service.url, KEY)
        assert WEAK_WORDS.get(weak, "bits of key") in str(error.value)
        client = Client(service.url, KEY, owners(tmp_path, **WEAK[weak]))
        assert client.image_size == info(**WEAK[weak])["image_size"]
        assert not service.sent


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"scheme": {"name": "plain"}}, "wants images in plain; with a key none is sent that way"),
        ({"scheme": {"name": "os.system"}}, "scheme"),
        ({"scheme": {"name": "le", "block_size": 3}}, "does not divide"),
        ({"scheme": {"name": "le", "block_size": True}}, "scheme"),
        ({"scheme": None}, "nobody recorded how"),
        ({"image_size": 100000}, "image_size"),
        ({"image_size": 16.0}, "image_size"),
        ({"interpolation": "nearest"}, "interpolation"),
        ({"key_scope": "none"}, "key_scope"),
        ({"classes": ["a", 1]}, "classes"),
        ({"limits": None}, "limits"),
        ({"limits": {"max_images": 1e999, "max_bytes": 9}}, "Infinity"),
        ({"limits": {"max_images": 10**400, "max_bytes": 9}}, "max_images"),
        ({"limits": {"max_images": 0, "max_bytes": 9}}, "max_images"),
        ({"limits": {"max_images": True, "max_bytes": 9}}, "max_images"),
        ({"served": {"test_accuracy": float("nan")}}, "NaN"),
        ({"more": 1}, "more"),
        ({"fingerprint": "0" * 16}, "wrong key"),
        ({"fingerprint": "\x1b[2J"}, "fingerprint"),
    ],
)
def test_a_service_cannot_talk_a_client_into_anything(changes, told):
    with other(info=info(**changes)) as service:
        with pytest.raises(ValueError, match=told) as error:
            Client(service.url, KEY)
        assert "\x1b" not in str(error.value)
        assert not service.sent


ANSWERS = {
    "label -1": prediction(label=-1),
    "label 10 of 10": prediction(label=10),
    "label true": prediction(label=True),
    "label in words": prediction(label="3"),
    "label 3.0": prediction(label=3.0),
    "label of 10^400": prediction(label=10**400),
    "probability NaN": prediction(probability=float("nan")),
    "probability of 10^400": prediction(probability=10**400),
    "probability 1.5": prediction(probability=1.5),
    "probability true": prediction(probability=True),
    "probability in words": prediction(probability="0.5"),
    "more": prediction(more=1),
    "a label below": {**prediction(), "top": [{"label": 99, "probability": 0.5}]},
    "no top": {"label": 3, "probability": 0.5},
    "a long top": {**prediction(), "top": [{"label": 3, "probability": 0.5}] * 101},
    "nothing": None,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_predictions_that_are_none_are_refused(name):
    with other(answer={"predictions": [ANSWERS[name]]}) as service:
        client = Client(service.url, KEY)
        with pytest.raises(ValueError, match=r"damaged or not trustworthy|is damaged|none of the 10 classes"):
            client.predict(IMAGES)


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 2, 70_000])
def test_there_is_one_prediction_for_each_image(count):
    with (
        other(answer={"predictions": [prediction()] * count}) as service,
        pytest.raises(ValueError, match="predictions"),
    ):
        Client(service.url, KEY).predict(IMAGES)


def dribbling(file):
    file.write(b"HTTP/1.0 200 OK\r\n\r\n{")
    while True:
        file.write(b" ")
        time.sleep(0.02)


def dribbling_headers(file):
    file.write(b"HTTP/1.0 200 OK\r\n")
    while True:
        file.write(b"a: b\r\n")
        file.flush()
        time.sleep(0.02)


def endless(file):
    file.write(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        file.write(b" " * 2**16)


def silent(file):
    time.sleep(5)


@pytest.mark.parametrize(
    ("said", "error", "told"),
    [
        (dribbling, ConnectionError, "within 0.5 s"),
        (dribbling_headers, ConnectionError, "within 0.5 s"),
        (silent, ConnectionError, "within 0.5 s|no answer"),
        (endless, ValueError, "more than .* bytes; no more are read"),
        (lambda file: file.write(b"SSH-2.0-\x1b[2J\r\n"), ConnectionError, "is the service running there"),
        (lambda file: file.write(b"HTTP/1.0 200 OK\r\nContent-Length: 999\r\n\r\n{}"), ConnectionError, "no answer"),
        (b"<html>", ValueError, "is damaged"),
        (b"[" * 200_000, ValueError, "nested too deep"),
        (b"\xff\xfe\x00", ValueError, "is damaged"),
    ],
)
def test_answers_have_a_limit_and_a_deadline(said, error, told):
    with other(info=said) as service, pytest.raises(error, match=told) as raised:
        Client(service.url, KEY, timeout=0.5 if error is ConnectionError else 20)
    assert "\x1b" not in str(raised.value)


def test_what_is_compressed_is_not_unpacked():
    bomb = zlib.compress(bytes(2**24))
    coded, told = {"Content-Encoding": "deflate"}, "a form that was not asked for"
    with other(info=bomb, headers=coded) as service, pytest.raises(ValueError, match=told):
        Client(service.url, KEY)


def test_redirects_are_not_followed_and_refusals_are_escaped():
    with other() as elsewhere, other(status=307, headers={"Location": elsewhere.url + "/info"}) as service:
        with pytest.raises(ValueError, match=r"refused \(307\)"):
            Client(service.url, KEY, token="a-token-of-no-other-use")
        assert not elsewhere.asked
    with other(answer={"detail": "\x1b]0;title\x07\nno " + 5000 * "x"}, status=422) as service:
        with pytest.raises(ValueError, match=r"refused \(422\)") as error:
            Client(service.url, KEY).predict(IMAGES)
        assert str(error.value).isprintable()
        assert len(str(error.value)) < 500


@pytest.mark.parametrize("url", ["http://provider.example", "http://192.0.2.1:8000", "http://localhost.example:80"])
def test_a_token_goes_over_https_or_stays_here(url):
    with pytest.raises(ValueError, match=r"anyone who reads along has the token: use https://, or a tunnel"):
        Client(url, KEY, token="a-token-of-no-other-use")
    with other() as service:
        Client(service.url, KEY, token="a-token-of-no-other-use")
        assert service.asked == [("GET", "Bearer a-token-of-no-other-use")]


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:9", "ftp://x", "http://", "http://x:y", "http://u:p@x", "http://x/?a", "http://[::1", "http://x\x00y"],
)
def test_what_is_no_address_is_said(url):
    with pytest.raises(ValueError, match="the address of a service is"):
        Client(url, KEY)


def test_the_wrong_key_and_no_key_send_nothing():
    with other() as service:
        with pytest.raises(ValueError, match=rf"wrong key.*{KEY.fingerprint}; nothing was sent"):
            Client(service.url, Key.test("test-1"))
        with pytest.raises(ValueError, match="give the key"):
            Client(service.url, None)
        assert not service.sent


def test_a_client_works_where_an_event_loop_runs():
    async def within():
        with other() as service:
            return Client(service.url, KEY).predict(IMAGES.expand(9, -1, -1, -1)), len(service.sent)

    import asyncio

    predictions, requests = asyncio.run(within())
    assert [entry.name for entry in predictions] == ["3"] * 9
    assert requests == 3
