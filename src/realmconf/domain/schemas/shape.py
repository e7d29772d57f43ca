"""
What JSON Schemas say of one place: how it merges, whether it is secret, its type and default.

Decides what holds where several schemas, and several parts of one, speak of the same place.  A branch that
may or may not apply (``anyOf``, ``if``) counts as applying, so that no secret is missed.  Knows nothing
of whether a configuration fits.  Everything is found out when it is asked for, and then remembered.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import array_index
from realmconf.domain.schemas.subschemas import ALTERNATIVES, References, closure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from realmconf.domain.document import Absent, Document, Value
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.schemas.subschemas import Subschema

CHILDREN_KEPT = 4_096
"""Places below one that are remembered."""

MERGES = ("append", "replace")
"""What ``x-merge`` may say."""

_APPENDED = "-"
"""How a JSON Pointer writes the element behind the last."""

_TYPES_DEPTH = 32


class Shape:
    """What schemas, which passed ``check_schema``, say of one place. Immutable; ``Shape.of`` makes it."""

    __slots__ = ("_applying", "_children", "_given", "_mentions")

    def __init__(self, given: tuple[Subschema, ...], mentions: _Mentions) -> None:
        self._given = given
        self._applying = closure(given)
        self._mentions = mentions
        self._children: dict[object, Shape] = {}

    @classmethod
    def of(cls, schemas: Iterable[Document]) -> Shape:
        """The root place under *schemas*; where several decide something, the last one does."""
        documents = tuple(schemas)
        if not documents:
            return NOTHING
        return cls(
            tuple([References(document).root for document in documents]), _Mentions(documents)
        )

    def __repr__(self) -> str:
        return f"Shape({', '.join([str(schema.where) or '/' for schema in self._applying])})"

    # --- other places --------------------------------------------------------------------

    def member(self, key: str) -> Shape:
        """The place of the member *key* of an object."""
        child = self._children.get(key)
        return self._keep(key, self._members(key)) if child is None else child

    def element(self, index: int | None) -> Shape:
        """The place of an element of an array; None is an element that has no number yet."""
        child = self._children.get(index)
        return self._keep(index, self._elements(index)) if child is None else child

    def step(self, part: str) -> Shape:
        """The place that *part* of a pointer leads to, be it a member's or an element's."""
        index = array_index(part)
        if index is None and part != _APPENDED:
            return self.member(part)
        # A tuple is neither a key nor an index.
        child = self._children.get((part,))
        if child is None:
            child = self._keep((part,), [*self._members(part), *self._elements(index)])
        return child

    def anywhere(self, part: str) -> Shape:
        """As ``step``, of an element that may stand at any index: elements move, and what holds of one may of any."""
        if array_index(part) is None and part != _APPENDED:
            return self.member(part)
        child = self._children.get((part, None))
        if child is None:
            child = self._keep((part, None), [*self._members(part), *self._elements(None)])
        return child

    def at(self, pointer: Pointer) -> Shape:
        """The place *pointer* below this one."""
        shape = self
        for part in pointer:
            shape = shape.step(part)
        return shape

    def _keep(self, step: object, given: list[Subschema]) -> Shape:
        child = Shape(tuple(given), self._mentions) if given else NOTHING
        if not child._applying:
            child = NOTHING
        if self is not NOTHING:
            if len(self._children) >= CHILDREN_KEPT:
                self._children.clear()
            self._children[step] = child
        return child

    def _members(self, key: str) -> list[Subschema]:
        return self._below("unevaluatedProperties", lambda schema: schema.members(key))

    def _elements(self, index: int | None) -> list[Subschema]:
        found = self._below("unevaluatedItems", lambda schema: schema.elements(index))
        return [
            *found,
            *[schema.at("contains") for schema in self._applying if "contains" in schema.said],
        ]

    def _below(
        self, unevaluated: str, direct: Callable[[Subschema], list[Subschema]]
    ) -> list[Subschema]:
        """What is said of a place below by *direct*, and by the keyword *unevaluated* where nothing surely is."""
        found: list[Subschema] = []
        for schema in self._applying:
            found += direct(schema)
            if unevaluated in schema.said and not any(map(direct, closure([schema], certain=True))):
                found.append(schema.at(unevaluated))
        return found

    # --- what is said of this one --------------------------------------------------------

    @property
    def secret(self) -> bool:
        """Whether what stands here is a secret: ``writeOnly``, ``format: password`` or ``x-secret``."""
        return any(calls_secret(schema.said) for schema in self._applying)

    @property
    def merge(self) -> str | None:
        """``append``, ``replace``, or None where nothing is said."""
        said = self._merging().get("x-merge")
        return said if said in MERGES else None

    @property
    def merge_key(self) -> str | None:
        """The name of the member that tells which elements are the same."""
        return self._merging().get("x-merge-key")

    def _merging(self) -> dict[str, Any]:
        """The outweighing schema that speaks of merging; it decides all of it."""
        for schema in reversed(self._applying):
            if "x-merge" in schema.said or "x-merge-key" in schema.said:
                return schema.said
        return {}

    @property
    def default(self) -> Value | Absent:
        """What applies where nothing is stated; a null is no value of a document, so it is none."""
        value = self._last("default")
        return ABSENT if value is None else value

    @property
    def default_unless(self) -> str | None:
        """The member beside this one that, where it is stated, is in the default's stead (``x-default-unless``)."""
        return self._last("x-default-unless")

    @property
    def title(self) -> str | None:
        """What a person calls the place."""
        return self._last("title")

    @property
    def description(self) -> str | None:
        """What a person is told of the place."""
        return self._last("description")

    def _last(self, keyword: str) -> Value | None:
        for schema in reversed(self._applying):
            if keyword in schema.said:
                return schema.said[keyword]
        return None

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of members that the schemas list."""
        found: dict[str, None] = {}
        for schema in self._applying:
            found |= dict.fromkeys(schema.said.get("properties", ()))
        return tuple(found)

    @property
    def types(self) -> frozenset[str]:
        """The JSON types, without ``null``, that what stands here may have; empty if any."""
        common: frozenset[str] | None = None
        for schema in self._given:
            allowed = _types(schema, {}, _TYPES_DEPTH)
            # Of schemas that contradict each other the last one is right.
            common = _both(common, allowed) or allowed
        return (common or frozenset()) - {"null"}

    @property
    def sources(self) -> frozenset[int]:
        """Which schemas list members here: one of them is also one of those above, where it refers to itself."""
        return frozenset(id(schema.raw) for schema in self._applying if "properties" in schema.said)

    @property
    def said_by(self) -> frozenset[int]:
        """What says anything of this place: of two places with the same, the same holds."""
        return frozenset(id(schema.raw) for schema in self._applying)

    @property
    def has_secrets(self) -> bool:
        """Whether the schemas call anything secret, here or elsewhere."""
        return self._mentions.secrets

    @property
    def has_merges(self) -> bool:
        """Whether the schemas have a rule of merging, here or elsewhere."""
        return self._mentions.merges


# --- anywhere in the schemas --------------------------------------------------------------


class _Mentions:
    """Whether schemas speak of secrets and of merging at all; most do not, and then nobody need look closer."""

    __slots__ = ("_documents", "_merges", "_secrets")

    def __init__(self, documents: tuple[Document, ...]) -> None:
        self._documents = documents
        self._secrets: bool | None = None
        self._merges: bool | None = None

    @property
    def secrets(self) -> bool:
        if self._secrets is None:
            self._secrets = self._any(calls_secret)
        return self._secrets

    @property
    def merges(self) -> bool:
        if self._merges is None:
            self._merges = self._any(lambda said: "x-merge" in said or "x-merge-key" in said)
        return self._merges

    def _any(self, speaks: Callable[[dict[str, Any]], bool]) -> bool:
        waiting: list[Any] = list(self._documents)
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                if speaks(value):
                    return True
                waiting += value.values()
            elif isinstance(value, list):
                waiting += value
        return False


def calls_secret(said: dict[str, Any]) -> bool:
    """Whether the keywords of one schema say that what they speak of is a secret."""
    return (
        said.get("writeOnly") is True
        or said.get("x-secret") is True
        or said.get("format") == "password"
    )


# --- types ------------------------------------------------------------------------------


def _types(
    schema: Subschema, known: dict[int, frozenset[str] | None], depth_left: int
) -> frozenset[str] | None:
    """The types that *schema* allows; None if it allows any, or it cannot be told."""
    said = schema.said
    if id(schema.raw) in known or not depth_left:
        return known.get(id(schema.raw))
    # What refers to itself says nothing by that.
    known[id(schema.raw)] = None
    allowed = _own_types(said)
    for one in schema.certain():
        allowed = _both(allowed, _types(one, known, depth_left - 1))
    for keyword in ALTERNATIVES:
        if keyword in said:
            branches = [_types(one, known, depth_left - 1) for one in schema.listed(keyword)]
            if None not in branches:
                allowed = _both(allowed, frozenset().union(*[one for one in branches if one]))
    known[id(schema.raw)] = allowed
    return allowed


def _own_types(said: dict[str, Any]) -> frozenset[str] | None:
    if "type" in said:
        return frozenset([said["type"]] if isinstance(said["type"], str) else said["type"])
    if "const" in said:
        return frozenset([json_type(said["const"])])
    if "enum" in said:
        return frozenset(map(json_type, said["enum"]))
    return None


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """What two sets of types allow together: an integer is a number."""
    if one is None or other is None:
        return other if one is None else one
    common = one & other
    if ("integer" in one and "number" in other) or ("number" in one and "integer" in other):
        common |= {"integer"}
    return common


_JSON_TYPES = (
    # A boolean is an integer to Python, so it comes first.
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)


def json_type(value: Value | None) -> str:
    """What JSON Schema calls the type of *value*."""
    return next((name for kind, name in _JSON_TYPES if isinstance(value, kind)), "null")


NOTHING = Shape((), _Mentions(()))
"""Where no schema says anything; so it is everywhere below."""
