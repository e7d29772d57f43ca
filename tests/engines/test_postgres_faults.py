"""What a store on PostgreSQL makes of a server that stops, dies, comes back, or loses what was said to it."""

from __future__ import annotations

import signal
import threading
import time
from itertools import pairwise

import pytest
from tests.engines.proxy import HOLD_REQUEST, LOSE_ANSWER, LOSE_REQUEST, Proxy
from tests.engines.servers.postgres import Postgres

from realmconf.domain.names import LIMITS, RealmName
from realmconf.errors import (
    LockTimeout,
    OutcomeUnknown,
    RealmconfError,
    StoreReadOnly,
    StoreUnavailable,
)
from realmconf.runtime.client import connect
from realmconf.stores.postgres import ledger
from realmconf.stores.registry import open_store
from realmconf.testing.conformance.base import ONE, append, appending, soon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from realmconf.runtime.client import Client
    from realmconf.stores.protocol import Store

pytestmark = pytest.mark.engines

GRACE_SECONDS = 4.0
"""What a loaded machine may take beyond a deadline; far less than any time-out that would be a fault."""


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A server of the test's own, for whatever it does to it."""
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", postgres.port) as proxy:
        yield proxy


@pytest.fixture
def through(postgres: Postgres, proxy: Proxy) -> Iterator[Store]:
    """A store that is reached through the relay."""
    store = open_store(postgres.url(port=proxy.port), limits=LIMITS)
    yield store
    proxy.passes()
    store.close()


COMMIT = b"realmconf-test"
"""What is in a write, and in nothing else that is said."""


def write(store: Store, n: int, *, seconds: float = 20.0, write_id: str | None = None) -> int:
    """Append a document that the relay knows by its mark; the generation."""
    (applied,) = store.apply(
        [ONE],
        appending(ONE, {"mark": COMMIT.decode(), "n": n}, write_id=write_id),
        deadline=time.monotonic() + seconds,
    )
    return applied.head.generation


def kept(store: Store) -> list[int]:
    """The numbers of the documents of ``ONE``, oldest first."""
    with store.view() as view:
        return [one.document["n"] for one in view.revisions(ONE) if one.document]


# --- answers and requests that are lost --------------------------------------------------------


@pytest.mark.parametrize("what", [LOSE_REQUEST, LOSE_ANSWER])
def test_a_lost_write_is_settled(through: Store, proxy: Proxy, what: str) -> None:
    """Whether the request or its answer was lost, the caller is told of one revision, and there is one."""
    for number in range(1, 6):
        proxy.plan(what, matching=COMMIT)
        assert write(through, number) == number
        proxy.wait_until_it_happened()
    assert kept(through) == [1, 2, 3, 4, 5]


def test_a_write_that_arrives_late_finds_its_id_taken(through: Store, proxy: Proxy) -> None:
    """A request that was held back and given up is refused when it comes: it was sent again meanwhile."""
    assert write(through, 1) == 1
    proxy.plan(HOLD_REQUEST, matching=COMMIT)
    assert write(through, 2, write_id="mine") == 2
    proxy.release()
    assert kept(through) == [1, 2]
    assert write(through, 3) == 3


def test_a_refusal_is_told_only_when_nothing_can_come_any_more(
    through: Store, proxy: Proxy
) -> None:
    """What was refused after its request was lost stays refused, also when that arrives at last."""
    client = connect(through.url)
    realm = client.realm("refused")
    realm.set({"n": 0})
    proxy.plan(HOLD_REQUEST, matching=COMMIT)
    behind = threading.Event()

    def overtake() -> None:
        proxy.wait_until_it_happened()
        client.realm("refused").set({"n": 100})
        behind.set()

    other = threading.Thread(target=overtake)
    other.start()
    outcome: object
    try:
        outcome = realm.set(
            {"mark": COMMIT.decode()}, expected_generation=1, write_id="mine"
        ).generation
    except RealmconfError as refused:
        outcome = refused.code
    other.join(20)
    assert behind.is_set()
    proxy.release()
    history = [revision.write_id for revision in realm.history()]
    assert history.count("mine") == (0 if isinstance(outcome, str) else 1)
    client.close()


def test_an_outcome_that_cannot_be_found_out(through: Store, proxy: Proxy) -> None:
    """Where nobody can be reached until the deadline it is unknown, and settled once somebody can."""
    assert write(through, 1) == 1
    proxy.plan(LOSE_ANSWER, matching=COMMIT)

    def refuse() -> None:
        proxy.wait_until_it_happened()
        proxy.refuse()

    refused = threading.Thread(target=refuse)
    refused.start()
    began = time.monotonic()
    try:
        # What is asked next may be faster than the cut; then it is known already.
        generation = write(through, 2, seconds=1.0, write_id="mine")
    except OutcomeUnknown as failure:
        unknown: str | None = failure.write_id
    else:
        unknown = "mine" if generation == 2 else None
    assert time.monotonic() - began < 1.0 + GRACE_SECONDS
    refused.join(20)
    proxy.passes()
    assert through.void(ONE, "mine", deadline=soon()).outcome == "committed"
    assert kept(through) == [1, 2]
    assert unknown == "mine"


def test_a_read_is_asked_again(through: Store, proxy: Proxy) -> None:
    """A reader does not notice that a connection was cut between two questions, nor in one."""
    append(through, ONE, {"n": 1})
    for number in range(10):
        if number % 2:
            proxy.cut()
        else:
            proxy.plan(LOSE_ANSWER)
        assert through.head(ONE).generation == 1


# --- a server that answers no more -----------------------------------------------------------


def test_nothing_outlasts_its_deadline_beside_a_stopped_server(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads, writes, views, turns and openings end in time, typed, and all goes on when the server does."""
    monkeypatch.setattr(ledger, "READ_SECONDS", 1.0)
    url = server.url(connect_timeout=1)
    store = open_store(url, limits=LIMITS)
    append(store, ONE, {"n": 1})

    def write_once() -> None:
        store.apply([ONE], appending(ONE, {"n": 2}), deadline=time.monotonic() + 1)

    def view_once() -> None:
        with store.view() as view:
            view.head(ONE)

    def turn_once() -> None:
        with store._ledger.turn([ONE], deadline=time.monotonic() + 1):  # type: ignore[attr-defined]
            raise AssertionError

    acts: list[tuple[Callable[[], object], type[RealmconfError] | tuple[type[RealmconfError], ...]]] = [
        (write_once, OutcomeUnknown),
        # The connection of before is gone: now it is one that cannot be made.
        (write_once, (StoreUnavailable, LockTimeout)),
        (lambda: store.head(ONE), StoreUnavailable),
        (view_once, StoreUnavailable),
        (turn_once, (StoreUnavailable, LockTimeout)),
        (lambda: store.compact(ONE, floor=1, deadline=time.monotonic() + 1), (StoreUnavailable, LockTimeout)),
        (lambda: open_store(url, limits=LIMITS), StoreUnavailable),
    ]  # fmt: skip
    server.pause()
    try:
        for act, error in acts:
            began = time.monotonic()
            with pytest.raises(error):
                act()
            assert time.monotonic() - began < 1.0 + 2 * GRACE_SECONDS
    finally:
        server.resume()
    generation = store.head(ONE).generation
    assert generation in (1, 2)
    assert append(store, ONE, {"n": 3}).generation >= generation + 1
    store.close()


def test_a_host_that_never_answers_leaves_time_for_the_next(
    server: Postgres, postgres: Postgres
) -> None:
    """Of several hosts one may be there and silent: the others are asked before the time for an opening is over."""
    url = postgres.url().replace(f":{postgres.port}/", f":{server.port},127.0.0.1:{postgres.port}/")
    server.pause()
    try:
        # So much that a busy machine has time for the one that answers.
        store = open_store(f"{url}&connect_timeout=8", limits=LIMITS)
        assert append(store, ONE, {"n": 1}).generation == 1
        store.close()
    finally:
        server.resume()


# --- a server that comes back ------------------------------------------------------------------


class Watcher:
    """A thread that follows a realm and keeps the generations that it is told."""

    def __init__(self, client: Client) -> None:
        self.heard: list[int] = []
        self.changed = threading.Condition()
        realm = client.realm("watched")
        self._handle = realm.on_change(self._note)

    def _note(self, snapshot: object) -> None:
        with self.changed:
            self.heard.append(snapshot.generation)  # type: ignore[attr-defined]
            self.changed.notify_all()

    def wait_for(self, generation: int, seconds: float = 30.0) -> None:
        with self.changed:
            assert self.changed.wait_for(
                lambda: bool(self.heard) and self.heard[-1] >= generation, seconds
            ), self.heard[-5:]

    def close(self) -> None:
        self._handle.cancel()


class Writer(threading.Thread):
    """Writes to the watched realm until it is told to end, and keeps what it was told."""

    def __init__(self, client: Client) -> None:
        super().__init__(daemon=True)
        self._realm = client.realm("watched")
        self._ended = threading.Event()
        self.acknowledged: list[int] = []
        self.unknown = 0
        self.refused = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        number = 0
        try:
            while not self._ended.is_set():
                number += 1
                try:
                    done = self._realm.patch({"n": number}, timeout=10)
                except OutcomeUnknown:
                    self.unknown += 1
                except (StoreUnavailable, LockTimeout):
                    self.refused += 1
                else:
                    self.acknowledged.append(done.generation)
        except BaseException as failure:  # noqa: BLE001 - shown by the test's own thread
            self.failure = failure

    def end(self) -> None:
        self._ended.set()
        self.join(60)
        assert not self.is_alive()
        if self.failure is not None:
            raise self.failure


def checked(writer: Writer, watcher: Watcher, client: Client) -> None:
    """Every acknowledged write is there, and the watcher was told of every generation, in order, once."""
    realm = client.realm("watched")
    last = realm.get().generation
    watcher.wait_for(last)
    assert all(after == before + 1 for before, after in pairwise(watcher.heard))
    assert len(set(writer.acknowledged)) == len(writer.acknowledged)
    with client.store.view() as view:
        history = [revision.generation for revision in view.revisions(RealmName("watched"))]
    assert history == list(range(1, last + 1))
    assert set(writer.acknowledged) <= set(history)
    # Nothing was carried out that was refused for good.
    assert len(history) <= 1 + len(writer.acknowledged) + writer.unknown


@pytest.mark.timeout(240)
def test_connections_that_are_ended_lose_no_event(postgres: Postgres) -> None:
    """G7: 200 times the server ends all sessions of writers, readers and watchers, and no generation is missed."""
    url = postgres.url()
    with connect(url) as mine, connect(url) as theirs:
        mine.realm("watched").set({"n": 0})
        watcher, writer = Watcher(theirs), Writer(mine)
        writer.start()
        ended = 0
        with postgres.connect() as admin:
            while ended < 200:
                (found,) = admin.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE application_name = 'realmconf'"
                ).fetchall()
                ended += found[0]
                # Until they are all at it again.
                known = len(writer.acknowledged)
                deadline = time.monotonic() + 20
                while len(writer.acknowledged) < known + 2 and time.monotonic() < deadline:
                    time.sleep(0.002)
        writer.end()
        assert writer.acknowledged
        checked(writer, watcher, mine)
        watcher.close()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", ["kill", "restart", "pause"])
def test_a_server_that_comes_back(server: Postgres, how: str) -> None:
    """G4, G6, G7: killed, restarted or held still during writes, it has what was acknowledged, and all go on."""
    url = server.url(connect_timeout=5)
    with connect(url) as mine, connect(url) as theirs:
        mine.realm("watched").set({"n": 0})
        watcher, writer = Watcher(theirs), Writer(mine)
        writer.start()
        for _ in range(5):
            known = len(writer.acknowledged)
            deadline = time.monotonic() + 60
            while len(writer.acknowledged) < known + 20:
                assert time.monotonic() < deadline, (writer.failure, writer.refused, writer.unknown)
                time.sleep(0.005)
            if how == "kill":
                server.kill()
                server.start()
            elif how == "restart":
                server.stop(signal.SIGINT)
                server.start()
            else:
                server.pause()
                time.sleep(0.2)
                server.resume()
        writer.end()
        checked(writer, watcher, mine)
        watcher.close()


def test_current_is_known_to_be_old(server: Postgres) -> None:
    """While nobody answers, what was last heard of is given, and its age grows; afterwards it is kept up again."""
    with connect(server.url(connect_timeout=2)) as client:
        realm = client.realm("followed")
        realm.set({"n": 1})
        assert realm.current == {"n": 1}
        server.stop(signal.SIGQUIT)
        assert realm.current == {"n": 1}
        first = realm.current_age
        second = realm.current_age
        assert second > first
        server.start()
        with connect(
            server.url(schema=client.url.rpartition("schema=")[2].partition("&")[0])
        ) as other:
            other.realm("followed").set({"n": 2})
        deadline = time.monotonic() + 20
        while realm.current != {"n": 2}:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_standby(server: Postgres) -> None:
    """
    A store is read from a standby, and a watcher there misses nothing though nobody tells it; a write there is refused,
    and one that names both hosts finds the primary, also when that is another one.
    """
    schema = server.new_schema()
    primary = open_store(server.url(schema=schema), limits=LIMITS)
    append(primary, ONE, {"n": 1})
    standby = Postgres(standby_of=server)
    try:
        with pytest.raises(StoreReadOnly):
            append(open_store(standby.url(schema=schema), limits=LIMITS), ONE, {"n": 0})
        reader = open_store(standby.url(schema=schema), limits=LIMITS, read_only=True)
        assert (primary.info.reads, reader.info.reads) == ("linearizable", "stale")
        signal_ = reader.signal([ONE])
        for number in range(2, 5):
            append(primary, ONE, {"n": number})
            deadline = time.monotonic() + 20
            while reader.head(ONE).generation < number:
                signal_.wait(5)
                assert time.monotonic() < deadline
        places = f"127.0.0.1:{server.port},127.0.0.1:{standby.port}"
        url = server.url(schema=schema, target_session_attrs="read-write")
        both = open_store(url.replace(f"127.0.0.1:{server.port}", places), limits=LIMITS)
        append(both, ONE, {"n": 5})
        while standby.run("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", _written(server)) != [
            (True,)
        ]:
            time.sleep(0.01)
        server.kill()
        standby.run("SELECT pg_promote()")
        assert append(both, ONE, {"n": 6}).generation == 6
        for store in (reader, both, primary):
            store.close()
    finally:
        standby.close()


def _written(server: Postgres) -> str:
    (found,) = server.run("SELECT pg_current_wal_lsn()::text")
    return str(found[0])
