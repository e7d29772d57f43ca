"""
Bringing files and journal into step: what was begun is finished, what others wrote noted, what was edited adopted.

Decides the order of the steps of a commit, and what a failure at each of them means.  What the files mean is decided in
``standing``; whether a hand edit may stand, in ``stores.admission``.
"""

from __future__ import annotations

import json
import os
import time

from realmconf.domain import workfile
from realmconf.domain.document import same
from realmconf.domain.revision import GENESIS, Policy, seal
from realmconf.domain.toml import TEXT_BYTES_PER_DOCUMENT_BYTE, parse_toml, render
from realmconf.domain.workfile import Adopt, Broken, Restyled
from realmconf.errors import (
    InvalidDocument,
    LimitExceeded,
    OutcomeUnknown,
    RealmconfError,
    StoreCorrupt,
    WorkingCopyBroken,
)
from realmconf.stores.admission import Gate
from realmconf.stores.meerkat import files, places, sidecar, standing
from realmconf.stores.meerkat.failures import explained
from realmconf.stores.meerkat.files import OvertakenError, Replacement
from realmconf.stores.meerkat.journal import ABSENT_TEXT, sealed_salt
from realmconf.stores.meerkat.lockfile import LostLockError
from realmconf.stores.meerkat.pair import Pair
from realmconf.stores.meerkat.places import Place
from realmconf.stores.meerkat.sidecar import Sidecar
from realmconf.stores.owner import name_of
from realmconf.stores.protocol import Head, Notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.admission import Rows
    from realmconf.stores.meerkat.journal import Intent, Journal, Known
    from realmconf.stores.meerkat.layout import Layout
    from realmconf.stores.meerkat.lockfile import Held
    from realmconf.stores.meerkat.look import Look
    from realmconf.stores.meerkat.places import FileState
    from realmconf.stores.meerkat.standing import Standing
    from realmconf.stores.protocol import Receipt

FOREIGN_AUTHOR = "meerkat"
"""Whoever follows Meerkat's protocol; the files name nobody."""
REVISIONS_SEARCHED = 64
"""How far back an adoption looks for a write that it puts back."""

OVERTAKEN = "the lock was lost half way, and another program may have gone on from what was written"

_REPORTS = {
    standing.OVERWRITTEN: "overwritten in the files by a program that held the lock for too long",
    standing.REWOUND: "no longer in the files, whose number was set back, lost or damaged",
}


class Settler:
    """What is done about the files of one root's realms."""

    def __init__(self, layout: Layout, journal: Journal, *, limits: Limits) -> None:
        self._layout = layout
        self._journal = journal
        self._limits = limits
        self._gate = Gate(journal.request_key, limits=limits)

    # --- what it is ----------------------------------------------------------------------

    def standing_of(self, look: Look, known: Known | None, intents: Sequence[Intent]) -> Standing:
        """What a look means."""
        has_keys = self._journal.has_keys()
        return standing.judge(
            look.state,
            self._journal.digest(look.text) if has_keys else _bare(look.text),
            is_there=look.text is not None,
            key=self._journal.key_name() if has_keys else None,
            known=known,
            intents=intents,
        )

    def foreign(
        self, realm: RealmName, look: Look, generation: int, known: Known | None
    ) -> Revision:
        """
        The revision that another program has written: the same for everybody who sees it.

        Raises:
            WorkingCopyBroken: The text is no document.
        """
        document = self.document(realm, look)
        return self._written_elsewhere(
            realm, look, generation, known, document, message="written by another program"
        )

    def _written_elsewhere(
        self,
        realm: RealmName,
        look: Look,
        generation: int,
        known: Known | None,
        document: Document | None,
        *,
        message: str,
    ) -> Revision:
        before = None if known is None else known.revision
        key = self._journal.request_key() if self._journal.has_keys() else b""
        is_next = before is not None and before.generation + 1 == generation
        return seal(
            realm=realm,
            generation=generation,
            kind="adopt",
            document=document,
            author=FOREIGN_AUTHOR,
            surface="file",
            message=message,
            write_id=f"adopt-{generation}-{self._mark(look)[:24]}",
            created_at=_moment(look),
            reverts=self._reverts(realm, document, FOREIGN_AUTHOR),
            salt=sealed_salt(key, realm, generation, look.text),
            previous=before.digest if before is not None and is_next else GENESIS,
            policy=Policy() if before is None else before.policy,
            schema_digest=None if before is None else before.schema_digest,
        )

    def _reverts(self, realm: RealmName, document: Document | None, author: str) -> tuple[str, ...]:
        """What of others' writes *document* puts back, which follows the newest revision, if not at once."""
        if document is None:
            return ()
        newest_first = self._journal.revisions(
            "SELECT record FROM revision WHERE realm = ? ORDER BY generation DESC LIMIT ?",
            realm,
            REVISIONS_SEARCHED,
        )
        return workfile.reverts(document, newest_first, author=author)

    def _mark(self, look: Look) -> str:
        return self._journal.digest(look.text) if self._journal.has_keys() else "unseen"

    def document(self, realm: RealmName, look: Look) -> Document | None:
        """
        What the text that was seen states; None for no file.

        Raises:
            WorkingCopyBroken: It is no document, or in a place that the name leads to and that is away.
        """
        if look.text is None:
            if self.is_dangling(realm, look):
                raise self._broken(realm, "it is a link to a file that is not there")
            return None
        try:
            return parse_toml(look.text, limits=self._limits).document
        except InvalidDocument as error:
            place = "" if error.pointer is None else f"{error.pointer or '/'}: "
            raise self._broken(
                realm, f"{place}{error.reason}", line=error.line, column=error.column
            ) from None
        except LimitExceeded as error:
            raise self._broken(realm, str(error)) from None

    def is_dangling(self, realm: RealmName, look: Look) -> bool:
        """
        Whether the text was not seen because its name is a link to nothing: that is nobody's wish to delete it.

        A disk may not be mounted yet.  Where we have deleted it through the link, that is what stands there.
        """
        if look.text is not None or not os.path.islink(self._layout.config(realm)):
            return False
        if isinstance(look.state, Sidecar) and look.state.text == ABSENT_TEXT:
            return False
        known = self._journal.newest(realm)
        return known is None or not known.revision.tombstone

    def has_vanished(self, realm: RealmName, look: Look) -> bool:
        """Whether a text that is known is gone, or nothing of it left: an editor may be about to put it there again."""
        if look.text:
            return False
        known = self._journal.newest(realm)
        before = None if known is None else known.revision.document
        if before is None or (look.text is not None and not before):
            return False
        found = self.standing_of(look, known, self._journal.intents(realm))
        return found.kind in standing.ADOPTED and not self.is_dangling(realm, look)

    def _broken(
        self, realm: RealmName, reason: str, *, line: int | None = None, column: int | None = None
    ) -> WorkingCopyBroken:
        return WorkingCopyBroken(
            realm=realm, path=self._layout.config(realm), reason=reason, line=line, column=column
        )

    # --- under the lock -------------------------------------------------------------------

    def sweep(self, realm: RealmName) -> tuple[Notice, ...]:
        """
        Remove what those who died left behind; what is worth telling.

        Whoever was killed in the instant of an exchange may have had in hand what an editor had just saved: that stays.
        """
        folder, path = self._layout.folder(realm), self._layout.config(realm)
        intents = {intent.text for intent in self._journal.intents(realm)}
        if not self._was_exchanged(path, intents):
            files.sweep(folder, path)
            return ()

        def is_somebodys(text: bytes) -> bool:
            digest = self._journal.digest(text)
            return digest not in intents and not self._journal.has_text(realm, digest)

        known = self._journal.newest(realm)
        newest = 0 if known is None else known.revision.generation
        kept = files.sweep(folder, path, is_somebodys=is_somebodys, name=f"left-{newest}")
        if not kept:
            return ()
        return (
            Notice(
                code="working_copy_set_aside",
                message=f"{path} was saved while a write that was cut short took its place; the save is kept as {kept}",
                path=kept,
            ),
        )

    def _was_exchanged(self, path: str, intents: AbstractSet[str]) -> bool:
        """Whether what stands at *path* is what somebody who never finished has put there."""
        if not intents:
            return False
        text = files.read(
            path, bytes_max=TEXT_BYTES_PER_DOCUMENT_BYTE * self._limits.document_bytes
        )
        return self._journal.digest(text) in intents

    def settle(
        self, realm: RealmName, look: Look, held: Held, rows: Callable[[], Rows]
    ) -> tuple[Notice, ...]:
        """
        Bring the journal into step with what was seen under the lock; what is worth telling.

        *rows* collects the other realms, which takes a look at each: only an edit that is to be judged needs them.

        Afterwards the newest revision of the journal is what the files say, or they say nothing that can be used.

        Raises:
            WorkingCopyBroken: The text is no document, or one that the realm's schemas refuse.
            StoreCorrupt: The number is unreadable, and nothing says what it was.
        """
        known, intents = self._journal.newest(realm), self._journal.intents(realm)
        if known is not None and known.moved_to is not None:
            # What is written in its files from now on is for a person to look at.
            return ()
        found = self.standing_of(look, known, intents)
        if found.kind == standing.REWOUND and known is not None and known.told is not None:
            self._journal.keep_told(realm, known)
            known = self._journal.newest(realm)
            found = self.standing_of(look, known, intents)
        if found.kind == standing.UNFINISHED:
            assert found.intent is not None
            self._number(realm, look, held, found.generation, found.intent.text)
            self._journal.finish(realm, found.intent.revision.digest)
        if len(intents) > (found.intent is not None):
            # Whoever began them has lost the lock to us.
            self._journal.drop_intents(realm)
        if found.kind == standing.UNFINISHED:
            return ()
        if found.kind == standing.UNKNOWN:
            raise self.unknown(realm)
        if found.kind == standing.DUE:
            assert known is not None
            return self._render(realm, look, held, known.revision)
        if found.kind == standing.FOREIGN:
            revision = self.foreign(realm, look, found.generation, known)
            self._journal.note(realm, revision, text=self._journal.digest(look.text))
            if known is None and isinstance(look.state, Sidecar) and look.state.moved_to:
                # The journal that knew it is gone, and the realm still lives elsewhere.
                self.leave(realm, look, revision, to=look.state.moved_to)
        elif found.kind == standing.RENUMBERED:
            assert known is not None
            self._number(realm, look, held, known.revision.generation, known.text)
        elif found.kind in standing.ADOPTED:
            return self._adopt(realm, look, held, found, known, rows)
        if known is not None and known.place is not None:
            self._journal.rendered(realm)
        return ()

    def _adopt(
        self,
        realm: RealmName,
        look: Look,
        held: Held,
        found: Standing,
        known: Known | None,
        rows: Callable[[], Rows],
    ) -> tuple[Notice, ...]:
        document = self.document(realm, look)
        before = None if known is None else known.revision
        text = self._journal.digest(look.text)
        if document is not None:
            verdict = self._gate.admitted(
                rows(), Head(realm=realm, revision=before), Adopt(document=document)
            )
            if isinstance(verdict, Broken):
                raise self._broken(realm, verdict.reason)
            is_same = before is not None and same(document, before.document)
            # Where the number is ahead it stays: others have read it.
            is_next = before is None or found.generation == before.generation + 1
            if is_next and (is_same or isinstance(verdict, Restyled)):
                assert before is not None
                self._number(realm, look, held, before.generation, text)
                self._journal.restyled(realm, before.generation, text=text)
                return ()
        report = _REPORTS.get(found.kind)
        message = (
            ""
            if report is None or before is None
            else f"generation {before.generation} was {report}"
        )
        revision = self._adoption(realm, look, document, found.generation, before, message)
        self._journal.begin(realm, revision, text=text, receipt=None, schemas={})
        self._number(realm, look, held, revision.generation, text)
        self._journal.finish(realm, revision.digest)
        if not message:
            return ()
        path = self._layout.config(realm)
        return (
            Notice(
                code="working_copy_overwritten",
                message=f"{path}: {message}; what it said is in the history",
                path=path,
            ),
        )

    def _adoption(
        self,
        realm: RealmName,
        look: Look,
        document: Document | None,
        generation: int,
        before: Revision | None,
        message: str,
    ) -> Revision:
        path = self._layout.config(realm)
        author = _owner_of(path) or FOREIGN_AUTHOR
        is_next = before is not None and before.generation + 1 == generation
        return seal(
            realm=realm,
            generation=generation,
            kind="adopt",
            document=document,
            author=author,
            surface="file",
            message=message or ("" if document is not None else "config.toml was removed"),
            write_id=f"adopt-{os.urandom(16).hex()}",
            created_at=_now(),
            reverts=self._reverts(realm, document, author),
            salt=os.urandom(16).hex(),
            previous=before.digest if before is not None and is_next else GENESIS,
            policy=Policy() if before is None else before.policy,
            schema_digest=None if before is None else before.schema_digest,
        )

    def unknown(self, realm: RealmName) -> StoreCorrupt:
        """What is raised where nothing says which generation it is."""
        path = self._layout.state(realm)
        return StoreCorrupt(
            f"{path} says no generation, and nothing else knows it: write the last one that anybody saw into it, "
            'as {"generation": N}'
        )

    def _number(self, realm: RealmName, look: Look, held: Held, generation: int, text: str) -> None:
        """Put the number, with the digest of the text, into its file; nothing if it says so already."""
        state = look.state
        if state is None and look.text is None:
            # Nothing of the realm is there: no folder is made for a number alone.
            return
        key = self._journal.key_name()
        if isinstance(state, Sidecar) and (state.generation, state.text, state.key) == (
            generation,
            text,
            key,
        ):
            return
        self._put_number(realm, held, self._content(look, generation, text, key))

    def _put_number(self, realm: RealmName, held: Held, content: bytes) -> None:
        replacement = Replacement(self._layout.state(realm), content)
        try:
            held.prove()
            replacement.put()
            # See ``Pair.put``.
            held.prove()
        finally:
            replacement.discard()
        files.sync_folder(replacement.folder)

    @staticmethod
    def _content(look: Look, generation: int, text: str, key: str) -> bytes:
        others = look.state.others if isinstance(look.state, Sidecar) else {}
        return sidecar.written(generation, text=text, key=key, others=others)

    # --- a commit ---------------------------------------------------------------------------

    def commit(
        self,
        realm: RealmName,
        look: Look,
        held: Held,
        revision: Revision,
        *,
        receipt: Receipt | None,
        schemas: Mapping[str, Document],
    ) -> None:
        """
        Make *revision* the realm's newest.

        Raises:
            LostLockError, OvertakenError: Nothing was changed; look again.
            OutcomeUnknown: The text is in its place, and what should have followed failed: the next look finishes it.
                Or it was there for an instant, without the lock.
            RealmconfError: It was refused by the system; nothing was changed.
        """
        content = self.content_of(revision.document, look.text)
        text = self._journal.digest(content)
        number = self._content(look, revision.generation, text, self._journal.key_name())
        pair: Pair | None = None
        try:
            pair = Pair(self._layout, realm, look.text, content, number)
            self._journal.begin(realm, revision, text=text, receipt=receipt, schemas=schemas)
            pair.put(held)
            if not self._journal.finish(realm, revision.digest):
                raise OutcomeUnknown(revision.write_id, realm=realm, reason=OVERTAKEN)
        except BaseException as failure:
            if pair is not None and pair.is_visible:
                if isinstance(failure, OutcomeUnknown):
                    raise
                if isinstance(failure, (OSError, RealmconfError, LostLockError, OvertakenError)):
                    raise OutcomeUnknown(
                        revision.write_id, realm=realm, reason=_reason(failure)
                    ) from failure
                raise
            self._take_back(realm, revision)
            if isinstance(failure, OSError):
                raise explained(failure) from failure
            raise
        finally:
            if pair is not None:
                pair.discard()

    @staticmethod
    def is_of(document: Document | None, known: Known | None) -> bool:
        """Whether *document* is what the newest revision states."""
        before = None if known is None else known.revision.document
        return document is not None and before is not None and same(document, before)

    def restyle(self, realm: RealmName, look: Look, held: Held, text: str | None) -> None:
        """
        Let the newest revision stand in the words of *text*, or in ours: in place of what was seen.

        Raises:
            LostLockError, OvertakenError: See ``Pair.put``; the next look puts the number right.
        """
        known = self._journal.newest(realm)
        if known is None or known.revision.document is None:
            return
        words = None if text is None else text.encode()
        content = self.content_of(known.revision.document, words)
        if content is None or content == look.text:
            return
        digest, generation = self._journal.digest(content), known.revision.generation
        number = self._content(look, generation, digest, self._journal.key_name())
        pair = Pair(self._layout, realm, look.text, content, number)
        try:
            pair.put(held)
        finally:
            pair.discard()
        self._journal.restyled(realm, generation, text=digest)

    def set_broken_aside(self, realm: RealmName, look: Look) -> str:
        """Keep a text that is no document beside the file; where that is."""
        known = self._journal.newest(realm)
        generation = 0 if known is None else known.revision.generation
        return files.set_aside(self._layout.config(realm), f"left-{generation}")

    def count_on(self, realm: RealmName, look: Look) -> None:
        """
        Let the history reach the number that was seen beside a text that is no document.

        Another program has gone on to it, with words that nobody can read any more: what is in force stands for them,
        and the next write goes on from there.  Without that it would give a number out again.
        """
        known = self._journal.newest(realm)
        number = look.state.generation if isinstance(look.state, Sidecar) else 0
        if known is not None and known.told is not None and number <= known.last.generation:
            self._journal.keep_told(realm, known)
            known = self._journal.newest(realm)
        newest = 0 if known is None else known.revision.generation
        if number <= newest:
            return
        revision = self._written_elsewhere(
            realm,
            look,
            number,
            known,
            None if known is None else known.revision.document,
            message="written by another program, and no document when it was looked at",
        )
        # It stood in no text that anybody may take for it again.
        self._journal.note(realm, revision, text="")

    def content_of(self, document: Document | None, text: bytes | None) -> bytes | None:
        """*document* in the words of *text*; None for a tombstone."""
        if document is None:
            return None
        words = None
        if text is not None:
            try:
                words = text.decode("utf-8")
                parse_toml(text, limits=self._limits)
            except (UnicodeDecodeError, InvalidDocument, LimitExceeded):
                words = None
        return render(document, text=words, limits=self._limits).encode()

    # --- files that the history is ahead of ---------------------------------------------------

    def leave(self, realm: RealmName, look: Look, revision: Revision, *, to: str) -> None:
        """
        Mark *realm*, whose newest is *revision*, as living in the store *to*; its files stay.

        Raises:
            LostLockError: *revision* is not the newest, or the realm has been marked meanwhile.
            OutcomeUnknown: It may be marked or not.
        """
        kept = state_of(look, self._journal.digest(look.text))
        with self._journal.deciding() as connection:
            newest = connection.execute(
                "SELECT record FROM revision WHERE realm = ? ORDER BY generation DESC LIMIT 1",
                (realm,),
            ).get
            is_newest = newest is not None and json.loads(newest)["digest"] == revision.digest
            if not is_newest or places.lives_elsewhere(connection, realm):
                raise LostLockError
            places.put(
                connection, realm, Place(to=to, kept=(kept,), generation=revision.generation)
            )

    def tell_of_leaving(self, realm: RealmName, look: Look, held: Held, to: str) -> None:
        """
        Say in ``config_state.json`` too that the realm has gone, for those who lose the journal.

        Raises:
            OSError, LostLockError: It could not be said; the marker stands all the same.
        """
        if not isinstance(look.state, Sidecar):
            return
        text, key = self._journal.digest(look.text), self._journal.key_name()
        content = sidecar.written(
            look.state.generation, text=text, key=key, others=look.state.others, moved_to=to
        )
        self._put_number(realm, held, content)

    def _render(
        self, realm: RealmName, look: Look, held: Held, revision: Revision
    ) -> tuple[Notice, ...]:
        """Put the newest *revision* into files that are older."""
        content = self.content_of(revision.document, look.text)
        text = self._journal.digest(content)
        number = self._content(look, revision.generation, text, self._journal.key_name())
        notices = self._kept_aside(realm, look, revision)
        pair = Pair(self._layout, realm, look.text, content, number)
        try:
            self._journal.due(realm, revision.generation, text=text)
            pair.put(held)
        finally:
            pair.discard()
        self._journal.rendered(realm)
        return notices

    def _kept_aside(self, realm: RealmName, look: Look, revision: Revision) -> tuple[Notice, ...]:
        """Keep a text that no revision stands for beside the file, before it is replaced."""
        if look.text is None or self._journal.has_text(realm, self._journal.digest(look.text)):
            return ()
        path = self._layout.config(realm)
        aside = files.set_aside(path, f"left-{revision.generation}")
        return (
            Notice(
                code="working_copy_set_aside",
                message=f"{path} had an edit that was never taken in; it is kept as {aside}",
                path=aside,
            ),
        )

    def _take_back(self, realm: RealmName, revision: Revision) -> None:
        try:
            self._journal.drop_intents(realm, revision.digest)
        except RealmconfError:
            # The next look under the lock does it.
            pass


def state_of(look: Look, text: str) -> FileState:
    """What stands in the files, for comparison."""
    return (text, look.state.generation if isinstance(look.state, Sidecar) else None)


def _bare(text: bytes | None) -> str:
    """In place of a digest where there is no key: nothing is compared with it."""
    return ABSENT_TEXT if text is None else "unkeyed"


def _owner_of(path: str) -> str | None:
    try:
        return name_of(os.stat(path).st_uid)
    except FileNotFoundError:
        return None


def _reason(error: BaseException) -> str:
    if isinstance(error, (LostLockError, OvertakenError)):
        return OVERTAKEN
    return getattr(error, "strerror", None) or str(error)


def _now() -> str:
    return _rfc3339(time.time_ns())


def _moment(look: Look) -> str:
    """When the number was written, as far as its file says."""
    stamp = look.stamps[1] or look.stamps[0]
    return _rfc3339(time.time_ns() if stamp is None else stamp[3])


def _rfc3339(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 1000:06d}Z"
