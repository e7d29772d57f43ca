"""
Measurements that go wrong in every way that one may, and one that does not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench.harness import Spread
from bench.results import Figure, Measure, Workplace, at_most

from bench import __main__ as command


def good(place: Workplace) -> list[Figure]:
    """Tells where it worked, and for how many rounds."""
    detail = f"{place.folder} {os.environ['TMPDIR']}"
    return [Figure("M1", "good", Spread.of([place.effort.rounds]), "x", at_most(9), detail)]


def partial(place: Workplace) -> list[Figure]:
    """Does without a peer."""
    place.leave_out("M5 against Nobody", "Nobody is not installed")
    return [Figure("M5", "partial", Spread.of([1.0]))]


def wrong(_: Workplace) -> list[Figure]:
    """Finds that a write was lost."""
    raise AssertionError("3 writes were acknowledged, 2 are there")


def endless(_: Workplace) -> list[Figure]:
    """Waits for what never comes."""
    time.sleep(600)
    raise AssertionError


def waiting(place: Workplace) -> list[Figure]:
    """Says who it is, and waits until it is ended."""
    told = place.folder.parent / "told"
    told.write_text(str(os.getpid()))
    told.rename(place.folder.parent / "waiting")
    return endless(place)


def deaf(place: Workplace) -> list[Figure]:
    """Hears no signal, and neither does the process that it has started."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGTERM})
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (place.folder.parent / "child").write_text(str(child.pid))
    return endless(place)


def fatal(_: Workplace) -> list[Figure]:
    """Takes its process with it."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


GOOD = Measure(("M1",), "good", good)
PARTIAL = Measure(("M5",), "partial", partial)
WRONG = Measure(("M7", "M8"), "wrong", wrong)
ENDLESS = Measure(("M9",), "endless", endless, seconds_max=1.0)
DEAF = Measure(("M10",), "deaf", deaf, seconds_max=1.0)
FATAL = Measure(("M11",), "fatal", fatal)
WAITING = Measure(("M12",), "waiting", waiting)
NEEDY = Measure(("M26",), "needy", good, ("PostgreSQL",))


def main(folder: str) -> int:
    """A run of that one which waits, as the command does it."""
    from tests.bench import planted

    command.chosen = lambda only: [planted.WAITING]
    return command.main(["--directory", folder])


def child_of(folder: Path) -> int:
    """The process that ``deaf`` has started."""
    return int((folder / "child").read_text())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
