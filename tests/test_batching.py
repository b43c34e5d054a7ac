"""Dynamic batching: everyone gets the answer to what he sent, whatever it was computed with."""

import asyncio
import time

import httpx
import numpy as np
import pytest
from bundles import KEY, described

from vitcrypt.service.app import create_app
from vitcrypt.service.batching import Batcher, QueueFullError
from vitcrypt.service.intake import Limits


class Counted:
    """A backend that answers with the first byte of each image, and notes the sizes of its batches."""

    def __init__(self, seconds=0.0):
        self.sizes, self.seconds = [], seconds

    def __call__(self, images):
        self.sizes.append(len(images))
        time.sleep(self.seconds)
        if (images[:, 0, 0, 0] == 255).any():
            raise MemoryError("no memory")
        return np.eye(10, dtype=np.float32)[images[:, 0, 0, 0] % 10]


def images(*values):
    return np.broadcast_to(np.array(values, np.uint8)[:, None, None, None], (len(values), 3, 16, 16))


def running(batcher, ask):
    """Run a coroutine beside a batcher."""

    async def both():
        task = asyncio.create_task(batcher.run())
        try:
            return await asyncio.wait_for(ask(), 20)
        finally:
            task.cancel()

    return asyncio.run(both())


@pytest.mark.parametrize("max_batch", [1, 4, 32])
def test_everyone_gets_his_own_answer_from_batches_that_are_never_too_large(max_batch):
    backend = Counted(0.002)
    batcher = Batcher(backend, max_batch, max_queue=10_000)
    sent = [[(7 * i + j) % 10 for j in range(1 + i % 9)] for i in range(100)]

    async def ask():
        return await asyncio.gather(*(batcher(images(*values)) for values in sent))

    assert [answer.argmax(1).tolist() for answer in running(batcher, ask)] == sent
    assert max(backend.sizes) <= max_batch
    assert sum(backend.sizes) == sum(map(len, sent))
    assert batcher.queued == 0


def test_what_arrives_while_a_batch_is_computed_becomes_one_batch():
    backend = Counted(0.05)
    batcher = Batcher(backend, 16, max_wait=0)

    async def ask():
        first = asyncio.create_task(batcher(images(0)))
        await asyncio.sleep(0.02)
        await asyncio.gather(first, *(batcher(images(i)) for i in range(10)))

    running(batcher, ask)
    assert backend.sizes == [1, 10]


def test_too_many_wait_no_longer_than_it_takes_to_say_so():
    batcher = Batcher(Counted(0.05), 2, max_queue=4)

    async def ask():
        asked = [batcher(images(i)) for i in range(8)]
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = running(batcher, ask)
    assert sum(isinstance(answer, QueueFullError) for answer in answers) == 4
    assert sum(isinstance(answer, np.ndarray) for answer in answers) == 4


def test_who_left_is_not_computed_and_who_stays_is():
    backend = Counted(0.05)
    batcher = Batcher(backend, 1, max_wait=0)

    async def ask():
        first, gone, last = (asyncio.create_task(batcher(images(i))) for i in (1, 2, 3))
        await asyncio.sleep(0.01)
        gone.cancel()
        return await asyncio.gather(first, last)

    assert [answer.argmax() for answer in running(batcher, ask)] == [1, 3]
    assert len(backend.sizes) == 2


def test_a_backend_that_fails_fails_its_batch_alone():
    batcher = Batcher(Counted(), 1)

    async def ask():
        with pytest.raises(MemoryError):
            await batcher(images(255))
        return await batcher(images(4))

    assert running(batcher, ask).argmax() == 4


def test_an_overloaded_service_asks_for_patience():
    limits = Limits(max_images=1)
    app = create_app(described(), Counted(0.2), limits, max_batch=1, max_wait=0)  # four may wait

    async def ask():
        transport = httpx.ASGITransport(app)
        headers = {"X-Key-Fingerprint": KEY.fingerprint, "Content-Type": "application/octet-stream"}
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://x") as http,
        ):
            asked = [http.post("/predict", content=images(1).tobytes(), headers=headers) for _ in range(12)]
            return await asyncio.gather(*asked)

    answers = asyncio.run(ask())
    assert {answer.status_code for answer in answers} == {200, 429}
    waiting = next(answer for answer in answers if answer.status_code == 429)
    assert waiting.headers["retry-after"] == "1"
    assert "too many images are waiting" in waiting.json()["detail"]
