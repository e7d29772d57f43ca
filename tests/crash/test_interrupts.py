"""
An interrupt at an awkward moment, and files taken away from a running process, cost no acknowledged write.

Interrupts are real signals, or raised where the interpreter would deliver one.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import realmconf
from realmconf.domain.names import RealmName
from realmconf.errors import HistoryMissing

BEGIN = "BEGIN IMMEDIATE"
PATIENCE_SECONDS = 60.0


def interrupted_soon(act: Callable[[], object]) -> None:
    """Do *act*, and send the signal of an interrupt meanwhile."""
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        act()
    finally:
        timer.join()


def run(root: Path, code: str) -> str:
    """Run *code* in another process, with a client of *root* as ``client``; what it printed."""
    program = f"import realmconf\nclient = realmconf.connect({str(root)!r})\n{code}\nclient.close()"
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return finished.stdout.strip()


def test_interrupt_while_waiting_for_another_thread(tmp_path):
    """G6: a thread that is interrupted in the queue of threads leaves its place; the others go on."""
    with realmconf.connect(str(tmp_path)) as client:
        realm = client.realm("a")
        realm.set({"x": 1})
        inside, interrupted = threading.Event(), threading.Event()

        def slow(draft: dict[str, Any]) -> None:
            inside.set()
            assert interrupted.wait(PATIENCE_SECONDS)
            draft["y"] = 1

        other = threading.Thread(target=realm.update, args=(slow,))
        other.start()
        inside.wait()
        with pytest.raises(KeyboardInterrupt):
            interrupted_soon(lambda: realm.set_value("/z", 1, timeout=PATIENCE_SECONDS))
        interrupted.set()
        other.join()
        assert realm.set_value("/w", 1).changed
        assert realm.get().document == {"x": 1, "y": 1, "w": 1}


def test_interrupt_while_waiting_for_another_process(tmp_path):
    """G1: a grant that comes for an interrupted wait goes back, and lets nobody in later."""
    with realmconf.connect(str(tmp_path)) as client:
        realm = client.realm("a")
        realm.set({"x": 1})
        client.publish()
        path = tmp_path / ".store" / "turn.lock"
        holder = os.open(path, os.O_RDWR)
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(KeyboardInterrupt):
            interrupted_soon(lambda: realm.set_value("/z", 1, timeout=PATIENCE_SECONDS))
        os.close(holder)
        assert realm.set_value("/y", 1, timeout=PATIENCE_SECONDS).changed
        holder = os.open(path, os.O_RDWR)
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(realmconf.LockTimeout):
            realm.set_value("/y", 2, timeout=0.3)
        os.close(holder)


class InterruptedOnce:
    """A connection whose first BEGIN is followed by an interrupt, as the interpreter may deliver one."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.done = False

    def execute(self, statement: str, *arguments: Any) -> Any:
        cursor = self.connection.execute(statement, *arguments)
        if statement == BEGIN and not self.done:
            self.done = True
            raise KeyboardInterrupt
        return cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


def test_interrupt_right_after_begin(tmp_path):
    """G4: no transaction stays open after an interrupt, so what is acknowledged later is committed."""
    client = realmconf.connect(str(tmp_path))
    realm = client.realm("a")
    realm.set({"x": 1})
    session = client.store._place.session  # type: ignore[attr-defined]
    session.writer = InterruptedOnce(session.writer)
    with pytest.raises(KeyboardInterrupt):
        realm.set_value("/y", 1, write_id="given")
    assert session.writer.get_autocommit()
    assert realm.set_value("/z", 2).generation == 2
    code = "print(client.realm('a').get().generation)"
    assert run(tmp_path, code) == "2"
    client.close()


def test_view_of_before_a_rename(tmp_path):
    """G5: what an older view reads of a name is never taken for the name's realm of today."""
    with realmconf.connect(str(tmp_path)) as client, realmconf.connect(str(tmp_path)) as other:
        old, new = RealmName("old"), RealmName("new")
        client.realm(old).set({"who": "old"})
        client.realm(old).get()
        with client.store.view() as view:
            other.rename(old, new)
            assert view.head(old).generation == 1
        client.realm(old).set({"who": "again"})
        assert client.realm(new).get().document == {"who": "old"}
        assert client.realm(old).get().document == {"who": "again"}


def test_index_of_the_log_taken_from_a_running_process(tmp_path):
    """G1: a process whose log index was removed notices it before it writes."""
    with realmconf.connect(str(tmp_path)) as client:
        realm = client.realm("a")
        realm.set({"x": 0})
        os.unlink(tmp_path / ".store" / "realmconf.db-shm")
        run(tmp_path, "client.realm('a').set_value('/theirs', 1)")
        realm.set_value("/ours", 1)
        told = run(tmp_path, "print(sorted(client.realm('a').get().document))")
        assert told == "['ours', 'theirs', 'x']"


def test_log_taken_from_a_running_process(tmp_path):
    """G2: a process whose log was removed writes no more: its history is missing."""
    client = realmconf.connect(str(tmp_path))
    realm = client.realm("a")
    realm.set({"x": 0})
    os.unlink(tmp_path / ".store" / "realmconf.db-wal")
    with pytest.raises(HistoryMissing):
        realm.set_value("/ours", 1)
    client.close()


FORKING = """
import os, threading

realm = client.realm("a")
realm.set({"n": 0})

def fork_often():
    for _ in range(20):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)

threads = [threading.Thread(target=fork_often) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(50):
    realm.update(lambda draft: draft.update(n=draft["n"] + 1))
for thread in threads:
    thread.join()
realm.set_value("last", True, timeout=30)
print(realm.get().document["n"])
"""


def test_threads_that_fork_at_once(tmp_path):
    """Several threads fork at the same time: no store stays closed, and none of their writes is lost."""
    assert run(tmp_path, FORKING) == "50"


def test_close_waits_for_no_stopped_commit(tmp_path, monkeypatch):
    """G6: a client that is closed under a long commit leaves the closing to it; the commit is told as it is."""
    monkeypatch.setattr("realmconf.stores.embedded.store.CREATE_SECONDS", 0.2)
    client = realmconf.connect(str(tmp_path))
    realm = client.realm("a")
    realm.set({"x": 1})
    inside, closed = threading.Event(), threading.Event()
    told: list[Any] = []

    def slow(draft: dict[str, Any]) -> None:
        inside.set()
        assert closed.wait(PATIENCE_SECONDS)
        draft["y"] = 1

    writer = threading.Thread(target=lambda: told.append(realm.update(slow)))
    writer.start()
    inside.wait()
    client.close()
    closed.set()
    writer.join()
    assert told[0].generation == 2
    assert run(tmp_path, "print(client.realm('a').get().generation)") == "2"
