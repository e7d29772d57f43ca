"""
What Meerkat's files are read as: one realm's head, and all heads of one moment.

Decides when the files are looked at anew, what a reader is given who cannot have the lock, and what is remembered.
What the files mean is ``standing``'s.
"""

from __future__ import annotations

import time
from contextlib import suppress

from realmconf.domain.record import Record
from realmconf.domain.toml import TEXT_BYTES_PER_DOCUMENT_BYTE
from realmconf.errors import (
    LockTimeout,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    WorkingCopyBroken,
)
from realmconf.stores.meerkat import moving, standing
from realmconf.stores.meerkat.files import OvertakenError
from realmconf.stores.meerkat.journal import Known
from realmconf.stores.meerkat.lockfile import LostLockError
from realmconf.stores.meerkat.look import PACE_SECONDS, PATIENCE_SECONDS, are_recent, stamps_of
from realmconf.stores.meerkat.look import look as look_at
from realmconf.stores.meerkat.sidecar import Sidecar
from realmconf.stores.meerkat.tellings import Told
from realmconf.stores.meerkat.view import View
from realmconf.stores.protocol import Head, Notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.meerkat.journal import Intent, Journal
    from realmconf.stores.meerkat.layout import Layout
    from realmconf.stores.meerkat.lockfile import Timing
    from realmconf.stores.meerkat.look import Look
    from realmconf.stores.meerkat.settling import Settler
    from realmconf.stores.meerkat.standing import Standing

ADOPT_SECONDS = 1.0
"""How long a reader who has found an edit waits for the lock; without it the edit is only told of."""
COLLECTIONS_MAX = 8
"""How often the heads of all realms are collected until nothing moves meanwhile."""


class Seen(Record):
    """A head, and what says that it still is one."""

    head: Head
    mark: object
    """None where the next look has to read again in any case."""


class Reading:
    """The reader's side of one root."""

    def __init__(
        self,
        layout: Layout,
        journal: Journal,
        settler: Settler,
        *,
        limits: Limits,
        read_only: bool,
        timing: Timing,
        adopt: Callable[[RealmName, float], tuple[Notice, ...]],
    ) -> None:
        """*adopt* brings a realm's files into step, under its lock, which it waits for until the time it is given."""
        self._layout = layout
        self._journal = journal
        self._settler = settler
        self._limits = limits
        self._read_only = read_only
        self._timing = timing
        self._adopt = adopt
        self._seen: dict[RealmName, Seen] = {}

    def head(
        self, realm: RealmName, *, adopts: bool, patience_seconds: float = PATIENCE_SECONDS
    ) -> Head:
        """The head, read anew unless what was seen last still stands; edits are taken in if *adopts*."""
        seen = self._seen.get(realm)
        if seen is not None and seen.mark is not None and seen.mark == self._mark(realm):
            return seen.head
        return self._read(realm, adopts=adopts, patience_seconds=patience_seconds)

    def look(
        self,
        realm: RealmName,
        *,
        is_locked_by_us: bool = False,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> Look:
        """What the files say now."""
        journal = self._journal
        return look_at(
            self._layout,
            realm,
            digest=journal.digest if journal.has_keys() else None,
            timing=self._timing,
            bytes_max=TEXT_BYTES_PER_DOCUMENT_BYTE * self._limits.document_bytes,
            is_locked_by_us=is_locked_by_us,
            patience_seconds=patience_seconds,
        )

    def own(self, realm: RealmName, notices: tuple[Notice, ...] = ()) -> Head:
        """The head as the journal has it, whatever the files say."""
        known = self._journal.newest(realm)
        if known is None:
            return Head(realm=realm, revision=None, warnings=notices)
        return Head(
            realm=realm,
            revision=known.revision,
            floor=known.floor,
            moved_to=known.moved_to,
            warnings=notices,
        )

    def known_head(self, realm: RealmName, until: float | None) -> Head:
        """
        The head as it is known without taking anything in; *until* when whoever is at work is waited for.

        Of a realm that cannot be read it is what the journal has.
        """
        patience_seconds = 0.0 if until is None else max(PACE_SECONDS, until - time.monotonic())
        try:
            return self.head(realm, adopts=False, patience_seconds=patience_seconds)
        except (OSError, WorkingCopyBroken, StoreCorrupt, StoreUnavailable):
            # It keeps nobody from the others; who asks for it alone is told.
            return self.own(realm)

    def point(self, own: Mapping[RealmName, Head], *, patience_seconds: float = 0.0) -> View:
        """
        All heads of one moment; *own* are those that are known: as a rule this thread holds their locks.

        Whoever is at work on another realm is waited for by readers alone, and by them only once for all realms: a
        write takes what was last known.
        """
        until = time.monotonic() + patience_seconds if patience_seconds else None
        heads: dict[RealmName, Head] = {}
        position = 0
        for _ in range(COLLECTIONS_MAX):
            names = {*self._layout.realms(), *self._journal.realms()}
            before = {name: stamps_of(self._layout, name) for name in names if name not in own}
            heads = {name: self.known_head(name, until) for name in before} | dict(own)
            position = self._last_position()
            if all(stamps_of(self._layout, name) == stamps for name, stamps in before.items()):
                break
        return View(self._journal, heads, position)

    # --- one head --------------------------------------------------------------------------------

    def _mark(self, realm: RealmName) -> object:
        return (stamps_of(self._layout, realm), self._journal.version())

    def _read(self, realm: RealmName, *, adopts: bool, patience_seconds: float) -> Head:
        """The head as the files say it now, noted and adopted where that can be done."""
        seen = self.look(realm, patience_seconds=patience_seconds)
        known = self._journal.newest(realm)
        if known is not None and known.moved_to is not None:
            return self._elsewhere(realm, seen, known)
        if known is not None and not seen.is_settled and not patience_seconds:
            # Whoever is at work may have changed one file and not yet the other.
            return self._remembered(realm, seen, known.last, known.last_floor, ())
        found = self._settler.standing_of(seen, known, self._journal.intents(realm))
        notices: tuple[Notice, ...] = ()
        if adopts and seen.is_settled and _is_to_be_settled(found, seen):
            try:
                notices = self._adopt(realm, time.monotonic() + ADOPT_SECONDS)
            except (
                OSError,
                LockTimeout,
                StoreReadOnly,
                StoreFull,
                StoreUnavailable,
                LostLockError,
                OvertakenError,
            ):
                # Reads go on where nothing can be written, or somebody else is faster.
                pass
            except WorkingCopyBroken as broken:
                return self._after_broken(realm, broken, seen)
            else:
                # What another program does at this very moment is for the next read.
                seen = self.look(realm)
                known = self._journal.newest(realm)
                if known is not None and known.moved_to is not None:
                    return self._elsewhere(realm, seen, known)
                found = self._settler.standing_of(seen, known, self._journal.intents(realm))
        return self._answered(realm, seen, known, found, notices)

    def _elsewhere(self, realm: RealmName, seen: Look, known: Known) -> Head:
        """The head of a realm that lives in another store: as it left, whatever its files say since."""
        notices = moving.warnings_of(self._layout, self._journal, realm, seen, known)
        return self._remembered(
            realm, seen, known.revision, known.floor, notices, moved_to=known.moved_to
        )

    def _answered(
        self,
        realm: RealmName,
        seen: Look,
        known: Known | None,
        found: Standing,
        notices: tuple[Notice, ...],
    ) -> Head:
        revision = None if known is None else known.last
        floor = 1 if known is None else known.last_floor
        try:
            if found.kind == standing.UNFINISHED and _is_numbered(seen, found.generation):
                assert found.intent is not None
                known = self._finished(realm, found.intent) or known
                assert known is not None
                revision, floor = known.revision, known.floor
            elif found.kind == standing.FOREIGN:
                revision = self._settler.foreign(realm, seen, found.generation, known)
                if self._note(realm, revision, seen):
                    known = self._journal.newest(realm)
                    assert known is not None
                    revision, floor = known.revision, known.floor
                elif (moved := self._journal.newest(realm)) and moved.moved_to is not None:
                    return self._elsewhere(realm, seen, moved)
                else:
                    floor = 1 if known is None else known.floor
                    if known is None or known.revision.generation + 1 != found.generation:
                        floor = found.generation
                    if known is not None and not seen.is_settled:
                        self._tell(realm, revision, seen)
            elif found.kind == standing.UNKNOWN:
                raise self._settler.unknown(realm)
            elif found.kind in standing.ADOPTED:
                if revision is None:
                    revision = self._settler.foreign(realm, seen, found.generation, None)
                notices = (*notices, self._edited(realm))
        except WorkingCopyBroken as broken:
            return self._after_broken(realm, broken, seen)
        moved_to = None
        if known is None and isinstance(seen.state, Sidecar):
            # The journal that knew of it is gone.
            moved_to = seen.state.moved_to
        return self._remembered(
            realm,
            seen,
            revision,
            floor,
            notices,
            moved_to=moved_to,
            is_in_step=not _is_to_be_settled(found, seen),
        )

    def _note(self, realm: RealmName, revision: Revision, seen: Look) -> bool:
        """Keep what another program has written; whether that could be done."""
        is_told_to_have_moved = isinstance(seen.state, Sidecar) and seen.state.moved_to is not None
        if self._read_only or not seen.is_settled or is_told_to_have_moved:
            return False
        try:
            self._journal.make()
            # With its key, which a new journal brings, the revision is the same for everybody.
            known = self._journal.newest(realm)
            revision = self._settler.foreign(realm, seen, revision.generation, known)
            self._journal.note(realm, revision, text=self._journal.digest(seen.text))
        except (StoreReadOnly, StoreFull, StoreUnavailable):
            return False
        return True

    def _tell(self, realm: RealmName, revision: Revision, seen: Look) -> None:
        """Remember what is told and cannot be noted, as somebody is at work, where that can be done."""
        known = self._journal.newest(realm)
        if self._read_only or known is None or known.last.generation >= revision.generation:
            return
        told = Told(revision=revision, text=self._journal.digest(seen.text))
        with suppress(StoreReadOnly, StoreFull, StoreUnavailable):
            self._journal.tell(realm, told)

    def _finished(self, realm: RealmName, intent: Intent) -> Known | None:
        """Both files say that what was begun is committed: so does the journal, if it can be written."""
        try:
            self._journal.finish(realm, intent.revision.digest)
        except (StoreReadOnly, StoreFull, StoreUnavailable):
            return Known(
                revision=intent.revision, text=intent.text, is_stamped=True, floor=1, position=0
            )
        return self._journal.newest(realm)

    def _edited(self, realm: RealmName) -> Notice:
        path = self._layout.config(realm)
        return Notice(
            code="working_copy_edited",
            message=f"{path} was edited and is not taken in yet; the recorded configuration is in force",
            path=path,
        )

    def _after_broken(self, realm: RealmName, broken: WorkingCopyBroken, seen: Look) -> Head:
        """The last good configuration, visibly; without one there is nothing to go on with."""
        known = self._journal.newest(realm)
        if known is None:
            raise broken
        notice = Notice(code=broken.code, message=str(broken), path=self._layout.config(realm))
        return self._remembered(realm, seen, known.last, known.last_floor, (notice,))

    def _remembered(
        self,
        realm: RealmName,
        seen: Look,
        revision: Revision | None,
        floor: int,
        notices: tuple[Notice, ...],
        *,
        moved_to: str | None = None,
        is_in_step: bool = True,
    ) -> Head:
        """
        The head with these; the very same one as before, if nothing of it has changed.

        Where files and journal are not in step the next reader, who may settle them, has to look again.
        """
        before = self._seen.get(realm)
        head = Head(
            realm=realm, revision=revision, floor=floor, moved_to=moved_to, warnings=notices
        )
        if before is not None and _is_same(before.head, head):
            head = before.head
        is_known = is_in_step and seen.is_settled and not notices and not are_recent(seen.stamps)
        mark = (seen.stamps, self._journal.version()) if is_known else None
        self._seen[realm] = Seen(head=head, mark=mark)
        return head

    def _last_position(self) -> int:
        for (position,) in self._journal.rows("SELECT max(position) FROM revision"):
            return int(position or 0)  # type: ignore[call-overload, no-any-return]
        return 0


def _is_to_be_settled(found: Standing, seen: Look) -> bool:
    """Whether the files have to be brought into step, which takes the lock."""
    if found.kind == standing.UNFINISHED:
        return not _is_numbered(seen, found.generation)
    return found.kind in (*standing.ADOPTED, standing.RENUMBERED, standing.DUE)


def _is_numbered(seen: Look, generation: int) -> bool:
    return isinstance(seen.state, Sidecar) and seen.state.generation == generation


def _is_same(one: Head, other: Head) -> bool:
    if (one.floor, one.moved_to, one.warnings) != (other.floor, other.moved_to, other.warnings):
        return False
    if one.revision is None or other.revision is None:
        return one.revision is other.revision
    return (one.revision.digest, one.revision.purged) == (
        other.revision.digest,
        other.revision.purged,
    )
