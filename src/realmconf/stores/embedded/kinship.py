"""
What the database keeps of kinship: the parent that each realm's head names, and the schemas it ever had.

Decides nothing; a column, two tables and their statements.  The column is an index of what the documents
say and is kept in the same transaction as they are.  Stores that an earlier build made have neither until
somebody opens them to write.
"""

from __future__ import annotations

import apsw

from realmconf.domain.document import canonical_bytes, load_document
from realmconf.domain.lineage import parent_of
from realmconf.stores.embedded.database import connect, explain, trusted_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName

KEPT = "kinship"
"""Under this key ``meta`` says that all this is there."""

SCHEMA = f"""
ALTER TABLE realm ADD COLUMN parent TEXT;
CREATE INDEX realm_parent ON realm(parent) WHERE parent IS NOT NULL;
CREATE TABLE schema(digest TEXT PRIMARY KEY, text TEXT NOT NULL);
-- What a realm had once is never removed: what a schema called secret stays secret.
CREATE TABLE realm_schema(
    realm INTEGER NOT NULL,
    digest TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY(realm, digest)
) WITHOUT ROWID;
INSERT INTO meta VALUES('{KEPT}', 1);
"""


def is_kept(connection: apsw.Connection) -> bool:
    """Whether the store has all this, at the point that *connection* sees."""
    return connection.execute("SELECT 1 FROM meta WHERE key = ?", (KEPT,)).get is not None


def add(connection: apsw.Connection) -> None:
    """Let a store that an earlier build made keep it from now on, in one transaction. The turn is held."""
    try:
        # Inside: an interrupt right after it must not leave the transaction open.
        connection.execute("BEGIN IMMEDIATE")
        if not is_kept(connection):
            connection.execute(SCHEMA)
            for key, _, parent in list(stated_parents(connection)):
                set_parent(connection, key, parent)
        connection.execute("COMMIT")
    except BaseException:
        if not connection.get_autocommit():
            connection.execute("ROLLBACK")
        raise


# --- parents ---------------------------------------------------------------------


def stated_parents(connection: apsw.Connection) -> Iterator[tuple[int, RealmName, RealmName]]:
    """Key and name of each realm whose document names a parent, and that parent; from the documents themselves."""
    rows = connection.execute(
        "SELECT id, name, (SELECT document FROM revision WHERE realm = realm.id ORDER BY generation DESC LIMIT 1) "
        "FROM realm"
    )
    for key, name, text in rows:
        # Most name none, and need not be parsed to see it.
        if text is not None and '"parent":' in text:
            parent = parent_of(name, load_document(text))
            if parent is not None:
                yield key, trusted_name(name), parent


def set_parent(connection: apsw.Connection, key: int, parent: RealmName | None) -> None:
    """Note which parent the head's document names."""
    connection.execute(
        "UPDATE realm SET parent = ? WHERE id = ?", (None if parent is None else str(parent), key)
    )


def select_children(connection: apsw.Connection, realm: RealmName) -> list[RealmName]:
    """The realms that name *realm* as their parent, by name."""
    rows = connection.execute(
        "SELECT name FROM realm WHERE parent = ? ORDER BY name COLLATE BINARY", (str(realm),)
    )
    return [trusted_name(name) for (name,) in rows]


# --- schemas ---------------------------------------------------------------------


def insert_schemas(connection: apsw.Connection, key: int, schemas: Mapping[str, Document]) -> None:
    """Keep *schemas*, by digest, beside the realm; those that it has already stay as they are."""
    for digest, schema in schemas.items():
        connection.execute(
            "INSERT OR IGNORE INTO schema VALUES(?, ?)", (digest, canonical_bytes(schema).decode())
        )
        connection.execute(
            "INSERT OR IGNORE INTO realm_schema "
            "SELECT ?1, ?2, 1 + (SELECT ifnull(max(number), 0) FROM realm_schema WHERE realm = ?1)",
            (key, digest),
        )


def copy_schemas(connection: apsw.Connection, source: int, target: int) -> None:
    """Let the realm with the key *target*, which has none, have those of *source* too."""
    connection.execute(
        "INSERT INTO realm_schema SELECT ?2, digest, number FROM realm_schema WHERE realm = ?1",
        (source, target),
    )


def select_schema(connection: apsw.Connection, digest: str) -> Document | None:
    """The schema with this digest, whichever realm has it."""
    text = connection.execute("SELECT text FROM schema WHERE digest = ?", (digest,)).get
    return None if text is None else load_document(text)


def select_schemas(connection: apsw.Connection, key: int) -> list[str]:
    """The digests of the schemas that the realm ever had, oldest first."""
    rows = connection.execute(
        "SELECT digest FROM realm_schema WHERE realm = ? ORDER BY number", (key,)
    )
    return [digest for (digest,) in rows]


def schemas_of_copy(path: str) -> dict[RealmName, dict[str, Document]]:
    """The schemas in the backup at *path*, by realm and digest, oldest first; *path* is never a live store."""
    connection = connect(path, read_only=True)
    found: dict[RealmName, dict[str, Document]] = {}
    try:
        if is_kept(connection):
            for name, digest, text in connection.execute(
                "SELECT name, digest, text FROM realm_schema JOIN realm ON realm.id = realm_schema.realm "
                "JOIN schema USING (digest) ORDER BY realm, number"
            ):
                found.setdefault(trusted_name(name), {})[digest] = load_document(text)
    except apsw.Error as error:
        raise explain(error, path) from error
    finally:
        connection.close()
    return found
