"""
M26: a store in PostgreSQL, beside the same work written by hand with psycopg.

By hand there is one connection and one key.  A write is what somebody writes who wants no less than a compare-and-swap
with history, a write id that is good once, and watchers who hear of it: a transaction of four statements.  The same in
one statement, which few would write, is shown as well.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack, closing
from typing import Any

from bench import documents
from bench.engines import (
    CAS_MAX,
    READ_MAX,
    REALM,
    WATCH_MAX,
    Claims,
    Ours,
    delivered,
    raced,
    watched_by,
)
from bench.results import Figure, Workplace

TABLES = """
CREATE TABLE config(name text PRIMARY KEY, generation bigint NOT NULL, document bytea NOT NULL);
CREATE TABLE config_history(name text, generation bigint, document bytea, digest text, PRIMARY KEY (name, generation));
CREATE TABLE config_write(name text, write_id text, generation bigint, PRIMARY KEY (name, write_id));
INSERT INTO config VALUES ('measured', 0, '{}'), ('defaults', 0, '{}');
"""
ONE_STATEMENT = """
WITH won AS (
  UPDATE config SET generation = generation + 1, document = %(document)s
  WHERE name = %(name)s AND generation = %(generation)s RETURNING generation
), kept AS (
  INSERT INTO config_history SELECT %(name)s, generation, %(document)s, %(digest)s FROM won
), fenced AS (
  INSERT INTO config_write SELECT %(name)s, %(write_id)s, generation FROM won
)
SELECT generation, pg_notify('config', '') FROM won
"""


class ByHand:
    """One key in one table, through one connection."""

    def __init__(self, conninfo: str) -> None:
        import psycopg

        self._conninfo = conninfo
        self._connection: Any = psycopg.connect(conninfo, autocommit=True, prepare_threshold=0)
        self._cursor: Any = self._connection.cursor(binary=True)
        self.generation = 0

    def make(self) -> None:
        self._connection.execute(TABLES, prepare=False)

    def read(self) -> Any:
        row = self._cursor.execute(
            "SELECT generation, document FROM config WHERE name = %s", (REALM,)
        ).fetchone()
        return row[0], json.loads(row[1])

    def read_both(self) -> Any:
        """It and what it would inherit from, as ``get`` reads it."""
        rows = self._cursor.execute(
            "SELECT name, generation, document FROM config WHERE name IN (%s, 'defaults')", (REALM,)
        ).fetchall()
        return [(name, generation, json.loads(document)) for name, generation, document in rows]

    def _given(self) -> dict[str, Any]:
        document = json.dumps(documents.agent(counter=self.generation)).encode()
        return {
            "name": REALM,
            "generation": self.generation,
            "document": document,
            "digest": hashlib.sha256(document).hexdigest(),
            "write_id": f"write-{self.generation}",
        }

    def write(self) -> None:
        """As one writes it."""
        given, ask = self._given(), self._cursor.execute
        with self._connection.transaction():
            row = ask(
                "UPDATE config SET generation = generation + 1, document = %(document)s "
                "WHERE name = %(name)s AND generation = %(generation)s RETURNING generation",
                given,
            ).fetchone()
            given["generation"] = row[0]
            ask(
                "INSERT INTO config_history VALUES (%(name)s, %(generation)s, %(document)s, %(digest)s)",
                given,
            )
            ask("INSERT INTO config_write VALUES (%(name)s, %(write_id)s, %(generation)s)", given)
            ask("SELECT pg_notify('config', '')")
        self.generation = row[0]

    def write_at_once(self) -> None:
        """All of it in one statement."""
        (self.generation, _) = self._cursor.execute(ONE_STATEMENT, self._given()).fetchone()

    def listen(self, heard: Any) -> None:
        """Call *heard* with each generation that a notification leads to, for ever."""
        import psycopg

        # A connection of its own: psycopg holds the one that it waits for notifications on.
        with psycopg.connect(self._conninfo, autocommit=True) as listening:
            listening.execute("LISTEN config")
            for _ in listening.notifies():
                heard(self.read()[0])


def measure(place: Workplace) -> list[Figure]:
    """M26: a write, a read and a watch."""
    from tests.engines.servers.postgres import DATABASE, USER, Postgres

    with ExitStack() as stack:
        server = Postgres()
        stack.callback(server.close)
        conninfo = f"host=127.0.0.1 port={server.port} user={USER} dbname={DATABASE}"
        hand = ByHand(conninfo)
        hand.make()
        url = server.url()
        ours = stack.enter_context(closing(Ours(url)))
        rounds = raced(
            place,
            {
                "ours": ours.write,
                "by hand": hand.write,
                "at once": hand.write_at_once,
                "ours, read": ours.read,
                "by hand, read": hand.read,
                "by hand, both": hand.read_both,
            },
        )
        mine, theirs = watched_by(stack, url, "bench.engine_postgres:ByHand", conninfo)
        deliveries = delivered(place, {"ours": (ours, mine), "by hand": (hand, theirs)})
    figure = Claims("M26", "PostgreSQL").figure
    return [
        figure(
            "compare-and-swap of 2 KB / UPDATE, two INSERTs, NOTIFY in a transaction",
            rounds,
            "ours",
            "by hand",
            limit=CAS_MAX,
        ),
        figure(
            "compare-and-swap of 2 KB / all of that in one statement",
            rounds,
            "ours",
            "at once",
            limit=None,
        ),
        figure("get / SELECT, json.loads", rounds, "ours, read", "by hand, read", limit=READ_MAX),
        figure(
            "get / SELECT of it and its defaults, json.loads of both",
            rounds,
            "ours, read",
            "by hand, both",
            limit=None,
        ),
        figure(
            "commit acknowledged to callback elsewhere / LISTEN, then SELECT, json.loads",
            deliveries,
            "ours",
            "by hand",
            limit=WATCH_MAX,
        ),
    ]
