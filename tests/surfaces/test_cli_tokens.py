"""``token``: how a new one is handed over, what is told of it later, and what `doctor` thinks."""

from __future__ import annotations

import json
import re

import pytest

from realmconf.runtime.client import connect
from realmconf.runtime.tokens import Tokens

TEXT = re.compile(r"rc_[A-Za-z0-9_-]{43}")
FOR_ALL = ("token", "create", "--realms", "*", "--role")


@pytest.fixture
def grants(shell):
    """The rights that a token's text gives; None: none."""

    def grants(text: str):
        with connect(str(shell.root)) as client:
            return Tokens(client).grant_of(text)

    return grants


def test_new_token_stands_alone_on_standard_output(shell, grants):
    """It can be piped to where it is kept; what it is for and how it is ended is said beside it."""
    made = shell.ok(
        *("token", "create", "--realms", "team-*", "--realms", "org", "--name", "ci"),
        *("--role", "write", "--role", "secrets", "--path", "agent", "--path", "/hooks/0"),
        *("--expires", "90d"),
    )
    text = made.out.removesuffix("\n")
    assert TEXT.fullmatch(text)
    grant = grants(text)
    assert (grant.name, grant.roles, grant.realms) == (
        "ci",
        {"write", "secrets"},
        ("team-*", "org"),
    )
    assert [str(path) for path in grant.paths] == ["/agent", "/hooks/0"]
    assert f"realmconf token revoke {grant.id}" in made.err
    assert "write, secrets in team-*, org below /agent, /hooks/0" in made.err
    assert "only time" in made.err
    assert text not in made.err


def test_token_text_is_nowhere_else(shell):
    """No list, export, history, doctor or file of the store tells it again."""
    text = shell.ok(*FOR_ALL, "admin").out.strip()
    shell.ok("set", "a", "1")
    for words in (["token", "list"], ["token", "list", "-o", "json"], ["export"], ["doctor"]):
        assert text not in shell.ok(*words).out
    for path in shell.root.rglob("*"):
        assert not path.is_file() or text.encode() not in path.read_bytes(), path


def test_new_token_as_json(shell, grants):
    """One object, the token's text in it; the same advice on standard error."""
    made = shell.ok(*FOR_ALL, "read", "-o", "json")
    assert made.json["roles"] == ["read"]
    assert made.json["expires_at"] is None
    assert made.json["created_by"] == "ada"
    assert grants(made.json["token"]).id == made.json["id"]
    assert "only time" in made.err
    assert made.json["token"] not in made.err


def test_tokens_are_listed(shell):
    """Each with its roles, realms, places, end and maker; without any, how to make one is said."""
    nothing = shell.ok("token", "list")
    assert nothing.out == ""
    assert "realmconf token create" in nothing.err
    assert shell.ok("token", "list", "-o", "json").json == []
    shell.ok(*FOR_ALL, "admin", "--name", "ops")
    shell.ok("token", "create", "--realms", "team", "--role", "write", "--path", "agent")
    heading, first, second = shell.ok("token", "list").out.splitlines()
    assert heading.split() == [
        *("ID", "NAME", "ROLES", "REALMS", "PATHS", "EXPIRES", "(UTC)"),
        *("MADE", "BY", "MADE", "(UTC)"),
    ]
    assert first.split()[1:7] == ["ops", "admin", "*", "all", "never", "ada"]
    assert second.split()[2:7] == ["write", "team", "/agent", "never", "ada"]
    listed = shell.ok("token", "list", "-o", "json").json
    assert [one["id"] for one in listed] == [first.split()[0], second.split()[0]]
    assert not any({"token", "sha256"} & one.keys() for one in listed)


def test_revoked_token_is_over(shell, grants):
    """It gives no rights from then on, is listed no more, and cannot be revoked twice."""
    made = shell.ok(*FOR_ALL, "read", "-o", "json").json
    assert shell.ok("token", "revoke", made["id"]).out == f"{made['id']} is revoked\n"
    assert grants(made["token"]) is None
    assert shell.ok("token", "list", "-o", "json").json == []
    again = shell("token", "revoke", made["id"], "-o", "json")
    assert (again.code, again.error["code"]) == (5, "token_not_found")


@pytest.mark.parametrize(
    "words",
    [
        ["create"],
        ["create", "--realms", "*"],
        ["create", "--role", "read"],
        ["create", "--realms", "a/b", "--role", "read"],
        ["create", "--realms", "", "--role", "read"],
        ["create", "--realms", "*", "--role", "read", "--name", ""],
        ["create", "--realms", "*", "--role", "read", "--name", "two\nlines"],
        ["create", "--realms", "*", "--role", "read", "--expires", "0d"],
        ["create", "--realms", "*", "--role", "read", "--expires", "9000d"],
        ["create", "--realms", "*", "--role", "read", "--expires", "90"],
        ["create", "t-1", "--realms", "*", "--role", "read"],
        ["list", "t-1"],
        ["list", "--role", "read"],
        ["revoke"],
        ["revoke", "t-1", "--name", "n"],
    ],
    ids=" ".join,
)
def test_words_that_make_no_token(shell, words):
    """They are refused with the reason, and nothing is made."""
    answer = shell("token", *words, "-o", "json")
    assert (answer.code, answer.error["code"]) == (4, "invalid_argument"), answer.out
    assert shell.ok("token", "list", "-o", "json").json == []


@pytest.mark.parametrize("words", [["create", "--role", "owner"], ["show"], []])
def test_usage(shell, words):
    """What the table of commands does not know is a usage error."""
    assert shell("token", *words).code == 2


def test_doctor_counts_tokens(shell):
    """And names those that are over, or may do everything for ever."""
    shell.ok("set", "a", "1")

    def found():
        listed = shell.ok("doctor", "-o", "json").json
        return [(one["level"], one["text"]) for one in listed if one["subject"] == "tokens"]

    assert found() == [("ok", "no tokens")]
    shell.ok("token", "create", "--realms", "team*", "--role", "admin")
    shell.ok(*FOR_ALL, "write")
    shell.ok(*FOR_ALL, "admin", "--expires", "1d")
    shell.ok(*FOR_ALL, "admin", "--path", "agent")
    assert found() == [("ok", "4 tokens")]
    all_powerful = shell.ok(*FOR_ALL, "admin", "-o", "json").json["id"]
    with connect(str(shell.root)) as client:
        made = Tokens(client).create(
            realms=["*"], roles=["read"], expires_seconds=1e-6, author="ada", surface="sdk"
        )
    counted, over, endless = found()
    assert counted == ("ok", "6 tokens")
    assert over[0] == "note"
    assert made.token.id in over[1]
    assert endless[0] == "warning"
    assert all_powerful in endless[1]
    listed = shell.ok("token", "list").out
    assert re.search(rf"{made.token.id}.*\(over\)", listed)


def test_tokens_are_no_realm(shell):
    """No list, export or completion of realms has them, and ``verify`` calls them something else."""
    shell.ok(*FOR_ALL, "read")
    assert shell.ok("realms", "-o", "json").json == {"realms": [], "after": None}
    assert [json.loads(line).get("realm") for line in shell.ok("export").out.splitlines()] == [None]
    assert shell.ok("completion", "realms").out == ""
    (verified,) = shell.raw("--store", str(shell.root), "verify", "-o", "json").json
    assert "realm" not in verified
    assert shell("get", "--realm", "_tokens").code == 4


def test_verify_looks_at_the_tokens_too(shell):
    """``verify`` of a whole store tells of realmconf's own records as such; of one realm it does not."""
    shell.ok("set", "a", "1")
    shell.ok("token", "create", "--realms", "*", "--role", "read")
    every = shell.raw("--store", str(shell.root), "verify")
    assert every.code == 0
    assert every.out.splitlines() == [
        "team: 1 revisions up to 1 are intact",
        "realmconf's own record _tokens: 1 revisions up to 1 are intact",
    ]
    found = shell.raw("--store", str(shell.root), "-o", "json", "verify").json
    assert found == [
        {"realm": "team", "revisions": 1, "generation": 1},
        {"own_record": "_tokens", "revisions": 1, "generation": 1},
    ]
    assert "_tokens" not in shell.ok("verify").out
