"""What a store on NATS makes of servers that stop, die, come back, or lose what was said to them."""

from __future__ import annotations

import gc
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from tests.engines.faults import GRACE_SECONDS, MARK, FaultSuite, kept, write
from tests.engines.proxy import HOLD_REQUEST, LOSE_ANSWER, LOSE_REQUEST, Proxy
from tests.engines.servers.nats import Cluster, Nats, new_stream, streams
from tests.engines.watched import WATCHED, Watcher, Writer, checked

from realmconf.domain.names import LIMITS, RealmName
from realmconf.errors import LockTimeout, OutcomeUnknown, RealmconfError, StoreUnavailable
from realmconf.runtime.client import connect
from realmconf.stores.nats import ledger
from realmconf.stores.nats.writing import ANSWER_SECONDS
from realmconf.stores.registry import open_store
from realmconf.testing.conformance.base import ONE, TWO, append, appending, soon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from realmconf.stores.protocol import Judgement, ReadView, Store

pytestmark = pytest.mark.engines


@pytest.fixture
def engine(nats: Nats) -> Nats:
    """The server that no test stops."""
    return nats


@pytest.fixture
def server() -> Iterator[Nats]:
    """A server of the test's own, for whatever it does to it."""
    server = Nats()
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


# --- answers and requests that are lost --------------------------------------------------------


def test_a_voided_write_never_comes(through: Store, proxy: Proxy) -> None:
    """What was given up and made void is refused when its request arrives at last."""
    store = open_store(through.url, limits=LIMITS)
    assert write(store, 1) == 1
    proxy.plan(HOLD_REQUEST, matching=MARK)
    lost: list[BaseException] = []

    def give_up() -> None:
        try:
            write(through, 2, seconds=0.5, write_id="w-" + "1" * 32)
        except RealmconfError as failure:
            lost.append(failure)

    proxy.stall()
    writer = threading.Thread(target=give_up)
    writer.start()
    writer.join(20)
    proxy.passes()
    outcome = store.void(ONE, "w-" + "1" * 32, deadline=soon()).outcome
    with suppress(OSError, ValueError):
        proxy.release()
    append(store, ONE, {"n": 3})
    assert kept(store) == ([1, 3] if outcome == "void" else [1, 2, 3])
    store.close()


def test_a_batch_is_put_down_whole_or_not_at_all(through: Store, proxy: Proxy) -> None:
    """Several realms change together or none does, though every second request or answer is lost."""

    def judge(view: ReadView) -> list[Judgement]:
        return [
            appending(realm, {"mark": MARK.decode(), "n": number}, write_id=f"both-{number}")(view)[
                0
            ]
            for realm in (ONE, TWO)
        ]

    for number in range(1, 9):
        proxy.plan(LOSE_ANSWER if number % 2 else LOSE_REQUEST, matching=MARK)
        through.apply([ONE, TWO], judge, deadline=soon())
        proxy.wait_until_it_happened()
        with through.view() as view:
            assert view.head(ONE).generation == view.head(TWO).generation == number


def test_a_store_that_is_closed_while_it_writes(through: Store, proxy: Proxy) -> None:
    """A store that is closed under a write that is on its way calls the outcome unknown; it may arrive later (G6)."""
    other = open_store(through.url, limits=LIMITS)
    assert write(other, 1) == 1
    proxy.stall()
    told: list[BaseException] = []

    def act() -> None:
        try:
            write(other, 2, write_id="mine")
        except RealmconfError as failure:
            told.append(failure)

    writer = threading.Thread(target=act)
    writer.start()
    time.sleep(0.3)
    other.close()
    writer.join(20)
    proxy.passes()
    assert [type(one) for one in told] == [OutcomeUnknown]
    assert through.void(ONE, "mine", deadline=soon()).outcome in {"committed", "void"}


def test_a_reset_connection_is_known_to_be_over(
    through: Store, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Whatever was being said when a connection was reset, whoever waits for an answer is told at once, and nothing of the
    inner workings reaches the program's log.
    """
    ended = threading.Event()
    longest = [0.0] * 16

    def act(index: int) -> None:
        while not ended.is_set():
            began = time.monotonic()
            append(through, RealmName(f"realm-{index}"), {"text": "x" * 20_000})
            longest[index] = max(longest[index], time.monotonic() - began)

    with ThreadPoolExecutor(16) as threads:
        writers = [threads.submit(act, index) for index in range(16)]
        for _ in range(40):
            time.sleep(0.05)
            proxy.cut()
        ended.set()
    for writer in writers:
        writer.result()
    assert max(longest) < ANSWER_SECONDS
    gc.collect()
    assert [one.getMessage() for one in caplog.records] == []


# --- a server that answers no more -----------------------------------------------------------


def test_nothing_outlasts_its_deadline_beside_a_stopped_server(
    server: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads, writes, views and openings end in time, typed, and all goes on when the server does."""
    monkeypatch.setattr(ledger, "READ_SECONDS", 1.0)
    monkeypatch.setattr(ledger, "OPEN_SECONDS", 1.0)
    url = server.url()
    store = open_store(url, limits=LIMITS)
    append(store, ONE, {"n": 1})

    def write_once() -> None:
        store.apply([ONE], appending(ONE, {"n": 2}), deadline=time.monotonic() + 1)

    def view_once() -> None:
        with store.view() as view:
            view.head(ONE)

    acts: list[tuple[Callable[[], object], tuple[type[RealmconfError], ...]]] = [
        (write_once, (OutcomeUnknown,)),
        (write_once, (StoreUnavailable, LockTimeout, OutcomeUnknown)),
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
            assert time.monotonic() - began < 1.0 + 2 * GRACE_SECONDS
    finally:
        server.resume()
    generation = store.head(ONE).generation
    assert generation in (1, 2, 3)
    assert append(store, ONE, {"n": 3}).generation >= generation + 1
    store.close()


def test_nobody_there(monkeypatch: pytest.MonkeyPatch, server: Nats) -> None:
    """Where nothing listens an opening says so in time, and one of several servers that is there is found."""
    monkeypatch.setattr(ledger, "OPEN_SECONDS", 1.0)
    with pytest.raises(
        StoreUnavailable, match=r"cannot be reached: Connection refused$"
    ) as refused:
        open_store("nats://127.0.0.1:9/there", limits=LIMITS)
    assert refused.value.retryable
    stream = new_stream()
    store = open_store(f"nats://127.0.0.1:9,127.0.0.1:{server.port}/{stream}", limits=LIMITS)
    assert append(store, ONE, {"n": 1}).generation == 1
    store.close()


def test_a_closed_store_wakes_whoever_waits(server: Nats) -> None:
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
    while not store._ledger._link._calls:  # type: ignore[attr-defined]
        assert time.monotonic() < deadline
    began = time.monotonic()
    store.close()
    reader.join(20)
    assert time.monotonic() - began < 5 + GRACE_SECONDS
    assert [type(one) for one in ended] == [StoreUnavailable]


# --- a server that comes back ------------------------------------------------------------------


@pytest.mark.timeout(240)
def test_a_server_that_is_killed_leaves_no_half_of_a_transaction(server: Nats) -> None:
    """G5: killed 12 times while realms are written together, it has both or none of each, and what was acknowledged."""
    store = open_store(server.url(), limits=LIMITS)
    acknowledged = 0
    ended = threading.Event()
    failures: list[BaseException] = []

    def judge(view: ReadView) -> list[Judgement]:
        made: list[Judgement] = []
        for realm in (ONE, TWO):
            n = view.head(realm).generation + 1
            made += appending(realm, {"n": n, "other": view.head(TWO).generation + 1})(view)
        return made

    def write_on() -> None:
        nonlocal acknowledged
        try:
            while not ended.is_set():
                with suppress(OutcomeUnknown, StoreUnavailable, LockTimeout):
                    done = store.apply([ONE, TWO], judge, deadline=time.monotonic() + 10)
                    acknowledged = done[0].head.generation
        except BaseException as failure:  # noqa: BLE001 - shown below
            failures.append(failure)

    writer = threading.Thread(target=write_on)
    writer.start()
    for _ in range(12):
        known, deadline = acknowledged, time.monotonic() + 60
        while acknowledged < known + 5:
            assert time.monotonic() < deadline
            assert not failures
            time.sleep(0.001)
        server.kill()
        server.start()
    ended.set()
    writer.join(60)
    assert not failures
    with store.view() as view:
        ours, theirs = view.revisions(ONE), view.revisions(TWO)
    assert [one.document for one in ours] == [one.document for one in theirs]
    assert len(ours) >= acknowledged
    store.close()


def test_a_stream_that_was_deleted(server: Nats) -> None:
    """A store whose stream is gone says so, and makes no new one behind its users' backs."""
    from tests.engines.servers.nats import request

    stream = new_stream()
    store = open_store(server.url(stream), limits=LIMITS)
    append(store, ONE, {"n": 1})
    request(server.port, f"$JS.API.STREAM.DELETE.{stream}", b"")
    # What is sent right before the deadline may have no answer by then.
    with pytest.raises((StoreUnavailable, OutcomeUnknown)):
        store.apply([ONE], appending(ONE, {"n": 2}), deadline=time.monotonic() + 1)
    assert stream not in streams(server.port)
    store.close()


# --- three servers -------------------------------------------------------------------------------


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["kill", "pause"])
def test_a_leader_that_is_lost(cluster: Cluster, how: str) -> None:
    """G3, G4, G6, G7: with the leader killed or held still, another one goes on with all that was acknowledged."""
    stream = new_stream()
    url = cluster.url(stream)
    with connect(url) as mine, connect(url) as theirs:
        mine.realm(WATCHED).set({"n": 0})
        watcher, writer = Watcher(theirs), Writer(mine, timeout_seconds=20)
        writer.start()
        for _ in range(3):
            writer.wait_for(20)
            leader = cluster.leader_of(stream)
            if how == "kill":
                leader.kill()
            else:
                leader.pause()
            writer.wait_for(5)
            if how == "kill":
                leader.start()
            else:
                leader.resume()
            cluster.wait()
        writer.end()
        checked(writer, watcher, mine)
        watcher.close()


@pytest.mark.timeout(300)
def test_a_leader_that_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    G3, G4, G6, G7: a leader that its clients reach and the other servers do not acknowledges nothing, and what it has
    is given to nobody but whoever takes old answers; the others go on, and so does whoever knows of them, watchers
    too; joined again, all have the same.
    """
    monkeypatch.setattr(ledger, "READ_SECONDS", 3.0)
    stream = new_stream()
    cluster = Cluster(can_be_parted=True)
    try:
        with connect(cluster.url(stream)) as mine, connect(cluster.url(stream)) as theirs:
            mine.realm(WATCHED).set({"n": 0})
            watcher, writer = Watcher(theirs), Writer(mine, timeout_seconds=30)
            writer.start()
            for _ in range(2):
                writer.wait_for(20)
                leader = cluster.leader_of(stream, is_followed=True)
                beside = open_store(leader.url(stream), limits=LIMITS)
                careless = open_store(leader.url(stream, reads="stale"), limits=LIMITS)
                before = beside.head(WATCHED).generation
                cluster.part(leader)
                writer.wait_for(20)
                newest = writer.acknowledged[-1]
                with pytest.raises((OutcomeUnknown, StoreUnavailable, LockTimeout)):
                    beside.apply([TWO], appending(TWO, {"n": 1}), deadline=time.monotonic() + 3)
                with pytest.raises(StoreUnavailable):
                    beside.head(WATCHED)
                assert before <= careless.head(WATCHED).generation < newest
                watcher.wait_for(newest, 60)
                cluster.join()
                cluster.wait()
                beside.close()
                careless.close()
            writer.end()
            monkeypatch.undo()
            checked(writer, watcher, mine)
            watcher.close()
    finally:
        cluster.close()


@pytest.mark.timeout(300)
def test_an_old_leader_is_not_believed(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    G3: of a leader that was held still, and is asked before it has learnt that there is another one, nobody is given an
    old answer but whoever takes any.
    """
    monkeypatch.setattr(ledger, "READ_SECONDS", 90.0)
    stream = new_stream()
    open_store(cluster.url(stream), limits=LIMITS).close()
    writers = {one.port: open_store(one.url(stream), limits=LIMITS) for one in cluster.servers}
    newest = append(next(iter(writers.values())), ONE, {"n": 1}).generation
    for _ in range(3):
        leader = cluster.leader_of(stream, is_followed=True)
        writer = next(one for port, one in writers.items() if port != leader.port)
        fresh = open_store(leader.url(stream), limits=LIMITS)
        stale = open_store(leader.url(stream, reads="stale"), limits=LIMITS)
        assert (fresh.info.reads, stale.info.reads) == ("linearizable", "stale")
        for one in (fresh, stale):
            # So long that the question is still there when it goes on.
            one._ledger._link.try_seconds = 60.0  # type: ignore[attr-defined]
        assert fresh.head(ONE).generation == newest
        assert 0 < stale.head(ONE).generation <= newest
        leader.pause()
        with ThreadPoolExecutor(2) as threads:
            asked = [threads.submit(one.head, ONE) for one in (fresh, stale)]
            (applied,) = writer.apply(
                [ONE], appending(ONE, {"n": 2}), deadline=time.monotonic() + 60
            )
            newest = applied.head.generation
            leader.resume()
            found = [one.result(90).generation for one in asked]
        assert found[0] == newest
        assert 0 < found[1] <= newest
        fresh.close()
        stale.close()
        cluster.wait()
    for one in writers.values():
        one.close()


def test_two_of_three_gone(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a majority nothing is written and nothing is read as if it were the newest; with one all goes on."""
    monkeypatch.setattr(ledger, "READ_SECONDS", 1.0)
    stream = new_stream()
    store = open_store(cluster.url(stream), limits=LIMITS)
    append(store, ONE, {"n": 1})
    gone = cluster.servers[1:]
    for one in gone:
        one.kill()
    with pytest.raises((StoreUnavailable, OutcomeUnknown, LockTimeout)):
        store.apply([ONE], appending(ONE, {"n": 2}), deadline=time.monotonic() + 1)
    with pytest.raises(StoreUnavailable):
        store.head(ONE)
    for one in gone:
        one.start()
    monkeypatch.setattr(ledger, "READ_SECONDS", 60.0)
    assert store.head(ONE).generation in (1, 2)
    (applied,) = store.apply([ONE], appending(ONE, {"n": 3}), deadline=time.monotonic() + 60)
    assert applied.head.generation in (2, 3)
    store.close()


@pytest.mark.timeout(240)
def test_without_a_majority_old_answers_are_given(cluster: Cluster) -> None:
    """
    Whoever takes old answers, and has the store open, reads on with the only server that is left: also what inherits,
    by a schema, what was compacted, and what was not asked for before.
    """
    stream = new_stream()
    with connect(cluster.url(stream)) as client:
        client.realm("base").set({"list": [1], "schema": "of base"})
        client.realm("base").set_schema({"properties": {"list": {"x-merge": "append"}}})
        client.realm("heir").set({"list": [2], "realm": {"heir": {"parent": "base"}}})
        append(client.store, ONE, {"n": 1})
        append(client.store, ONE, {"n": 2})
        client.store.compact(ONE, floor=2, deadline=soon())
    left = cluster.leader_of(stream, is_followed=True)
    with connect(left.url(stream, reads="stale")) as stale:
        for one in cluster.servers:
            if one is not left:
                one.kill()
        assert stale.realm("heir").get().config == {"list": [1, 2], "schema": "of base"}
        head = stale.store.head(ONE)
        assert (head.generation, head.floor) == (2, 2)
        assert head.revision is not None
        assert head.revision.document == {"n": 2}


@pytest.mark.timeout(240)
def test_a_server_that_is_cut_off_gives_old_answers_in_time() -> None:
    """
    A server that does not notice that it is cut off hands most questions on to those that it does not reach.  Whoever
    takes old answers is given one within some seconds all the same, every time.
    """
    stream = new_stream()
    cluster = Cluster(can_be_parted=True)
    try:
        store = open_store(cluster.url(stream), limits=LIMITS)
        append(store, ONE, {"n": 1})
        leader = cluster.leader_of(stream, is_followed=True)
        stale = open_store(leader.url(stream, reads="stale"), limits=LIMITS)
        # Until the others take questions, too.
        time.sleep(3.0)
        cluster.part(leader)
        for _ in range(40):
            assert stale.head(ONE).generation == 1
        stale.close()
        store.close()
    finally:
        cluster.close()


def test_history_of_a_replicated_stream_has_no_gaps(nats_cluster: Cluster) -> None:
    """Whichever replica answers, a stretch of history is whole: of one just written, too."""
    stream = new_stream()
    store = open_store(nats_cluster.url(stream), limits=LIMITS)
    readers = [open_store(one.url(stream), limits=LIMITS) for one in nats_cluster.servers]
    for number in range(1, 41):
        append(store, ONE, {"n": number})
        for reader in readers:
            assert kept(reader) == list(range(1, number + 1))
    for reader in readers:
        reader.close()
    store.close()


@pytest.mark.parametrize("is_written", [True, False])
def test_a_server_that_was_set_back(server: Nats, *, is_written: bool) -> None:
    """
    Nothing that was seen before a server was set back to a copy is believed afterwards: a number that is given again,
    to another's write, is no proof that nothing has changed, and the next write is judged on what is there (G1).
    """
    copy = server.folder / "copy"
    stream = new_stream()
    mine = open_store(server.url(stream), limits=LIMITS)
    assert write(mine, 1) == 1
    server.stop()
    shutil.copytree(server.folder / "store", copy)
    server.start()
    assert write(mine, 2) == 2
    assert write(mine, 3) == 3
    server.stop()
    shutil.rmtree(server.folder / "store")
    copy.rename(server.folder / "store")
    server.start()
    if is_written:
        theirs = open_store(server.url(stream), limits=LIMITS)
        assert [write(theirs, n) for n in (20, 30)] == [2, 3]
        theirs.close()
    judged = []

    def judge(view: ReadView) -> Sequence[Judgement]:
        judged.append(view.head(ONE).revision)
        return appending(ONE, {"n": 4})(view)

    mine.apply([ONE], judge, deadline=soon())
    there = [1, 20, 30] if is_written else [1]
    last = judged[-1]
    assert last is not None
    assert last.document is not None
    assert last.document["n"] == there[-1]
    assert kept(mine) == [*there, 4]
    mine.close()
