"""
A file system and a record whose every call can be preceded by something: a save, a death.

The calls of one operation are numbered; what happens before which one is the test's
choice, so each interleaving can be visited, and visited again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.workingcopy.host import Host, Record

from realmconf.stores.embedded.files import Files


class KilledError(BaseException):
    """The process is gone: nothing after this has any effect."""


class Steps:
    """Counts the calls of one operation, and does what was asked before each."""

    def __init__(self) -> None:
        self.number = -1
        """Of the next call; -1 while nothing is counted."""
        self.dead = False
        self.before: Callable[[int, str], None] = lambda number, name: None

    def count(self, before: Callable[[int, str], None]) -> None:
        self.number = 0
        self.before = before

    def stop(self) -> None:
        self.number = -1

    def step(self, name: str) -> None:
        if self.dead:
            raise KilledError
        if self.number < 0:
            return
        number, self.number = self.number, self.number + 1
        self.before(number, name)

    def kill(self) -> None:
        self.dead = True
        raise KilledError


class InterposedFiles(Files):
    """The real calls, each a step."""

    steps: Steps

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    # Processes die in these tests, machines do not: nothing has to reach the disk.

    def sync_data(self, descriptor: int) -> None:
        pass

    def sync_folder(self, folder: int) -> None:
        pass

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name == "steps" or name.startswith("_") or not callable(value):
            return value
        steps = super().__getattribute__("steps")

        def call(*arguments: Any, **named: Any) -> Any:
            try:
                steps.step(name)
            except KilledError:
                if name == "close":
                    # What a dying process leaves open is closed for it.
                    value(*arguments, **named)
                raise
            return value(*arguments, **named)

        return call


def interposed_host(
    root: Any, steps: Steps, *, record: type[Record] = Record, **named: Any
) -> Host:
    """A host whose file calls and commits are steps."""

    class InterposedRecord(record):  # type: ignore[misc, valid-type]
        def commit(self, *arguments: Any, **named: Any) -> None:
            steps.step("commit")
            super().commit(*arguments, **named)

    files = named.pop("files", InterposedFiles)(steps)
    return Host(root, files=files, record=InterposedRecord, **named)
