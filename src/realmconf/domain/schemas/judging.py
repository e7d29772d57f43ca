"""
Where a schema would tell what a secret is: whether a value fits is an answer about the value.

Decides which schemas nobody without the right to secrets may lay over one.  Refuses rather too much: what a branch that
may not apply says counts, also what it negates.  Knows nothing of whether a configuration fits, and of who asks.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import ROOT, Pointer, array_index
from realmconf.domain.schemas.shape import NOTHING, Shape
from realmconf.domain.schemas.subschemas import References
from realmconf.domain.secrets import Secrecy, looks_secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from realmconf.domain.document import Document, Value
    from realmconf.domain.schemas.subschemas import Subschema

JUDGING = frozenset(
    (
        "const",
        "enum",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "format",
        "contentEncoding",
        "contentMediaType",
        "contentSchema",
    )
)
"""Keywords whose verdict depends on a string or a number itself; its type, and that it is there, is shown anyway."""

_UNNAMED = "*"
"""A member whose name nobody knows, in a pointer."""
_ELEMENT = "-"
_LEGACY = "dependencies"
"""Not of this draft, and applied all the same."""

_SECRET_NAMES = (
    "api_key",
    "apikey",
    "api_keys",
    "private_key",
    "token",
    "secret",
    "password",
    "credential",
    "credentials",
)
"""What a pattern of names may mean."""


def judged(schema: Document, secrecy: Secrecy) -> Pointer | None:
    """
    A place at which *schema* would judge a secret, whether one stands there or not; None if there is none.

    By the places that schemas name.  What is said of members whose names nobody knows is for ``judged_in``.
    """
    shape = secrecy.shape or NOTHING
    own = Shape.of([schema])
    walk = _Walk(secrecy)
    is_secret = own.secret or shape.secret
    return walk.first([References(schema).root], (own, shape), ROOT, is_secret=is_secret)


def judged_in(schema: Document, config: Document, secrecy: Secrecy) -> Pointer | None:
    """A place in *config* at which *schema* would judge the secret that stands there; None if there is none."""
    root = _closure([References(schema).root])
    for place in secrecy.literals(config):
        applying = root
        for depth, part in enumerate(place):
            above = Pointer(place[:depth])
            if any(_compares(one, above.resolve(config), secrecy, above) for one in applying):
                return place
            applying = _closure(_below(applying, part))
        if any(map(_judges, applying)):
            return place
    return None


def _judges(schema: Subschema) -> bool:
    said = schema.said
    return any(
        keyword in said and (keyword != "format" or said["format"] != "password")
        for keyword in JUDGING
    )


def _compares(schema: Subschema, value: Value | Any, secrecy: Secrecy, at: Pointer) -> bool:
    """Whether *schema*, of an object or an array in which a secret stands, judges it as a whole."""
    if schema.said.get("uniqueItems") is True and isinstance(value, list):
        return True
    shapes = (NOTHING if secrecy.shape is None else _anywhere(secrecy.shape, at),)
    return _states_secret(schema, secrecy, at) or _merges_by_secret(schema, shapes, at)


def _anywhere(shape: Shape, at: Pointer) -> Shape:
    for part in at:
        shape = shape.anywhere(part)
    return shape


def _merges_by_secret(schema: Subschema, shapes: Iterable[Shape], at: Pointer) -> bool:
    """Whether elements are the same where a secret of theirs is: how many there are tells it."""
    key = schema.said.get("x-merge-key")
    if not isinstance(key, str):
        return False
    place = Pointer((*at, _ELEMENT, key))
    return _is_secret(place, [_anywhere(shape, Pointer((_ELEMENT, key))) for shape in shapes])


def _states_secret(schema: Subschema, secrecy: Secrecy, at: Pointer) -> bool:
    """Whether *schema* accepts a whole in which a secret of a certain value stands."""
    said = schema.said
    accepted = [said["const"]] if "const" in said else []
    accepted += said.get("enum", ())
    return any(secrecy.conceals(ABSENT if one is None else one, at) for one in accepted)


class _Walk:
    """Over all places that a schema speaks of, together with what is known to be secret there."""

    def __init__(self, secrecy: Secrecy) -> None:
        self._secrecy = secrecy
        self._seen: set[tuple[Any, ...]] = set()

    def first(
        self,
        given: Iterable[Subschema],
        shapes: tuple[Shape, ...],
        at: Pointer,
        *,
        is_secret: bool,
    ) -> Pointer | None:
        """The first place at or below *at* at which a secret is judged."""
        applying = _closure(given)
        state = (
            frozenset(id(one.raw) for one in applying),
            tuple(shape.said_by for shape in shapes),
            is_secret,
            # Below /realm names mean something else.
            at[:3] if at[:1] == ("realm",) else (),
        )
        if not applying or state in self._seen:
            return None
        self._seen.add(state)
        for schema in applying:
            if is_secret and (_judges(schema) or schema.said.get("uniqueItems") is True):
                return at
            if _states_secret(schema, self._secrecy, at) or _merges_by_secret(schema, shapes, at):
                return at
        for part, below in self._steps(applying, shapes):
            place = at.child(part)
            inner = tuple(shape.anywhere(part) for shape in shapes)
            inside = (is_secret and at[:1] != ("realm",)) or _is_secret(place, inner)
            if (
                part == _ELEMENT
                and any(one.said.get("uniqueItems") is True for one in applying)
                and self._has_secrets(below, inner, place, is_secret=inside)
            ):
                return at
            found = self.first(below, inner, place, is_secret=inside)
            if found is not None:
                return found
        return None

    def _steps(
        self, applying: list[Subschema], shapes: tuple[Shape, ...]
    ) -> Iterator[tuple[str, list[Subschema]]]:
        names: dict[str, None] = {}
        for one in applying:
            names |= dict.fromkeys(one.said.get("properties", ()))
            if "patternProperties" in one.said:
                names |= {
                    name: None for name in _SECRET_NAMES if any(True for _ in _matching(one, name))
                }
        for shape in shapes:
            names |= dict.fromkeys(shape.keys)
        for name in names:
            yield name, _members(applying, name)
        yield _UNNAMED, _unnamed(applying)
        yield _ELEMENT, _elements(applying)

    def _has_secrets(
        self,
        given: Iterable[Subschema],
        shapes: tuple[Shape, ...],
        at: Pointer,
        *,
        is_secret: bool,
        depth_left: int = 8,
    ) -> bool:
        """Whether what the schemas name at or below *at* is secret somewhere."""
        if is_secret or not depth_left:
            return is_secret
        applying = _closure(given)
        for part, below in self._steps(applying, shapes):
            inner = tuple(shape.anywhere(part) for shape in shapes)
            place = at.child(part)
            if (below or any(shape is not NOTHING for shape in inner)) and self._has_secrets(
                below,
                inner,
                place,
                is_secret=_is_secret(place, inner),
                depth_left=depth_left - 1,
            ):
                return True
        return False


def _is_secret(place: Pointer, shapes: Iterable[Shape]) -> bool:
    return looks_secret(place) or any(shape.secret for shape in shapes)


# --- what applies where -------------------------------------------------------------------


def _closure(given: Iterable[Subschema]) -> list[Subschema]:
    """All objects among *given* and what may be said of the same place by them, negated too; each once."""
    found: list[Subschema] = []
    seen: set[int] = set()
    waiting = list(given)
    while waiting:
        schema = waiting.pop()
        if not isinstance(schema.raw, dict) or id(schema.raw) in seen:
            continue
        seen.add(id(schema.raw))
        found.append(schema)
        waiting += schema.same_place()
        if "not" in schema.said:
            waiting.append(schema.at("not"))
        dependencies = schema.said.get(_LEGACY)
        if isinstance(dependencies, dict):
            waiting += [schema.at(_LEGACY, key) for key in dependencies]
    return found


def _matching(schema: Subschema, name: str) -> Iterator[Subschema]:
    from realmconf.domain.schemas.engine import matches

    for pattern in schema.said.get("patternProperties", ()):
        if matches(pattern, name):
            yield schema.at("patternProperties", pattern)


def _members(applying: Iterable[Subschema], name: str) -> list[Subschema]:
    found: list[Subschema] = []
    for one in applying:
        found += one.members(name)
        if "unevaluatedProperties" in one.said:
            found.append(one.at("unevaluatedProperties"))
    return found


def _unnamed(applying: Iterable[Subschema]) -> list[Subschema]:
    found: list[Subschema] = []
    for one in applying:
        found += one.listed("patternProperties")
        found += [
            one.at(keyword)
            for keyword in ("additionalProperties", "unevaluatedProperties")
            if keyword in one.said
        ]
    return found


def _elements(applying: Iterable[Subschema]) -> list[Subschema]:
    found: list[Subschema] = []
    for one in applying:
        found += one.elements(None)
        found += [
            one.at(keyword) for keyword in ("contains", "unevaluatedItems") if keyword in one.said
        ]
    return found


def _below(applying: list[Subschema], part: str) -> list[Subschema]:
    """What is said of the member or element *part*; of an element that may stand anywhere."""
    found = _members(applying, part)
    return found if array_index(part) is None else [*found, *_elements(applying)]
