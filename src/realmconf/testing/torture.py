"""
Runs many processes against one store, kills and stops them at random, and has the result judged.

    python -m realmconf.testing.torture --seconds 60 --writers 6 [--editors 2] [--folder F]

The process that runs this never opens the store: it forks the others, and every one
of them opens it anew, as programs do after a crash.  At the end all are dead; the store
is opened once more, twice, before its history is read, because a write that nobody heard of
must not appear later than the first look that missed it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback

from realmconf.domain.record import Record
from realmconf.runtime.client import connect
from realmconf.testing.calllog import CallLog, read_calls
from realmconf.testing.verdict import HISTORY_FILE, Verdict, judge
from realmconf.testing.workers import (
    PAIR,
    REALM,
    STOP_EDITING,
    TIMEOUT_SECONDS,
    Task,
    answer_of,
    starting_document,
    work,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

NEXT_COMMAND_SECONDS = 15.0
"""How long the first write after a massacre may take at most, on a busy machine."""

CATCH_UP_SECONDS = 20.0


class Plan(Record):
    """What a run does."""

    store: str
    folder: str
    seconds: float
    writers: int = 5
    readers: int = 1
    watchers: int = 1
    transactors: int = 1
    editors: int = 0
    kill_every_milliseconds: tuple[float, float] = (2.0, 12.0)
    stops_per_kill: float = 0.1
    massacre_every_seconds: float = 3.0
    seed: int = 1


class Report(Record):
    """What a run did, and what was found."""

    plan: Plan
    kills: int
    stops: int
    massacres: int
    verdict: Verdict

    @property
    def summary(self) -> str:
        """For a person: the figures, then every finding."""
        found = self.verdict
        lines = [
            f"{self.kills} kills, {self.stops} stops, {self.massacres} times everybody at once, seed {self.plan.seed}",
            f"{found.calls} calls, {found.writes} writes, {found.committed} of them acknowledged",
            f"{found.generations} generations",
            f"{found.unanswered} writes without an answer, {found.unanswered_but_committed} of them committed",
            f"{found.watched} watch events, {found.edits} hand edits",
            f"{len(found.findings)} findings",
        ]
        return "\n".join([*lines, *(f"  {finding}" for finding in found.findings[:50])])


def run(plan: Plan, *, perform: Callable[[Task], None] = work) -> Report:
    """
    Do what *plan* says and judge it; *perform* is what each process does.

    Must be called in a process without threads and without a client of its own.
    """
    os.makedirs(plan.folder, exist_ok=True)
    tasks = _tasks(plan)
    in_a_process(lambda: _prepare(plan))
    herd = Herd(tasks, perform, random.Random(plan.seed))
    try:
        _torment(plan, herd)
        # An editor that dies in the middle of a save has saved half a file, for all anybody can know.
        herd.wait_for_editors(os.path.join(plan.folder, STOP_EDITING))
        massacre_ns = herd.kill_everybody()
        in_a_process(lambda: _inspect(plan, since_ns=massacre_ns))
        _let_watchers_catch_up(plan, herd)
        herd.kill_everybody()
    finally:
        herd.kill_everybody()
    in_a_process(lambda: _write_history(plan))
    return Report(
        plan=plan,
        kills=herd.kills,
        stops=herd.stops,
        massacres=herd.massacres,
        verdict=judge(plan.folder),
    )


def _tasks(plan: Plan) -> list[Task]:
    roles = {
        "writer": plan.writers,
        "reader": plan.readers,
        "watcher": plan.watchers,
        "transactor": plan.transactors,
        "editor": plan.editors,
    }
    return [
        Task(
            role=role,
            name=f"{role}-{index}",
            store=plan.store,
            folder=plan.folder,
            seed=plan.seed,
            with_editors=plan.editors > 0,
        )
        for role, number in roles.items()
        for index in range(number)
    ]


class Herd:
    """The processes under torture, each replaced as soon as it is dead."""

    def __init__(
        self, tasks: Sequence[Task], perform: Callable[[Task], None], chance: random.Random
    ) -> None:
        self.chance = chance
        self.kills = self.stops = self.massacres = 0
        self._perform = perform
        self._tasks = {task.name: task for task in tasks}
        self._alive: dict[str, int] = {}
        self._stopped: dict[str, float] = {}

    def start(self, roles: Sequence[str] | None = None) -> None:
        """Start whoever of *roles* is not running."""
        for name, task in self._tasks.items():
            if name not in self._alive and (roles is None or task.role in roles):
                self._alive[name] = _fork(lambda task=task: self._perform(task))  # type: ignore[misc]

    def strike(self, *, stops_per_kill: float) -> None:
        """Kill or stop one at random; wake those that were stopped long enough."""
        now = time.monotonic()
        for name in [name for name, until in self._stopped.items() if until <= now]:
            del self._stopped[name]
            os.kill(self._alive[name], signal.SIGCONT)
        name = self.chance.choice(
            [name for name in self._alive if self._tasks[name].role != "editor"]
        )
        if self.chance.random() < stops_per_kill and name not in self._stopped:
            os.kill(self._alive[name], signal.SIGSTOP)
            self._stopped[name] = now + self.chance.uniform(0.02, 0.3)
            self.stops += 1
            return
        self.kill(name)
        self.start()

    def kill(self, name: str) -> None:
        """SIGKILL, also if it is stopped, and wait for its end."""
        process = self._alive.pop(name)
        self._stopped.pop(name, None)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        self.kills += 1

    def wait_for_editors(self, stop_path: str) -> None:
        """Ask the editors to end, and wait until they have."""
        os.close(os.open(stop_path, os.O_CREAT | os.O_WRONLY, 0o600))
        for name in [name for name in self._alive if self._tasks[name].role == "editor"]:
            os.waitpid(self._alive.pop(name), 0)

    def kill_everybody(self) -> int:
        """SIGKILL all (editors included); returns the instant."""
        if self._alive:
            self.massacres += 1
        for process in self._alive.values():
            os.kill(process, signal.SIGKILL)
        for name in list(self._alive):
            self.kill(name)
        return time.monotonic_ns()


def _torment(plan: Plan, herd: Herd) -> None:
    low, high = plan.kill_every_milliseconds
    end = time.monotonic() + plan.seconds
    next_massacre = time.monotonic() + plan.massacre_every_seconds
    herd.start()
    while time.monotonic() < end:
        time.sleep(herd.chance.uniform(low, high) / 1000)
        herd.strike(stops_per_kill=plan.stops_per_kill)
        if time.monotonic() >= next_massacre and not plan.editors:
            massacre_ns = herd.kill_everybody()
            in_a_process(lambda since=massacre_ns: _inspect(plan, since_ns=since))  # type: ignore[misc]
            herd.start()
            next_massacre = time.monotonic() + plan.massacre_every_seconds


def _let_watchers_catch_up(plan: Plan, herd: Herd) -> None:
    """Watchers alone, until each has seen the head that the inspector left."""
    inspected = list(read_calls(os.path.join(plan.folder, "inspector.log")))
    head = max(call["generation"] for call in inspected if call.get("generation") is not None)
    herd.start(roles=["watcher"])
    deadline = time.monotonic() + CATCH_UP_SECONDS
    paths = [os.path.join(plan.folder, f"watcher-{index}.log") for index in range(plan.watchers)]
    while time.monotonic() < deadline:
        seen = [
            max((note["watched"] for note in read_calls(path) if "watched" in note), default=0)
            for path in paths
        ]
        if all(generation >= head for generation in seen):
            return
        time.sleep(0.1)


# --- what runs in processes of its own -------------------------------------------------


def _fork(act: Callable[[], None]) -> int:
    process = os.fork()
    if process:
        return process
    try:
        act()
    except BaseException:  # noqa: BLE001 - a child must never return into its parent's code
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def in_a_process(act: Callable[[], None]) -> None:
    """Do *act* in a child, and pass its failure on."""
    _, status = os.waitpid(_fork(act), 0)
    if status != 0:
        raise RuntimeError(f"a process of the run failed (status {status}); its traceback is above")


def _prepare(plan: Plan) -> None:
    log = CallLog(os.path.join(plan.folder, "inspector.log"))
    with connect(plan.store) as client:
        document = starting_document()
        call = log.begin(realm=REALM, verb="set", body=document, write_id="start", given=True)
        realm = client.realm(REALM)
        log.end(
            call,
            **answer_of(lambda: realm.set(document, write_id="start", timeout=TIMEOUT_SECONDS)),
        )


def _inspect(plan: Plan, *, since_ns: int) -> None:
    """After everybody died: the next command works, at once, and is part of the history like any other."""
    log = CallLog(os.path.join(plan.folder, "inspector.log"))
    client = connect(plan.store)
    realm = client.realm(REALM)
    began_ns = time.monotonic_ns()
    snapshot = realm.get()
    log.record(
        realm=REALM,
        verb="get",
        began_ns=began_ns,
        outcome="observed",
        generation=snapshot.generation,
        seen=snapshot.revision.write_id if snapshot.revision is not None else None,
    )
    mark = f"inspector-{time.monotonic_ns()}"
    patch = {"last": mark}
    call = log.begin(realm=REALM, verb="patch", body=patch, write_id=mark, given=True)
    log.end(call, **answer_of(lambda: realm.patch(patch, write_id=mark, timeout=TIMEOUT_SECONDS)))
    took = (time.monotonic_ns() - since_ns) / 1e9
    if took > NEXT_COMMAND_SECONDS:
        log.note(defect=f"the next command after everybody died took {took:.1f} s")
    client.close()


def _write_history(plan: Plan) -> None:
    _note_what_is_kept_aside(plan)
    write_history(plan.store, plan.folder)


def write_history(store: str, folder: str) -> None:
    """Write down, for ``judge``, what *store* has kept; every revision is verified."""
    with (
        connect(store) as client,
        open(os.path.join(folder, HISTORY_FILE), "w", encoding="utf-8") as file,
    ):
        for name in (REALM, *PAIR):
            realm = client.realm(name)
            realm.verify()
            for revision in _whole_history(realm):
                line = {
                    "realm": name,
                    "generation": revision.generation,
                    "write_id": revision.write_id,
                    "kind": revision.kind,
                    "document": revision.document,
                    "intact": True,
                }
                file.write(json.dumps(line) + "\n")


def _whole_history(realm: Any) -> list[Any]:
    pages: list[Any] = []
    before = None
    while True:
        page = realm.history(limit=1000, before=before)
        pages += page
        if len(page) < 1000:
            return pages[::-1]
        before = page[-1].generation


def _note_what_is_kept_aside(plan: Plan) -> None:
    """Numbers of hand edits that stand in files beside the working copy, by editor."""
    folder = os.path.join(plan.store, REALM)
    if not plan.editors or not os.path.isdir(folder):
        return
    log = CallLog(os.path.join(plan.folder, "inspector.log"))
    for name in os.listdir(folder):
        try:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError):
            continue
        numbers = {}
        for line in text.splitlines():
            key, _, value = line.partition("=")
            if key.strip().startswith("editor-") and value.strip().isdigit():
                numbers[key.strip()] = int(value)
        if numbers:
            log.note(kept_aside=numbers)


# --- the command ------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as the arguments say, print the report; 1 if anything was found."""
    parser = argparse.ArgumentParser(
        prog="python -m realmconf.testing.torture", description=__doc__
    )
    parser.add_argument("--store", help="default: a new folder, removed if nothing is found")
    parser.add_argument("--folder", help="for the logs; default: a new one")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    for role, number in (
        ("writers", 5),
        ("readers", 1),
        ("watchers", 1),
        ("transactors", 1),
        ("editors", 0),
    ):
        parser.add_argument(f"--{role}", type=int, default=number)
    parser.add_argument("--kill-every-milliseconds", type=float, nargs=2, default=(2.0, 12.0))
    parser.add_argument("--stops-per-kill", type=float, default=0.1)
    chosen = parser.parse_args(arguments)
    folder = chosen.folder or tempfile.mkdtemp(prefix="realmconf-torture-")
    plan = Plan(
        store=chosen.store or os.path.join(folder, "root"),
        folder=os.path.join(folder, "logs"),
        seconds=chosen.seconds,
        writers=chosen.writers,
        readers=chosen.readers,
        watchers=chosen.watchers,
        transactors=chosen.transactors,
        editors=chosen.editors,
        kill_every_milliseconds=tuple(chosen.kill_every_milliseconds),
        stops_per_kill=chosen.stops_per_kill,
        seed=chosen.seed,
    )
    report = run(plan)
    sys.stdout.write(report.summary + "\n")
    if report.verdict.findings:
        sys.stderr.write(f"logs and store are in {folder}\n")
        return 1
    if chosen.folder is None:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
