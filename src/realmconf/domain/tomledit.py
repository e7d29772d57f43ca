"""
The one place that edits TOML text: everything the library ``tomlrt`` is used for.

Turns a text into one that states another document with as little change as
possible.  Promises nothing about the result: ``toml.render`` reads it again and
throws it away if it is not what was wanted.
"""

from __future__ import annotations

from realmconf.domain.document import same
from realmconf.domain.toml import date_like, date_text, is_date

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain.document import Document


def fresh(document: Document) -> str:
    """*document* as TOML that nobody has touched yet."""
    import tomlrt

    return tomlrt.dumps(document)


def compact(document: Document) -> str:
    """*document* with a line for each top-level key: a text no longer than a small multiple of its JSON."""
    import tomlrt

    tree = tomlrt.Document()
    for key, value in document.items():
        tree[key] = value
    return tomlrt.dumps(tree)


_TREES_KEPT = 16

_trees: dict[str, Any] = {}
"""Parsed texts that are likely to be edited again: parsing costs more than the rest of an edit."""


def edited(text: str, document: Document) -> str | None:
    """*text* changed so that it states *document*, or None where the library refuses."""
    import tomlrt

    try:
        # Taken out, not looked up: editing changes it.
        tree = _trees.pop(text, None) or tomlrt.loads(text)
        _edit_table(tree, document, sections=True)
        result = tomlrt.dumps(tree)
    except (tomlrt.TOMLError, ValueError, TypeError, LookupError, RecursionError):
        return None
    if len(_trees) >= _TREES_KEPT:
        _trees.clear()
    _trees[result] = tree
    return result


def _edit_table(table: Any, wanted: dict[str, Any], *, sections: bool) -> None:
    for key in [key for key in table if key not in wanted]:
        del table[key]
    for key, value in wanted.items():
        if key not in table:
            table[key] = _new(value, sections=sections)
        else:
            _edit_entry(table, key, value, sections=sections)


def _edit_entry(container: Any, key: Any, wanted: Any, *, sections: bool) -> None:
    """Make ``container[key]`` *wanted* in place if its kind stays, else replace it."""
    import tomlrt

    present = container[key]
    if isinstance(present, tomlrt.Table) and isinstance(wanted, dict):
        inline = present.is_inline
        _edit_table(present, wanted, sections=sections and not inline)
    elif isinstance(present, (tomlrt.AoT, tomlrt.Array)) and isinstance(wanted, list):
        _edit_array(container, key, present, wanted, sections=sections)
    elif is_date(present):
        if not (isinstance(wanted, str) and date_text(present) == wanted):
            date = date_like(wanted, present) if isinstance(wanted, str) else None
            container[key] = _new(wanted, sections=sections) if date is None else date
    elif not same(present, wanted):
        container[key] = _new(wanted, sections=sections)


def _edit_array(
    container: Any, key: Any, present: Any, wanted: list[Any], *, sections: bool
) -> None:
    import tomlrt

    of_tables = isinstance(present, tomlrt.AoT)
    if of_tables and not (wanted and all(isinstance(item, dict) for item in wanted)):
        container[key] = _new(wanted, sections=sections)
        return
    start, end = _common_ends(present, wanted)
    overlap = min(len(present) - end, len(wanted) - end)
    for index in range(start, overlap):
        if of_tables:
            _edit_table(present[index], wanted[index], sections=True)
        else:
            _edit_entry(present, index, wanted[index], sections=False)
    for _ in range(len(present) - end - overlap):
        del present[overlap]
    for index in range(overlap, len(wanted) - end):
        present.insert(index, _new(wanted[index], sections=of_tables))


def _common_ends(present: Any, wanted: list[Any]) -> tuple[int, int]:
    """How many items are the same at the start, and then at the end: they keep their comments."""
    length_min = min(len(present), len(wanted))
    start = 0
    while start < length_min and _states(present[start], wanted[start]):
        start += 1
    end = 0
    while end < length_min - start and _states(present[-1 - end], wanted[-1 - end]):
        end += 1
    return start, end


def _states(present: Any, wanted: Any) -> bool:
    """Whether the part of a text states *wanted*, its date-times read as text."""
    if isinstance(present, dict):
        return (
            isinstance(wanted, dict)
            and present.keys() == wanted.keys()
            and all(_states(present[key], wanted[key]) for key in present)
        )
    if isinstance(present, list):
        return (
            isinstance(wanted, list)
            and len(present) == len(wanted)
            and all(map(_states, present, wanted))
        )
    return same(date_text(present) if is_date(present) else present, wanted)


def _new(value: Any, *, sections: bool) -> Any:
    """A value for the library: tables get headers of their own where the place allows them."""
    import tomlrt

    if sections and isinstance(value, dict):
        return tomlrt.Table.section({key: _new(item, sections=True) for key, item in value.items()})
    if (
        sections
        and isinstance(value, list)
        and value
        and all(isinstance(item, dict) for item in value)
    ):
        return tomlrt.AoT([_new(item, sections=True) for item in value])
    return value
