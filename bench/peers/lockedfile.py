"""
A JSON file behind ``filelock``, written beside and renamed: what careful people write at home.

It has no history and no generation, and loses acknowledged writes with the power:
nothing is synced.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock


class LockedFile:
    """One document in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(f"{path}.lock")

    def read(self) -> dict[str, Any]:
        """The document, under the lock."""
        with self._lock:
            return self._load()

    def update(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Read, change and replace the document, under the lock."""
        with self._lock:
            document = self._load()
            change(document)
            temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
            temporary.write_text(json.dumps(document, indent=2), "utf-8")
            os.replace(temporary, self._path)

    def replace(self, document: dict[str, Any]) -> None:
        """Start from *document*."""
        self._path.write_text(json.dumps(document, indent=2), "utf-8")

    def _load(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self._path.read_text("utf-8"))
        return loaded
