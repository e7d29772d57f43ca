"""
How text for people looks: colours, columns, changes.

Decides when there is colour (on a terminal, unless ``NO_COLOR`` or a dumb one) and that
nothing a document, author or message holds can steer the terminal.  Values arrive
here already redacted.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.unread import unread
from realmconf.errors import SchemaViolation
from realmconf.surfaces.cli.formats import toml_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, TextIO

    from realmconf.domain.diff import Change
    from realmconf.errors import RealmconfError
    from realmconf.surfaces.veil import Veil

_CODES = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "dim": "2", "bold": "1"}


def printable(text: str) -> str:
    """*text* with control characters written as escapes: it may come from anybody, and goes to a terminal."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


class Terminal:
    """Renders for one stream."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str]) -> None:
        self.interactive = stream.isatty()
        self._colourful = (
            self.interactive
            and not environment.get("NO_COLOR")
            and environment.get("TERM") != "dumb"
        )

    def paint(self, text: str, colour: str) -> str:
        """*text* in *colour*, where the stream has colours."""
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self._colourful and text else text

    def table(self, heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
        """Lines with aligned columns under a heading; the last column is as wide as it is."""
        cells = [[printable(cell) for cell in row] for row in rows]
        widths = [
            max(len(row[column]) for row in [heading, *cells]) for column in range(len(heading))
        ]
        widths[-1] = 0

        def line(row: Sequence[str]) -> str:
            return "  ".join(
                cell.ljust(width) for cell, width in zip(row, widths, strict=True)
            ).rstrip()

        return [self.paint(line([title.upper() for title in heading]), "dim"), *map(line, cells)]

    def changes(self, given: Iterable[Change], *, veil: Veil, indent: str = "") -> list[str]:
        """One line for each change: ``+ added``, ``- removed``, ``~ before → after``."""
        return [indent + self.change(change, veil=veil) for change in given]

    def change(self, change: Change, *, veil: Veil) -> str:
        """One change in one line."""
        pointer = change.pointer
        name = printable(pointer.dotted) or "(everything)"

        def shown(value: Any) -> str:
            return printable(toml_value(veil.over(value, pointer)))

        earlier, later = unread(change, "before"), unread(change, "after")
        if earlier is ABSENT:
            return self.paint(f"+ {name} = {shown(later)}", "green")
        if later is ABSENT:
            return self.paint(f"- {name} = {shown(earlier)}", "red")
        before, after = shown(earlier), shown(later)
        if before == after:
            # Both sides of a changed secret look the same.
            return self.paint(f"~ {name} = {after} (changed)", "yellow")
        return f"{self.paint('~', 'yellow')} {name} = {self.paint(before, 'red')} → {self.paint(after, 'green')}"


def moment(created_at: str) -> str:
    """An RFC 3339 time as people read it in a table: ``2026-03-01 12:30:05``, UTC."""
    return created_at[:19].replace("T", " ")


def violation_lines(violations: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line for each violation of a schema: where, and what is wrong there."""
    return [
        f"{printable(str(one['pointer'])) or '/'}: {printable(str(one['message']))}"
        for one in violations
    ]


def error_lines(error: RealmconfError) -> list[str]:
    """The text of *error*; where it is about a schema, with every violation on a line of its own."""
    if not isinstance(error, SchemaViolation):
        return [str(error)]
    of_realm = f" of realm {error.realm}" if error.realm else ""
    said = f"the configuration{of_realm} does not fit its schema"
    return [said, *violation_lines(error.violations)]
