"""
What a working copy means now, and taking in what somebody wrote there.

Under the turn: look at the file, at the spare if it may hold an edit, and at what was
set aside; ask ``domain.workfile`` for a verdict; commit an adoption as a revision of
its own.  Never changes the file itself: that is ``workplace``.
"""

from __future__ import annotations

import os

from realmconf.domain import workfile
from realmconf.domain.names import LIMITS
from realmconf.domain.record import Record
from realmconf.domain.revision import GENESIS, Policy, seal
from realmconf.domain.toml import TEXT_BYTES_PER_DOCUMENT_BYTE
from realmconf.errors import HistoryCompacted, RevisionNotFound
from realmconf.stores.embedded import workrecord
from realmconf.stores.embedded.files import LEASE_BUSY, LEASE_FREE, digest_of, objection
from realmconf.stores.embedded.layout import WORKING_COPY
from realmconf.stores.embedded.workdesk import Desk, RefusedFolderError, seen_in
from realmconf.stores.embedded.worklook import Absent, Finished, Refused, look, quiet
from realmconf.stores.embedded.workrecord import Standing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Protocol

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.revision import Revision
    from realmconf.domain.workfile import Verdict
    from realmconf.stores.embedded.files import Files
    from realmconf.stores.embedded.workhost import Reading, Writing
    from realmconf.stores.embedded.worklook import Look
    from realmconf.stores.protocol import Head

    class Stamp(Protocol):
        """Gives the time and the salt of an adoption."""

        def __call__(self) -> tuple[str, str]: ...


def text_bytes_max(limits: Limits) -> int:
    """How much of a file is read: one byte more than this is too long to be a document's text."""
    return TEXT_BYTES_PER_DOCUMENT_BYTE * limits.document_bytes


ROUNDS_MAX = 16
"""Adoptions in one examination; more than files can be set aside by hand in that time."""

REVISIONS_SEARCHED = 64
"""How far back an adoption looks for a write that it puts back."""


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
    """Something that was set aside is still open somewhere."""

    @property
    def missing(self) -> bool:
        """Whether there is no text: an editor between two steps, a mistake, or what is wanted."""
        return isinstance(self.look, Absent) or isinstance(self.verdict, workfile.Empty)

    @property
    def no_file_wanted(self) -> bool:
        """Whether the head has no document, so that no file is its rendering."""
        return self.head.revision is None or self.head.revision.document is None


class ContestedEdit(Record):
    """What a person needs to settle one contested edit."""

    text: str | None
    """None if it cannot be read now."""
    reason: str
    pointers: tuple[Pointer, ...] = ()
    base: int | None = None
    """The generation its author had loaded, if that is known."""


class Examiner:
    """Examines the working copies below one root."""

    def __init__(self, files: Files, root: str, stamp: Stamp, *, limits: Limits = LIMITS) -> None:
        self._files = files
        self._root = root
        self._stamp = stamp
        self._limits = limits
        self._bytes_max = text_bytes_max(limits)

    def examine(self, turn: Writing, realm: RealmName) -> Finding:
        """
        Adopt what is there to adopt, each edit in a commit of its own, and say what is left.

        The turn is held.  After return the verdict is never ``Adopt`` or ``Restyled``
        (unless somebody saves faster than we can take in).
        """
        for _ in range(ROUNDS_MAX):
            try:
                with Desk(self._files, self._root, realm) as desk:
                    beside = self._clear_beside(turn, desk)
                    finding = self.judge(turn, realm, desk, self.look(desk))
            except RefusedFolderError as error:
                return self._refused(turn, realm, error)
            finding = finding.replace(waiting=beside)
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
        if isinstance(seen, Finished):
            verdict = self._judge(
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

    def base_document(
        self, rows: Reading, realm: RealmName, generation: int | None
    ) -> Document | None:
        """The document a contested edit was made against, if it is known and kept."""
        revision = None if generation is None else _revision_at(rows, realm)(generation)
        return None if revision is None or revision.purged else revision.document

    def judge_kept(self, rows: Reading, desk: Desk, finding: Finding) -> ContestedEdit:
        """What the first contested edit overlaps with now: one beside the file, or the file itself."""
        seen, verdict = finding.look, finding.verdict
        if finding.kept and desk.folder is not None:
            seen = look(self._files, desk.folder, finding.kept[0], bytes_max=self._bytes_max)
            if isinstance(seen, Finished):
                verdict = self._judge(
                    rows, finding.head, content=seen.content, digest=seen.digest, seen=None
                )
        text = seen.content.decode(errors="replace") if isinstance(seen, Finished) else None
        if isinstance(verdict, workfile.Contested):
            return ContestedEdit(
                text=text, reason=verdict.reason, pointers=verdict.pointers, base=verdict.base
            )
        reason = verdict.reason if isinstance(verdict, workfile.Broken) else ""
        return ContestedEdit(text=text, reason=reason)

    def _judge(
        self, rows: Reading, head: Head, *, content: bytes, digest: bytes, seen: int | None
    ) -> Verdict:
        realm = head.realm
        return workfile.judge(
            workfile.Observation(
                realm=realm,
                text=content,
                known=workrecord.known(rows.connection, realm, digest),
                head=None if head.revision is None else head.revision.document,
                head_generation=head.generation,
                seen_generation=seen,
                rendered=()
                if seen is None
                else workrecord.rendered_since(rows.connection, realm, seen),
            ),
            _revision_at(rows, realm),
            limits=self._limits,
        )

    # --- adopting -----------------------------------------------------------------

    def _take_in(self, turn: Writing, realm: RealmName, finding: Finding) -> bool:
        """Commit the file's edit if it is one; whether there was something to commit."""
        if not isinstance(finding.look, Finished) or finding.verdict is None:
            return False
        return self._commit_edit(
            turn,
            finding.head,
            finding.verdict,
            digest=finding.look.digest,
            text=workfile.without_header(finding.look.content.decode(errors="replace")),
            owner=finding.look.owner,
        )

    def _commit_edit(
        self,
        turn: Writing,
        head: Head,
        verdict: Verdict,
        *,
        digest: bytes,
        text: str | None,
        owner: int,
    ) -> bool:
        realm = head.realm
        if isinstance(verdict, workfile.Restyled):
            turn.commit(
                (),
                also=lambda connection: workrecord.take_in(
                    connection, realm, digest=digest, generation=head.generation, text=text
                ),
            )
            return True
        if not isinstance(verdict, workfile.Adopt) or head.generation >= self._limits.generation:
            return False
        revision = self._adoption(turn, head, verdict, digest=digest, owner=owner)
        turn.commit(
            [revision],
            also=lambda connection: workrecord.take_in(
                connection, realm, digest=digest, generation=revision.generation, text=text
            ),
        )
        return True

    def _adoption(
        self, turn: Writing, head: Head, verdict: workfile.Adopt, *, digest: bytes, owner: int
    ) -> Revision:
        created_at, salt = self._stamp()
        author = _name_of(owner)
        previous = head.revision
        reverts: tuple[str, ...] = ()
        # Who names the base they had loaded cannot undo what came after it: that is contested.
        if previous is not None and verdict.restores is None and verdict.base is None:
            newest_first = turn.revisions(head.realm, limit=REVISIONS_SEARCHED, newest_first=True)
            reverts = workfile.reverts(verdict.document, newest_first, author=author)
        return seal(
            realm=head.realm,
            generation=head.generation + 1,
            kind="adopt",
            document=verdict.document,
            author=author,
            surface="file",
            write_id=f"adopt-{digest_of(salt.encode() + digest).hex()[:32]}",
            created_at=created_at,
            reverts=reverts,
            restores=verdict.restores,
            salt=salt,
            previous=GENESIS if previous is None else previous.digest,
            policy=Policy() if previous is None else previous.policy,
            schema_digest=None if previous is None else previous.schema_digest,
        )

    # --- what is beside the file -----------------------------------------------------

    def _clear_beside(self, turn: Writing, desk: Desk) -> bool:
        """
        Take in what the spare and the shelf may hold of somebody's work; whether some of it is still open.
        """
        standing = workrecord.load(turn.connection, desk.realm)
        if standing is None or not (standing.doubtful or standing.beside):
            return False
        if standing.doubtful:
            self._inspect_spare(turn, desk, standing)
        waiting = False
        for name in desk.aside():
            waiting = self._inspect_aside(turn, desk, name) or waiting
        beside = waiting or bool(desk.contested())
        if standing.doubtful or beside != standing.beside:
            turn.commit(
                (), also=lambda connection: workrecord.tidy(connection, desk.realm, beside=beside)
            )
        return waiting

    def _inspect_spare(self, turn: Writing, desk: Desk, standing: Standing) -> None:
        """Leave the spare in its place if it is free and ours; else it goes among what was set aside."""
        try:
            descriptor = self._files.open_write(desk.shelf, desk.spare)
        except FileNotFoundError:
            return
        except OSError:
            desk.set_aside(desk.shelf, desk.spare, seen=standing.seen)
            return
        try:
            status = self._files.stat_open(descriptor)
            if objection(status) is None and self.alone(descriptor, status.st_mtime_ns):
                content = self._files.read(descriptor, self._bytes_max + 1)
                if not content or workrecord.known(turn.connection, desk.realm, digest_of(content)):
                    return
        finally:
            self._files.close(descriptor)
        desk.set_aside(desk.shelf, desk.spare, seen=standing.seen)

    def _inspect_aside(self, turn: Writing, desk: Desk, name: str) -> bool:
        """Settle one file that was set aside; whether it is still open and has to wait."""
        try:
            descriptor = self._files.open_write(desk.shelf, name)
        except OSError:
            return False  # Not a file of ours: it stays where it is and means nothing.
        try:
            status = self._files.stat_open(descriptor)
            if status.st_nlink > 1 and self._is_the_file(desk, status.st_ino):
                # Died between giving the file this second name and replacing it.
                self._files.unlink(desk.shelf, name)
                return False
            if objection(status) is not None:
                return False
            if not self.alone(descriptor, status.st_mtime_ns):
                return True
            content = self._files.read(descriptor, self._bytes_max + 1)
            if self._settle_aside(turn, desk, name, content, status):
                # The lease still holds: nobody can be writing to what is removed here.
                self._files.unlink(desk.shelf, name)
        finally:
            self._files.close(descriptor)
        return False

    def _settle_aside(
        self, turn: Writing, desk: Desk, name: str, content: bytes, status: os.stat_result
    ) -> bool:
        """Take in *content*, or keep it for its author; True if the file is no longer needed."""
        digest = digest_of(content)
        if workrecord.known(turn.connection, desk.realm, digest):
            return True
        head = turn.head(desk.realm)
        verdict = self._judge(turn, head, content=content, digest=digest, seen=seen_in(name))
        if isinstance(verdict, workfile.Empty) or self._commit_edit(
            turn, head, verdict, digest=digest, text=None, owner=status.st_uid
        ):
            return True
        desk.keep_contested(desk.shelf, name)
        return False

    def alone(self, descriptor: int, modified_ns: int) -> bool:
        """Whether nobody else has the file open, as far as that can be told here; a lease goes on until the close."""
        lease = self._files.lease_against_all(descriptor)
        return lease == LEASE_FREE or (lease != LEASE_BUSY and quiet(modified_ns))

    def _is_the_file(self, desk: Desk, inode: int) -> bool:
        try:
            return self._files.stat_path(os.path.join(desk.path, WORKING_COPY)).st_ino == inode
        except OSError:
            return False


def _revision_at(rows: Reading, realm: RealmName) -> Callable[[int], Revision | None]:
    def revision_at(generation: int) -> Revision | None:
        try:
            return rows.revision(realm, generation)
        except (RevisionNotFound, HistoryCompacted):
            return None

    return revision_at


def _name_of(owner: int) -> str:
    try:
        import pwd

        user = pwd.getpwuid(owner).pw_name
    except (ImportError, KeyError):
        user = str(owner)
    return f"{user}@{os.uname().nodename}"
