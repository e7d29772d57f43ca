"""What a store on PostgreSQL says when something is in the way, and what it makes of a database."""

from __future__ import annotations

import gc
import os
import threading
import time

import pytest
from tests.engines.servers.postgres import GUARDED, PASSWORD, USER, Postgres

from realmconf.domain.names import LIMITS, RealmName
from realmconf.errors import (
    InvalidArgument,
    LockTimeout,
    RealmconfError,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from realmconf.runtime.client import connect
from realmconf.stores.postgres import functions, layout
from realmconf.stores.registry import open_store, public_url
from realmconf.testing.conformance.base import ONE, append, in_threads, soon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from realmconf.stores.protocol import Store

pytestmark = pytest.mark.engines


@pytest.fixture
def opened(postgres: Postgres) -> Iterator[Callable[..., Store]]:
    """Opens stores, and closes them at the end."""
    stores: list[Store] = []

    def open_one(url: str, *, read_only: bool = False) -> Store:
        store = open_store(url, limits=LIMITS, read_only=read_only)
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture
def schema(postgres: Postgres) -> str:
    """The name of a schema that is not there yet."""
    return postgres.new_schema()


def role(postgres: Postgres, *settings: str) -> str:
    """A new role without any right."""
    name = f"role_{postgres.new_schema()}"
    postgres.run(f"CREATE ROLE {name} LOGIN")
    for setting in settings:
        postgres.run(f"ALTER ROLE {name} {setting}")
    return name


def raising(postgres: Postgres, schema: str, sqlstate: str) -> None:
    """Let the server refuse every new revision of a store with this code."""
    postgres.run(
        f"CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION 'made for a test' USING ERRCODE = '{sqlstate}'; END $$"
    )
    postgres.run(
        f"CREATE TRIGGER refuse BEFORE INSERT ON {schema}.revision "
        f"FOR EACH ROW EXECUTE FUNCTION {schema}.refuse()"
    )


# --- getting in ------------------------------------------------------------------------------


def test_a_password_lets_in_and_is_never_shown(postgres: Postgres, opened) -> None:
    """Whatever is in a password, quoted in the URL it works; what is shown of the URL is without it."""
    postgres.run(f"GRANT CREATE ON DATABASE realms TO {GUARDED}")
    store = opened(postgres.url(user=GUARDED, password=PASSWORD))
    append(store, ONE, {"n": 1})
    assert "@127.0.0.1" in public_url(store.url)
    for part in (PASSWORD, "p%40ss"):
        assert part not in public_url(store.url)
        assert part not in repr(store)


@pytest.mark.parametrize("password", [None, "wr0ng/p@ss"])
def test_a_wrong_password(postgres: Postgres, opened, password: str | None) -> None:
    """It is told for good, with what to do, and nobody sees what was tried."""
    with pytest.raises(StoreUnavailable) as refused:
        opened(postgres.url(user=GUARDED, password=password))
    text = str(refused.value)
    assert not refused.value.retryable
    advice = "give one: user:password@host" if password is None else "is it the right one?"
    assert advice in text
    assert "wr0ng" not in text
    assert "127.0.0.1" in text


def test_a_password_that_breaks_the_url(postgres: Postgres, opened) -> None:
    """A password that was not quoted is called that, and no part of it is shown."""
    for secret in ("hunter2/x", "hunter2?x", "hunter2#/x", "hun@ter2/x"):
        url = f"postgresql://{USER}:{secret}@127.0.0.1:{postgres.port}/realms"
        with pytest.raises(RealmconfError) as refused:
            opened(url)
        assert "hunter2" not in str(refused.value)
        assert "ter2" not in str(refused.value)


def test_no_such_database_or_role(postgres: Postgres, opened) -> None:
    """What is missing is named, with the command that makes it."""
    for url, command in (
        (postgres.url().replace("/realms?", "/nothing?"), "createdb"),
        (postgres.url(user="nobody-at-all"), "createuser"),
    ):
        with pytest.raises(StoreUnavailable, match=command) as refused:
            opened(url)
        assert not refused.value.retryable


def test_nobody_is_there(postgres: Postgres, opened) -> None:
    """A server that does not run may come: it is worth trying again."""
    with pytest.raises(StoreUnavailable, match="is it running") as refused:
        opened(postgres.url(port=1))
    assert refused.value.retryable
    with pytest.raises(StoreUnavailable, match="cannot be resolved"):
        opened(f"postgresql://{USER}@no-such-host.invalid/realms")


def test_several_hosts(postgres: Postgres, opened) -> None:
    """Of several hosts one that answers is enough, wherever it stands in the list, for those that come later too."""
    url = postgres.url().replace(
        f"127.0.0.1:{postgres.port}",
        f"127.0.0.1:1,localhost:{postgres.port},127.0.0.1:2",
    )
    store = opened(f"{url}&target_session_attrs=read-write")
    append(store, ONE, {"n": 1})
    assert postgres.end_connections() > 0
    assert append(store, ONE, {"n": 2}).generation == 2
    with pytest.raises(StoreUnavailable, match="none of the hosts is there and of the kind"):
        opened(f"{url}&target_session_attrs=standby")


def test_no_more_connections(postgres: Postgres, opened) -> None:
    """A server that takes no more connections is called that."""
    name = role(postgres, "CONNECTION LIMIT 0")
    with pytest.raises(StoreUnavailable) as refused:
        opened(postgres.url(user=name))
    assert refused.value.retryable
    assert "too many connections" in str(refused.value)


@pytest.mark.parametrize(
    "options",
    [
        "nonsense=1",
        "pool_max=0",
        "pool_max=x",
        "schema=",
        f"schema={'x' * 64}",
        "connect_timeout=x",
    ],
)
def test_options_that_are_none(postgres: Postgres, opened, options: str) -> None:
    """An option that nobody knows, or whose value is none, is refused before anybody is asked."""
    with pytest.raises(InvalidArgument):
        opened(f"postgresql://{USER}@127.0.0.1:{postgres.port}/realms?{options}")


def test_an_old_name_of_the_scheme(postgres: Postgres, opened) -> None:
    """``postgres://`` is understood too."""
    url = postgres.url()
    append(opened(url), ONE, {"n": 1})
    assert opened(url.replace("postgresql://", "postgres://")).head(ONE).generation == 1


# --- what a role may ---------------------------------------------------------------------------


def test_a_role_that_may_make_nothing(postgres: Postgres, opened, schema: str) -> None:
    """Where nothing is, such a role is told what an administrator would do; where all is, it needs no right to make."""
    name = role(postgres)
    with pytest.raises(StoreReadOnly, match=f'CREATE SCHEMA "{schema}" AUTHORIZATION'):
        opened(postgres.url(user=name, schema=schema))
    postgres.run(f"CREATE SCHEMA {schema} AUTHORIZATION {name}")
    append(opened(postgres.url(user=name, schema=schema)), ONE, {"n": 1})
    writer = role(postgres)
    for grant in (
        f"GRANT USAGE ON SCHEMA {schema} TO {writer}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {writer}",
    ):
        postgres.run(grant)
    store = opened(postgres.url(user=writer, schema=schema))
    assert append(store, ONE, {"n": 2}).generation == 2


def test_a_role_that_may_only_read(postgres: Postgres, opened, schema: str) -> None:
    """It reads, and hears of writes; what it writes is refused as such."""
    writer = opened(postgres.url(schema=schema))
    append(writer, ONE, {"n": 1})
    name = role(postgres)
    postgres.run(f"GRANT USAGE ON SCHEMA {schema} TO {name}")
    postgres.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {name}")
    reader = opened(postgres.url(schema=schema, user=name), read_only=True)
    assert reader.head(ONE).generation == 1
    signal = reader.signal([ONE])
    append(writer, ONE, {"n": 2})
    while reader.head(ONE).generation < 2:
        assert signal.wait(20)
    with pytest.raises(StoreReadOnly):
        append(reader, ONE, {"n": 3})
    with pytest.raises(StoreReadOnly, match="may not"):
        append(opened(postgres.url(schema=schema, user=name)), ONE, {"n": 3})
    assert writer.head(ONE).generation == 2


def test_reading_where_nothing_is(postgres: Postgres, opened, schema: str) -> None:
    """A store that is opened for reading only is made by nobody."""
    with pytest.raises(StoreUnavailable, match="no store yet"):
        opened(postgres.url(schema=schema), read_only=True)
    assert postgres.run("SELECT nspname FROM pg_namespace WHERE nspname = %s", schema) == []


def test_a_server_that_is_read_only(postgres: Postgres, opened, schema: str) -> None:
    """As on a standby: reads go on, a write says that another server is the one to ask."""
    append(opened(postgres.url(schema=schema)), ONE, {"n": 1})
    name = role(postgres, "SET default_transaction_read_only = on", "SUPERUSER")
    store = opened(postgres.url(schema=schema, user=name))
    assert store.head(ONE).generation == 1
    with pytest.raises(StoreReadOnly, match="target_session_attrs"):
        append(store, ONE, {"n": 2})


# --- what the server refuses -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("sqlstate", "error"),
    [
        ("53100", StoreFull),
        ("53300", StoreUnavailable),
        ("57014", StoreUnavailable),
        ("55P03", LockTimeout),
        ("XX001", StoreCorrupt),
        ("23505", StoreCorrupt),
        ("54000", StoreUnavailable),
    ],
)
def test_refusals(
    postgres: Postgres, opened, schema: str, sqlstate: str, error: type[RealmconfError]
) -> None:
    """Each is of its own kind, nothing is changed, and reads go on."""
    store = opened(postgres.url(schema=schema))
    append(store, ONE, {"n": 1})
    raising(postgres, schema, sqlstate)
    with pytest.raises(error):
        append(store, ONE, {"n": 2})
    assert store.head(ONE).generation == 1
    postgres.run(f"DROP TRIGGER refuse ON {schema}.revision")
    assert append(store, ONE, {"n": 3}).generation == 2


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_what_may_be_tried_again_is(postgres: Postgres, opened, schema: str, sqlstate: str) -> None:
    """A write that the server gave up in favour of another is judged and sent again, up to its deadline."""
    store = opened(postgres.url(schema=schema))
    raising(postgres, schema, sqlstate)
    mended = threading.Timer(0.2, postgres.run, [f"DROP TRIGGER refuse ON {schema}.revision"])
    mended.start()
    assert append(store, ONE, {"n": 1}).generation == 1
    mended.join()


def test_a_time_out_of_the_server(postgres: Postgres, opened, schema: str) -> None:
    """Where the server's own time-out ends a write, nothing was changed."""
    append(opened(postgres.url(schema=schema)), ONE, {"n": 1})
    name = role(postgres, "SET statement_timeout = '1s'", "SUPERUSER")
    store = opened(postgres.url(schema=schema, user=name))
    with postgres.connect() as holder, holder.transaction():
        holder.execute(f"LOCK TABLE {schema}.revision")
        with pytest.raises(StoreUnavailable, match="time-out"):
            append(store, ONE, {"n": 2})
    assert store.head(ONE).generation == 1


def test_the_turn_of_a_write_is_waited_for_until_its_deadline(
    postgres: Postgres, opened, schema: str
) -> None:
    """``lock_timeout`` if somebody else's write does not end in time; nothing was changed, and reads go on."""
    store = opened(postgres.url(schema=schema))
    append(store, ONE, {"n": 1})
    with postgres.connect() as holder, holder.transaction():
        holder.execute(
            "SELECT pg_advisory_xact_lock((1380139875::bigint << 32) | %s::regclass::oid::bigint)",
            [f"{schema}.realm"],
        )
        with pytest.raises(LockTimeout):
            store.void(ONE, "late", deadline=time.monotonic() + 0.3)
        assert store.head(ONE).generation == 1
    assert store.void(ONE, "late", deadline=soon()).outcome == "void"


def test_a_schema_that_was_dropped(postgres: Postgres, opened, schema: str) -> None:
    """Whoever has it open is told so, and makes no new one in its place without a word."""
    store = opened(postgres.url(schema=schema))
    append(store, ONE, {"n": 1})
    postgres.run(f"DROP SCHEMA {schema} CASCADE")
    for act in (lambda: store.head(ONE), lambda: append(store, ONE, {"n": 2})):
        with pytest.raises(StoreUnavailable) as refused:
            act()
        assert not refused.value.retryable


def test_what_a_role_sets_does_not_weaken_a_write(postgres: Postgres, opened, schema: str) -> None:
    """A role's defaults for isolation and synchronous commits are not those of our writes."""
    append(opened(postgres.url(schema=schema)), ONE, {"n": 0})
    name = role(
        postgres,
        "SUPERUSER",
        "SET synchronous_commit = off",
        "SET default_transaction_isolation = 'serializable'",
    )
    postgres.run(
        f"CREATE FUNCTION {schema}.look() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN new.request := current_setting('synchronous_commit') || ' ' || "
        "current_setting('transaction_isolation'); RETURN new; END $$"
    )
    postgres.run(
        f"CREATE TRIGGER look BEFORE INSERT ON {schema}.receipt "
        f"FOR EACH ROW EXECUTE FUNCTION {schema}.look()"
    )
    store = opened(postgres.url(schema=schema, user=name))
    append(store, ONE, {"n": 1}, write_id="mine")
    with store.view() as view:
        receipt = view.receipt(ONE, "mine")
    assert receipt is not None
    assert receipt.request == "on read committed"


# --- what is made ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        'Ünïcode "quoted"',
        "x; DROP SCHEMA public; --",
        "a'b",
        "a\\b",
        "%s",
        "$1",
        "{schema}",
        "{realm}",
        "$body$",
        "$body$; DROP SCHEMA public; $bodyx$",
    ],
)
def test_names_of_schemas(postgres: Postgres, opened, name: str) -> None:
    """Whatever a schema is called is a name and nothing else."""
    url = postgres.url(schema=name)
    first = opened(url)
    append(first, ONE, {"n": 1}, schemas=[{"type": "object"}])
    assert opened(first.url).head(ONE).generation == 1
    first.compact(ONE, floor=1, deadline=soon())
    assert len(postgres.run("SELECT nspname FROM pg_namespace WHERE nspname = %s", name)) == 1


def test_values_of_every_kind(postgres: Postgres, opened) -> None:
    """What callers choose is a value and never a part of a question."""
    store = opened(postgres.url())
    document = {"'; DROP TABLE realm; --": ["\\", '"', "\u0000", "%s", "$1", "{}", "\U0001f600"]}
    for number, name in enumerate(("it's", '"', "\\", "$1", "%s", "{a,b}", "ü", "NULL")):
        append(store, ONE, document, write_id=name, author=name, message=name)
        head = store.head(ONE).revision
        assert head is not None
        assert (head.generation, head.document, head.write_id) == (number + 1, document, name)
        with store.view() as view:
            assert view.receipt(ONE, name) is not None


def test_many_make_one_store_at_once(postgres: Postgres, opened, schema: str) -> None:
    """Whoever opens a new store while others do finds one store, with one key."""
    keys = set()

    def act(index: int) -> None:
        store = opened(postgres.url(schema=schema))
        append(store, RealmName(f"realm-{index}"), {"n": index})
        keys.add(store.request_key())

    in_threads(8, act)
    assert len(keys) == 1
    with opened(postgres.url(schema=schema)).view() as view:
        assert len(view.realms()) == 8


def test_several_stores_in_one_database(postgres: Postgres, opened) -> None:
    """Each schema is a store of its own: realms, keys, numbers and hints."""
    one, other = opened(postgres.url()), opened(postgres.url())
    append(one, ONE, {"n": 1})
    signal = other.signal([])
    assert signal.wait(20)
    append(other, RealmName("other"), {"n": 1})
    assert other.head(ONE).generation == 0
    assert one.request_key() != other.request_key()
    with one.view() as view:
        assert [entry.realm for entry in view.realms()] == [ONE]


def test_an_older_format_is_brought_up(
    postgres: Postgres, opened, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The first who opens it to write brings it up, whoever comes at the same time finds it done; who may only read is
    told to wait for that, and who has it open from before is told to be upgraded once the old functions are gone.
    """
    url = postgres.url(schema=schema)
    old = opened(url)
    append(old, ONE, {"n": 1})
    newer = tuple(one.replace("_1(", "_2(") for one in functions.ALL)
    monkeypatch.setattr(layout, "FORMAT", layout.FORMAT + 1)
    monkeypatch.setattr(functions, "ALL", newer)
    monkeypatch.setitem(
        layout.UPGRADES,
        layout.FORMAT - 1,
        (
            "ALTER TABLE {schema}.realm ADD COLUMN made_up bigint NOT NULL DEFAULT 7",
            "DROP FUNCTION {schema}.commit_1, {schema}.compact_1, {schema}.purge_1",
            *newer,
        ),
    )
    with pytest.raises(StoreUnavailable, match="older format"):
        opened(url, read_only=True)
    in_threads(4, lambda _: opened(url))
    assert postgres.run(f"SELECT made_up FROM {schema}.realm") == [(7,)]
    assert opened(url, read_only=True).head(ONE).generation == 1
    monkeypatch.undo()
    with pytest.raises(StoreTooNew):
        append(old, ONE, {"n": 2})
    assert old.head(ONE).generation == 1


def test_a_newer_format_is_refused(postgres: Postgres, opened, schema: str) -> None:
    """``store_too_new``, for reading too, and nothing is touched."""
    opened(postgres.url(schema=schema))
    postgres.run(f"UPDATE {schema}.meta SET value = '999' WHERE name = 'format'")
    for read_only in (False, True):
        with pytest.raises(StoreTooNew, match="999"):
            opened(postgres.url(schema=schema), read_only=read_only)


def test_a_server_that_does_not_sync_is_not_called_durable(schema: str) -> None:
    """The declaration follows the server's setting."""
    server = Postgres(fsync="off")
    try:
        store = open_store(server.url(), limits=LIMITS)
        assert not store.info.durable
        store.close()
    finally:
        server.close()


def test_declarations(postgres: Postgres, opened) -> None:
    """What is weaker than in the embedded store is what an engine far away is."""
    info = opened(postgres.url()).info
    assert (info.name, info.durable, info.reads) == ("postgresql", True, "linearizable")
    assert (info.fresh_read, info.current, info.judging) == ("query", "last_known", "optimistic")
    assert (info.working_copy, info.composition) == ("none", "snapshot")


# --- connections -----------------------------------------------------------------------------


def test_one_connection_is_enough(postgres: Postgres, opened) -> None:
    """With a pool of one, threads wait for each other, and nobody who holds it waits for another."""
    store = opened(postgres.url(pool_max=1))

    def act(index: int) -> None:
        for number in range(5):
            append(store, RealmName(f"realm-{index % 3}"), {"by": index, "n": number})
            with store.view() as view:
                view.realms()
                assert store.head(RealmName(f"realm-{index % 3}")).generation > 0

    in_threads(8, act)
    (found,) = postgres.run(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'realmconf' AND query NOT LIKE 'LISTEN%'"
    )
    assert found[0] >= 1


def test_a_fork_leaves_the_parents_connections_alone(postgres: Postgres) -> None:
    """A handle works in the child and in the parent, with views and watchers open, and each closes its own."""
    client = connect(postgres.url())
    realm = client.realm("forked")
    realm.set({"n": 0})
    seen: list[int] = []
    heard = threading.Event()
    handle = realm.on_change(lambda snapshot: (seen.append(snapshot.generation), heard.set()))  # type: ignore[func-returns-value]
    with client.store.view() as view:
        assert view.head(RealmName("forked")).generation == 1
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for number in range(1, 6):
                    realm.patch({"n": number})
                assert realm.get().config["n"] == 5
                client.close()
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        # The point of before, on the connection of before.
        assert view.head(RealmName("forked")).generation == 1
    assert realm.get().generation == 6
    realm.patch({"n": 99})
    deadline = time.monotonic() + 20
    while (not seen or seen[-1] < 7) and time.monotonic() < deadline:
        heard.wait(0.1)
        heard.clear()
    assert seen == list(range(2, 8)) or seen[-1] == 7
    handle.cancel()
    client.close()


def test_closing_ends_every_connection(postgres: Postgres) -> None:
    """Nothing is left at the server, and whoever waits for a hint is woken."""
    name = f"closing_{os.getpid()}"
    store = open_store(postgres.url(application_name=name), limits=LIMITS)
    signal = store.signal([ONE])
    append(store, ONE, {"n": 1})
    woken = threading.Thread(target=signal.wait, args=[None])
    woken.start()
    store.close()
    woken.join(20)
    assert not woken.is_alive()
    deadline = time.monotonic() + 20
    question = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
    while postgres.run(question, name) != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(StoreUnavailable, match="closed"):
        store.head(ONE)


def test_a_server_that_was_set_back_is_not_believed_by_its_numbers(postgres: Postgres) -> None:
    """
    G1, G3: numbers that are given again, after a restore or a failover that lost something, are not taken for what they
    were: a reader is given what stands there now, and a write that was judged on what is gone is judged again.
    """
    schema = postgres.new_schema()
    kept = open_store(postgres.url(schema=schema), limits=LIMITS)
    append(kept, ONE, {"n": 1})
    postgres.run(f"CREATE SCHEMA {schema}_old")
    for table in ("realm", "revision"):
        postgres.run(f"CREATE TABLE {schema}_old.{table} AS TABLE {schema}.{table}")
    lost = append(kept, ONE, {"n": 2})
    for table in ("realm", "revision"):
        postgres.run(f"DELETE FROM {schema}.{table}")
        postgres.run(f"INSERT INTO {schema}.{table} SELECT * FROM {schema}_old.{table}")
    other = open_store(postgres.url(schema=schema), limits=LIMITS)
    written = append(other, ONE, {"n": 3})
    assert (written.generation, written.digest != lost.digest) == (lost.generation, True)
    after = append(kept, ONE, {"n": 4})
    assert (after.generation, after.previous) == (written.generation + 1, written.digest)
    head = kept.head(ONE).revision
    assert head is not None
    assert head.document == {"n": 4}
    for store in (kept, other):
        store.close()


def test_what_a_store_holds_open_is_given_back(postgres: Postgres) -> None:
    """A store that was opened and closed leaves no descriptor, and a fork after that touches nobody else's."""
    url = postgres.url(schema=postgres.new_schema())
    open_store(url, limits=LIMITS).close()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        open_store(url, limits=LIMITS).close()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
