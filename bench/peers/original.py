"""
The original: the configuration protocol of Meerkat 0.4.1, files and lock alike, re-created.

Every call, a read included, takes a lock file that is made exclusively, written
and synced, and is released by unlinking it.  The original unlinks from a task of
its own, so that a caller's next call can meet the caller's own lock and sleep:
``LATE`` does that, ``IN_TIME`` unlinks before the call returns, as releases from
0.4.6 on do.  Parsing and rendering TOML is left out, which flatters it.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from time import monotonic, sleep, time

LATE = "late"
IN_TIME = "in time"

STALE_SECONDS = 30.0
RETRY_SECONDS = 0.02
TIMEOUT_SECONDS = 5.0
LOCK_CONTENT = b"config-runtime-lock"


class Conflict(Exception):
    """The expected generation is not the current one."""


class LockTimeout(Exception):
    """The lock file stayed for five seconds."""


class Original:
    """One realm's configuration runtime, on one folder."""

    def __init__(self, folder: Path, *, unlinks: str) -> None:
        self._config = folder / "config.toml"
        self._state = folder / "config_state.json"
        self._lock = str(folder / "config_state.lock")
        self._mutex = threading.Lock()
        self._numbers = count()
        self._to_unlink: SimpleQueue[str | None] = SimpleQueue()
        self._unlinker: threading.Thread | None = None
        if unlinks == LATE:
            self._unlinker = threading.Thread(target=self._unlink_queued, daemon=True)
            self._unlinker.start()

    def get(self) -> tuple[str, int]:
        """The configuration's text and generation."""
        with self._mutex:
            self._acquire()
            try:
                return self._config.read_text("utf-8"), self._generation()
            finally:
                self._release()

    def set(self, text: str, *, expected: int | None = None) -> int:
        """Replace the configuration; return the new generation."""
        with self._mutex:
            self._acquire()
            try:
                current = self._generation()
                if expected is not None and expected != current:
                    raise Conflict
                self._replace(self._config, text)
                # The second half of one fact: a crash in between leaves a change that no generation counts.
                self._replace(self._state, json.dumps({"generation": current + 1}, indent=2))
                return current + 1
            finally:
                self._release()

    def close(self) -> None:
        """Let the last lock go: a process that ends before leaves it behind for thirty seconds."""
        if self._unlinker is not None:
            self._to_unlink.put(None)
            self._unlinker.join()

    def _acquire(self) -> None:
        deadline = monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                descriptor = os.open(self._lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            except FileExistsError:
                try:
                    stale = time() - os.stat(self._lock).st_mtime > STALE_SECONDS
                except FileNotFoundError:
                    stale = False
                if stale:
                    os.unlink(self._lock)
                    continue
                if monotonic() > deadline:
                    raise LockTimeout from None
                sleep(RETRY_SECONDS)
                continue
            os.write(descriptor, LOCK_CONTENT)
            os.fsync(descriptor)
            os.close(descriptor)
            return

    def _release(self) -> None:
        if self._unlinker is not None:
            self._to_unlink.put(self._lock)
        else:
            os.unlink(self._lock)

    def _unlink_queued(self) -> None:
        while (path := self._to_unlink.get()) is not None:
            with suppress(FileNotFoundError):
                os.unlink(path)

    def _generation(self) -> int:
        try:
            return int(json.loads(self._state.read_text("utf-8"))["generation"])
        except FileNotFoundError:
            return 0

    def _replace(self, path: Path, text: str) -> None:
        temporary = path.with_name(f".{path.stem}.tmp.{os.getpid()}-{next(self._numbers)}")
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
