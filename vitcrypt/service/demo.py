"""The demo: a page on this machine that plays the owner. It holds the key; the service it asks does not."""

from __future__ import annotations

import asyncio
import base64
import html
import io
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from numpy.typing import NDArray
from PIL import Image
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from vitcrypt.service.client import Client
from vitcrypt.service.intake import body_of
from vitcrypt.service.limits import Limits, Room

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


Restore = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def create_demo(client: Client, secret: str, restore: Restore | None = None) -> FastAPI:
    """Build the application that serves the page, encrypts the pictures chosen there, and asks the service.

    Anyone who can have images of their choice encrypted has the key after a few of them: all is below /SECRET/; nobody
    else gets an answer, be it another page in the browser or another process or user of this machine.

    Args:
        client: Of the service, with the owner's key.
        secret: What the address of the page holds; of `new_secret`.
        restore: What an attacker makes of a ciphertext, uint8 [3, S, S]; None: the page shows no attack.

    Raises:
        ValueError: What is sent to the service are no images.
    """
    if client.floats or client.shape[0] != 3:
        raise ValueError(
            f"the demo shows ciphertexts as pictures in colour, and {client.scheme.name} makes none; "
            "use: vitcrypt predict"
        )
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])
    page = (Path(__file__).parent / "demo.html").read_text()
    facts = {
        "SERVICE": client.url,
        "SCHEME": client.scheme.name,
        "SIZE": str(client.image_size),
        "FINGERPRINT": client.fingerprint or "none",
    }
    for name, value in facts.items():
        page = page.replace(f"{{{{{name}}}}}", html.escape(value))
    page = page.replace("{{SAMPLES}}", "".join(map(_button, _samples()))).replace(
        "{{ATTACK}}", "" if restore else "hidden"
    )
    limits, one_by_one = Limits(), asyncio.Semaphore(1)
    memory = Room(2 * limits.max_bytes)

    def admit(sent: str) -> None:
        if not secrets.compare_digest(sent.encode(), secret.encode()):
            raise HTTPException(404, "the address of the demo is the one that it printed", HEADERS)

    @app.get("/{sent}/")
    async def show(sent: str) -> Response:
        admit(sent)
        return HTMLResponse(page, headers=HEADERS)

    @app.post("/{sent}/picture")
    async def picture(sent: str, request: Request) -> Response:
        return await answer(sent, request, lambda data: _classified(client, data))

    @app.post("/{sent}/restored")
    async def restored(sent: str, request: Request) -> Response:
        return await answer(sent, request, lambda data: _restored(client, data, restore))

    async def answer(sent: str, request: Request, told: Callable[[bytes], dict[str, Any]]) -> Response:
        admit(sent)
        try:
            async with body_of(request, limits, memory) as data, one_by_one:
                return JSONResponse(await asyncio.to_thread(told, data), headers=HEADERS)
        except HTTPException as refused:
            return JSONResponse({"detail": refused.detail}, refused.status_code, HEADERS)
        except (ValueError, OSError) as error:
            return JSONResponse({"detail": str(error)}, 422, HEADERS)

    return app


def new_secret() -> str:
    """Return a secret that fits into an address."""
    return secrets.token_urlsafe(24)


def _classified(client: Client, data: bytes) -> dict[str, Any]:
    """Return both pictures as data URLs, and the prediction on the encrypted one."""
    plain, encrypted = _both(client, data)
    (prediction,) = client.ask(encrypted)
    top = [{"name": name, "probability": probability} for name, probability in prediction.top]
    return {"plain": _url(plain[0]), "encrypted": _url(encrypted[0]), "top": top}


def _restored(client: Client, data: bytes, restore: Restore | None) -> dict[str, Any]:
    """Return what the attacker makes of the encrypted picture."""
    if restore is None or client.encryption is None:
        raise ValueError("no attack is shown here")
    if client.key_scope != "shared":
        raise ValueError("each picture has a key of its own, so that pairs tell nothing of another one")
    return {"restored": _url(restore(_both(client, data)[1][0]))}


def _both(client: Client, data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    try:
        plain = client.plain([io.BytesIO(data)])
    except ValueError:
        raise ValueError("this file is no picture that can be read") from None
    return plain, client.encrypted(plain)


def _samples() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield pictures that scikit-learn ships, uint8 [3, 96, 96]."""
    from sklearn.datasets import load_digits, load_sample_image

    for name in ("china", "flower"):
        square = Image.fromarray(load_sample_image(f"{name}.jpg")[:, 100:527]).resize((96, 96))
        yield name, np.asarray(square).transpose(2, 0, 1)
    digits = load_digits().images
    for number in (3, 8):
        pixels = (digits[number] * (255 / 16)).astype(np.uint8).repeat(12, 0).repeat(12, 1)
        yield f"digit {number}", np.stack([pixels] * 3)


def _button(sample: tuple[str, NDArray[np.uint8]]) -> str:
    name, pixels = sample
    return f'<button type="button" aria-label="{name}"><img src="{_url(pixels)}" alt="{name}"></button>'


def _url(image: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
