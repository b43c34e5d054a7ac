"""The service refuses what it must with a 4xx and a reason, answers the rest, and lives."""

import io
import socket
import struct
import tracemalloc
import zlib

import httpx
import numpy as np
import pytest
import torch
from bundles import KEY, described, network_of, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from serving import served
from starlette.exceptions import HTTPException

from vitcrypt.service.graph import Served, sample_images
from vitcrypt.service.intake import count_of
from vitcrypt.service.limits import Limits
from vitcrypt.service.png import decode_png

IMAGES = sample_images(16)
MARK = {"X-Key-Fingerprint": KEY.fingerprint}
PNG, RAW = MARK | {"Content-Type": "image/png"}, MARK | {"Content-Type": "application/octet-stream"}
TOKEN = "a-token-of-no-other-use"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service with a token, one second of patience, at most 8 images and 64 KiB a request."""
    bundle = written(tmp_path_factory.mktemp("service") / "bundle")
    with served(bundle, Limits(max_images=8, max_bytes=2**16, read_seconds=1), TOKEN) as url:
        yield url


@pytest.fixture(scope="module")
def http(service):
    with httpx.Client(base_url=service, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as client:
        yield client
        assert client.get("/health").json() == {"status": "ok"}


@pytest.fixture(scope="module")
def labels():
    with torch.inference_mode():
        return Served(network_of(described()))(IMAGES).argmax(1).tolist()


def encoded(image, kind="PNG", mode="RGB", **options):
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).numpy())).convert(mode).save(file, kind, **options)
    return file.getvalue()


def refused(answer, status, reason):
    assert answer.status_code == status, answer.text
    assert reason in answer.json()["detail"]


def labels_in(answer):
    assert answer.status_code == 200, answer.text
    return [entry["label"] for entry in answer.json()["predictions"]]


def test_one_png_many_pngs_and_bare_bytes_get_the_labels_of_the_network(http, labels):
    assert labels_in(http.post("/predict", content=encoded(IMAGES[0]), headers=PNG)) == labels[:1]
    files = [("images", (f"{i}.png", encoded(image))) for i, image in enumerate(IMAGES[:8])]
    assert labels_in(http.post("/predict", files=files, headers=MARK)) == labels[:8]
    assert labels_in(http.post("/predict", content=IMAGES[1:9].numpy().tobytes(), headers=RAW)) == labels[1:9]


def test_the_scores_of_an_image_are_those_of_the_network_in_order(http):
    (told,) = http.post("/predict", content=encoded(IMAGES[3]), headers=PNG).json()["predictions"]
    with torch.inference_mode():
        expected = Served(network_of(described()))(IMAGES[3:4]).softmax(1)[0]
    assert [score["label"] for score in told["top"]] == expected.argsort(descending=True)[:5].tolist()
    np.testing.assert_allclose([s["probability"] for s in told["top"]], expected.sort(descending=True).values[:5], 1e-4)
    assert told["name"] == str(told["label"])


def test_a_client_learns_what_it_needs_and_nothing_is_said_without_the_token(http, service):
    info = http.get("/info").json()
    assert info["fingerprint"] == KEY.fingerprint
    assert info["scheme"] == {"name": "proposed", "block_size": 4}
    assert info["limits"] == {"max_images": 8, "max_bytes": 2**16}
    for method, path in (("GET", "/info"), ("GET", "/metrics"), ("POST", "/predict")):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
            answer = httpx.request(method, service + path, headers=headers | MARK, trust_env=False)
            refused(answer, 401, "token")
            assert answer.headers["www-authenticate"] == "Bearer"
    assert httpx.get(service + "/health", trust_env=False).status_code == 200


def test_what_was_asked_is_counted(http):
    before = http.get("/metrics").text
    http.post("/predict", content=IMAGES[:2].numpy().tobytes(), headers=RAW)
    after = http.get("/metrics").text
    name = 'vitcrypt_requests_total{path="/predict",status="200"}'

    def count(text):
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    assert count(after) == count(before) + 1
    assert "vitcrypt_batch_images_bucket" in after


def test_another_key_is_a_conflict_with_both_fingerprints(http):
    other = "fedcba9876543210"
    answer = http.post("/predict", content=encoded(IMAGES[0]), headers=PNG | {"X-Key-Fingerprint": other})
    refused(answer, 409, other)
    assert KEY.fingerprint in answer.json()["detail"]
    answer = http.post("/predict", content=encoded(IMAGES[0]), headers={"Content-Type": "image/png"})
    refused(answer, 428, KEY.fingerprint)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width, height, *chunks, depth=8, colour=2):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


GOOD = encoded(IMAGES[0])
LARGE = chunk(b"IHDR", struct.pack(">IIBBBBB", 13300, 13300, 8, 2, 0, 0, 0))
BOMB = chunk(b"IDAT", zlib.compress(bytes(30_000_000)))
TEXT_BOMB = chunk(b"zTXt", b"name\0\0" + zlib.compress(bytes(30_000_000)))
PROFILE = chunk(b"iCCP", TEXT_BOMB[8:-4])
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
BAD = {
    "nothing": (b"", 415, "not an image"),
    "text": (b"hello", 415, "not an image"),
    "jpeg": (encoded(IMAGES[0], "JPEG"), 415, "JPEG: lossy"),
    "webp": (encoded(IMAGES[0], "WEBP"), 415, "WebP"),
    "signature alone": (GOOD[:8], 422, "truncated"),
    "half": (GOOD[: len(GOOD) // 2], 422, "truncated"),
    "no end": (GOOD[:-12], 422, "truncated"),
    "a changed byte": (GOOD[:60] + bytes([GOOD[60] ^ 1]) + GOOD[61:], 422, "damaged"),
    "no pixels": (png_of(16, 16), 422, "damaged"),
    "too few pixels": (png_of(16, 16, chunk(b"IDAT", zlib.compress(bytes(100)))), 422, "damaged"),
    "no zlib": (png_of(16, 16, chunk(b"IDAT", b"what is this")), 422, "damaged"),
    "wrong size": (encoded(sample_images(24)[0]), 422, "24 x 24; this network sees 16 x 16"),
    "grey": (encoded(IMAGES[0], mode="L"), 422, "8-bit grey"),
    "transparent": (encoded(IMAGES[0], mode="RGBA"), 422, "transparency"),
    "palette": (encoded(IMAGES[0], mode="P"), 422, "palette"),
    "16 bits": (png_of(16, 16, chunk(b"IDAT", zlib.compress(bytes(97 * 16))), depth=16), 422, "16-bit"),
    "bomb by its header": (png_of(2**31 - 1, 2**31 - 1, BOMB), 422, "this network sees"),
    "two headers": (
        png_of(16, 16, LARGE, chunk(b"IDAT", zlib.compress(bytes(49 * 16)))),
        422,
        "one header",
    ),
    "a second header behind the pixels": (GOOD[:-12] + LARGE + GOOD[-12:], 422, "one header"),
    "a text before its header": (GOOD[:8] + chunk(b"tEXt", b"a\0b") + GOOD[8:], 422, "one header"),
    "animated": (GOOD[:33] + chunk(b"acTL", bytes(8)) + GOOD[33:], 422, "animated"),
    "an unknown part": (GOOD[:33] + chunk(b"ABCD", b"") + GOOD[33:], 422, "unknown"),
    "too long": (bytes(2**16 + 1), 413, "longer than 65536 bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_encrypted_image_is_refused_with_the_reason(http, name):
    data, status, reason = BAD[name]
    refused(http.post("/predict", content=data, headers=PNG), status, reason)
    if status != 413:
        files = [("images", ("good.png", GOOD)), ("images", ("bad.png", data))]
        refused(http.post("/predict", files=files, headers=MARK), status, "image 1")


@pytest.mark.parametrize("first", [[], [TEXT_BOMB], [PROFILE]], ids=["rows", "text", "profile"])
def test_a_bomb_behind_a_right_header_takes_no_memory(first):
    """Only the rows of the image are unpacked, whatever comes before them or follows."""
    tracemalloc.start()
    try:
        assert not decode_png(png_of(16, 16, *first, BOMB), 16).any()
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("interlaced", [False, True])
def test_what_other_programs_add_to_a_png_changes_nothing(interlaced):
    if interlaced:
        passes = [IMAGES[0, :, y::dy, x::dx] for x, y, dx, dy in ADAM7]
        rows = b"".join(b"\0" + row.T.contiguous().numpy().tobytes() for part in passes for row in part.unbind(1))
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 1))
        data = GOOD[:8] + header + chunk(b"IDAT", zlib.compress(rows)) + GOOD[-12:]
    else:
        added = [
            chunk(b"tEXt", b"a\0b"),
            chunk(b"gAMA", bytes(3) + b"\1"),
            chunk(b"tRNS", bytes(6)),
            chunk(b"PLTE", bytes(3)),
        ]
        data = GOOD[:33] + b"".join(added) + GOOD[33:] + b"behind its end"
    np.testing.assert_array_equal(decode_png(data, 16), IMAGES[0])


def test_counts_lengths_and_types_have_limits(http):
    image = IMAGES[0].numpy().tobytes()
    refused(http.post("/predict", content=image * 9, headers=RAW), 413, "9 images; at most 8")
    refused(http.post("/predict", content=image[:-1], headers=RAW), 422, "no whole number of images")
    refused(http.post("/predict", content=b"", headers=RAW), 422, "no whole number of images")
    refused(http.post("/predict", content=(bytes(1000) for _ in range(100)), headers=RAW), 413, "longer than")
    for count in (9, 20):
        files = [("images", (f"{i}.png", GOOD)) for i in range(count)]
        refused(http.post("/predict", files=files, headers=MARK), 413, "more than 8 parts")
    refused(http.post("/predict", data={"images": "text"}, headers=MARK), 415, "x-www-form-urlencoded")
    refused(http.post("/predict", content=GOOD, headers=MARK), 415, "missing")
    form = MARK | {"Content-Type": "multipart/form-data; boundary=b"}
    refused(http.post("/predict", content=b"no form", headers=form), 400, "form")
    refused(http.post("/predict", content=b"--b--\r\n", headers=form), 422, "no file")
    refused(http.post("/predict", content=b"", headers=MARK | {"Content-Type": "multipart/form-data"}), 400, "boundary")
    refused(http.get("/predict"), 405, "Method Not Allowed")
    refused(http.get("/nothing"), 404, "Not Found")
    for path in ("/predict/", "/health/", "/info/"):
        answer = http.request("POST" if "predict" in path else "GET", path, headers=MARK | {"Host": "elsewhere"})
        refused(answer, 404, "there are /health, /info, /metrics, /predict")


def test_images_that_unfold_have_a_common_limit():
    limits, accepts = Limits(max_bytes=2**20, max_images=256), ((3, 224, 224), np.dtype(np.uint8))
    files = [png_of(224, 224, chunk(b"IDAT", zlib.compress(bytes(673 * 224), 9)))] * 28
    with pytest.raises(HTTPException, match="28 images of 224 x 224 are too many"):
        count_of("image/png", files, accepts, limits)
    assert count_of("image/png", files[:27], accepts, limits) == 27
    assert count_of("image/png", files[:1], ((3, 4096, 4096), np.dtype(np.uint8)), limits) == 1


HEAD = f"POST /predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nX-Key-Fingerprint: {KEY.fingerprint}\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (HEAD + "Content-Type: image/png\r\nContent-Length: 1000\r\n\r\nabc", b"408"),
        (HEAD, b"408"),
        ("", b"408"),
        ("what?\r\n\r\n", b"400"),
        (HEAD + "Content-Length: many\r\n\r\n", b"400"),
        (HEAD + "X: " + 70_000 * "x", b"431"),
    ],
    ids=["body", "headers", "silence", "no http", "length", "long headers"],
)
def test_a_slow_or_wild_client_is_told_so_and_let_go(service, http, sent, status):
    host, port = service.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(sent.encode())
        answer = b""
        while data := connection.recv(4096):
            answer += data
            if b"}" in answer:
                break
    assert answer.split()[1] == status, answer


def test_a_client_that_leaves_does_no_harm(service, http, labels):
    host, port = service.removeprefix("http://").split(":")
    for _ in range(20):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall((HEAD + "Content-Type: image/png\r\nContent-Length: 5000\r\n\r\nab").encode())
    assert labels_in(http.post("/predict", content=GOOD, headers=PNG)) == labels[:1]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, len(GOOD)),
    junk=st.binary(max_size=40),
)
def test_no_damage_to_a_png_is_a_fault_of_the_server(http, labels, edits, cut, junk):
    data = bytearray(GOOD)
    for place, value in edits:
        data[place] = value
    sent = bytes(data[:cut]) + junk
    answer = http.post("/predict", content=sent, headers=PNG)
    if sent.startswith(GOOD):
        assert labels_in(answer) == labels[:1]
    else:
        assert answer.status_code in (415, 422), answer.text
        assert answer.json()["detail"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=300), kind=st.sampled_from(["image/png", "application/octet-stream"]) | st.text(max_size=40)
)
def test_no_body_of_any_type_is_a_fault_of_the_server(http, body, kind):
    headers = MARK | {"Content-Type": kind.encode("utf-8", "ignore").replace(b"\n", b"").replace(b"\r", b"").strip()}
    try:
        answer = http.post("/predict", content=body, headers=headers)
    except httpx.LocalProtocolError:  # httpx does not send such a header
        return
    assert 400 <= answer.status_code < 500, answer.text


@pytest.mark.slow
def test_requests_made_from_the_description_find_no_fault(service):
    schemathesis = pytest.importorskip("schemathesis")
    loaded = schemathesis.openapi.from_url(service + "/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"})
    found = set()
    for operation in loaded.get_all_operations():
        strategy = operation.ok().as_strategy()

        @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=strategy)
        def ask(case):
            answer = case.call(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)
            assert answer.status_code < 500, answer.text
            documented = case.operation.definition.raw["responses"]
            assert str(answer.status_code) in documented, (case.operation.label, answer.status_code)
            found.add((case.operation.label, answer.status_code))

        ask()
    assert {label for label, _ in found} == {"GET /health", "GET /info", "GET /metrics", "POST /predict"}
