"""The demo: a page on this machine that plays the owner. It holds the key; the service it asks does not."""

from __future__ import annotations

import asyncio
import base64
import html
import io
import secrets
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from PIL import Image
from starlette.middleware.trustedhost import TrustedHostMiddleware
from torch import Tensor

from vitcrypt.service.client import Client
from vitcrypt.service.intake import Limits, RefusedError, read_body

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


def create_demo(client: Client) -> FastAPI:
    """Build the application that serves the page, encrypts the pictures chosen there, and asks the service.

    Only its own page may use it: any other that is open in the browser could have images of its choice encrypted, and a
    few pairs of image and ciphertext give the key away.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])
    password = secrets.token_urlsafe(16)
    page = (Path(__file__).parent / "demo.html").read_text()
    facts = {
        "PASSWORD": password,
        "SERVICE": client.url,
        "SCHEME": client.scheme.name,
        "SIZE": str(client.image_size),
        "FINGERPRINT": client.fingerprint or "none",
    }
    for name, value in facts.items():
        page = page.replace(f"{{{{{name}}}}}", html.escape(value))

    @app.get("/")
    async def show() -> Response:
        return HTMLResponse(page, headers=HEADERS)

    @app.post("/picture")
    async def picture(request: Request) -> Response:
        if not secrets.compare_digest(request.headers.get("x-demo", "").encode(), password.encode()):
            return JSONResponse({"detail": "only the page of this demo may ask"}, 403)
        try:
            data = await read_body(request, Limits())
            return JSONResponse(await asyncio.to_thread(_classified, client, data))
        except RefusedError as refused:
            return JSONResponse({"detail": refused.reason}, refused.status)
        except (ValueError, OSError) as error:
            return JSONResponse({"detail": str(error)}, 422)

    return app


def _classified(client: Client, data: bytes) -> dict[str, Any]:
    """Return both pictures as data URLs, and the prediction on the encrypted one."""
    try:
        plain = client.plain([io.BytesIO(data)])
    except ValueError:
        raise ValueError("this file is no picture that can be read") from None
    encrypted = client.encrypted(plain)
    (prediction,) = client.ask(encrypted)
    top = [{"name": name, "probability": probability} for name, probability in prediction.top]
    return {"plain": _url(plain[0]), "encrypted": _url(encrypted[0]), "top": top}


def _url(image: Tensor) -> str:
    file = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
