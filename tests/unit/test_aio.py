"""The async face: the same names, awaited, and nothing decided twice."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import pytest

from realmconf.errors import GenerationConflict, InvalidArgument, StoreUnavailable
from realmconf.runtime import aio
from realmconf.runtime.aio import AsyncClient, AsyncConfigRuntime, aconnect
from realmconf.runtime.client import Client, connect
from realmconf.runtime.runtime import ConfigRuntime

PATIENCE_SECONDS = 20.0


@pytest.fixture(params=["memory", "embedded"])
def url(request, tmp_path):
    """Where a client is opened."""
    return "memory://" if request.param == "memory" else str(tmp_path / "realms")


def run(main):
    """Run one coroutine function on a loop of its own."""
    asyncio.run(asyncio.wait_for(main(), PATIENCE_SECONDS))


# --- parity ------------------------------------------------------------------------

SYNC_ALONE = {
    ConfigRuntime: {"snapshot_of", "source", "writing"},
    Client: {"store", "acting", "authorship", "deadline", "lineages", "may_read", "scope"},
}
"""What other modules of the library use of the synchronous classes; no user does."""


def public(cls):
    return {name for name in dir(cls) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("sync", "face"), [(ConfigRuntime, AsyncConfigRuntime), (Client, AsyncClient)]
)
def test_every_name_has_its_awaited_twin_with_the_same_signature(sync, face):
    """Parameters, kinds and defaults are the same; only what comes back is awaited."""
    missing = public(sync) - public(face) - SYNC_ALONE[sync]
    assert missing == set()
    for name in public(sync) & public(face):
        ours, theirs = inspect.getattr_static(face, name), inspect.getattr_static(sync, name)
        if isinstance(theirs, property) or not callable(theirs):
            continue
        expected = [
            (each.name, each.kind, each.default)
            for each in inspect.signature(theirs).parameters.values()
        ]
        actual = [
            (each.name, each.kind, each.default)
            for each in inspect.signature(ours, follow_wrapped=True).parameters.values()
        ]
        assert actual == expected, name
        assert ours.__doc__


def test_opening_has_the_same_signature():
    """``aconnect`` is ``connect``, awaited."""
    assert list(inspect.signature(aconnect).parameters.values()) == list(
        inspect.signature(connect).parameters.values()
    )
    assert aconnect.__doc__ == connect.__doc__


# --- calls -------------------------------------------------------------------------


def test_every_kind_of_call_goes_through(url):
    """Reads, writes, history, several realms, export."""

    async def main():
        async with aconnect(url, author="t") as client:
            realm = client.realm("a")
            assert not (await realm.get()).exists
            assert (await realm.set({"x": 1}, expected_generation=0)).generation == 1
            assert (await realm.update(lambda draft: draft.update(y=2))).document == {
                "x": 1,
                "y": 2,
            }
            with pytest.raises(GenerationConflict):
                await realm.patch({"z": 1}, expected_generation=1)
            assert realm.current == {"x": 1, "y": 2}
            assert realm.current_age == 0.0
            assert [revision.generation for revision in await realm.history()] == [2, 1]
            assert (await realm.at(1)).document == {"x": 1}
            assert (await realm.envelope()).config == {"x": 1, "y": 2}
            assert not (await realm.policy).require_generation
            await client.transaction([("b", {"set": {"b": 1}}), ("c", {"set": {"c": 1}})])
            assert [entry.realm for entry in await client.realms()] == ["a", "b", "c"]
            lines = [line async for line in client.export(realms=["a"])]
            assert len(lines) == 3
            assert client.info.name in repr(client)
            assert client.url

    run(main)


def test_a_client_can_be_awaited_instead_of_entered(url):
    """And closed by hand, twice."""

    async def main():
        client = await aconnect(url, author="t")
        realm = client.realm("a")
        await realm.set({"x": 1})
        await realm.close()
        await client.close()

    run(main)


def test_an_unchanged_read_runs_on_the_loop(url):
    """No thread is visited for a look at memory, and the snapshot is the same one."""

    async def main():
        async with aconnect(url, author="t") as client:
            realm = client.realm("a")
            await realm.set({"x": 1})
            first = await realm.get()
            client.threads.shutdown()
            assert await realm.get() is first
            with pytest.raises(RuntimeError):
                await realm.set({"x": 2})

    run(main)


def test_a_cancelled_awaiter_does_not_cancel_a_write_that_has_started(url):
    """It is committed all the same; the awaiter alone gives up."""

    async def main():
        async with aconnect(url, author="t") as client:
            realm = client.realm("a")
            started, finish = threading.Event(), threading.Event()

            def change(draft):
                draft["x"] = 1
                started.set()
                finish.wait(PATIENCE_SECONDS)

            writing: asyncio.Task[Any] = asyncio.create_task(realm.update(change))
            await asyncio.to_thread(started.wait, PATIENCE_SECONDS)
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
            finish.set()
            async for snapshot in realm.watch(after=0, view="own"):
                assert snapshot.document == {"x": 1}
                break

    run(main)


def test_closing_waits_for_writes_that_have_started(url):
    """Nothing is cut off in the middle."""

    async def main():
        client = await aconnect(url, author="t")
        started = threading.Event()

        def change(draft):
            started.set()
            draft["x"] = 1

        writing: asyncio.Task[Any] = asyncio.create_task(client.realm("a").update(change))
        await asyncio.to_thread(started.wait, PATIENCE_SECONDS)
        await client.close()
        assert (await writing).generation == 1

    run(main)


def test_reads_do_not_wait_behind_writes():
    """Even with every writing thread waiting for the turn."""

    async def main():
        async with aconnect("memory://", author="t") as client:
            realm = client.realm("a")
            await realm.set({"n": 0})
            entered, finish = threading.Event(), threading.Event()

            def hold(draft):
                entered.set()
                finish.wait(PATIENCE_SECONDS)

            holding = asyncio.create_task(realm.update(hold))
            await asyncio.to_thread(entered.wait, PATIENCE_SECONDS)
            writes = [
                asyncio.create_task(realm.set({"n": number}))
                for number in range(2 * aio.WRITING_THREADS_MAX)
            ]
            await asyncio.sleep(0)
            assert (await realm.at(1)).document == {"n": 0}
            assert len(await realm.history()) == 1
            assert (await realm.get()).generation == 1
            finish.set()
            await asyncio.gather(holding, *writes)
            assert (await realm.get()).generation > 1

    run(main)


# --- watching ----------------------------------------------------------------------


def test_many_watchers_see_every_generation(url):
    """Each of them in order, once, through one subscription and without a thread of its own."""

    async def main():
        async with aconnect(url, author="t") as client:
            realm = client.realm("a")
            await realm.set({"n": 0})

            async def collect():
                seen = []
                async for snapshot in realm.watch(after=0, view="own"):
                    seen.append(snapshot.generation)
                    if snapshot.generation == 11:
                        return seen
                return seen

            watching = [asyncio.create_task(collect()) for _ in range(100)]
            await asyncio.sleep(0)
            threads = threading.active_count()
            for number in range(1, 11):
                await realm.set({"n": number})
            assert all(seen == list(range(1, 12)) for seen in await asyncio.gather(*watching))
            assert threading.active_count() < threads + aio.WRITING_THREADS_MAX + 5

    run(main)


def test_a_watcher_is_woken_by_another_client(url):
    """A write from a thread that knows nothing of the loop."""

    async def main():
        async with aconnect(url, author="t") as client:
            watch = client.realm("a").watch()
            task = asyncio.create_task(anext(watch))
            await asyncio.sleep(0)
            await asyncio.to_thread(client.sync.realm("a").set, {"x": 1})
            assert (await task).generation == 1
            watch.close()
            assert [snapshot async for snapshot in watch] == []

    run(main)


def test_a_watch_ends_after_silence_and_by_closing(url):
    """As the synchronous one."""

    async def main():
        async with aconnect(url, author="t") as client:
            realm = client.realm("a")
            assert [snapshot async for snapshot in realm.watch(timeout=0.01)] == []
            async with realm.watch() as watch:
                task = asyncio.create_task(anext(watch, None))
                await asyncio.sleep(0)
                watch.close()
                assert await task is None
            with pytest.raises(InvalidArgument):
                realm.watch(after="x")

    run(main)


def test_silence_is_without_steps_not_without_hints(url):
    """A watch ends after its silence also while other realms are written all the time."""

    async def main():
        async with aconnect(url, author="t") as client:
            client.sync.realm("a").set({"x": 1})
            waiting = asyncio.create_task(anext(client.realm("a").watch(timeout=0.2), None))
            written = 0
            while not waiting.done():
                written += 1
                await client.realm("b").set({"n": written})
            assert await waiting is None

    run(main)


def test_closing_the_client_ends_its_watches(url):
    """Nobody waits for a store that is gone."""

    async def main():
        client = await aconnect(url, author="t")
        task = asyncio.create_task(anext(client.realm("a").watch(), None))
        await asyncio.sleep(0)
        await client.close()
        assert await task is None

    run(main)


def test_a_change_while_nobody_waits_is_not_missed(url):
    """A watcher that is busy with its last snapshot finds what came meanwhile."""

    async def main():
        async with aconnect(url, author="t") as client:
            realm = client.realm("a")
            await realm.set({"n": 0})
            watch = realm.watch(after=0, view="own", timeout=PATIENCE_SECONDS)
            assert (await anext(watch)).generation == 1
            for number in range(1, 20):
                await realm.set({"n": number})
                await asyncio.sleep(0.002)
                assert (await anext(watch)).generation == number + 1

    run(main)


def test_watchers_of_one_handle_share_a_snapshot(url):
    """A configuration is typed once, however many watch it."""

    async def main():
        async with aconnect(url, author="t") as client:
            realm = client.realm("a")
            await realm.set({"n": 0})
            watching = [asyncio.create_task(anext(realm.watch())) for _ in range(10)]
            await asyncio.sleep(0.05)
            await realm.set({"n": 1})
            first, *others = await asyncio.gather(*watching)
            assert all(other is first for other in others)

    run(main)


def test_a_cancelled_watcher_leaves_the_others_waiting(url):
    """Each waits for itself."""

    async def main():
        async with aconnect(url, author="t") as client:
            realm = client.realm("a")
            gone, there = (asyncio.create_task(anext(realm.watch())) for _ in range(2))
            await asyncio.sleep(0)
            gone.cancel()
            await realm.set({"x": 1})
            assert (await there).generation == 1
            assert gone.cancelled()

    run(main)


def test_callbacks_may_be_coroutines(url, caplog):
    """Plain or async; what they raise is logged, and the next change is still owed."""

    async def main():
        async with aconnect(url, author="t") as client:
            realm = client.realm("a")
            seen: asyncio.Queue[int] = asyncio.Queue()

            async def callback(snapshot):
                await seen.put(snapshot.generation)
                if snapshot.generation == 1:
                    raise ValueError("mine")

            handles = [
                realm.on_change(callback, pointer="x"),
                realm.on_change(lambda snapshot: seen.put_nowait(-snapshot.generation)),
            ]
            await realm.set({"x": 1})
            assert {await seen.get(), await seen.get()} == {1, -1}
            await realm.set({"x": 1, "y": 1})
            assert await seen.get() == -2
            await realm.set({"x": 2})
            assert {await seen.get(), await seen.get()} == {3, -3}
            for handle in handles:
                handle.cancel()
            await realm.set({"x": 3})
            await asyncio.sleep(0.01)
            assert seen.empty()

    run(main)
    assert "realm a" in caplog.text


@pytest.mark.parametrize("failure", [ValueError("a defect"), StoreUnavailable("not now")])
def test_a_callback_is_told_of_by_the_log_when_watching_fails(url, caplog, monkeypatch, failure):
    """Tried again after what may pass; else ended, and nothing fails silently."""
    monkeypatch.setattr("realmconf.runtime.aio.RETRY_SECONDS", 0.01)

    async def main():
        async with aconnect(url, author="t") as client:
            realm = client.realm("a")
            seen: asyncio.Queue[int] = asyncio.Queue()
            handle = realm.on_change(lambda snapshot: seen.put_nowait(snapshot.generation))
            await asyncio.sleep(0)
            lineages = client.sync.lineages
            looked = lineages.point

            def broken(name, *, adopt=True):
                lineages.point = looked  # type: ignore[method-assign]
                raise failure

            lineages.point = broken  # type: ignore[method-assign]
            await realm.set({"x": 1})
            if isinstance(failure, StoreUnavailable):
                assert await seen.get() == 1
                handle.cancel()
            await handle._task
            assert seen.empty()

    run(main)
    assert "watching realm a failed" in caplog.text
    assert ("no more" in caplog.text) is isinstance(failure, ValueError)


def test_a_callback_under_way_when_the_client_closes_is_the_last(url, caplog):
    """Its subscription ends with the client, without a wait that nobody would end."""

    async def main():
        client = await aconnect(url, author="t")
        called, closed = asyncio.Event(), asyncio.Event()

        async def callback(snapshot):
            called.set()
            await closed.wait()

        handle = client.realm("a").on_change(callback)
        await client.realm("a").set({"x": 1})
        await called.wait()
        await client.close()
        closed.set()
        async with asyncio.timeout(20):
            await handle._task

    run(main)
    assert caplog.text == ""


def test_one_client_serves_one_loop_after_another(url):
    """The subscription belongs to the loop that runs."""
    clients = []

    async def first():
        clients.append(await aconnect(url, author="t"))
        realm = clients[0].realm("a")
        await realm.set({"x": 1})
        assert [s.generation async for s in realm.watch(after=0, view="own", timeout=0.01)] == [1]

    async def second():
        realm = clients[0].realm("a")
        task = asyncio.create_task(anext(realm.watch()))
        await asyncio.sleep(0)
        await realm.set({"x": 2})
        assert (await task).generation == 2
        await clients[0].close()

    run(first)
    run(second)
