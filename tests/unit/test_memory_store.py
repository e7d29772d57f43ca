"""What is the memory store's own: order of turns, time-outs, forks. The contract is tested for every store."""

from __future__ import annotations

import os
import threading
import time

import pytest

from realmconf.domain.names import LIMITS
from realmconf.errors import ForkedInTransaction, LockTimeout, StoreUnavailable
from realmconf.runtime.client import Client, connect
from realmconf.stores.memory import open_store

PATIENCE_SECONDS = 20.0


class Held:
    """A writer that keeps the turn until it is released."""

    def __init__(self, realm) -> None:
        self.entered, self.release = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=realm.update, args=[self.change])
        self.thread.start()
        assert self.entered.wait(PATIENCE_SECONDS)

    def change(self, draft):
        self.entered.set()
        self.release.wait(PATIENCE_SECONDS)
        draft["holder"] = True

    def end(self):
        self.release.set()
        self.thread.join()


def wait_for_waiters(client, count):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(client.store._memory.turn._waiting) < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def client():
    return Client(open_store("", options={}, limits=LIMITS), author="t")


def test_turns_come_in_the_order_of_asking(client):
    """Nobody who waits is overtaken."""
    realm = client.realm("a")
    held = Held(realm)
    order = []
    threads = []
    for number in range(5):

        def write(number=number):
            realm.update(lambda draft: order.append(number))

        threads.append(threading.Thread(target=write))
        threads[-1].start()
        wait_for_waiters(client, number + 1)
    held.end()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_a_time_out_changes_nothing_and_keeps_the_order(client):
    """Whoever gave up is passed over; reads go on meanwhile."""
    realm = client.realm("a")
    realm.set({"x": 1})
    held = Held(realm)
    with pytest.raises(LockTimeout) as caught:
        realm.set({"x": 2}, timeout=0.01)
    assert caught.value.waited_seconds >= 0.01
    assert realm.get().document == {"x": 1}
    later = threading.Thread(target=realm.set_value, args=["y", 2])
    later.start()
    wait_for_waiters(client, 1)
    held.end()
    later.join()
    assert realm.get().document == {"x": 1, "holder": True, "y": 2}


def test_a_failed_judgement_gives_the_turn_back(client):
    """The next writer does not wait for it."""
    realm = client.realm("a")
    with pytest.raises(ZeroDivisionError):
        realm.update(lambda draft: 1 // 0)
    assert realm.set({"x": 1}, timeout=0).generation == 1


def in_child(call):
    """Run *call* in a forked child; what it returns (a small number) comes back."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = call()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def test_a_child_has_a_copy_of_its_own():
    """What it writes stays with it; what another thread was writing does not block it."""
    client = connect("memory://forked", author="t")
    realm = client.realm("a")
    realm.set({"x": 1})
    held = Held(realm)
    threading.Thread(target=realm.set, args=[{"x": 5}]).start()
    wait_for_waiters(client, 1)
    assert in_child(lambda: realm.set_value("x", 2, timeout=5).generation) == 2
    held.end()
    assert realm.at(2).document == {"x": 1, "holder": True}


def test_a_fork_inside_a_change_ends_the_change_in_the_child(client):
    """The transaction is the parent's; the child gets a typed error."""
    realm = client.realm("a")
    parent = os.getpid()
    codes = []

    def change(draft):
        draft["x"] = 1
        codes.append(os.fork())

    try:
        result = realm.update(change)
    except ForkedInTransaction:
        if os.getpid() != parent:
            os._exit(7)
        raise
    except BaseException:
        if os.getpid() != parent:
            os._exit(8)
        raise
    if os.getpid() != parent:
        os._exit(9)
    _, status = os.waitpid(codes[0], 0)
    assert os.waitstatus_to_exitcode(status) == 7
    assert result.generation == 1


def test_a_closed_client_asks_for_no_retry(client):
    """The same request, sent again, would find it closed again."""
    client.close()
    with pytest.raises(StoreUnavailable) as caught:
        client.realm("a").get()
    assert caught.value.retryable is False
    assert caught.value.to_dict()["retryable"] is False


def test_a_closed_handle_leaves_the_others_open():
    """A shared store lives as long as the process."""
    one, other = (connect("memory://closing", author="t") for _ in range(2))
    one.realm("a").set({"x": 1})
    one.close()
    with pytest.raises(StoreUnavailable):
        one.realm("a").get()
    assert other.realm("a").current == {"x": 1}
