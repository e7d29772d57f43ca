"""
A configuration in PostgreSQL: a row with the document and its generation, and a row for each that there was.

Written twice, as its users do: the compare-and-swap as one statement that names the generation, and as a transaction
that locks the row before it reads it.  Statements are prepared and rows come in binary; nothing says who wrote what.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Document = dict[str, Any]

TABLES = """
CREATE TABLE peer_config(name text PRIMARY KEY, generation bigint NOT NULL, document bytea NOT NULL);
CREATE TABLE peer_history(name text, generation bigint, document bytea NOT NULL, PRIMARY KEY (name, generation));
INSERT INTO peer_config VALUES ('config', 0, '{}');
"""
READ = "SELECT document, generation FROM peer_config WHERE name = 'config'"
SWAP = """
WITH won AS (
  UPDATE peer_config SET generation = generation + 1, document = %(document)s
  WHERE name = 'config' AND generation = %(expected)s RETURNING generation
)
INSERT INTO peer_history SELECT 'config', generation, %(document)s FROM won
"""


class PostgresConfig:
    """One configuration, through one connection."""

    def __init__(self, conninfo: str) -> None:
        import psycopg

        self._connection: Any = psycopg.connect(conninfo, autocommit=True, prepare_threshold=0)
        self._cursor: Any = self._connection.cursor(binary=True)

    def make(self) -> None:
        """The tables, and an empty document at generation 0."""
        self._connection.execute(TABLES, prepare=False)

    def get(self) -> tuple[Document, int]:
        """The document and its generation."""
        document, generation = self._cursor.execute(READ).fetchone()
        return json.loads(document), generation

    def swap(self, document: Document, *, expected: int) -> bool:
        """Write *document* if the generation is *expected*; whether it was."""
        given = {"document": json.dumps(document).encode(), "expected": expected}
        return bool(self._cursor.execute(SWAP, given).rowcount)

    def locked_update(self, change: Callable[[Document], None]) -> None:
        """Change what is there; whoever comes meanwhile waits for the row."""
        with self._connection.transaction():
            document, generation = self._cursor.execute(f"{READ} FOR UPDATE").fetchone()
            document = json.loads(document)
            change(document)
            assert self.swap(document, expected=generation)

    def history(self) -> int:
        """How many documents there have been."""
        return int(self._cursor.execute("SELECT count(*) FROM peer_history").fetchone()[0])

    def close(self) -> None:
        self._connection.close()
