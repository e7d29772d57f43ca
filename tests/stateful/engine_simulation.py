"""
Many handles on one engine in memory, one step at a time: who goes next, and what goes wrong, is drawn from a seed.

A step is one question or one write to the engine, so that every interleaving that a network allows can come about, and
comes about again with the same seed.  Time passes with the steps, and sleeping takes none.  What the handles do is what
the processes of a torture run do (``realmconf.testing.workers``), judged by the same verdict, and what ``kin`` adds:
relatives, changes of mind, and the same request again.
"""

from __future__ import annotations

import json
import os
import random
import threading
from contextlib import ExitStack
from types import SimpleNamespace
from unittest import mock

from tests.stateful.engine_kin import Kin, Watchful
from tests.stateful.engine_onlooker import HINTS, Onlooker

from realmconf.errors import RealmconfError
from realmconf.runtime.client import Client
from realmconf.runtime.world import World
from realmconf.stores import bell, fairness, followed
from realmconf.stores.engine import attempt, following, hearing, patience, store
from realmconf.testing import calllog, workers
from realmconf.testing.modelengine import ModelEngine, Storm
from realmconf.testing.modelengine import ledger as model_ledger
from realmconf.testing.modelengine.weather import (
    ANSWER_LOST,
    LATE,
    REFUSED,
    REQUEST_LOST,
    SILENT,
)
from realmconf.testing.verdict import HISTORY_FILE, judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FATES = {ANSWER_LOST: 0.06, REQUEST_LOST: 0.06, LATE: 0.06, REFUSED: 0.03, SILENT: 0.05}
UNREACHABLE = 0.003
STEP_SECONDS = 0.0001
BEAT_SECONDS = 0.02
ROLES = ("writer", "writer", "writer", "reader", "watcher", "transactor", "kin", "kin", "kin")
LISTENING = (4, 6)
"""Those of them whose handle listens: one that only watches, and one that writes too."""


class _Over(BaseException):
    """The simulation has ended: whatever is under way is cut off, as in a process that is killed."""


class Baton:
    """Lets one of several threads run at a time, and draws which."""

    def __init__(self, seed: int, *, steps: int) -> None:
        self.chance = random.Random(seed)
        self.now_seconds = 1000.0
        self._steps_left = steps
        self._turns: dict[int, threading.Semaphore] = {}
        self._done = threading.Semaphore(0)

    def run(self, acts: list[Callable[[], None]]) -> None:
        """Run all *acts*, each in a thread, until the steps are spent; raises what one has raised."""
        failures: list[BaseException] = []

        def perform(act: Callable[[], None], turn: threading.Semaphore) -> None:
            turn.acquire()
            try:
                act()
            except _Over:
                pass
            except BaseException as failure:  # noqa: BLE001 - raised again by who waits
                failures.append(failure)
                self._steps_left = 0
            finally:
                del self._turns[threading.get_ident()]
                self._next()

        threads = []
        for act in acts:
            turn = threading.Semaphore(0)
            thread = threading.Thread(target=perform, args=(act, turn), daemon=True)
            threads.append((thread, turn))
        for thread, turn in threads:
            thread.start()
            assert thread.ident is not None
            self._turns[thread.ident] = turn
        self._next()
        self._done.acquire()
        for thread, _ in threads:
            thread.join()
        if failures:
            raise failures[0]

    def _next(self) -> None:
        if not self._turns:
            self._done.release()
            return
        chosen = self.chance.choice(list(self._turns))
        self._turns[chosen].release()

    def pass_on(self) -> None:
        """Let somebody else run, or go on; nothing outside of ``run``."""
        mine = self._turns.get(threading.get_ident())
        if mine is None:
            return
        self.now_seconds += STEP_SECONDS
        self._next()
        mine.acquire()
        self._steps_left -= 1
        if self._steps_left <= 0:
            raise _Over

    def sleep(self, seconds: float) -> None:
        until = self.now_seconds + seconds
        while threading.get_ident() in self._turns and self.now_seconds < until:
            self.pass_on()

    def monotonic(self) -> float:
        return self.now_seconds

    def monotonic_ns(self) -> int:
        # No two instants are the same, as in a log of one process each.
        self.now_seconds += 1e-7
        return int(self.now_seconds * 1e9)


class _Lock:
    """A lock whose waiters pass the baton on."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton
        self._held = False

    def acquire(self, timeout: float) -> bool:
        until = self._baton.now_seconds + timeout
        while self._held:
            if self._baton.now_seconds >= until:
                return False
            self._baton.pass_on()
        self._held = True
        return True

    def release(self) -> None:
        self._held = False


class _SteppedStorm(Storm):
    """Every call is a step."""

    baton: Baton

    def asking(self) -> None:
        self.baton.pass_on()
        super().asking()


class Simulation:
    """One run; ``findings`` is what was wrong with it."""

    def __init__(self, folder: str, *, seed: int, steps: int = 6000) -> None:
        self.folder = folder
        self.seed = seed
        self.baton = Baton(seed, steps=steps)
        self.engine = ModelEngine()
        self.engine.turn = _Lock(self.baton)  # type: ignore[assignment]
        self.watchful = Watchful(self.engine)
        self.storms: list[Storm] = []
        self.onlookers: list[Onlooker] = []

    def run(self) -> list[str]:
        """Do it; what was found."""
        with ExitStack() as patches:
            self._patch(patches)
            self._prepare()
            acts = [self._act(role, number) for number, role in enumerate(ROLES)]
            self.baton.run([*acts, *(onlooker.act for onlooker in self.onlookers)])
            self.engine.let_arrive(lambda: True)
            self._let_watchers_catch_up()
        self._write_history()
        remembered = [one for onlooker in self.onlookers for one in onlooker.findings()]
        return [*self.watchful.findings(), *remembered, *self._verdict()]

    @property
    def faults(self) -> int:
        """How many calls went wrong."""
        return sum(
            number
            for storm in self.storms
            for fate, number in storm.met.items()
            if fate != "arrives"
        )

    def _patch(self, patches: ExitStack) -> None:
        baton = self.baton
        clock = SimpleNamespace(
            monotonic=baton.monotonic, monotonic_ns=baton.monotonic_ns, sleep=baton.sleep
        )

        def wait(_: bell.Bell, timeout_seconds: float | None) -> bool:
            baton.pass_on()
            return timeout_seconds is None

        timed = (attempt, patience, store, following, followed, hearing, fairness, model_ledger)
        for module in (*timed, workers, calllog):
            patches.enter_context(mock.patch.object(module, "time", clock))
        patches.enter_context(mock.patch.object(following, "BEAT_SECONDS", BEAT_SECONDS))
        for module in (attempt, patience):
            patches.enter_context(mock.patch.object(module, "random", self.baton.chance))
        # Another process is another number, and would be another run.
        patches.enter_context(mock.patch.object(workers, "_own_number", return_value=1))
        patches.enter_context(mock.patch.object(following.Following, "start"))
        patches.enter_context(mock.patch.object(bell.Bell, "wait", wait))

    def client(self, *, in_fair_weather: bool = False) -> Client:
        """A handle of its own."""
        baton = self.baton
        seed = baton.chance.randrange(1 << 30)
        storm = _SteppedStorm(
            seed=seed,
            fates={} if in_fair_weather else FATES,
            hints={} if in_fair_weather else HINTS,
            unreachable=0.0 if in_fair_weather else UNREACHABLE,
        )
        storm.baton = baton
        self.storms.append(storm)
        world = World(
            time_nanoseconds=baton.monotonic_ns,
            monotonic_seconds=baton.monotonic,
            sleep_seconds=baton.sleep,
            random_bytes=baton.chance.randbytes,
        )
        return Client(self.engine.open(weather=storm), world=world)

    def _prepare(self) -> None:
        os.makedirs(self.folder, exist_ok=True)
        log = calllog.CallLog(os.path.join(self.folder, "inspector.log"))
        client = self.client(in_fair_weather=True)
        body = workers.starting_document()
        call = log.begin(realm=workers.REALM, verb="set", body=body, write_id="start", given=True)
        realm = client.realm(workers.REALM)
        log.end(call, **workers.answer_of(lambda: realm.set(body, write_id="start")))
        log.close()
        client.close()

    def _act(self, role: str, number: int) -> Callable[[], None]:
        client = self.client()
        if number in LISTENING:
            self.onlookers.append(
                Onlooker(
                    client,
                    self.engine,
                    self.baton.pass_on,
                    is_told_at_once=len(self.onlookers) % 2 == 1,
                )
            )
        if role == "kin":
            return Kin(client, f"kin-{number}", self.baton.chance, self.watchful).act
        task = workers.Task(
            role=role, name=f"{role}-{number}", store="", folder=self.folder, seed=self.seed
        )
        perform = {
            "writer": workers._write,
            "reader": self._read,
            "watcher": workers._watch,
            "transactor": workers._transact,
        }[role]

        def act() -> None:
            log = calllog.CallLog(task.log_path)
            try:
                while True:
                    try:
                        perform(task, log, client)
                    except RealmconfError as failure:
                        # As one process dies of it, and the next goes on.
                        if failure.code != "store_unavailable":
                            raise
            finally:
                log.close()

        return act

    def _read(self, task: workers.Task, log: calllog.CallLog, client: Client) -> None:
        realm: Any = client.realm(workers.REALM)
        while True:
            began_ns = self.baton.monotonic_ns()
            snapshot = realm.get()
            log.record(
                realm=workers.REALM,
                verb="get",
                began_ns=began_ns,
                outcome="observed",
                generation=snapshot.generation,
                seen=snapshot.revision.write_id,
            )

    def _let_watchers_catch_up(self) -> None:
        for number, role in enumerate(ROLES):
            if role != "watcher":
                continue
            client = self.client(in_fair_weather=True)
            path = os.path.join(self.folder, f"{role}-{number}.log")
            events = [note for note in calllog.read_calls(path) if "watched" in note]
            after = events[-1]["watched"] if events else 0
            log = calllog.CallLog(path)
            realm: Any = client.realm(workers.REALM)
            with realm.watch(after=after, view="own", timeout=0.001) as watch:
                for snapshot in watch:
                    log.note(
                        watched=snapshot.generation,
                        seen=snapshot.revision.write_id,
                        reset=bool(snapshot.reset),
                    )
            log.close()
            client.close()

    def _write_history(self) -> None:
        with open(os.path.join(self.folder, HISTORY_FILE), "w", encoding="utf-8") as file:
            for name in (workers.REALM, *workers.PAIR):
                history = self.engine.state.histories.get(name)
                for revision in () if history is None else history.revisions:
                    line = {
                        "realm": name,
                        "generation": revision.generation,
                        "write_id": revision.write_id,
                        "kind": revision.kind,
                        "document": revision.document,
                        "intact": True,
                    }
                    file.write(json.dumps(line) + "\n")

    def _verdict(self) -> list[str]:
        # That it could not be reached is told, and means that nothing was done.
        return [one for one in judge(self.folder).findings if "store_unavailable" not in one]
