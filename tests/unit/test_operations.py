"""The table of operations: what is checked before anything is done, and for whom it is done."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realmconf.domain.names import LIMITS, RealmName
from realmconf.domain.pointer import Pointer
from realmconf.domain.scope import Scope
from realmconf.errors import (
    InvalidArgument,
    InvalidRealm,
    LimitExceeded,
    NotPermitted,
    RealmconfError,
    WriteIdReused,
)
from realmconf.runtime.access import OWNER, Grant
from realmconf.runtime.client import Client
from realmconf.runtime.operations.kinds import KINDS, check, from_text, schema_of
from realmconf.runtime.operations.numbers import (
    operations_with_stored_number_types,
    with_stored_number_types,
)
from realmconf.runtime.operations.rows import BY_NAME, OPERATIONS
from realmconf.runtime.operations.session import HANDLES_KEPT, Session
from realmconf.runtime.operations.table import Parameter, call, function_of, prepared
from realmconf.surfaces.answers import SHAPES, answer
from realmconf.surfaces.veil import veil_of


def session(
    client: Client,
    *roles: str,
    realms: tuple[str, ...] = ("*",),
    paths: tuple[str, ...] = (),
    **options: Any,
) -> Session:
    grant = Grant(
        id="t-1",
        name="bob",
        roles=frozenset(roles),
        realms=realms,
        paths=tuple(map(Pointer.parse, paths)),
    )
    return Session(client, grant, surface="http", **options)


def owner(client: Client) -> Session:
    return Session(client, OWNER, surface="cli", author="ada")


class Watchful:
    """A store that counts what is asked of it."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self._store, name)


# --- the table ---------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_a_row_is_whole(operation):
    """What a row names is there: its function, its answer's shape, its parameters' kinds, its route's parts."""
    assert callable(function_of(operation))
    assert operation.answer in SHAPES
    assert not operation.summary.endswith(".")
    for parameter in operation.parameters:
        assert parameter.kind in KINDS
        json.dumps(schema_of(parameter))
    if operation.route is not None:
        assert set(operation.route.query) <= operation.takes
        assert {name for _, name in operation.route.bare} <= operation.takes
        parts = [part[1:-1] for part in operation.route.path.split("/") if part.startswith("{")]
        assert set(parts) <= operation.takes
        assert ("realm" in parts) == (operation.on == "realm")


def test_what_the_caller_may_not_is_refused_before_an_argument_is_looked_at(client):
    """The right comes first, also before what is missing or of a wrong kind."""
    reader = session(client, "read", realms=("team",))
    for arguments in ({}, {"config": 7}, {"config": {}, "expected_generation": "x"}):
        with pytest.raises(NotPermitted):
            call(BY_NAME["config/set"], reader, {"realm": "team", **arguments})
    with pytest.raises(InvalidArgument):
        call(BY_NAME["config/get"], reader, {"realm": "team", "nothing": 1})
    with pytest.raises(InvalidRealm):
        call(BY_NAME["config/get"], reader, {"realm": "no name"})


def test_an_argument_that_is_null_was_not_given(client):
    """So that a caller may send all of them."""
    operation = BY_NAME["config/get"]
    given = {"realm": "team", "view": None, "at": None, "path": None, "after": None, "wait": None}
    assert prepared(operation, owner(client), given) == {"realm": RealmName("team")}


def test_without_a_realm_the_default_is_meant(client):
    """Where there is one; nothing is guessed."""
    with pytest.raises(InvalidArgument):
        call(BY_NAME["config/get"], owner(client), {})
    team = Session(client, OWNER, surface="rpc", default_realm=RealmName("team"))
    assert answer(BY_NAME["config/get"], team, {})["realm_id"] == "team"


# --- sessions ----------------------------------------------------------------------------


def test_a_write_is_by_the_caller(client):
    """By the grant's name and the session's surface, whatever the client's own are."""
    call(BY_NAME["config/set"], session(client, "write"), {"realm": "team", "config": {"a": 1}})
    record = client.realm("team").get().revision
    assert (record.author, record.surface) == ("bob", "http")


def test_a_surface_narrows_what_a_caller_may_and_widens_nothing(client):
    """A scope of a surface is one more than the grant's own: both hold."""
    client.realm("org").set({"a": 1})
    narrow = session(
        client,
        "admin",
        realms=("team",),
        paths=("/agent",),
        scope=Scope(below=(Pointer(("agent",)), Pointer(("other",)))),
    )
    for patch in ({"other": 1}, {"realm": {"team": {"parent": "org"}}}):
        with pytest.raises(NotPermitted):
            call(BY_NAME["config/patch"], narrow, {"realm": "team", "patch": patch})
    call(BY_NAME["config/patch"], narrow, {"realm": "team", "patch": {"agent": 1}})
    both = session(
        client, "admin", paths=("/agent",), scope=Scope(below=(Pointer(("agent", "model")),))
    )
    with pytest.raises(NotPermitted):
        call(BY_NAME["config/patch"], both, {"realm": "team", "patch": {"agent": 2}})


def test_a_session_keeps_its_handles_and_not_without_end(client):
    """What a handle has proved is proved for the next call too."""
    found = session(client, "read")
    assert found.realm(RealmName("team")) is found.realm(RealmName("team"))
    for number in range(HANDLES_KEPT):
        found.realm(RealmName(f"r{number}"))
    assert found.realm(RealmName("team")).realm_id == "team"


# --- what is told to whom ------------------------------------------------------------------


def test_what_a_command_names_out_of_reach_is_refused_before_write_ids_are(client):
    """Also if its write id is known: nobody learns of a write that was not theirs to make."""
    client.realm("team").set({"a": 1, "b": 1}, write_id="one")
    narrow = session(client, "write", paths=("/a",))
    for dry_run in (False, True):
        arguments = {"realm": "team", "patch": {"b": 2}, "write_id": "one", "dry_run": dry_run}
        with pytest.raises(NotPermitted):
            call(BY_NAME["config/patch"], narrow, arguments)
    with pytest.raises(WriteIdReused):
        call(BY_NAME["config/patch"], narrow, {**arguments, "patch": {"a": 2}})


def test_a_transaction_asks_for_all_its_realms_before_it_looks_at_one(client):
    """One that may not be written refuses all of it, and nothing was asked of the store."""
    client.realm("team").set({"a": 1})
    store = Watchful(client.store)
    watched = Client(store, author="ada")
    writer = session(watched, "write", realms=("team",))
    store.asked.clear()
    parts = [{"realm": "team", "set": {}}, {"realm": "org", "set": {}}]
    with pytest.raises(NotPermitted):
        call(BY_NAME["config/transaction"], writer, {"parts": parts})
    assert store.asked == []
    assert client.realm("team").get().document == {"a": 1}


def test_a_transaction_is_held_to_the_places_of_its_caller_in_every_realm(client):
    """One part out of reach refuses all of it."""
    narrow = session(client, "write", paths=("/a",))
    parts = [{"realm": "x", "set_value": {"a": 1}}, {"realm": "y", "set": {"a": 1, "b": 1}}]
    for dry_run in (True, False):
        with pytest.raises(NotPermitted):
            call(BY_NAME["config/transaction"], narrow, {"parts": parts, "dry_run": dry_run})
    assert client.realms() == []


def test_nobody_is_told_of_realms_that_they_may_not_read(client):
    """Neither by lists, nor by plans, nor by what a write warns of."""
    client.realm("org").set({"a": 1, "b": 1})
    for name in ("heir-a", "heir-b", "other"):
        client.realm(name).set({"a": 2, "realm": {name: {"parent": "org"}}})
    some = session(client, "admin", realms=("org", "org2", "heir-a"))

    def told(name: str, **arguments: Any) -> str:
        shown = json.dumps(answer(BY_NAME[name], some, arguments))
        assert "heir-a" in shown
        return shown

    for shown in (
        told("realm/list"),
        told("realm/descendants", realm="org"),
        told("config/patch", realm="org", patch={"b": 2}, dry_run=True),
        told("config/patch", realm="org", patch={"a": 3}),
        told("realm/rename", realm="org", to="org2"),
    ):
        assert "heir-b" not in shown
        assert "other" not in shown
    own = session(client, "read", realms=("heir-b",))
    listed = answer(BY_NAME["realm/list"], own, {})["realms"]
    assert [(one["realm"], one["parent"]) for one in listed] == [("heir-b", None)]
    assert answer(BY_NAME["realm/list"], own, {"limit": 1})["after"] == "heir-b"


def test_whoever_reads_a_realm_sees_what_it_inherits(client):
    """A configuration can be no secret from who it is for; who wrote in the parent, and why, is another matter."""
    client.realm("org").set({"a": 1}, message="of org")
    client.realm("team").set({"realm": {"team": {"parent": "org"}}})
    reader = session(client, "read", realms=("team",))
    found = answer(BY_NAME["config/explain"], reader, {"realm": "team", "path": "a"})
    assert (found["realm"], found["value"], found["message"]) == ("org", 1, None)
    with pytest.raises(NotPermitted):
        call(BY_NAME["config/get"], reader, {"realm": "org"})


def test_a_copy_does_not_inherit_what_its_maker_may_not_read(client):
    """A rename does: the realm stays where it is."""
    client.realm("org").set({"a": 1})
    client.realm("team").set({"realm": {"team": {"parent": "org"}}})
    admin = session(client, "admin", realms=("team", "crew"))
    for dry_run in (True, False):
        arguments = {"realm": "team", "to": "crew", "dry_run": dry_run}
        with pytest.raises(RealmconfError) as refused:
            call(BY_NAME["realm/copy"], admin, arguments)
        assert refused.value.code == "lineage_error"
    call(BY_NAME["realm/rename"], admin, {"realm": "team", "to": "crew"})
    assert client.realm("crew").get().config == {"a": 1}


def test_readers_cannot_make_writes_void(client):
    """To settle a write is to see to it that it never happens: it needs the right to write."""
    reader = session(client, "read")
    with pytest.raises(NotPermitted):
        call(BY_NAME["config/settle"], reader, {"realm": "team", "write_id": "w"})
    assert client.realm("team").set({"a": 1}, write_id="w").generation == 1


def test_a_page_has_its_limit_and_is_asked_for_at_once(client):
    """Whoever may read few of many realms costs no question for each."""
    for number in range(12):
        client.realm(f"r{number:02}").set({})
    store = Watchful(client.store)
    reader = session(Client(store, author="ada"), "read", realms=("r11",))
    store.asked.clear()
    found = answer(BY_NAME["realm/list"], reader, {"limit": 1})
    assert [one["realm"] for one in found["realms"]] == ["r11"]
    assert store.asked.count("view") == 1
    with pytest.raises(LimitExceeded):
        call(BY_NAME["realm/list"], reader, {"limit": LIMITS.history_page + 1})


# --- arguments ---------------------------------------------------------------------------


def deep(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"a": found}
    return found


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("config/set", {"config": deep(5_000)}),
        ("config/patch", {"patch": deep(5_000)}),
        ("config/set_value", {"path": "a", "value": deep(5_000)}),
        ("config/json_patch", {"operations": [{"op": "add", "path": "/a", "value": deep(5_000)}]}),
        ("config/validate", {"config": deep(5_000)}),
        ("config/transaction", {"parts": [{"realm": "team", "set": deep(5_000)}]}),
        ("config/transaction", {"parts": [{"realm": "team", "set_value": {"a": deep(5_000)}}]}),
        ("schema/set", {"schema": deep(5_000)}),
        (
            "config/plan",
            {"patch": deep(5_000), "expected_generation": 1, "reason": "because"},
        ),
    ],
)
def test_what_is_too_deep_is_refused_with_its_limit(client, name, arguments):
    """Whatever it is compared with on the way, no depth of what is sent overcomes the process."""
    client.realm("team").set({"a": {"a": {"a": 1}}})
    stated = arguments if BY_NAME[name].on == "each" else {"realm": "team", **arguments}
    with pytest.raises(LimitExceeded) as refused:
        call(BY_NAME[name], owner(client), stated)
    assert refused.value.limit == "depth"


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("generation", [0, 7], [1.0, True, "1", None, [1]]),
        ("flag", [True, False], [0, 1, "true", None]),
        ("wait", [0, 1.5], [True, "1s", None]),
        ("text", ["", "x"], [1, None, ["x"]]),
        ("cursor", [1, "x"], [1.5, None, True]),
        ("patterns", [["x"]], ["x", [1], None]),
        ("pointers", [[], ["/a"]], ["/a", [None]]),
        ("document", [{}, {"a": 1}], [[], "x", None]),
        ("operations", [[]], [{}, "x"]),
        ("value", [1, None, "x", []], []),
    ],
)
def test_a_value_of_a_wrong_kind_is_refused_by_the_name_of_its_parameter(kind, good, bad):
    """Nothing is converted, and nothing guessed."""
    parameter = Parameter(name="it", kind=kind, help="")
    for value in good:
        assert check(parameter, value) == value
    for value in bad:
        with pytest.raises(InvalidArgument, match=r"^it must be"):
            check(parameter, value)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("generation", {"0": 0, "12": 12}, ["", "-1", "1.0", "x", "٥", "1" * 17, " 1"]),
        ("flag", {"true": True, "0": False}, ["yes", "", "True"]),
        ("wait", {"30": 30.0, "1.5s": 1.5, "2m": 120.0}, ["", "s", "-1", "1e3", "nan", "1..2"]),
        (
            "lifetime",
            {
                "90": 90.0,
                "45s": 45.0,
                "30m": 1800.0,
                "12h": 43200.0,
                "90d": 7776000.0,
                "1w": 604800.0,
            },
            ["", "d", "-1d", "1y", "90D", "1d2h"],
        ),
        ("cursor", {"7": 7, "7-abc": "7-abc", "e:x": "e:x"}, []),
        ("text", {"": "", "x": "x"}, []),
    ],
)
def test_text_says_a_value_of_its_kind(kind, good, bad):
    """In a query and on a command line."""
    parameter = Parameter(name="it", kind=kind, help="")
    for text, value in good.items():
        assert from_text(parameter, text) == value
    for text in bad:
        with pytest.raises(InvalidArgument, match=r"^it must be"):
            from_text(parameter, text)


@pytest.mark.parametrize("kind", ["wait", "lifetime"])
def test_seconds_are_a_number_in_json(kind):
    """Seconds are a number in JSON, and may have a unit as text: each refusal says what is taken there."""
    parameter = Parameter(name="it", kind=kind, help="")
    assert check(parameter, 300) == 300
    with pytest.raises(InvalidArgument) as refused:
        check(parameter, "5m")
    assert str(refused.value) == "it must be a number of seconds"
    with pytest.raises(InvalidArgument) as refused:
        from_text(parameter, "soon")
    message = str(refused.value)
    assert message.startswith("it must be a number of seconds, or with its unit (")
    for example in message.partition("(")[2].rstrip(")").split(", "):
        assert from_text(parameter, example) > 0


def test_a_cursor_is_text_and_goes_on_from_there(client):
    """Where an answer says from where to go on it is text, also a generation, and is taken back as it is."""
    team = client.realm("team")
    team.set({"a": 1})
    asked = owner(client)
    found = call(BY_NAME["config/watch"], asked, {"realm": "team", "after": 0})
    assert found.cursor == "0"
    for after in (0, "0"):
        step = call(
            BY_NAME["config/watch_once"], asked, {"realm": "team", "after": after, "wait": 5}
        )
        assert step.snapshot.generation == 1
    idle = call(BY_NAME["config/watch_once"], asked, {"realm": "team", "after": 1, "wait": 0})
    assert idle.cursor == "1"
    for text in ("1" * 17, "٥", "-1"):
        with pytest.raises(InvalidArgument):
            call(BY_NAME["config/watch_once"], asked, {"realm": "team", "after": text, "wait": 0})


def test_numbers_that_equal_the_stored_ones_keep_their_types():
    """At the same place; what is no number, differs, or is new is as it was sent."""
    stored = {"a": 1.0, "b": [1, 2.0, {"c": 3.0}], "d": True, "e": 0}
    sent = {"a": 1, "b": [1.0, 2, {"c": 3}, 4.0], "d": 1, "e": False, "f": 5.0, "g": {"a": 1}}
    found = with_stored_number_types(sent, stored)
    assert json.dumps(found) == json.dumps(
        {
            "a": 1.0,
            "b": [1, 2.0, {"c": 3.0}, 4.0],
            "d": 1,
            "e": False,
            "f": 5.0,
            "g": {"a": 1},
        }
    )


def test_an_insertion_into_an_array_replaces_nothing():
    """What stands at its place is another element, and says nothing of the type of the new one."""
    sent: list[dict[str, Any]] = [
        {"op": "add", "path": "/list/0", "value": 1},
        {"op": "replace", "path": "/list/0", "value": 1},
        {"op": "add", "path": "/a", "value": 1},
        {"op": "remove", "path": "/a"},
    ]
    found = operations_with_stored_number_types(sent, {"list": [1.0], "a": 1.0})
    assert [json.dumps(one.get("value")) for one in found] == ["1", "1.0", "1.0", "null"]


def test_a_retry_is_the_same_request_whatever_is_stored_by_then(client):
    """The types that numbers are given depend on what is stored, and what makes a request the same does not."""
    team = client.realm("team")
    team.set({"a": 1.0})
    request = {"realm": "team", "config": {"a": 1, "b": 2}, "write_id": "w"}
    assert call(BY_NAME["config/set"], owner(client), request).generation == 2
    team.set({"a": 2.5})
    again = call(BY_NAME["config/set"], owner(client), request)
    assert (again.generation, again.warnings[0].code) == (2, "replayed")


def test_a_dry_run_refuses_a_name_that_differs_by_case_alone(client):
    """As every write that would make it."""
    client.realm("team").set({"a": 1})
    for name, arguments in (
        ("config/set", {"realm": "Team", "config": {}}),
        ("realm/rename", {"realm": "team", "to": "TEAM"}),
        ("realm/copy", {"realm": "team", "to": "teaM"}),
        ("config/transaction", {"parts": [{"realm": "x", "set": {}}, {"realm": "X", "set": {}}]}),
    ):
        for dry_run in (True, False):
            with pytest.raises(InvalidRealm):
                call(BY_NAME[name], owner(client), {**arguments, "dry_run": dry_run})
    assert [entry.realm for entry in client.realms()] == ["team"]


# --- veils ---------------------------------------------------------------------------------


def test_secrets_are_shown_to_who_has_the_role_and_to_nobody_else(client):
    """Whatever else they may; whoever is not shown one gets the mark that stands for it."""
    client.realm("team").set({"api_key": "k"})
    for roles, shows in ((("admin",), False), (("read", "secrets"), True)):
        caller = session(client, *roles)
        found = answer(BY_NAME["config/get"], caller, {"realm": "team"})["config"]["api_key"]
        assert (found == "k") == shows
        assert shows or found.startswith("«secret:")
    assert veil_of(client, RealmName("team"), shows_secrets=True).over("k") == "k"


def test_secrets_of_a_former_parent_are_hidden_in_what_was_composed_then(client):
    """What its schema called secret stays so for the realm that has left it."""
    client.realm("org").set({"pin": "1234"})
    client.realm("org").set_schema({"properties": {"pin": {"type": "string", "writeOnly": True}}})
    team = client.realm("team")
    team.set({"realm": {"team": {"parent": "org"}}})
    team.set({})
    reader = session(client, "read")
    for name, arguments in (
        ("config/get", {"at": 1, "view": "effective"}),
        ("config/watch_once", {"after": 1, "view": "effective", "wait": 5}),
    ):
        found = answer(BY_NAME[name], reader, {"realm": "team", **arguments})
        assert "1234" not in json.dumps(found)
        assert "«secret:" in json.dumps(found, ensure_ascii=False)
