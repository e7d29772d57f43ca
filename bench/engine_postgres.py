"""
M26: a store in PostgreSQL, beside the same work written by hand with psycopg.

By hand there is one connection and one key.  A write is what somebody writes who wants no less than a compare-and-swap
with history, a write id that is good once, and watchers who hear of it: a transaction of four statements.  The same in
one statement, which few would write, is shown as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from threading import Thread
from time import monotonic_ns, sleep
from typing import Any

import realmconf
from bench import documents
from bench.harness import Batch, Spread, compete, each
from bench.processes import Actor
from bench.results import Figure, Workplace, at_most
from bench.watching import Deliveries

REALM = "measured"
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
        self._cursor = self._connection.cursor(binary=True)
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
            assert row is not None
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


class HandWatcher:
    """An actor that listens by hand."""

    def __init__(self, conninfo: str) -> None:
        self._deliveries = Deliveries()
        ours = ByHand(conninfo)
        Thread(target=ours.listen, args=[self._deliveries.note], daemon=True).start()

    def take(self, count: int) -> list[tuple[int, int]]:
        return self._deliveries.take(count)

    def close(self) -> None:
        """It ends with its process."""


class Watcher:
    """An actor with one callback on one realm."""

    def __init__(self, url: str) -> None:
        self._deliveries = Deliveries()
        self._client = realmconf.connect(url)
        self._client.realm(REALM).on_change(
            lambda snapshot: self._deliveries.note(snapshot.generation)
        )

    def take(self, count: int) -> list[tuple[int, int]]:
        return self._deliveries.take(count)

    def close(self) -> None:
        self._client.close()


def measure(place: Workplace) -> list[Figure]:
    """M26: a write, a read and a watch."""
    from tests.engines.servers.postgres import DATABASE, USER, Postgres

    with ExitStack() as stack:
        server = Postgres()
        stack.callback(server.close)
        conninfo = f"host=127.0.0.1 port={server.port} user={USER} dbname={DATABASE}"
        url = server.url()
        hand = ByHand(conninfo)
        hand.make()
        client = stack.enter_context(realmconf.connect(url))
        realm = client.realm(REALM)
        generation = realm.set(documents.agent(counter=0)).generation

        def write() -> None:
            nonlocal generation
            document = documents.agent(counter=generation)
            generation = realm.set(document, expected_generation=generation).generation

        count = place.effort.count(400)
        rounds = compete(
            {
                "ours": lambda: each(write, count),
                "by hand": lambda: each(hand.write, count),
                "at once": lambda: each(hand.write_at_once, count),
                "ours, read": lambda: each(realm.get, count),
                "by hand, read": lambda: each(hand.read, count),
                "by hand, both": lambda: each(hand.read_both, count),
            },
            rounds=place.effort.rounds,
            slices=4,
        )
        mine = stack.enter_context(Actor("bench.engine_postgres:Watcher", url=url))
        theirs = stack.enter_context(Actor("bench.engine_postgres:HandWatcher", conninfo=conninfo))
        sleep(1.0)
        deliveries = compete(
            {
                "ours": lambda: delivered(mine, write, lambda: generation, count // 4),
                "by hand": lambda: delivered(
                    theirs, hand.write, lambda: hand.generation, count // 4
                ),
            },
            rounds=place.effort.rounds,
            slices=4,
        )
        return [
            figure(
                "compare-and-swap of 2 KB / UPDATE, two INSERTs, NOTIFY in a transaction",
                rounds.ratio("ours", "by hand"),
                1.3,
                f"{rounds.cost('ours'):.0f} µs, {rounds.cost('by hand'):.0f} µs",
            ),
            figure(
                "compare-and-swap of 2 KB / all of that in one statement",
                rounds.ratio("ours", "at once"),
                None,
                f"{rounds.cost('at once'):.0f} µs",
            ),
            figure(
                "get / SELECT, json.loads",
                rounds.ratio("ours, read", "by hand, read"),
                1.2,
                f"{rounds.cost('ours, read'):.0f} µs, {rounds.cost('by hand, read'):.0f} µs",
            ),
            figure(
                "get / SELECT of it and its defaults, json.loads of both",
                rounds.ratio("ours, read", "by hand, both"),
                None,
                f"{rounds.cost('by hand, both'):.0f} µs",
            ),
            figure(
                "commit acknowledged to callback elsewhere / LISTEN, then SELECT, json.loads",
                deliveries.ratio("ours", "by hand"),
                1.3,
                f"{deliveries.cost('ours'):.0f} µs, {deliveries.cost('by hand'):.0f} µs",
            ),
        ]


def delivered(watcher: Actor, write: Any, generation: Any, count: int) -> Batch:
    """How long after a write was acknowledged, or before, another process was told of its generation."""
    costs = []
    for _ in range(count):
        write()
        acknowledged = monotonic_ns()
        found: Sequence[Any] = watcher.call("take", count=1)
        moments = [moment for arrived, moment in found if arrived == generation()]
        assert moments, f"generation {generation()} was not told: {found}"
        costs.append(max(1.0, (moments[0] - acknowledged) / 1000))
    return Batch(costs)


def figure(claim: str, spread: Spread, limit: float | None, detail: str) -> Figure:
    return Figure(
        "M26",
        f"PostgreSQL: {claim}",
        spread,
        "x",
        None if limit is None else at_most(limit),
        detail,
    )
