"""What engines tell of writes unasked: it brings heads along, and what does not fit so is asked for."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from itertools import pairwise
from unittest import mock

import pytest
from tests.engines.servers.postgres import Postgres

from realmconf.domain.names import RealmName
from realmconf.runtime.client import Client, connect
from realmconf.stores.engine.hearing import Hearing
from realmconf.stores.engine.ledger import News
from realmconf.stores.nats.listening import _place_of
from realmconf.stores.postgres.listening import news_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

pytestmark = pytest.mark.engines

ENGINES = ("postgres", "nats", "etcd", "nats_cluster")
TEAM, BASE = RealmName("team"), RealmName("base")
SECONDS = 30.0
STEPS = 20


class Ear:
    """A client that watches a realm, and notes what it is told and of whom it has to ask."""

    def __init__(self, url: str, stack: ExitStack, *, view: str = "own") -> None:
        self.news: list[News] = []
        self.untold: list[RealmName] = []
        self.told: list[Any] = []
        self.generations: list[int] = []
        self._changed = threading.Condition()
        plain = Hearing.hear

        def hear(hearing: Hearing, news: News) -> Sequence[RealmName]:
            untold = plain(hearing, news)
            self.news.append(news)
            self.untold += untold
            return untold

        stack.enter_context(mock.patch.object(Hearing, "hear", hear))
        self.client = stack.enter_context(connect(url))
        watch = stack.enter_context(self.client.realm(TEAM).watch(view=view))
        self._thread = threading.Thread(target=self._follow, args=[watch], daemon=True)
        self._thread.start()

    def _follow(self, watch: Any) -> None:
        for snapshot in watch:
            with self._changed:
                self.generations.append(snapshot.generation)
                self.told.append(dict(snapshot.config))
                self._changed.notify_all()

    def wait_for(self, number: int) -> None:
        """Wait until the watch was told of so many steps."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.told) >= number, SECONDS), self.told


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param).url()
    return found


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def writer_of(url: str, stack: ExitStack) -> Client:
    client = stack.enter_context(connect(url))
    client.realm(BASE).set({"b": 0})
    client.realm(TEAM).set({"n": 0, "realm": {TEAM: {"parent": BASE}}})
    return client


@pytest.mark.parametrize("view", ["own", "effective"])
def test_small_steps_are_told_and_not_asked_for(url: str, stack: ExitStack, view: str) -> None:
    """G8: after the first, of which it is not known what came before, no step of a lone writer is asked for."""
    writer = writer_of(url, stack)
    ear = Ear(url, stack, view=view)
    for number in range(1, STEPS + 1):
        writer.realm(TEAM).patch({"n": number, "wörter": "日本\u0000\n" * number})
        ear.wait_for(number)
    assert [one["n"] for one in ear.told] == list(range(1, STEPS + 1))
    # A beat may have asked of its own, and a machine that stands still for seconds is listened to anew.
    assert len(ear.untold) <= STEPS // 4
    heads = [news.heads[TEAM] for news in ear.news if TEAM in news.heads]
    assert len(heads) >= STEPS - 1


def test_an_id_that_is_given_changes_nothing_of_that(url: str, stack: ExitStack) -> None:
    """A write under an id leaves a receipt beside its row, and is told with its head all the same."""
    writer = writer_of(url, stack)
    ear = Ear(url, stack)
    for number in range(1, STEPS + 1):
        writer.realm(TEAM).patch({"n": number}, write_id=f"write-{number}")
        ear.wait_for(number)
    assert len(ear.untold) <= STEPS // 4


def test_several_at_once_and_large_ones(url: str, stack: ExitStack) -> None:
    """G8: of transactions over a realm and its parent, and of what is too large to be told, every step is told once."""
    writer = writer_of(url, stack)
    ear = Ear(url, stack, view="effective")
    for number in range(1, STEPS + 1):
        if number % 3 == 0:
            writer.transaction([(BASE, {"patch": {"b": number}}), (TEAM, {"patch": {"n": number}})])
        elif number % 3 == 1:
            writer.realm(BASE).patch({"b": number, "text": "x" * 40_000})
        else:
            writer.realm(TEAM).patch({"n": number})
    ear.wait_for(STEPS)
    assert [max(one["b"], one["n"]) for one in ear.told] == list(range(1, STEPS + 1))


def test_writers_at_once_are_told_of_in_order(url: str, stack: ExitStack) -> None:
    """G8: what several write at once, to a realm and its parent, is one sequence of steps without a gap."""
    writer = writer_of(url, stack)
    ear = Ear(url, stack, view="own")

    def write(realm: RealmName) -> None:
        with connect(url) as client:
            for number in range(STEPS):
                client.realm(realm).patch({f"{threading.get_ident()}-{number}": True})

    before = writer.realm(TEAM).get().generation
    threads = [threading.Thread(target=write, args=[name]) for name in (TEAM, BASE, TEAM, BASE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = writer.realm(TEAM).get()
    ear.wait_for(last.generation - before)
    assert last.generation == before + 2 * STEPS
    assert ear.generations == list(range(before + 1, last.generation + 1))


def test_each_write_names_the_one_before(url: str, stack: ExitStack) -> None:
    """
    Whatever a write is, what it says came before it is what was told last: else a gap could go unseen.

    Of some it is not said, and never something else.
    """
    writer = writer_of(url, stack)
    ear = Ear(url, stack)
    writer.realm(TEAM).patch({"n": 1})
    ear.wait_for(1)
    writer.transaction([("one", {"set": {"a": 1}}), ("two", {"set": {"b": 1}})])
    writer.realm("three").set({"realm": {"three": {"parent": "one"}}}, write_id="given")
    writer.realm("one").set_schema({"properties": {"a": {"type": "integer"}}})
    writer.transaction([("one", {"patch": {"a": 2}}), (TEAM, {"patch": {"n": 2}})], write_id="both")
    writer.rename("two", "four")
    writer.realm("three").patch({"realm": {"three": {"parent": "four"}}})
    writer.realm("three").delete()
    writer.store.void(RealmName("five"), "never", deadline=writer.deadline(SECONDS))
    writer.store.compact(TEAM, floor=2, deadline=writer.deadline(SECONDS))
    writer.realm("five").set({"c": 1})
    writer.realm(TEAM).patch({"n": 3})
    ear.wait_for(3)
    told = [(news.before, news.version) for news in ear.news]
    for (_, last), (before, version) in pairwise(told):
        assert before in (None, last) or last is None, told
        assert version is None or last is None or version > last
    assert sum(before is not None for before, _ in told) > len(told) / 2


def test_a_channel_is_known_to_readers_alone(postgres: Postgres, stack: ExitStack) -> None:
    """Whoever knows what all roles of a database may know of a store hears nothing of what is written."""
    import psycopg

    url = postgres.url()
    writer = writer_of(url, stack)
    store: Any = writer.store
    channel = store._ledger._channel
    table, _, secret = channel.removeprefix("realmconf_").partition("_")
    assert table.isdigit()
    assert len(secret) == 32
    assert secret not in store._ledger._key.hex()
    other = stack.enter_context(psycopg.connect(_conninfo(postgres), autocommit=True))
    other.execute(f"LISTEN realmconf_{table}")
    other.execute(f"LISTEN {channel}")
    writer.realm(TEAM).patch({"n": 1})
    told = list(other.notifies(timeout=SECONDS, stop_after=1))
    assert [one.channel for one in told] == [channel]


def _conninfo(postgres: Postgres) -> str:
    from tests.engines.servers.postgres import DATABASE, USER

    return f"host=127.0.0.1 port={postgres.port} user={USER} dbname={DATABASE}"


@pytest.mark.parametrize(
    ("notice", "version", "before", "has_head"),
    [
        (b"team", None, None, False),
        # The session did not know of what it is: it was another one's, or nothing was written.
        (b"team\n= 1\nabc\n{}", None, None, False),
        (b"team\n=12 1", 12, 11, False),
        (b"team\n=12 1\nabc\n{}", 12, 11, True),
        (b"base\nteam\n=12 2", 12, 10, False),
        (b"base\nteam\n=12 2\nabc\n{}", 12, 10, False),
    ],
)
def test_what_a_notification_says(
    notice: bytes, version: int | None, before: int | None, has_head: bool
) -> None:
    news = news_in(notice)
    assert TEAM in news.realms
    assert (news.version, news.before) == (version, before)
    assert (TEAM in news.heads) is has_head


@pytest.mark.parametrize(
    ("reply", "place"),
    [
        ("$JS.ACK.configs.ear.1.27.3.1700000000000000000.0", (27, 3)),
        ("$JS.ACK.hub.ACCOUNT.configs.ear.1.27.3.1700000000000000000.0", (27, 3)),
        ("$JS.ACK.hub.ACCOUNT.configs.ear.1.27.3.1700000000000000000.0.token", (27, 3)),
        ("$JS.ACK.configs.ear.1.27", None),
        ("_INBOX.a.b.c.d.e.f.g.h", None),
        ("", None),
    ],
)
def test_where_a_pushed_message_stands(reply: str, place: tuple[int, int] | None) -> None:
    """A consumer's messages say their numbers in either form that servers give them; of others nothing is known."""
    assert _place_of(reply) == place
