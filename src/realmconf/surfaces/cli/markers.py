"""
A merge that somebody has to decide, as text: both sides between conflict markers, as in git.

Decides how contested places look in a TOML text.  The markers are not TOML, so a text in which
something is left undecided cannot be taken for a document.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.record import Record
from realmconf.domain.toml import render
from realmconf.surfaces.cli.formats import toml_string, toml_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from realmconf.domain.pointer import Pointer

MINE, BETWEEN, THEIRS = "<<<<<<<", "=======", ">>>>>>>"


class Dispute(Record):
    """One contested place and what the two sides want there; ``ABSENT`` for a removal."""

    pointer: Pointer
    mine: Any
    theirs: Any
    whose: str
    """Who changed it on the other side, for the closing marker."""


def with_markers(
    merged: dict[str, Any], disputes: Iterable[Dispute], *, text: str | None, header: str | None
) -> str:
    """
    *merged* as TOML (with what it can keep of *text*), and both sides at each disputed place.

    ``model = "a"`` against ``model = "b"`` becomes::

        <<<<<<< yours
        model = "a"
        =======
        model = "b"
        >>>>>>> generation 7, ada@host
    """
    # A placeholder stands where a dispute is, so that rendering finds the line for it.
    waiting = {f"realmconf-dispute-{place}": one for place, one in enumerate(disputes)}
    document = merged
    for placeholder, one in waiting.items():
        document = _placed(document, one.pointer, placeholder)
    lines = []
    for line in render(document, text=text, header=header).splitlines(keepends=True):
        here = {name: one for name, one in waiting.items() if toml_string(name) in line}
        lines.append(_disputed(line.rstrip("\r\n"), here) if here else line)
    return "".join(lines)


def _disputed(line: str, here: dict[str, Dispute]) -> str:
    mine = theirs = line
    for placeholder, one in here.items():
        quoted = toml_string(placeholder)
        mine = _side(mine, quoted, one.mine, alone=len(here) == 1)
        theirs = _side(theirs, quoted, one.theirs, alone=len(here) == 1)
    whose = next(iter(here.values())).whose
    sides = [f"{MINE} yours", mine, BETWEEN, theirs, f"{THEIRS} {whose}"]
    return "".join(f"{side}\n" for side in sides if side)


def _side(line: str, quoted: str, value: Any, *, alone: bool) -> str:
    if value is ABSENT:
        # Inside an inline table the line cannot go without its neighbours.
        return "" if alone else line.replace(quoted, '""')
    return line.replace(quoted, toml_value(value))


def _placed(document: dict[str, Any], pointer: Pointer, value: Any) -> dict[str, Any]:
    key, *below = pointer
    inner = document.get(key)
    if below:
        from realmconf.domain.pointer import Pointer

        value = _placed(inner if isinstance(inner, dict) else {}, Pointer(below), value)
    return {**document, key: value}
