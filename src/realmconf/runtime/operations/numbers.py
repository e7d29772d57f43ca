"""
JSON numbers that come back: one that equals the stored one keeps the stored type.

Many JSON writers turn ``1.0`` into ``1``; whoever sends back what they have read must change nothing by it.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import Pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def with_stored_number_types(value: Any, stored: Any) -> Any:
    """*value* with every number that equals the one *stored* at the same place written as that one."""
    # No deeper than what is stored, which is within the limits; *value* has not been checked yet.
    if isinstance(value, dict) and isinstance(stored, dict):
        return {
            key: with_stored_number_types(item, stored.get(key, ABSENT))
            for key, item in value.items()
        }
    if isinstance(value, list) and isinstance(stored, list):
        return [
            with_stored_number_types(item, _element(stored, place))
            for place, item in enumerate(value)
        ]
    return stored if _is_number(value) and _is_number(stored) and value == stored else value


def operations_with_stored_number_types(
    operations: Sequence[dict[str, Any]], stored: Any
) -> list[dict[str, Any]]:
    """The same for the values of a JSON Patch whose form was checked."""

    def typed(operation: dict[str, Any]) -> dict[str, Any]:
        if "value" not in operation:
            return operation
        place = Pointer.parse_json_pointer(operation["path"])
        if operation["op"] == "add" and isinstance(place.parent.resolve(stored), list):
            # What stands at the place of an insertion is another element.
            return operation
        there = place.resolve(stored)
        return {**operation, "value": with_stored_number_types(operation["value"], there)}

    return [typed(one) for one in operations]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _element(value: list[Any], place: int) -> Any:
    return value[place] if place < len(value) else ABSENT
