"""Several processes behind one port: what was taken is answered, counted together, and none outlives the others."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest
from program import environment

from vitcrypt.service.workers import listen_together

PROGRAM = """
import sys, time
import numpy as np
from vitcrypt.service.workers import counted_together, listen_together, serve_in_processes

def served_on(listening):
    from vitcrypt.service import Bundle
    from vitcrypt.service.app import create_app
    from vitcrypt.service.server import serve
    model = {"network": {"_target_": "vitcrypt.models.ResNet18", "width": 8}, "adaptation": "none"}
    model |= {"patch_embedding": "shared", "patch_size": 4, "block_size": 4}
    bundle = Bundle(model, 8, "bilinear", list("ab"), None, None, "shared")
    def slow(images):
        time.sleep(0.3 if len(images) == 2 else 0)
        return np.zeros((len(images), 2), np.float32)
    serve(create_app(bundle, slow, max_batch=2, workers=2), listening, 5, 2)

sockets = listen_together("127.0.0.1", 0, None, 2)
print(sockets[0].getsockname()[1], flush=True)
with counted_together():
    serve_in_processes(served_on, sockets)
"""


def asked(port, path="/health", body=None):
    """One request on a connection of its own."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    kind = {"content-type": "application/octet-stream"} if body else {}
    connection.request("POST" if body else "GET", path, body, kind)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@pytest.fixture
def service():
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    port = int(process.stdout.readline())
    yield process, port
    process.kill()
    process.wait()


def children(process):
    return [int(number) for number in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def test_an_address_that_is_taken_is_an_error_for_several_too():
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="try another --port"):
        listen_together("127.0.0.1", other.getsockname()[1], None, 2)
    one, two = listen_together("127.0.0.1", 0, None, 2)
    assert one.getsockname() == two.getsockname()
    with pytest.raises(OSError, match="try another --port"):
        listen_together("127.0.0.1", one.getsockname()[1], None, 2)
    one.close(), two.close()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel shares out connections on Linux")
def test_workers_count_together_answer_what_they_took_and_end_together(service):
    process, port = service
    assert all(asked(port)[0] == 200 for _ in range(20))
    assert all(
        'vitcrypt_requests_total{path="/health",status="200"} 20.0' in asked(port, "/metrics")[1] for _ in range(4)
    )
    answers = []
    images = bytes(2 * 3 * 8 * 8)  # two images take a while
    threads = [threading.Thread(target=lambda: answers.append(asked(port, "/predict", images))) for _ in range(6)]
    for thread in threads:
        thread.start()
    while "vitcrypt_waiting_images 0.0" in asked(port, "/metrics")[1]:
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert [status for status, _ in answers] == [200] * 6
    assert process.wait(20) == 0
    assert process.stderr.read() == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_that_is_lost_ends_the_service_with_a_message(service):
    process, port = service
    asked(port)
    first, second = children(process)
    os.kill(first, signal.SIGKILL)
    assert process.wait(20) == 1
    assert "a worker ended by itself (exit code -9), and with it the service" in process.stderr.read()
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)
