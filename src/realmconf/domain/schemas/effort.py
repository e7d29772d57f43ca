"""
How much work a schema can make.

Decides which schemas are refused, though they are valid, because somebody could hold up everybody with them:
the library that applies them recurses, tries alternatives inside alternatives, and compiles patterns.

    d0: {allOf: [d1, d1]}, d1: {allOf: [d2, d2]}, …, d30      tries d30 a thousand million times
"""

from __future__ import annotations

from realmconf.domain.pointer import ROOT
from realmconf.errors import InvalidDocument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from realmconf.domain.pointer import Pointer
    from realmconf.domain.schemas.subschemas import Subschema

CHAIN_MAX = 64
"""References and combinations that lead from one to the next at one place: the library recurses once for each."""

COST_MAX = 20_000
"""Schemas that one path of a configuration may have to fit, each counted as often as it is tried."""

PATTERNS_MAX = 2_000
LARGE_PATTERNS_MAX = 16
"""Of those that take much memory, such as a counted repetition of letters of any language."""


def check_effort(root: Subschema, everything: Sequence[Subschema]) -> None:
    """
    Refuse a valid schema, given whole and as *everything* in it, that could take too long.

    Raises:
        InvalidDocument: Naming the place.
    """
    _check_chains(everything)
    _check_cost(root)
    _check_patterns(everything)


def _refuse(reason: str, where: Pointer) -> NoReturn:
    raise InvalidDocument(reason, pointer=str(where))


# --- patterns -------------------------------------------------------------------------------


def _check_patterns(schemas: Sequence[Subschema]) -> None:
    from realmconf.domain.schemas.engine import PATTERN_BYTES_USUAL, compiles

    patterns: dict[str, Pointer] = {}
    for schema in schemas:
        if "pattern" in schema.said:
            patterns.setdefault(schema.said["pattern"], schema.where.child("pattern"))
        for pattern in schema.said.get("patternProperties", ()):
            patterns.setdefault(pattern, schema.where.child("patternProperties").child(pattern))
    large = 0
    for number, (pattern, where) in enumerate(patterns.items()):
        if number == PATTERNS_MAX:
            _refuse(f"a schema has at most {PATTERNS_MAX} patterns", where)
        if not compiles(pattern, pattern_bytes=PATTERN_BYTES_USUAL):
            if not compiles(pattern):
                _refuse("the pattern is not understood, or it is too large", where)
            large += 1
        if large > LARGE_PATTERNS_MAX:
            _refuse(f"a schema has at most {LARGE_PATTERNS_MAX} large patterns", where)


# --- references and combinations ----------------------------------------------------------


def _check_chains(schemas: Sequence[Subschema]) -> None:
    """What leads from one schema to the next at one place comes to an end soon."""

    def again(schema: Subschema) -> NoReturn:
        _refuse("the schema refers to itself at one and the same place", schema.where)

    chains: dict[int, int] = {}
    for schema in schemas:
        _weigh(schema, chains, tried=_tried, weight=_chain, again=again)
        if chains.get(id(schema.raw), 0) > CHAIN_MAX:
            _refuse(f"more than {CHAIN_MAX} schemas refer to each other at one place", schema.where)


def _check_cost(root: Subschema) -> None:
    """No configuration takes long, though each alternative may have alternatives in it."""
    costs: dict[int, int] = {}
    # The library remembers what it found out for a schema that contains itself.
    _weigh(root, costs, tried=_tried_anywhere, weight=_cost, again=lambda _: None)
    if costs.get(id(root.raw), 0) > COST_MAX:
        _refuse("too many of its schemas would have to be tried at one place", ROOT)


def _weigh(
    start: Subschema,
    weights: dict[int, int],
    *,
    tried: Callable[[Subschema], list[Subschema]],
    weight: Callable[[Subschema, dict[int, int]], int],
    again: Callable[[Subschema], object],
) -> None:
    """
    Enter the *weight* of *start* and of all that is *tried* from it, the furthest first.

    *again* is told of a schema that leads to itself.
    """
    entered: set[int] = set()
    waiting = [(start, False)]
    while waiting:
        schema, done = waiting.pop()
        key = id(schema.raw)
        if done:
            weights[key] = weight(schema, weights)
            entered.remove(key)
        elif key in entered:
            again(schema)
        elif key not in weights and isinstance(schema.raw, dict):
            entered.add(key)
            waiting.append((schema, True))
            waiting += [(one, False) for one in tried(schema)]


def _tried(schema: Subschema) -> list[Subschema]:
    found = schema.same_place()
    return [*found, schema.at("not")] if "not" in schema.said else found


def _chain(schema: Subschema, chains: dict[int, int]) -> int:
    return 1 + max([chains.get(id(one.raw), 0) for one in _tried(schema)], default=0)


def _tried_anywhere(schema: Subschema) -> list[Subschema]:
    return [*_tried(schema), *schema.children()]


def _cost(schema: Subschema, costs: dict[int, int]) -> int:
    """How many schemas are tried, at worst, for the one member of one member … on which most are."""

    def cost(*keywords: str) -> list[int]:
        found = [one for keyword in keywords for one in schema.listed(keyword)]
        return [costs.get(id(one.raw), 1) for one in found]

    def single(*keywords: str) -> list[int]:
        return [costs.get(id(schema.said[word]), 1) for word in keywords if word in schema.said]

    here = sum([costs.get(id(one.raw), 1) for one in _tried(schema)])
    if "unevaluatedProperties" in schema.said or "unevaluatedItems" in schema.said:
        # To know what nothing else speaks of, everything else is tried again, and once more for its parts.
        here *= 3
    members = max(cost("properties") + single("additionalProperties"), default=0)
    members += sum(cost("patternProperties") + single("unevaluatedProperties", "propertyNames"))
    elements = max(cost("prefixItems") + single("items"), default=0)
    elements += sum(single("contains", "unevaluatedItems"))
    return 1 + here + max(members, elements)
