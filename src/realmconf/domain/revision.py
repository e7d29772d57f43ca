"""
The immutable record at one generation, and what identifies it.

Decides the record's fields and its digest chain; knows nothing of how a store
keeps it.  A document here is a plain ``dict`` that everybody treats as frozen:
it is shared, never copied, and turned into an immutable mapping where it leaves
the library.
"""

from __future__ import annotations

from realmconf.domain.document import canonical_bytes
from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName

DIGEST_SHOWN = 12
"""Hexadecimal digits of a revision digest in an etag or cursor."""


class Policy(Record):
    """What a realm asks of its writers; versioned with the document."""

    require_generation: bool = False
    history_keep: int | None = None
    """Revisions that ``compact`` keeps at least; None keeps all."""


class Revision(Record):
    """
    One generation of one realm: a document, or a tombstone (``document is None``).

    ``previous`` and ``digest`` are full SHA-256 hex digests; ``salt`` and
    ``document_digest`` are shown to nobody, because a bare document digest would confirm
    a guessed secret; only exports and stores that see secrets get them.  A purged revision keeps ``document_digest``
    and has neither document nor salt, so the chain stays verifiable.
    """

    __hidden__ = frozenset({"document", "salt", "document_digest"})

    realm: RealmName
    generation: int
    kind: str
    """set patch json_patch rollback delete adopt import migrate restore schema policy rename copy"""
    document: Document | None
    tombstone: bool = False
    purged: bool = False
    policy: Policy = Policy()
    schema_digest: str | None = None
    author: str
    surface: str
    """sdk cli http rpc mcp console file"""
    message: str = ""
    write_id: str
    created_at: str
    """RFC 3339, UTC, for display only."""
    reverts: tuple[str, ...] = ()
    """For an adoption: pointers whose values it puts back to what they were before a newer write."""
    restores: int | None = None
    """The generation whose document a rollback, restore or adoption of an old rendering brings back."""
    salt: str
    document_digest: str
    previous: str
    digest: str

    @property
    def etag(self) -> str:
        """The own view's strong entity tag, without quotes: ``<generation>-<digest12>``."""
        return f"{self.generation}-{self.digest[:DIGEST_SHOWN]}"


GENESIS = "0" * 64
"""``previous`` of a realm's first revision."""


def _sha256(raw: bytes) -> str:
    # Loading this library takes longer than a whole read, which never digests anything.
    from hashlib import sha256

    return sha256(raw).hexdigest()


def digest_document(document: Document | None, salt: str, *, canonical: bytes | None = None) -> str:
    """
    SHA-256 over the salt and the canonical bytes; a tombstone has a digest of its own.

    *canonical* is for callers who have the canonical bytes of the document already.
    """
    if document is None:
        body = b"tombstone"
    else:
        body = canonical_bytes(document) if canonical is None else canonical
    return _sha256(salt.encode() + b"\0" + body)


_CHAINED = (
    "previous", "realm", "generation", "kind", "tombstone", "schema_digest", "author", "surface", "message",
    "write_id", "created_at", "reverts", "restores", "document_digest",
)  # fmt: skip
"""What a revision's digest is taken over, in this order, then the policy. Never reordered: new fields go to the end."""


def digest_revision(fields: Mapping[str, Any]) -> str:
    """
    SHA-256 over the previous digest, the realm and every other recorded field.

    Takes the fields of a ``Revision`` by name.  ``document``, ``salt`` and ``purged`` are not among what is
    digested: a purge must leave the chain verifiable.
    """
    policy = fields["policy"]
    stated = [fields[name] for name in _CHAINED]
    stated.append([policy.require_generation, policy.history_keep])
    return _sha256(canonical_bytes(stated))


def seal(*, canonical: bytes | None = None, **fields: object) -> Revision:
    """
    Compute both digests of a new revision and return it.

    Takes every field of ``Revision`` except ``document_digest`` and ``digest``, and the
    canonical bytes of the document where the caller has them.
    """
    document = fields["document"]
    salt = fields["salt"]
    fields.setdefault("tombstone", document is None)
    complete: dict[str, object] = {**Revision.__defaults__, **fields}
    complete["document_digest"] = digest_document(document, salt, canonical=canonical)  # type: ignore[arg-type]
    complete["digest"] = digest_revision(complete)
    return Revision(**complete)  # type: ignore[arg-type]


def intact(revision: Revision) -> bool:
    """Whether both digests are those of the record as it stands (a purged one: the chain's only)."""
    fields = {name: getattr(revision, name) for name in revision.__fields__}
    if digest_revision(fields) != revision.digest:
        return False
    return (
        revision.purged
        or digest_document(revision.document, revision.salt) == revision.document_digest
    )
