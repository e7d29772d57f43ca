"""
Many realms in a PostgreSQL store without writing each of them: the server copies one, history and all.

Decides what a copy is: what the realm would be after a rename, so that readers and the doctor find nothing wrong with
it.  Nobody else may write to the store meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

AT_ONCE = 500
"""Realms in one transaction."""

COPY = (
    """INSERT INTO {schema}.name(folded, name) SELECT lower(made.name), made.name FROM made""",
    """INSERT INTO {schema}.realm(name, key, version, generation, floor, is_live, digest, parent)
       SELECT made.name, made.key, {newest}, generation, floor, is_live, digest, parent FROM made, {schema}.realm
       WHERE realm.name = {template}""",
    """INSERT INTO {schema}.revision(key, generation, position, record)
       SELECT made.key, revision.generation, {base} + made.number * {depth} + revision.generation, record
       FROM made, {schema}.realm JOIN {schema}.revision USING (key) WHERE realm.name = {template}
       ORDER BY made.number, revision.generation""",
    """INSERT INTO {schema}.receipt(key, write_id, request, outcome, generation)
       SELECT made.key, write_id, request, outcome, receipt.generation
       FROM made, {schema}.realm JOIN {schema}.receipt USING (key) WHERE realm.name = {template}""",
)
MADE = """
WITH made AS (
  SELECT number, 'realm-' || lpad((number + {first})::text, 7, '0') AS name, {base} + 1 + number AS key
  FROM generate_series(0, {count} - 1) AS number
)
"""
SIZES = """
SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class
WHERE relnamespace = {schema}::regnamespace AND relkind = 'r'
"""


class Copying:
    """The tables of one store, behind the library's back."""

    def __init__(self, url: str) -> None:
        import psycopg

        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        self._schema = options.pop("schema", "realmconf")
        options.pop("pool_max", None)
        self._connection: Any = psycopg.connect(
            urlunsplit(parts._replace(query=urlencode(options))), autocommit=True
        )

    def copy(self, template: str, first: int, last: int, say: Callable[[int], None]) -> None:
        """Make the realms with these numbers, each as *template* is."""
        for begin in range(first, last, AT_ONCE):
            count = min(AT_ONCE, last - begin)
            with self._connection.transaction():
                base, depth = self._one(
                    "SELECT (SELECT max(version) FROM {schema}.realm), generation FROM {schema}.realm "
                    "WHERE name = {template}",
                    template=template,
                )
                for statement in COPY:
                    self._run(
                        MADE + statement,
                        template=template,
                        base=base,
                        depth=depth,
                        count=count,
                        first=begin,
                        newest=base + count * depth,
                    )
            say(begin + count)
        self._connection.execute("ANALYZE")

    def megabytes(self) -> dict[str, int]:
        """On the server's disk, each table and its indexes; those that are empty left out."""
        return {
            name: round((table + indexes) / 1e6)
            for name, table, indexes in self._run(SIZES, schema_name=True).fetchall()
            if table + indexes > 1e6
        }

    def _one(self, statement: str, **values: Any) -> Any:
        return self._run(statement, **values).fetchone()

    def _run(self, statement: str, *, schema_name: bool = False, **values: Any) -> Any:
        from psycopg import sql

        schema = sql.Literal(self._schema) if schema_name else sql.Identifier(self._schema)
        given = {name: sql.Literal(value) for name, value in values.items()}
        return self._connection.execute(sql.SQL(statement).format(schema=schema, **given))

    def close(self) -> None:
        self._connection.close()
