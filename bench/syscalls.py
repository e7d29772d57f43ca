"""
How many system calls, and how many syncs, each operation makes: counted by strace, not timed.

Every operation is run twice, few times and many times; the difference, divided,
is what one costs, whatever opening and closing the store take.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from time import sleep

from bench import documents, ours
from bench.peers.lockedfile import LockedFile
from bench.peers.naivesqlite import NaiveSqlite
from bench.peers.original import IN_TIME, Original
from bench.processes import FOLDER

FEW, MANY = 20, 220
SYNCS = ("fsync", "fdatasync", "sync_file_range", "msync")
LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(?P<calls>\d+)\s+(?:\d+\s+)?(?P<name>\w+)$")

Operation = Callable[[], object]


def unchanged_get(folder: Path, stack: ExitStack) -> Operation:
    opened = stack.enter_context(ours.connect(folder)).realm("counted")
    opened.set(documents.agent())
    operation: Operation = opened.get
    # The first reads ask the kernel to be told of changes; the file's rendering is such a change.
    for _ in range(10):
        operation()
        sleep(0.05)
    return operation


def commit(folder: Path, stack: ExitStack, *, working_copies: bool) -> Operation:
    client = stack.enter_context(ours.connect(folder, working_copies=working_copies))
    opened = client.realm("counted")
    numbers = count(1)
    return lambda: opened.set(documents.agent(counter=next(numbers)))


def commit_and_publish(folder: Path, stack: ExitStack) -> Operation:
    client = stack.enter_context(ours.connect(folder))
    opened = client.realm("counted")
    numbers = count(1)

    def operation() -> None:
        opened.set(documents.agent(counter=next(numbers)))
        ours.publish(client, "counted")

    return operation


def update(folder: Path, stack: ExitStack) -> Operation:
    opened = stack.enter_context(ours.connect(folder, working_copies=False)).realm("counted")
    numbers = count(1)
    return lambda: opened.update(lambda draft: draft.update(counter=next(numbers)))


def naive_update(folder: Path, stack: ExitStack) -> Operation:
    peer = NaiveSqlite(folder / "naive.db")
    numbers = count(1)
    return lambda: peer.update(
        lambda document: document.update(documents.agent(counter=next(numbers)))
    )


def original_get(folder: Path, stack: ExitStack) -> Operation:
    peer = Original(folder, unlinks=IN_TIME)
    peer.set(documents.as_toml(documents.agent()))
    return peer.get


def original_set(folder: Path, stack: ExitStack) -> Operation:
    peer = Original(folder, unlinks=IN_TIME)
    text = documents.as_toml(documents.agent())
    return lambda: peer.set(text)


def file_update(folder: Path, stack: ExitStack) -> Operation:
    peer = LockedFile(folder / "config.json")
    peer.replace(documents.agent())
    return lambda: peer.update(lambda document: document.update(documents.agent()))


OPERATIONS: dict[str, Callable[[Path, ExitStack], Operation]] = {
    "get, unchanged": unchanged_get,
    "set, no working copy": lambda folder, stack: commit(folder, stack, working_copies=False),
    "set, with working copy": lambda folder, stack: commit(folder, stack, working_copies=True),
    "set, then config.toml": commit_and_publish,
    "update, no working copy": update,
    "original: get": original_get,
    "original: set": original_set,
    "naive SQLite: update": naive_update,
    "filelock and JSON: update": file_update,
}


def main(directory: Path) -> int:
    """Print the table."""
    if shutil.which("strace") is None:
        print("strace is not installed: nothing can be counted.", file=sys.stderr)
        return 1
    print(f"{'operation':<28}{'calls':>8}{'syncs':>8}  the most frequent")
    for name in OPERATIONS:
        few, many = (counted(name, times, directory) for times in (FEW, MANY))
        per_operation = {
            call: (many[call] - few.get(call, 0)) / (MANY - FEW)
            for call in many
            if many[call] - few.get(call, 0) >= (MANY - FEW) / 50
        }
        syncs = sum(per_operation.get(call, 0) for call in SYNCS)
        frequent = sorted(per_operation.items(), key=lambda item: -item[1])[:8]
        shown = ", ".join(f"{call} {times:.1f}" for call, times in frequent)
        print(f"{name:<28}{sum(per_operation.values()):>8.1f}{syncs:>8.2f}  {shown}")
    return 0


def counted(name: str, times: int, directory: Path) -> dict[str, int]:
    """System calls of a process that runs operation *name* so many times."""
    with tempfile.TemporaryDirectory(prefix="realmconf-bench-", dir=directory) as folder:
        report = Path(folder) / "calls"
        subprocess.run(
            [
                *("strace", "-f", "-c", "-o", str(report)),
                *(sys.executable, "-m", "bench.syscalls", name, str(times), folder),
            ],
            cwd=FOLDER,
            check=True,
        )
        found = map(LINE.match, report.read_text("utf-8").splitlines())
        return {
            match["name"]: int(match["calls"])
            for match in found
            if match and match["name"] != "total"
        }


def repeat(name: str, times: int, folder: Path) -> None:
    """What runs under strace."""
    place = folder / "place"
    place.mkdir()
    with ExitStack() as stack:
        operation = OPERATIONS[name](place, stack)
        for _ in range(times):
            operation()


if __name__ == "__main__":
    repeat(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
