"""
Whether what happened at a shared folder may have happened.

Decides which acknowledged writes were lost, who can have overwritten each, and whether Meerkat's own protocol explains
it: by a holder that outlived its lock, or by two that took over the same one.  Every other loss is a finding, and so is
each promise of ours that did not hold:

- what we acknowledged is in our history, as it was, under a generation that nobody else of ours was given;
- a revision never changes, and no generation of ours goes back;
- what we refused is not there;
- where the files lost a write of ours, the next revision is an adoption that says so.

Two things the files alone cannot tell, and are counted instead, where the other side's own log proves them: a loss
whose culprit was followed by a whole commit of the other side before anybody of ours looked (``HIDDEN``); and a
generation of theirs that was first seen whole, and then with the text of a commit that stuck between its two renames
(``TORN``).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING

from tests.meerkat.events import OURS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.meerkat.events import Attempt, Events, Read, Seen, Span, Tenure

OUTLIVED = "a holder outlived its lock"
TAKEN_TWICE = "two took over the same lock"
HIDDEN = "losses of ours behind a following commit of theirs"
TORN = "generations of theirs seen whole and torn"
STOPPED_SHARE = 0.5
"""How much of the staleness a stop has to last to count: before and after it the process was slow, too."""

_REPORT = re.compile(r"^generation (\d+) was (overwritten|no longer) ")


@dataclass(frozen=True)
class Loss:
    """An acknowledged write that is gone."""

    side: str
    writer: str
    value: int
    generation: int | None
    why: str


@dataclass
class Verdict:
    """What was found."""

    findings: list[str] = field(default_factory=list)
    """What must not happen."""
    losses: list[Loss] = field(default_factory=list)
    """What the original's protocol explains."""
    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        counted = ", ".join(f"{number} {name}" for name, number in sorted(self.counts.items()))
        lost = Counter(f"{one.side}: {one.why}" for one in self.losses)
        told = "".join(f"\n  lost {number} of {name}" for name, number in sorted(lost.items()))
        return f"{counted}{told}" + "".join(f"\n  FOUND {one}" for one in self.findings[:20])


def judge(events: Events) -> Verdict:
    """Say what of *events* must not happen."""
    verdict = Verdict()
    verdict.counts.update(f"{one.side} writes {one.done}" for one in events.attempts)
    verdict.counts.update(f"{one.side} takeovers" for one in events.tenures if one.has_taken_over)
    verdict.counts["adoptions that report"] += sum(
        bool(_REPORT.match(one.message)) for one in events.seen
    )
    groups = _Groups(events)
    for attempt in _lost(events):
        why = groups.reason(attempt)
        said = f"{attempt.side} {attempt.writer}={attempt.value} (generation {attempt.generation})"
        if why is None:
            verdict.findings.append(f"{said} was acknowledged and is lost")
        else:
            verdict.losses.append(
                Loss(attempt.side, attempt.writer, attempt.value, attempt.generation, why)
            )
    for check in (_refused, _acknowledged_twice, _rewound, _changed, _unrecorded, _unreported):
        for found in check(events):
            if found in (HIDDEN, TORN):
                verdict.counts[found] += 1
            else:
                verdict.findings.append(found)
    return verdict


# --- what is lost -----------------------------------------------------------------------------


def _lost(events: Events) -> Iterator[Attempt]:
    """The acknowledged writes that a later read of their own writer, or the end, does not show."""
    for writer in {one.writer for one in events.attempts}:
        written = [one for one in events.attempts if one.writer == writer and one.done == "written"]
        reads = [one for one in events.reads if one.writer == writer and one.generation is not None]
        for attempt, following in zip_longest(written, written[1:]):
            until = math.inf if following is None else following.begun
            shown = [one.counters for one in reads if attempt.ended <= one.begun < until]
            if following is None:
                shown.append(events.final)
            if any(one.get(writer, 0) < attempt.value for one in shown):
                yield attempt


class _Groups:
    """
    Tenures in groups of those that overlapped one another.

    Where the lock works a group has one member.  Who is in a larger one, or outlived its lock, proves that it did not.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._group_of: dict[int, list[Tenure]] = {}
        end = -math.inf
        group: list[Tenure] = []
        for tenure in sorted(events.tenures, key=lambda one: one.begun):
            if tenure.begun >= end:
                group = []
            group.append(tenure)
            end = max(end, tenure.ended) if len(group) > 1 else tenure.ended
            self._group_of[id(tenure)] = group

    def reason(self, lost: Attempt) -> str | None:
        """What of the original's protocol explains that *lost* is gone; None if nothing does."""
        suspects = [
            one
            for one in self._events.attempts
            if one.writer != lost.writer
            and one.side != OURS
            and one.done != "refused"
            and not one.is_untouched
            and (one.counters is None or one.counters.get(lost.writer, 0) < lost.value)
            and one.inside.overlaps(lost.inside)
        ]
        reasons = {self._reason(lost, one) for one in suspects}
        return next((one for one in (OUTLIVED, TAKEN_TWICE) if one in reasons), None)

    def _reason(self, lost: Attempt, suspect: Attempt) -> str | None:
        assert suspect.tenure is not None
        group = self._group_of[id(suspect.tenure)]
        if any(self._outlived(one) for one in group):
            return OUTLIVED
        if lost.side == OURS and self._was_stopped(lost):
            return OUTLIVED
        if len(group) > 1 and any(one.has_taken_over for one in group):
            return TAKEN_TWICE
        return None

    def _outlived(self, tenure: Tenure) -> bool:
        if tenure.side == "oracle":
            # It says when it began to wait, not when it entered.
            return self._was_stopped(tenure)
        return tenure.outlived(self._events.stale_seconds)

    def _was_stopped(self, span: Span) -> bool:
        least = STOPPED_SHARE * self._events.stale_seconds
        return self._events.stopped_seconds(span) >= least


# --- promises of ours -------------------------------------------------------------------------


def _refused(events: Events) -> Iterator[str]:
    """Nothing that was refused is there."""
    void = {(one.writer, one.value) for one in events.attempts if one.done == "refused"}
    shown = [(f"generation {one.generation}", one.counters) for one in events.seen]
    shown += [(f"a read of {one.writer}", one.counters) for one in events.reads]
    shown.append(("the end", events.final))
    for place, counters in shown:
        for writer, value in counters.items():
            if (writer, value) in void:
                yield f"{writer}={value} was refused and is there in {place}"


def _acknowledged_twice(events: Events) -> Iterator[str]:
    """No generation was given to two writes of ours."""
    given: dict[int | None, Attempt] = {}
    for attempt in _ours(events):
        other = given.setdefault(attempt.generation, attempt)
        if other is not attempt:
            yield (
                f"generation {attempt.generation} was acknowledged to {other.writer} and {attempt.writer}"
            )


def _rewound(events: Events) -> Iterator[str]:
    """Whoever of ours reads or writes after another has been told a generation is told no lower one."""
    told: list[Read | Attempt] = [*_ours(events)]
    told += [one for one in events.reads if one.side == OURS and one.generation is not None]
    by_begin = sorted(told, key=lambda one: one.begun)
    by_end = sorted(told, key=lambda one: one.ended)
    newest, place = 0, 0
    for one in by_begin:
        while place < len(by_end) and by_end[place].ended < one.begun:
            newest = max(newest, by_end[place].generation or 0)
            place += 1
        if (one.generation or 0) < newest:
            yield f"{one.writer} was told generation {one.generation} after {newest} had been told"


def _changed(events: Events) -> Iterator[str]:
    """A revision stays what it was when it was first seen, and every reader reads that."""
    first: dict[int, Seen] = {}
    for one in events.seen:
        if first.setdefault(one.generation, one).digest != one.digest:
            yield f"generation {one.generation} is another revision than before"
    for read in events.reads:
        known = None if read.generation is None else first.get(read.generation)
        if read.side == OURS and known is not None and read.counters != known.counters:
            is_theirs = _is_text_of_theirs(events, read.counters, read.generation)
            if known.kind == "adopt" and is_theirs and _is_text_of_theirs(events, known.counters):
                yield TORN
            else:
                yield f"{read.writer} read of generation {read.generation} what its revision does not say"


def _unrecorded(events: Events) -> Iterator[str]:
    """What we acknowledged is in the history under its generation, unless that is below its floor."""
    if not events.seen:
        return
    recorded = {one.generation: one for one in events.seen}
    for attempt in _ours(events):
        revision = recorded.get(attempt.generation or 0)
        if revision is None:
            if (attempt.generation or 0) >= events.floor:
                yield f"generation {attempt.generation} was acknowledged and is not in the history"
        elif revision.kind == "adopt" or revision.counters.get(attempt.writer) != attempt.value:
            yield f"generation {attempt.generation} in the history is not what was acknowledged"


def _unreported(events: Events) -> Iterator[str]:
    """Where a write of ours is gone from one revision to the next, that one is an adoption that says so."""
    ours = {(one.writer, one.value): one for one in _ours(events)}
    recorded = sorted({one.generation: one for one in events.seen}.values(), key=_generation)
    newest: dict[str, int] = {}
    for revision in recorded:
        for writer, value in newest.items():
            if revision.counters.get(writer, 0) >= value:
                continue
            said = f"{writer}={value} is gone in generation {revision.generation}"
            if revision.kind != "adopt":
                yield f"{said}, which {revision.kind} of ours made"
            elif (writer, value) in ours and not _is_reported(revision, writer):
                if _is_text_of_theirs(events, revision.counters, revision.generation):
                    yield HIDDEN
                else:
                    yield f"{said}, and nothing says so: {revision.message!r}"
        newest = dict(revision.counters)


def _is_reported(revision: Seen, writer: str) -> bool:
    is_put_back = any(f"/{writer}" in one for one in revision.reverts)
    return is_put_back or _REPORT.match(revision.message) is not None


def _is_text_of_theirs(
    events: Events, counters: dict[str, int], generation: int | None = None
) -> bool:
    """Whether the other side logged that it was about to write this (as that generation, and was told that it had)."""
    return any(
        one.side != OURS
        and one.counters == counters
        and (generation is None or (one.done, one.generation) == ("written", generation))
        for one in events.attempts
    )


def _generation(one: Seen) -> int:
    return one.generation


def _ours(events: Events) -> list[Attempt]:
    return [one for one in events.attempts if one.side == OURS and one.done == "written"]
