"""
One write of a caller's, from its first judgement to its end.

Decides when it is judged on what is known in memory and when the engine is asked first, what is judged again and until
when, and how it is found out what became of what was sent and not answered.  What it means is judged by the caller.
"""

from __future__ import annotations

import random
import time
from contextlib import nullcontext, suppress

from realmconf.domain.names import GLOBAL
from realmconf.domain.write import Append
from realmconf.errors import (
    LockTimeout,
    OutcomeUnknown,
    RealmconfError,
    RealmMoved,
    StoreUnavailable,
)
from realmconf.stores.engine.composing import applied, changes_of
from realmconf.stores.engine.ledger import LostAnswerError
from realmconf.stores.engine.noting import Noting, NotKnownError
from realmconf.stores.engine.patience import Patience
from realmconf.stores.engine.sending import LOST
from realmconf.stores.protocol import Applied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from realmconf.domain.names import RealmName
    from realmconf.stores.engine.ledger import Changes, LedgerView, Row
    from realmconf.stores.engine.sending import Sending
    from realmconf.stores.protocol import Judgement, ReadView, Receipt

    Judge = Callable[[ReadView], Sequence[Judgement]]

CALM_AGAIN = 0.1
"""How likely a write that went through beside others takes it that they have gone."""


class Attempt:
    """One write; the turns of its realms in this process are held by whoever carries it out."""

    def __init__(
        self,
        sending: Sending,
        realms: Sequence[RealmName],
        judge: Judge,
        *,
        renamed: tuple[RealmName, RealmName] | None,
        contended: set[RealmName],
        refuse_child: Callable[[], None],
        on_written: Callable[[Mapping[RealmName, Row], float], None],
        deadline: float,
    ) -> None:
        """
        *contended* are realms in which this store was overtaken of late; it is kept up here.  *on_written* is told of
        the rows that were judged on, as the write has left them, and when it was sent.
        """
        self._sending = sending
        self._ledger = sending.ledger
        self._known = sending.known
        self._realms = realms
        self._judge = judge
        self._renamed = renamed
        self._contended = contended
        self._refuse_child = refuse_child
        self._on_written = on_written
        self._deadline = deadline
        self._patience = Patience(deadline)
        self._sent: list[Sequence[Judgement]] = []
        """What was sent and not answered, the newest last."""

    def carried_out(self) -> Sequence[Applied]:
        """
        What came of it.

        Raises:
            LockTimeout: Others were always faster, up to the deadline.
            OutcomeUnknown: An answer was lost, and up to the deadline it could not be found out.
        """
        if time.monotonic() >= self._deadline:
            # What is sent now could not be asked about any more.
            raise LockTimeout(waited_seconds=0.0)
        done = None if self._is_contended else self._from_memory()
        while done is None:
            done = self._in_turn()
            if done is None and not self._patience.wait():
                if self._sent:
                    raise self._unknown()
                raise LockTimeout(waited_seconds=self._patience.waited_seconds)
        return done

    @property
    def _is_contended(self) -> bool:
        return not self._contended.isdisjoint(self._realms)

    def _in_turn(self) -> Sequence[Applied] | None:
        """One attempt on the newest point: in the engine's own turn where others are about."""
        was_contended = self._is_contended
        try:
            turn = (
                self._ledger.turn(self._realms, deadline=self._deadline)
                if was_contended
                else nullcontext()
            )
            with turn:
                done = self._on_the_newest()
        except (StoreUnavailable, LockTimeout) as failure:
            if not self._sent:
                if isinstance(failure, LockTimeout):
                    # The last question is not all that was waited for.
                    waited_seconds = self._patience.waited_seconds
                    raise LockTimeout(waited_seconds=waited_seconds) from failure
                raise
            if not failure.retryable:
                raise self._unknown() from failure
            # It cannot be told yet what became of what was sent.
            return None
        if done is not None and was_contended and random.random() < CALM_AGAIN:
            self._contended.difference_update(self._realms)
        return done

    # --- judging -----------------------------------------------------------------------------

    def _from_memory(self) -> Sequence[Applied] | None:
        """Judge on what is known; None where that is not enough, or no longer so."""
        view = Noting(self._known, None)
        try:
            judgements = self._judge(view)
        except Exception:  # noqa: BLE001 - what was judged on may be old: no refusal, whoever raises it
            # What was judged on may be old: no refusal, whoever's it is.
            self._refuse_child()
            return None
        self._refuse_child()
        try:
            changes = changes_of(judgements, view, renamed=self._renamed)
        except (NotKnownError, RealmconfError):
            return None
        if not changes.realms:
            return None
        return self._committed(judgements, changes, view)

    def _on_the_newest(self) -> Sequence[Applied] | None:
        """Judge on the engine's newest point; None if that has moved meanwhile, or an answer was lost."""
        try:
            with self._ledger.view(deadline=self._deadline) as under:
                # Not carried out at this point, what was sent cannot be carried out behind it unless this cannot.
                done = self._found_at(under)
                if done is not None:
                    return done
                view = Noting(self._known, under)
                view.expect(self._expected())
                judgements = self._judge(view)
                self._refuse_child()
                changes = changes_of(judgements, view, renamed=self._renamed)
            if changes.realms:
                return self._committed(judgements, changes, view)
            return self._fenced() or applied(judgements, changes, view)
        except (StoreUnavailable, OutcomeUnknown):
            raise
        except Exception:
            # What was sent may have made it so, or may still come: a refusal is told once it cannot.
            self._refuse_child()
            done = self._fenced()
            if done is None:
                raise
            return done

    def _expected(self) -> list[RealmName]:
        """What will be asked for: the realms, and those that they were last seen to depend on."""
        return [*(name for realm in self._realms for name in self._known.chain(realm)), GLOBAL]

    def _committed(
        self, judgements: Sequence[Judgement], changes: Changes, view: Noting
    ) -> Sequence[Applied] | None:
        """What came of it; None if it was overtaken, or the answer was lost."""
        sent_at = time.monotonic()
        try:
            versions = self._sending.once(changes, self._deadline)
        except LostAnswerError:
            self._sent.append(judgements)
            return None
        if versions is None:
            if not view.is_recalled:
                self._contended.update(self._realms)
            return None
        done = applied(judgements, changes, view)
        changed = changes.realms
        rows = {realm: row for realm, row in view.seen.items() if realm not in changed}
        for one in done:
            realm = one.write.realm
            if realm in versions:
                rows[realm] = self._known.note(realm, versions[realm], one.head)
        for realm in changes.touched:
            if realm in versions and realm in view.seen:
                rows[realm] = self._known.note(realm, versions[realm], view.seen[realm].head)
        self._on_written(rows, sent_at)
        return done

    # --- what became of what was sent ----------------------------------------------------------

    def _found_at(self, view: LedgerView) -> Sequence[Applied] | None:
        """
        What was carried out of what was sent, at the point of *view*; None if nothing was.

        Raises:
            OutcomeUnknown: What would tell is gone: the history has another name now, or was compacted.
        """
        for judgements in reversed(self._sent):
            judgement = _with_receipt(judgements)
            realm = judgement.write.realm
            receipt = view.receipt(realm, judgement.write.write_id)
            if receipt is None:
                self._refuse_lost_history(judgement, view)
            elif receipt.outcome != "void":
                for sent in reversed(self._sent):
                    if _is_of(_with_receipt(sent), receipt, view):
                        return _found(sent, view)
        return None

    def _refuse_lost_history(self, judgement: Judgement, view: LedgerView) -> None:
        decision = judgement.decision
        if not isinstance(decision, Append):
            return
        head = view.rows([judgement.write.realm])[judgement.write.realm].head
        # A rename takes receipts along, to a name that is not known here.
        if decision.revision.generation < head.floor <= head.generation:
            raise self._unknown()

    def _fenced(self) -> Sequence[Applied] | None:
        """
        What became of what was sent; None once it is sure that nothing of it ever will be carried out.

        Every one that was sent rests on the row in which the id is made void.
        """
        if not self._sent:
            return None
        write = _with_receipt(self._sent[-1]).write
        try:
            # Where it lives elsewhere now, its row has changed with the marker.
            with suppress(RealmMoved):
                self._sending.void(write.realm, write.write_id, deadline=self._deadline)
            with self._ledger.view(deadline=self._deadline) as view:
                return self._found_at(view)
        except RealmconfError as failure:
            raise self._unknown() from failure

    def _unknown(self) -> OutcomeUnknown:
        write = self._sent[-1][0].write
        return OutcomeUnknown(write.write_id, realm=write.realm, reason=LOST)


def _with_receipt(judgements: Sequence[Judgement]) -> Judgement:
    """One of those that leave a receipt; all of one write are carried out together."""
    return next(
        one for one in judgements if isinstance(one.decision, Append) or one.write.write_id_given
    )


def _is_of(judgement: Judgement, receipt: Receipt, view: LedgerView) -> bool:
    """Whether *receipt* was left by *judgement*, and not by another request under the same id."""
    decision, write = judgement.decision, judgement.write
    if (write.realm, write.write_id) != (receipt.realm, receipt.write_id):
        return False
    if not isinstance(decision, Append):
        return receipt.outcome == "unchanged" and receipt.request == judgement.request
    if receipt.generation != decision.revision.generation:
        return False
    try:
        made = view.revision(receipt.realm, receipt.generation)
    except RealmconfError:
        # Compacted since: its number tells enough.
        return receipt.outcome == "committed" and receipt.request == judgement.request
    return made.digest == decision.revision.digest


def _found(judgements: Sequence[Judgement], view: LedgerView) -> Sequence[Applied]:
    """What *judgements* came to, which were carried out some time before *view*."""
    rows = view.rows([one.write.realm for one in judgements])
    found = []
    for judgement in judgements:
        decision = judgement.decision
        head = rows[judgement.write.realm].head
        if isinstance(decision, Append):
            head = head.replace(revision=decision.revision)
        found.append(Applied(write=judgement.write, decision=decision, head=head))
    return found
