"""A holder of the turn that is stopped or dies: time-outs, arrival order, recovery by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from tests.crash.scenarios import PROJECT, REALM, start

from realmconf.errors import LockTimeout
from realmconf.runtime.client import connect


@contextmanager
def holder(root: Path) -> Iterator[subprocess.Popen[str]]:
    """A process inside the turn."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.scenarios", "hold", str(root)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with connect(str(tmp_path / "root")) as client:
        client.realm(REALM).set({"n": 1})
    return tmp_path / "root"


def test_a_stopped_holder(root: Path) -> None:
    """With the holder stopped a write is ``lock_timeout`` after its time, reads go on, and it recovers."""
    with connect(str(root)) as client, holder(root) as process:
        os.kill(process.pid, signal.SIGSTOP)
        realm = client.realm(REALM)
        began = time.monotonic()
        with pytest.raises(LockTimeout) as refused:
            realm.set_value("n", 2, timeout=0.5)
        took_seconds = time.monotonic() - began
        # What was done before the wait began is of its time as well.
        assert 0 < refused.value.waited_seconds <= took_seconds
        assert took_seconds >= 0.5
        assert realm.get().config == {"n": 1}
        with connect(str(root)) as fresh:
            assert fresh.realm(REALM).get().generation == 1
            with pytest.raises(LockTimeout):
                fresh.realm(REALM).set_value("n", 2, timeout=0.2)
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert realm.set_value("n", 3, timeout=60).generation == 3
        assert realm.get().config == {"n": 3, "held": True}


def test_a_killed_holder(root: Path) -> None:
    """With the holder killed the next write works at once, and what it had not finished is not there."""
    with connect(str(root)) as client, holder(root) as process:
        os.kill(process.pid, signal.SIGSTOP)
        process.kill()
        process.wait()
        assert client.realm(REALM).set_value("n", 2, timeout=60).generation == 2
        assert client.realm(REALM).get().config == {"n": 2}


def waits_for_a_lock(process: subprocess.Popen[str]) -> bool:
    """Whether the kernel has *process* in the queue for one."""
    lines = Path("/proc/locks").read_text().splitlines()
    return any(line.split()[1:6:4] == ["->", str(process.pid)] for line in lines)


def test_a_place_in_the_queue_is_kept(root: Path) -> None:
    """Writers get the turn in the order in which they came; one that gave up delays nobody."""
    with holder(root) as process:
        os.kill(process.pid, signal.SIGSTOP)
        writers = []
        for leaf, timeout in (
            ("first", "60"),
            ("second", "0.3"),
            ("third", "60"),
            ("fourth", "60"),
        ):
            writer = start("write_once", root, leaf, timeout)
            assert writer.stdout is not None
            assert writer.stdout.readline() == "waiting\n"
            # It says so before it queues; there is no instant at which it could say so after.
            while not waits_for_a_lock(writer) and writer.poll() is None:
                time.sleep(0.01)
            writers.append(writer)
        outcomes = {}
        assert writers[1].stdout is not None
        outcomes["second"] = writers[1].stdout.readline()
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        for writer in writers:
            writer.communicate(timeout=60)
            assert writer.returncode == 0
        with connect(str(root)) as client:
            history = client.realm(REALM).history()
            leaves = [set(one.document or {}) for one in reversed(history)]
        assert outcomes["second"] == "lock_timeout\n"
        added = [sorted(after - before) for before, after in pairwise(leaves)]
        assert added == [["held"], ["first"], ["third"], ["fourth"]]
