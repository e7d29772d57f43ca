"""
Who may do what, cell by cell: every operation, by every kind of caller, on every relation of a realm to a right.

The verdict that is expected comes from a rule of a few lines, which reads the table's ``role`` and ``on`` and nothing
else; a new row has its cells by that, or fails for want of arguments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
import pytest
from tests.surfaces.parity.scenarios import Step
from tests.surfaces.parity.served import Server, request_of

from realmconf.domain.names import LIMITS
from realmconf.domain.pointer import Pointer
from realmconf.errors import InvalidRealm, NotPermitted, ParentNotFound, RealmconfError
from realmconf.runtime.access import Grant
from realmconf.runtime.client import Client, connect
from realmconf.runtime.operations.rows import BY_NAME, OPERATIONS
from realmconf.runtime.operations.session import Session
from realmconf.runtime.operations.table import Operation, call
from realmconf.runtime.tokens import Tokens

ROLES: dict[str, tuple[str, ...]] = {
    "none": (),
    "read": ("read",),
    "write": ("write",),
    "admin": ("admin",),
    "secrets": ("read", "secrets"),
    "narrow write": ("write",),
    "narrow admin": ("admin",),
}
"""Callers; the narrow ones may write at ``/agent`` only."""
IMPLIED = {"read": {"read"}, "write": {"read", "write"}, "admin": {"read", "write", "admin"}}
RELATIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "named": (("team",), "team"),
    "by pattern": (("te*",), "team"),
    "everywhere": (("*",), "team"),
    "another": (("org",), "team"),
    "prefix trap": (("team",), "team-evil"),
    "pattern trap": (("team-*",), "team"),
    "another case": (("Team",), "team"),
    "never written, named": (("ghost",), "ghost"),
    "never written, not covered": (("team",), "ghost"),
    "a record of realmconf's own": (("*",), "_tokens"),
}
"""What the caller's rights are for, and which realm they ask for."""

ARGUMENTS: dict[str, dict[str, Any]] = {
    "config/get": {},
    "config/explain": {},
    "config/watch": {"after": 0},
    "config/watch_once": {"after": 0, "wait": 0},
    "config/validate": {},
    "config/set": {"config": {"agent": {"n": 1}, "other": 1}},
    "config/patch": {"patch": {"agent": {"n": 2}}},
    "config/json_patch": {"operations": [{"op": "add", "path": "/agent", "value": 1}]},
    "config/set_value": {"path": "agent.n", "value": 3},
    "config/unset": {"path": "agent.n"},
    "config/plan": {"patch": {"agent": 1}, "expected_generation": 1, "reason": "because"},
    "config/apply": {"plan_id": "plan-0"},
    "config/transaction": {"parts": [{"realm": "{realm}", "patch": {"agent": {"n": 4}}}]},
    "config/history": {},
    "config/revision": {"generation": 1},
    "config/diff": {},
    "config/blame": {},
    "config/rollback": {"to": 1},
    "config/delete": {},
    # As the SDK mints one: of another only who writes everywhere may end the write.
    "config/settle": {"write_id": "w-" + 32 * "0"},
    "schema/get": {},
    "schema/set": {"schema": {"type": "object"}},
    "schema/unset": {},
    "policy/get": {},
    "policy/set": {"policy": {"history_keep": 3}},
    "realm/list": {},
    "realm/descendants": {},
    "realm/get_parent": {},
    "realm/set_parent": {"parent": "{realm}"},
    "realm/unset_parent": {},
    "realm/rename": {"to": "{realm}2"},
    "realm/copy": {"to": "{realm}2"},
    "token/create": {"realms": ["{realm}"], "roles": ["read"]},
    "token/list": {},
    "token/revoke": {"id": "t-none"},
    "store/info": {},
}
"""Arguments of each row that are of their kinds; ``{realm}`` is the realm that is asked for."""

NAMING = {"config/transaction": "write", "realm/rename": "admin", "realm/copy": "admin"}
"""Rows that name further realms in their arguments, and what is needed there."""
GIVES_RIGHTS = "token/create"
OUT_OF_REACH = (
    "config/set",
    "config/delete",
    "schema/set",
    "schema/unset",
    "policy/set",
    "realm/rename",
    "realm/copy",
    "realm/set_parent",
    "realm/unset_parent",
)
"""What changes more than ``/agent``, with these arguments."""


@dataclass(frozen=True)
class Cell:
    """One caller, one operation, one realm."""

    operation: Operation
    role: str
    relation: str

    @property
    def realms(self) -> tuple[str, ...]:
        return tuple(map(self._own, RELATIONS[self.relation][0]))

    @property
    def realm(self) -> str:
        return self._own(RELATIONS[self.relation][1])

    def _own(self, name: str) -> str:
        """A realm that was never written is one for each caller: another one may write it."""
        return f"ghost-{list(ROLES).index(self.role)}" if name == "ghost" else name

    @property
    def grant(self) -> Grant:
        narrow = (Pointer(("agent",)),) if self.role.startswith("narrow") else ()
        return Grant(
            id="t-matrix",
            name="bob",
            roles=frozenset(ROLES[self.role]),
            realms=self.realms,
            paths=narrow,
        )

    @property
    def arguments(self) -> dict[str, Any]:
        stated: dict[str, Any] = _named(ARGUMENTS[self.operation.name], self.realm)
        return {"realm": self.realm, **stated} if self.operation.on == "realm" else stated


def _named(value: Any, realm: str) -> Any:
    if isinstance(value, dict):
        return {key: _named(item, realm) for key, item in value.items()}
    if isinstance(value, list):
        return [_named(item, realm) for item in value]
    return value.replace("{realm}", realm) if isinstance(value, str) else value


def cells() -> Iterator[Cell]:
    for operation in OPERATIONS:
        for role in ROLES:
            for relation in RELATIONS:
                yield Cell(operation, role, relation)


CELLS = tuple(cells())
STORES = ("memory", "embedded")


# --- the rule ------------------------------------------------------------------------


def _covers(patterns: tuple[str, ...], realm: str) -> bool:
    return any(
        realm.startswith(pattern[:-1]) if pattern.endswith("*") else realm == pattern
        for pattern in patterns
    )


def verdict(cell: Cell) -> str:
    """``invalid`` for a name that no realm has, ``forbidden``, or ``allowed``: in that order, and of nothing else."""
    operation, realm = cell.operation, cell.realm
    held = set().union(*(IMPLIED.get(role, {role}) for role in ROLES[cell.role]))
    is_system = realm.startswith("_")
    if operation.on == "realm" and is_system:
        return "invalid"
    if operation.role not in held:
        return "forbidden"
    if operation.on == "store":
        is_whole = "*" in cell.realms and not cell.role.startswith("narrow")
        return "allowed" if is_whole else "forbidden"
    if operation.on == "realm" and not _covers(cell.realms, realm):
        return "forbidden"
    if operation.name in NAMING:
        if is_system:
            return "invalid"
        named = realm if operation.name == "config/transaction" else f"{realm}2"
        if NAMING[operation.name] not in held or not _covers(cell.realms, named):
            return "forbidden"
    if operation.name == GIVES_RIGHTS and (
        cell.role.startswith("narrow") or not _covers(cell.realms, realm)
    ):
        # Whoever may write at some places only must say which.
        return "forbidden"
    if operation.name == "realm/set_parent" and not _covers(cell.realms, realm):
        return "forbidden"
    return "allowed"


# --- the cells -----------------------------------------------------------------------


class Untouchable:
    """A store that nothing may be asked of."""

    url = "memory://"

    def __getattr__(self, name: str) -> Any:
        if name in {"decide", "remembered"}:
            # Of which kind a store is, is asked when it is opened, and asks it for nothing.
            raise AttributeError(name)
        raise AssertionError(f"the store was asked for {name}")


@pytest.fixture(scope="module", params=STORES)
def filled(request, tmp_path_factory):
    """A store with realms in it, made anew for no cell: what is refused changes nothing, and what passes may."""
    root = str(tmp_path_factory.mktemp("matrix") / "store")
    with connect("memory://" if request.param == "memory" else root, author="ada") as client:
        yield client


def fill(client: Client) -> None:
    for name in ("team", "team-evil", "org"):
        realm = client.realm(name)
        if realm.get().document != {"agent": {"n": 0}, "other": 0}:
            realm.set({"agent": {"n": 0}, "other": 0})


def outcome_of(client: Client, cell: Cell) -> RealmconfError | None:
    session = Session(client, cell.grant, surface="http")
    try:
        call(cell.operation, session, cell.arguments)
    except RealmconfError as refused:
        return refused
    return None


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_each_caller_may_what_the_table_says(operation, filled):
    """By role and by realm; what is allowed may still fail, but never for want of a right."""
    wrong = []
    for cell in CELLS:
        if cell.operation is not operation:
            continue
        fill(filled)
        wanted = verdict(cell)
        found = outcome_of(filled, cell)
        if wanted == "allowed" and is_out_of_reach(cell):
            wanted = "forbidden"
        kind = _kind_of(found)
        if kind != wanted:
            wrong.append(f"{cell.role} on {cell.relation}: {wanted} expected, {found!r}")
    assert not wrong, "\n".join(wrong)


def _kind_of(found: RealmconfError | None) -> str:
    if isinstance(found, InvalidRealm):
        return "invalid"
    return "forbidden" if isinstance(found, NotPermitted) else "allowed"


def is_out_of_reach(cell: Cell) -> bool:
    """Whether the caller has the role, and may not change what the arguments change."""
    return cell.role.startswith("narrow") and cell.operation.name in OUT_OF_REACH


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_a_role_is_asked_for_before_the_store_is(operation):
    """So that a refusal can tell nothing of what is there, not even by the time it takes."""
    client = Client(Untouchable(), author="ada", limits=LIMITS)
    seen = 0
    for cell in CELLS:
        if cell.operation is operation and verdict(cell) != "allowed":
            assert isinstance(outcome_of(client, cell), (NotPermitted, InvalidRealm))
            seen += 1
    assert seen


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if operation.on == "realm"],
    ids=lambda operation: operation.name,
)
def test_missing_and_forbidden_are_told_alike(operation, filled):
    """The same error with the same fields, but for the name that was asked for."""
    fill(filled)
    told = []
    for realm in ("org", "absent"):
        grant = Grant(id="t", name="bob", roles=frozenset(("admin",)), realms=("team",))
        arguments = {"realm": realm, **_named(ARGUMENTS[operation.name], realm)}
        with pytest.raises(NotPermitted) as refused:
            call(operation, Session(filled, grant, surface="http"), arguments)
        told.append({**refused.value.to_dict(), "message": str(refused.value)})
    named = [{key: str(item).replace("absent", "org") for key, item in one.items()} for one in told]
    assert named[0] == named[1]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("realm/set_parent", {"parent": "{other}"}),
        ("config/set", {"config": {"realm": {"team": {"parent": "{other}"}}}}),
        ("config/patch", {"patch": {"realm": {"team": {"parent": "{other}"}}}}),
        ("config/set_value", {"path": "/realm/team/parent", "value": "{other}"}),
        ("config/validate", {"config": {"realm": {"team": {"parent": "{other}"}}}}),
        ("config/set", {"config": {"realm": {"team": {"parent": "{other}"}}}, "dry_run": True}),
    ],
)
def test_a_parent_that_may_not_be_read_is_not_there(name, arguments, filled):
    """Whoever asks to inherit learns nothing of it: neither of its values, nor of its schemas, nor that it is."""
    fill(filled)
    grant = Grant(id="t", name="bob", roles=frozenset(("admin",)), realms=("team",))
    session = Session(filled, grant, surface="http")
    told = []
    for other in ("org", "absent"):
        stated = {
            key: item if isinstance(item, bool) else _other(item, other)
            for key, item in arguments.items()
        }
        with pytest.raises(ParentNotFound) as refused:
            call(BY_NAME[name], session, {"realm": "team", **stated})
        told.append(str(refused.value.to_dict()).replace("absent", "org"))
    assert told[0] == told[1]


def _other(value: Any, other: str) -> Any:
    if isinstance(value, dict):
        return {key: _other(item, other) for key, item in value.items()}
    return value.replace("{other}", other)


def test_every_row_has_its_cells():
    """A new row fails until somebody says with which arguments it is asked for."""
    assert set(ARGUMENTS) == {operation.name for operation in OPERATIONS}
    for operation in OPERATIONS:
        needed = {one.name for one in operation.parameters if one.required}
        assert needed <= set(ARGUMENTS[operation.name]) <= operation.takes
        assert operation.role in IMPLIED
        assert operation.on in ("realm", "store", "each")
    for operation in OPERATIONS:
        named = {one.name for one in operation.parameters if one.kind in ("realm", "parts")} | (
            {"realms"} if "realms" in operation.takes else set()
        )
        is_known = operation.name in (*NAMING, GIVES_RIGHTS, "realm/set_parent")
        assert bool(named) == is_known, f"{operation.name} names further realms"


# --- the cells over HTTP -----------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server in a process of its own, a client of its store, and a token for each kind of caller."""
    store = str(tmp_path_factory.mktemp("served") / "store")
    server = Server(store, "admin")
    with (
        connect(store, author="ada") as client,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        yield client, http, cache(lambda role, relation: token_of(client, role, relation))
    server.close()


def token_of(client: Client, role: str, relation: str) -> str:
    """A stored token with the rights of a cell's caller; a caller without a role has one for another realm."""
    grant = Cell(OPERATIONS[0], role, relation).grant
    made = Tokens(client).create(
        realms=grant.realms if grant.roles else ["nowhere"],
        roles=tuple(grant.roles) or ("read",),
        paths=grant.paths,
        author="ada",
        surface="cli",
    )
    return made.text


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if operation.route is not None],
    ids=lambda operation: operation.name,
)
def test_each_caller_may_what_the_table_says_over_http(operation, served):
    """401 for nobody, 400 for a name that no realm has, 403 before anything is looked at, and else anything else."""
    client, http, token_for = served
    wrong = []
    for cell in CELLS:
        if cell.operation is not operation:
            continue
        is_anywhere = operation.on != "realm" and operation.name not in (*NAMING, GIVES_RIGHTS)
        if cell.role == "none" and is_anywhere:
            # Every token has a role, and this one may read some realm.
            continue
        fill(client)
        wanted = "forbidden" if is_out_of_reach(cell) else ""
        wanted = wanted if verdict(cell) == "allowed" else verdict(cell)
        status, code = status_of(http, cell, token_for(cell.role, cell.relation))
        expected = {"invalid": (400,), "forbidden": (403,)}.get(wanted)
        is_right = status in expected if expected else status not in (400, 401, 403, 500)
        if not is_right:
            wrong.append(f"{cell.role} on {cell.relation}: {wanted or 'allowed'}, {status} {code}")
    assert not wrong, "\n".join(wrong)


def status_of(http: httpx.Client, cell: Cell, token: str | None) -> tuple[int, str]:
    step = Step(cell.operation.name, cell.arguments)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with http.stream(**request_of(step), headers=headers) as response:
        if response.status_code < 400:
            return response.status_code, ""
        response.read()
        return response.status_code, response.json()["code"]


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if operation.route is not None],
    ids=lambda operation: operation.name,
)
def test_nobody_is_let_in_over_http(operation, served):
    """Without a token, with one that has ended, or with what is none: 401, whatever is asked for."""
    client, http, _ = served
    tokens = Tokens(client)
    everything: dict[str, Any] = {
        "realms": ["*"],
        "roles": ["admin", "secrets"],
        "author": "ada",
        "surface": "cli",
    }
    expired = tokens.create(**everything, expires_seconds=1e-6)
    revoked = tokens.create(**everything)
    tokens.revoke(revoked.token.id, author="ada", surface="cli")
    for token in (None, "rc_x", "rc_" + "A" * 43, expired.text, revoked.text, "Basic YTpi"):
        for relation in RELATIONS:
            cell = Cell(operation, "admin", relation)
            assert status_of(http, cell, token) == (401, "unauthenticated")


def test_a_token_that_ended_is_nobody(filled):
    """Whoever shows an expired or revoked token has no rights to ask for."""
    tokens = Tokens(filled)
    made = tokens.create(realms=["*"], roles=["admin"], author="ada", surface="cli")
    short = tokens.create(
        realms=["*"], roles=["admin"], expires_seconds=1e-9, author="ada", surface="cli"
    )
    assert tokens.grant_of(made.text) is not None
    tokens.revoke(made.token.id, author="ada", surface="cli")
    assert tokens.grant_of(made.text) is None
    assert tokens.grant_of(short.text) is None
