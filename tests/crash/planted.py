"""
Bugs, planted in a process of its own: ``python -m tests.crash.planted BUG PROGRAM ROOT …``.

Each replaces one line of care that the library takes; PROGRAM is a scenario, or ``torture``.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import apsw
from tests.crash import scenarios

from realmconf.domain.toml import render
from realmconf.runtime.runtime import ConfigRuntime
from realmconf.stores.embedded import database, forking, witness
from realmconf.stores.embedded.counters import Counters
from realmconf.stores.embedded.pending import Staged
from realmconf.stores.embedded.session import Session
from realmconf.stores.embedded.turn import Turn
from realmconf.testing import torture
from realmconf.testing.workers import Task, work


def put(owner: Any, name: str, replacement: Any) -> None:
    """Replace what *owner* calls *name*."""
    setattr(owner, name, replacement)


def publish_only_after_commit() -> None:
    """The counters are not marked *in progress*, and *done* comes late."""
    done = Counters.done

    def late(self: Counters, slots: Any, commits: int) -> None:
        time.sleep(0.003)
        done(self, slots, commits)

    put(Counters, "begin", lambda self, slots: None)
    put(Counters, "done", late)


def answer_from_an_old_snapshot() -> None:
    """``get`` answers what it knows for a tenth of a second."""
    get = ConfigRuntime.get
    known: dict[str, tuple[float, Any]] = {}

    def cached(self: ConfigRuntime[Any]) -> Any:
        at, snapshot = known.get(self.realm_id, (0.0, None))
        if time.monotonic() - at > 0.1:
            snapshot = get(self)
            known[self.realm_id] = (time.monotonic(), snapshot)
        return snapshot

    put(ConfigRuntime, "get", cached)


def acknowledge_what_is_not_written() -> None:
    """One ``update`` in three answers success and does nothing."""
    update = ConfigRuntime.update

    def sometimes(self: ConfigRuntime[Any], change: Callable[..., object], **options: Any) -> Any:
        if random.random() < 0.3:
            return self.patch({"last": "lie"}, dry_run=True)
        return update(self, change, **options)

    put(ConfigRuntime, "update", sometimes)


def forget_forks() -> None:
    """Connections and locks are simply inherited."""
    put(forking, "register", lambda store: None)


def commit_without_sync() -> None:
    """The database does not wait for the disk."""
    connect = database.connect

    def careless(*arguments: Any, **named: Any) -> apsw.Connection:
        connection = connect(*arguments, **named)
        connection.pragma("synchronous", 1)
        return connection

    put(database, "connect", careless)


def fail_after_the_commit() -> None:
    """A hint that cannot be given is an error of the write it belongs to."""
    put(Session, "wake", lambda self: os.pwrite(self._wake, b"\0", 0))


def start_afresh() -> None:
    """A record that is gone is a record that never was."""
    put(witness, "refuse_fresh_start", lambda layout: None)


def open_the_database() -> None:
    """Somebody reads the database file to see how large it is."""
    verify = ConfigRuntime.verify

    def looking(self: ConfigRuntime[Any]) -> Any:
        with open(os.path.join(sys.argv[3], ".store", "realmconf.db"), "rb") as file:
            file.read(1)
        return verify(self)

    put(ConfigRuntime, "verify", looking)


def materialise_first() -> None:
    """The file is written before the commit that it shows."""
    append = Turn.append

    def early(self: Turn, staged: Sequence[Staged], **options: Any) -> None:
        for entry in staged:
            if entry.revision.document is not None:
                folder = os.path.join(self.session.layout.root, entry.revision.realm)
                os.makedirs(folder, exist_ok=True)
                path = os.path.join(folder, "config.toml")
                with open(f"{path}.new", "w", encoding="utf-8") as file:
                    file.write(render(entry.revision.document))
                os.rename(f"{path}.new", path)
        append(self, staged, **options)

    put(Turn, "append", early)


def no_fence() -> None:
    """What a dead writer left in the log is forgotten, and not overwritten."""

    def forget(self: Session) -> None:
        self.end_leftover_transaction()
        if self.counters is not None:
            self.counters.fenced()

    put(Session, "fence", forget)


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        publish_only_after_commit,
        answer_from_an_old_snapshot,
        acknowledge_what_is_not_written,
        forget_forks,
        commit_without_sync,
        fail_after_the_commit,
        start_afresh,
        open_the_database,
        materialise_first,
        no_fence,
    )
}


def tortured(bug: Callable[[], None], root: str) -> int:
    plan = torture.Plan(
        store=os.path.join(root, "store"), folder=os.path.join(root, "logs"), seconds=4.0, readers=3
    )

    def perform(task: Task) -> None:
        bug()
        work(task)

    report = torture.run(plan, perform=perform)
    sys.stdout.write(report.summary + "\n")
    return len(report.verdict.findings)


def main() -> int:
    bug, program, root = sys.argv[1:4]
    if program == "torture":
        return min(100, tortured(BUGS[bug], root))
    BUGS[bug]()
    getattr(scenarios, f"scenario_{program}")(root, *sys.argv[4:])
    return 0


if __name__ == "__main__":
    sys.exit(main())
