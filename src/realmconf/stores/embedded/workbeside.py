"""
What stands beside a working copy: the spare, while it is doubted, and what was set aside.

Decides what becomes of each: ours and free, it is dropped; an edit, it is taken in or
kept for its author; still open somewhere, it waits.
"""

from __future__ import annotations

import os

from realmconf.domain import workfile
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


class Beside:
    """Looks through what stands beside the working copies."""

    def __init__(self, files: Files, adopter: Adopter, *, bytes_max: int) -> None:
        self._files = files
        self._adopter = adopter
        self._bytes_max = bytes_max

    def clear(self, turn: Writing, desk: Desk) -> bool:
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
            if objection(status) is None and self._alone(descriptor, status.st_mtime_ns):
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
            if not self._alone(descriptor, status.st_mtime_ns):
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
