"""What a client of a server keeps up to date, hands out once, and says of how old that is."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any

import pytest
from tests.surfaces.http.remote import Restarted

from realmconf.errors import ForkedInTransaction, SecretWithheld, StoreUnavailable
from realmconf.runtime.aio import AsyncClient
from realmconf.runtime.follow import BehindError

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
            watch: Any = client.realm("a").watch(after=0, view="own")
            step = watch._follower.step

            def slow():
                at_work.append(1)
                assert len(at_work) == 1, "two at once"
                found = step()
                looked.release()
                assert gate.acquire(timeout=PATIENCE_SECONDS)
                at_work.pop()
                return found

            def behind():
                raise BehindError

            watch._follower.step = slow
            # As if nothing were in memory: each has to be asked for.
            watch._follower.glance = behind
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


@pytest.fixture
def server(tmp_path):
    server = Restarted(str(tmp_path / "store"))
    yield server
    server.stop()


@pytest.fixture
def client(server):
    client = server.asked_with("admin", "secrets")
    yield client
    client.close()


def wait_until(holds):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_every_realm_that_is_read_is_kept_up(server, client):
    """``current`` of any number of realms follows what others write, also of more than fit into one question."""
    number = 70
    writer = server.client
    for index in range(number):
        writer.realm(f"r{index:02d}").set({"n": 0})
    realms = [client.realm(f"r{index:02d}") for index in range(number)]
    assert [realm.current for realm in realms] == [{"n": 0}] * number
    for index in range(number):
        writer.realm(f"r{index:02d}").set({"n": 1})
    wait_until(lambda: [realm.current for realm in realms] == [{"n": 1}] * number)


class Late:
    """Holds the answers of a client's connection back: what they say was true when they were sent."""

    def __init__(self, client):
        self._connection = client.store.connection
        self._send = self._connection._send
        self._connection._send = self
        self.path = None
        self.arrived, self.gate = threading.Event(), threading.Event()

    def __call__(self, path, *arguments, **options):
        answer = self._send(path, *arguments, **options)
        if path == self.path:
            self.arrived.set()
            assert self.gate.wait(PATIENCE_SECONDS)
        return answer


def test_an_age_begins_when_the_question_was_sent(server, client):
    """``current_age`` never says that something is newer than it was shown to be: a late answer is an old one."""
    realm = client.realm("r")
    realm.set({"n": 0})
    assert realm.current == {"n": 0}
    client.store._stream.stop()
    late = Late(client)
    late.path = "/v1/store/write"
    writing = threading.Thread(target=lambda: realm.set({"n": 1}))
    writing.start()
    assert late.arrived.wait(PATIENCE_SECONDS)
    server.client.realm("r").set({"n": 2})
    acknowledged_at = time.monotonic()
    late.gate.set()
    writing.join(PATIENCE_SECONDS)
    before = time.monotonic()
    current, age = realm.current, realm.current_age
    assert current == {"n": 1}
    assert age >= before - acknowledged_at


def test_a_beat_makes_nothing_younger_by_itself(server, client):
    """What the server says unasked may be from any time; the question that follows it tells what is the newest."""
    realm = client.realm("r")
    realm.set({"n": 0})
    assert realm.current == {"n": 0}
    client.store._stream.stop()
    late = Late(client)
    late.path = "/v1/store/read"
    beat = threading.Thread(target=client.store._stream._on_beat)
    beat.start()
    assert late.arrived.wait(PATIENCE_SECONDS)
    late.path = None
    server.client.realm("r").set({"n": 1})
    acknowledged_at = time.monotonic()
    late.gate.set()
    beat.join(PATIENCE_SECONDS)
    before = time.monotonic()
    assert realm.current == {"n": 0}
    assert realm.current_age >= before - acknowledged_at
    client.store._stream._on_beat()
    assert realm.current == {"n": 1}


def test_a_fork_inside_a_change_is_refused_in_the_child(server, client):
    """G6: of a process that forks while it decides, only the parent sends; the child is told so, by its own error."""
    realm = client.realm("r")
    realm.set({"by": "nobody"})
    parent = os.getpid()
    status = []

    def fork(draft):
        child = os.fork()
        if child:
            status.append(os.waitpid(child, 0)[1])
        draft["by"] = "parent" if child else "child"

    try:
        realm.update(fork)
    except ForkedInTransaction:
        # In the child; afterwards the handle is its own.
        if os.getpid() != parent:
            os._exit(0 if client.realm("q").set({"by": "child"}).changed else 2)
        raise
    finally:
        if os.getpid() != parent:
            os._exit(1)
    assert status == [0]
    assert realm.get().config == {"by": "parent"}
    assert server.client.realm("q").get().config == {"by": "child"}


def test_a_slow_change_of_one_realm_holds_up_no_other(client):
    """What takes its time to decide is waited for in its own realm only."""
    began, gate = threading.Event(), threading.Event()

    def slowly(draft):
        began.set()
        assert gate.wait(PATIENCE_SECONDS)
        draft["n"] = 1

    for name in ("a", "b"):
        client.realm(name).set({"n": 0})
    slow = threading.Thread(target=lambda: client.realm("a").update(slowly))
    slow.start()
    assert began.wait(PATIENCE_SECONDS)
    client.realm("b").update(lambda draft: draft.update(n=1))
    gate.set()
    slow.join(PATIENCE_SECONDS)
    assert [client.realm(name).get().config for name in ("a", "b")] == [{"n": 1}] * 2


def test_those_who_are_overtaken_come_back_at_different_times(server):
    """Clients that count up one number at once need few requests each, and lose nothing."""
    clients = [server.asked_with("admin", "secrets") for _ in range(4)]
    clients[0].realm("r").set({"n": 0})
    asked = sum(client.store.connection.requests for client in clients)

    def count(client):
        for _ in range(10):
            client.realm("r").update(lambda draft: draft.update(n=draft["n"] + 1))

    counting = [threading.Thread(target=count, args=(client,)) for client in clients]
    for thread in counting:
        thread.start()
    for thread in counting:
        thread.join(PATIENCE_SECONDS)
    asked = sum(client.store.connection.requests for client in clients) - asked
    assert clients[0].realm("r").get().config == {"n": 40}
    assert asked <= 40 * 10
    for client in clients:
        client.close()


def test_what_tells_of_a_secret_does_not_read_it(server):
    """Differences, results, steps and explanations of what is withheld name the place, and raise where it is read."""
    realm = server.client.realm("r")
    realm.set({"password": "hunter2", "n": 1})
    realm.set({"password": "hunter3", "n": 1})
    client = server.asked_with("write")
    asked = client.realm("r")
    step = next(asked.watch(after=1, view="own"))
    effective = next(asked.watch(after=asked.at(1), view="effective"))
    written = asked.patch({"password": "hunter4"})
    for found in (asked.diff(1, 2), step.changes, effective.changes, written.changes):
        (change,) = found
        assert str(change.pointer) == "/password"
        assert "secret" not in repr(found)
        for side in ("before", "after"):
            with pytest.raises(SecretWithheld):
                getattr(change, side)
    explained = asked.explain("/password")
    assert (explained.realm, explained.generation) == ("r", 3)
    with pytest.raises(SecretWithheld):
        _ = explained.value
    assert "secret" not in repr(explained)
    with pytest.raises(SecretWithheld):
        list(asked.explain().value.items())
    client.close()


def test_an_outage_is_told_of_once(server, client, caplog, monkeypatch):
    """While a server is away a callback on changes is told of in one line of the log, and afterwards called as ever."""
    monkeypatch.setattr("realmconf.runtime.watch.RETRY_SECONDS", 0.01)
    seen = []
    client.realm("r").on_change(lambda snapshot: seen.append(snapshot.generation))
    client.realm("r").set({"n": 1})
    wait_until(lambda: seen == [1])
    connection = client.store.connection
    send, failed = connection._send, []

    def fail(*arguments, **options):
        failed.append(1)
        raise StoreUnavailable("it is away")

    connection._send = fail
    client.store._bells.ring()
    wait_until(lambda: len(failed) > 5)
    connection._send = send
    server.client.realm("r").set({"n": 2})
    wait_until(lambda: seen == [1, 2])
    told = [record for record in caplog.records if "watching realm r" in record.getMessage()]
    assert len(told) == 1
    assert told[0].exc_info is None
