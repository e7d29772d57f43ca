"""
One look at one file: is it there, is it ours to read, is it finished, what does it hold.

Decides nothing about the content.  A file that somebody has open for writing is
*being saved*: a prefix of a configuration often parses as another one, so nothing
is ever concluded from it.
"""

from __future__ import annotations

import errno
import time

from realmconf.domain.record import Record
from realmconf.stores.embedded.files import (
    LEASE_BUSY,
    LEASE_FREE,
    LEASE_UNKNOWN,
    digest_of,
    mark_of,
    objection,
    permissions,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.stores.embedded.files import Files, Mark

QUIET_SECONDS = 0.5
"""Where there are no leases, a file that stood still for this long counts as finished."""


class Look(Record):
    """What was seen of one file."""


class Absent(Look):
    """No such file."""


class Refused(Look):
    """Something that is neither read nor written."""

    reason: str


class Saving(Look):
    """Somebody is at it."""


class Finished(Look):
    """Nobody had it open for writing while it was read."""

    content: bytes
    digest: bytes
    mark: Mark
    mode: int
    owner: int


def look(files: Files, folder: int, name: str, *, bytes_max: int) -> Look:
    """Look at *name* in the open folder; at most *bytes_max* + 1 bytes are read of it."""
    try:
        descriptor = files.open_read(folder, name)
    except OSError as error:
        return _unopened(error)
    try:
        before = files.stat_open(descriptor)
        reason = objection(before)
        if reason is not None:
            return Refused(reason=reason)
        # Taken before the first byte is read, and still held after the last one:
        # nobody can have been writing in between.
        lease = files.lease_against_writers(descriptor)
        if lease == LEASE_BUSY:
            return Saving()
        content = files.read(descriptor, bytes_max + 1)
        after = files.stat_open(descriptor)
        if lease == LEASE_FREE:
            held = files.lease_holds(descriptor)
            files.lease_end(descriptor)
            if not held:
                return Saving()
        if mark_of(before) != mark_of(after) or (
            lease == LEASE_UNKNOWN and not quiet(after.st_mtime_ns)
        ):
            return Saving()
    finally:
        files.close(descriptor)
    return Finished(
        content=content,
        digest=digest_of(content),
        mark=mark_of(after),
        mode=permissions(after),
        owner=after.st_uid,
    )


def _unopened(error: OSError) -> Look:
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return Absent()
    if error.errno in {errno.ELOOP, errno.EMLINK}:
        return Refused(reason="is a symbolic link")
    if error.errno == errno.EACCES:
        return Refused(reason="cannot be read by this user")
    if error.errno in {errno.ENXIO, errno.EISDIR}:
        return Refused(reason="is not a regular file")
    raise error


def quiet(modified_ns: int) -> bool:
    """Whether a file with this time stood still long enough to count as finished, where there are no leases."""
    age_seconds = (time.time_ns() - modified_ns) / 1e9
    return not 0 <= age_seconds < QUIET_SECONDS
