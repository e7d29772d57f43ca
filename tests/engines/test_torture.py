"""Every engine under faults of its server and of the network: one order of writes explains every answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from tests.engines import torture
from tests.engines.targets import ENGINES
from tests.engines.torture_report import Plan, Report
from tests.engines.torture_work import work

from realmconf.stores.engine.attempt import Attempt
from realmconf.stores.engine.ledger import LostAnswerError
from realmconf.stores.engine.sending import Sending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from realmconf.domain.names import RealmName
    from realmconf.stores.engine.ledger import Changes
    from realmconf.testing.workers import Task

WITH_SERVERS = sorted(set(ENGINES) - {"embedded"})
PROJECT = Path(__file__).parents[2]
SECONDS_MAX = 240
"""A run takes some twenty seconds; on a machine that does much else it may take several times as many."""


def tortured(engine: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command: in a process without the threads of this one."""
    return subprocess.run(
        [sys.executable, "-m", "tests.engines.torture", engine, "--folder", folder, *options],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


@pytest.mark.serial
@pytest.mark.timeout(2 * SECONDS_MAX)
def test_the_harness_by_itself(tmp_path: Path) -> None:
    """The store that needs no server passes, with writers that are killed; so what is found elsewhere is there."""
    done = tortured("embedded", tmp_path, "--operations", "2000", "--faults", "10", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.engines
@pytest.mark.serial
@pytest.mark.timeout(2 * SECONDS_MAX)
@pytest.mark.parametrize("engine", WITH_SERVERS)
def test_an_engine_under_faults(engine: str, tmp_path: Path) -> None:
    """
    G1-G7: with servers killed and held still, networks parted, requests and answers lost or late, and writers killed,
    nothing acknowledged is lost, nothing refused is done, no watch has a gap, and no call outlives its deadline.
    """
    done = tortured(engine, tmp_path, "--operations", "2000", "--faults", "26", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr


# --- planted ---------------------------------------------------------------------------------------


def acknowledges_what_was_sent() -> AbstractContextManager[object]:
    """No answer is taken for a good one."""
    plain = Sending.once

    def once(self: Sending, changes: Changes, deadline: float) -> Mapping[RealmName, int] | None:
        try:
            return plain(self, changes, deadline)
        except LostAnswerError:
            return {}

    return mock.patch.object(Sending, "once", once)


def sends_again_without_looking() -> AbstractContextManager[object]:
    """After a lost answer it is judged again, whether or not it was carried out."""
    return mock.patch.object(Attempt, "_found_at", return_value=None)


def takes_no_answer_for_a_refusal() -> AbstractContextManager[object]:
    """What was sent and not answered is said not to be done."""
    from realmconf.errors import LockTimeout

    plain = Sending.once

    def once(self: Sending, changes: Changes, deadline: float) -> Mapping[RealmName, int] | None:
        try:
            return plain(self, changes, deadline)
        except LostAnswerError:
            raise LockTimeout(waited_seconds=0.0) from None

    return mock.patch.object(Sending, "once", once)


PLANTED = {
    acknowledges_what_was_sent: ("request_lost", "answer_lost", "request_late"),
    sends_again_without_looking: ("answer_lost",),
    takes_no_answer_for_a_refusal: ("answer_lost",),
}
FAULTS = {
    acknowledges_what_was_sent: 40,
    # A write that was carried out and is judged again is mostly told of as it was: few in a hundred are not.
    sends_again_without_looking: 90,
    takes_no_answer_for_a_refusal: 40,
}


def planted_run(name: str, folder: str) -> Report:
    """What a run finds in whose processes *name* is planted."""
    (plant,) = (one for one in PLANTED if one.__name__ == name)

    def perform(task: Task) -> None:
        with plant():
            work(task)

    plan = Plan(
        engine="postgres",
        folder=folder,
        operations=1500,
        faults=FAULTS[plant],
        kinds=PLANTED[plant],
        transactors=0,
    )
    return torture.run(plan, perform=perform)


@pytest.mark.planted
@pytest.mark.engines
@pytest.mark.serial
@pytest.mark.timeout(2 * SECONDS_MAX)
@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_what_is_planted_is_found(
    plant: Callable[[], AbstractContextManager[object]], tmp_path: Path
) -> None:
    """The harness finds what it is for: each way of being wrong about a lost answer."""
    program = (
        "from tests.engines.test_torture import planted_run\n"
        f"print(planted_run({plant.__name__!r}, {str(tmp_path)!r}).summary)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "it cannot be explained" in done.stdout, done.stdout
