"""
What the logs of a torture say, put together: who held the lock when, who tried to write what, and what was seen.

Decides how the lines of one process become attempts, reads and tenures; what is right or wrong is ``verdict``'s.
Every line was written before what it announces, or after what it tells, so an attempt without an end is one of a
process that was killed: its end is the kill.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

OURS, ORIGINAL, ORACLE = "ours", "original", "oracle"


@dataclass
class Span:
    """Something that lasted; times are seconds since 1970."""

    writer: str
    side: str
    begun: float
    ended: float = math.inf

    def overlaps(self, other: Span) -> bool:
        """Whether there was a moment of both."""
        return self.begun <= other.ended and other.begun <= self.ended


@dataclass
class Tenure(Span):
    """Somebody inside the lock; of the oracle, who does not tell, the whole call."""

    has_taken_over: bool = False

    def outlived(self, stale_seconds: float) -> bool:
        """Whether others could take its lock for abandoned meanwhile."""
        return self.ended - self.begun > stale_seconds


@dataclass
class Read(Span):
    """What a writer saw before its next attempt; the generation is None if the read failed."""

    generation: int | None = None
    counters: dict[str, int] = field(default_factory=dict)


@dataclass
class Attempt(Span):
    """One write: what its writer was told, and what it would leave."""

    value: int = 0
    expected: int = 0
    done: str = "unknown"
    """written, refused, or unknown."""
    generation: int | None = None
    counters: dict[str, int] | None = None
    """Of the whole text that it was about to put there; None where nobody knows."""
    is_untouched: bool = False
    """Whether it certainly never came to write."""
    tenure: Tenure | None = None

    @property
    def inside(self) -> Span:
        """Its tenure, or the whole attempt where that is not known."""
        return self if self.tenure is None else self.tenure


@dataclass(frozen=True)
class Seen:
    """A revision in our history."""

    at: float
    generation: int
    kind: str
    message: str
    write_id: str
    reverts: tuple[str, ...]
    digest: str
    counters: dict[str, int]


@dataclass
class Events:
    """Everything that happened."""

    stale_seconds: float
    attempts: list[Attempt] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    tenures: list[Tenure] = field(default_factory=list)
    stops: list[Span] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    floor: int = 1
    """Where our history begins."""
    final: dict[str, int] = field(default_factory=dict)
    """What the configuration says after everybody has ended."""

    def stopped_seconds(self, span: Span) -> float:
        """How long the writer of *span* was stopped during it."""
        return sum(
            max(0.0, min(one.ended, span.ended) - max(one.begun, span.begun))
            for one in self.stops
            if one.writer == span.writer
        )


def gather(lines: Iterable[dict[str, Any]], *, stale_seconds: float) -> Events:
    """The events that *lines* tell of, those of all logs together."""
    events = Events(stale_seconds=stale_seconds)
    by_writer: dict[str, list[dict[str, Any]]] = {}
    for line in sorted(lines, key=lambda one: one["at"]):
        if "final" in line:
            events.final = line["final"]
        elif "floor" in line:
            events.floor = max(events.floor, line["floor"])
        elif "revision" in line:
            events.seen.append(_seen(line))
        elif "writer" in line:
            by_writer.setdefault(line["writer"], []).append(line)
    for told in by_writer.values():
        _Reader(events).read(told)
    return events


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """The lines of every log in *folder*; the last one of a killed process may be cut short."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        for text in path.read_text("utf-8").split("\n"):
            try:
                found.append(json.loads(text))
            except ValueError:
                continue
    return found


def _seen(line: dict[str, Any]) -> Seen:
    return Seen(
        at=line["at"],
        generation=line["revision"],
        kind=line["kind"],
        message=line["message"],
        write_id=line["write_id"],
        reverts=tuple(line["reverts"]),
        digest=line["digest"],
        counters=line["counters"],
    )


class _Reader:
    """Reads the lines of one writer, in the order of their times."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._call: Read | Attempt | None = None
        self._tenure: Tenure | None = None
        self._stop: Span | None = None
        self._has_removed = False
        self._leaving = math.inf

    def read(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            side = line.get("side", "")
            if side == "chaos" or "signal" in line:
                if "step" in line:
                    self._step(line)
                self._signal(line)
            elif "do" in line:
                self._begin(line)
            elif "step" in line:
                self._step(line)
            elif "done" in line:
                self._end(line)

    def _begin(self, line: dict[str, Any]) -> None:
        common: dict[str, Any] = {key: line[key] for key in ("writer", "side")}
        common["begun"] = line["at"]
        self._has_removed = False
        if line["do"] == "read":
            self._call = Read(**common)
            self._events.reads.append(self._call)
        else:
            self._call = Attempt(
                **common,
                value=line["value"],
                expected=line["expected"],
                counters=line.get("counters"),
                is_untouched=line["side"] == ORIGINAL,
            )
            self._events.attempts.append(self._call)
        if line["side"] == ORACLE:
            self._enter(Tenure(**common))

    def _enter(self, tenure: Tenure) -> None:
        self._tenure = tenure
        self._leaving = math.inf
        self._events.tenures.append(tenure)
        if isinstance(self._call, Attempt):
            self._call.tenure = tenure

    def _step(self, line: dict[str, Any]) -> None:
        step, at = line["step"], line["at"]
        if step == "removed":
            self._has_removed = True
        elif step == "lock":
            # The lock stands from when its file was made; that time is a few milliseconds coarse.
            begun = line["made"] if at - line["made"] > 0.05 else at
            self._enter(
                Tenure(
                    writer=line["writer"],
                    side=line["side"],
                    begun=begun,
                    has_taken_over=self._has_removed,
                )
            )
        elif step == "write" and isinstance(self._call, Attempt):
            self._call.counters = line["counters"]
            self._call.is_untouched = False
        elif step == "unlink":
            self._leaving = at
        elif step == "released" and self._tenure is not None:
            # Whoever comes next may be inside before the one that left says so: its last word before is what counts,
            # unless it was stopped in between, and removed a stranger's lock when it went on.
            is_late = at - self._leaving > 0.05
            self._tenure.ended = at if is_late else self._leaving
            self._tenure = None

    def _end(self, line: dict[str, Any]) -> None:
        call = self._call
        if call is None:
            return
        call.ended = line["at"]
        if isinstance(call, Read):
            call.generation = line.get("generation")
            call.counters = line.get("counters", {})
        else:
            call.done = line["done"]
            call.generation = line.get("generation")
        if call.side == ORACLE and self._tenure is not None:
            self._tenure.ended = line["at"]
            self._tenure = None
        self._call = None

    def _signal(self, line: dict[str, Any]) -> None:
        at, what = line["at"], line["signal"]
        if what == "SIGKILL":
            for one in (self._call, self._tenure, self._stop):
                if one is not None and math.isinf(one.ended):
                    one.ended = at
            self._call = self._tenure = self._stop = None
        elif what == "SIGSTOP" and self._stop is None:
            self._stop = Span(writer=line["writer"], side="chaos", begun=at)
            self._events.stops.append(self._stop)
        elif what == "SIGCONT" and self._stop is not None:
            self._stop.ended = at
            self._stop = None
