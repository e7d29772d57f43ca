"""
What the database remembers of the working copies: our own texts, and how far the last rendering came.

Decides nothing; two tables and their statements.  ``working_copy_text`` is the set
*ours*: every text that we wrote to a file, or took in from one, with its
generation.  It outlives the rendering, since a text that comes back later (a backup,
a checkout) is told from an edit by it.
"""

from __future__ import annotations

from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import apsw

    from realmconf.domain.workfile import Known

SCHEMA = """
CREATE TABLE IF NOT EXISTS working_copy (
    realm TEXT PRIMARY KEY COLLATE BINARY,
    seen INTEGER,
    text TEXT,
    digest BLOB,
    doubtful INTEGER NOT NULL DEFAULT 0,
    beside INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS working_copy_text (
    realm TEXT NOT NULL COLLATE BINARY,
    digest BLOB NOT NULL,
    generation INTEGER NOT NULL,
    rendering INTEGER NOT NULL,
    replaced INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (realm, digest, generation)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS working_copy_rendered ON working_copy_text (realm, generation);
"""

NO_FOLDER = b""
"""Stands for the digest of a text where there is not even a folder for one."""


class Standing(Record):
    """
    What is known of one realm's working copy, as of the last rendering.

    No stat of the file is kept: it would be as young as the rendering, and a stat
    is only to be trusted when the file was two seconds old at the time.
    """

    seen: int | None = None
    """The generation that the file was last known to be in step with."""
    text: str | None = None
    """The last text of the file that was ours or was taken in: the next rendering edits it."""
    digest: bytes | None = None
    """Of the rendering that was seen in place; None where that was an absent file."""
    doubtful: bool = False
    """
    The spare may hold somebody's edit: a process may have died after it exchanged the
    files and before it looked at what it got.  While this is False nothing of worth
    can be in the spare, whatever it looks like.
    """
    beside: bool = False
    """Something else may stand beside the file: set aside, or contested."""


def load(connection: apsw.Connection, realm: str) -> Standing | None:
    """What is known, or None if this realm was never rendered."""
    row = connection.execute(
        "SELECT seen, text, digest, doubtful, beside FROM working_copy WHERE realm = ?",
        (str(realm),),
    ).fetchone()
    if row is None:
        return None
    seen, text, digest, doubtful, beside = row
    return Standing(
        seen=seen, text=text, digest=digest, doubtful=bool(doubtful), beside=bool(beside)
    )


def known(connection: apsw.Connection, realm: str, digest: bytes) -> tuple[Known, ...]:
    """Everything that a text with this digest was to us."""
    # Here, because a handle that reads once asks ``stands`` and loads nothing that judges texts.
    from realmconf.domain.workfile import Known

    rows = connection.execute(
        "SELECT generation, rendering, replaced FROM working_copy_text WHERE realm = ? AND digest = ?",
        (str(realm), digest),
    )
    return tuple(
        Known(generation=generation, rendering=bool(rendering), replaced=bool(replaced))
        for generation, rendering, replaced in rows
    )


def stands(connection: apsw.Connection, realm: str, digest: bytes, *, generation: int) -> bool:
    """
    Whether a text with this digest is our rendering of *generation*, and nothing beside it waits to be looked at.

    No folder at all is right for a realm that was never written, nor any file of it recorded.
    """
    if digest == NO_FOLDER:
        return generation == 0 and load(connection, realm) is None
    found = connection.execute(
        "SELECT 1 FROM working_copy JOIN working_copy_text AS text USING (realm) "
        "WHERE realm = ?1 AND text.digest = ?2 AND generation = ?3 AND rendering "
        "AND NOT doubtful AND NOT beside",
        (str(realm), digest, generation),
    )
    return found.fetchone() is not None


def rendered_since(connection: apsw.Connection, realm: str, generation: int) -> tuple[int, ...]:
    """Generations whose rendering stood, or may have stood, in the file since *generation* did."""
    rows = connection.execute(
        "SELECT DISTINCT generation FROM working_copy_text "
        "WHERE realm = ? AND generation >= ? AND rendering ORDER BY generation",
        (str(realm), generation),
    )
    return tuple(found for (found,) in rows)


def intend(
    connection: apsw.Connection,
    realm: str,
    *,
    generation: int,
    digest: bytes | None,
    text: str | None,
) -> None:
    """
    Before the file changes: the new text is ours, and the spare's name may come to hold somebody's edit.

    ``seen`` stays: until the exchange is confirmed the old text may be what an editor loads.
    """
    if digest is not None:
        _insert_text(connection, realm, digest, generation, rendering=True)
    connection.execute(
        "INSERT INTO working_copy (realm, text, doubtful) VALUES (?1, ?2, 1) "
        "ON CONFLICT (realm) DO UPDATE SET text = ifnull(?2, text), doubtful = 1",
        (str(realm), text),
    )


def confirm(connection: apsw.Connection, realm: str, standing: Standing) -> None:
    """After the folder is durable: *standing* is how things are, and every older text of ours is replaced."""
    if standing.digest is not None and standing.seen is not None:
        _insert_text(connection, realm, standing.digest, standing.seen, rendering=True)
    connection.execute(
        "INSERT OR REPLACE INTO working_copy (realm, seen, text, digest, doubtful, beside) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            str(realm),
            standing.seen,
            standing.text,
            standing.digest,
            standing.doubtful,
            standing.beside,
        ),
    )
    connection.execute(
        "UPDATE working_copy_text SET replaced = 1 WHERE realm = ? AND generation < ? AND rendering AND NOT replaced",
        (str(realm), standing.seen),
    )
    # An edit that was taken in is a plain edit again if it comes back: it never was a
    # rendering, and its author may have missed what others wrote since.
    connection.execute(
        "DELETE FROM working_copy_text WHERE realm = ? AND generation <= ? AND NOT rendering",
        (str(realm), standing.seen),
    )


def tidy(connection: apsw.Connection, realm: str, *, beside: bool) -> None:
    """The spare and the shelf were looked through; *beside*: something is still there, or contested."""
    connection.execute(
        "UPDATE working_copy SET doubtful = 0, beside = ? WHERE realm = ?", (beside, str(realm))
    )


def take_in(
    connection: apsw.Connection, realm: str, *, digest: bytes, generation: int, text: str | None
) -> None:
    """
    Somebody's text became, or already was, *generation*: it is ours now, and to be rendered over.

    *text* is kept as the base of the next rendering, so that its comments live on.
    """
    _insert_text(connection, realm, digest, generation, rendering=False)
    connection.execute(
        "INSERT INTO working_copy (realm, text) VALUES (?1, ?2) "
        "ON CONFLICT (realm) DO UPDATE SET text = ifnull(?2, text)",
        (str(realm), text),
    )


def disown(connection: apsw.Connection, realm: str, *, digest: bytes, text: str | None) -> None:
    """A person has settled this text: it is to be rendered over, whatever it says; *text* as in ``take_in``."""
    take_in(connection, realm, digest=digest, generation=0, text=text)


def restyle(connection: apsw.Connection, realm: str, *, generation: int, text: str) -> None:
    """
    *text* is the base of the next rendering of *generation*, which is due even if one stands already.

    The one that stands is ours still, and to be rendered over.
    """
    connection.execute(
        "INSERT INTO working_copy (realm, text) VALUES (?1, ?2) "
        "ON CONFLICT (realm) DO UPDATE SET text = ?2",
        (str(realm), text),
    )
    connection.execute(
        "UPDATE working_copy_text SET rendering = 0 WHERE realm = ? AND generation = ?",
        (str(realm), generation),
    )


def forget(connection: apsw.Connection, realm: str, *, generation: int) -> None:
    """
    The document of *generation* is gone, and no file has a text of it: one is a plain edit if it comes back.
    """
    connection.execute(
        "DELETE FROM working_copy_text WHERE realm = ? AND generation = ?",
        (str(realm), generation),
    )


def drop_text(connection: apsw.Connection, realm: str, *, generation: int) -> None:
    """Let no rendering start from a text that may be of *generation*, nor the record keep it."""
    # The last text is of the generation that the file is in step with or of a newer one;
    # without a file, of whichever was the last that had one.
    connection.execute(
        "UPDATE working_copy SET text = NULL "
        "WHERE realm = ? AND (seen IS NULL OR seen <= ? OR digest IS NULL)",
        (str(realm), generation),
    )


def forget_below(connection: apsw.Connection, realm: str, *, floor: int) -> None:
    """
    The revisions below *floor* are gone, and with them what their texts were.

    Not while something stands beside the file: if it is one of them, it would be taken for an edit.
    """
    connection.execute(
        "DELETE FROM working_copy_text WHERE realm = ?1 AND generation < ?2 AND replaced "
        "AND NOT EXISTS (SELECT 1 FROM working_copy WHERE realm = ?1 AND (doubtful OR beside))",
        (str(realm), floor),
    )


def carry(connection: apsw.Connection, old: str, new: str) -> None:
    """Let the first rendering of *new* start from the text of *old*."""
    connection.execute(
        "INSERT OR IGNORE INTO working_copy (realm, text) SELECT ?, text FROM working_copy WHERE realm = ?",
        (str(new), str(old)),
    )


def _insert_text(
    connection: apsw.Connection, realm: str, digest: bytes, generation: int, *, rendering: bool
) -> None:
    connection.execute(
        "INSERT INTO working_copy_text (realm, digest, generation, rendering) VALUES (?1, ?2, ?3, ?4) "
        "ON CONFLICT (realm, digest, generation) DO UPDATE SET replaced = 0, rendering = max(rendering, ?4)",
        (str(realm), digest, generation, rendering),
    )
