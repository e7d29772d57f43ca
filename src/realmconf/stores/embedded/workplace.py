"""
Putting a rendering in the place of the file, without ever losing what an editor saves meanwhile.

The turn is held from the look at the file until what was displaced is judged.  The
order of the steps is the protocol; ``docs/decisions/0003-working-copy.md`` says what
a crash after each of them leaves.
"""

from __future__ import annotations

from realmconf.domain.names import LIMITS
from realmconf.domain.record import Record
from realmconf.domain.toml import newline_of, render
from realmconf.domain.workfile import header_line
from realmconf.stores.embedded import workrecord
from realmconf.stores.embedded.files import (
    LEASE_BUSY,
    LEASE_FREE,
    digest_of,
    objection,
)
from realmconf.stores.embedded.layout import WORKING_COPY
from realmconf.stores.embedded.workdesk import Desk
from realmconf.stores.embedded.workexamine import text_bytes_max
from realmconf.stores.embedded.worklook import Absent, Finished, quiet
from realmconf.stores.embedded.workrecord import Standing
from realmconf.stores.renaming import ExchangeUnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.domain.names import Limits, RealmName
    from realmconf.stores.embedded.files import Files
    from realmconf.stores.embedded.workexamine import Finding
    from realmconf.stores.embedded.workhost import Writing
    from realmconf.stores.protocol import Head

DISPLACED_OURS = "ours"
DISPLACED_CONTESTED = "contested"
DISPLACED_WAITING = "waiting"
"""Somebody has it open, or saved it at the last moment: it is looked at later."""


class Rendering(Record):
    """What the file is to be: the text of one generation, or (``text is None``) no file."""

    generation: int
    text: str | None
    """With its header."""
    body: str | None
    """Without it: what the next rendering edits."""
    base: str | None
    """The text it was made from."""

    def fits(self, head: Head, base: str | None) -> bool:
        """Whether this is what would be made of *head* and *base*."""
        return self.generation == head.generation and self.base == base


def rendering_of(
    head: Head, base: str | None, *, header: bool, limits: Limits = LIMITS
) -> Rendering:
    """Render *head*'s document by editing *base*, a text without header, if there is one."""
    revision = head.revision
    if revision is None or revision.document is None:
        return Rendering(generation=head.generation, text=None, body=base, base=base)
    body = render(revision.document, text=base, limits=limits)
    line = f"{header_line(head.realm, head.generation)}{newline_of(body)}" if header else ""
    return Rendering(generation=head.generation, text=line + body, body=body, base=base)


class Placer:
    """Places renderings below one root."""

    def __init__(self, files: Files, root: str, *, limits: Limits = LIMITS) -> None:
        self._files = files
        self._root = root
        self._bytes_max = text_bytes_max(limits)

    def place(
        self,
        turn: Writing,
        realm: RealmName,
        finding: Finding,
        rendering: Rendering,
        *,
        contested: bool,
    ) -> bool:
        """
        Make the file say *rendering*, the head's.  *finding* is what the file was found to be in this same turn:
        absent, empty, ours, or (*contested*) an edit that is to be kept beside it.

        After return the file is that rendering, durably, or somebody was faster: then
        whatever they saved is in the file or set aside, and the next examination finds it:
        the answer is then False.
        """
        with Desk(self._files, self._root, realm) as desk:
            standing = finding.standing or Standing()
            if rendering.text is None:
                return self._remove(turn, desk, finding, standing, rendering, contested=contested)
            content = rendering.text.encode()
            digest = digest_of(content)
            standing = standing.replace(
                seen=rendering.generation, text=rendering.body, digest=digest
            )
            if isinstance(finding.look, Finished) and finding.look.digest == digest:
                # The file says it already, word for word: only the record has to know.
                desk.sync()
                self._confirm(turn, desk, standing)
                return True
            folder = desk.make_folder()
            self._write_spare(desk, content, mode=getattr(finding.look, "mode", None))
            # From this commit on the new text is ours, so no crash can turn it into an edit;
            # and the spare is doubted, so whatever the exchange brings there is looked at.
            self._intend(turn, desk, rendering, digest)
            outcome = self._put(turn, desk, folder, finding, contested=contested)
            if outcome is None:
                return False
            self._sync(desk, outcome)
            self._confirm(
                turn,
                desk,
                standing.replace(
                    doubtful=False, beside=standing.beside or outcome != DISPLACED_OURS
                ),
            )
            return outcome == DISPLACED_OURS

    def erase_spare(self, desk: Desk) -> None:
        """
        Overwrite the spare, which the record does not doubt.  The turn is held.

        One that somebody else has open, or that cannot be opened for writing, is only removed.
        """
        files = self._files
        try:
            descriptor = files.open_write(desk.shelf, desk.spare)
        except FileNotFoundError:
            return
        except PermissionError:
            files.unlink(desk.shelf, desk.spare)
            return
        if not self._usable(descriptor):
            files.unlink(desk.shelf, desk.spare)
            return
        try:
            files.erase(descriptor)
        finally:
            files.close(descriptor)

    # --- the steps ------------------------------------------------------------------

    def _write_spare(self, desk: Desk, content: bytes, *, mode: int | None) -> None:
        """Write *content* to a file that nobody else has open, under the spare's name."""
        files = self._files
        descriptor = self._open_spare(desk)
        try:
            files.rewrite(descriptor, content)
            if mode is not None:
                # Who made the file readable to others wants it to stay so.
                files.set_mode(descriptor, mode)
            files.sync_data(descriptor)
        finally:
            files.close(descriptor)

    def _open_spare(self, desk: Desk) -> int:
        """
        The spare, under a lease against everybody if it existed.

        The record does not doubt it, so nothing of worth is in it: it was proved free
        and ours after the last exchange, or is what a dead process began to write.
        """
        files = self._files
        try:
            descriptor = files.open_write(desk.shelf, desk.spare)
        except FileNotFoundError:
            return files.create(desk.shelf, desk.spare)
        except OSError:
            pass
        else:
            if self._usable(descriptor):
                return descriptor
        files.unlink(desk.shelf, desk.spare)
        return files.create(desk.shelf, desk.spare)

    def _usable(self, descriptor: int) -> bool:
        """Whether nobody else has this file; if somebody does it is closed."""
        usable = False
        try:
            status = self._files.stat_open(descriptor)
            usable = (
                objection(status) is None
                and self._files.lease_against_all(descriptor) != LEASE_BUSY
            )
        finally:
            if not usable:
                self._files.close(descriptor)
        return usable

    def _intend(
        self, turn: Writing, desk: Desk, rendering: Rendering, digest: bytes | None
    ) -> None:
        turn.commit(
            (),
            also=lambda connection: workrecord.intend(
                connection,
                desk.realm,
                generation=rendering.generation,
                digest=digest,
                text=rendering.body,
            ),
        )

    def _sync(self, desk: Desk, outcome: str) -> None:
        desk.sync()
        if outcome == DISPLACED_WAITING:
            desk.sync_shelf()

    def _confirm(self, turn: Writing, desk: Desk, standing: Standing) -> None:
        turn.commit(
            (), also=lambda connection: workrecord.confirm(connection, desk.realm, standing)
        )

    def _put(
        self, turn: Writing, desk: Desk, folder: int, finding: Finding, *, contested: bool
    ) -> str | None:
        """Spare to file; what became of the displaced file, or None if the file was not the one that was looked at."""
        files = self._files
        if isinstance(finding.look, Absent):
            try:
                files.move(desk.shelf, desk.spare, folder, WORKING_COPY)
            except FileExistsError:
                return None
            return DISPLACED_OURS
        displaced = desk.spare
        try:
            files.exchange(desk.shelf, desk.spare, folder, WORKING_COPY)
        except FileNotFoundError:
            return None
        except ExchangeUnsupportedError:
            displaced = self._replace(desk, folder, finding)
        return self._judge_displaced(turn, desk, displaced, finding, contested=contested)

    def _replace(self, desk: Desk, folder: int, finding: Finding) -> str:
        """
        Where names cannot be exchanged: keep the old file under a second name, then rename over it.

        Weaker: an edit that is saved by renaming, between these two calls, is lost.
        """
        seen = None if finding.standing is None else finding.standing.seen
        kept = desk.link_aside(folder, WORKING_COPY, seen=seen)
        self._files.replace(desk.shelf, desk.spare, folder, WORKING_COPY)
        return kept

    def _judge_displaced(
        self, turn: Writing, desk: Desk, name: str, finding: Finding, *, contested: bool
    ) -> str | None:
        """Say what the exchange brought, and leave it where it can wait, or as a spare."""
        files = self._files
        try:
            descriptor = files.open_write(desk.shelf, name)
        except OSError:
            self._put_back(desk, name)
            return None
        try:
            status = files.stat_open(descriptor)
            if objection(status) is not None:
                self._put_back(desk, name)
                return None
            lease = files.lease_against_all(descriptor)
            digest = digest_of(files.read(descriptor, self._bytes_max + 1))
            expected = isinstance(finding.look, Finished) and finding.look.digest == digest
            if contested and expected:
                # In full, whoever has it open: what they add arrives there too.
                desk.keep_contested(desk.shelf, name)
                return DISPLACED_CONTESTED
            alone = lease == LEASE_FREE or (lease != LEASE_BUSY and quiet(status.st_mtime_ns))
            if alone and (expected or workrecord.known(turn.connection, desk.realm, digest)):
                if finding.standing is not None and finding.standing.text is None:
                    # It was purged while it stood in the file.
                    files.erase(descriptor)
                if name != desk.spare:
                    files.unlink(desk.shelf, name)
                return DISPLACED_OURS
        finally:
            files.close(descriptor)
        if name == desk.spare:
            desk.set_aside(
                desk.shelf, name, seen=None if finding.standing is None else finding.standing.seen
            )
        return DISPLACED_WAITING

    def _put_back(self, desk: Desk, name: str) -> None:
        """A symlink, or a folder, took the file's place at the last moment: it is refused there, not here."""
        assert desk.folder is not None
        try:
            self._files.exchange(desk.shelf, name, desk.folder, WORKING_COPY)
        except (FileNotFoundError, ExchangeUnsupportedError):
            desk.set_aside(desk.shelf, name, seen=None)

    def _remove(
        self,
        turn: Writing,
        desk: Desk,
        finding: Finding,
        standing: Standing,
        rendering: Rendering,
        *,
        contested: bool,
    ) -> bool:
        """The rendering of "no document" is no file."""
        seen = standing.seen
        standing = standing.replace(seen=rendering.generation, digest=None)
        if isinstance(finding.look, Absent):
            # Only when the file is gone for good may the old texts count as replaced.
            desk.sync()
            self._confirm(turn, desk, standing)
            return True
        assert desk.folder is not None
        self._intend(turn, desk, rendering, None)
        try:
            name = desk.set_aside(desk.folder, WORKING_COPY, seen=seen)
        except FileNotFoundError:
            return False
        outcome = self._judge_displaced(turn, desk, name, finding, contested=contested)
        if outcome is None:
            return False
        self._sync(desk, outcome)
        self._confirm(
            turn,
            desk,
            standing.replace(doubtful=False, beside=standing.beside or outcome != DISPLACED_OURS),
        )
        return outcome == DISPLACED_OURS
