"""Many processes on one realm, killed and stopped at random: one order of writes explains every answer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.crash.scenarios import PROJECT
from tests.crash.sweep import fast_folder


def torture(folder: Path, *options: str, timeout_seconds: float) -> str:
    """Run the command; its report, or what it found."""
    finished = subprocess.run(
        [sys.executable, "-m", "realmconf.testing.torture", "--folder", str(folder), *options],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr[-4000:]
    return finished.stdout


GENTLY = ("--kill-every-milliseconds", "8", "30")
"""In a short run on a busy machine a process must live long enough to write anything."""


def kills(report: str) -> int:
    return int(report.split(" kills", 1)[0])


def acknowledged_share(report: str) -> float:
    found = re.search(r"(\d+) writes, (\d+) of them acknowledged", report)
    assert found is not None
    return int(found[2]) / int(found[1])


@pytest.mark.serial
def test_kills_and_stops() -> None:
    """G1-G7: after kills and stops nothing acknowledged is lost, nothing refused done, no read stale."""
    with fast_folder() as folder:
        report = torture(folder, *GENTLY, "--seconds", "12", "--seed", "1", timeout_seconds=110)
    assert kills(report) > 50, report


@pytest.mark.serial
def test_kills_while_people_edit() -> None:
    """G8: of hand edits made meanwhile, in six styles of saving, none is lost, none reverts a write."""
    with fast_folder() as folder:
        report = torture(
            folder,
            *(*GENTLY, "--seconds", "10", "--seed", "2", "--editors", "2"),
            timeout_seconds=110,
        )
    assert kills(report) > 50, report


@pytest.mark.torture
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [11])
def test_a_minute_of_kills_and_stops(seed: int, tmp_path: Path) -> None:
    """The same for a minute on a disk, with at least a thousand kills."""
    report = torture(tmp_path, "--seconds", "60", "--seed", str(seed), timeout_seconds=500)
    assert kills(report) >= 1_000, report
    assert acknowledged_share(report) >= 0.2, report


@pytest.mark.torture
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [21])
def test_a_minute_of_kills_while_people_edit(seed: int, tmp_path: Path) -> None:
    """The same for a minute with three people editing the file by hand."""
    report = torture(
        tmp_path, "--seconds", "60", "--seed", str(seed), "--editors", "3", timeout_seconds=500
    )
    assert kills(report) >= 500, report
