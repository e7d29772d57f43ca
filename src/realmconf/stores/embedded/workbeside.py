"""
What stands beside a working copy: the spare, while it is doubted, and what was set aside.

Decides what becomes of each: ours and free, it is dropped; an edit, it is taken in or
kept for its author, as is what can be no edit of ours; still open somewhere, or not to
be looked at now, it waits.
"""

from __future__ import annotations

import errno
import os

from realmconf.domain import workfile
from realmconf.domain.record import Record
from realmconf.stores.embedded import workrecord
from realmconf.stores.embedded.files import LEASE_BUSY, LEASE_FREE, digest_of, objection
from realmconf.stores.embedded.layout import WORKING_COPY
from realmconf.stores.embedded.workdesk import seen_in
from realmconf.stores.embedded.worklook import quiet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.stores.embedded.files import Files
    from realmconf.stores.embedded.workadopt import Adopter
    from realmconf.stores.embedded.workdesk import Desk
    from realmconf.stores.embedded.workhost import Writing
    from realmconf.stores.embedded.workrecord import Standing


_NEVER_READ = frozenset({errno.EACCES, errno.EISDIR, errno.ELOOP, errno.EMLINK, errno.ENXIO})
"""Opening fails like this until a person does something about it; other failures pass."""


class Waiting(Record):
    """What still has to wait on the shelf."""

    anything: bool
    reason: str | None = None
    """Why some of it cannot be looked at now; None if it is only open somewhere."""


class Beside:
    """Looks through what stands beside the working copies."""

    def __init__(self, files: Files, adopter: Adopter, *, bytes_max: int) -> None:
        self._files = files
        self._adopter = adopter
        self._bytes_max = bytes_max

    def clear(self, turn: Writing, desk: Desk) -> Waiting:
        """
        Take in what the spare and the shelf may hold of somebody's work, and say what has to wait.

        Nothing is given up because it could not be looked at: the record goes on saying that it is there.
        """
        standing = workrecord.load(turn.connection, desk.realm)
        if standing is None or not (standing.doubtful or standing.beside):
            return Waiting(anything=False)
        if standing.doubtful:
            self._inspect_spare(turn, desk, standing)
        waiting = False
        reason = None
        for name in desk.aside():
            try:
                waiting = self._inspect_aside(turn, desk, name) or waiting
            except OSError as error:
                waiting, reason = True, error.strerror or str(error)
        beside = waiting or bool(desk.contested())
        if standing.doubtful or beside != standing.beside:
            # The record forgets what may have been here. A power cut that took names back after that would leave an
            # edit under the spare's name, to be written over, or the spare in the file's place while it is rewritten.
            desk.sync()
            desk.sync_shelf()
            turn.commit(
                (), also=lambda connection: workrecord.tidy(connection, desk.realm, beside=beside)
            )
        return Waiting(anything=waiting, reason=reason)

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
            if objection(status) is None and self._alone(descriptor, status.st_mtime_ns):
                content = self._files.read(descriptor, self._bytes_max + 1)
                if not content or workrecord.known(turn.connection, desk.realm, digest_of(content)):
                    return
        finally:
            self._files.close(descriptor)
        desk.set_aside(desk.shelf, desk.spare, seen=standing.seen)

    def _inspect_aside(self, turn: Writing, desk: Desk, name: str) -> bool:
        """Settle one file that was set aside; whether it is still open and has to wait, as after an ``OSError``."""
        try:
            descriptor = self._open(desk, name)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno not in _NEVER_READ:
                raise
            desk.keep_contested(desk.shelf, name)
            return False
        try:
            status = self._files.stat_open(descriptor)
            if status.st_nlink > 1 and self._is_the_file(desk, status.st_ino):
                # Died between giving the file this second name and replacing it.
                self._files.unlink(desk.shelf, name)
                return False
            if objection(status) is not None:
                desk.keep_contested(desk.shelf, name)
                return False
            if not self._alone(descriptor, status.st_mtime_ns):
                return True
            content = self._files.read(descriptor, self._bytes_max + 1)
            if self._settle_aside(turn, desk, name, content, status):
                # The lease still holds: nobody can be writing to what is removed here.
                self._files.unlink(desk.shelf, name)
        finally:
            self._files.close(descriptor)
        return False

    def _open(self, desk: Desk, name: str) -> int:
        """Open what was set aside, be it by somebody who lets nobody write to it."""
        try:
            return self._files.open_write(desk.shelf, name)
        except PermissionError:
            return self._files.open_read(desk.shelf, name)

    def _settle_aside(
        self, turn: Writing, desk: Desk, name: str, content: bytes, status: os.stat_result
    ) -> bool:
        """Take in *content*, or keep it for its author; True if the file is no longer needed."""
        digest = digest_of(content)
        if workrecord.known(turn.connection, desk.realm, digest):
            return True
        head = turn.head(desk.realm)
        verdict = self._adopter.judge(
            turn, head, content=content, digest=digest, seen=seen_in(name)
        )
        if isinstance(verdict, workfile.Empty) or self._adopter.commit_edit(
            turn, head, verdict, digest=digest, text=None, owner=status.st_uid
        ):
            return True
        desk.keep_contested(desk.shelf, name)
        return False

    def _alone(self, descriptor: int, modified_ns: int) -> bool:
        """Whether nobody else has the file open, as far as that can be told here; a lease goes on until the close."""
        lease = self._files.lease_against_all(descriptor)
        return lease == LEASE_FREE or (lease != LEASE_BUSY and quiet(modified_ns))

    def _is_the_file(self, desk: Desk, inode: int) -> bool:
        try:
            return self._files.stat_path(os.path.join(desk.path, WORKING_COPY)).st_ino == inode
        except OSError:
            return False
