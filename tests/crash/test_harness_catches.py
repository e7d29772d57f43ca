"""Each harness finds a bug that was planted for it: a check that cannot fail is a defect."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.test_suite_catches import ForgetsTombstones
from tests.crash import planted
from tests.crash.powercut import acknowledged_before_the_cut
from tests.crash.scenarios import PROJECT
from tests.crash.sweep import errors, fast_folder, in_a_process, kills, sweep
from tests.crash.test_losing_files import STORE, a_history, afterwards, goes_on_or_is_missing
from tests.crash.test_power import generation_after, prepare
from tests.crash.test_sweep import OPERATIONS
from tests.crash.test_witness import at_the_commit, check_reading, reading_on
from tests.stateful.test_client_against_model import OnMemory, run

from realmconf.domain.names import LIMITS
from realmconf.runtime.client import Client
from realmconf.stores.memory import MemoryStore
from realmconf.testing.faults import KILL_AFTER, Fault

pytestmark = pytest.mark.planted

HANGS = -1
"""The status of a program that did not end: its bug was found as well."""


def status_of(bug: str, program: str, root: Path) -> tuple[int, str]:
    """How *program* ends with *bug* in it, and what it said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.planted", bug, program, str(root)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=60 if program == "torture" else 20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return HANGS, ""
    return process.returncode, said


@pytest.mark.serial
@pytest.mark.parametrize(
    ("bug", "says"),
    [
        ("publish_only_after_commit", "was observed after generation"),
        ("answer_from_an_old_snapshot", "was observed after generation"),
        ("acknowledge_what_is_not_written", "was acknowledged at"),
    ],
)
def test_torture_finds(bug: str, says: str) -> None:
    """Stale reads and lost acknowledgements are findings of a torture run."""
    with fast_folder() as folder:
        status, said = status_of(bug, "torture", folder)
    assert status > 0, said
    assert says in said


@pytest.mark.parametrize(
    ("bug", "scenario"),
    [
        ("forget_forks", "fork_then_die"),
        ("open_the_database", "never_opens_the_database_itself"),
        ("start_afresh", "store_vanishes"),
    ],
)
def test_scenarios_find(bug: str, scenario: str, tmp_path: Path) -> None:
    """Inherited connections, an opened database and a silent fresh start fail their scenarios."""
    status, said = status_of(bug, scenario, tmp_path / "root")
    assert status != 0, said


def test_a_power_cut_finds_missing_syncs() -> None:
    """A store that does not sync its commits loses acknowledged writes in a cut, or says that it did."""
    with fast_folder() as folder:
        prepare(folder / "template")
        lost = 0
        for after_writes in (20, 40, 60):
            root = folder / f"root-{after_writes}"
            shutil.copytree(folder / "template", root)
            acknowledged = acknowledged_before_the_cut(
                root, after_writes=after_writes, bug=planted.commit_without_sync
            )
            try:
                lost += generation_after(root) < acknowledged
            except AssertionError:
                lost += 1
    assert lost


def test_the_sweep_finds_an_error_after_the_commit() -> None:
    """G6: an error for something that was committed is found at the call that raises it."""
    (operation,) = (one for one in OPERATIONS if one.name == "set")

    def broken(*arguments: object) -> object:
        planted.fail_after_the_commit()
        return operation.act(*arguments)  # type: ignore[arg-type]

    with pytest.raises(AssertionError):
        sweep(operation.replace(act=broken), plan=errors)


def test_the_sweep_finds_a_file_written_before_its_commit() -> None:
    """G8: a file that shows what was never committed becomes an edit that nobody made, and is found at a kill."""
    (operation,) = (one for one in OPERATIONS if one.name == "set")

    def broken(*arguments: object) -> object:
        planted.materialise_first()
        return operation.act(*arguments)  # type: ignore[arg-type]

    with pytest.raises(AssertionError, match="neither old nor new"):
        sweep(operation.replace(act=broken), plan=kills)


def test_what_was_read_beside_a_dead_writer_finds_a_missing_fence() -> None:
    """G3: a commit that comes out of the log behind a reader who has proved what was there before it."""

    def reading_on_without_a_fence(root: Path, fault: Fault) -> Iterator[Any]:
        planted.no_fence()
        return reading_on(root, fault)

    with pytest.raises(AssertionError, match="'recorded': 6"):
        check_reading(at_the_commit(KILL_AFTER), reading=reading_on_without_a_fence)


def test_losing_files_finds_a_fresh_start(tmp_path: Path) -> None:
    """A store that starts afresh where its record was lost is found."""
    root = tmp_path / "root"
    in_a_process(lambda: map(partial(a_history, dies=False), [root]))
    for name in ("realmconf.db", "realmconf.db-wal", "realmconf.db-shm", "counters"):
        (root / STORE / name).unlink(missing_ok=True)

    def careless() -> object:
        planted.start_afresh()
        return afterwards(root)

    told, _ = in_a_process(lambda: iter([careless()]))
    assert not goes_on_or_is_missing(told[0])


class OnABrokenStore(OnMemory):
    """A store that starts a deleted realm again at 1."""

    def open(self) -> Client:
        plain = super().open()
        assert isinstance(plain.store, MemoryStore)
        broken = ForgetsTombstones(
            plain.store._memory, name="broken", read_only=False, limits=LIMITS
        )
        return Client(broken)


def test_the_model_finds_a_counter_that_starts_again() -> None:
    """G2: a generation used twice after a delete is found in a few steps."""
    with pytest.raises((AssertionError, BaseExceptionGroup, Exception)):
        run(OnABrokenStore, examples=60, steps=20)
