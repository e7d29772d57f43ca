"""
Where a realm stands among others: its parent, what it masks, the chain up to the root.

Decides what a document's section about itself says, ``[realm.<own name>]``, and why a
chain cannot be used.  Knows nothing of what the members of a chain contain besides.
"""

from __future__ import annotations

from realmconf.domain.names import GLOBAL, LIMITS, RealmName
from realmconf.domain.pointer import Pointer
from realmconf.domain.record import Record
from realmconf.errors import (
    HistoryCompacted,
    InvalidDocument,
    InvalidPointer,
    InvalidRealm,
    LineageCycle,
    LineageTooDeep,
    ParentNotFound,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits
    from realmconf.domain.revision import Revision
    from realmconf.errors import LineageError

    class HeadLike(Protocol):
        """The newest state of one realm."""

        @property
        def revision(self) -> Revision | None: ...
        @property
        def generation(self) -> int: ...

    class Schemas(Protocol):
        """What is asked of a point about schemas."""

        def head(self, realm: RealmName, /) -> Any: ...
        def schemas(self, realm: RealmName, /) -> Sequence[str]: ...


SECTION = "realm"
"""The top-level key under which documents speak of realms."""


class Links(Record):
    """What a document says about where its realm stands."""

    parent: RealmName | None = None
    unset: tuple[Pointer, ...] = ()
    """Places whose inherited value the realm does not take."""


NO_LINKS = Links()


def own_section(realm: str, document: Document | None) -> dict[str, Any] | None:
    """The table ``[realm.<own name>]`` of *document*, if there is one."""
    section = None if document is None else document.get(SECTION)
    own = section.get(realm) if isinstance(section, dict) else None
    return own if isinstance(own, dict) else None


def parent_of(realm: str, document: Document | None) -> RealmName | None:
    """The parent that *document* names; None also for what cannot be one."""
    own = own_section(realm, document)
    if own is None or realm == GLOBAL:
        return None
    try:
        return RealmName(own["parent"])
    except (KeyError, InvalidRealm):
        return None


def with_own_section(document: Document, old: str, new: str) -> Document:
    """
    *document* with its section about itself, ``[realm.<old>]``, under the new name.

    Raises:
        InvalidDocument: It has a section of the new name as well, and one of the two would be lost.
    """
    section = document.get(SECTION)
    if not isinstance(section, dict) or old not in section or old == new:
        return document
    if new in section:
        raise InvalidDocument(
            f"the document has sections of both names, {old} and {new}: remove one first",
            pointer=str(Pointer((SECTION, new))),
        )
    renamed = {new if name == old else name: value for name, value in section.items()}
    return {**document, SECTION: renamed}


def as_named(revision: Revision, realm: str) -> Document | None:
    """The document of an older *revision* of *realm*, which spoke of itself by another name if it was renamed since."""
    document = revision.document
    return None if document is None else with_own_section(document, revision.realm, realm)


def standing_as(before: Revision | None, realm: str, document: Document) -> Document:
    """*document*, and if it has no section about *realm*, that of *before* in it."""
    section = None if before is None else own_section(realm, before.document)
    others = document.get(SECTION, {})
    if section is None or not isinstance(others, dict) or realm in others:
        return document
    return {**document, SECTION: {**others, realm: section}}


def links(realm: str, document: Document | None) -> Links:
    """
    What *document* says about where *realm* stands.

    Raises:
        InvalidDocument: ``parent`` is no realm's name, or ``unset`` no list of paths.
    """
    section = None if document is None else document.get(SECTION, {})
    if section is not None and not isinstance(section, dict):
        raise InvalidDocument(
            "it is reserved, for tables by the names of realms", pointer=f"/{SECTION}"
        )
    own = (section or {}).get(realm)
    if own is None:
        return NO_LINKS
    if not isinstance(own, dict):
        raise InvalidDocument(
            "it is the realm's section about itself, a table",
            pointer=str(Pointer((SECTION, realm))),
        )
    parent = own.get("parent")
    if parent is not None:
        try:
            parent = RealmName(parent)
        except InvalidRealm as invalid:
            raise _malformed(realm, "parent", str(invalid)) from None
    return Links(parent=parent, unset=_masks(realm, own.get("unset", [])))


def _masks(realm: str, listed: Any) -> tuple[Pointer, ...]:
    if not isinstance(listed, list):
        raise _malformed(realm, "unset", "it is a list of paths")
    masks = []
    for text in listed:
        try:
            pointer = Pointer.parse(text) if isinstance(text, str) else Pointer()
        except InvalidPointer as invalid:
            raise _malformed(realm, "unset", str(invalid)) from None
        if not pointer or pointer[0] == SECTION:
            raise _malformed(realm, "unset", "it is a list of paths to inherited values")
        masks.append(pointer)
    return tuple(masks)


def _malformed(realm: str, key: str, reason: str) -> InvalidDocument:
    return InvalidDocument(reason, pointer=str(Pointer((SECTION, realm, key))))


# --- the chain -------------------------------------------------------------------------


class Chain(Record):
    """
    The realms that one is composed of, itself first, at one point.

    ``heads`` are those that were found; with a *problem* they end where it is.  ``watched`` names every realm on
    which this depends, also those that are not there: a missing parent, an absent ``global``.
    """

    heads: tuple[Any, ...]
    names: tuple[RealmName, ...]
    """Of those heads, in the same order."""
    watched: tuple[RealmName, ...]
    problem: LineageError | HistoryCompacted | None = None


def resolve(
    realm: RealmName, head_of: Callable[[RealmName], Any], *, limits: Limits = LIMITS
) -> Chain:
    """
    Follow the parents of *realm* up to the root; a live ``global`` is every chain's tail.

    *head_of* answers from one point.  The realm itself need not have a document.
    """
    heads = [head_of(realm)]
    names = [realm]
    if realm == GLOBAL:
        return _chain(heads, names, [], _parent_of_global(heads[0]))
    while True:
        revision = heads[-1].revision
        current = names[-1]
        # An older generation of a realm that was renamed speaks of itself by its name of then.
        parent = None if revision is None else parent_of(revision.realm, revision.document)
        if parent is None or parent == GLOBAL:
            break
        if parent in names:
            cycle = LineageCycle(realm=realm, chain=[*names, parent])
            return _chain(heads, names, [], cycle)
        head = head_of(parent)
        if _is_purged(head):
            return _chain(heads, names, [parent], _erased(parent, head))
        if not is_live(head):
            missing = ParentNotFound(realm=current, parent=parent, chain=[*names, parent])
            return _chain(heads, names, [parent], missing)
        if len(names) == limits.lineage:
            deep = LineageTooDeep(realm=realm, chain=[*names, parent], depth_max=limits.lineage)
            return _chain(heads, names, [parent], deep)
        heads.append(head)
        names.append(parent)
    # An explicit parent "global" that was never written is what the implicit one would be: nothing.
    root = head_of(GLOBAL)
    if _is_purged(root):
        return _chain(heads, names, [GLOBAL], _erased(GLOBAL, root))
    if not is_live(root):
        return _chain(heads, names, [GLOBAL], None)
    return _chain([*heads, root], [*names, GLOBAL], [], _parent_of_global(root))


def _chain(
    heads: list[Any],
    names: list[RealmName],
    missing: list[RealmName],
    problem: LineageError | HistoryCompacted | None,
) -> Chain:
    return Chain(
        heads=tuple(heads), names=tuple(names), watched=(*names, *missing), problem=problem
    )


def schemas_in_reach(
    realm: RealmName, view: Schemas, *, limits: Limits = LIMITS
) -> tuple[str, ...]:
    """
    The digests of every schema that *realm*, those it inherits from and ``global`` ever had, the root's first.

    What one of them called secret stays secret.
    """
    chain = resolve(realm, view.head, limits=limits)
    names = dict.fromkeys((GLOBAL, *reversed(chain.watched)))
    return tuple(dict.fromkeys(digest for name in names for digest in view.schemas(name)))


def is_live(head: HeadLike) -> bool:
    """Whether a realm is there: it was written, and is not deleted."""
    return head.revision is not None and head.revision.document is not None


def _is_purged(head: HeadLike) -> bool:
    """Whether nobody can tell what it stated: of an older generation that was erased."""
    revision = head.revision
    return revision is not None and revision.purged and revision.document is None


def _erased(realm: RealmName, head: HeadLike) -> HistoryCompacted:
    return HistoryCompacted(head.generation, head.generation, realm=realm, purged=True)


def _parent_of_global(head: HeadLike) -> LineageError | None:
    """Why ``global`` cannot have the parent that it names: every other realm inherits from it."""
    own = own_section(GLOBAL, None if head.revision is None else head.revision.document)
    parent = None if own is None else own.get("parent")
    if not isinstance(parent, str):
        return None
    return LineageCycle(realm=GLOBAL, chain=(GLOBAL, parent, GLOBAL))
