"""
A configuration with everything that its schemas have a default for.

Decides which defaults apply where nothing is stated, for readers that expect every member to be there.  What is
filled in is stated by nobody, and is not to be written.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT, same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain.document import Document, Value
    from realmconf.domain.schemas.shape import Shape

_OBJECT = frozenset(("object",))


def filled(config: Document, shape: Shape) -> Document:
    """*config* with the default of every member that is not there; a section that is not there is filled too."""
    return _filled(config, shape, frozenset())


def _filled(config: Document, shape: Shape, above: frozenset[int]) -> Document:
    found = dict(config)
    for key in shape.keys:
        place = shape.member(key)
        value = found.get(key, ABSENT)
        if value is ABSENT:
            value = ABSENT if place.default_unless in config else _copied(place.default)
            # What refers to itself has a section in each section, without end.
            if value is ABSENT and place.types == _OBJECT and not place.sources & above:
                value = _filled({}, place, above | place.sources) or ABSENT
            elif isinstance(value, dict):
                value = _filled(value, place, above)
        elif isinstance(value, dict):
            value = _filled(value, place, above)
        if value is not ABSENT:
            found[key] = value
    return found


def unfilled(config: Document, composed: Document, shape: Shape) -> Document:
    """
    *config*, made from ``filled(composed)``, without what was filled in and is still the same.

    What *composed* has, and whatever differs from a default, stays.
    """
    return _unfilled(config, composed, filled(composed, shape))


def _unfilled(config: Document, composed: Document, shown: Document) -> Document:
    kept: Document = {}
    for key, value in config.items():
        stated, default = composed.get(key, ABSENT), shown.get(key, ABSENT)
        if isinstance(value, dict) and isinstance(default, dict):
            inner = _unfilled(value, stated if isinstance(stated, dict) else {}, default)
            if inner or isinstance(stated, dict) or (default and not value):
                kept[key] = inner
        elif stated is not ABSENT or default is ABSENT or not same(value, default):
            kept[key] = value
    return kept


def _copied(value: Any) -> Value:
    if isinstance(value, dict):
        # A null in a default stands for nothing, and no document has one.
        return {key: _copied(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    copied: Value = value
    return copied
