"""Watchers in great number on a store that takes a question to read: what they cost it, and that they miss nothing."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from realmconf.domain.names import RealmName
from realmconf.errors import StoreUnavailable
from realmconf.runtime.access import Grant
from realmconf.runtime.aio import AsyncClient
from realmconf.runtime.client import Client
from realmconf.runtime.operations.session import Session
from realmconf.stores.bell import Bells
from realmconf.stores.engine import following
from realmconf.stores.engine.following import BEAT_SECONDS, Following
from realmconf.stores.engine.store import REALMS_AT_ONCE, EngineStore
from realmconf.surfaces.http.stream_steps import Steps
from realmconf.testing.conformance.base import TIMEOUT_SECONDS
from realmconf.testing.modelengine import ModelEngine, Storm, Weather
from realmconf.testing.modelengine.ledger import ModelLedger
from realmconf.testing.modelengine.weather import DOUBLED, ENDS, LOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from realmconf.stores.engine.ledger import News, Row

WATCHERS = 1_000
SETTLE_SECONDS = 0.05


class Counting(Weather):
    """Fair weather in which questions are counted."""

    def __init__(self) -> None:
        self.questions = 0

    def asking(self) -> None:
        self.questions += 1

    async def is_only_the_beat(self) -> None:
        """Wait until everybody has asked what they ask at their beginning, however long the machine takes over it."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while True:
                before, began = self.questions, time.monotonic()
                await asyncio.sleep(2 * BEAT_SECONDS)
                if self.questions - before <= 1 + beats_since(began):
                    return


def beats_since(began: float) -> int:
    """How many have ended since then at most, besides the one that was under way."""
    return int((time.monotonic() - began) / BEAT_SECONDS)


class Watchers:
    """Many who watch, in one loop, and note the generations that they are told of."""

    def __init__(self, client: Client) -> None:
        self._client = AsyncClient(client)
        self.seen: list[list[int]] = []
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, realm: str, *, view: str, after: int | None = 0) -> None:
        watch = self._client.realm(realm).watch(after=after, view=view)
        seen: list[int] = []
        self.seen.append(seen)

        async def follow() -> None:
            async for snapshot in watch:
                assert not snapshot.reset
                seen.append(snapshot.generation)

        self._tasks.append(asyncio.get_running_loop().create_task(follow()))

    async def until(self, generations: Iterable[int]) -> None:
        """Wait until all have been told of exactly *generations*, in that order."""
        expected = list(generations)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while any(len(seen) < len(expected) for seen in self.seen):
                await asyncio.sleep(0.005)
        assert all(seen == expected for seen in self.seen)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def elsewhere(act: Callable[[], object]) -> None:
    await asyncio.get_running_loop().run_in_executor(None, act)


def store_of(client: Client) -> EngineStore:
    assert isinstance(client.store, EngineStore)
    return client.store


@pytest.mark.parametrize("view", ["own", "effective"])
def test_a_commit_costs_one_question_for_a_thousand_watchers(view: str) -> None:
    """
    G8: a thousand watchers of one realm are told of each commit of another process, at the price of one question of
    the thread that listens; no watcher asks for itself.
    """
    engine, weather = ModelEngine(), Counting()

    async def act(client: Client, other: Client) -> None:
        other.realm("team").set({"n": 1})
        watchers = Watchers(client)
        for _ in range(WATCHERS):
            watchers.add("team", view=view, after=None if view == "effective" else 1)
        await weather.is_only_the_beat()
        for generation in range(2, 7):
            before, began = weather.questions, time.monotonic()
            await elsewhere(lambda: other.realm("team").set({"n": time.monotonic()}))
            await watchers.until(range(2, generation + 1))
            asked = weather.questions - before
            # Besides the one, a beat may fall in between: one question about the store, and one to be sure.
            assert asked <= 1 + 2 * (1 + beats_since(began))
        await watchers.close()

    with Client(engine.open(weather=weather)) as client, Client(engine.open()) as other:
        asyncio.run(act(client, other))


def test_watchers_that_fall_behind_read_history_once() -> None:
    """Of a burst that came faster than they were told of it, what they have missed is read for all of them together."""
    engine, weather = ModelEngine(), Counting()
    generations = 200

    async def act(client: Client, other: Client) -> None:
        other.realm("team").set({"n": 0})
        watchers = Watchers(client)
        for number in range(WATCHERS // 5):
            watchers.add("team", view=("own", "effective")[number % 2], after=None)
        await weather.is_only_the_beat()
        before = weather.questions

        def burst() -> None:
            for number in range(generations):
                other.realm("team").set({"n": number + 1})

        await elsewhere(burst)
        await watchers.until(range(2, generations + 2))
        # By the listener one for each commit at most; by watchers some for a gap, in each view, and not each of them:
        # how many gaps there are is the machine's to say, and each for itself would ask ten times this.
        assert weather.questions - before < len(watchers.seen) * generations / 10
        await watchers.close()

    with Client(engine.open(weather=weather)) as client, Client(engine.open()) as other:
        asyncio.run(act(client, other))


def test_a_commit_elsewhere_costs_nothing() -> None:
    """A hint of a realm that nobody watches makes nobody ask, and a quiet store is asked how far it is, once a beat."""
    engine, weather = ModelEngine(), Counting()

    async def act(client: Client, other: Client) -> None:
        names = [f"team{number}" for number in range(2 * REALMS_AT_ONCE)]
        for name in (*names, "elsewhere"):
            other.realm(name).set({"n": 1})
        watchers = Watchers(client)
        for name in names:
            watchers.add(name, view="own", after=1)
        await weather.is_only_the_beat()
        before, began = weather.questions, time.monotonic()
        for number in range(20):
            await elsewhere(partial(other.realm("elsewhere").set, {"n": number}))
        await asyncio.sleep(SETTLE_SECONDS)
        asked = weather.questions - before
        # The beat makes sure of everybody, in questions for many at once.
        assert asked <= (1 + beats_since(began)) * (1 + len(names) / REALMS_AT_ONCE)
        await watchers.close()

    with Client(engine.open(weather=weather)) as client, Client(engine.open()) as other:
        asyncio.run(act(client, other))


def test_a_look_for_watchers_is_never_stale() -> None:
    """G8: where reads may be old, those who watch are told of a commit all the same: what they are told by is not."""
    engine = ModelEngine()

    async def act(client: Client, other: Client) -> None:
        other.realm("team").set({"n": 1})
        ledger = store_of(client)._ledger
        assert isinstance(ledger, ModelLedger)
        ledger.info = ledger.info.replace(reads="stale")
        old = ledger._point()

        def rows(
            realms: Sequence[RealmName], *, deadline: float | None = None
        ) -> Mapping[RealmName, Row]:
            return old.rows(realms)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ledger, "rows", rows)
            watchers = Watchers(client)
            watchers.add("team", view="own", after=1)
            await asyncio.sleep(BEAT_SECONDS)
            for generation in range(2, 5):
                await elsewhere(lambda: other.realm("team").set({"n": time.monotonic()}))
                await watchers.until(range(2, generation + 1))
            await watchers.close()

    with Client(engine.open()) as client, Client(engine.open()) as other:
        asyncio.run(act(client, other))


@pytest.mark.parametrize("seed", range(6))
def test_no_watcher_misses_repeats_or_reorders(seed: int) -> None:
    """
    G8: in foul weather, where hints are lost, doubled or the last ones and questions do not get there, watchers of
    either view see each step of a realm and its parents once and in order, whoever writes: their process or another.
    """
    engine = ModelEngine()
    chance = random.Random(seed)
    storm = Storm(seed=seed, fates={}, hints={LOST: 0.3, DOUBLED: 0.2, ENDS: 0.1}, unreachable=0.02)
    steps = 60

    def written(client: Client, name: str, change: dict[str, object]) -> None:
        while True:
            try:
                client.realm(name).patch(change)
            except StoreUnavailable:
                continue
            return

    def watching(client: Client, view: str, told: list[object], begun: threading.Event) -> None:
        cursor: object = 0 if view == "own" else None
        while True:
            try:
                realm = client.realm("team")
                if cursor is None:
                    cursor = realm.get()
                begun.set()
                for snapshot in realm.watch(after=cursor, view=view):  # type: ignore[arg-type]
                    assert not snapshot.reset
                    # Composing may ask the store, and fail: then it comes again.
                    config = dict(snapshot.config)
                    cursor = snapshot.cursor
                    told.append(snapshot.generation if view == "own" else config)
                    if config.get("end"):
                        return
            except StoreUnavailable:
                continue

    with Client(engine.open(weather=storm)) as client, Client(engine.open()) as other:
        other.realm("base").set({"b": 0})
        other.realm("team").set({"t": 0, "realm": {"team": {"parent": "base"}}})
        told: dict[str, list[object]] = {"own": [], "effective": []}
        begun = {view: threading.Event() for view in told}
        threads = [
            threading.Thread(
                target=watching, args=(client, view, told[view], begun[view]), daemon=True
            )
            for view in told
        ]
        for thread in threads:
            thread.start()
        for one in begun.values():
            assert one.wait(TIMEOUT_SECONDS)
        expected = [{"b": 0, "t": 0}]
        for number in range(1, steps):
            writer = (client, other)[chance.random() < 0.5]
            name, key = chance.choice([("base", "b"), ("team", "t")])
            written(writer, name, {key: number})
            expected.append({**expected[-1], key: number})
            time.sleep(chance.choice([0.0, 0.0, 0.002]))
        other.realm("team").patch({"end": True})
        expected.append({**expected[-1], "end": True})
        for thread in threads:
            thread.join(TIMEOUT_SECONDS)
            assert not thread.is_alive()
        last = other.realm("team").get().generation
        assert told["own"] == list(range(1, last + 1))
        assert told["effective"] == expected[1:]


def test_a_lost_hint_costs_the_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no hint comes at all, a watcher is told by the first look that begins after the commit."""
    looked: list[Following] = []
    told: dict[int, int] = {}
    """How many looks had begun when the watcher was first rung with a generation at hand."""
    look, ring = Following._look, Bells.ring

    def counting(following: Following) -> None:
        looked.append(following)
        look(following)

    engine = ModelEngine()
    deaf = Storm(seed=1, fates={}, hints={LOST: 1.0})
    with Client(engine.open(weather=deaf)) as client, Client(engine.open()) as other:
        store, team = store_of(client), RealmName("team")

        def ringing(bells: Bells, realms: Collection[RealmName] | None = None) -> None:
            seen = store._followed.seen(team) if bells is store._bells else None
            if seen is not None:
                told.setdefault(seen.heads[team].generation, len(looked))
            ring(bells, realms)

        monkeypatch.setattr(Following, "_look", counting)
        monkeypatch.setattr(Bells, "ring", ringing)
        other.realm("team").set({"n": 1})
        with client.realm("team").watch(after=1, view="own") as watch:
            time.sleep(SETTLE_SECONDS)
            for generation in (2, 3):
                other.realm("team").set({"n": generation})
                before = len(looked)
                assert next(watch).generation == generation
                # A first question of the watcher's own needs no look.
                assert told.get(generation, before) - before <= 1
        assert 3 in told
        assert set(looked) == {store._following}


def test_the_own_commit_is_told_without_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process has written is told to its watchers at once, from what it made, also where no hint comes."""
    # So far away that whoever is told was not told by it.
    monkeypatch.setattr(following, "BEAT_SECONDS", 3_600.0)
    listens = threading.Event()
    hinted = EngineStore._hinted

    def noting(store: EngineStore, heard: Sequence[News] | None) -> None:
        hinted(store, heard)
        listens.set()

    # Whoever begins to listen wakes all who watch.
    monkeypatch.setattr(EngineStore, "_hinted", noting)
    engine = ModelEngine()
    deaf = Storm(seed=1, fates={}, hints={LOST: 1.0})
    with Client(engine.open(weather=deaf)) as client:
        realm = client.realm("team")
        realm.set({"n": 1})
        with realm.watch(after=1, view="own") as watch:
            waiting = threading.Thread(target=lambda: next(watch), daemon=True)
            waiting.start()
            assert listens.wait(TIMEOUT_SECONDS)
            time.sleep(SETTLE_SECONDS)
            realm.set({"n": 2})
            waiting.join(TIMEOUT_SECONDS)
            assert not waiting.is_alive()


def test_a_look_that_failed_is_made_by_those_who_watch() -> None:
    """G8: where the listening thread cannot look at what it was told of, watchers ask, and say what the matter is."""
    engine = ModelEngine()

    class Outage(Weather):
        is_there = False

        def asking(self) -> None:
            if self.is_there:
                raise StoreUnavailable("the engine cannot be reached: planted")

    outage = Outage()
    with Client(engine.open(weather=outage)) as client, Client(engine.open()) as other:
        other.realm("team").set({"n": 1})
        watch = client.realm("team").watch(after=1, view="own")
        time.sleep(SETTLE_SECONDS)
        outage.is_there = True
        other.realm("team").set({"n": 2})
        with pytest.raises(StoreUnavailable):
            next(watch)
        outage.is_there = False
        assert next(watch).generation == 2
        watch.close()


def test_nothing_is_kept_up_that_nobody_watches() -> None:
    """Whoever has closed a watch, or forgotten it, costs the store no question any more."""
    engine = ModelEngine()
    with Client(engine.open()) as client:
        store = store_of(client)
        first = client.realm("one").watch(view="own")
        second = client.realm("two").watch(view="effective")
        third = client.realm("three").watch(view="own")
        assert set(store._followed.realms) == {"one", "two", "three"}
        first.close()
        second.close()
        assert store._followed.realms == ["three"]
        del third
        gc.collect()
        assert store._followed.concerned([RealmName("three")]) == []
        assert store._followed.realms == []
        # Who reads without asking goes on being told.
        assert client.realm("four").current == {}
        assert store._followed.realms == ["four"]


def test_streams_of_a_server_ask_only_of_what_has_changed() -> None:
    """
    G8: the event streams of a server look at what was heard, on its loop; what is new is read in a thread, and who
    comes is told of all that was committed before.
    """
    engine, weather = ModelEngine(), Counting()

    async def act(client: Client, other: Client) -> None:
        other.realm("team").set({"n": 1})
        session = Session(client, Grant(id="", name="", roles=frozenset({"read"})), surface="http")
        failures: list[Exception] = []
        with ThreadPoolExecutor(1) as threads:
            steps = Steps(
                session,
                RealmName("team"),
                "own",
                threads=threads,
                failed=lambda _, failure: failures.append(failure),
            )
            steps.look()
            await steps.catch_up()
            await asyncio.sleep(BEAT_SECONDS)
            before, began = weather.questions, time.monotonic()
            for _ in range(100):
                steps.look()
                await asyncio.sleep(0)
            asked = weather.questions - before
            assert asked <= 2 * (1 + beats_since(began))
            await elsewhere(lambda: other.realm("team").set({"n": 2}))
            await steps.catch_up()
            assert steps.end == 1
            assert steps.cursor == other.realm("team").get().etag
            steps.close()
        assert not failures

    with Client(engine.open(weather=weather)) as client, Client(engine.open()) as other:
        asyncio.run(act(client, other))
