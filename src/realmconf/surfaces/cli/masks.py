"""
What a realm does not take of what it inherits: ``unset --mask`` and ``--unmask``.

Decides how the list in ``[realm.<own name>]`` changes, and what is said of a value that an ``unset`` left in
place.  What a mask does to a configuration is decided in ``domain.composition``.
"""

from __future__ import annotations

import shlex

from realmconf.domain.document import ABSENT
from realmconf.domain.lineage import SECTION, links, own_section
from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.provenance import Tracer
from realmconf.domain.write import Edit
from realmconf.errors import RealmconfError
from realmconf.runtime.arguments import inner_pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from realmconf.domain.composition import Composed
    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName

UNSET = "unset"


def mask(realm: Any, path: Pointer, options: dict[str, Any]) -> Any:
    """Take *path* out of the configuration: not inherited any more, and not stated either."""
    pointer, name = inner_pointer(path), realm.realm_id
    return realm.writing.carry_out_at(
        lambda view: _masking(name, _document(view, name), pointer),
        options,
        identity=["mask", str(pointer)],
    )


def unmask(realm: Any, path: Pointer, options: dict[str, Any]) -> Any:
    """Inherit again what is inherited at *path*."""
    pointer, name = inner_pointer(path), realm.realm_id
    return realm.writing.carry_out_at(
        lambda view: _unmasking(name, _document(view, name), pointer),
        options,
        identity=["unmask", str(pointer)],
    )


def _document(view: Any, name: RealmName) -> Document:
    revision = view.head(name).revision
    return {} if revision is None or revision.document is None else revision.document


def _listed(name: RealmName, document: Document) -> dict[str, Pointer]:
    """Each mask as the document writes it, and the place that it names."""
    own = own_section(name, document) or {}
    return dict(zip(own.get(UNSET, ()), links(name, document).unset, strict=True))


def _masking(name: RealmName, document: Document, pointer: Pointer) -> Edit:
    listed = _listed(name, document)
    if pointer in listed.values():
        return Edit(removals=(pointer,))
    place = Pointer((SECTION, name, UNSET))
    return Edit(assignments=((place, [*listed, str(pointer)]),), removals=(pointer,))


def _unmasking(name: RealmName, document: Document, pointer: Pointer) -> Edit:
    listed = _listed(name, document)
    if pointer not in listed.values():
        return Edit()
    place = Pointer((SECTION, name, UNSET))
    left = [text for text, other in listed.items() if other != pointer]
    if left:
        return Edit(assignments=((place, left),))
    # Sections that would be empty then were made for the mask.
    while len(place) > 1 and _is_alone(place, document):
        place = place.parent
    return Edit(removals=(place,))


def _is_alone(place: Pointer, document: Document) -> bool:
    """Whether the table that has *place* has nothing else."""
    table: Any = place.parent.resolve(document)
    return len(table) == 1


# --- what is said ------------------------------------------------------------------------


def what_is_left(result: Any, path: Pointer, *, masked: bool) -> Iterator[str]:
    """What a person should know who has unset *path* and still finds a value there."""
    try:
        composed = result.point.composed
    except RealmconfError:
        # Of what was written already: nothing that is said about it fails it.
        return
    if path.resolve(composed.config) is ABSENT:
        return
    givers = [
        one.member.realm
        for one in Tracer(composed).contributions(path)
        if one.counts and one.member.realm != composed.realm
    ]
    if not givers:
        return
    place = _maskable(composed, path)
    inherited = f"{path.dotted} is inherited from {givers[0]}"
    if place is None:
        yield f"{inherited}, as part of an array whose elements have no names to mask them by"
    elif masked and place == path:
        return
    else:
        yield f"{inherited}; to be without it: realmconf unset --mask {shlex.quote(place.dotted)}"


def _maskable(composed: Composed, path: Pointer) -> Pointer | None:
    """How a mask names what stands at *path*: elements of arrays by their keys; None where they have none."""
    value: Any = composed.config
    shape, place = composed.shape, ROOT
    for part in path:
        named = part
        if isinstance(value, list):
            element: Any = Pointer((part,)).resolve(value)
            key = shape.merge_key
            if key is None or not isinstance(element, dict) or key not in element:
                return None
            named = str(element[key])
        place = place.child(named)
        value = Pointer((part,)).resolve(value)
        shape = shape.step(part)
    return place
