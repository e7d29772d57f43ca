"""What callers of every kind meet on a store that takes a question to read, and judges without holding anybody off."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from realmconf.errors import OutcomeUnknown, RealmMoved, StoreTooNew
from realmconf.runtime.aio import AsyncClient
from realmconf.runtime.client import Client
from realmconf.runtime.tokens import Tokens
from realmconf.stores.protocol import Arrival, Step
from realmconf.testing.conformance.base import ONE, TIMEOUT_SECONDS, TWO, append, soon
from realmconf.testing.modelengine import ModelEngine, Storm, Weather
from realmconf.testing.modelengine.weather import ANSWER_LOST, LOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from realmconf.stores.engine.ledger import Changes

ELSEWHERE = "sqlite:///elsewhere"


class BroughtUp(Weather):
    """The answer to a write is lost, and after it a later release brings the store up."""

    def __init__(self) -> None:
        self._is_later = False

    def asking(self) -> None:
        if self._is_later:
            raise StoreTooNew("a later release has brought it up: planted")

    def fate(self, changes: Changes) -> str:
        self._is_later = True
        return ANSWER_LOST


@pytest.fixture
def engine() -> ModelEngine:
    return ModelEngine()


@pytest.fixture
def client(engine: ModelEngine) -> Iterator[Client]:
    with Client(engine.open(), author="ada") as client:
        yield client


@pytest.fixture
def other(engine: ModelEngine) -> Iterator[Client]:
    with Client(engine.open(), author="ben") as client:
        yield client


def test_an_event_loop_watches(client: Client, other: Client) -> None:
    """G8: an asynchronous watch sees what another process writes, each generation once and in order."""

    async def seen() -> list[int]:
        found = []
        asked = AsyncClient(client)
        realm = asked.realm("team")
        watch = realm.watch(after=0, view="own")
        other.realm("team").set({"n": 1})
        async for snapshot in watch:
            found.append(snapshot.generation)
            if snapshot.generation == 3:
                break
            await asyncio.get_running_loop().run_in_executor(
                None, lambda: other.realm("team").set({"n": len(found) + 1})
            )
        assert (await realm.get()).generation == 3
        assert (await realm.patch({"n": 9})).generation == 4
        assert realm.current == {"n": 9}
        watch.close()
        return found

    assert asyncio.run(asyncio.wait_for(seen(), TIMEOUT_SECONDS)) == [1, 2, 3]


def test_a_plan_appends_nothing(client: Client, engine: ModelEngine) -> None:
    """A dry run is judged on the newest point and leaves no row behind it."""
    client.realm("team").set({"n": 1})
    version = engine.state.version
    plan = client.realm("team").patch({"n": 2}, dry_run=True)
    assert (plan.generation, engine.state.version) == (2, version)


def test_tokens_are_kept_there(client: Client, other: Client) -> None:
    """The record of tokens is a realm as on any store: what one process grants, another one knows."""
    made = Tokens(client).create(
        name="ci", roles=["write"], realms=["*"], author="ada", surface="python"
    )
    assert [one.name for one in Tokens(other).all()] == ["ci"]
    granted = Tokens(other).grant_of(made.text)
    assert granted is not None
    assert granted.roles == {"write"}


def test_current_is_kept_up(client: Client, other: Client) -> None:
    """``current`` follows a parent's change that a hint told of, without being asked for."""
    other.realm("base").set({"n": 1})
    other.realm("team").set({"realm": {"team": {"parent": "base"}}})
    realm = client.realm("team")
    assert realm.current == {"n": 1}
    assert realm.current_age < TIMEOUT_SECONDS
    heard = threading.Event()
    subscription = realm.on_change(lambda _: heard.set())
    other.realm("base").set({"n": 2})
    assert heard.wait(TIMEOUT_SECONDS)
    assert realm.current == {"n": 2}
    subscription.cancel()


def test_current_asks_once_where_versions_were_not_told(engine: ModelEngine) -> None:
    """The writer's own ``current`` shows its write, also where the engine says no more than that it is done."""
    storm = Storm(seed=1, fates={"silent": 1.0}, hints={LOST: 1.0})
    with Client(engine.open(weather=storm)) as client:
        realm = client.realm("team")
        assert realm.current == {}
        for number in range(5):
            realm.set({"n": number})
            assert realm.current == {"n": number}


def test_a_realm_that_has_left_is_told_of(client: Client, other: Client) -> None:
    """Readers, writers and watchers in other processes are told where it lives now."""
    client.realm("team").set({"n": 1})
    watch = other.realm("team").watch(after=1, view="own")
    store: Any = client.store
    store.depart(
        client.realm("team").realm_id, "sqlite:///new", finish=lambda _: None, deadline=soon()
    )
    for act in (
        lambda: next(watch),
        lambda: other.realm("team").get(),
        lambda: other.realm("team").set({"n": 2}),
    ):
        with pytest.raises(RealmMoved) as told:
            act()
        assert told.value.to == "sqlite:///new"
    watch.close()


def test_a_watch_goes_on_in_a_child(client: Client) -> None:
    """G8: who was watching before a fork is told of what the child writes itself."""
    realm = client.realm("team")
    realm.set({"n": 1})
    watch = realm.watch(after=0, view="own")
    assert next(watch).generation == 1
    process = os.fork()
    if process == 0:
        code = 1
        try:
            writer = threading.Thread(target=lambda: client.realm("team").set({"n": 2}))
            writer.start()
            code = 0 if next(watch).generation == 2 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    watch.close()


@pytest.mark.parametrize("what", ["void", "receive", "depart", "arrive"])
def test_a_later_release_refuses_nothing_that_was_done(engine: ModelEngine, what: str) -> None:
    """
    G6: whoever makes an id void or moves a realm, and loses the answer, is not told that the store is too new, as if
    nothing had been changed: it was done, and the outcome is unknown.
    """
    here, elsewhere = engine.open(), ModelEngine().open(name="elsewhere")
    append(here, ONE, {"n": 1})
    append(elsewhere, TWO, {"n": 1})
    present, coming = here.head(ONE).revision, elsewhere.head(TWO).revision
    assert present is not None
    assert coming is not None
    arrival = Arrival(
        source=ELSEWHERE, floors={TWO: 1}, steps=(Step(position=1, realm=TWO, revision=coming),)
    )
    if what == "arrive":
        here.depart(ONE, ELSEWHERE, finish=lambda _: None, deadline=soon())
    late = engine.open(weather=BroughtUp())
    acts: dict[str, Callable[[], object]] = {
        "void": lambda: late.void(ONE, "mine", deadline=soon()),
        "receive": lambda: late.receive(arrival, deadline=soon()),
        "depart": lambda: late.depart(ONE, ELSEWHERE, finish=lambda _: None, deadline=soon()),
        "arrive": lambda: late.arrive(ONE, digest=present.digest, deadline=soon()),
    }
    before = engine.state.version
    with pytest.raises(OutcomeUnknown):
        acts[what]()
    assert engine.state.version > before
