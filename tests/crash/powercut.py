"""
A power cut, as far as SQLite's own files go: what was not synced is undone before the process ends.

Everything that was written since the last sync of a file is lost, which is the worst that an
honest disk does.  What passes around SQLite (mapped counters, working copies) stays.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import apsw
from tests.crash.sweep import REALM, in_a_process

from realmconf.runtime.client import connect


class ForgetfulDisk(apsw.VFS):
    """Remembers how to undo every write that was not synced; the default VFS of later connections."""

    def __init__(self) -> None:
        self.undo: dict[str, list[tuple[int, bytes, int]]] = {}
        self.writes_left = -1
        super().__init__("realmconf-forgetful", "unix", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return _File(self, name, flags)

    def cut(self) -> None:
        """Undo, newest first, and end the process."""
        for path, writes in self.undo.items():
            descriptor = os.open(path, os.O_RDWR)
            for offset, content, size in reversed(writes):
                os.pwrite(descriptor, content, offset)
                os.ftruncate(descriptor, size)
        os._exit(0)


class _File(apsw.VFSFile):
    def __init__(self, disk: ForgetfulDisk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else name
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        size = self.xFileSize()
        length = max(0, min(len(data), size - offset))
        content = bytes(self.xRead(length, offset)) if length else b""
        self._disk.undo.setdefault(self._path, []).append((offset, content, size))
        super().xWrite(data, offset)
        self._disk.writes_left -= 1
        if self._disk.writes_left == 0:
            self._disk.cut()

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._disk.undo.pop(self._path, None)


def acknowledged_before_the_cut(root: Path, *, after_writes: int, bug: Any = None) -> int:
    """Write until the power is cut; the last generation that was acknowledged."""

    def write() -> Any:
        if bug is not None:
            bug()
        disk = ForgetfulDisk()
        realm = connect(str(root)).realm(REALM)
        realm.get()
        disk.writes_left = after_writes
        for number in range(1_000):
            yield realm.set({"n": number}).generation

    told, _ = in_a_process(write)
    assert not any(isinstance(item, dict) for item in told), told
    return int(told[-1]) if told else 0
