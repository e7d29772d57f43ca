"""What a store on etcd makes of servers that stop, die, come back, are compacted, or lose what was said to them."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from functools import partial

import pytest
from tests.engines.faults import GRACE_SECONDS, FaultSuite, write
from tests.engines.proxy import LOSE_ANSWER, LOSE_REQUEST, Proxy
from tests.engines.servers.etcd import Cluster, Etcd, compact, new_prefix
from tests.engines.watched import WATCHED, Watcher, Writer, checked

from realmconf.domain.names import LIMITS
from realmconf.errors import LockTimeout, OutcomeUnknown, RealmconfError, StoreUnavailable
from realmconf.runtime.client import connect
from realmconf.stores.engine import following
from realmconf.stores.etcd import ledger
from realmconf.stores.etcd.failures import LostError
from realmconf.stores.etcd.link import Link
from realmconf.stores.registry import open_store
from realmconf.testing.conformance.base import ONE, TWO, append, appending, soon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from realmconf.stores.protocol import Judgement, ReadView, Store

pytestmark = pytest.mark.engines

COMMIT = b'"request_put"'
"""What is in a write, and in nothing else that is said."""


@pytest.fixture
def engine(etcd: Etcd) -> Etcd:
    """The server that no test stops."""
    return etcd


@pytest.fixture
def server() -> Iterator[Etcd]:
    """A server of the test's own, for whatever it does to it."""
    server = Etcd()
    yield server
    server.close()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Three servers of the test's own."""
    cluster = Cluster()
    yield cluster
    cluster.close()


class TestFaults(FaultSuite):
    """What is claimed of every engine."""

    commit = COMMIT


# --- answers and requests that are lost --------------------------------------------------------


def test_several_realms_change_together_or_none_does(through: Store, proxy: Proxy) -> None:
    """G5: though every second request or answer is lost, under an id that all of them share."""

    def judge(view: ReadView) -> list[Judgement]:
        return [
            appending(realm, {"n": number}, write_id=f"both-{number}")(view)[0]
            for realm in (ONE, TWO)
        ]

    for number in range(1, 9):
        proxy.plan(LOSE_ANSWER if number % 2 else LOSE_REQUEST, matching=COMMIT)
        through.apply([ONE, TWO], judge, deadline=soon())
        proxy.wait_until_it_happened()
        with through.view() as view:
            assert view.head(ONE).generation == view.head(TWO).generation == number
            for realm in (ONE, TWO):
                receipt = view.receipt(realm, f"both-{number}")
                assert receipt is not None
                assert receipt.generation == number


# --- a server that answers no more -----------------------------------------------------------


def test_nothing_outlasts_its_deadline_beside_a_stopped_server(
    server: Etcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads, writes, views and openings end in time, typed, and all goes on when the server does."""
    monkeypatch.setattr(ledger, "READ_SECONDS", 1.0)
    monkeypatch.setattr(ledger, "OPEN_SECONDS", 1.0)
    url = server.url()
    store = open_store(url, limits=LIMITS)
    append(store, ONE, {"n": 1})

    def view_once() -> None:
        with store.view() as view:
            view.head(ONE)

    acts: list[tuple[Callable[[], object], tuple[type[RealmconfError], ...]]] = [
        (lambda: write(store, 2, seconds=1), (OutcomeUnknown,)),
        (
            lambda: write(store, 2, seconds=1),
            (StoreUnavailable, LockTimeout, OutcomeUnknown),
        ),
        (lambda: store.head(ONE), (StoreUnavailable,)),
        (view_once, (StoreUnavailable,)),
        (lambda: store.compact(ONE, floor=1, deadline=time.monotonic() + 1), (StoreUnavailable,)),
        (lambda: open_store(url, limits=LIMITS), (StoreUnavailable,)),
    ]
    server.pause()
    try:
        for act, errors in acts:
            began = time.monotonic()
            with pytest.raises(errors):
                act()
            assert time.monotonic() - began < 1.0 + GRACE_SECONDS
    finally:
        server.resume()
    monkeypatch.undo()
    generation = store.head(ONE).generation
    assert generation in (1, 2, 3)
    assert append(store, ONE, {"n": 3}).generation >= generation + 1
    store.close()


@pytest.mark.parametrize("what", ["compact", "purge"])
def test_housekeeping_whose_answer_is_lost(
    server: Etcd, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """G6: a compaction or a purge that was carried out and not answered is never told as one that did nothing."""
    store = open_store(server.url(), limits=LIMITS)
    for number in range(1, 4):
        write(store, number)
    send = Link.send

    def sent_and_lost(link: Link, *question: Any, **more: Any) -> Any:
        send(link, *question, **more)
        server.pause()
        raise LostError("the connection was lost")

    monkeypatch.setattr(Link, "send", sent_and_lost)
    act: Callable[..., object] = (
        partial(store.compact, ONE, floor=3)
        if what == "compact"
        else partial(store.purge, ONE, 2, document={})
    )
    with pytest.raises(OutcomeUnknown):
        act(deadline=time.monotonic() + 1)
    server.resume()
    monkeypatch.undo()
    with store.view() as view:
        if what == "compact":
            assert view.head(ONE).floor == 3
        else:
            assert view.revision(ONE, 2).purged
    store.close()


def test_nobody_there(monkeypatch: pytest.MonkeyPatch, server: Etcd) -> None:
    """Where nothing listens an opening says so in time, and one of several servers that is there is found."""
    monkeypatch.setattr(ledger, "OPEN_SECONDS", 1.0)
    with pytest.raises(StoreUnavailable, match="cannot be reached: Connection refused") as refused:
        open_store("etcd://127.0.0.1:9/there", limits=LIMITS)
    assert refused.value.retryable
    monkeypatch.undo()
    url = f"etcd://127.0.0.1:9,{server.place}/{new_prefix()}"
    store = open_store(url, limits=LIMITS)
    assert append(store, ONE, {"n": 1}).generation == 1
    store.close()


def test_a_closed_store_wakes_whoever_waits(server: Etcd) -> None:
    """Closing ends a read that waits for a server which stands still, with an error and at once."""
    store = open_store(server.url(), limits=LIMITS)
    server.pause()
    ended: list[BaseException] = []

    def read() -> None:
        try:
            store.head(ONE)
        except RealmconfError as failure:
            ended.append(failure)

    reader = threading.Thread(target=read)
    reader.start()
    deadline = soon()
    while not store._ledger._link._lent:  # type: ignore[attr-defined]
        assert time.monotonic() < deadline
    began = time.monotonic()
    store.close()
    reader.join(20)
    assert time.monotonic() - began < GRACE_SECONDS
    assert [type(one) for one in ended] == [StoreUnavailable]
    server.resume()


# --- a server that comes back ------------------------------------------------------------------


def test_hints_alone_wake_whoever_watches(
    etcd: Etcd, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    G7: with nobody looking from time to time, a watcher hears of each write by a hint, on whatever connection; and of
    what came while it had none as soon as it has one.
    """
    monkeypatch.setattr(following, "BEAT_SECONDS", 600.0)
    prefix = new_prefix()
    with (
        connect(etcd.url(prefix)) as mine,
        connect(etcd.url(prefix, port=proxy.port)) as theirs,
    ):
        realm = mine.realm(WATCHED)
        generation = realm.set({"n": 0}).generation
        watcher = Watcher(theirs)
        for number in range(1, 13):
            if number % 4 == 0:
                proxy.refuse()
                proxy.cut()
            generation = realm.set({"n": number}).generation
            proxy.passes()
            watcher.wait_for(generation, 20)
        assert watcher.heard == list(range(watcher.heard[0], 14))
        watcher.close()


# --- etcd that is compacted ---------------------------------------------------------------------


def test_a_watcher_who_is_away_while_etcd_is_compacted(etcd: Etcd, proxy: Proxy) -> None:
    """
    G7: somebody compacts etcd up to now while a watcher has no connection: it is told of every generation, since a
    store's history is in keys and not in etcd's own past.
    """
    prefix = new_prefix()
    with (
        connect(etcd.url(prefix)) as mine,
        connect(etcd.url(prefix, port=proxy.port)) as theirs,
    ):
        realm = mine.realm(WATCHED)
        realm.set({"n": 0})
        watcher = Watcher(theirs)
        realm.set({"n": 1})
        watcher.wait_for(2)
        for number in range(2, 8):
            proxy.refuse()
            proxy.cut()
            for more in range(3):
                realm.set({"n": number, "more": more})
            compact(etcd.place)
            proxy.passes()
            watcher.wait_for(2 + 3 * (number - 1))
        assert watcher.heard == sorted(set(watcher.heard))
        assert watcher.heard[-20:] == list(range(watcher.heard[-20:][0], 21))
        watcher.close()


def test_a_view_outlives_a_compaction_that_takes_nothing_from_it(etcd: Etcd) -> None:
    """A view whose revision of the server's is gone goes on, as long as all that it has told still stands."""
    store = open_store(etcd.url(), limits=LIMITS)
    for number in range(1, 6):
        append(store, ONE, {"n": number})
    with store.view() as view:
        assert view.head(ONE).generation == 5
        append(store, TWO, {"n": 1})
        compact(etcd.place)
        assert view.revision(ONE, 2).document == {"n": 2}
        assert [one.generation for one in view.revisions(ONE)] == [1, 2, 3, 4, 5]
    store.close()


def test_a_view_that_a_compaction_has_ended_says_so(etcd: Etcd) -> None:
    """G9: where something that it has told was changed since, no two answers of a view are of different points."""
    store = open_store(etcd.url(), limits=LIMITS)
    append(store, ONE, {"n": 1})
    with store.view() as view:
        assert view.head(ONE).generation == 1
        append(store, ONE, {"n": 2})
        compact(etcd.place)
        with pytest.raises(StoreUnavailable, match="was compacted while it was read") as over:
            view.head(TWO)
    assert over.value.retryable
    assert store.head(ONE).generation == 2
    store.close()


def test_writers_among_compactions(etcd: Etcd) -> None:
    """G1, G4: with etcd compacted up to now all the time, everybody's writes to one realm get through, each once."""
    url = etcd.url()
    stores = [open_store(url, limits=LIMITS) for _ in range(3)]
    ended = threading.Event()

    def keep_compacting() -> None:
        while not ended.is_set():
            with suppress(AssertionError):
                compact(etcd.place)

    busy = threading.Thread(target=keep_compacting)
    busy.start()
    failures: list[BaseException] = []

    def act(store: Store) -> None:
        try:
            for number in range(30):
                write(store, number)
        except BaseException as failure:  # noqa: BLE001 - shown below
            failures.append(failure)

    writers = [threading.Thread(target=act, args=[store]) for store in stores]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    ended.set()
    busy.join(20)
    assert not failures
    assert stores[0].head(ONE).generation == 90
    for store in stores:
        store.close()


# --- three servers -------------------------------------------------------------------------------


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["kill", "pause"])
def test_a_leader_that_is_lost(cluster: Cluster, how: str) -> None:
    """G3, G4, G6, G7: with the leader killed or held still, another one goes on with all that was acknowledged."""
    url = cluster.url()
    with connect(url) as mine, connect(url) as theirs:
        mine.realm(WATCHED).set({"n": 0})
        watcher, writer = Watcher(theirs), Writer(mine, timeout_seconds=20)
        writer.start()
        for _ in range(3):
            writer.wait_for(20)
            leader = cluster.leader()
            if how == "kill":
                leader.kill()
            else:
                leader.pause()
            writer.wait_for(5)
            watcher.wait_for(writer.acknowledged[-1])
            if how == "kill":
                leader.start()
            else:
                leader.resume()
            cluster.wait()
        writer.end()
        checked(writer, watcher, mine)
        watcher.close()


@pytest.mark.timeout(300)
@pytest.mark.machine
def test_a_leader_that_is_cut_off() -> None:
    """
    G3, G4, G7: a leader that neither its clients nor the others reach acknowledges nothing and answers nothing; whoever
    knows of the others goes on with them, and joined again all have the same.
    """
    cluster = Cluster(can_be_parted=True)
    assert cluster.cable is not None
    try:
        prefix = new_prefix()
        url = cluster.url(prefix)
        with connect(url) as mine, connect(url) as theirs:
            mine.realm(WATCHED).set({"n": 0})
            watcher, writer = Watcher(theirs), Writer(mine, timeout_seconds=30)
            writer.start()
            for _ in range(2):
                writer.wait_for(20)
                cluster.let_lead(cluster.apart)
                beside = _store_beside(cluster, prefix)
                cluster.cable.pull()
                began = time.monotonic()
                assert beside(1.5) in ("StoreUnavailable", "OutcomeUnknown", "LockTimeout")
                assert time.monotonic() - began < 1.5 + GRACE_SECONDS
                writer.wait_for(20)
                watcher.wait_for(writer.acknowledged[-1])
                cluster.cable.plug()
                cluster.wait()
            writer.end()
            checked(writer, watcher, mine)
            watcher.close()
    finally:
        cluster.close()


def _store_beside(cluster: Cluster, prefix: str) -> Callable[[float], str]:
    """A store of somebody in the network of the member that will be cut off; it writes, and says what came of it."""
    ready, go, done = threading.Event(), threading.Event(), threading.Event()
    said: list[str] = []
    seconds: list[float] = []

    def act() -> None:
        assert cluster.cable is not None
        cluster.cable.enter()
        store = open_store(cluster.url(prefix, servers=[cluster.apart]), limits=LIMITS)
        ready.set()
        go.wait(60)
        try:
            store.apply([TWO], appending(TWO, {"n": 1}), deadline=time.monotonic() + seconds[0])
            said.append("written")
        except RealmconfError as failure:
            said.append(type(failure).__name__)
        finally:
            done.set()
            store.close()

    threading.Thread(target=act, daemon=True).start()
    assert ready.wait(60)

    def write_once(limit: float) -> str:
        seconds.append(limit)
        go.set()
        assert done.wait(60)
        return said[0]

    return write_once


def test_two_of_three_gone(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a majority nothing is written and nothing is read as if it were the newest; with one all goes on."""
    monkeypatch.setattr(ledger, "READ_SECONDS", 1.0)
    store = open_store(cluster.url(), limits=LIMITS)
    append(store, ONE, {"n": 1})
    gone = cluster.servers[1:]
    for one in gone:
        one.kill()
    began = time.monotonic()
    with pytest.raises((StoreUnavailable, OutcomeUnknown, LockTimeout)):
        write(store, 2, seconds=1)
    with pytest.raises(StoreUnavailable):
        store.head(ONE)
    assert time.monotonic() - began < 2.0 + 2 * GRACE_SECONDS
    for one in gone:
        one.start(waits=False)
    cluster.wait()
    monkeypatch.undo()
    assert store.head(ONE).generation in (1, 2)
    assert write(store, 3, seconds=60) in (2, 3)
    store.close()
