"""Marks and secrets in what a caller sends, command by command."""

from __future__ import annotations

from typing import Any

import pytest

from realmconf.domain.marks import refuse_reading, stated_secrets, unmark, without_marks
from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.secrets import Secrecy, unmarked
from realmconf.domain.withheld import Withheld
from realmconf.domain.write import Delete, Edit, JsonPatch, MergePatch, SetDocument, SetSchema
from realmconf.errors import SecretMarkMisplaced, SecretWithheld

SECRECY = Secrecy(realm="team", key=lambda: b"k" * 32)
STORED: dict[str, Any] = {
    "token": "t",
    "db": {"password": "p", "host": "h"},
    "rows": [{"token": "r0"}, {"token": "r1"}],
    "n": 1,
}
SHOWN: Any = SECRECY.redact(STORED)


def secrecy() -> Secrecy:
    return SECRECY


def operations(*given: dict[str, Any]) -> JsonPatch:
    return JsonPatch(operations=given)


def operation(op: str, path: str, value: Any = None) -> dict[str, Any]:
    return {"op": op, "path": path, "value": value}


# --- marks that come back ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "meant"),
    [
        (SetDocument(document={**SHOWN, "n": 2}), SetDocument(document={**STORED, "n": 2})),
        (
            MergePatch(patch={"db": {**SHOWN["db"], "host": None}, "n": 2}),
            MergePatch(patch={"db": {"password": "p", "host": None}, "n": 2}),
        ),
        (
            Edit(assignments=((Pointer(("n",)), 2), (Pointer(("db",)), SHOWN["db"]))),
            Edit(assignments=((Pointer(("n",)), 2), (Pointer(("db",)), STORED["db"]))),
        ),
        (
            operations(
                {"op": "remove", "path": "/n"},
                operation("add", "/n", 2),
                operation("replace", "/rows/0", SHOWN["rows"][0]),
                operation("test", "/token", SHOWN["token"]),
            ),
            operations(
                {"op": "remove", "path": "/n"},
                operation("add", "/n", 2),
                operation("replace", "/rows/0", STORED["rows"][0]),
                operation("test", "/token", "t"),
            ),
        ),
    ],
)
def test_a_mark_in_a_command_stands_for_what_is_stored_at_its_place(shown: Any, meant: Any) -> None:
    """In each command that brings values; what has no mark stays as it is."""
    assert unmark(shown, STORED, secrecy) == meant


@pytest.mark.parametrize(
    "command",
    [
        SetDocument(document=STORED),
        MergePatch(patch={"n": None}),
        Edit(assignments=((ROOT.child("n"), 2),)),
        operations(operation("add", "/n", 2)),
        Delete(),
    ],
)
def test_a_command_without_a_mark_is_itself(command: Any) -> None:
    """Nothing is asked of the store."""
    assert unmark(command, {}, pytest.fail) is command


def test_an_inserted_element_has_no_stored_one() -> None:
    """What stands at the place of an insertion is another element, and keeps its secrets."""
    with pytest.raises(SecretMarkMisplaced):
        unmark(operations(operation("add", "/rows/0", SHOWN["rows"][0])), STORED, secrecy)
    with pytest.raises(SecretMarkMisplaced):
        unmark(operations(operation("add", "/rows/-", SHOWN["rows"][0])), STORED, secrecy)


def test_where_nobody_can_tell_what_a_mark_stands_for_it_is_refused() -> None:
    """A mark is never stored."""
    with pytest.raises(SecretMarkMisplaced):
        without_marks(SHOWN, STORED, None)


def test_a_mark_of_what_is_withheld_here_stands_for_that() -> None:
    """It is all that is known of it; any other mark at its place is refused."""
    withheld = Withheld(SHOWN["token"], "/token", "team")
    keyless = Secrecy(realm="team")
    found = unmarked({"token": SHOWN["token"], "n": 2}, {"token": withheld}, keyless)
    assert found["token"] is withheld
    with pytest.raises(SecretMarkMisplaced):
        unmarked({"token": SHOWN["db"]["password"]}, {"token": withheld}, keyless)


# --- commands that would read one -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ([operation("test", "/token", "guess")], "/token"),
        ([operation("test", "", STORED)], ""),
        ([operation("test", "/n", 1), operation("test", "/token", "guess")], "/token"),
        ([{"op": "copy", "from": "/db", "path": "/open"}], "/db"),
        ([{"op": "move", "from": "/rows", "path": "/open"}], "/rows"),
        # What was brought to another place first is looked at there.
        (
            [
                operation("add", "/x", {"password": "mine"}),
                operation("test", "/x/password", "mine"),
            ],
            "/x/password",
        ),
    ],
)
def test_an_operation_that_would_read_a_secret_is_refused(given: Any, place: str) -> None:
    """Naming the place: a copy would put it where others see it, a test tells a guess from the truth."""
    with pytest.raises(SecretWithheld) as refused:
        refuse_reading(operations(*given), STORED, secrecy)
    assert refused.value.pointer == place


@pytest.mark.parametrize(
    "command",
    [
        Delete(),
        operations(operation("test", "/n", 1), operation("test", "/absent", 1)),
        operations(operation("test", "/token", SHOWN["token"]), operation("add", "/n", 2)),
        operations({"op": "copy", "from": "/n", "path": "/m"}),
        operations(operation("replace", "/token", "new")),
        # The first does not fit, and the whole is refused for that.
        operations({"op": "remove", "path": "/absent"}, operation("test", "/token", "guess")),
    ],
)
def test_a_command_that_reads_none_passes(command: Any) -> None:
    """A test for the mark that its author was shown is none."""
    refuse_reading(command, STORED, secrecy)


# --- secrets that are stated ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "places"),
    [
        (SetDocument(document={"token": "x", "n": 1, "rows": [{"token": "y"}]}), ["/rows", "/token"]),
        (SetDocument(document=SHOWN), []),
        (MergePatch(patch={"db": {"password": "x", "host": "h"}}), ["/db/password"]),
        (SetSchema(digest="d", schema={}, patch={"token": "x"}), ["/token"]),
        (SetSchema(digest="d", schema={}), []),
        (Edit(assignments=((Pointer(("db",)), {"password": "x"}),)), ["/db/password"]),
        (operations(operation("add", "/db/password", "x"), operation("test", "/token", "y")), ["/db/password"]),
        (operations(operation("replace", "/token", "x")), ["/token"]),
        (operations(operation("test", "/n", 1), operation("add", "/token", "x")), ["/token"]),
        (operations({"op": "remove", "path": "/token"}), []),
        # What was stated at an open place first may be brought to a secret one.
        (
            operations(operation("add", "/open", "x"), {"op": "move", "from": "/open", "path": "/token"}),
            ["/token"],
        ),
        (operations({"op": "copy", "from": "/n", "path": "/api_key"}), ["/api_key"]),
        # The first does not fit, and the whole is refused for that.
        (operations({"op": "remove", "path": "/absent"}, operation("add", "/token", "x")), []),
        (Delete(), []),
    ],
)  # fmt: skip
def test_the_places_at_which_a_secret_is_stated(command: Any, places: list[str]) -> None:
    """Each may be a guess, so each is known before anything is compared."""
    assert sorted(map(str, stated_secrets(command, STORED, SECRECY))) == places
