"""
How a conditional write is carried out: in one message where one is enough, else in several at once.

Decides which.  One message on a stream that is not replicated can wait for its own row and for the whole stream: it
stands if nothing at all came behind the sequence at which everything it rests on was seen.  Where something did, it is
looked whether that matters, and the message is sent again; so strangers cost time and no judgement.  Everything else
goes as a batch that the server puts down whole or not at all, each condition with one of its messages.
"""

from __future__ import annotations

import asyncio
import json
import os
import time

from realmconf.domain.document import canonical_bytes
from realmconf.errors import LimitExceeded, LockTimeout, StoreUnavailable
from realmconf.stores.engine.ledger import Committed, LostAnswerError
from realmconf.stores.nats import asking, failures
from realmconf.stores.nats.asking import EXPECTED_LAST, acknowledged
from realmconf.stores.nats.composing import Found, composed, guarded, others, realms_of
from realmconf.stores.nats.failures import LostError, NobodyError, RefusedError, UnsentError
from realmconf.stores.nats.handover import GivenUpError, current
from realmconf.stores.nats.layout import BATCH_MESSAGES_MAX, trusted_name
from realmconf.stores.nats.link import Patience
from realmconf.stores.nats.room import Room
from realmconf.stores.nats.view import schemas_in
from realmconf.stores.nats.wire import DeniedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realmconf.domain.names import RealmName
    from realmconf.stores.engine.ledger import Changes
    from realmconf.stores.nats.composing import Outgoing
    from realmconf.stores.nats.history import Histories
    from realmconf.stores.nats.layout import Entry
    from realmconf.stores.nats.reading import Reading
    from realmconf.stores.nats.view import Minted
    from realmconf.stores.nats.wire import Wire

ANSWER_SECONDS = 5.0
"""How long an acknowledgement is waited for; then it is looked what became of it."""
PAUSE_SECONDS = 0.005
PAUSE_SECONDS_MAX = 0.1
ENTRIES_KEPT = 8_192
HEADER_BYTES = 4_096
"""Left free in a message for what stands before its body."""
SCHEMAS_KEPT = 4_096


class Writing:
    """The writes of one ledger; all run in its loop."""

    def __init__(
        self,
        reading: Reading,
        histories: Histories,
        minted: Minted,
        *,
        body_bytes_max: int,
        document_bytes_max: int,
        is_limited: bool = False,
    ) -> None:
        self._reading = reading
        self._histories = histories
        self._minted = minted
        self._body_bytes_max = body_bytes_max
        self._document_bytes_max = document_bytes_max
        self._room = Room(reading, is_limited=is_limited)
        self._entries: dict[str, Entry] = {}
        self._schemas: set[str] = set()
        self.begin()

    def begin(self) -> None:
        """Forget what belongs to another loop."""
        self._alone = asyncio.Lock()
        self._seen = Seen()

    def forget_all(self) -> None:
        """The server may be another one, in which the same numbers are of something else."""
        self._entries.clear()
        self._schemas.clear()
        self._seen = Seen()

    # --- a conditional write -------------------------------------------------------------------

    async def commit(self, changes: Changes, deadline: float) -> Committed | None:
        """See ``Ledger.commit``."""
        # What is found out holds for this connection: numbers that another one knows may be of something else.
        over = await self._reading.link.wire(deadline)
        found = await self._found(changes, deadline)
        if found is None:
            return None
        messages = composed(changes, found, self._reading.subjects)
        self._check_sizes(messages, changes)
        if changes.puts:
            # What only settles other writes may have what is kept.
            await self._room.take(messages, deadline)
        for put in changes.puts:
            self._minted.note_sent(put.realm, put.revision.write_id, put.revision.generation)
        last = 0
        if changes.newest is not None:
            last = await self._reading.point(deadline)
            if await self._reading.newest_row(last, deadline) != changes.newest:
                return None
        if len(messages) == 1 and not self._reading.is_barred:
            sequence = await self._put_alone(messages[0], changes, last, deadline, over)
        else:
            guarded(messages, changes, self._reading.subjects)
            if last:
                messages[0].headers[EXPECTED_LAST] = str(last)
            sequence = await self.put(messages, deadline, over=over)
        if sequence is None:
            return None
        for digests in changes.schemas.values():
            if len(self._schemas) < SCHEMAS_KEPT:
                self._schemas.update(digests)
        return Committed(versions=self._kept(messages, sequence))

    def _kept(self, messages: Sequence[Outgoing], sequence: int) -> Mapping[RealmName, int]:
        """The versions of the rows that were put down, the last message of which has *sequence*."""
        versions: dict[RealmName, int] = {}
        if len(self._entries) >= ENTRIES_KEPT:
            self._entries.clear()
        first = sequence - len(messages) + 1
        for number, one in enumerate(messages):
            entry = one.entry
            if entry is not None:
                entry.put_down(first + number)
                self._histories.note(entry)
                entry.packed = None
                self._entries[entry.realm] = entry
                versions[trusted_name(entry.realm)] = entry.sequence
        return versions

    async def _found(self, changes: Changes, deadline: float) -> Found | None:
        """What has to be known; None if it shows that something has moved."""
        found = Found()
        unknown = []
        for realm in changes.realms:
            entry = self._entries.get(realm)
            if (
                entry is not None
                and realm in changes.rests_on
                and _is_as_judged(realm, entry, changes)
            ):
                found.entries[realm] = entry
            else:
                unknown.append(realm)
        if unknown:
            read, _ = await self._reading.newest_entries(unknown, deadline)
            for realm in unknown:
                entry = read[realm]
                if not _is_as_judged(realm, entry, changes):
                    return None
                self._entries[realm] = entry
                found.entries[realm] = entry
        if changes.claims or changes.schemas or changes.renamed or changes.told or changes.keys:
            return await self._found_beside(changes, found, deadline)
        return found

    async def _found_beside(self, changes: Changes, found: Found, deadline: float) -> Found | None:
        subjects = self._reading.subjects
        claims = {subjects.claim(realm.folded): realm for realm in changes.claims}
        listed = {
            subjects.schemas(realm): realm for realm in (*changes.schemas, *(changes.renamed or ()))
        }
        told = [
            subjects.receipt(found.entries[receipt.realm].history, receipt.write_id)
            for receipt in changes.told
            if found.entries[receipt.realm].history
        ]
        keys = [subjects.own("keys")] if changes.keys else []
        point = await self._reading.point(deadline)
        there = await self._reading.at([*claims, *listed, *told, *keys], point, deadline)
        claimed = set()
        for subject, realm in claims.items():
            if subject in there:
                if there[subject].body.decode() != realm:
                    return None
                claimed.add(realm)
        found.claimed = frozenset(claimed)
        found.known_schemas = frozenset(self._schemas)
        for subject, realm in listed.items():
            found.schemas[realm] = schemas_in(there[subject].body) if subject in there else ()
        found.receipts = {subject: there[subject] for subject in told if subject in there}
        for subject in keys:
            found.keys = json.loads(there[subject].body) if subject in there else {}
            found.keys_version = there[subject].sequence if subject in there else 0
        return found

    def _check_sizes(self, messages: Sequence[Outgoing], changes: Changes) -> None:
        for put in changes.puts:
            if len(put.packed) > self._document_bytes_max:
                # It comes in no smaller form; most need no other look than this.
                size = len(canonical_bytes(put.revision.document))
                if size > self._document_bytes_max:
                    raise LimitExceeded("document_bytes", size, maximum=self._document_bytes_max)
        most = self._body_bytes_max - HEADER_BYTES
        for one in messages:
            if len(one.body) > most:
                raise LimitExceeded(
                    "document_bytes", len(one.body), maximum=self._document_bytes_max
                )
        if len(messages) + len(changes.rests_on) > BATCH_MESSAGES_MAX:
            raise LimitExceeded("messages_at_once", len(messages), maximum=BATCH_MESSAGES_MAX)

    # --- one message -----------------------------------------------------------------------------

    async def _put_alone(
        self, message: Outgoing, changes: Changes, last: int, deadline: float, over: Wire
    ) -> int | None:
        """Put the only *message* of a write down, if all stands that it rests on."""
        if not others([message], changes) and not last:
            return await self.put([message], deadline, over=over)
        async with self._alone:
            # One after the other: each moves the stream's end, which the next one waits for.
            began = time.monotonic()
            while True:
                at = last or self._seen.at(changes.rests_on)
                if not at:
                    at = await self._look(changes.rests_on, deadline)
                    if not at:
                        return None
                message.headers[EXPECTED_LAST] = str(at)
                sequence = await self.put([message], deadline, over=over)
                if sequence is not None:
                    for realm in realms_of([message]):
                        self._seen.moved(at, realm, sequence)
                    return sequence
                if last or over.is_over:
                    return None
                self._seen.forget(at)
                if time.monotonic() >= deadline:
                    raise LockTimeout(waited_seconds=time.monotonic() - began)

    async def _look(self, rests_on: Mapping[RealmName, int], deadline: float) -> int:
        """A sequence at which all rows are at their versions; 0 if they are not any more."""
        entries, at = await self._reading.newest_entries(list(rests_on), deadline)
        if any(entries[realm].sequence != version for realm, version in rests_on.items()):
            return 0
        self._seen.note(at, {realm: entry.sequence for realm, entry in entries.items()})
        return at

    def note(self, entries: Mapping[str, Entry], at: int) -> None:
        """The rows of *entries* were seen at that sequence."""
        self._seen.note(at, {realm: entry.sequence for realm, entry in entries.items()})

    # --- messages --------------------------------------------------------------------------------

    async def put(
        self, messages: Sequence[Outgoing], deadline: float, *, over: Wire | None = None
    ) -> int | None:
        """
        Put *messages* down, all or none; the sequence of the last, or None if something they wait for is not so, or
        they would have to go over another connection than *over*, if one is given.

        Raises:
            LostAnswerError: They were sent, and no answer came.
            StoreUnavailable: No server took them in time, and none will: nothing was changed.
        """
        link = self._reading.link
        handover = current()
        pause = PAUSE_SECONDS
        patience = Patience(link)
        while True:
            wire = await link.wire(deadline)
            if over is not None and wire is not over:
                return None
            until = min(deadline, time.monotonic() + ANSWER_SECONDS)
            try:
                with handover.going():
                    return await _sent(wire, messages, until)
            except GivenUpError:
                raise link.late() from None
            except RefusedError as refused:
                if refused.number in failures.OVERTAKEN:
                    return None
                if failures.may_be_there(refused):
                    raise LostAnswerError(refused.text) from None
                if refused.number not in failures.BUSY:
                    raise failures.explain(refused, self._reading.place) from None
                reason = refused.text
            except UnsentError as unsent:
                if isinstance(unsent, NobodyError):
                    await self._reading.check_still_ours(wire, until)
                reason = str(unsent)
            except LostError as lost:
                if time.monotonic() >= until:
                    await link.distrust(wire)
                raise LostAnswerError(str(lost)) from None
            except DeniedError as denied:
                if denied.is_of_hearing:
                    # The server took it, and may not answer us.
                    raise LostAnswerError(str(denied)) from None
                raise failures.explain_denied(str(denied), self._reading.place) from None
            if time.monotonic() + pause >= deadline:
                raise StoreUnavailable(
                    f"{self._reading.place} did not take it in time: {reason}; nothing was changed"
                )
            await patience.with_one_that_refuses(wire)
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE_SECONDS_MAX)


def _is_as_judged(realm: RealmName, entry: Entry, changes: Changes) -> bool:
    """Whether the row of *realm* is still the one that was judged on, as far as anything rests on it."""
    return (entry.sequence, entry.digest) == (
        changes.rests_on.get(realm, entry.sequence),
        changes.heads.get(realm, entry.digest),
    )


async def _sent(wire: Wire, messages: Sequence[Outgoing], until: float) -> int:
    if len(messages) == 1:
        (message,) = messages
        return await asking.put(
            wire, message.subject, message.body, message.headers, deadline=until
        )
    batch = os.urandom(12).hex()
    for number, message in enumerate(messages[:-1], start=1):
        headers = message.headers | {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
        try:
            await wire.tell(message.subject, message.body, headers=headers, deadline=until)
        except LostError as lost:
            # Nothing of a batch stands without its last message, which has not gone.
            raise UnsentError(str(lost)) from None
    last = messages[-1]
    headers = last.headers | {
        "Nats-Batch-Id": batch,
        "Nats-Batch-Sequence": str(len(messages)),
        "Nats-Batch-Commit": "1",
    }
    return acknowledged(await wire.ask(last.subject, last.body, headers=headers, deadline=until))


class Seen:
    """Rows that were seen at one end of the stream."""

    def __init__(self) -> None:
        self._at = 0
        self._versions: dict[str, int] = {}

    def at(self, versions: Mapping[RealmName, int]) -> int:
        """The sequence at which all of *versions* were seen; 0 if none is known."""
        known = self._versions
        if self._at and all(known.get(realm) == version for realm, version in versions.items()):
            return self._at
        return 0

    def note(self, at: int, versions: Mapping[str, int]) -> None:
        """All of *versions* were seen at that sequence."""
        if at > self._at or len(self._versions) > ENTRIES_KEPT:
            self._at, self._versions = at, {}
        if at == self._at:
            self._versions.update(versions)

    def moved(self, at: int, realm: str, sequence: int) -> None:
        """Behind *at* came nothing but the row of *realm*, as *sequence*."""
        if at == self._at:
            self._at = sequence
            self._versions[realm] = sequence

    def forget(self, at: int) -> None:
        """Something has come behind *at*."""
        if at == self._at:
            self._at = 0
