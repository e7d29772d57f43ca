"""
A revision as bytes, and back: how engines keep it.

Decides the form, which is JSON with the document's canonical bytes in it as they are; documents are checked before they
are written and trusted when they are read.
"""

from __future__ import annotations

import json

from realmconf.domain.archive import revision_fields, revision_from
from realmconf.domain.document import canonical_bytes
from realmconf.domain.names import RealmName
from realmconf.errors import InvalidRealm, StoreCorrupt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.domain.revision import Revision


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def pack(revision: Revision, canonical: bytes | None = None) -> bytes:
    """*revision* as bytes; *canonical* are those of its document, where they are at hand."""
    fields = revision_fields(revision)
    del fields["document"]
    rest = _json.encode(fields).encode()
    if revision.document is None:
        body = b"null"
    else:
        body = canonical_bytes(revision.document) if canonical is None else canonical
    return b'{"document":' + body + b"," + rest[1:]


def unpack(packed: bytes) -> Revision:
    """
    The revision that ``pack`` made bytes of.

    Raises:
        StoreCorrupt: They are no such bytes.
    """
    try:
        return revision_from(json.loads(packed), trusted=True, name=_name)
    except (KeyError, TypeError, ValueError, RecursionError) as damaged:
        raise StoreCorrupt("a revision in the store cannot be read: it is damaged") from damaged


def _name(text: str) -> RealmName:
    try:
        return RealmName(text)
    except InvalidRealm:
        # One of the names that no user's realm can have.
        return str.__new__(RealmName, text)
