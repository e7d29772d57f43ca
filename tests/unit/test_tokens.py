"""Tokens: what is kept of one, when it is good, and that nobody gives more than they have."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from realmconf.domain.names import TOKENS
from realmconf.errors import (
    InvalidArgument,
    LimitExceeded,
    NotPermitted,
    RealmconfError,
    TokenNotFound,
)
from realmconf.runtime import tokens as kept_tokens
from realmconf.runtime.access import OWNER, Grant
from realmconf.runtime.client import Client, connect
from realmconf.runtime.operations.rows import BY_NAME
from realmconf.runtime.operations.session import Session
from realmconf.runtime.operations.table import call
from realmconf.runtime.tokens import PATHS_MAX, PATTERNS_MAX, Tokens
from realmconf.runtime.world import World

SECOND = 1_000_000_000


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.nanoseconds = 1_700_000_000 * SECOND

    def __call__(self) -> int:
        return self.nanoseconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def client(clock):
    with connect("memory://", author="ada", world=World(time_nanoseconds=clock)) as opened:
        yield opened


def create(client: Client, **options: Any) -> Any:
    stated = {"realms": ["*"], "roles": ["read"], "author": "ada", "surface": "cli", **options}
    return Tokens(client).create(**stated)


def session_of(client: Client, text: str) -> Session:
    grant = Tokens(client).grant_of(text)
    assert grant is not None
    return Session(client, grant, surface="http")


def test_the_text_of_a_token_is_kept_nowhere(client):
    """Only its digest is, so that whoever reads the store has no token by it."""
    made = create(client, name="ci")
    kept = json.dumps(Tokens(client).ledger.read())
    assert made.text.startswith("rc_")
    assert len(made.text) == 46
    assert made.text[3:] not in kept
    assert made.text not in repr(made)
    assert "sha256" not in made.token.to_dict()
    history = client.store.head(TOKENS).revision
    assert made.text not in f"{history.message} {history.author}"


def test_a_token_gives_the_rights_it_was_made_with(client):
    """Roles, realms and paths; its name is what the history calls its writer, without one its id."""
    made = create(client, realms=["team-*", "org"], roles=["write"], paths=["agent.model"])
    grant = Tokens(client).grant_of(made.text)
    assert grant is not None
    assert (grant.id, grant.name) == (made.token.id, made.token.id)
    assert grant.realms == ("team-*", "org")
    assert [str(path) for path in grant.paths] == ["/agent/model"]
    assert grant.allows("write", "team-a")
    assert not grant.allows("write", "team")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rc_",
        "rc_" + "A" * 42,
        "rc_" + "A" * 43,
        "rc_" + "A" * 44,
        "rc_" + "é" * 43,
        "rc_\n" * 9,
    ],
)
def test_what_is_no_token_gives_no_rights(client, text):
    """Whatever its form."""
    create(client)
    assert Tokens(client).grant_of(text) is None
    assert Tokens(client).grant_of(create(client).text + "\n") is None


def test_a_token_ends_at_its_microsecond(client, clock):
    """It is good until just before the time that it says, and not at it."""
    made = create(client, expires_seconds=1.5)
    tokens = Tokens(client)
    clock.nanoseconds += 1_499_999_000
    assert tokens.grant_of(made.text) is not None
    assert tokens.is_good(made.token.id)
    clock.nanoseconds += 1_000
    assert tokens.grant_of(made.text) is None
    assert not tokens.is_good(made.token.id)
    assert [token.id for token in tokens.all()] == [made.token.id]


def test_a_revoked_token_is_none(client):
    """For everybody who asks from then on, also who has known it as good."""
    made, other = create(client), create(client)
    tokens = Tokens(client)
    assert tokens.grant_of(made.text) is not None
    assert Tokens(client).revoke(made.token.id, author="ada", surface="cli") == made.token
    assert tokens.grant_of(made.text) is None
    assert not tokens.is_good(made.token.id)
    assert tokens.grant_of(other.text) is not None
    with pytest.raises(TokenNotFound):
        tokens.revoke(made.token.id, author="ada", surface="cli")


def test_another_process_knows_at_once_that_a_token_ended(tmp_path):
    """Tokens live in the store: whichever process answers looks there."""
    root = str(tmp_path / "realms")
    with connect(root, author="ada") as client:
        made = create(client)
        tokens = Tokens(client)
        assert tokens.grant_of(made.text) is not None
        program = (
            "import sys, realmconf; from realmconf.runtime.tokens import Tokens\n"
            "with realmconf.connect(sys.argv[1], author='eve') as client:\n"
            "    print(Tokens(client).grant_of(sys.argv[3]).id)\n"
            "    Tokens(client).revoke(sys.argv[2], author='eve', surface='cli')\n"
        )
        run = subprocess.run(
            [sys.executable, "-c", program, root, made.token.id, made.text],
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == made.token.id
        assert tokens.grant_of(made.text) is None


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"realms": []}, InvalidArgument),
        ({"realms": ["_tokens/"]}, InvalidArgument),
        ({"roles": []}, InvalidArgument),
        ({"roles": ["root"]}, InvalidArgument),
        ({"name": ""}, InvalidArgument),
        ({"name": "a\nb"}, InvalidArgument),
        ({"expires_seconds": 0}, InvalidArgument),
        ({"expires_seconds": -1}, InvalidArgument),
        ({"expires_seconds": float("nan")}, InvalidArgument),
        ({"expires_seconds": float("inf")}, InvalidArgument),
        ({"expires_seconds": True}, InvalidArgument),
        ({"expires_seconds": 10**12}, InvalidArgument),
        ({"paths": "/agent"}, InvalidArgument),
        ({"realms": ["a"] * (PATTERNS_MAX + 1)}, LimitExceeded),
        ({"paths": ["/a"] * (PATHS_MAX + 1)}, LimitExceeded),
    ],
)
def test_what_is_no_token_is_not_made(client, options, error):
    """And nothing is kept of it."""
    with pytest.raises(error):
        create(client, **options)
    assert Tokens(client).all() == []


def test_tokens_that_have_expired_make_room(client, clock, monkeypatch):
    """There are only so many; those that are good are never taken away for another one."""
    monkeypatch.setattr(kept_tokens, "TOKENS_MAX", 3)
    kept = [create(client), create(client)]
    create(client, expires_seconds=1)
    with pytest.raises(LimitExceeded):
        create(client)
    clock.nanoseconds += 2 * SECOND
    made = create(client)
    found = {token.id for token in Tokens(client).all()}
    assert found == {one.token.id for one in (*kept, made)}


# --- nobody gives more than they have --------------------------------------------------


def give(session: Session, **arguments: Any) -> Any:
    return call(BY_NAME["token/create"], session, arguments)


@pytest.mark.parametrize(
    ("own", "given", "passes"),
    [
        ({"realms": ["*"]}, {"realms": ["*"]}, True),
        ({"realms": ["team-*"]}, {"realms": ["team-*"]}, True),
        ({"realms": ["team-*"]}, {"realms": ["team-a", "team-b*"]}, True),
        ({"realms": ["team-*"]}, {"realms": ["*"]}, False),
        ({"realms": ["team-*"]}, {"realms": ["team*"]}, False),
        ({"realms": ["team-*"]}, {"realms": ["team-a", "org"]}, False),
        ({"realms": ["a*", "*b"]}, {"realms": ["a*b"]}, True),
        ({"realms": ["a*b"]}, {"realms": ["a*"]}, False),
        ({}, {"roles": ["read", "write", "admin"]}, True),
        ({}, {"roles": ["secrets"]}, False),
        ({"roles": ["admin", "secrets"]}, {"roles": ["read", "secrets"]}, True),
        ({"roles": ["write"]}, {"roles": ["read"]}, False),
        ({"paths": ["/a"]}, {"paths": ["/a/b"]}, True),
        ({"paths": ["/a"]}, {"paths": ["/a", "/b"]}, False),
        ({"paths": ["/a"]}, {"paths": ["/ab"]}, False),
        ({"paths": ["/a"]}, {}, False),
        ({"paths": ["/a"]}, {"paths": [""]}, False),
        ({"expires_seconds": 60}, {"expires": 60}, True),
        ({"expires_seconds": 60}, {"expires": 60.001}, False),
        ({"expires_seconds": 60}, {}, False),
    ],
)
def test_a_token_made_by_a_token_gives_no_more(client, own, given, passes):
    """Neither realms nor roles nor paths nor time."""
    giver = create(client, **{"roles": ["admin"], **own})
    session = session_of(client, giver.text)
    wanted = {"realms": own.get("realms", ["*"]), "roles": ["read"], **given}
    if not passes:
        with pytest.raises(NotPermitted):
            give(session, **wanted)
        assert len(Tokens(client).all()) == 1
        return
    made = give(session, **wanted)
    assert made.token.created_by == giver.token.name


def test_whoever_has_the_store_in_hand_gives_what_they_like(client):
    """They can read it all without any token."""
    session = Session(client, OWNER, surface="cli", author="ada")
    made = give(session, realms=["*"], roles=["admin", "secrets"])
    assert made.token.roles == ("admin", "secrets")
    assert made.token.created_by == "ada"


@pytest.mark.parametrize("narrowing", [{"realms": ["team-*"]}, {"paths": ["/agent"]}])
def test_only_who_governs_the_whole_store_sees_and_ends_tokens(client, narrowing):
    """An admin of some realms, or of some places, would learn of other people's and lock them out."""
    made = create(client, **{"roles": ["admin"], **narrowing})
    session = session_of(client, made.text)
    for name, arguments in (("token/list", {}), ("token/revoke", {"id": made.token.id})):
        with pytest.raises(NotPermitted):
            call(BY_NAME[name], session, arguments)
    whole = session_of(client, create(client, roles=["admin"]).text)
    assert len(call(BY_NAME["token/list"], whole, {})) == 2
    call(BY_NAME["token/revoke"], whole, {"id": made.token.id})
    with pytest.raises(RealmconfError):
        call(BY_NAME["token/revoke"], whole, {"id": made.token.id})


def test_a_grant_ends_with_its_token(client, clock):
    """A grant says when it ends, so that whoever keeps one can see to it."""
    made = create(client, expires_seconds=1)
    grant = Tokens(client).grant_of(made.text)
    assert isinstance(grant, Grant)
    assert grant.expires_at == made.token.expires_at
