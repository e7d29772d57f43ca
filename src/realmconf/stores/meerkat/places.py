"""
Realms whose files are not where their history is: they live in another store, or are about to be rendered.

Decides how that is kept: a row beside the journal's keys, which programs from before there were such rows refuse to
pass over.  What the files of such a realm mean is ``standing``'s to say.
"""

from __future__ import annotations

import json

from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    import apsw

    from realmconf.domain.names import RealmName

    FileState: TypeAlias = tuple[str, int | None]
    """The keyed digest of a text and the number beside it, None where there is none."""

FORMAT = 2
"""Of a journal with such rows; one that never had any is still of the first."""
PREFIX = "place:"
"""How the names of the rows begin; the realm's name follows."""


class Place(Record):
    """Where a realm lives, and what stood in its files when it was last certain that nobody else had written them."""

    to: str | None
    """The URL of the store that it lives in; None: in this one, and its files are to be rendered."""
    kept: tuple[FileState, ...]
    """What may stand in the files without being anybody's words but ours, or those that stayed behind knowingly."""
    generation: int
    """The newest when it left; 0 if it had never been here."""


def parsed(value: object) -> Place | None:
    """What a row says; None for no row."""
    if value is None:
        return None
    stated = json.loads(str(value))
    return Place(
        to=stated["to"],
        kept=tuple((text, number) for text, number in stated["kept"]),
        generation=stated["generation"],
    )


def find(connection: apsw.Connection, realm: RealmName) -> Place | None:
    """The row of *realm*."""
    row = connection.execute(
        "SELECT value FROM meta WHERE name = ?", (f"{PREFIX}{realm}",)
    ).fetchone()
    return None if row is None else parsed(row[0])


def lives_elsewhere(connection: apsw.Connection, realm: RealmName) -> bool:
    """Whether *realm* is written by nobody here."""
    found = find(connection, realm)
    return found is not None and found.to is not None


def put(connection: apsw.Connection, realm: RealmName, place: Place) -> None:
    """Keep *place*, in the transaction that is open."""
    stated = {"to": place.to, "kept": place.kept, "generation": place.generation}
    connection.execute(
        "UPDATE meta SET value = max(value, ?) WHERE name = 'format'",
        (FORMAT,),
    )
    connection.execute(
        "INSERT OR REPLACE INTO meta VALUES(?, ?)",
        (f"{PREFIX}{realm}", json.dumps(stated, ensure_ascii=False)),
    )


def remove(connection: apsw.Connection, realm: RealmName) -> None:
    """Take the row of *realm* away, in the transaction that is open."""
    connection.execute("DELETE FROM meta WHERE name = ?", (f"{PREFIX}{realm}",))


def clear(connection: apsw.Connection, realm: RealmName) -> None:
    """The files of *realm*, which lives here, say what its history does: nothing is to be rendered any more."""
    found = find(connection, realm)
    if found is not None and found.to is None:
        remove(connection, realm)
