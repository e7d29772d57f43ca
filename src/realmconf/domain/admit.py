"""
May what was decided stand among its relatives?

Decides that a realm's parent exists and gives no cycle, and that the composed configuration fits every
schema owned at or above it.  Judged on a point at which all writes of a transaction are in place already,
so that a parent and its child can come into being together.  What a write means for those who inherit it
never refuses it: a child must not veto its parent.
"""

from __future__ import annotations

from realmconf.domain.lineage import SECTION, links, own_section, resolve
from realmconf.domain.names import GLOBAL, LIMITS
from realmconf.domain.pointer import Pointer
from realmconf.domain.revision import GENESIS, Policy, seal
from realmconf.domain.withheld import Withheld, with_marks
from realmconf.errors import SchemaViolation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    from realmconf.domain.composition import Composed, Composer
    from realmconf.domain.document import Document
    from realmconf.domain.lineage import Chain
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision

    class Heads(Protocol):
        """What is asked of a point."""

        def head(self, realm: RealmName, /) -> Any: ...


_UNJUDGED = frozenset(("delete", "policy", "import", "restore", "migrate", "rename"))
"""Kinds that bring back or carry on what was right in its time and place, perhaps before its relatives are there."""


class Successor:
    """A head that is decided and not yet committed."""

    __slots__ = ("floor", "moved_to", "realm", "revision", "warnings")

    def __init__(self, head: Any, revision: Revision) -> None:
        self.realm = revision.realm
        self.revision: Revision | None = revision
        self.floor = head.floor
        self.moved_to = head.moved_to
        self.warnings: tuple[Any, ...] = ()

    @property
    def generation(self) -> int:
        return 0 if self.revision is None else self.revision.generation


class Upcoming:
    """*view* as it will be when *revisions* are committed."""

    def __init__(self, view: Heads, revisions: Sequence[Revision]) -> None:
        self._view = view
        self._heads = {
            revision.realm: Successor(view.head(revision.realm), revision) for revision in revisions
        }

    def head(self, realm: RealmName) -> Any:
        """The head of *realm* then."""
        return self._heads.get(realm) or self._view.head(realm)


def candidate(
    realm: RealmName, previous: Revision | None, document: Document, *, kind: str = "set"
) -> Revision:
    """The revision that *document* would become after *previous*, as far as its relatives are concerned."""
    if previous is not None:
        return previous.replace(
            realm=realm,
            document=document,
            tombstone=False,
            kind=kind,
            generation=previous.generation + 1,
            digest="",
        )
    return seal(
        realm=realm,
        generation=1,
        kind=kind,
        document=document,
        author="",
        surface="",
        write_id="",
        created_at="",
        salt="",
        previous=GENESIS,
        policy=Policy(),
    )


def check(
    before: Revision | None,
    revision: Revision,
    view: Heads,
    *,
    composer: Composer,
    limits: Limits = LIMITS,
) -> Chain:
    """
    Admit *revision*, which follows *before* and is the head of its realm in *view*; gives its chain.

    Raises:
        InvalidDocument: The section about itself is malformed.
        LineageCycle, LineageTooDeep, ParentNotFound: The parent that it newly names cannot be one.
        SchemaViolation: The composed configuration does not fit a schema at or above the realm.
    """
    realm = revision.realm
    chain = resolve(realm, view.head, limits=limits)
    document = revision.document
    if document is None:
        return chain
    if realm == GLOBAL and chain.problem is not None:
        # All others inherit from it: whatever the write is for, it would take every realm down.
        raise chain.problem
    if revision.kind in _UNJUDGED:
        return chain
    earlier = None if before is None else before.document
    if document.get(SECTION) != (earlier or {}).get(SECTION):
        stated = links(realm, document)
        if chain.problem is not None and stated.parent != _parent(realm, earlier):
            raise chain.problem
    if chain.problem is None and any(
        head.revision is not None and head.revision.schema_digest for head in chain.heads
    ):
        composed = composer.compose(chain.heads, chain.names)
        found = violations_of(composed)
        if found:
            raise SchemaViolation(found, realm=realm)
    return chain


def _parent(realm: RealmName, document: Document | None) -> Any:
    own = own_section(realm, document)
    return None if own is None else own.get("parent")


def _is_withheld(pointer: str, config: Document) -> bool:
    return type(Pointer.parse_json_pointer(pointer).resolve(config)) is Withheld


def _may_withhold(composed: Composed | None) -> bool:
    """Whether a document in it came without its digest, as those do of which something is withheld."""
    while composed is not None:
        revision = composed.revision
        if revision is not None and revision.document and not revision.document_digest:
            return True
        composed = composed.parent
    return False


def violations_of(composed: Composed) -> tuple[dict[str, str], ...]:
    """Everything in which a composed configuration does not fit the schemas that govern it."""
    if not composed.schemas:
        return ()
    from realmconf.domain.schemas.schema import violations

    config = composed.config
    may_withhold = _may_withhold(composed)
    judged: Document = with_marks(config) if may_withhold else config
    found: dict[tuple[str, str], dict[str, str]] = {}
    for digest, schema in composed.schemas:
        for one in violations(digest, schema, judged):
            found.setdefault((one["pointer"], one["keyword"]), one)
    if may_withhold:
        # Of what is withheld from whoever looks nobody here can tell.
        for place in [place for place in found if _is_withheld(place[0], config)]:
            del found[place]
    return tuple(found[place] for place in sorted(found))
