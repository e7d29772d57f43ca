"""
Decides whether what callers saw of one realm can be explained by one order of its writes.

Knows nothing of stores, clocks or processes: it is given the realm's history, read when
all was quiet, and every call with the instants between which it was under way.

Why no search is needed: each committed write moves the generation from g to g + 1, so the
generations are the only possible order of writes, and a legal sequence is write 1, reads
of 1, write 2, reads of 2, …  Give each call its place in that sequence as a key, (g, 0)
for the write of g and (g, 1) for whatever observed g: the history is linearizable if and
only if no call has a smaller key than a call that had ended before it began.

Sound and complete for one realm: a brute-force search agrees on every small history
(``tests/unit/test_linearizability.py``).  A call without an answer may have happened
at any time after it began, or never.
"""

from __future__ import annotations

from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

COMMITTED = "committed"
"""The call appended a revision at ``generation``."""
OBSERVED = "observed"
"""The call saw the head at ``generation``: a read, or a write that changed nothing."""
CONFLICT = "conflict"
"""The call was refused because the head was at ``generation``."""
REFUSED = "refused"
"""The call changed nothing and says nothing about the head: a time-out, a voided write id."""
UNKNOWN = "unknown"
"""The call had no answer, or an answer that says so."""


class Entry(Record):
    """One generation of the history."""

    generation: int
    write_id: str
    exists: bool = True
    """False for a tombstone."""


class Call(Record):
    """
    One call on one realm, as its caller saw it.

    Instants are of one monotonic clock.  ``ended_ns`` None: no answer ever came.
    """

    began_ns: int
    ended_ns: int | None = None
    outcome: str
    generation: int | None = None
    write_id: str | None = None
    """The write's own id; None for a read.  A hand edit is a write whose id stands in its text."""
    seen: str | None = None
    """The write id of the revision that was observed, where the caller could see it."""
    expected: int | None = None
    create: bool = False
    """The precondition was that the realm has no live document."""
    rebases: bool = False
    """The write may be applied to a newer head than the expected one."""


def violations(history: Sequence[Entry], calls: Iterable[Call]) -> tuple[str, ...]:
    """
    Say everything that no single order of the writes explains; empty means linearizable.

    *history* is the realm's whole history, oldest first, read after the last call.  Calls
    that share a write id are attempts of one write.
    """
    merged = tuple(_one_call_for_each_write(calls))
    return (
        *_wrong_history(history, merged),
        *_wrong_answers(history, merged),
        *_wrong_order(history, merged),
    )


def _one_call_for_each_write(calls: Iterable[Call]) -> Iterator[Call]:
    attempts: dict[str, list[Call]] = {}
    for call in calls:
        if call.write_id is None:
            yield call
        else:
            attempts.setdefault(call.write_id, []).append(call)
    for same in attempts.values():
        # The first answer of the strongest kind speaks for the write; a time-out of one
        # attempt says nothing about another one that had no answer.
        rank = (COMMITTED, OBSERVED, CONFLICT, UNKNOWN, REFUSED)
        speaker = min(same, key=lambda call: (rank.index(call.outcome), call.ended_ns or 0))
        yield speaker.replace(began_ns=min(call.began_ns for call in same))
        for call in same:
            if call.outcome in (COMMITTED, OBSERVED) and call.generation != speaker.generation:
                # Two answers for one write: both are kept, and at most one can be right.
                yield call


def _wrong_history(history: Sequence[Entry], calls: Sequence[Call]) -> Iterator[str]:
    invoked = {call.write_id for call in calls}
    taken: dict[str, int] = {}
    for position, entry in enumerate(history, start=1):
        if entry.generation != position:
            yield f"generation {entry.generation} stands where {position} must be"
        if entry.write_id not in invoked:
            yield f"generation {entry.generation} holds {entry.write_id}, which nobody wrote"
        if entry.write_id in taken:
            first = taken[entry.write_id]
            yield f"generations {first} and {entry.generation} hold one write {entry.write_id}"
        taken[entry.write_id] = entry.generation


def _wrong_answers(history: Sequence[Entry], calls: Sequence[Call]) -> Iterator[str]:
    where = {entry.write_id: entry.generation for entry in history}
    for call in calls:
        told = call.generation
        found = where.get(call.write_id) if call.write_id is not None else None
        if call.outcome == COMMITTED and found != told:
            yield f"write {call.write_id} was acknowledged at {told} and is at {found}"
        elif call.outcome in (OBSERVED, CONFLICT, REFUSED) and found is not None:
            yield f"write {call.write_id} was answered {call.outcome} and is at {found}"
        if found is not None and not _precondition_held(call, history, found - 1):
            yield f"write {call.write_id} stands at {found} against its precondition"
        if call.outcome not in (OBSERVED, CONFLICT):
            continue
        if told is None or not 0 <= told <= len(history):
            yield f"generation {told} was observed and does not exist"
        elif call.seen is not None and (told == 0 or history[told - 1].write_id != call.seen):
            yield f"generation {told} was observed with the content of {call.seen}"
        elif (
            call.outcome == CONFLICT
            and not call.rebases
            and _precondition_held(call, history, told)
        ):
            yield f"write {call.write_id} was refused at {told} although its precondition held"
        elif call.outcome == CONFLICT and call.expected == told:
            yield f"write {call.write_id} was refused at {told}, the generation it expected"
        elif (
            call.outcome == OBSERVED
            and call.write_id
            and not _precondition_held(call, history, told)
        ):
            yield f"write {call.write_id} changed nothing at {told} against its precondition"


def _precondition_held(call: Call, history: Sequence[Entry], head: int) -> bool:
    if call.create and 0 < head <= len(history) and history[head - 1].exists:
        return False
    if call.expected is None:
        return True
    return call.expected <= head if call.rebases else call.expected == head


def _wrong_order(history: Sequence[Entry], calls: Sequence[Call]) -> Iterator[str]:
    where = {entry.write_id: entry.generation for entry in history}
    keyed: list[tuple[tuple[int, int], Call]] = []
    for call in calls:
        if call.write_id in where and call.outcome in (COMMITTED, UNKNOWN):
            keyed.append(((where[call.write_id], 0), call))
        elif call.outcome in (OBSERVED, CONFLICT) and call.generation is not None:
            keyed.append(((call.generation, 1), call))
    answered = sorted(
        (call.ended_ns, key)
        for key, call in keyed
        if call.ended_ns is not None and call.outcome != UNKNOWN
    )
    newest = (0, 0)
    passed = 0
    for key, call in sorted(keyed, key=lambda item: item[1].began_ns):
        while passed < len(answered) and answered[passed][0] < call.began_ns:
            newest = max(newest, answered[passed][1])
            passed += 1
        if key < newest:
            what = "was written" if key[1] == 0 else "was observed"
            yield f"generation {key[0]} {what} after generation {newest[0]} had been seen"
