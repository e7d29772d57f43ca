"""
Runs processes against one engine while its server and the network fail, and has every answer judged.

    python -m tests.engines.torture postgres [--operations 100000] [--faults 100] [--seed N] [--folder F]

That is the full size, the one without any option.  While it runs it says on stderr how far it is, and at the end on
stdout what it did and found; it takes half an hour at most, and what it could not do in that time is a finding.

Every operation is in a log before it is sent.  At the end one order of writes must explain all answers: what was
acknowledged is there, what was refused is not, what was not answered is settled, every watch saw every generation, and
no call has outlived its deadline.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from contextlib import contextmanager

from tests.engines.targets import ENGINES, Target, target_of
from tests.engines.torture_report import TIMEOUT_SECONDS, Plan, Report, report_of
from tests.engines.torture_work import end_with_parent, last_watched, settle_everything, work

from realmconf.runtime.client import connect
from realmconf.testing.calllog import CallLog
from realmconf.testing.torture import Herd, in_a_process, write_history
from realmconf.testing.workers import REALM, Task, answer_of, starting_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CATCH_UP_SECONDS = 30.0
END_SECONDS = 300.0
"""How long settling, catching up and judging may take."""
PROGRESS_SECONDS = 10.0


def _say_nothing(_: str) -> None:
    """Run in silence."""


def run(
    plan: Plan,
    *,
    perform: Callable[[Task], None] = work,
    say: Callable[[str], None] = _say_nothing,
) -> Report:
    """
    Do what *plan* says and judge it; *perform* is what each process does, *say* is told now and then how far it is.

    Must be called in the main thread of a process without others and without a client of its own.

    Raises:
        TimeoutError: It has not come to its end, long after it should have.
    """
    os.makedirs(plan.folder, exist_ok=True)
    with _bounded(plan.seconds_max + END_SECONDS):
        target = target_of(plan.engine)
        try:
            return _run(plan, target, perform, say)
        finally:
            target.close()


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    """Whatever it is that hangs, it ends, and what was started ends with it; so it does when somebody ends the run."""

    def is_over(number: int, _: object) -> None:
        if number == signal.SIGALRM:
            raise TimeoutError(f"the run has not ended after {seconds:g} s")
        raise SystemExit(128 + number)

    before = [signal.signal(number, is_over) for number in (signal.SIGALRM, signal.SIGTERM)]
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in zip((signal.SIGALRM, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


def _run(
    plan: Plan, target: Target, perform: Callable[[Task], None], say: Callable[[str], None]
) -> Report:
    began = time.monotonic()
    chance = random.Random(plan.seed)
    tasks = _tasks(plan, target)

    def inside(task: Task) -> None:
        end_with_parent()
        target.enter()
        perform(task)

    in_a_process(lambda: _prepare(plan, target))
    herd = Herd(tasks, inside, chance)
    try:
        faults = _torment(plan, target, herd, tasks, say)
        herd.kill_everybody()
        say(
            "all are dead; what was not answered is settled, watchers catch up, and all of it is judged"
        )
        settled_path = os.path.join(plan.folder, "settled.log")
        in_a_process(lambda: _settle(plan, target, tasks, settled_path))
        _let_watchers_catch_up(target, herd, tasks)
    finally:
        herd.kill_everybody()
    in_a_process(lambda: write_history(target.own_url, plan.folder))
    return report_of(
        plan,
        tasks,
        faults,
        partition=target.partition,
        seconds=time.monotonic() - began,
    )


def _tasks(plan: Plan, target: Target) -> list[Task]:
    roles = {
        "writer": plan.writers,
        "reader": plan.readers,
        "watcher": plan.watchers,
        "transactor": plan.transactors,
    }
    return [
        Task(
            role=role,
            name=f"{role}-{index}",
            store=target.url,
            folder=plan.folder,
            seed=plan.seed,
            timeout_seconds=TIMEOUT_SECONDS,
        )
        for role, number in roles.items()
        for index in range(number)
    ]


# --- the torment ----------------------------------------------------------------------------------------


class _Count:
    """How many operations were begun, by what was added to the logs."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._offsets = dict.fromkeys((task.log_path for task in tasks), 0)
        self.operations = 0

    def look(self) -> int:
        for path, offset in self._offsets.items():
            try:
                with open(path, "rb") as log:
                    log.seek(offset)
                    added = log.read()
            except FileNotFoundError:
                continue
            self._offsets[path] += len(added)
            # As they are counted at the end: settling what was not answered is no operation of its own.
            self.operations += added.count(b'"began_ns"') - added.count(b'"settles": true')
        return self.operations


def _torment(
    plan: Plan, target: Target, herd: Herd, tasks: Sequence[Task], say: Callable[[str], None]
) -> dict[str, int]:
    """Let faults happen, evenly over the operations; how often each kind did."""
    chance = herd.chance
    writers = [task.name for task in tasks if task.role in ("writer", "transactor")]

    def kill_writer(_: random.Random) -> bool:
        herd.kill(chance.choice(writers))
        herd.start()
        return True

    kinds = {"writer_killed": kill_writer, **target.faults}
    kinds = {kind: fault for kind, fault in kinds.items() if kind in (plan.kinds or kinds)}
    happened: dict[str, int] = {}
    counted = _Count(tasks)
    began = said_at = time.monotonic()
    herd.start()
    while (now := time.monotonic()) < began + plan.seconds_max:
        operations, faults = counted.look(), sum(happened.values())
        if now >= said_at + PROGRESS_SECONDS:
            said_at = now
            say(f"{now - began:.0f} s: {operations} operations, {faults} faults")
        if operations >= plan.operations and faults >= plan.faults:
            break
        if faults * plan.operations > operations * plan.faults and operations < plan.operations:
            # Ahead of the operations: let some be done in peace.
            time.sleep(0.02)
            continue
        # Those first that have come least.
        rarest = min(happened.get(kind, 0) for kind in kinds)
        kind = chance.choice([one for one in kinds if happened.get(one, 0) <= rarest + 1])
        if kinds[kind](chance):
            happened[kind] = happened.get(kind, 0) + 1
        time.sleep(chance.uniform(0.0, 0.1))
    return happened


def _let_watchers_catch_up(target: Target, herd: Herd, tasks: Sequence[Task]) -> None:
    """Watchers alone, until each has seen the head."""
    with tempfile.NamedTemporaryFile() as file:
        in_a_process(lambda: _write_head(target, file.name))
        head = int(file.read())
    herd.start(roles=["watcher"])
    deadline = time.monotonic() + CATCH_UP_SECONDS
    paths = [task.log_path for task in tasks if task.role == "watcher"]
    while time.monotonic() < deadline:
        if all(last_watched(path) >= head for path in paths):
            return
        time.sleep(0.1)


# --- what runs in processes of its own --------------------------------------------------------------------


def _prepare(plan: Plan, target: Target) -> None:
    log = CallLog(os.path.join(plan.folder, "inspector.log"))
    with connect(target.own_url) as client:
        body = starting_document()
        call = log.begin(realm=REALM, verb="set", body=body, write_id="start", given=True)
        log.end(call, **answer_of(lambda: client.realm(REALM).set(body, write_id="start")))


def _settle(plan: Plan, target: Target, tasks: Sequence[Task], path: str) -> None:
    names = [task.name for task in tasks if task.role == "writer"]
    settled = settle_everything(plan.folder, names, target.own_url)
    CallLog(path).note(settled=settled)


def _write_head(target: Target, path: str) -> None:
    with connect(target.own_url) as client, open(path, "w", encoding="ascii") as file:
        file.write(str(client.realm(REALM).get().generation))


# --- the command --------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as the arguments say, print the report; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.engines.torture", description=__doc__)
    parser.add_argument("engine", choices=list(ENGINES))
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seconds-max", type=float, default=1800.0)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--kinds", nargs="*", default=())
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument(
        "--folder", help="for the logs; default: a new one, removed if nothing is found"
    )
    chosen = parser.parse_args(arguments)
    folder = chosen.folder or tempfile.mkdtemp(prefix="realmconf-engines-")
    plan = Plan(
        engine=chosen.engine,
        folder=folder,
        operations=chosen.operations,
        faults=chosen.faults,
        seconds_max=chosen.seconds_max,
        writers=chosen.writers,
        kinds=tuple(chosen.kinds),
        seed=chosen.seed,
    )
    report = run(plan, say=lambda text: print(text, file=sys.stderr, flush=True))
    sys.stdout.write(report.summary + "\n")
    if report.findings:
        sys.stderr.write(f"logs are in {folder}\n")
        return 1
    if chosen.folder is None:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
