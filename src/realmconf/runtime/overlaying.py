"""
Whether a write would lay a schema over secrets that its author may not see.

Decides which schemas and documents a write brings together for the first time: by a new schema, for the realm and all
who inherit from it; by another parent, in both directions.  What a schema judges is for ``domain.schemas.judging``.
"""

from __future__ import annotations

from realmconf.domain.lineage import own_section
from realmconf.domain.schemas.judging import judged, judged_in
from realmconf.domain.schemas.shape import Shape
from realmconf.domain.secrets import Secrecy
from realmconf.domain.write import Place
from realmconf.errors import SecretWithheld
from realmconf.runtime.descendants import below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from realmconf.domain.admit import Upcoming
    from realmconf.domain.composition import Composed
    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.write import Append, Write
    from realmconf.runtime.lineages import Lineages
    from realmconf.stores.protocol import ReadView


def refuse_judging(
    lineages: Lineages, write: Write, decision: Append, *, view: ReadView, upcoming: Upcoming
) -> None:
    """
    Refuse *decision*, of an author who may not judge secrets, if it lays a schema over one that would judge it.

    Looked at before anything is judged: that a configuration fits, or does not, would tell of the secret.

    Raises:
        SecretWithheld: Naming the place.
    """
    revision, before = decision.revision, decision.head
    if revision.document is None:
        return
    digest = revision.schema_digest
    is_new = digest is not None and (before is None or before.schema_digest != digest)
    is_placed = isinstance(write.command, Place)
    earlier = None if before is None else before.document
    is_moved = own_section(revision.realm, earlier) != own_section(
        revision.realm, revision.document
    )
    if not is_new and not is_moved:
        return
    look = _Look(lineages, write.realm, view, upcoming)
    if is_new:
        assert digest is not None
        # A copy, or a realm under another name, has been judged by its schema where it was.
        names = [] if is_placed else [write.realm]
        look.at_new_schema(lineages.schema(digest), [*names, *below(view, write.realm)])
    elif not is_placed:
        look.at_new_place()


class _Look:
    """At one realm and its heirs, before and after a write."""

    def __init__(
        self, lineages: Lineages, realm: RealmName, view: ReadView, upcoming: Upcoming
    ) -> None:
        self._lineages = lineages
        self._realm = realm
        self._view = view
        self._upcoming = upcoming
        self._spoken: set[tuple[str, ...]] = set()

    def at_new_schema(self, schema: Document, names: Iterable[RealmName]) -> None:
        for name in names:
            digests = self._lineages.schemas_of(name, self._view)
            secrecy = self._secrecy(name, digests, [schema])
            if digests not in self._spoken:
                self._spoken.add(digests)
                self._refuse(judged(schema, secrecy))
            composed = self._composed(name)
            # What it masks now it may inherit later.
            members = () if composed is None else (composed, composed.parent)
            for member in members:
                if member is not None:
                    self._refuse(judged_in(schema, member.config, secrecy))

    def at_new_place(self) -> None:
        """The schemas of new ancestors over what is stated, and what is stated below over what they give."""
        lineages, view = self._lineages, self._view
        earlier = lineages.point_of(view.head, self._realm)
        after = lineages.point_of(self._upcoming.head, self._realm)
        if after.problem is not None or earlier.names == after.names:
            return
        known: set[str] = set()
        if earlier.problem is None:
            known = {digest for digest, _ in earlier.composed.schemas}
        parent = after.composed.parent
        above = () if parent is None else parent.schemas
        new = [schema for digest, schema in above if digest not in known]
        inherited = () if parent is None else lineages.schemas_of(after.names[1], view)
        for name in (self._realm, *below(view, self._realm)):
            secrecy = self._secrecy(name, (*inherited, *lineages.schemas_of(name, view)), new)
            revision = view.head(name).revision
            if revision is None or revision.document is None:
                continue
            for schema in new:
                self._refuse(judged_in(schema, revision.document, secrecy))
            own = revision.schema_digest
            if own is not None and parent is not None and own not in {one for one, _ in above}:
                self._refuse(judged_in(lineages.schema(own), parent.config, secrecy))

    def _secrecy(
        self, name: RealmName, digests: tuple[str, ...], more: Iterable[Document]
    ) -> Secrecy:
        schemas: dict[str, Any] = self._lineages.schemas_in(self._view, digests)
        return Secrecy(realm=name, shape=Shape.of([*schemas.values(), *more]))

    def _composed(self, name: RealmName) -> Composed | None:
        point = self._lineages.point_of(self._upcoming.head, name)
        return None if point.problem is not None else point.composed

    def _refuse(self, place: Pointer | None) -> None:
        if place is not None:
            raise SecretWithheld(
                pointer=str(place),
                realm=self._realm,
                because="a schema that asks for more than a type would tell what it is",
            )
