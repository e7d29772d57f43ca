"""
An arrival in parts, where an engine takes only so much at once.

Decides where it is parted: schemas come before what names them, steps in their order, receipts after what they tell of.
A realm that arrives lives elsewhere until it is all here, so that nobody takes a part of it for the whole.
"""

from __future__ import annotations

from realmconf.domain.document import canonical_bytes
from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.stores.protocol import Arrival

    Piece = TypeVar("Piece")


class AtOnce(Record):
    """How much of an arrival an engine takes in one write."""

    pieces: int
    """Revisions, or receipts, or schemas."""
    bytes: int
    """Of documents and schemas; one alone may be more."""


def parts_of(arrival: Arrival, at_once: AtOnce | None) -> Iterator[Arrival]:
    """*arrival* as one, or as several to be taken in one after the other."""
    if at_once is None:
        yield arrival
        return
    bare = arrival.replace(steps=(), receipts=(), schemas={}, keys={})
    listed = [
        (realm, digest, schema)
        for realm, schemas in arrival.schemas.items()
        for digest, schema in schemas.items()
    ]
    for schemas in _groups(listed, at_once, lambda one: _size(one[2])):
        by_realm: dict[RealmName, dict[str, Document]] = {}
        for realm, digest, schema in schemas:
            by_realm.setdefault(realm, {})[digest] = schema
        yield _of(bare.replace(schemas=by_realm), set(by_realm))
    for steps in _groups(arrival.steps, at_once, lambda step: _size(step.revision.document)):
        yield _of(bare.replace(steps=steps), {step.realm for step in steps})
    keyed = bare.replace(keys=arrival.keys)
    for receipts in _groups(arrival.receipts, at_once, lambda _: 0):
        yield _of(keyed.replace(receipts=receipts), {one.realm for one in receipts})
    if not (listed or arrival.steps or arrival.receipts):
        yield arrival


def _of(part: Arrival, realms: set[RealmName]) -> Arrival:
    return part.replace(floors={realm: part.floors[realm] for realm in realms})


def _size(document: Document | None) -> int:
    return 0 if document is None else len(canonical_bytes(document))


def _groups(
    pieces: Sequence[Piece], at_once: AtOnce, size_of: Callable[[Piece], int]
) -> Iterator[list[Piece]]:
    group: list[Piece] = []
    total = 0
    for piece in pieces:
        size = size_of(piece)
        if group and (len(group) >= at_once.pieces or total + size > at_once.bytes):
            yield group
            group, total = [], 0
        group.append(piece)
        total += size
    if group:
        yield group
