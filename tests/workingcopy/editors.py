"""The ways in which programs that people edit with put a text into a file."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable

Save = Callable[[str, str], None]


def in_place(path: str, text: str) -> None:
    """Truncate and write: VS Code, Eclipse, a shell redirection."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def over_the_old_text(path: str, text: str) -> None:
    """Write over what is there, then cut off the rest."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        content = text.encode()
        for start in range(0, len(content), 7):
            os.pwrite(descriptor, content[start : start + 7], start)
        os.ftruncate(descriptor, len(content))
    finally:
        os.close(descriptor)


def temporary_and_rename(path: str, text: str) -> None:
    """Write beside, rename over: gedit, most atomic writers."""
    in_place(f"{path}.new", text)
    os.rename(f"{path}.new", path)


def backup_then_create(path: str, text: str) -> None:
    """Rename the old one away, create a new one: vim with ``backupcopy=no``."""
    try:
        os.rename(path, f"{path}~")
    except FileNotFoundError:
        pass
    in_place(path, text)


def swap(path: str, text: str) -> None:
    """Write beside, exchange both names, remove the old text."""
    other = f"{path}.swap"
    in_place(other, text)
    failed = ctypes.CDLL(None).renameat2(-100, os.fsencode(other), -100, os.fsencode(path), 2)
    if failed:  # the file is not there at this moment
        os.rename(other, path)
    else:
        os.unlink(other)


STYLES: dict[str, Save] = {
    save.__name__: save
    for save in (in_place, over_the_old_text, temporary_and_rename, backup_then_create, swap)
}


class SlowEditor:
    """Truncates, writes half, and goes on when it is told to; a prefix of its text parses."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._text = text
        self._go_on = threading.Event()
        self._thread = threading.Thread(target=self._save)

    def begin(self, wait_seconds: float = 5.0) -> None:
        """Start to save; returns when half is written, or (the file is leased) after *wait_seconds*."""
        self._half = threading.Event()
        self._thread.start()
        self._half.wait(wait_seconds)

    def finish(self) -> None:
        """Write the rest and close."""
        self._go_on.set()
        self._thread.join()

    def _save(self) -> None:
        # Open for writing before anything is cut off, as an editor that reports errors does.
        with open(self._path, "r+", encoding="utf-8", newline="") as file:
            file.truncate()
            middle = self._text.index("\n", len(self._text) // 2) + 1
            file.write(self._text[:middle])
            file.flush()
            self._half.set()
            self._go_on.wait(30)
            file.write(self._text[middle:])


class KeptDescriptor:
    """An editor that opens a file once, and saves through that descriptor for as long as it lives."""

    def __init__(self, path: str, *, writable: bool) -> None:
        self._descriptor = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
        self._writable = writable

    def text(self) -> str:
        return os.pread(self._descriptor, 1 << 20, 0).decode()

    def save(self, text: str) -> None:
        descriptor = self._descriptor
        if not self._writable:
            # What it opened, wherever that file stands by now.
            descriptor = os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDWR)
        content = text.encode()
        os.pwrite(descriptor, content, 0)
        os.ftruncate(descriptor, len(content))
        if not self._writable:
            os.close(descriptor)

    def close(self) -> None:
        os.close(self._descriptor)
