"""What a store on PostgreSQL makes of a server that stops, dies, comes back, or loses what was said to it."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from tests.engines.faults import GRACE_SECONDS, MARK, FaultSuite
from tests.engines.proxy import HOLD_REQUEST, Proxy
from tests.engines.servers.postgres import Postgres
from tests.engines.watched import WATCHED, Watcher, Writer, checked

from realmconf.domain.names import LIMITS
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
from realmconf.testing.conformance.base import ONE, append, appending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from realmconf.stores.protocol import Store

pytestmark = pytest.mark.engines


@pytest.fixture
def engine(postgres: Postgres) -> Postgres:
    """The server that no test stops."""
    return postgres


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A server of the test's own, for whatever it does to it."""
    server = Postgres()
    yield server
    server.close()


class TestFaults(FaultSuite):
    """What is claimed of every engine."""

    def url_of(self, server: Postgres) -> str:  # type: ignore[override]
        return server.url(connect_timeout=5)

    def put_out(self, server: Postgres) -> None:  # type: ignore[override]
        server.stop(signal.SIGQUIT)


# --- answers and requests that are lost --------------------------------------------------------


def test_a_refusal_is_told_only_when_nothing_can_come_any_more(
    through: Store, proxy: Proxy
) -> None:
    """What was refused after its request was lost stays refused, also when that arrives at last."""
    client = connect(through.url)
    realm = client.realm("refused")
    realm.set({"n": 0})
    proxy.plan(HOLD_REQUEST, matching=MARK)
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
            {"mark": MARK.decode()}, expected_generation=1, write_id="mine"
        ).generation
    except RealmconfError as refused:
        outcome = refused.code
    other.join(20)
    assert behind.is_set()
    proxy.release()
    history = [revision.write_id for revision in realm.history()]
    assert history.count("mine") == (0 if isinstance(outcome, str) else 1)
    client.close()


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


@pytest.mark.timeout(240)
def test_connections_that_are_ended_lose_no_event(postgres: Postgres) -> None:
    """G7: 200 times the server ends all sessions of writers, readers and watchers, and no generation is missed."""
    url = postgres.url()
    with connect(url) as mine, connect(url) as theirs:
        mine.realm(WATCHED).set({"n": 0})
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
                writer.wait_for(2)
        writer.end()
        checked(writer, watcher, mine)
        watcher.close()


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
