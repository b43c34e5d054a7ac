"""A service of someone else, in a thread: it answers what a test wants, and keeps what it was sent."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bundles import described

from vitcrypt.service.documents import CLIENT_FORMAT


def info(**changes: Any) -> dict[str, Any]:
    """What an honest service says of itself, with changes."""
    limits = {"max_images": 4, "max_bytes": 99_999}
    shown = described().for_clients() | {"image_size": 32}
    return {"format": CLIENT_FORMAT, **shown, "served": {}, "limits": limits} | changes


def prediction(**changes: Any) -> dict[str, Any]:
    score = {"label": 3, "name": "3", "probability": 0.5} | changes
    return {**score, "top": [score]}


@dataclass
class Other:
    """What it says: JSON, bytes, or a function that writes to the connection itself."""

    info: Any = field(default_factory=info)
    answer: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    url: str = ""


@contextlib.contextmanager
def other(**values: Any) -> Iterator[Other]:
    """Run such a service; `answer` None predicts as many times as `info` has pixels for."""
    told = Other(**values)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(told.info, 200 if told.answer else told.status)

        def do_POST(self) -> None:
            told.sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            count = len(told.sent[-1]) // (3 * told.info["image_size"] ** 2)
            answer = {"predictions": [prediction()] * count} if told.answer is None else told.answer
            self._say(answer, told.status)

        def _say(self, content: bytes | Callable[[Any], None] | Any, status: int) -> None:
            told.asked.append((self.command, self.headers.get("Authorization", "")))
            with contextlib.suppress(ConnectionError):
                if callable(content):
                    content(self.wfile)
                    return
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **told.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
