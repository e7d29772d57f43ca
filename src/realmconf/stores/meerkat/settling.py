"""
Bringing files and journal into step: what was begun is finished, what others wrote noted, what was edited adopted.

Decides the order of the steps of a commit, and what a failure at each of them means.  What the files mean is decided in
``standing``; whether a hand edit may stand, in ``stores.admission``.
"""

from __future__ import annotations

import os
import time

from realmconf.domain import workfile
from realmconf.domain.document import same
from realmconf.domain.revision import GENESIS, Policy, seal
from realmconf.domain.toml import parse_toml
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
from realmconf.stores.meerkat import files, sidecar, standing
from realmconf.stores.meerkat.failures import explained
from realmconf.stores.meerkat.files import Replacement
from realmconf.stores.meerkat.journal import ABSENT_TEXT, sealed_salt
from realmconf.stores.meerkat.lockfile import LostLockError
from realmconf.stores.meerkat.sidecar import Sidecar
from realmconf.stores.owner import name_of
from realmconf.stores.protocol import Head, Notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.admission import Rows
    from realmconf.stores.meerkat.journal import Intent, Journal, Known
    from realmconf.stores.meerkat.layout import Layout
    from realmconf.stores.meerkat.lockfile import Held
    from realmconf.stores.meerkat.look import Look
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
        document = self.document(realm, look.text)
        before = None if known is None else known.revision
        key = self._journal.request_key() if self._journal.has_keys() else b""
        return seal(
            realm=realm,
            generation=generation,
            kind="adopt",
            document=document,
            author=FOREIGN_AUTHOR,
            surface="file",
            message="written by another program",
            write_id=f"adopt-{generation}-{self._mark(look)[:24]}",
            created_at=_moment(look),
            salt=sealed_salt(key, realm, generation, look.text),
            previous=GENESIS
            if before is None or before.generation + 1 != generation
            else before.digest,
            policy=Policy() if before is None else before.policy,
            schema_digest=None if before is None else before.schema_digest,
        )

    def _mark(self, look: Look) -> str:
        return self._journal.digest(look.text) if self._journal.has_keys() else "unseen"

    def document(self, realm: RealmName, text: bytes | None) -> Document | None:
        """
        What a text states; None for no file.

        Raises:
            WorkingCopyBroken: It is no document.
        """
        if text is None:
            return None
        try:
            return parse_toml(text, limits=self._limits).document
        except InvalidDocument as error:
            place = "" if error.pointer is None else f"{error.pointer or '/'}: "
            raise self._broken(
                realm, f"{place}{error.reason}", line=error.line, column=error.column
            ) from None
        except LimitExceeded as error:
            raise self._broken(realm, str(error)) from None

    def _broken(
        self, realm: RealmName, reason: str, *, line: int | None = None, column: int | None = None
    ) -> WorkingCopyBroken:
        return WorkingCopyBroken(
            realm=realm, path=self._layout.config(realm), reason=reason, line=line, column=column
        )

    # --- under the lock -------------------------------------------------------------------

    def settle(self, realm: RealmName, look: Look, held: Held, rows: Rows) -> tuple[Notice, ...]:
        """
        Bring the journal into step with what was seen under the lock; what is worth telling.

        Afterwards the newest revision of the journal is what the files say, or they say nothing that can be used.

        Raises:
            WorkingCopyBroken: The text is no document, or one that the realm's schemas refuse.
            StoreCorrupt: The number is unreadable, and nothing says what it was.
        """
        known, intents = self._journal.newest(realm), self._journal.intents(realm)
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
        if found.kind == standing.FOREIGN:
            revision = self.foreign(realm, look, found.generation, known)
            self._journal.note(realm, revision, text=self._journal.digest(look.text))
        elif found.kind == standing.RENUMBERED:
            assert known is not None
            self._number(realm, look, held, known.revision.generation, known.text)
        elif found.kind in standing.ADOPTED:
            return self._adopt(realm, look, held, found, known, rows)
        return ()

    def _adopt(
        self,
        realm: RealmName,
        look: Look,
        held: Held,
        found: Standing,
        known: Known | None,
        rows: Rows,
    ) -> tuple[Notice, ...]:
        document = self.document(realm, look.text)
        before = None if known is None else known.revision
        text = self._journal.digest(look.text)
        if document is not None:
            verdict = self._gate.admitted(
                rows, Head(realm=realm, revision=before), Adopt(document=document)
            )
            if isinstance(verdict, Broken):
                raise self._broken(realm, verdict.reason)
            is_same = before is not None and same(document, before.document)
            if is_same or isinstance(verdict, Restyled):
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
        reverts: tuple[str, ...] = ()
        if before is not None and document is not None:
            newest_first = self._journal.revisions(
                "SELECT record FROM revision WHERE realm = ? ORDER BY generation DESC LIMIT ?",
                realm,
                REVISIONS_SEARCHED,
            )
            reverts = workfile.reverts(document, newest_first, author=author)
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
            reverts=reverts,
            salt=os.urandom(16).hex(),
            previous=GENESIS if before is None else before.digest,
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
        replacement = Replacement(
            self._layout.state(realm), self._content(look, generation, text, key)
        )
        try:
            held.prove()
            replacement.put()
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
        content: bytes | None,
        *,
        receipt: Receipt | None,
        schemas: Mapping[str, Document],
        before_finish: Sequence[Callable[[], None]] = (),
    ) -> None:
        """
        Make *revision*, which stands in *content* (None: in no file), the realm's newest.

        Raises:
            LostLockError, OvertakenError: Nothing was changed; look again.
            OutcomeUnknown: The text is in its place, and what should have followed failed: the next look finishes it.
            RealmconfError: It was refused by the system; nothing was changed.
        """
        text = ABSENT_TEXT if content is None else self._journal.digest(content)
        number = self._content(look, revision.generation, text, self._journal.key_name())
        made: list[Replacement] = []
        is_visible = False
        try:
            files.make_folder(self._layout.folder(realm))
            state = Replacement(self._layout.state(realm), number)
            made.append(state)
            config = None
            if content is not None and content != look.text:
                config = Replacement(self._layout.config(realm), content)
                made.append(config)
            self._journal.begin(realm, revision, text=text, receipt=receipt, schemas=schemas)
            held.prove()
            if config is not None:
                config.put_over(look.text)
                is_visible = True
                files.sync_folder(config.folder)
            elif content is None and look.text is not None:
                folder = files.take_away(self._layout.config(realm), look.text)
                is_visible = True
                files.sync_folder(folder)
            # Whoever was stopped in between must not put an older number over a newer one.
            held.prove()
            state.put()
            is_visible = True
            files.sync_folder(state.folder)
            for step in before_finish:
                step()
            if not self._journal.finish(realm, revision.digest):
                raise OutcomeUnknown(revision.write_id, realm=realm, reason=OVERTAKEN)
        except BaseException as failure:
            if is_visible:
                if isinstance(failure, OutcomeUnknown):
                    raise
                if isinstance(failure, (OSError, RealmconfError, LostLockError)):
                    raise OutcomeUnknown(
                        revision.write_id, realm=realm, reason=_reason(failure)
                    ) from failure
                raise
            self._take_back(realm, revision)
            if isinstance(failure, OSError):
                raise explained(failure) from failure
            raise
        finally:
            for replacement in made:
                replacement.discard()

    def _take_back(self, realm: RealmName, revision: Revision) -> None:
        try:
            self._journal.drop_intents(realm, revision.digest)
        except RealmconfError:
            # The next look under the lock does it.
            pass


def _bare(text: bytes | None) -> str:
    """In place of a digest where there is no key: nothing is compared with it."""
    return ABSENT_TEXT if text is None else "unkeyed"


def _owner_of(path: str) -> str | None:
    try:
        return name_of(os.stat(path).st_uid)
    except FileNotFoundError:
        return None


def _reason(error: BaseException) -> str:
    if isinstance(error, LostLockError):
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
