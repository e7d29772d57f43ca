"""
What a working copy means now, and taking in what somebody wrote there.

Under the turn: look at the file, at the spare if it may hold an edit, and at what was
set aside; ask ``domain.workfile`` for a verdict; commit an adoption as a revision of
its own.  Never changes the file itself: that is ``workplace``.
"""

from __future__ import annotations

import os
from contextlib import nullcontext

from realmconf.domain import workfile
from realmconf.domain.names import LIMITS
from realmconf.domain.record import Record
from realmconf.domain.toml import TEXT_BYTES_PER_DOCUMENT_BYTE
from realmconf.stores.embedded import workrecord
from realmconf.stores.embedded.files import LEASE_BUSY, digest_of, objection
from realmconf.stores.embedded.layout import WORKING_COPY
from realmconf.stores.embedded.workadopt import Adopter
from realmconf.stores.embedded.workbeside import Beside
from realmconf.stores.embedded.workdesk import Desk, RefusedFolderError
from realmconf.stores.embedded.worklook import Absent, Finished, Refused, Saving, look
from realmconf.stores.embedded.workrecord import Standing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractContextManager

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.workfile import Verdict
    from realmconf.stores.embedded.files import Files
    from realmconf.stores.embedded.workhost import Reading, Writing
    from realmconf.stores.embedded.worklook import Look
    from realmconf.stores.protocol import Head


def text_bytes_max(limits: Limits) -> int:
    """How much of a file is read: one byte more than this is too long to be a document's text."""
    return TEXT_BYTES_PER_DOCUMENT_BYTE * limits.document_bytes


ROUNDS_MAX = 16
"""Adoptions in one examination; more than files can be set aside by hand in that time."""


class Finding(Record):
    """What one examination found."""

    head: Head
    standing: Standing | None
    look: Look
    verdict: Verdict | None
    """None where there is nothing to judge: absent, refused, being saved."""
    kept: tuple[str, ...] = ()
    """Contested edits beside the file."""
    waiting: bool = False
    """Something that was set aside is still open somewhere, or cannot be looked at."""
    unread: str | None = None
    """Why something that was set aside cannot be looked at now."""

    @property
    def missing(self) -> bool:
        """Whether there is no text: an editor between two steps, a mistake, or what is wanted."""
        return isinstance(self.look, Absent) or isinstance(self.verdict, workfile.Empty)

    @property
    def in_the_way(self) -> bool:
        """Whether the file's text is neither ours nor to be taken in: only a person can settle it."""
        return isinstance(
            self.verdict, (workfile.Broken, workfile.Contested, workfile.Lost, workfile.Empty)
        )

    @property
    def no_file_wanted(self) -> bool:
        """Whether no file is to be rendered: the head has no document, or the realm lives elsewhere."""
        head = self.head
        return head.moved_to is not None or head.revision is None or head.revision.document is None


class ContestedEdit(Record):
    """What a person needs to settle one contested edit."""

    text: str | None
    """None if it cannot be read now."""
    reason: str
    pointers: tuple[Pointer, ...] = ()
    base: Document | None = None
    """What its author had loaded, if that is known and kept."""


class Examiner:
    """Examines the working copies below one root."""

    def __init__(
        self,
        files: Files,
        root: str,
        stamp: Callable[[], tuple[str, str]],
        request_key: Callable[[], bytes],
        *,
        limits: Limits = LIMITS,
    ) -> None:
        self._files = files
        self._root = root
        self._bytes_max = text_bytes_max(limits)
        self._adopter = Adopter(stamp, request_key, limits=limits)
        self._beside = Beside(files, self._adopter, bytes_max=self._bytes_max)

    def examine(self, turn: Writing, realm: RealmName) -> Finding:
        """
        Adopt what is there to adopt, each edit in a commit of its own, and say what is left.

        The turn is held.  After return the verdict is never ``Adopt`` or ``Restyled``
        (unless somebody saves faster than we can take in).
        """
        if turn.head(realm).moved_to is not None:
            # Nobody writes to it here, whoever edits its file included: the edit waits in the file.
            return self.observe(realm, lambda: nullcontext(turn))
        for _ in range(ROUNDS_MAX):
            try:
                with Desk(self._files, self._root, realm) as desk:
                    beside = self._beside.clear(turn, desk)
                    finding = self.judge(turn, realm, desk, self.look(desk))
            except RefusedFolderError as error:
                return self._refused(turn, realm, error)
            finding = finding.replace(waiting=beside.anything, unread=beside.reason)
            if not self._take_in(turn, realm, finding):
                break
        return finding

    def observe(
        self, realm: RealmName, view: Callable[[], AbstractContextManager[Reading]]
    ) -> Finding:
        """Say what the file means now; needs no lock and changes nothing."""
        try:
            with Desk(self._files, self._root, realm) as desk:
                seen = self.look(desk)
                with view() as rows:
                    return self.judge(rows, realm, desk, seen)
        except RefusedFolderError as error:
            with view() as rows:
                return self._refused(rows, realm, error)

    def look(self, desk: Desk) -> Look:
        """Look at the file; needs no lock."""
        if desk.folder is None:
            return Absent()
        return look(self._files, desk.folder, WORKING_COPY, bytes_max=self._bytes_max)

    def judge(self, rows: Reading, realm: RealmName, desk: Desk, seen: Look) -> Finding:
        """
        Say what was seen; changes nothing.

        *rows* must be of a later point than *seen*: a rendering is recorded before it is put in
        place, so whatever of ours was seen in the file is in the record by then.
        """
        head = rows.head(realm)
        standing = workrecord.load(rows.connection, realm)
        verdict = None
        if isinstance(seen, Finished) and head.moved_to is None:
            verdict = self._adopter.judge(
                rows,
                head,
                content=seen.content,
                digest=seen.digest,
                seen=None if standing is None else standing.seen,
            )
        unsettled = standing is not None and (standing.doubtful or standing.beside)
        return Finding(
            head=head,
            standing=standing,
            look=seen,
            verdict=verdict,
            kept=desk.contested() if unsettled else (),
            waiting=unsettled and bool(desk.aside()),
        )

    def _refused(self, rows: Reading, realm: RealmName, error: RefusedFolderError) -> Finding:
        standing = workrecord.load(rows.connection, realm)
        seen = Refused(reason=f"stands in a folder that {error}")
        return Finding(head=rows.head(realm), standing=standing, look=seen, verdict=None)

    def judge_kept(self, rows: Reading, desk: Desk, finding: Finding) -> ContestedEdit:
        """What the first contested edit overlaps with now: one beside the file, or the file itself."""
        seen, verdict = finding.look, finding.verdict
        if finding.kept and desk.folder is not None:
            seen = look(self._files, desk.folder, finding.kept[0], bytes_max=self._bytes_max)
            if isinstance(seen, Finished):
                verdict = self._adopter.judge(
                    rows, finding.head, content=seen.content, digest=seen.digest, seen=None
                )
        text = seen.content.decode(errors="replace") if isinstance(seen, Finished) else None
        if isinstance(verdict, workfile.Contested):
            return ContestedEdit(
                text=text,
                reason=verdict.reason,
                pointers=verdict.pointers,
                base=self._adopter.base_document(rows, desk.realm, verdict.base),
            )
        reason = verdict.reason if isinstance(verdict, workfile.Broken) else ""
        return ContestedEdit(text=text, reason=reason)

    def marks_of_kept(self, desk: Desk, finding: Finding) -> tuple[str, ...]:
        """What ``let_go`` knows the contested edits beside the file by; nothing of those that somebody is at."""
        marks = (self._mark_of_kept(desk, name) for name in finding.kept)
        return tuple(mark for mark in marks if mark is not None)

    def let_go(self, desk: Desk, name: str, shown: Collection[str] | None) -> None:
        """
        Remove a contested edit that a person has settled: one whose mark is among *shown*, if they are given.

        One that somebody has open, or that is no file to remove, stays.
        """
        files, folder = self._files, desk.folder
        assert folder is not None
        try:
            descriptor = files.open_read(folder, name)
        except OSError:
            descriptor = None
        try:
            # Until the close nobody can be writing to what is looked at and removed here.
            if descriptor is not None and files.lease_against_all(descriptor) == LEASE_BUSY:
                return
            mark = self._mark_of_kept(desk, name, descriptor)
            if mark is not None and (shown is None or mark in shown):
                files.unlink(folder, name)
        except OSError:
            # A folder, or gone: what is still there is told of again.
            return
        finally:
            if descriptor is not None:
                files.close(descriptor)

    def _mark_of_kept(self, desk: Desk, name: str, descriptor: int | None = None) -> str | None:
        """The digest of a file, who and when of what is none; None while somebody writes to it."""
        assert desk.folder is not None
        if descriptor is not None:
            status = self._files.stat_open(descriptor)
            if objection(status) is None:
                return digest_of(self._files.read(descriptor, self._bytes_max + 1)).hex()
        else:
            seen = look(self._files, desk.folder, name, bytes_max=self._bytes_max)
            if isinstance(seen, Finished):
                return seen.digest.hex()
            if isinstance(seen, (Absent, Saving)):
                return None
        status = self._files.stat_path(os.path.join(desk.path, name))
        return f"{status.st_ino}-{status.st_ctime_ns}"

    def _take_in(self, turn: Writing, realm: RealmName, finding: Finding) -> bool:
        """Commit the file's edit if it is one; whether there was something to commit."""
        if not isinstance(finding.look, Finished) or finding.verdict is None:
            return False
        return self._adopter.commit_edit(
            turn,
            finding.head,
            finding.verdict,
            digest=finding.look.digest,
            text=workfile.without_header(finding.look.content.decode(errors="replace")),
            owner=finding.look.owner,
        )
