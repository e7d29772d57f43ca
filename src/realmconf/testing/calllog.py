"""
Keeps what a process was about to do where a SIGKILL cannot reach it.

One append-only file per process, a JSON line before each call and one after it.  A line
is in the kernel's hands before the call begins, so a call that took effect without its
caller's knowledge is always known to have begun.  What the calls mean is not decided here.
"""

from __future__ import annotations

import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class CallLog:
    """The log of one process; a successor of the same name continues the file."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        # A line may have been torn by the death of the process before; start on a new one.
        self._append("\n")
        self._prefix = f"{os.getpid()}-{time.monotonic_ns()}"
        self._calls = 0

    def begin(self, **fields: Any) -> str:
        """Record that a call begins now; returns its name, for :meth:`end`."""
        self._calls += 1
        name = f"{self._prefix}-{self._calls}"
        self._append(json.dumps({"call": name, "began_ns": time.monotonic_ns(), **fields}) + "\n")
        return name

    def end(self, call: str, **fields: Any) -> None:
        """Record that *call* was answered, and how."""
        self._append(json.dumps({"call": call, "ended_ns": time.monotonic_ns(), **fields}) + "\n")

    def record(self, *, began_ns: int, **fields: Any) -> None:
        """Record a call that has ended now; for reads, which leave nothing behind when they are cut off."""
        self._calls += 1
        name = f"{self._prefix}-{self._calls}"
        ended_ns = time.monotonic_ns()
        line = {"call": name, "began_ns": began_ns, "ended_ns": ended_ns, **fields}
        self._append(json.dumps(line) + "\n")

    def note(self, **fields: Any) -> None:
        """Record something that is no call: an event of a watch, a defect."""
        self._append(json.dumps({"at_ns": time.monotonic_ns(), **fields}) + "\n")

    def close(self) -> None:
        """End it: nothing more will be recorded."""
        os.close(self._descriptor)

    def _append(self, line: str) -> None:
        os.write(self._descriptor, line.encode())


def read_calls(path: str) -> Iterator[dict[str, Any]]:
    """
    Every call and note in the file at *path*, each call as one mapping of both its lines.

    A call whose answer is missing has no ``ended_ns``.  A torn line is one whose writer
    died in it: if it began a call, the call never began.
    """
    calls: dict[str, dict[str, Any]] = {}
    notes: list[dict[str, Any]] = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if "call" in record:
                calls.setdefault(record["call"], {}).update(record)
            else:
                notes.append(record)
    yield from calls.values()
    yield from notes
