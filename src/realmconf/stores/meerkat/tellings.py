"""
Revisions of another program's that a reader was told while that program was at work: they cannot be kept yet.

Decides how that is remembered, so that nobody is told a lower generation afterwards: a row beside the journal's keys,
which goes when something as new is kept.  A program that knows nothing of such rows is none the worse.
"""

from __future__ import annotations

import json

from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import apsw

    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision

PREFIX = "told:"
"""How the names of the rows begin; the realm's name follows."""


class Told(Record):
    """A revision that was told and not kept."""

    revision: Revision
    text: str
    """The keyed digest of the text that it stood in."""


def put(connection: apsw.Connection, realm: RealmName, told: Told, *, record: str) -> None:
    """Remember *told*, whose revision is kept as *record*, unless one as new is; in the transaction that is open."""
    generation = told.revision.generation
    stated = {"generation": generation, "text": told.text, "record": json.loads(record)}
    connection.execute(
        "INSERT INTO meta VALUES(?, ?) ON CONFLICT DO UPDATE SET value = excluded.value "
        "WHERE json_extract(value, '$.generation') < ?",
        (f"{PREFIX}{realm}", json.dumps(stated, ensure_ascii=False), generation),
    )


def forget(connection: apsw.Connection, realm: RealmName, generation: int) -> None:
    """Forget what was told of *realm* up to *generation*, which is kept now; in the transaction that is open."""
    connection.execute(
        "DELETE FROM meta WHERE name = ? AND json_extract(value, '$.generation') <= ?",
        (f"{PREFIX}{realm}", generation),
    )
