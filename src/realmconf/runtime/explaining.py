"""
Explaining a value: who gave it, when and why, and what it shadows.

Decides which revision a value is owed to; which realm states it is decided in ``domain.provenance``.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT, same
from realmconf.domain.provenance import Tracer
from realmconf.domain.record import Record
from realmconf.domain.revision import GENESIS
from realmconf.domain.unread import Unread, Unseen, side, unread
from realmconf.domain.withheld import Withheld
from realmconf.errors import HistoryCompacted, ValueNotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from realmconf.domain.document import Absent, Value
    from realmconf.domain.names import RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.provenance import Contribution
    from realmconf.domain.revision import Revision
    from realmconf.runtime.client import Client
    from realmconf.runtime.lineages import Point
    from realmconf.stores.protocol import ReadView

PAGE_MAX = 64
"""Revisions that are read at once; the first few are read by fewer, since the answer is often among them."""


class Provenance(Record):
    """
    Where one value comes from.

    ``realm`` states it, and has since ``generation``, which ``author`` made at ``created_at`` with ``message``; of a
    value that several realms state in part, the nearest of them, and ``parts`` tells the rest.  All five are None
    where no realm that counts states it: it is masked, or absent with a ``default``.  The ``repr`` has no value:
    what a schema calls secret does not show in it.
    """

    pointer: Pointer
    value: Value | Absent
    """``ABSENT`` where nothing stands there any more: it is masked, or never was stated."""
    realm: RealmName | None
    generation: int | None
    author: str | None
    surface: str | None
    message: str | None
    created_at: str | None
    at_least: bool = False
    """The value is older than the kept history: the generation is the oldest that is known to have it."""
    shadowed: tuple[Provenance, ...] = ()
    """What further realms state there and this one's readers do not see, the nearest first."""
    masked_by: RealmName | None = None
    """The realm that does not take the value, for which there is none, or none of this one."""
    default: Value | Absent = ABSENT
    """What the schema says applies where nothing is stated; it is never stored."""
    parts: tuple[Provenance, ...] = ()
    """Of an object, or of an array put together from several realms: each leaf."""

    def __repr__(self) -> str:
        # Reprs end up in logs.
        value = repr(self.value) if self.value is ABSENT else "…"
        return (
            f"Provenance({str(self.pointer)!r}, value={value}, realm={self.realm!r}, "
            f"generation={self.generation}, shadowed={len(self.shadowed)}, masked_by={self.masked_by!r})"
        )


class VeiledProvenance(Unseen, Provenance):
    """Of a value that is withheld."""

    value = Unread(Provenance.value)

    def __repr__(self) -> str:
        return (
            f"Provenance({str(self.pointer)!r}, value=…, realm={self.realm!r}, "
            f"generation={self.generation}, shadowed={len(self.shadowed)}, masked_by={self.masked_by!r})"
        )


def explain(client: Client, point: Point, pointer: Pointer) -> Provenance:
    """See ``ConfigRuntime.explain``."""
    with client.store.view() as view:
        explainer = _Explainer(view, point)
        found = explainer.of(pointer)
        parts = tuple(map(explainer.of, explainer.parts_of(pointer)))
    if found.value is ABSENT and not found.shadowed and found.default is ABSENT:
        raise ValueNotFound(
            realm=point.realm, pointer=str(pointer), generation=point.head.generation
        )
    return _handed_out(found.replace(parts=parts))


def _handed_out(found: Provenance) -> Provenance:
    """*found* for whoever asked: what is withheld in it refuses to be read."""
    fields = {name: unread(found, name) for name in found.__fields__}
    fields["value"] = value = side(found.value)
    for name in ("shadowed", "parts"):
        fields[name] = tuple(map(_handed_out, fields[name]))
    return (VeiledProvenance if type(value) is Withheld else Provenance)(**fields)


class _Explainer:
    """Looks values up in the histories of a chain, each page of which is read once."""

    def __init__(self, view: ReadView, point: Point) -> None:
        self._view = view
        self._pages: dict[RealmName, list[Revision]] = {}
        self._heads = dict(zip(point.names, point.heads, strict=True))
        self._composed = point.composed
        self._tracer = Tracer(point.composed)
        self.parts_of = self._tracer.parts_of

    def of(self, pointer: Pointer) -> Provenance:
        """The provenance of the value at *pointer* as a whole."""
        composed = self._composed
        # Of the root even a realm without a document states something: nothing.
        found = [
            one
            for one in self._tracer.contributions(pointer)
            if one.member.revision is not None and one.member.revision.document is not None
        ]
        value = pointer.resolve(composed.config)
        default = composed.shape.at(pointer).default
        counting = [one for one in found if one.counts]
        others = tuple(
            self._stated(one, pointer)
            for one in found
            if not one.counts or (counting and one is not counting[0] and not _is_part(value))
        )
        if not counting:
            masks = [one.masked_by for one in found if one.masked_by is not None]
            return _nowhere(pointer, default).replace(
                shadowed=others, masked_by=masks[0] if masks else None
            )
        stated = self._stated(counting[0], pointer)
        return stated.replace(value=value, shadowed=others, default=default)

    def _stated(self, one: Contribution, pointer: Pointer) -> Provenance:
        realm = one.member.realm
        revision, at_least = self._since(realm, one.pointer)
        return Provenance(
            pointer=pointer,
            value=one.value,
            realm=realm,
            generation=revision.generation,
            author=revision.author,
            surface=revision.surface,
            message=revision.message,
            created_at=revision.created_at,
            at_least=at_least,
            masked_by=one.masked_by,
        )

    def _since(self, realm: RealmName, pointer: Pointer) -> tuple[Revision, bool]:
        """The newest revision of *realm* that changed what stands at *pointer*; whether it may be older still."""
        newer: Revision | None = None
        for revision in self._newest_first(realm):
            if newer is not None and not same(_at(newer, pointer), _at(revision, pointer)):
                return newer, False
            newer = revision
        assert newer is not None
        return newer, newer.generation > 1 and newer.previous != GENESIS

    def _newest_first(self, realm: RealmName) -> Iterator[Revision]:
        pages = self._pages.setdefault(realm, [self._heads[realm].revision])
        place = 0
        while True:
            if place == len(pages):
                try:
                    more = self._view.revisions(
                        realm,
                        before=pages[-1].generation,
                        limit=min(len(pages), PAGE_MAX),
                        newest_first=True,
                    )
                except HistoryCompacted:
                    return
                if not more:
                    return
                pages.extend(more)
            yield pages[place]
            place += 1


def _at(revision: Revision, pointer: Pointer) -> Any:
    return ABSENT if revision.document is None else pointer.resolve(revision.document)


def _is_part(value: Value | Absent) -> bool:
    """Whether *value* may be put together from what several realms state."""
    return isinstance(value, (dict, list))


def _nowhere(pointer: Pointer, default: Value | Absent) -> Provenance:
    return Provenance(
        pointer=pointer,
        value=ABSENT,
        realm=None,
        generation=None,
        author=None,
        surface=None,
        message=None,
        created_at=None,
        default=default,
    )
