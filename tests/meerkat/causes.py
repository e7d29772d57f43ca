"""
Why something may be gone that was acknowledged: what of Meerkat's own protocol a log proves to have happened.

Decides when a cause is proved.  Every cause is one of the other side's: a holder that outlived its lock, two that took
over the same one, or a commit that stuck between its two renames.  The harm may come later: whoever is inside without
the lock may put an older number over a newer one, and a compare-and-swap of theirs that should fail passes.  What must
be told of it is ``verdict``'s.

Two things the files alone cannot tell, whoever looks:

- a loss whose culprit was followed by a whole commit of the other side before anybody of ours was inside, or that
  followed on such a one (``is_hidden``): its number is higher than any of ours and has no digest, as every number of
  theirs;
- a generation of theirs that somebody of ours has read whole, and somebody with the text of a commit of theirs that
  was between its two renames (``is_torn``): text and number belong to nobody of ours, and no digest to either.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.meerkat.events import OURS, Read

if TYPE_CHECKING:
    from tests.meerkat.events import Attempt, Events, Seen, Tenure

OUTLIVED = "a holder outlived its lock"
TAKEN_TWICE = "two took over the same lock"
PATIENCE_SECONDS = 0.9
"""How long a reader of ours waits at least before it takes what it cannot be sure of."""


class Causes:
    """
    What the events prove.

    Tenures stand in groups of those that overlapped one another.  Where the lock works a group has one member.  Who is
    in a larger one, or outlived its lock, proves that it did not.
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

    # --- a loss ------------------------------------------------------------------------------

    def reason(self, lost: Attempt, shown_at: float) -> str | None:
        """What explains that *lost* was gone at *shown_at*; None if nothing does."""
        reasons = {self._why(one, lost) for one in self.culprits(lost, shown_at)}
        return next((one for one in (OUTLIVED, TAKEN_TWICE) if one in reasons), None)

    def culprits(self, lost: Attempt, shown_at: float) -> list[Attempt]:
        """
        Who put the first text without *lost* over it: of theirs, and let in or let through by a broken lock.

        They are several where the log does not tell whose text was there first: one that was stopped right before it
        put *lost* there may have put it over what others wrote meanwhile.
        """
        without = [
            one
            for one in self._events.attempts
            if one.text_at is not None
            and one.counters is not None
            and one.counters.get(lost.writer, 0) < lost.value
            and one.put_until >= (lost.text_at or lost.begun)
            and one.text_at <= shown_at
        ]
        soonest = min(
            (one.put_until for one in without if (one.text_at or 0) >= lost.put_until),
            default=math.inf,
        )
        return [
            one
            for one in without
            if one.text_at is not None
            and one.text_at <= soonest
            and one.side != OURS
            and self._why(one, lost) is not None
        ]

    def _why(self, suspect: Attempt, lost: Attempt) -> str | None:
        return (
            self._broken_by(suspect, lost)
            or self._let_through(suspect)
            or self._went_on_from_ours(suspect)
        )

    def _went_on_from_ours(self, suspect: Attempt) -> str | None:
        """
        Whether *suspect* read an older text that one of ours, that had outlived its lock, took back at once.

        Nothing can look and replace in one step: it is known what was replaced when it is replaced.
        """
        for one in self._events.attempts:
            if one.shown is None or one.shown_in is None or suspect.counters is None:
                continue
            has_its_text = suspect.counters.get(one.writer) == one.value
            if has_its_text and one.shown.overlaps(suspect.inside):
                return self._broken([one.shown_in])
        return None

    def _let_through(self, suspect: Attempt) -> str | None:
        """
        Why the number that *suspect* had read could be there once more, whatever was written since.

        It has put what it had read back, with its own value.  And somebody put that number, or an older one, after it
        was read: without the lock, since in order numbers only grow.
        """
        reads = [
            one
            for one in self._events.reads
            if one.writer == suspect.writer and one.ended <= suspect.begun
        ]
        read = max(reads, key=lambda one: one.ended, default=None)
        if read is None or suspect.announced is None:
            return None
        if suspect.counters != {**read.counters, suspect.writer: suspect.value}:
            return None
        since = read.begun if read.tenure is None else read.tenure.begun
        reasons = {
            self._broken(self._group_of.get(id(one.tenure), [one.tenure]))
            for one in self._events.attempts
            if one is not suspect
            and one.tenure is not None
            and one.announced is not None
            and one.announced < suspect.announced
            and one.may_have_numbered_in(since, suspect.inside.begun)
        }
        return next((one for one in (OUTLIVED, TAKEN_TWICE) if one in reasons), None)

    def _broken_by(self, suspect: Attempt, lost: Attempt) -> str | None:
        """Why *suspect* could be inside together with *lost*."""
        if suspect.tenure is None or not suspect.tenure.overlaps(lost.inside):
            return None
        inside = [*self._group_of[id(suspect.tenure)]]
        if lost.tenure is not None and lost.tenure not in inside:
            inside.append(lost.tenure)
        return self._broken(inside) or self._broken(self._with_those_before(inside))

    def _with_those_before(self, inside: list[Tenure]) -> list[Tenure]:
        """
        With whoever may have removed the lock of one of them when it left, and so on backwards.

        One who leaves removes what stands at the lock's name: once a lock has been taken twice, each who leaves lets
        two in, also when those who began it are gone.
        """
        found = [*inside]
        for member in found:
            found += [
                one
                for one in self._events.tenures
                if one.begun <= member.begun and one not in found and one.may_have_met(member)
            ]
        return found

    def _broken(self, inside: list[Tenure]) -> str | None:
        if any(self._events.outlived(one) for one in inside):
            return OUTLIVED
        if any(
            one.may_have_lost_its_lock_to(removal)
            for one in inside
            for removal in self._events.removals
        ):
            return TAKEN_TWICE
        return None

    # --- what cannot be told -------------------------------------------------------------------

    def is_hidden(self, lost: Attempt, revision: Seen) -> bool:
        """
        Whether nobody of ours could see that *lost*, one of ours, was overwritten before *revision* covered it.

        That is so if a culprit is proved, if another of theirs then committed *revision* on top of it, text and number,
        and if nobody of ours was inside between the two: that one would have found the culprit's text under a number
        that is ours.
        """
        covers = [
            one
            for one in self._events.attempts
            if one.side != OURS
            and one.counters == revision.counters
            and one.announced == revision.generation
            and one.has_numbered
        ]
        culprits = self.culprits(lost, revision.at)
        return any(
            culprit is not cover and not self._was_between(culprit, cover)
            for culprit in culprits
            for cover in covers
        ) or any(self._is_under_anothers(one, revision) for one in culprits)

    def _is_under_anothers(self, culprit: Attempt, revision: Seen) -> bool:
        """
        Whether *revision* is the text of *culprit* under the number of a commit of theirs that was there before.

        And nobody of ours was inside between the two: that one would have seen that commit whole.
        """
        if culprit.counters != revision.counters:
            return False
        return any(
            one.side != OURS
            and one is not culprit
            and one.announced == revision.generation
            and one.number_at is not None
            and one.number_at <= culprit.put_until
            and not any(
                one.number_at <= own.begun and own.ended <= culprit.put_until and not own.is_cut
                for own in self._events.own_tenures
            )
            for one in self._events.attempts
        )

    def _was_between(self, culprit: Attempt, cover: Attempt) -> bool:
        left = culprit.number_at or culprit.put_at or math.inf
        came = cover.text_at or cover.inside.begun
        return any(
            left <= one.begun and one.ended <= came and not one.is_cut
            for one in self._events.own_tenures
        )

    def is_torn(self, seen: Read | Seen, other: Read | Seen) -> bool:
        """
        Whether of *seen* and *other*, both of one generation of theirs, one is whole and the other torn.

        The torn one is the text of another of theirs under that one's number: between the two renames, by somebody who
        had waited in vain for the lock to come free or found none there; or put there by one that was inside although
        it had lost the lock.
        """
        return any(
            self._is_whole(whole.generation, whole.counters) and self._is_anothers(torn)
            for whole, torn in ((seen, other), (other, seen))
        )

    def _is_whole(self, generation: int | None, counters: dict[str, int]) -> bool:
        return any(
            one.side != OURS
            and one.counters == counters
            and one.announced == generation
            and one.has_numbered
            for one in self._events.attempts
        )

    def _is_anothers(self, torn: Read | Seen) -> bool:
        for one in self._events.attempts:
            if one.side == OURS or one.counters != torn.counters or one.text_at is None:
                continue
            tenure = one.tenure
            is_lost = tenure is not None and self._broken(self._group_of[id(tenure)]) is not None
            is_cut = tenure is None or tenure.is_cut
            is_following = one.announced == (torn.generation or 0) + 1
            if isinstance(torn, Read):
                # Who could wait for the lock waits for a second.
                was_there = one.may_have_been_torn_in(torn) or is_cut
                has_waited = torn.ended - torn.begun >= PATIENCE_SECONDS
                if was_there and (is_lost or (is_following and (is_cut or has_waited))):
                    return True
            elif one.text_at <= torn.at and (is_following or is_lost):
                return True
        return False
