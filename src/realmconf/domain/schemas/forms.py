"""
Which of several accepted forms a value was meant to have.

Decides whose violations are told where ``anyOf`` or ``oneOf`` does not hold: those of the form that has the
value's type, that its ``kind`` names, or of which the least is wrong.

    anyOf: [{type: string}, {type: object, required: [model]}]      for {}
    /model: it is required                                          only the second is an object
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from realmconf.domain.pointer import Pointer


class Found:
    """One violation: where, which keyword, and what the schema says there."""

    __slots__ = ("keyword", "place", "wanted")

    def __init__(self, place: Pointer, keyword: str, wanted: Any = None) -> None:
        self.place = place
        self.keyword = keyword
        self.wanted = wanted


def meant(keyword: str, branches: Sequence[Sequence[Found]], place: Pointer) -> Sequence[Found]:
    """What to say of a value at *place* that fits none of the *branches*: those of the one that was meant."""
    of_type = [
        branch
        for branch in branches
        if not any(one.keyword == "type" and one.place == place for one in branch)
    ]
    if not of_type:
        return [Found(place, "type", _types(branches, place))]
    if len(of_type) == 1:
        return of_type[0]
    # A value that must be one of a few tells which form is meant, as does that of one member: {"kind": "a", …}.
    tells = [
        {
            one.place
            for one in branch
            if one.keyword in ("const", "enum") and len(one.place) <= len(place) + 1
        }
        for branch in of_type
    ]
    common = set.intersection(*tells)
    if common:
        where = min(common)
        return [Found(where, "enum", _values(of_type, where))]
    told = [branch for branch, other in zip(of_type, tells, strict=True) if not other] or of_type
    shortest = min(map(len, told))
    best = [branch for branch in told if len(branch) == shortest]
    # Two forms of which the same is wrong are one to whoever has to mend it.
    if len({frozenset((one.place, one.keyword) for one in branch) for branch in best}) == 1:
        return best[0]
    return [Found(place, keyword)]


def _types(branches: Sequence[Sequence[Found]], place: Pointer) -> list[str]:
    types: list[str] = []
    for one in (one for branch in branches for one in branch):
        if one.keyword == "type" and one.place == place:
            types += [one.wanted] if isinstance(one.wanted, str) else one.wanted
    return types


def _values(branches: Sequence[Sequence[Found]], place: Pointer) -> list[Any]:
    values: list[Any] = []
    for one in (one for branch in branches for one in branch):
        if one.place == place and one.keyword in ("const", "enum"):
            wanted = [one.wanted] if one.keyword == "const" else one.wanted
            values += [value for value in wanted if value not in values]
    return values
