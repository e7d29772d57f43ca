"""A writer dies in its commit while another process has the store open: what that one is told stays true."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
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
    """What a process is told that had the store open before the writer died, and after."""
    client = connect(str(root))
    realm = client.realm(REALM)
    assert realm.get().generation == 5
    # The writer is a child of this process, so this client closes for the fork and opens again.
    outcome = perform(WRITE, root, fault)
    yield {"killed": os.WIFSIGNALED(outcome.status), "answer": outcome.answer}
    yield {"read": realm.get().generation}
    yield {"settled": type(realm.settle(WRITE_ID)).__name__}
    yield {"read again": realm.get().generation}
    os.kill(os.getpid(), signal.SIGKILL)


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


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_what_was_settled_beside_any_dead_writer_stays_so() -> None:
    """The same at every call, with every kind of death."""
    kills = (fault for fault in every_fault(list(range(1, 80))) if fault.mode.startswith("kill"))
    assert check(kills) > 60
