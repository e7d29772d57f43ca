"""The command line under strace: killed or failed at the N-th call of each kind that changes a file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.crash.scenarios import PROJECT, REALM
from tests.crash.sweep import fast_folder

pytestmark = pytest.mark.machine

WRITE = ["set", "n", "9", "--write-id", "traced", "--timeout", "10"]
CALLS = ["fdatasync", "fsync", "pwrite64", "renameat2", "rename", "ftruncate", "mkdir", "fallocate"]
ERRORS = {"fdatasync": "EIO", "fsync": "EIO", "pwrite64": "ENOSPC"}
FAIL_A_WRITE = ("fdatasync", "pwrite64")
"""The others only keep the working copy from being rendered, which fails no write."""

POINTS_MAX = 400


def realmconf(root: Path, *arguments: str, trace: str | None = None) -> tuple[int, str]:
    command = [
        sys.executable,
        "-m",
        "realmconf",
        "--store",
        str(root),
        "--realm",
        REALM,
        *arguments,
    ]
    if trace is not None:
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={trace}", *command]
    finished = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in finished.stderr, finished.stderr
    return finished.returncode, finished.stdout


def state(root: Path) -> tuple[int, int | None]:
    """Generation and value as a new process finds them."""
    status, said = realmconf(root, "get", "-o", "json", "--own")
    assert status == 0, said
    envelope = json.loads(said)
    return envelope["generation"], (envelope["config"] or {}).get("n")


def check(template: Path, root: Path, trace: str, before: tuple[int, int | None]) -> int:
    """One write under *trace*; its exit status."""
    shutil.copytree(template, root)
    status, _ = realmconf(root, *WRITE, trace=trace)
    after = (before[0] + 1, 9)
    found = state(root)
    assert found in (before, after), (trace, status, found)
    if status == 0:
        assert found == after, (trace, found)
    if status in (3, 4, 5, 6):
        assert found == before, (trace, status, found)
    retried, _ = realmconf(root, *WRITE)
    assert retried == 0, trace
    assert state(root) == after, "the retry under the same id is the same write"
    shutil.rmtree(root)
    return status


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fresh", [False, True], ids=["a history", "a new root"])
def test_killed_at_each_call(fresh: bool) -> None:
    """G4, G6: killed at any call, the write is there or not, and a retry under its id makes it once."""
    with fast_folder() as folder:
        template = folder / "template"
        template.mkdir()
        if not fresh:
            for number in "123":
                assert realmconf(template, "set", "n", number)[0] == 0
        before = (0, None) if fresh else (3, 3)
        killed = 0
        for call in CALLS:
            for number in [*range(1, 12), 20, 50, POINTS_MAX]:
                trace = f"{call}:signal=SIGKILL:when={number}"
                if check(template, folder / "root", trace, before) >= 0:
                    break
                killed += 1
        assert killed > 5


@pytest.mark.timeout(900)
@pytest.mark.parametrize("call", ERRORS)
def test_failed_at_each_call(call: str) -> None:
    """G6: an error of the system at any call is a typed answer, and the answer is true."""
    with fast_folder() as folder:
        template = folder / "template"
        for number in "123":
            assert realmconf(template, "set", "n", number)[0] == 0
        failed = 0
        for at in range(1, 12):
            for sticky in ("", "+"):
                trace = f"{call}:error={ERRORS[call]}:when={at}{sticky}"
                failed += check(template, folder / "root", trace, (3, 3)) != 0
        assert (failed > 0) == (call in FAIL_A_WRITE)
