"""Dynamic batching: everyone gets the answer to what he sent, whatever it was computed with."""

import asyncio
import threading
import time

import httpx
import numpy as np
import pytest
from bundles import KEY, described

from vitcrypt.service import batching
from vitcrypt.service.app import create_app
from vitcrypt.service.batching import Batcher
from vitcrypt.service.limits import FullError, Limits, Room


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
    batcher = Batcher(backend, max_batch)
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


@pytest.mark.parametrize(("seconds", "thread"), [(60.0, "MainThread"), (0.0, "inference_0")])
def test_only_what_may_be_slow_is_handed_to_the_thread(seconds, thread, monkeypatch):
    monkeypatch.setattr(batching, "AT_ONCE", seconds)
    backend, threads = Counted(), []
    batcher = Batcher(lambda batch: (threads.append(threading.current_thread().name), backend(batch))[1])

    async def ask():
        return [(await batcher(images(i))).argmax() for i in range(3)]

    assert running(batcher, ask) == [0, 1, 2]
    assert threads == ["inference_0", thread, thread], "how slow it is the first one tells"


def test_places_are_given_in_order_and_not_for_ever():
    room, told = Room(4), []

    async def visitor(name, count, patience, seconds):
        try:
            async with room.hold(count, patience):
                told.append(name)
                assert room.taken <= max(4, count)
                await asyncio.sleep(seconds)
        except FullError:
            told.append(f"not {name}")

    async def ask():
        visitors = [("a", 3, 5, 0.3), ("b", 2, 5, 0), ("c", 1, 5, 0), ("d", 1, 0, 0), ("e", 4, 5, 0), ("f", 1, 5, 0)]
        await asyncio.gather(*(visitor(*one) for one in visitors))
        await visitor("g", 9, 5, 0)  # alone it may take more

    asyncio.run(asyncio.wait_for(ask(), 10))
    assert told == ["a", "not e", "not f", "not d", "b", "c", "g"], "as many as there are places stand in the line"
    assert room.taken == room.asked == 0


def test_who_leaves_the_line_gives_up_his_place():
    room = Room(3)

    async def ask():
        async def hold(count, seconds=0.0):
            async with room.hold(count, 5):
                await asyncio.sleep(seconds)

        first = asyncio.create_task(hold(3, 0.05))
        await asyncio.sleep(0)
        large, small = asyncio.create_task(hold(2)), asyncio.create_task(hold(1))
        await asyncio.sleep(0.01)
        large.cancel()
        await asyncio.gather(first, small)
        late = asyncio.create_task(hold(3, 1))
        await asyncio.sleep(0)
        late.cancel()
        await asyncio.gather(late, large, return_exceptions=True)

    asyncio.run(asyncio.wait_for(ask(), 10))
    assert room.taken == room.asked == 0


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
    limits = Limits(max_images=1, wait_seconds=0.1)
    app = create_app(described(), Counted(0.2), limits, max_batch=1, max_wait=0)  # eight may wait

    async def ask():
        transport = httpx.ASGITransport(app)
        headers = {"X-Key-Fingerprint": KEY.fingerprint, "Content-Type": "application/octet-stream"}
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://x") as http,
        ):
            asked = [http.post("/predict", content=images(1).tobytes(), headers=headers) for _ in range(20)]
            return await asyncio.gather(*asked)

    answers = asyncio.run(ask())
    assert {answer.status_code for answer in answers} == {200, 429}
    waiting = next(answer for answer in answers if answer.status_code == 429)
    assert waiting.headers["retry-after"] == "1"
    assert "too many images are waiting" in waiting.json()["detail"]
