"""Processes of the program that stands for Meerkat's, and of the published crate: started, waited for, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.meerkat.crate import Oracle, build
from tests.meerkat.places import place  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]


class Started:
    """One process of the original."""

    def __init__(self, words: tuple[object, ...]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.meerkat.original", *map(str, words)],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until_stopped(self) -> Started:
        """Wait until it has stopped itself at one of its points."""
        ended, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert ended
        assert os.WIFSTOPPED(status), f"it ended instead: {status}"
        return self

    def go_on(self) -> Started:
        """Let it continue."""
        os.kill(self.process.pid, signal.SIGCONT)
        return self

    def answer(self) -> tuple[int, str]:
        """Its exit code (below zero: the signal that killed it) and what it printed last, without the line's end."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, (out or err).strip()

    def end(self) -> None:
        """Kill it if it is still there."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=60)


class Originals:
    """Starts them on one realm's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[Started] = []

    def start(self, verb: str, *words: object) -> Started:
        """A process that does *verb*; it is ended with the test."""
        started = Started((verb, self.folder, *words))
        self._started.append(started)
        return started

    def run(self, verb: str, *words: object) -> tuple[int, str]:
        """The same, and its answer."""
        return self.start(verb, *words).answer()

    def end(self) -> None:
        """End whoever is left."""
        for one in self._started:
            one.end()


@pytest.fixture
def originals(tmp_path: Path) -> Iterator[Originals]:
    found = Originals(tmp_path / "root" / "team")
    yield found
    found.end()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure tests that need the crate without its being built before the first, which has a bound of its own."""
    for item in items:
        if "oracle_program" in getattr(item, "fixturenames", ()):
            bound = item.get_closest_marker("timeout")
            given, named = ((), {}) if bound is None else (bound.args, bound.kwargs)
            item.add_marker(
                pytest.mark.timeout(*given, **{**named, "func_only": True}), append=False
            )


@pytest.fixture(scope="session")
def oracle_program() -> Path:
    """The program of the published crate; where it cannot be built, the test fails."""
    return build()


@pytest.fixture(scope="session")
def oracle(oracle_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    """One process of it for all questions."""
    found = Oracle(oracle_program, tmp_path_factory.mktemp("oracle"))
    yield found
    found.end()
