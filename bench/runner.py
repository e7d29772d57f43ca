"""
One measurement in a process of its own: bounded in time, and whatever becomes of it, the others are measured.

Decides when a measurement has taken too long, and ends it with every process that it started, as it does when the
run itself is ended; knows nothing of what is measured.  Servers put their folders into the workplace, so that they
are on the measured disk, and go with it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.harness import Effort
from bench.peers.servers import Missing, end_with_parent, require
from bench.processes import FOLDER, find
from bench.results import Measure, Outcome, Workplace

ENDING_SECONDS = 30.0
"""For a measurement that is out of time to take its servers and processes down by itself."""


class OutOfTime(Exception):
    """The measurement has taken as long as it may."""


def run(measure: Measure, effort: Effort, directory: Path) -> Outcome:
    """The figures of *measure*, whose function the other process finds by its name; or why there are none."""
    goals = ", ".join(measure.goals)
    with tempfile.TemporaryDirectory(
        prefix="realmconf-bench-", dir=directory, ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            # PostgreSQL, which does not run as root, has to reach its own folder.
            folder.chmod(0o711)
        told = folder / "outcome.json"
        asked = {
            "goals": goals,
            "target": f"{measure.run.__module__}:{measure.run.__qualname__}",
            "needs": measure.needs,
            "rounds": effort.rounds,
            "share": effort.share,
            "folder": str(folder),
            "told": str(told),
            "seconds": measure.seconds_max * max(1.0, effort.rounds / Effort().rounds),
        }
        code = _wait(asked)
        with suppress(FileNotFoundError):
            return Outcome.from_dict(json.loads(told.read_text("utf-8")))
    if code is None:
        reason = f"it took longer than {asked['seconds']:.0f} seconds, and did not end when told to"
    else:
        reason = f"its process ended with {code}"
    return Outcome(failures={goals: reason})


def _wait(asked: dict[str, Any]) -> int | None:
    """Let a process do it, and return its exit code; None if it had to be killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.runner", json.dumps(asked)],
        cwd=FOLDER,
        env=os.environ | {"TMPDIR": asked["folder"]},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(asked["seconds"] + ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    finally:
        # Whatever it started and did not end is in its group.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def measured(asked: dict[str, Any]) -> Outcome:
    """The other side: measure, and say how it went."""
    outcome = Outcome()
    place = Workplace(
        Effort(rounds=asked["rounds"], share=asked["share"]),
        Path(asked["folder"]),
        outcome.left_out,
    )

    def end(*_: object) -> None:
        raise OutOfTime(f"it took longer than {asked['seconds']:.0f} seconds")

    def leave(*_: object) -> None:
        raise SystemExit("the run was ended")

    signal.signal(signal.SIGALRM, end)
    signal.signal(signal.SIGTERM, leave)
    end_with_parent(signal.SIGTERM)
    signal.setitimer(signal.ITIMER_REAL, asked["seconds"])
    try:
        for name in asked["needs"]:
            require(name)
        outcome.figures += find(asked["target"])(place)
    except Missing as missing:
        outcome.left_out[asked["goals"]] = str(missing)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told beside the figures of the others
        traceback.print_exc()
        outcome.failures[asked["goals"]] = f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return outcome


def main() -> None:
    asked = json.loads(sys.argv[1])
    outcome = measured(asked)
    Path(asked["told"]).write_text(json.dumps(outcome.to_dict()), "utf-8")


if __name__ == "__main__":
    main()
