"""Connections: none waits for ever, none keeps others out, and what will be refused is refused before it is read."""

import socket
import time
import tomllib
from pathlib import Path

import httpx
import pytest
from bundles import KEY, described
from serving import answer, connected, first_bytes, running

from vitcrypt.service.app import create_app
from vitcrypt.service.limits import Limits

TOKEN = "a-token-of-no-other-use"
GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
POST = (
    "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
    f"Authorization: Bearer {TOKEN}\r\nX-Key-Fingerprint: {KEY.fingerprint}\r\n"
).encode()
INFO = f"GET /info HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
WAITING = {
    "silent": b"",
    "empty lines": b"\r\n" * 10,
    "half a head": b"GET /health HT",
    "half a header": POST + b"Content-Le",
    "empty lines after an answer": GET + b"\r\n\r\n",
    "silent after an answer": GET,
    "half a body": POST + b"Content-Length: 1000\r\n\r\nabc",
    "half a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc",
    "a body that nobody wants": b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc",
    "a chunk behind the last": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y",
    "many requests and no ear": INFO * 12,
    "a question before the body": POST + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n",
}
"""What a client may send and then nothing more."""


def app_of(backend=first_bytes, **limits):
    """A service whose /info is 2 MB long."""
    bundle = described(classes=[f"{i:0100}" for i in range(20_000)])
    return create_app(
        bundle, backend, Limits(**{"max_bytes": 2**16, "max_images": 8, "read_seconds": 0.4} | limits), token=TOKEN
    )


@pytest.fixture(scope="module")
def port():
    with running(app_of(), read_seconds=0.4, idle_seconds=1, max_connections=30) as port:
        yield port


def health(port):
    return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False, verify=False, timeout=10).status_code


def test_connections_in_any_state_end_by_themselves(port):
    others = {state: connected(port, sent) for state, sent in WAITING.items()}
    time.sleep(2.5)  # without reading
    open_still = []
    for state, connection in others.items():
        connection.settimeout(3)
        try:
            answer(connection)  # to the end
        except TimeoutError:
            open_still.append(state)
    assert not open_still
    assert health(port) == 200


def test_connections_in_any_state_keep_nobody_out():
    with running(app_of(), read_seconds=60, idle_seconds=60, max_connections=10) as port:
        for state, sent in WAITING.items():
            others = [connected(port, sent) for _ in range(30)]
            assert [health(port) for _ in range(3)] == [200] * 3, state
            for connection in others:
                connection.close()


def test_who_takes_a_long_answer_slowly_gets_it_whole(monkeypatch):
    monkeypatch.setattr("vitcrypt.service.server.LEAST_TAKEN", 1)
    with running(app_of(), read_seconds=0.1, idle_seconds=0.1) as port, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        connection.connect(("127.0.0.1", port))
        connection.sendall(INFO * 4)
        received = 0
        while data := connection.recv(2**17):
            received += len(data)
            time.sleep(0.02)
    assert received > 8_000_000


def test_who_must_go_is_told_so_and_who_is_answered_stays():
    with running(app_of(), read_seconds=60, max_connections=3) as port:
        first, *others = [connected(port, b"") for _ in range(3)]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            assert http.get("/health").status_code == 200
            told = answer(first)
            assert told.startswith(b"HTTP/1.1 429 ")
            assert b"retry-after: 1" in told
            assert http.get("/health").status_code == 200
        for connection in others:
            connection.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (POST + b"Content-Length: 65537\r\n", 413),
        (POST + b"Content-Length: 10000000000\r\n", 413),
        (POST.replace(TOKEN.encode(), b"another") + b"Content-Length: 768\r\n", 401),
        (POST.replace(b"Authorization: Bearer", b"X-Other:") + b"Content-Length: 768\r\n", 401),
        (POST.replace(KEY.fingerprint.encode(), b"0" * 16) + b"Content-Length: 768\r\n", 409),
        (POST.replace(b"X-Key-Fingerprint", b"X-Other") + b"Content-Length: 768\r\n", 428),
        (POST.replace(b"octet-stream", b"pdf") + b"Content-Length: 768\r\n", 415),
        (POST.replace(b"/predict", b"/predict/") + b"Content-Length: 768\r\n", 404),
        (POST + b"Content-Length: 7x\r\n", 400),
        (POST + b"Content-Length: 99999999999999999999999999\r\n", 400),
        (POST + b"X: " + 20_000 * b"x", 431),
        (POST + 10_000 * b"a: b\r\n", 400),
    ],
)
def test_what_will_be_refused_is_refused_before_its_body_is_sent(port, head, status):
    with connected(port, head + b"\r\n") as connection:
        assert connection.recv(4096).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_refusal_reaches_who_sends_everything_first(port):
    headers = {"Content-Type": "application/octet-stream", "X-Key-Fingerprint": KEY.fingerprint}
    for token, status in ((TOKEN, 413), ("another", 401)):
        sent = headers | {"Authorization": f"Bearer {token}"}
        url = f"http://127.0.0.1:{port}/predict"
        assert httpx.post(url, content=bytes(2**22), headers=sent, trust_env=False).status_code == status


@pytest.mark.parametrize("chunked", [False, True])
def test_the_bodies_of_all_connections_have_a_common_limit(chunked):
    with running(app_of(read_seconds=30), read_seconds=30) as port:
        length = b"Transfer-Encoding: chunked\r\n\r\nffff\r\n" if chunked else b"Content-Length: 65536\r\n\r\n"
        others = [connected(port, POST + length + bytes(65_000)) for _ in range(9)]
        told = {connection.recv(4096)[:12] for connection in others[-1:]}
        assert told == {b"HTTP/1.1 429"}
        for connection in others:
            connection.close()
        with connected(port, POST + b"Connection: close\r\nContent-Length: 768\r\n\r\n" + bytes(768)) as connection:
            assert answer(connection).startswith(b"HTTP/1.1 200 ")


def test_a_full_queue_is_told_before_the_body_is_read():
    def slow(images):
        time.sleep(0.3)
        return first_bytes(images)

    app = create_app(described(), slow, Limits(max_images=1, wait_seconds=60), max_batch=1)
    request = POST + b"Content-Length: 768\r\n\r\n" + bytes(768)
    with running(app, read_seconds=30) as port:
        others = [connected(port, request) for _ in range(16)]  # eight with a place and eight in the line
        time.sleep(0.2)
        with connected(port, POST + b"Content-Length: 768\r\n\r\n") as connection:
            told = connection.recv(4096)
        assert told.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: 1" in told.lower()
        assert all(connection.recv(4096).startswith(b"HTTP/1.1 200 ") for connection in others)


@pytest.mark.parametrize(
    "sent",
    [
        GET.replace(b"\r\n\r\n", b"\r\nContent-Length: 1000000\r\n\r\n") + b"GET",
        INFO * 100,
        POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + 100_000 * b"x",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + 100_000 * b"x",
        b"\r\n" * 50_000,
    ],
    ids=["unwanted body", "pipeline", "trailer", "chunk extension", "empty lines"],
)
def test_what_no_client_needs_is_ended_and_not_kept(port, sent):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            for start in range(0, len(sent), 1000):
                connection.sendall(sent[start : start + 1000])
        except ConnectionError:
            pass
        answer(connection)
    assert health(port) == 200


def test_what_clients_do_wrong_is_counted_and_writes_no_lines(capfd):
    with running(app_of(), read_seconds=1) as port:
        for sent in (b"what?\r\n\r\n", b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n"):
            for _ in range(50):
                with connected(port, sent) as connection:
                    assert connection.recv(4096).startswith(b"HTTP/1.1 40")
        metrics = INFO.replace(b"info", b"metrics").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        with connected(port, metrics) as connection:  # not by a library, which logs what it asks
            told = answer(connection).decode()
    assert 'vitcrypt_dropped_total{reason="invalid"} 50.0' in told
    assert capfd.readouterr() == ("", "")


def test_what_is_built_upon_the_inside_of_uvicorn_has_an_upper_bound():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    (bound,) = (line for line in project["optional-dependencies"]["serve"] if line.startswith("uvicorn"))
    assert "<" in bound
