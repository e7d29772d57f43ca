"""
What a revision that was sealed elsewhere may state: every field of its form, and none beyond its bounds.

Decides field by field, before any store is asked.  Whether it may stand where it is put is for ``serving.sealed``.
"""

from __future__ import annotations

import re

from realmconf.domain.archive import revision_from
from realmconf.domain.pointer import Pointer
from realmconf.domain.revision import intact
from realmconf.domain.secrets import has_mark
from realmconf.errors import InvalidArgument, RealmconfError
from realmconf.runtime import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision

KINDS = frozenset(
    ("set", "patch", "json_patch", "rollback", "delete", "adopt", "import", "migrate", "restore", "schema", "policy",
     "rename", "copy")
)  # fmt: skip
STEPPING_KINDS = frozenset(("import", "migrate", "restore"))
"""Kinds that may step over numbers that a lost or an other history has used."""
STEPS_MAX = 2**32
"""So many numbers at once: whoever steps over more leaves the realm none."""
SURFACES = frozenset(("sdk", "cli", "http", "rpc", "mcp", "console", "file"))
REVERTS_CHARS_MAX = 65_536
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
_SALT = re.compile(r"[0-9A-Za-z_-]{1,128}")


def read_revision(found: Any, *, realm: RealmName, write_id: str, limits: Limits) -> Revision:
    """
    The revision of *realm* that was sent for the write of *write_id*.

    Raises:
        InvalidArgument: It is not what it claims to be, or states what no revision does.
        RealmconfError: Its document is none, or passes a limit.
    """
    try:
        revision = revision_from(found, limits=limits)
    except (KeyError, TypeError, AttributeError):
        raise InvalidArgument("this is no revision") from None
    if revision.realm != realm or revision.write_id != write_id:
        raise InvalidArgument("the revision is of another realm or write than it is sent for")
    if revision.purged or revision.tombstone != (revision.document is None):
        raise InvalidArgument("a revision has a document, or is a tombstone")
    if revision.kind not in KINDS:
        raise InvalidArgument(f"there is no kind of revision {revision.kind[:40]!a}")
    if revision.kind == "delete" and not revision.tombstone:
        raise InvalidArgument("a deletion leaves no document")
    _check_numbers(revision, limits)
    _check_labels(revision, limits)
    if has_mark(revision.document):
        raise InvalidArgument("the document has a mark in place of a secret")
    try:
        is_intact = intact(revision)
    except (RealmconfError, UnicodeEncodeError):
        is_intact = False
    if not is_intact:
        raise InvalidArgument("the revision's digests are not those of what it states")
    return revision


def _check_numbers(revision: Revision, limits: Limits) -> None:
    if not 1 <= revision.generation <= limits.generation:
        raise InvalidArgument("a generation is a number from 1 on")
    if revision.restores is not None and not 1 <= revision.restores <= limits.generation:
        raise InvalidArgument("what a revision restores is a generation")
    keep = revision.policy.history_keep
    if keep is not None and not 1 <= keep <= limits.generation:
        raise InvalidArgument("history_keep is a positive number of revisions")


def _check_labels(revision: Revision, limits: Limits) -> None:
    arguments.line(revision.author, name="author", characters_max=limits.author_chars)
    arguments.text(revision.message, name="message", characters_max=limits.message_chars)
    if revision.surface not in SURFACES:
        raise InvalidArgument(f"there is no surface {revision.surface[:40]!a}")
    if not _TIME.fullmatch(revision.created_at):
        raise InvalidArgument("created_at is a time in UTC, as 2024-02-29T12:00:00.000000Z")
    if not _SALT.fullmatch(revision.salt):
        raise InvalidArgument("a salt is 1 to 128 letters and digits")
    if sum(map(len, revision.reverts)) > REVERTS_CHARS_MAX:
        raise InvalidArgument("the revision reverts too many places")
    for place in revision.reverts:
        Pointer.parse_json_pointer(place)
