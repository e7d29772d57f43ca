"""A writer dies in its commit while another process has the store open: what that one is told stays true."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.crash.sweep import (
    REALM,
    WRITE_ID,
    Operation,
    every_fault,
    fast_folder,
    in_a_process,
    perform,
    tell,
)
from tests.crash.test_sweep import a_history

from realmconf.runtime.client import Client, connect
from realmconf.testing.faults import KILL_AFTER, KILL_BEFORE, KILL_TORN, Fault

WRITE = Operation(
    name="set",
    prepare=a_history,
    act=lambda client: client.realm(REALM).set({"n": 9}, write_id=WRITE_ID),
)


def beside(root: Path, fault: Fault) -> Iterator[Any]:
    """What a process is told that has the store open while the writer dies, and after."""
    begin, write = performing_when_told(root, fault)
    client = connect(str(root))
    realm = client.realm(REALM)
    assert realm.get().generation == 5
    begin()
    yield write()
    yield {"read": realm.get().generation}
    yield {"settled": type(realm.settle(WRITE_ID)).__name__}
    yield {"read again": realm.get().generation}
    os.kill(os.getpid(), signal.SIGKILL)


def performing_when_told(
    root: Path, fault: Fault
) -> tuple[Callable[[], object], Callable[[], dict[str, Any]]]:
    """
    A process that performs the write once the first function is called; what became of it is told by the second.

    It is made before the store is opened here: who forks closes what it has open, and whoever opens the store
    while nobody else has it open reads the whole log, a dead writer's frames among it.
    """
    told_to_begin, tell_to_begin = os.pipe()
    told_of_it, tell_of_it = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.read(told_to_begin, 1)
            outcome = perform(WRITE, root, fault)
            tell(tell_of_it, {"killed": os.WIFSIGNALED(outcome.status), "answer": outcome.answer})
        finally:
            os._exit(0)
    os.close(tell_of_it)

    def what_became_of_it() -> dict[str, Any]:
        with open(told_of_it, "rb") as pipe:
            facts: dict[str, Any] = json.loads(pipe.read())
        os.waitpid(process, 0)
        return facts

    return lambda: os.write(tell_to_begin, b"!"), what_became_of_it


def found_by(root: Path) -> Any:
    def look() -> Any:
        client: Client = connect(str(root))
        realm = client.realm(REALM)
        generation = realm.get().generation
        ids = [one.write_id for one in realm.history()]
        settled = type(realm.settle(WRITE_ID)).__name__
        written = realm.set({"n": "next"}, timeout=10).generation
        realm.verify()
        client.close()
        return {
            "generation": generation,
            "there": WRITE_ID in ids,
            "settled": settled,
            "written": written,
        }

    told, status = in_a_process(lambda: iter([look()]))
    assert status == 0, told
    return told[0]


def check(faults: Iterator[Fault]) -> int:
    checked = 0
    with fast_folder() as folder:
        in_a_process(lambda: map(a_history, [folder / "template"]))
        shutil.copytree(folder / "template", folder / "undisturbed")
        calls = perform(WRITE, folder / "undisturbed", None).calls
        for fault in faults:
            if fault.at > len(calls):
                break
            root = folder / "root"
            shutil.copytree(folder / "template", root)
            told, _ = in_a_process(partial(beside, root, fault))
            facts = {key: value for item in told for key, value in item.items()}
            assert "defect" not in facts, facts
            found = found_by(root)
            shutil.rmtree(root)
            committed = facts["settled"] == "Committed"
            where = f"{fault} at {calls[fault.at - 1]}: {facts}, then {found}"
            assert found["there"] == committed, where
            assert found["settled"] == facts["settled"], where
            assert found["generation"] == facts["read again"] == 5 + committed, where
            assert found["written"] == found["generation"] + 1, where
            checked += 1
    return checked


def test_what_was_settled_beside_a_dead_writer_stays_so() -> None:
    """G6: an answer about a dead writer's write is final, also after everybody has closed."""
    modes = (KILL_BEFORE, KILL_AFTER, KILL_TORN)
    assert check(Fault(at=at, mode=modes[at % 3]) for at in range(1, 80, 2)) > 10


def reading_on(root: Path, fault: Fault) -> Iterator[Any]:
    """What a process reads that had the turn after the writer died, wrote nothing, and reads the whole log anew."""
    begin, write = performing_when_told(root, fault)
    client = connect(str(root))
    realm = client.realm(REALM)
    document = realm.get().config
    begin()
    yield write()
    yield {"changed": realm.set(document, timeout=10).changed}
    yield {"read": realm.get().generation}
    # Who forks closes what it has open; nobody else has it open.
    process = os.fork()
    if process == 0:
        os._exit(0)
    os.waitpid(process, 0)
    yield {"recorded": realm.history(limit=1)[0].generation, "read again": realm.get().generation}


def check_reading(
    faults: Iterable[Fault], *, reading: Callable[[Path, Fault], Iterator[Any]] = reading_on
) -> int:
    """Who reads on beside a dead writer reads what the record says; how many deaths were checked."""
    checked = 0
    with fast_folder() as folder:
        in_a_process(lambda: map(a_history, [folder / "template"]))
        for fault in faults:
            root = folder / "root"
            shutil.copytree(folder / "template", root)
            told, _ = in_a_process(partial(reading, root, fault))
            facts = {key: value for item in told for key, value in item.items()}
            shutil.rmtree(root)
            assert "defect" not in facts, facts
            assert facts["recorded"] == facts["read again"] == facts["read"], f"{fault}: {facts}"
            checked += facts["killed"]
    return checked


def at_the_commit(mode: str) -> Iterator[Fault]:
    """Deaths at each call that writes the commit to the log, and at its sync."""
    with fast_folder() as folder:
        in_a_process(lambda: map(a_history, [folder / "template"]))
        calls = perform(WRITE, folder / "template", None).calls
    first = calls.index("xWrite realmconf.db-wal")
    last = calls.index("xSync realmconf.db-wal")
    return (Fault(at=at + 1, mode=mode) for at in range(first, last + 1))


def test_what_was_read_beside_a_dead_writer_stays_so() -> None:
    """
    G3: a write that nobody can see yet does not come into being behind a reader who has proved what it read.

    The next turn, whatever it is for, overwrites what the dead writer left in the log.
    """
    assert check_reading(at_the_commit(KILL_AFTER)) > 3


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_what_was_settled_beside_any_dead_writer_stays_so() -> None:
    """The same at every call, with every kind of death."""
    kills = (fault for fault in every_fault(list(range(1, 80))) if fault.mode.startswith("kill"))
    assert check(kills) > 60
