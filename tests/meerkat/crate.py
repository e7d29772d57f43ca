"""
The published crate as a process that answers: built once, asked a line of JSON at a time.

Decides how it is built, started and ended.  What it answers is the crate's own; see ``oracle/src/answering.rs``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
SOURCE = Path(__file__).parent / "oracle"
TARGET = PROJECT / ".cache" / "oracle"
BUILDING_SECONDS = 1_800


class Refusal(Exception):
    """What the crate said instead of an answer."""


def build() -> Path:
    """
    The program, built if it is not there or its source has changed.

    A process that tests have started may still run: what is built takes the name, never the place, of the old one.
    Of several processes that ask at once, cargo lets one build and the others wait.
    """
    cargo = _cargo()
    try:
        made = subprocess.run(
            [cargo, "build", "--release", "--quiet", "--manifest-path", SOURCE / "Cargo.toml"],
            env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)},
            capture_output=True,
            check=False,
            text=True,
            timeout=BUILDING_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{cargo} has not built it in {BUILDING_SECONDS} s") from None
    assert made.returncode == 0, made.stderr
    return TARGET / "release" / "oracle"


def _cargo() -> str:
    """Where cargo is: on the path, or where its installer puts it for each user."""
    users = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo") / "bin"
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), str(users)))
    found = shutil.which("cargo", path=path)
    assert found is not None, (
        "there is no cargo, with which the published crate is built that these tests compare with: install Rust"
    )
    return found


class Oracle:
    """One process of it, in a folder of its own and with a home in which nothing is."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.home = folder / "home"
        self.program = program
        scratch = folder / "scratch"
        for one in (self.home, scratch):
            one.mkdir()
        self._errors = (folder / "errors").open("w+")
        self._process = subprocess.Popen(
            [program, "answer", scratch],
            cwd=scratch,
            env={"HOME": str(self.home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def ask(self, what: str, **facts: Any) -> dict[str, Any]:
        """
        Its answer.

        Raises:
            Refusal: The crate refused, in these words.
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"ask": what, **facts}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise AssertionError(f"it has ended: {self._errors.read()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Refusal(answer["error"])
        return answer

    def run(self, *words: object) -> dict[str, Any]:
        """What a process of its own answers to a command line, once its lock is gone."""
        done = subprocess.run(
            [self.program, *map(str, words), "--exit", "settled"],
            env={"HOME": str(self.home)},
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        assert done.stdout, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        if "error" in answer:
            raise Refusal(answer["error"])
        return answer

    def end(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()
        self._errors.close()
