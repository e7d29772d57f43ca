"""What a client of a server keeps up to date, and hands out once: generations, what it remembers, and how old that is."""

from __future__ import annotations

import asyncio
import threading

from tests.surfaces.http.remote import Restarted

from realmconf.runtime.aio import AsyncClient

PATIENCE_SECONDS = 20.0


def test_a_cancelled_awaiter_loses_no_generation(tmp_path):
    """Whoever stops waiting for the next generation leaves it to whoever waits next: each comes once, and in order."""
    server = Restarted(str(tmp_path / "store"))
    realm = server.client.realm("a")
    for number in range(3):
        realm.set({"n": number})
    looked, gate = threading.Semaphore(0), threading.Semaphore(0)
    at_work: list[int] = []

    async def main():
        client = AsyncClient(server.asked_with("read"))
        async with client:
            watch = client.realm("a").watch(after=0, view="own")
            advance = watch._follower.advance

            def slow():
                at_work.append(1)
                assert len(at_work) == 1, "two at once"
                found = advance()
                looked.release()
                assert gate.acquire(timeout=PATIENCE_SECONDS)
                at_work.pop()
                return found

            watch._follower.advance = slow
            for generation in (1, 2, 3):
                for _ in range(2):
                    # Both give up; the second finds the step of the first under way.
                    waiting = asyncio.create_task(anext(watch))
                    await asyncio.to_thread(looked.acquire)
                    waiting.cancel()
                    await asyncio.wait([waiting])
                    assert waiting.cancelled()
                    looked.release()
                assert looked.acquire(timeout=PATIENCE_SECONDS)
                gate.release()
                assert (await anext(watch)).generation == generation

    asyncio.run(asyncio.wait_for(main(), PATIENCE_SECONDS))
    server.stop()
