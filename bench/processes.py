"""
Other processes that take part in a measurement: an object there, called by name from here.

    with Actor("bench.contention:Updater", root=str(root)) as writer:
        tally = writer.call("run", start_at=monotonic() + 0.1, seconds=1.0)

One JSON line a call in each direction.  An actor is a fresh interpreter, as a
user's worker is, and ends when its standard input does; nothing outlives the run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self

FOLDER = Path(__file__).resolve().parent.parent
CLOSING_SECONDS = 15.0


class ActorFailed(Exception):
    """Something was raised over there; the text is its traceback."""


class Actor:
    """One process that holds one object."""

    def __init__(self, target: str, /, **arguments: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.processes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=FOLDER,
        )
        self.start(target, **arguments)

    @property
    def process_id(self) -> int:
        return self._process.pid

    def start(self, method: str, /, **arguments: Any) -> None:
        """Begin a call; :meth:`finish` takes its result."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([method, arguments]) + "\n")
        self._process.stdin.flush()

    def finish(self) -> Any:
        """Wait for the call's result."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ActorFailed(f"the process ended with {self._process.wait(CLOSING_SECONDS)}")
        answer = json.loads(line)
        if "error" in answer:
            raise ActorFailed(answer["error"])
        return answer["result"]

    def call(self, method: str, /, **arguments: Any) -> Any:
        """Run *method* over there and return its result."""
        self.start(method, **arguments)
        return self.finish()

    def ready(self) -> Self:
        """Wait until the object exists."""
        self.finish()
        return self

    def close(self) -> None:
        """End the process; kill it if it does not go by itself."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(CLOSING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self.ready()

    def __exit__(self, *_: object) -> None:
        self.close()


class Crew:
    """Several actors of one kind that work at the same time."""

    LEAD_SECONDS = 0.02

    def __init__(self, size: int, target: str, /, **arguments: Any) -> None:
        self.actors = [Actor(target, number=number, **arguments) for number in range(size)]

    def run(self, **arguments: Any) -> list[Any]:
        """Call ``run`` everywhere, beginning at one moment, and return all results."""
        start_at = monotonic() + self.LEAD_SECONDS
        for actor in self.actors:
            actor.start("run", start_at=start_at, **arguments)
        return [actor.finish() for actor in self.actors]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for actor in self.actors:
                stack.callback(actor.close)
            for actor in self.actors:
                actor.ready()
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:
            for actor in self.actors:
                stack.callback(actor.close)


def wait_until(moment: float) -> None:
    """Sleep to *moment* of the monotonic clock, which all processes of the machine share."""
    remaining = moment - monotonic()
    if remaining > 0:
        sleep(remaining)


def find(target: str) -> Any:
    """The object that ``module:name`` names."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def serve() -> None:
    """The other side: make the object of the first line, answer the calls of the others."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    subject: Any = None
    for line in sys.stdin:
        method, arguments = json.loads(line)
        try:
            if subject is None:
                subject = find(method)(**arguments)
                answer: dict[str, Any] = {"result": None}
            else:
                answer = {"result": getattr(subject, method)(**arguments)}
        except Exception:  # noqa: BLE001 - whatever it is, the caller is told
            answer = {"error": traceback.format_exc()}
        replies.write(json.dumps(answer) + "\n")
        replies.flush()
    close = getattr(subject, "close", None)
    if close is not None:
        close()


def total(tallies: Sequence[dict[str, Any]], name: str) -> Any:
    """The sum of *name* over the results of a crew."""
    return sum(tally[name] for tally in tallies)


if __name__ == "__main__":
    serve()
