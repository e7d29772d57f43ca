"""
What the processes of an engine's torture do until somebody kills them.

The verbs are those of ``realmconf.testing.workers``; what these do besides is to bear an outage: who cannot reach the
store says so in the log and goes on, and who was not answered asks what became of it.
"""

from __future__ import annotations

import ctypes
import random
import signal
import time
import traceback

from realmconf.errors import RealmconfError
from realmconf.runtime.client import connect
from realmconf.testing.calllog import CallLog, read_calls
from realmconf.testing.linearizability import OBSERVED, REFUSED, UNKNOWN
from realmconf.testing.workers import PAIR, REALM, Task, Writer, answer_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.runtime.client import Client

OUTAGES = frozenset(("store_unavailable", "lock_timeout", "outcome_unknown"))
"""Codes with which an engine that is tortured may answer anything."""
PAUSE_SECONDS = 0.02
READ_PAUSE_SECONDS = 0.01
"""Between two reads: whoever reads all the time leaves writers little of a small machine."""
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


def end_with_parent() -> None:
    """Let this process be killed when the one that has forked it ends, however that does."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def work(task: Task) -> None:
    """Do *task* until the process is killed; a defect is noted in the log and ends it."""
    log = CallLog(task.log_path)
    role = {"writer": _write, "reader": _read, "watcher": _watch, "transactor": _transact}[
        task.role
    ]
    try:
        while True:
            try:
                with connect(task.store, timeout=task.timeout_seconds) as client:
                    role(task, log, client)
            except RealmconfError as failure:
                if failure.code not in OUTAGES:
                    raise
                time.sleep(PAUSE_SECONDS)
    except BaseException:
        log.note(defect=traceback.format_exc())
        raise


def _write(task: Task, log: CallLog, client: Client) -> None:
    writer = Writer(task, log, client)
    writer.settle_what_the_dead_left(task.log_path)
    verbs = {
        writer.increment: 6,
        writer.patch: 6,
        writer.replace: 4,
        writer.rollback: 1,
        writer.create: 1,
        writer.delete: 1,
    }
    while True:
        (verb,) = writer.chance.choices(list(verbs), weights=list(verbs.values()))
        try:
            verb()
        except RealmconfError as failure:
            # A look before the write, which is in no log.
            if failure.code not in OUTAGES:
                raise
            time.sleep(PAUSE_SECONDS)


def _transact(task: Task, log: CallLog, client: Client) -> None:
    chance = random.Random(f"{task.seed} {task.name} {time.monotonic_ns()}")
    while True:
        mark = f"{task.name}-{time.monotonic_ns()}"
        writes = [(realm, {"set": {"last": mark}}) for realm in PAIR]
        call = log.begin(realm=PAIR[0], verb="transaction", body=None, write_id=mark, given=True)

        def carry_out(
            writes: list[tuple[str, dict[str, Any]]] = writes, mark: str = mark
        ) -> object:
            done = client.transaction(writes, write_id=mark, timeout=task.timeout_seconds)
            return done[0]

        log.end(call, **answer_of(carry_out))
        time.sleep(chance.random() * 0.02)


def _read(task: Task, log: CallLog, client: Client) -> None:
    realm = client.realm(REALM)
    seen = 0
    while True:
        began_ns = time.monotonic_ns()
        try:
            snapshot = realm.get()
        except RealmconfError as failure:
            if failure.code not in OUTAGES:
                raise
            log.record(
                realm=REALM, verb="get", began_ns=began_ns, outcome=REFUSED, code=failure.code
            )
            time.sleep(PAUSE_SECONDS)
            continue
        log.record(
            realm=REALM,
            verb="get",
            began_ns=began_ns,
            outcome=OBSERVED,
            generation=snapshot.generation,
            seen=snapshot.revision.write_id if snapshot.revision is not None else None,
        )
        if snapshot.generation < seen:
            log.note(defect=f"generation {snapshot.generation} was read after {seen}")
        seen = snapshot.generation
        # What was last heard of is never older than what it was before, and needs no engine.
        realm.current  # noqa: B018 - read for what it may raise
        time.sleep(READ_PAUSE_SECONDS)


def _watch(task: Task, log: CallLog, client: Client) -> None:
    realm = client.realm(REALM)
    after = last_watched(task.log_path)
    for snapshot in realm.watch(after=after, view="own"):
        seen = snapshot.revision.write_id if snapshot.revision is not None else None
        log.note(watched=snapshot.generation, seen=seen, reset=bool(snapshot.reset))


def last_watched(path: str) -> int:
    """The generation that the watcher with the log at *path* has seen last."""
    last = 0
    for note in read_calls(path):
        last = note.get("watched", last)
    return last


def settle_everything(folder: str, names: list[str], store: str) -> dict[str, int]:
    """
    Ask what became of every write that was not answered; how many of each answer there were.

    A write whose caller gave it no id is known by nothing that a caller could ask for.
    """
    settled: dict[str, int] = {}
    with connect(store) as client:
        for name in names:
            task = Task(role="writer", name=name, store=store, folder=folder, seed=0)
            calls = [call for call in read_calls(task.log_path) if call.get("given")]
            answered = {
                call["write_id"]
                for call in calls
                if "ended_ns" in call and call.get("outcome") != UNKNOWN
            }
            writer = Writer(task, CallLog(task.log_path), client)
            for call in calls:
                if call["write_id"] in answered or call["realm"] != REALM:
                    continue
                answered.add(call["write_id"])
                writer.settle(call)
            for call in read_calls(task.log_path):
                if call.get("settles") and "ended_ns" in call:
                    outcome = call["outcome"]
                    settled[outcome] = settled.get(outcome, 0) + 1
    return settled
