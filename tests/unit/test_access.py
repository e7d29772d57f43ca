"""Roles, patterns of realms, and what follows from them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realmconf.domain.names import RealmName
from realmconf.domain.pointer import Pointer
from realmconf.errors import InvalidArgument, NotPermitted
from realmconf.runtime.access import OWNER, Grant, check_pattern, check_roles, matches

LETTERS = st.text("ab-", min_size=1, max_size=6)
PATTERNS = st.text("ab-*", min_size=1, max_size=6)


def grant(*roles: str, realms: tuple[str, ...] = ("*",), paths: tuple[str, ...] = ()) -> Grant:
    return Grant(
        id="t-1",
        name="bob",
        roles=frozenset(roles),
        realms=realms,
        paths=tuple(map(Pointer.parse, paths)),
    )


@given(PATTERNS, LETTERS)
def test_a_star_stands_for_any_characters(pattern: str, name: str) -> None:
    """And everything else for itself: the whole name is compared, and its case."""
    expression = "".join(".*" if letter == "*" else re.escape(letter) for letter in pattern)
    assert matches(pattern, name) == bool(re.fullmatch(expression, name))


@given(PATTERNS, PATTERNS, st.lists(LETTERS, max_size=3))
def test_a_pattern_within_another_stands_for_nothing_more(
    outer: str, inner: str, fills: list[str]
) -> None:
    """A pattern that matches another one, taken as a name, matches every name that it stands for."""
    if not matches(outer, inner):
        return
    pieces = inner.split("*")
    fills = (fills + [""] * len(pieces))[: len(pieces) - 1]
    name = pieces[0] + "".join(fill + piece for fill, piece in zip(fills, pieces[1:], strict=True))
    assert matches(outer, name)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("team", "team-evil"),
        ("team", "Team"),
        ("team", "evil-team"),
        ("team-*", "team"),
        ("*-team", "team"),
        ("a*a", "a"),
        ("ab*ba", "aba"),
        ("a*b*c", "acb"),
    ],
)
def test_what_merely_looks_alike_is_not_meant(pattern: str, name: str) -> None:
    """No prefix, no other case, and no character that counts for two stars."""
    assert not matches(pattern, name)


def test_admin_implies_write_implies_read_and_none_implies_secrets() -> None:
    """Secrets are added; alone they allow nothing."""
    for role, allowed in (
        ("read", {"read"}),
        ("write", {"read", "write"}),
        ("admin", {"read", "write", "admin"}),
        ("secrets", set()),
    ):
        found = grant(role)
        assert {one for one in ("read", "write", "admin") if found.allows(one, "team")} == allowed
        assert found.sees_secrets == (role == "secrets")
    assert grant("admin", "secrets").sees_secrets
    assert not grant().allows("read", "team")
    assert not OWNER.sees_secrets


def test_a_refusal_says_what_is_missing_and_nothing_of_what_is_there() -> None:
    """By the realm's name alone."""
    with pytest.raises(NotPermitted) as refused:
        grant("read", realms=("team",)).require("write", "team", action="config/set")
    assert refused.value.to_dict() == {
        "code": "not_permitted",
        "message": "not permitted: config/set (realm team): this needs the role write",
        "retryable": False,
        "action": "config/set",
        "realm": "team",
    }


def test_the_store_as_a_whole_is_for_who_is_bound_to_no_realm_and_no_place() -> None:
    """Reading is not narrowed by paths, so whoever may read everywhere may read the whole."""
    assert grant("admin").allows("admin", None)
    assert not grant("admin", realms=("a*", "*b")).allows("admin", None)
    narrowed = grant("admin", paths=("/agent",))
    assert [narrowed.allows(role, None) for role in ("read", "write", "admin")] == [
        True,
        False,
        False,
    ]
    assert narrowed.allows("admin", "team")


def test_the_scope_of_a_grant() -> None:
    """Schema, policy and the realm's place are for admins without narrowed paths; parents are for who may read them."""
    for found, changes_place in (
        (grant("write"), False),
        (grant("admin"), True),
        (grant("admin", paths=("/agent",)), False),
    ):
        scope = found.scope()
        assert (scope.changes_place, scope.governs) == (changes_place, changes_place)
        assert scope.states_secrets
    assert grant("write", paths=("/agent", "/b")).scope().below == (
        Pointer(("agent",)),
        Pointer(("b",)),
    )
    assert grant("write").scope().below is None
    narrow = grant("admin", realms=("team-*",)).scope()
    assert narrow.may_inherit is not None
    assert narrow.may_inherit(RealmName("team-a"))
    assert not narrow.may_inherit(RealmName("org"))


@pytest.mark.parametrize("bad", ["", "a/b", "a.b", "é", "x" * 65, "a b", None, 3, "a\n", "²", "a?"])
def test_what_is_no_pattern_is_refused(bad: object) -> None:
    """A pattern has what a name has, and stars."""
    with pytest.raises(InvalidArgument):
        check_pattern(bad)


@pytest.mark.parametrize("bad", [[], ["root"], "", ["read", None], ["read", ["write"]]])
def test_what_is_no_role_is_refused(bad: list[object]) -> None:
    """At least one, and only those that there are."""
    with pytest.raises(InvalidArgument):
        check_roles(bad)


def test_roles_are_listed_once_and_in_their_order() -> None:
    """Whatever the order they were given in."""
    assert check_roles(["secrets", "read", "read"]) == ("read", "secrets")
    assert check_roles("admin") == ("admin",)
