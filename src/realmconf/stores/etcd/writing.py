"""
How a conditional write is carried out: one transaction, and what has to be known for it.

Decides what is read before, if what is remembered is not enough; what goes ahead of the transaction (schemas, which
nothing names yet); and what a refusal means for what was to be written.
"""

from __future__ import annotations

import time

from realmconf.domain.document import canonical_bytes
from realmconf.errors import LimitExceeded, LockTimeout, RealmconfError, StoreUnavailable
from realmconf.stores.engine.ledger import Committed, LostAnswerError
from realmconf.stores.etcd import failures
from realmconf.stores.etcd.asking import (
    TRANSACTION,
    is_at,
    outcome_in,
    put_of,
    range_of,
    size_of,
    transaction,
)
from realmconf.stores.etcd.composing import Found, Together, composed, versions_of
from realmconf.stores.etcd.failures import (
    OPERATIONS_MAX,
    REQUEST_BYTES_MAX,
    LostError,
    RefusedError,
    RenewedError,
)
from realmconf.stores.etcd.layout import (
    after,
    entry_in,
    name_in,
    receipt_in,
    receipts_in,
    trusted_name,
)
from realmconf.stores.etcd.reading import newest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realmconf.domain.names import RealmName
    from realmconf.stores.engine.ledger import Changes
    from realmconf.stores.etcd.asking import Comparison, Operation, Outcome, Part
    from realmconf.stores.etcd.composing import Composed
    from realmconf.stores.etcd.layout import Entry
    from realmconf.stores.etcd.reading import Reading
    from realmconf.stores.protocol import Receipt

KEPT = 4_096
ROWS_PAGE = 2_000


class Writing:
    """The writes of one ledger. Thread-safe."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._keys = reading.keys
        self._schemas: set[str] = set()
        """Digests that are known to be there."""
        self._together: dict[str, Together] = {}

    # --- a conditional write -------------------------------------------------------------------

    def commit(self, changes: Changes, deadline: float) -> Committed | None:
        """See ``Ledger.commit``."""
        era = self._reading.renewed()
        try:
            return self._committed(changes, era, deadline)
        except RenewedError:
            # What was judged, or read for it, may have been another history's.
            return None

    def _committed(self, changes: Changes, era: int, deadline: float) -> Committed | None:
        found = self._found(changes, deadline)
        if found is None:
            return None
        self._put_schemas(changes, deadline)
        began = time.monotonic()
        while True:
            made = composed(changes, found, self._keys)
            is_wide = len(made.comparisons) > OPERATIONS_MAX
            if is_wide:
                newest = self._seen_widely(changes, found, deadline)
                if newest is None or newest != (changes.newest or newest):
                    return None
                made = composed(changes, found, self._keys, rests_widely_on=newest)
            revision = self._carried_out(made, changes, era, deadline)
            if revision is not None:
                break
            if not is_wide or changes.newest is not None:
                return None
            # Perhaps a stranger: it is looked whether anything moved that matters.
            if time.monotonic() >= deadline:
                raise LockTimeout(waited_seconds=time.monotonic() - began)
        for entry in made.entries.values():
            entry.version = revision
            self._reading.note(entry)
        return Committed(versions=dict.fromkeys(changes.realms, revision))

    def _carried_out(
        self, made: Composed, changes: Changes, era: int, deadline: float
    ) -> int | None:
        """The revision at which *made* was put down; None if something that it rests on does not stand."""
        _check_size(made.comparisons, made.operations)
        together = {
            self._keys.together(receipt.write_id): receipt.write_id for receipt in changes.receipts
        }
        outcome = self.put(
            made.comparisons,
            made.operations,
            deadline,
            failure=[
                range_of(self._keys.format),
                *(range_of(key) for key in list(together)[: OPERATIONS_MAX - 1]),
            ],
            era=era,
        )
        if outcome.succeeded:
            return outcome.revision
        self._reading.check_format(outcome.parts[0])
        for write_id, part in zip(together.values(), outcome.parts[1:], strict=False):
            self._note_together(write_id, part)
        return None

    def _note_together(self, write_id: str, part: Part) -> None:
        if not part.found:
            # A compaction has removed it.
            self._together.pop(write_id, None)
        else:
            if len(self._together) >= KEPT:
                self._together.clear()
            (one,) = part.found
            self._together[write_id] = Together(
                version=one.version, receipts=receipts_in(one.value)
            )

    def put(
        self,
        comparisons: Sequence[Comparison],
        operations: Sequence[Operation],
        deadline: float,
        *,
        failure: Sequence[Operation] = (),
        era: int | None = None,
    ) -> Outcome:
        """
        Carry *operations* out if all of *comparisons* hold, else *failure*, which only reads.

        Raises:
            LostAnswerError: It was sent, and what became of it is not known.
            RenewedError: It is another era than *era*; nothing was sent.
            RealmconfError: It was refused; nothing was changed.
        """
        question = transaction(comparisons, operations, failure)
        link = self._reading.link
        try:
            return outcome_in(link.send(TRANSACTION, question, deadline=deadline, era=era))
        except LostError as lost:
            raise LostAnswerError(str(lost)) from None
        except RefusedError as refused:
            if refused.is_full:
                self._refuse_applied(comparisons, refused, deadline)
            elif not refused.is_undone:
                raise LostAnswerError(refused.text) from None
            raise failures.explain(refused, self._reading.place, is_write=True) from None

    def guarded(
        self,
        comparisons: Sequence[Comparison],
        operations: Sequence[Operation],
        deadline: float,
        *,
        era: int | None = None,
    ) -> Outcome:
        """
        As ``put``, while the store has the form that it had when it was opened.

        Raises:
            StoreTooNew, StoreUnavailable: It has not.
        """
        outcome = self.put(
            [is_at(self._keys.format, self._reading.format_version), *comparisons],
            operations,
            deadline,
            failure=[range_of(self._keys.format)],
            era=era,
        )
        if not outcome.succeeded:
            self._reading.check_format(outcome.parts[0])
        return outcome

    def _refuse_applied(
        self, comparisons: Sequence[Comparison], refused: RefusedError, deadline: float
    ) -> None:
        """
        Raises:
            LostAnswerError: Something has moved that the write rested on: perhaps it was the write itself.
        """
        # The write that fills the space is carried out, and answered as if it were not; later ones are not carried out.
        try:
            question = transaction(comparisons, ())
            outcome = outcome_in(self._reading.link.ask(TRANSACTION, question, deadline=deadline))
        except (RefusedError, RealmconfError):
            raise LostAnswerError(refused.text) from None
        if not outcome.succeeded:
            raise LostAnswerError(refused.text)

    # --- what has to be known --------------------------------------------------------------------

    def _found(self, changes: Changes, deadline: float) -> Found | None:
        """What has to be known; None if it shows that something has moved."""
        found = Found(self._reading.format_version)
        entries: dict[str, Entry] = {}
        unknown = []
        for realm in {*changes.realms, *changes.heads}:
            entry = self._reading.recall(realm)
            if entry is not None and entry.version == changes.rests_on.get(realm, -1):
                entries[realm] = entry
            else:
                unknown.append(realm)
        if unknown:
            read, _ = self._reading.entries(unknown, 0, deadline)
            for realm in unknown:
                if read[realm].version != changes.rests_on.get(realm, read[realm].version):
                    return None
            entries.update(read)
        if any(entries[realm].digest != digest for realm, digest in changes.heads.items()):
            # The number was given again, by a server that was set back.
            return None
        found.entries = {realm: entries[realm] for realm in changes.realms}
        found.together = {
            receipt.write_id: self._together[receipt.write_id]
            for receipt in changes.receipts
            if receipt.write_id in self._together
        }
        for receipt in changes.receipts:
            together = found.together.get(receipt.write_id)
            if together and found.entries[receipt.realm].history in together.receipts:
                # Unless it was removed since: the next write finds it there, or not.
                self._together.pop(receipt.write_id, None)
                return None
        if changes.claims or changes.schemas or changes.renamed or changes.told:
            return self._found_beside(changes, found, deadline)
        return found

    def _found_beside(self, changes: Changes, found: Found, deadline: float) -> Found | None:
        keys = self._keys
        twins = [(keys.twins(realm), realm) for realm in changes.claims]
        listed = [
            (keys.schemas(realm), realm)
            for realm in dict.fromkeys((*changes.schemas, *(changes.renamed or ())))
        ]
        told = {
            keys.receipt(found.entries[one.realm].history, one.write_id): one
            for one in changes.told
        }
        operations = [
            *(range_of(key, after(key)) for key, _ in twins),
            *(range_of(key) for key, _ in listed),
            *(range_of(key) for key in told),
        ]
        parts: list[Part] = []
        for first in range(0, len(operations), OPERATIONS_MAX):
            outcome = self._reading.ask(operations[first : first + OPERATIONS_MAX], deadline)
            parts += outcome.parts
            # The oldest of the points: what came behind it is found by the comparison.
            found.point = found.point or outcome.revision
        answers = iter(parts)
        for _, realm in twins:
            for one in next(answers).found:
                if name_in(one.key) == realm:
                    if one.version != found.entries[realm].version:
                        return None
                elif entry_in(one).generation:
                    # It has another one's name, but for its case: the next judgement finds out.
                    return None
        for _, realm in listed:
            part = next(answers)
            found.schemas[realm] = part.found[0].value.decode().split() if part.found else ()
        found.told = _receipts(told, answers)
        if changes.renamed is not None:
            prefix = keys.receipts(found.entries[changes.renamed[1]].history)
            found.left_behind = {
                one.key.removeprefix(prefix): one.value
                for one in self._reading.pages(
                    prefix, after(prefix), deadline=deadline, page=ROWS_PAGE
                )
            }
        return found

    def _seen_widely(self, changes: Changes, found: Found, deadline: float) -> int | None:
        """The version of the newest row at a point where all stands; None where something of it does not."""
        keys = self._keys
        (part,) = self._reading.ask(
            [range_of(keys.news, after(keys.news), only_keys=True)], deadline
        ).parts
        newest = newest_of(part)
        wanted: dict[RealmName, int] = dict(versions_of(changes, found))
        # Read behind that point: whatever comes between is found by the comparison.
        for one in self._reading.pages(
            keys.rows, after(keys.rows), deadline=deadline, page=ROWS_PAGE, only_keys=True
        ):
            realm = trusted_name(name_in(one.key))
            if wanted.pop(realm, one.version) != one.version:
                return None
        return None if any(wanted.values()) else newest

    # --- schemas ---------------------------------------------------------------------------------

    def _put_schemas(self, changes: Changes, deadline: float) -> None:
        """Put schemas down ahead of what will name them, each alone: one may be as large as a request."""
        for schemas in changes.schemas.values():
            for digest, schema in schemas.items():
                if digest not in self._schemas:
                    self._put_schema(digest, canonical_bytes(schema), deadline)
                    if len(self._schemas) >= KEPT:
                        self._schemas.clear()
                    self._schemas.add(digest)

    def _put_schema(self, digest: str, value: bytes, deadline: float) -> None:
        operation = put_of(self._keys.schema(digest), value)
        _check_size((), [operation])
        while True:
            try:
                # One that is there stays.
                self.guarded([is_at(self._keys.schema(digest), 0)], [operation], deadline)
            except LostAnswerError as lost:
                # It does no harm twice.
                if time.monotonic() >= deadline:
                    raise StoreUnavailable(
                        f"{self._reading.place} gave no answer in time: {lost}"
                    ) from None
            else:
                return


def _receipts(told: Mapping[str, Receipt], answers: object) -> Mapping[str, Receipt]:
    found = {}
    for (key, receipt), part in zip(told.items(), answers, strict=True):  # type: ignore[call-overload]
        if part.found:
            found[key] = receipt_in(part.found[0].value, receipt.realm, receipt.write_id)
    return found


def _check_size(comparisons: Sequence[Comparison], operations: Sequence[Operation]) -> None:
    """
    Raises:
        LimitExceeded: The server would not take so much at once.
    """
    number = max(len(comparisons), len(operations))
    if number > OPERATIONS_MAX:
        raise LimitExceeded("operations_at_once", number, maximum=OPERATIONS_MAX)
    size = size_of(operations)
    if size > REQUEST_BYTES_MAX:
        raise LimitExceeded("request_bytes", size, maximum=REQUEST_BYTES_MAX)
