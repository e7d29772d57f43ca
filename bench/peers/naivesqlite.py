"""
A table in SQLite with a write-ahead log and a busy timeout, as the first page of a tutorial has it.

Its writers wait by sleeping longer and longer, in no order; its watcher asks every millisecond.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

BUSY_SECONDS = 30.0
POLL_SECONDS = 0.001


class NaiveSqlite:
    """One realm in one database."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS config (generation INTEGER PRIMARY KEY, document TEXT)"
        )

    def get(self) -> tuple[dict[str, Any], int]:
        """The newest document and its generation."""
        row = self._connection.execute(
            "SELECT document, generation FROM config ORDER BY generation DESC LIMIT 1"
        ).fetchone()
        return ({}, 0) if row is None else (json.loads(row[0]), row[1])

    def update(self, change: Callable[[dict[str, Any]], None]) -> int:
        """Change the newest document inside one transaction; return the new generation."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            document, generation = self.get()
            change(document)
            connection.execute(
                "INSERT INTO config VALUES (?, ?)", (generation + 1, json.dumps(document))
            )
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        return generation + 1

    def data_version(self) -> int:
        """A number that changes when another connection commits."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def wait_for_change(self, after: int, *, timeout_seconds: float) -> int | None:
        """Ask every millisecond until ``data_version`` is no longer *after*."""
        deadline = monotonic() + timeout_seconds
        while monotonic() < deadline:
            now = self.data_version()
            if now != after:
                return now
            sleep(POLL_SECONDS)
        return None
