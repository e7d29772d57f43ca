"""
The demonstration's processes seen from the stage: started, listened to, and ended whatever happens.
"""

from __future__ import annotations

import json
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

SECONDS_MAX = 50.0
"""No process of the demonstration takes longer; one that does is ended."""


class Cast:
    """Writers and a watcher on the store in one folder."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._writers: list[subprocess.Popen[str]] = []
        self._watcher: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in (*self._writers, *([self._watcher] if self._watcher else [])):
            if process.poll() is None:
                process.kill()
            process.communicate()

    def start_watcher(self, *, after: int) -> None:
        """A watcher that sees everything after generation *after*."""
        self._watcher = self._start("watcher", str(after))

    def start_writer(self, name: str, *, way: str, count: int) -> None:
        """A writer that waits for the curtain."""
        self._writers.append(self._start("writer", name, way, str(count)))

    def curtain_up(self) -> None:
        """Let all writers begin."""
        for writer in self._writers:
            assert writer.stdin is not None
            writer.stdin.write("\n")
            writer.stdin.flush()

    def writers_tell(self) -> list[dict[str, Any]]:
        """Wait for the writers, and return what they have to tell."""
        return [_told(writer) for writer in self._writers]

    def watcher_tells(self) -> dict[str, Any]:
        """Wait for the watcher, and return what it has to tell."""
        assert self._watcher is not None
        return _told(self._watcher)

    def _start(self, kind: str, *words: str) -> subprocess.Popen[str]:
        module = "realmconf.surfaces.cli.demo.processes"
        process = subprocess.Popen(
            [sys.executable, "-m", module, kind, self._store, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        return process


def _told(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = process.communicate(timeout=SECONDS_MAX)
    told: dict[str, Any] = json.loads(output)
    return told
