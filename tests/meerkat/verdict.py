"""
Whether what happened at a shared folder may have happened.

Decides which acknowledged writes were lost, who can have overwritten each, and whether Meerkat's own protocol explains
it: by a holder that outlived its lock, or by two that took over the same one.  Every other loss is a finding, and so is
each promise of ours that did not hold:

- what we acknowledged is in our history, as it was, under a generation that nobody else of ours was given;
- a revision never changes, and no generation of ours goes back;
- what we refused is not there;
- where the files lost a write of ours, the next revision is an adoption that says so.

Two things the files alone cannot tell are no findings where the other side's own log proves that it is one of them
(``causes``), and are counted: ``HIDDEN`` and ``TORN``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING

from tests.meerkat.causes import Causes
from tests.meerkat.events import OURS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.meerkat.events import Attempt, Events, Read, Seen

HIDDEN = "losses of ours behind a following commit of theirs"
TORN = "generations of theirs seen whole and torn"

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
    unexplained: list[Attempt] = field(default_factory=list)
    """Of the findings, the writes that are gone for no reason."""

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
    causes = Causes(events)
    for attempt, shown_at in _lost(events):
        why = causes.reason(attempt, shown_at)
        said = f"{attempt.side} {attempt.writer}={attempt.value} (generation {attempt.generation})"
        if why is None:
            verdict.findings.append(f"{said} was acknowledged and is lost")
            verdict.unexplained.append(attempt)
        else:
            verdict.losses.append(
                Loss(attempt.side, attempt.writer, attempt.value, attempt.generation, why)
            )
    for check in (_refused, _acknowledged_twice, _rewound, _unrecorded):
        verdict.findings += check(events)
    for judged in (_changed, _reread, _unreported):
        for found in judged(events, causes):
            if found in (HIDDEN, TORN):
                verdict.counts[found] += 1
            else:
                verdict.findings.append(found)
    return verdict


# --- what is lost -----------------------------------------------------------------------------


def _lost(events: Events) -> Iterator[tuple[Attempt, float]]:
    """The acknowledged writes that a later read of their own writer, or the end, does not show; and when it did not."""
    for writer in {one.writer for one in events.attempts}:
        written = [one for one in events.attempts if one.writer == writer and one.done == "written"]
        reads = [one for one in events.reads if one.writer == writer and one.generation is not None]
        for attempt, following in zip_longest(written, written[1:]):
            until = math.inf if following is None else following.begun
            shown = [
                (one.counters, one.ended) for one in reads if attempt.ended <= one.begun < until
            ]
            if following is None:
                shown.append((events.final, math.inf))
            missed = [at for counters, at in shown if counters.get(writer, 0) < attempt.value]
            if missed:
                yield attempt, missed[0]


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


def _changed(events: Events, causes: Causes) -> Iterator[str]:
    """A revision stays what it was when it was first seen."""
    first: dict[int, Seen] = {}
    for one in events.seen:
        before = first.setdefault(one.generation, one)
        if before.digest == one.digest:
            continue
        if before.kind == one.kind == "adopt" and causes.is_torn(before, one):
            yield TORN
        else:
            yield f"generation {one.generation} is another revision than before"


def _reread(events: Events, causes: Causes) -> Iterator[str]:
    """Every reader of ours reads of a generation what its revision says, whenever that was written down."""
    recorded = {one.generation: one for one in reversed(events.seen)}
    for read in events.reads:
        known = None if read.generation is None else recorded.get(read.generation)
        if read.side != OURS or known is None or read.counters == known.counters:
            continue
        if known.kind == "adopt" and causes.is_torn(read, known):
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


def _unreported(events: Events, causes: Causes) -> Iterator[str]:
    """
    Where a write of ours is gone from one revision to the next, that one is an adoption that says so.

    Or one between the two was, that nobody has looked at before what nobody saw came behind it.
    """
    ours = {(one.writer, one.value): one for one in _ours(events)}
    recorded = sorted({one.generation: one for one in events.seen}.values(), key=_generation)
    newest: dict[str, int] = {}
    before = 0
    for revision in recorded:
        between = range(before + 1, revision.generation)
        was_told = any(_REPORT.match(events.adopted.get(one, "")) for one in between)
        for writer, value in newest.items():
            if revision.counters.get(writer, 0) >= value:
                continue
            said = f"{writer}={value} is gone in generation {revision.generation}"
            if revision.kind != "adopt":
                yield f"{said}, which {revision.kind} of ours made"
            elif (writer, value) in ours and not (was_told or _is_reported(revision, writer)):
                if causes.is_hidden(ours[writer, value], revision):
                    yield HIDDEN
                else:
                    yield f"{said}, and nothing says so: {revision.message!r}"
        newest, before = dict(revision.counters), revision.generation


def _is_reported(revision: Seen, writer: str) -> bool:
    is_put_back = any(f"/{writer}" in one for one in revision.reverts)
    return is_put_back or _REPORT.match(revision.message) is not None


def _generation(one: Seen) -> int:
    return one.generation


def _ours(events: Events) -> list[Attempt]:
    return [one for one in events.attempts if one.side == OURS and one.done == "written"]
