"""The service: what a provider offers on a bundle, as a FastAPI application. No key is in its process."""

from __future__ import annotations

import asyncio
import hmac
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import numpy as np
import prometheus_client as prometheus
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from numpy.typing import NDArray
from prometheus_client import multiprocess
from starlette.exceptions import HTTPException
from starlette.routing import Route

import vitcrypt
from vitcrypt.service.batching import Batcher
from vitcrypt.service.bundle import Bundle
from vitcrypt.service.documents import CLIENT_FORMAT, Answers, Info, Problem
from vitcrypt.service.intake import FORM, JPEG, PNG, RAW, body_of, count_of, decode_all, files_of, kind_of
from vitcrypt.service.limits import FullError, Limits, Room
from vitcrypt.service.onnx import Backend
from vitcrypt.untrusted.scheme import keeps_jpeg

FINGERPRINT = "X-Key-Fingerprint"
PATHS = ("/health", "/info", "/metrics", "/predict")
INLINE = 2**15
"""Bytes of a body and of its pixels that are decoded at once; handing them to a thread would take longer."""

T = TypeVar("T")


REFUSALS = {
    400: "broken off, or no readable form",
    401: "the bearer token is missing or wrong",
    408: "the request took too long to arrive",
    409: "the images are encrypted under another key than the network was trained on",
    413: "too many bytes or images",
    415: "not a PNG, not bare bytes, and no JPEG of a scheme that is kept so",
    422: "damaged, of another size or mode",
    428: f"the header {FINGERPRINT} is missing",
    429: "too many images are waiting, or too many bytes are under way",
}
PREDICT: dict[str, Any] = {
    "parameters": [
        {
            "name": FINGERPRINT,
            "in": "header",
            "description": "Fingerprint of the key that the images are encrypted with; required if /info names one.",
            "schema": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            PNG: {"schema": {"type": "string", "format": "binary"}},
            JPEG: {"schema": {"type": "string", "format": "binary", "description": "if the scheme is kept as JPEG"}},
            RAW: {"schema": {"type": "string", "format": "binary", "description": "uint8 [N, 3, S, S] or float32"}},
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["images"],
                    "properties": {"images": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                }
            },
        },
    },
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return how a route's refusals are described."""
    return {status: {"model": Problem, "description": REFUSALS[status]} for status in statuses}


def create_app(
    bundle: Bundle,
    backend: Backend,
    limits: Limits = Limits(),  # noqa: B008
    max_batch: int = 32,
    max_wait: float = 0.0,
    token: str | None = None,
    workers: int = 1,
) -> FastAPI:
    """Build the service.

    Args:
        bundle: What is served.
        backend: What computes, of `load_backend`.
        limits: Of one request. Eight times as much may be under way at once.
        max_batch: Images computed together, at most; 1 computes one by one.
        max_wait: Seconds that an image waits for others, at most.
        token: What clients must send as `Authorization: Bearer TOKEN`; None asks for nothing.
        workers: How many processes share what may be under way.
    """
    registry = prometheus.CollectorRegistry()
    requests = prometheus.Counter(
        "vitcrypt_requests", "Requests by path and status", ["path", "status"], registry=registry
    )
    seconds = prometheus.Histogram("vitcrypt_predict_seconds", "From request to answer of /predict", registry=registry)
    sizes = prometheus.Histogram(
        "vitcrypt_batch_images", "Images in a batch", registry=registry, buckets=[2**i for i in range(11)]
    )
    drops = prometheus.Counter("vitcrypt_dropped", "Connections ended, by the reason", ["reason"], registry=registry)
    batcher = Batcher(backend, max_batch, max_wait, on_batch=sizes.observe)
    waiting = [
        prometheus.Gauge(f"vitcrypt_waiting_{name}", text, registry=registry, multiprocess_mode="livesum").set
        for name, text in (
            ("images", "Images that wait or are computed"),
            ("bytes", "Bytes of requests that are not answered"),
        )
    ]
    accepts = shape, dtype = bundle.accepts
    each = math.prod(shape) * dtype.itemsize
    images, size = 8 * max(limits.max_images, max_batch), 8 * limits.max_bytes // workers
    places = Room(min(-(-images // workers), max(1, size // each)), waiting[0])
    memory = Room(size, waiting[1])

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for count in {1, max_batch}:  # so that memory is taken now and the first client waits no longer
            backend(np.zeros((count, *shape), dtype))
        running = asyncio.create_task(batcher.run())
        yield
        running.cancel()

    app = FastAPI(
        title="vitcrypt",
        description="Class predictions for encrypted images. The key stays with the client.",
        version=vitcrypt.__version__,
        lifespan=lifespan,
        docs_url=None,  # these pages would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a redirect would go wherever the request says this service is
    )
    app.state.on_drop = lambda reason: drops.labels(reason).inc()

    def authorise(request: Request) -> None:
        if token is None:
            return
        sent = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(sent, f"Bearer {token}".encode()):
            detail = "send the token of this service: Authorization: Bearer TOKEN"
            raise HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})

    def answer(request: Request, status: int, content: Any, **headers: str) -> Response:
        path = request.scope["path"]
        requests.labels(path if path in PATHS else "other", str(status)).inc()
        return JSONResponse(content, status, headers)

    @app.exception_handler(HTTPException)
    async def refuse(request: Request, error: HTTPException) -> Response:
        detail = f"Not Found; there are {', '.join(PATHS)}" if error.status_code == 404 else error.detail
        return answer(request, error.status_code, {"detail": detail}, **(error.headers or {}))

    @app.post("/predict", response_model=Answers, responses=refusals(*REFUSALS), openapi_extra=PREDICT)
    async def predict(request: Request) -> Response:
        """Predict the classes of encrypted images."""
        started = time.perf_counter()
        authorise(request)
        sent, expected = request.headers.get(FINGERPRINT), bundle.fingerprint
        if expected is not None and sent is None:
            raise HTTPException(428, f"send {FINGERPRINT}, of the key of the images; this network expects {expected}")
        if expected is not None and sent != expected:
            detail = f"the images are under key {str(sent)[:64]}, this network was trained under {expected}"
            raise HTTPException(409, detail)
        kind = kind_of(request, accepts, jpeg)
        if places.crowded:
            raise FullError
        async with body_of(request, limits, memory) as body:
            files = [body]
            if kind == FORM:
                files = await _worked(len(body), files_of, request.headers["content-type"], body, limits)
            count = count_of(kind, files, accepts, limits)
            async with places.hold(count, limits.wait_seconds):
                work = 0 if kind == RAW else max(len(body), count * each)
                logits = await batcher(await _worked(work, decode_all, kind, files, accepts, jpeg))
        seconds.observe(time.perf_counter() - started)
        return answer(request, 200, {"predictions": scores(logits, bundle.classes)})

    # before the route of FastAPI, which describes it and would spend 0.04 ms on what nothing here uses
    app.router.routes.insert(0, Route("/predict", predict, methods=["POST"]))

    @app.get("/health")
    async def health(request: Request) -> Response:
        """Answer, as a sign of life. Needs no token."""
        return answer(request, 200, {"status": "ok"})

    served = {name: bundle.origin.get(name) for name in ("identity", "names", "test_accuracy", "test_images")}
    jpeg = keeps_jpeg(bundle.described.scheme)
    allowed = {"max_images": limits.max_images, "max_bytes": limits.max_bytes}
    described = {"format": CLIENT_FORMAT, **bundle.for_clients(), "served": served, "limits": allowed}
    description = JSONResponse(described).body

    @app.get("/info", response_model=Info, responses=refusals(401))
    async def info(request: Request) -> Response:
        """Describe what clients need to encrypt queries, what is served, and the limits."""
        authorise(request)
        return Response(description, media_type="application/json")

    @app.get("/metrics", responses=refusals(401))
    async def metrics(request: Request) -> Response:
        """Count requests, images and batches, in the text format of Prometheus."""
        authorise(request)
        told = registry
        if workers > 1:
            told = prometheus.CollectorRegistry()
            multiprocess.MultiProcessCollector(told)  # type: ignore[no-untyped-call]
        return Response(prometheus.generate_latest(told), media_type=prometheus.CONTENT_TYPE_LATEST)

    return app


def scores(logits: NDArray[np.floating], classes: list[str], count: int = 5) -> list[dict[str, Any]]:
    """Return an `Answer` for each row of logits [B, K]; the first of equals wins, as in `argmax`."""
    odds = np.exp(logits - logits.max(1, keepdims=True), dtype=np.float64)
    shares = odds / odds.sum(1, keepdims=True)
    order = np.argsort(-logits, axis=1, kind="stable")[:, :count]
    answers = []
    for labels, row in zip(order.tolist(), shares.tolist(), strict=True):
        top = [{"label": label, "name": classes[label], "probability": row[label]} for label in labels]
        answers.append({**top[0], "top": top})
    return answers


async def _worked(size: int, work: Callable[..., T], *arguments: Any) -> T:
    """Return what `work` makes of `size` bytes; in a thread if that is slow."""
    return work(*arguments) if size <= INLINE else await asyncio.to_thread(work, *arguments)
