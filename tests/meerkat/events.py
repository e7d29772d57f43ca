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

OURS = "ours"
COARSE_SECONDS = 0.004
"""A file's time may be so much before what a clock says."""


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
    """Somebody inside the lock."""

    has_taken_over: bool = False
    """Whether it removed a lock for it, that it took for abandoned."""
    is_cut: bool = False
    """Whether its process was killed inside."""

    made_at: float = math.inf
    """When its lock's file was made, by a clock that is a few milliseconds coarse: before its process says so."""
    left_by: float = math.inf
    """When its process had certainly removed what stood at the lock's name, whoever's that was."""

    def may_have_met(self, other: Tenure) -> bool:
        """Whether one can have removed the lock of the other, by all that the clocks say."""
        return self._earliest <= other._latest and other._earliest <= self._latest

    def may_have_lost_its_lock_to(self, removal: Removal) -> bool:
        """Whether *removal*, of somebody else, can have been that of its lock."""
        return (
            removal.writer != self.writer
            and self._earliest <= removal.ended
            and removal.begun <= self._latest
        )

    @property
    def longest_seconds(self) -> float:
        """How old its lock can have become while it was inside."""
        return self.ended - self._earliest

    @property
    def _earliest(self) -> float:
        return min(self.begun, self.made_at) - COARSE_SECONDS

    @property
    def _latest(self) -> float:
        return max(self.ended, self.left_by if math.isfinite(self.left_by) else self.ended)


@dataclass
class Removal(Span):
    """
    Somebody removes, by its name, the lock that it took for abandoned: whichever stands there by then.

    It begins when the process last said that it was about to, and ends when it had done it or was killed.  Whoever
    comes next takes the lock, which need not be the one that removed it.
    """


@dataclass
class Read(Span):
    """What a writer saw before its next attempt; the generation is None if the read failed."""

    generation: int | None = None
    counters: dict[str, int] = field(default_factory=dict)
    tenure: Tenure | None = None
    """Of theirs, who read under the lock."""


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
    text_at: float | None = None
    """When it was about to put the text there; None if it certainly never was."""
    put_at: float | None = None
    """When it had put it there."""
    shown: Span | None = None
    """Where it took its text back, since somebody else's had been there: when it stood there."""
    shown_in: Tenure | None = None
    """Its tenure then; it may have tried again."""
    number_at: float | None = None
    """When it had put the number there."""
    announced: int | None = None
    """The generation that it was about to become."""
    tenure: Tenure | None = None

    @property
    def inside(self) -> Span:
        """Its tenure, or the whole attempt where that is not known."""
        return self if self.tenure is None else self.tenure

    @property
    def put_until(self) -> float:
        """The last moment at which its text can have got there."""
        return self.ended if self.put_at is None else self.put_at

    @property
    def has_numbered(self) -> bool:
        """Whether its number was there: it was told so, or was seen to do it."""
        return self.done == "written" or self.number_at is not None

    def may_have_been_torn_in(self, span: Span) -> bool:
        """Whether its text can have stood there in *span*, and its number not yet."""
        if self.text_at is None:
            return False
        until = self.number_at if self.number_at is not None else math.inf
        return self.text_at <= span.ended and span.begun <= until

    def may_have_numbered_in(self, begun: float, ended: float) -> bool:
        """Whether it can have put its number there between the two."""
        if self.text_at is None:
            return False
        earliest = self.text_at if self.put_at is None else self.put_at
        latest = self.ended if self.number_at is None else self.number_at
        return earliest <= ended and begun <= latest


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
    """Of those who know nothing of us."""
    removals: list[Removal] = field(default_factory=list)
    """Of theirs."""
    own_tenures: list[Tenure] = field(default_factory=list)
    aged: list[float] = field(default_factory=list)
    """When the lock that was there was given an older time, as if its holder had been away for so long."""
    seen: list[Seen] = field(default_factory=list)
    adopted: dict[int, str] = field(default_factory=dict)
    """What ours said of each generation that it took in, also of those that nobody has looked at in time."""
    floor: int = 1
    """Where our history begins."""
    final: dict[str, int] = field(default_factory=dict)
    """What the configuration says after everybody has ended."""

    def outlived(self, tenure: Tenure) -> bool:
        """Whether others could take its lock for abandoned while it was inside."""
        if tenure.longest_seconds > self.stale_seconds:
            return True
        return any(tenure.begun <= at <= tenure.ended for at in self.aged)


def gather(lines: Iterable[dict[str, Any]], *, stale_seconds: float) -> Events:
    """The events that *lines* tell of, those of all logs together."""
    events = Events(stale_seconds=stale_seconds)
    by_writer: dict[str, list[dict[str, Any]]] = {}
    for line in sorted(lines, key=lambda one: one["at"]):
        if "final" in line:
            events.final = line["final"]
        elif "aged" in line:
            events.aged.append(line["at"])
        elif "adopts" in line:
            events.adopted[line["adopts"]] = line["message"]
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
        self._removal: Removal | None = None
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
                announced=line["expected"] + 1,
            )
            self._events.attempts.append(self._call)

    def _enter(self, tenure: Tenure) -> None:
        self._tenure = tenure
        self._leaving = math.inf
        events = self._events
        (events.own_tenures if tenure.side == OURS else events.tenures).append(tenure)
        call = self._call
        if call is not None and (isinstance(call, Read) or call.text_at is None):
            # One that tries again after it has written is looked for where it has written.
            call.tenure = tenure

    def _step(self, line: dict[str, Any]) -> None:
        step, at = line["step"], line["at"]
        if step == "removing":
            self._removal = Removal(line["writer"], line["side"], begun=at)
            self._events.removals.append(self._removal)
        elif step == "missed" and self._removal is not None:
            # Somebody else had removed it.
            self._events.removals.remove(self._removal)
            self._removal = None
        elif step == "removed":
            self._removed(at)
        elif step == "lock":
            # The lock stands from when its file was made; that time is a few milliseconds coarse.
            begun = line["made"] if at - line["made"] > 0.05 else at
            self._enter(
                Tenure(
                    writer=line["writer"],
                    side=line["side"],
                    begun=begun,
                    has_taken_over=self._has_removed,
                    made_at=line["made"],
                )
            )
        elif step == "write" and isinstance(self._call, Attempt):
            self._call.counters = line.get("counters", self._call.counters)
            self._call.text_at = at
            self._call.tenure = self._tenure
        elif step == "overtaken" and isinstance(self._call, Attempt):
            since = at if self._call.text_at is None else self._call.text_at
            self._call.shown = Span(line["writer"], line["side"], begun=since, ended=at)
            self._call.shown_in = self._tenure
            self._call.text_at = None
        elif step == "number" and isinstance(self._call, Attempt):
            self._call.put_at = at
        elif step == "numbered" and isinstance(self._call, Attempt):
            self._call.number_at = at
        elif step == "unlink":
            self._leaving = at
        elif step == "released" and self._tenure is not None:
            # Whoever comes next may be inside before the one that left says so: its last word before is what counts,
            # unless it was stopped in between, and removed a stranger's lock when it went on.
            is_late = at - self._leaving > 0.05
            self._tenure.ended = at if is_late else self._leaving
            self._tenure.left_by = at
            self._tenure = None

    def _removed(self, at: float) -> None:
        if self._removal is not None:
            self._removal.ended = at
        self._removal = None
        self._has_removed = True

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
        self._call = None

    def _signal(self, line: dict[str, Any]) -> None:
        at, what = line["at"], line["signal"]
        if what == "SIGKILL":
            for one in (self._call, self._tenure, self._removal):
                if one is not None and math.isinf(one.ended):
                    one.ended = at
            if self._tenure is not None:
                self._tenure.is_cut = True
            self._call = self._tenure = self._removal = None
