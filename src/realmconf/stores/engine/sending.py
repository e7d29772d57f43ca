"""
One conditional write, sent until it is sure what became of it.

Decides what is forgotten when something has moved, who is woken when something is done, and when it can be said that a
write whose answer was lost will never be carried out.  What is written is made anew by whoever wants it.
"""

from __future__ import annotations

from realmconf.errors import (
    LockTimeout,
    OutcomeUnknown,
    RealmconfError,
    RealmMoved,
    StoreUnavailable,
)
from realmconf.stores.engine.ledger import Changes, LostAnswerError
from realmconf.stores.engine.noting import Noting
from realmconf.stores.engine.patience import Patience
from realmconf.stores.protocol import Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from realmconf.domain.names import RealmName
    from realmconf.stores.engine.known import Known
    from realmconf.stores.engine.ledger import Ledger

    Made = Callable[[Noting], Changes | None]
    """What to write on a point; None: nothing, it is so already."""


class Sending:
    """The way of one store's writes to its ledger."""

    def __init__(
        self, ledger: Ledger, known: Known, *, on_sent: Callable[[Collection[RealmName]], None]
    ) -> None:
        """*on_sent* is told of realms that were changed, or perhaps were."""
        self.ledger = ledger
        self.known = known
        self._on_sent = on_sent

    def once(self, changes: Changes, deadline: float) -> Mapping[RealmName, int] | None:
        """
        The versions of the rows that were changed, as far as the engine tells; None if something has moved.

        Raises:
            LostAnswerError: It was sent, and no answer came.
        """
        try:
            committed = self.ledger.commit(changes, deadline=deadline)
        except LostAnswerError:
            self._forget(changes)
            self._on_sent(changes.realms)
            raise
        if committed is None:
            self._forget(changes)
            return None
        for realm in changes.realms:
            if realm not in committed.versions:
                self.known.forget(realm)
        self._on_sent(changes.realms)
        return committed.versions

    def _forget(self, changes: Changes) -> None:
        # One of them is no longer as it was, and it is not told which.
        for realm in changes.rests_on:
            self.known.forget(realm)

    def until_done(
        self, made: Made, *, deadline: float, write_id: str | None = None, realm: str | None = None
    ) -> None:
        """
        Write what *made* makes of the newest point, again until nothing has moved in between.

        Only for what does no harm when it is carried out twice, and what finds itself done then.  What *made* raises is
        raised once nothing that was sent before can be carried out any more.

        Raises:
            LockTimeout: Others were always faster; nothing was changed.
            OutcomeUnknown: An answer was lost, and no later one came in time.
        """
        patience = Patience(deadline)
        lost: Changes | None = None
        while True:
            try:
                with self.ledger.view(deadline=deadline) as under:
                    changes = made(Noting(self.known, under))
                if changes is None:
                    return
                try:
                    if self.once(changes, deadline) is not None:
                        return
                except LostAnswerError:
                    lost = changes
            except Exception as failure:
                if lost is None:
                    raise
                if not _may_pass(failure):
                    if not self._is_fenced(lost, deadline):
                        raise OutcomeUnknown(write_id, realm=realm, reason=LOST) from failure
                    # Now it is there, or never will be: the next look decides.
                    lost = None
                    continue
            if not patience.wait():
                if lost is not None:
                    raise OutcomeUnknown(write_id, realm=realm, reason=LOST)
                raise LockTimeout(waited_seconds=patience.waited_seconds)

    def _is_fenced(self, lost: Changes, deadline: float) -> bool:
        """See to it that what *lost* rests on has moved, so that it is done or never will be."""
        first = next(iter(lost.rests_on))

        def touched(view: Noting) -> Changes | None:
            if view.row(first).version != lost.rests_on[first]:
                return None
            return view.resting().replace(touched=frozenset([first]))

        try:
            self.until_done(touched, deadline=deadline)
        except RealmconfError:
            # Whatever keeps this away, what was sent may have been carried out before.
            return False
        return True

    def void(self, realm: RealmName, write_id: str, *, deadline: float) -> Receipt:
        """As ``Store.void``: the id is taken, so that whatever still carries it finds it taken."""
        found: list[Receipt] = []

        def made(view: Noting) -> Changes | None:
            known = view.receipt(realm, write_id)
            if known is not None:
                found.append(known)
                return None
            head = view.head(realm)
            if head.moved_to is not None:
                raise RealmMoved(head.moved_to, realm=realm)
            voided = Receipt(
                realm=realm,
                write_id=write_id,
                request="",
                outcome="void",
                generation=head.generation,
            )
            found.append(voided)
            return view.resting().replace(receipts=(voided,))

        self.until_done(made, deadline=deadline, write_id=write_id, realm=realm)
        return found[-1]


LOST = "the connection was lost with the answer"
"""Why an outcome is unknown."""


def _may_pass(failure: Exception) -> bool:
    """Whether *failure* is an outage, after which it may be found out what became of what was sent."""
    return isinstance(failure, StoreUnavailable) and failure.retryable
