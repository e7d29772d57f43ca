"""
A revision as users see it: the record without what must not leave the library.

The stored record also holds a salt and the digest of the bare document, which
together would confirm a guessed secret.
"""

from __future__ import annotations

from realmconf.domain.frozen import freeze
from realmconf.domain.record import Record
from realmconf.domain.revision import DIGEST_SHOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from realmconf.domain import revision as stored


class Revision(Record):
    """
    The immutable record at one generation of one realm.

    ``document`` is None for a tombstone, and for a revision whose document was purged.  ``digest``
    chains to ``previous``, the digest of the revision before.  ``realm`` is the name under which it was
    written, which a rename does not change.
    """

    realm: str
    generation: int
    kind: str
    """set patch json_patch rollback delete adopt import migrate restore schema policy rename copy"""
    document: Mapping[str, Any] | None
    tombstone: bool
    purged: bool
    author: str
    surface: str
    """sdk cli http rpc mcp console file"""
    message: str
    write_id: str
    created_at: str
    """RFC 3339, UTC; for display, nothing is ordered by it."""
    digest: str
    previous: str
    reverts: tuple[str, ...]
    """For an adoption: pointers it put back to what they were before a newer write."""
    restores: int | None
    """The generation whose document it brings back."""

    @property
    def etag(self) -> str:
        """The own view's entity tag, without quotes: ``<generation>-<digest12>``."""
        return f"{self.generation}-{self.digest[:DIGEST_SHOWN]}"

    def __repr__(self) -> str:
        # Never the document: a representation ends up in logs.
        return (
            f"Revision(realm={self.realm!r}, generation={self.generation}, kind={self.kind!r}, "
            f"author={self.author!r}, created_at={self.created_at!r})"
        )


def published(revision: stored.Revision) -> Revision:
    """What users see of a stored revision."""
    return Revision(
        realm=revision.realm,
        generation=revision.generation,
        kind=revision.kind,
        document=None if revision.document is None else freeze(revision.document),
        tombstone=revision.tombstone,
        purged=revision.purged,
        author=revision.author,
        surface=revision.surface,
        message=revision.message,
        write_id=revision.write_id,
        created_at=revision.created_at,
        digest=revision.digest,
        previous=revision.previous,
        reverts=revision.reverts,
        restores=revision.restores,
    )
