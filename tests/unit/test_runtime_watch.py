"""Watching: every generation after the cursor, in order, once, or an explicit reset (G7)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from realmconf import ABSENT
from realmconf.domain.diff import Change
from realmconf.domain.pointer import Pointer
from realmconf.errors import StoreUnavailable
from realmconf.runtime.client import Client, connect
from realmconf.runtime.follow import OwnFollower as Follower
from realmconf.runtime.follow import parse_after

SILENCE_SECONDS = 0.05
PATIENCE_SECONDS = 20.0


@pytest.fixture
def realm(client):
    return client.realm("a")


def generations(watch):
    return [snapshot.generation for snapshot in watch]


def test_every_generation_after_the_cursor_comes_once_and_in_order(realm):
    """From any kind of cursor: number, etag, snapshot, cursor of an earlier watch."""
    results = [realm.set({"n": number}) for number in range(1, 7)]
    third = results[2]
    for after, view in (
        (3, "own"),
        (third.etag, "own"),
        (third.etag, "effective"),
        (third, "own"),
        (third, "effective"),
        (third.revision.etag, "own"),
    ):
        watch = realm.watch(after=after, view=view, timeout=SILENCE_SECONDS)
        assert generations(watch) == [4, 5, 6]
    assert generations(realm.watch(after=0, view="own", timeout=SILENCE_SECONDS)) == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]


@pytest.mark.parametrize("view", ["own", "effective"])
def test_a_watch_is_resumed_by_its_cursor(realm, view):
    """Each snapshot's cursor goes on after it."""
    start = realm.get()
    for number in range(5):
        realm.set({"n": number})
    first = realm.watch(after=start, view=view)
    seen = [next(first) for _ in range(2)]
    first.close()
    rest = realm.watch(after=seen[-1].cursor, view=view, timeout=SILENCE_SECONDS)
    assert [snapshot.generation for snapshot in seen] + generations(rest) == [1, 2, 3, 4, 5]
    again = realm.watch(after=seen[-1], view=view, timeout=SILENCE_SECONDS)
    assert generations(again) == [3, 4, 5]


def test_a_watch_without_a_cursor_starts_where_it_was_made(realm):
    """Not at the first ``next``: what is written in between is not missed."""
    realm.set({"n": 1})
    watch = realm.watch(timeout=SILENCE_SECONDS)
    realm.set({"n": 2})
    realm.set({"n": 3})
    assert generations(watch) == [2, 3]


def test_a_watched_snapshot_says_what_changed(realm):
    """Against the generation before, leaf by leaf, whether read from history or as it came."""
    realm.set({"x": 1})
    watch = realm.watch(after=0, view="own", timeout=SILENCE_SECONDS)
    assert next(watch).changes == (Change(pointer=Pointer(("x",)), before=ABSENT, after=1),)
    realm.set({"x": 2})
    snapshot = next(watch)
    (change,) = snapshot.changes
    assert (str(change.pointer), change.before, change.after) == ("/x", 1, 2)
    assert not snapshot.reset
    assert snapshot.config == {"x": 2}


def test_a_deletion_is_a_generation(realm):
    """A tombstone comes like every other revision."""
    realm.set({"x": 1})
    watch = realm.watch(timeout=SILENCE_SECONDS)
    realm.delete()
    snapshot = next(watch)
    assert (snapshot.generation, snapshot.exists) == (2, False)


def test_a_waiting_watch_is_woken(realm):
    """By a write of another thread, without polling by the test or the watch."""
    watch = realm.watch()
    seen = []
    thread = threading.Thread(target=lambda: seen.append(next(watch).generation))
    thread.start()
    realm.set({"x": 1})
    thread.join(PATIENCE_SECONDS)
    assert seen == [1]
    watch.close()


def test_closing_ends_a_watch_that_waits(realm):
    """From another thread; closing twice is fine."""
    watch = realm.watch()
    ended = threading.Event()

    def run():
        for _ in watch:
            pass
        ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    watch.close()
    assert ended.wait(PATIENCE_SECONDS)
    thread.join()
    watch.close()
    assert list(watch) == []


def test_leaving_the_context_closes_the_watch(realm):
    """A watch is a context manager."""
    with realm.watch() as watch:
        realm.set({"x": 1})
        assert next(watch).generation == 1
    assert list(watch) == []


def test_a_cursor_below_the_floor_resets(client, realm):
    """What cannot be told any more is said to be so: one snapshot of the head, then on from there."""
    start = realm.set({"n": 0})
    for number in range(1, 6):
        realm.set({"n": number})
    client.compact(keep=2)
    for after, view in ((1, "own"), (start, "effective"), (0, "own")):
        watch = realm.watch(after=after, view=view, timeout=SILENCE_SECONDS)
        snapshot = next(watch)
        assert (snapshot.reset, snapshot.generation, snapshot.changes) == (True, 6, ())
        assert generations(watch) == []


def test_compaction_behind_a_watch_is_no_reset(client, realm):
    """A watch that has seen what went away misses nothing."""
    realm.set({"n": 0})
    watch = realm.watch(timeout=SILENCE_SECONDS)
    for number in range(1, 4):
        realm.set({"n": number})
    seen = [next(watch) for _ in range(3)]
    client.compact(keep=1)
    realm.set({"n": 9})
    last = next(watch)
    assert [snapshot.reset for snapshot in [*seen, last]] == [False] * 4
    assert last.generation == 5


def test_a_cursor_of_another_timeline_resets(client, realm):
    """Its digest is not on this history (G2)."""
    for number in range(3):
        realm.set({"n": number})
    other = client.realm("b")
    for number in range(3):
        other.set({"m": number})
    foreign = other.at(2).etag
    (snapshot,) = realm.watch(after=foreign, timeout=SILENCE_SECONDS)
    assert (snapshot.reset, snapshot.generation) == (True, 3)
    (snapshot,) = realm.watch(after=other.at(3).etag, timeout=SILENCE_SECONDS)
    assert (snapshot.reset, snapshot.generation) == (True, 3)


def test_a_cursor_above_the_head_resets(realm):
    """A store that was replaced by an older copy of itself."""
    realm.set({"n": 0})
    (snapshot,) = realm.watch(after=9, view="own", timeout=SILENCE_SECONDS)
    assert (snapshot.reset, snapshot.generation) == (True, 1)


def test_a_long_backlog_is_read_in_pages(realm):
    """Some hundred generations behind are as good as one."""
    client = connect("memory://", author="t")
    realm = client.realm("a")
    for number in range(600):
        realm.set({"n": number})
    watch = realm.watch(after=0, view="own", timeout=SILENCE_SECONDS)
    assert generations(watch) == list(range(1, 601))


def test_a_purged_generation_comes_without_its_changes(client, realm):
    """Nobody can tell any more what it changed."""
    for number in range(3):
        realm.set({"n": number})
    client.purge("a", 2)
    seen = list(realm.watch(after=1, view="own", timeout=SILENCE_SECONDS))
    assert (seen[0].generation, seen[0].changes) == (2, ())
    assert seen[1].document == {"n": 2}


def test_a_slow_reader_misses_nothing_while_writers_go_on(realm):
    """History is the buffer."""
    watch = realm.watch(after=0, view="own")

    def write():
        for number in range(100):
            realm.set({"n": number})

    writer = threading.Thread(target=write)
    writer.start()
    seen = [next(watch).generation for _ in range(100)]
    writer.join()
    watch.close()
    assert seen == list(range(1, 101))


# --- on_change -----------------------------------------------------------------------


class Collected:
    """A callback that remembers, and can be waited for."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self._condition = threading.Condition()

    def __call__(self, snapshot):
        with self._condition:
            self.seen.append(snapshot.generation)
            self._condition.notify_all()

    def wait_for(self, generation):
        with self._condition:
            assert self._condition.wait_for(lambda: generation in self.seen, PATIENCE_SECONDS), (
                self.seen
            )


def test_a_callback_is_called_for_changes_at_its_pointer(realm):
    """At it, above it or below it; not elsewhere."""
    collected = Collected()
    handle = realm.on_change(collected, pointer="agent.model")
    realm.set({"agent": {"model": "m"}})
    realm.set_value("other", 1)
    realm.set_value("agent.retries", 1)
    realm.set_value("agent.model", {"name": "n"})
    realm.set_value("agent.model.name", "o")
    realm.delete()
    collected.wait_for(6)
    handle.cancel()
    assert collected.seen == [1, 4, 5, 6]


def test_a_callback_that_raises_is_called_again(realm, caplog):
    """The failure is logged; the next change is still owed."""
    collected = Collected()

    def callback(snapshot):
        collected(snapshot)
        if snapshot.generation == 1:
            raise ValueError("mine")

    handle = realm.on_change(callback)
    realm.set({"x": 1})
    realm.set({"x": 2})
    collected.wait_for(2)
    handle.cancel()
    assert collected.seen == [1, 2]
    assert "realm a" in caplog.text


def test_after_cancel_no_call_is_made(realm):
    """Cancelling waits for a call that is under way."""
    collected = Collected()
    handle = realm.on_change(collected)
    realm.set({"x": 1})
    collected.wait_for(1)
    handle.cancel()
    realm.set({"x": 2})
    assert collected.seen == [1]


def test_a_callback_may_cancel_itself(realm):
    """It does not wait for its own end."""
    handles: list[Any] = []
    called = threading.Event()

    def callback(snapshot):
        handles[0].cancel()
        called.set()

    handles.append(realm.on_change(callback))
    realm.set({"x": 1})
    assert called.wait(PATIENCE_SECONDS)


class Failing:
    """A store whose head cannot be looked at once *failure* is set."""

    def __init__(self, inner) -> None:
        self.inner = inner
        self.failure: Exception | None = None
        self.asked = threading.Event()
        self.before_failing = lambda: None

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def close(self):
        """Leave it open for the one that writes."""

    def head(self, realm, *, adopt=True):
        if self.failure is None:
            return self.inner.head(realm, adopt=adopt)
        self.before_failing()
        self.asked.set()
        raise self.failure


@pytest.mark.parametrize(
    "failure", [ValueError("released memoryview"), StoreUnavailable("the client is closed")]
)
def test_a_subscription_ends_quietly_with_its_client(client, caplog, failure):
    """Whatever a store that is being closed answers: nobody wants to hear of it."""
    store = Failing(client.store)
    watching = Client(store, author="t")
    handle = watching.realm("a").on_change(lambda snapshot: None)
    store.before_failing = watching.close
    store.failure = failure
    client.realm("a").set({"x": 1})
    handle._thread.join(PATIENCE_SECONDS)
    assert not handle._thread.is_alive()
    assert store.asked.is_set()
    assert caplog.text == ""


def test_a_subscription_that_cannot_go_on_says_so(client, caplog):
    """What trying again would not mend ends it, and the log tells why."""
    store = Failing(client.store)
    handle = Client(store, author="t").realm("a").on_change(lambda snapshot: None)
    store.failure = ValueError("a defect")
    client.realm("a").set({"x": 1})
    handle._thread.join(PATIENCE_SECONDS)
    assert not handle._thread.is_alive()
    assert "realm a failed; its callback is called no more" in caplog.text
    assert "a defect" in caplog.text


def test_a_subscription_outlives_a_store_that_cannot_be_reached(client, caplog, monkeypatch):
    """The failure is logged; what was written meanwhile is told of when the store is back."""
    monkeypatch.setattr("realmconf.runtime.watch.RETRY_SECONDS", 0.01)
    store = Failing(client.store)
    collected = Collected()
    handle = Client(store, author="t").realm("a").on_change(collected)
    store.failure = StoreUnavailable("not now")
    client.realm("a").set({"x": 1})
    assert store.asked.wait(PATIENCE_SECONDS)
    store.failure = None
    collected.wait_for(1)
    handle.cancel()
    assert "realm a failed; it is tried again" in caplog.text


def test_closing_the_client_ends_its_watches(client):
    """Nobody waits for a store that is gone."""
    watch = client.realm("a").watch()
    ended = threading.Event()

    def run():
        for _ in watch:
            pass
        ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    client.close()
    assert ended.wait(PATIENCE_SECONDS)


def test_a_follower_never_goes_beyond_the_head_it_is_given(client, realm):
    """Watchers that share one look at the head read history up to it, so the same look again is no reset (G7)."""
    first = realm.set({"n": 1})
    realm.set({"n": 2})
    realm.set({"n": 3})
    shared = client.store.head(realm.realm_id)
    realm.set({"n": 4})
    realm.set({"n": 5})
    start = parse_after(realm.realm_id, first, view="own", limits=client.limits)
    follower = Follower(client.store, realm.source, realm.realm_id, start.own)
    told = [follower.read(shared) for _ in range(3)]
    assert [snapshot.generation for snapshot in told if snapshot is not None] == [2, 3]
    assert told[2] is None
    newest = client.store.head(realm.realm_id)
    later = [follower.read(newest) for _ in range(2)]
    assert [(each.generation, each.reset) for each in later if each is not None] == [
        (4, False),
        (5, False),
    ]
