"""
What a store is made of in a database: tables and functions in a schema of their own, and their format's number.

Decides what is made where nothing is, what is brought up where it is older, and what is refused because it is newer;
each in one transaction, one client at a time, so that many may open a new store at once.  Who may only read opens a
store that is there, and who finds everything in place needs no right to make anything.
"""

from __future__ import annotations

import hmac
import os
import re

from realmconf.domain.record import Record
from realmconf.errors import StoreReadOnly, StoreTooNew, StoreUnavailable
from realmconf.stores.postgres import functions
from realmconf.stores.postgres.failures import LAYOUT, RefusedError
from realmconf.stores.postgres.values import TEXT, number, text
from realmconf.stores.postgres.wire import Question, Statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from realmconf.stores.postgres.wire import Wire

FORMAT = 1
"""Of what is stored; raised with every change that an older client would not understand."""

UPGRADES: dict[int, Sequence[str]] = {}
"""By the format that is found: the statements that make the next one of it."""

TABLES = (
    # A row of each name that anything was ever said of; key is that of its history, which a rename takes along.
    """CREATE TABLE {schema}.realm(
      name text COLLATE "C" PRIMARY KEY,
      key bigint NOT NULL,
      version bigint NOT NULL,
      generation bigint NOT NULL DEFAULT 0,
      floor bigint NOT NULL DEFAULT 1,
      is_live boolean NOT NULL DEFAULT false,
      digest text COLLATE "C" NOT NULL DEFAULT '',
      moved_to text,
      parent text COLLATE "C"
    )""",
    "CREATE INDEX realm_version ON {schema}.realm(version)",
    "CREATE INDEX realm_parent ON {schema}.realm(parent) WHERE parent IS NOT NULL",
    # Names that were ever written; two that differ by case alone are found here.
    """CREATE TABLE {schema}.name(
      folded text COLLATE "C", name text COLLATE "C", PRIMARY KEY (folded, name)
    )""",
    # A common revision stays in its row and is not squeezed: that would cost more than all the rest of a write.
    """CREATE TABLE {schema}.revision(
      key bigint, generation bigint, position bigint NOT NULL, record bytea NOT NULL,
      PRIMARY KEY (key, generation)
    ) WITH (toast_tuple_target = 4080)""",
    "CREATE UNIQUE INDEX revision_position ON {schema}.revision(position)",
    """CREATE TABLE {schema}.receipt(
      key bigint, write_id text COLLATE "C", request text NOT NULL, outcome text NOT NULL, generation bigint NOT NULL,
      PRIMARY KEY (key, write_id)
    )""",
    'CREATE TABLE {schema}.schema(digest text COLLATE "C" PRIMARY KEY, record bytea NOT NULL)',
    """CREATE TABLE {schema}.realm_schema(
      key bigint, digest text COLLATE "C", number bigint NOT NULL, PRIMARY KEY (key, digest)
    )""",
    'CREATE TABLE {schema}.meta(name text COLLATE "C" PRIMARY KEY, value bytea NOT NULL)',
)

_PARTS = re.compile(r"\{schema\}|\{realm\}|\$body\$")
_LOCK = Statement("SELECT pg_advisory_xact_lock(1380139875::bigint << 32)")
_BEGIN = Statement("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
_COMMIT, _ROLLBACK = Statement("COMMIT"), Statement("ROLLBACK")
_SESSION = Statement(
    "SELECT set_config('default_transaction_isolation', 'read committed', false), "
    "set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false), "
    "set_config('plan_cache_mode', 'force_generic_plan', false), "
    "set_config('search_path', 'pg_catalog', false)"
)
"""
Every question has one good plan: by the indexes, also where the tables were small when it was prepared; and making it
anew each time costs more than all the rest.
"""
_SERVER = Statement(
    "SELECT current_setting('fsync'), current_user::text, "
    "EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)::int::text, coalesce(to_regclass($2)::oid::bigint, 0), "
    "current_setting('transaction_read_only')",
    TEXT,
    TEXT,
)


class Found(Record):
    """What was found, or made, in a database."""

    request_key: bytes
    channel: str
    """Where those who write tell those who listen."""
    is_synced: bool
    """Whether the server puts a commit on the disk before it says so."""
    is_standby: bool
    """Whether it follows another one, and so is behind."""


def _channel_of(table: int, secret: bytes) -> str:
    # Any role of a database may listen wherever it knows the name: so only who may read the store's tables knows it.
    name = hmac.digest(secret, b"where writes are told of", "sha256").hex()[:32]
    return f"realmconf_{table}_{name}"


def begin_session(wire: Wire, deadline: float) -> None:
    """Let a new connection ask as it must."""
    wire.ask([Question(_SESSION)], deadline=deadline)


class Layout:
    """The schema of one store."""

    def __init__(self, schema: str, place: str) -> None:
        from psycopg import sql

        self.schema = schema
        self._place = place
        self._sql = sql
        self._quoted = sql.Identifier(schema).as_string(None)
        self._meta = self.statement("SELECT value FROM {schema}.meta WHERE name = $1", TEXT)
        self._put = self.statement(
            "INSERT INTO {schema}.meta(name, value) VALUES ($1, convert_to($2, 'UTF8')) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            TEXT,
            TEXT,
        )
        self._put_key = self.statement(
            "INSERT INTO {schema}.meta(name, value) VALUES ('request_key', decode($1, 'hex'))", TEXT
        )

    def filled(self, template: str) -> str:
        """*template* with the schema's name, quoted, where it says so."""
        realm = self._sql.Literal(f"{self._quoted}.realm").as_string(None)
        body = "$body$"
        while body in self._quoted:
            # What quotes a function must not be in it.
            body = f"{body[:-1]}x$"
        parts = {"{schema}": self._quoted, "{realm}": realm, "$body$": body}
        # In one pass: what is put in is not looked through again.
        return _PARTS.sub(lambda found: parts[found[0]], template)

    def statement(self, template: str, *types: int) -> Statement:
        """A statement on this schema."""
        return Statement(self.filled(template), *types)

    # --- opening -------------------------------------------------------------------------------

    def opened(self, wire: Wire, deadline: float, *, read_only: bool) -> Found:
        """
        Make, bring up or find what is there.

        Raises:
            StoreTooNew: A newer release has made it.
            StoreUnavailable: There is nothing, and it was to be opened for reading only.
            StoreReadOnly: There is nothing, or something older, and nothing can be written there.
            RefusedError, LostError: As ``Wire.ask``.
        """
        fsync, user, has_schema, table, is_standby = self._look(wire, deadline)
        found = self._format(wire, deadline) if table else 0
        self._refuse_newer(found)
        if found < FORMAT:
            if read_only:
                raise StoreUnavailable(self._nothing_to_read(found), retryable=False)
            if is_standby:
                raise StoreReadOnly(
                    f"{self._place} can only be read, and {self._nothing_to_read(found)}"
                )
            self._make(wire, deadline, user=user, has_schema=has_schema)
            table = self._look(wire, deadline)[3]
        (key,) = wire.ask([Question(self._meta, b"request_key")], deadline=deadline)
        secret = key.value(0, 0) if key.count else None
        if secret is None:
            raise StoreUnavailable(
                f"{self._place}: the schema {self.schema} has lost its request key"
            )
        return Found(
            request_key=secret,
            channel=_channel_of(table, secret),
            is_synced=fsync == "on",
            is_standby=is_standby,
        )

    def _nothing_to_read(self, found: int) -> str:
        if found:
            return (
                f"the schema {self.schema} has the older format {found}: "
                "it is brought up by the first client that opens it to write"
            )
        return f"the schema {self.schema} has no store yet: it is made by the first client that opens it to write"

    def _look(self, wire: Wire, deadline: float) -> tuple[str, str, bool, int, bool]:
        (answer,) = wire.ask(
            [Question(_SERVER, self.schema.encode(), f"{self._quoted}.realm".encode())],
            deadline=deadline,
        )
        return (
            text(answer.value(0, 0)),
            text(answer.value(0, 1)),
            text(answer.value(0, 2)) == "1",
            number(answer.value(0, 3)),
            text(answer.value(0, 4)) == "on",
        )

    def _format(self, wire: Wire, deadline: float) -> int:
        (answer,) = wire.ask([Question(self._meta, b"format")], deadline=deadline)
        return int(text(answer.value(0, 0))) if answer.count else 0

    def _refuse_newer(self, found: int) -> None:
        if found > FORMAT:
            raise StoreTooNew(
                f"{self._place}: the schema {self.schema} has format {found}; this release knows formats up to "
                f"{FORMAT}: upgrade realmconf"
            )

    def refuse_newer(self, wire: Wire, deadline: float) -> None:
        """
        Look once more, after something of ours was not there.

        Raises:
            StoreTooNew: A newer release has replaced it meanwhile.
        """
        try:
            found = self._format(wire, deadline)
        except RefusedError as refused:
            if refused.sqlstate in LAYOUT:
                return
            raise
        self._refuse_newer(found)

    # --- making --------------------------------------------------------------------------------

    def _make(self, wire: Wire, deadline: float, *, user: str, has_schema: bool) -> None:
        """Make what is not there, in one transaction; whoever comes at the same time waits, and finds it made."""
        wire.ask([Question(_BEGIN), Question(_LOCK)], deadline=deadline)
        try:
            _, _, has_schema, table, _ = self._look(wire, deadline)
            found = self._format(wire, deadline) if table else 0
            self._refuse_newer(found)
            statements: list[str] = []
            if not found:
                statements += () if has_schema else ("CREATE SCHEMA {schema}",)
                statements += (*TABLES, *functions.ALL)
            else:
                for older in range(found, FORMAT):
                    statements += UPGRADES[older]
            questions = [Question(self.statement(one)) for one in statements]
            questions.append(Question(self._put, b"format", str(FORMAT).encode()))
            if not found:
                questions.append(Question(self._put_key, os.urandom(32).hex().encode()))
            for question in questions:
                # One by one: what is prepared must find what was made before it.
                wire.ask([question], deadline=deadline)
            wire.ask([Question(_COMMIT)], deadline=deadline)
        except RefusedError as refused:
            wire.tell([Question(_ROLLBACK)])
            if refused.sqlstate == "42501":
                raise StoreReadOnly(
                    self._rights(user, has_schema=has_schema, text=refused.text)
                ) from None
            raise
        except BaseException:
            wire.tell([Question(_ROLLBACK)])
            raise

    def _rights(self, user: str, *, has_schema: bool, text: str) -> str:
        what = (
            f"make tables in the schema {self.schema}"
            if has_schema
            else f"make the schema {self.schema}"
        )
        return (
            f"{self._place}: the role {user} may not {what} ({text}); let an administrator make it "
            f"(CREATE SCHEMA {self._quoted} AUTHORIZATION …), or open the store once with a role that may"
        )
