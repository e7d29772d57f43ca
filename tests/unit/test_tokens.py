"""Tokens: what is kept of one, when it is good, and that nobody gives more than they have."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from realmconf.domain.document import canonical_bytes
from realmconf.domain.names import LIMITS, TOKENS
from realmconf.errors import (
    InvalidArgument,
    LimitExceeded,
    NotPermitted,
    RateLimited,
    RealmconfError,
    TokenNotFound,
    Unauthenticated,
)
from realmconf.runtime import token_record
from realmconf.runtime.access import OWNER, Grant
from realmconf.runtime.client import Client, connect
from realmconf.runtime.held import HELD_SECONDS, prolong
from realmconf.runtime.operations.rows import BY_NAME
from realmconf.runtime.operations.session import Session
from realmconf.runtime.operations.table import call
from realmconf.runtime.token_form import AUTHOR_CHARS_MAX, PATHS_MAX, PATTERNS_MAX, EndedToken
from realmconf.runtime.tokens import REVISIONS_KEPT, Tokens
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


def grant_of(client: Client, text: str) -> Grant:
    grant = Tokens(client).grant_of(text)
    assert grant is not None
    return grant


def session_of(client: Client, text: str) -> Session:
    return Session(client, grant_of(client, text), surface="http")


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
    ended = Tokens(client).revoke(made.token.id, author="ada", surface="cli")
    assert ended == EndedToken(token=made.token)
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
    monkeypatch.setattr(token_record, "TOKENS_MAX", 3)
    kept = [create(client), create(client)]
    create(client, expires_seconds=1)
    with pytest.raises(LimitExceeded) as refused:
        create(client)
    assert (refused.value.limit, refused.value.value) == ("tokens", 4)
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
def test_only_who_governs_the_whole_store_sees_and_ends_all_tokens(client, narrowing):
    """An admin of some realms, or of some places, sees and ends itself and what was made with it, and no other."""
    made = create(client, **{"roles": ["admin"], **narrowing})
    other = create(client, **{"roles": ["admin"], **narrowing})
    session = session_of(client, made.text)
    wanted = {"realms": ["team-*"], "paths": ["/agent"], "roles": ["admin"]}
    child = give(session, **wanted)
    grandchild = give(session_of(client, child.text), **wanted)
    stranger = give(session_of(client, other.text), **wanted)
    own = [made, child, grandchild]
    assert ids(call(BY_NAME["token/list"], session, {})) == sorted(one.token.id for one in own)
    for one in (other, stranger):
        # As if there were none.
        with pytest.raises(TokenNotFound):
            call(BY_NAME["token/revoke"], session, {"id": one.token.id})
    below = session_of(client, child.text)
    assert ids(call(BY_NAME["token/list"], below, {})) == sorted(
        [child.token.id, grandchild.token.id]
    )
    with pytest.raises(TokenNotFound):
        call(BY_NAME["token/revoke"], below, {"id": made.token.id})
    ended = call(BY_NAME["token/revoke"], session, {"id": child.token.id})
    assert (ended.token, ended.also) == (child.token, (grandchild.token.id,))
    whole = session_of(client, create(client, roles=["admin"]).text)
    assert len(call(BY_NAME["token/list"], whole, {})) == 4
    call(BY_NAME["token/revoke"], whole, {"id": other.token.id})
    with pytest.raises(RealmconfError):
        call(BY_NAME["token/revoke"], whole, {"id": other.token.id})
    call(BY_NAME["token/revoke"], session, {"id": made.token.id})
    assert len(Tokens(client).all()) == 1


@pytest.mark.parametrize("role", ["read", "write"])
def test_who_is_no_admin_sees_and_ends_no_token(client, role):
    """Not its own either."""
    made = create(client, roles=[role])
    session = session_of(client, made.text)
    for name, arguments in (("token/list", {}), ("token/revoke", {"id": made.token.id})):
        with pytest.raises(NotPermitted):
            call(BY_NAME[name], session, arguments)


# --- who is whose -----------------------------------------------------------------------


def ids(tokens: Any) -> list[str]:
    return [token.id for token in tokens]


def narrow(client: Client, **options: Any) -> Any:
    stated = {"realms": ["sandbox"], "roles": ["admin"], "name": "narrow", **options}
    return create(client, **stated)


def give_in_sandbox(session: Session, **arguments: Any) -> Any:
    return give(session, **{"realms": ["sandbox"], "roles": ["admin"], **arguments})


def test_a_token_made_with_a_token_ends_with_it(client):
    """And so does what was made with that one: whoever ends a token ends all that came of it, and is told so."""
    maker = narrow(client)
    child = give_in_sandbox(session_of(client, maker.text))
    grandchild = give_in_sandbox(session_of(client, child.text))
    other = create(client)
    tokens = Tokens(client)
    assert child.token.created_by_id == maker.token.id
    assert other.token.created_by_id is None
    ended = tokens.revoke(maker.token.id, author="ada", surface="cli")
    assert ended.also == (child.token.id, grandchild.token.id)
    assert [tokens.grant_of(one.text) for one in (maker, child, grandchild)] == [None] * 3
    assert tokens.grant_of(other.text) is not None


def test_a_token_that_has_ended_makes_none(client, clock):
    """Also where its caller was recognised before it ended."""
    maker = narrow(client)
    short = narrow(client, expires_seconds=1)
    sessions = [session_of(client, one.text) for one in (maker, short)]
    Tokens(client).revoke(maker.token.id, author="ada", surface="cli")
    with pytest.raises(Unauthenticated):
        give_in_sandbox(sessions[0])
    clock.nanoseconds += SECOND
    with pytest.raises(Unauthenticated):
        give_in_sandbox(sessions[1])
    assert [one.id for one in Tokens(client).all()] == [short.token.id]


def test_without_a_time_a_token_lasts_as_long_as_its_maker(client, clock):
    """The answer says how long that is."""
    maker = create(client, roles=["admin"], expires_seconds=60)
    clock.nanoseconds += 10 * SECOND
    made = give(session_of(client, maker.text), realms=["*"], roles=["read"])
    assert made.token.expires_at == maker.token.expires_at
    kept = Tokens(client).all()
    assert [token.expires_at for token in kept] == [maker.token.expires_at] * 2
    endless = create(client, roles=["admin"])
    assert (
        give(session_of(client, endless.text), realms=["*"], roles=["read"]).token.expires_at
        is None
    )


def test_a_token_without_a_time_follows_its_maker(client, clock):
    """Where its maker is prolonged, as a server does with the token that it printed, so is it; one with a time ends."""
    maker = create(client, roles=["admin"], expires_seconds=60)
    session = session_of(client, maker.text)
    follower = give(session, realms=["*"], roles=["admin"])
    timed = give(session, realms=["*"], roles=["read"], expires=30)
    below = give(session_of(client, follower.text), realms=["*"], roles=["read"])
    clock.nanoseconds += 20 * SECOND
    prolong(
        Tokens(client),
        maker.token.id,
        author="ada",
        surface="http",
        deadline=client.deadline(None),
    )
    clock.nanoseconds += 100 * SECOND
    tokens = Tokens(client)
    good = [tokens.grant_of(one.text) is not None for one in (maker, follower, below, timed)]
    assert good == [True, True, True, False]
    clock.nanoseconds += int(HELD_SECONDS) * SECOND
    assert not any(tokens.grant_of(one.text) for one in (maker, follower, below))
    ended = tokens.revoke(follower.token.id, author="ada", surface="cli")
    assert ended.also == (below.token.id,)
    assert tokens.all() == []


def test_the_history_tells_whose_a_token_is(client):
    """A token made with a token writes as its own name and, in brackets, its maker's: nobody passes for another."""
    maker = narrow(client)
    child = give_in_sandbox(session_of(client, maker.text), name="alice@prod")
    grandchild = give_in_sandbox(session_of(client, child.text), name="ci 2.1")
    session = session_of(client, grandchild.text)
    session.realm(session.named("sandbox")).set({"a": 1})
    revision = client.realm("sandbox").get().revision
    assert revision is not None
    assert revision.author == "ci 2.1 (alice@prod (narrow))"
    assert {one.name for one in Tokens(client).all()} == {"narrow", "alice@prod", "ci 2.1"}
    unnamed = give_in_sandbox(session_of(client, maker.text)).token
    assert unnamed.author == f"{unnamed.id} (narrow)"


@pytest.mark.parametrize(
    "name",
    [
        "mcp:claude",
        "a\u202eb",
        "a\u200bb",
        "аlice",
        "ada (narrow)",
        " ada",
        "ada ",
        "@ada",
        "a/b",
        "a,b",
        "a\n",
    ],
)
def test_a_name_given_with_a_token_is_plain(client, name):
    """Letters, digits and few signs: what is added to it cannot be written, nor what looks like something else."""
    session = session_of(client, narrow(client).text)
    with pytest.raises(InvalidArgument):
        give_in_sandbox(session, name=name)
    assert len(Tokens(client).all()) == 1


def test_whoever_has_the_store_in_hand_names_tokens_freely(client):
    """They can write any history that they like."""
    for name in ("mcp:claude", "Ada Lovelace (ops)", "عطا"):
        assert grant_of(client, create(client, name=name).text).name == name


def test_names_of_makers_fit_a_history(client):
    """A line of makers whose names grow too long for a history makes no further token."""
    session = session_of(client, narrow(client).text)
    for _ in range(2):
        session = session_of(client, give_in_sandbox(session, name="x" * 64).text)
    with pytest.raises(LimitExceeded) as refused:
        give_in_sandbox(session, name="x" * 64)
    assert refused.value.limit == "token_author_chars"
    assert len(session.grant.name) <= AUTHOR_CHARS_MAX < LIMITS.author_chars


def test_a_pattern_has_one_spelling(client):
    """``**`` is ``*``: a token for every realm is one for the whole store, however that was written."""
    made = create(client, realms=["**", "a***b"], roles=["admin"])
    assert made.token.realms == ("*", "a*b")
    assert grant_of(client, made.text).allows("admin", None)


# --- how many ---------------------------------------------------------------------------


def filled(make: Callable[[], object]) -> LimitExceeded:
    """What is raised when there are as many as there may be."""
    while True:
        try:
            make()
        except LimitExceeded as refused:
            return refused


def fill(session: Session, clock: Clock, **arguments: Any) -> LimitExceeded:
    """Make as many tokens as there may be, none in haste."""

    def make() -> None:
        clock.nanoseconds += SECOND
        give_in_sandbox(session, **{"roles": ["read"], **arguments})

    return filled(make)


def large(size: int = 1_900) -> list[str]:
    return ["/" + "x" * 250] * (size // 251)


def test_an_admin_of_few_realms_fills_its_own_share_alone(client, clock):
    """Whatever it makes, and with whatever it made: others have their room, and so has the store's owner."""
    maker = narrow(client)
    session = session_of(client, maker.text)
    other = session_of(client, narrow(client, name="other").text)
    child = session_of(client, give_in_sandbox(session).text)
    for one, paths, limit in (
        (session, large(), "tokens_bytes"),
        (child, large(), "tokens_bytes"),
        (child, [], "tokens_bytes"),
    ):
        refused = fill(one, clock, paths=paths)
        assert refused.limit == limit
    assert give_in_sandbox(other)
    assert create(client)
    record = Tokens(client).ledger.read()
    assert len(canonical_bytes(record)) < token_record.SHARE_BYTES_MAX + token_record.LOG_BYTES_MAX
    Tokens(client).revoke(maker.token.id, author="ada", surface="cli")
    assert len(Tokens(client).all()) == 3


def test_small_tokens_of_a_share_are_counted(client, clock, monkeypatch):
    """So many with one token that is not for the whole store, also by what was made with it."""
    monkeypatch.setattr(token_record, "SHARE_TOKENS_MAX", 5)
    session = session_of(client, narrow(client).text)
    child = session_of(client, give_in_sandbox(session).text)
    refused = fill(child, clock)
    assert (refused.limit, refused.value) == ("tokens", 6)
    with pytest.raises(LimitExceeded):
        give_in_sandbox(session)
    whole = session_of(client, create(client, roles=["admin"]).text)
    for _ in range(6):
        give_in_sandbox(whole)


def test_all_that_is_made_with_tokens_leaves_the_owner_room(client, clock):
    """However many makers there are, the record stays within a document's limits, and its owner makes tokens."""
    for number in range(6):
        maker = narrow(client, name=f"n{number}", realms=["sandbox"])
        refused = fill(session_of(client, maker.text), clock, paths=large())
        assert refused.limit == "tokens_bytes"
    record = Tokens(client).ledger.read()
    assert len(canonical_bytes(record)) < LIMITS.document_bytes * 6 // 10
    refused = filled(lambda: create(client, paths=large()))
    assert refused.limit == "tokens_bytes"
    record = Tokens(client).ledger.read()
    assert len(canonical_bytes(record)) < LIMITS.document_bytes * 97 // 100
    Tokens(client).revoke(Tokens(client).all()[0].id, author="ada", surface="cli")


def test_a_token_says_little(client):
    """Its name, realms and paths take so many bytes and no more."""
    with pytest.raises(LimitExceeded) as refused:
        create(client, paths=large(4_000))
    assert refused.value.limit == "token_bytes"
    with pytest.raises(LimitExceeded):
        create(client, realms=["x" * 64] * 40)


def test_tokens_are_made_so_often(client, clock):
    """With one token, and with what was made with it: whoever makes more waits, and is told how long."""
    session = session_of(client, narrow(client).text)
    child = session_of(client, give_in_sandbox(session).text)
    clock.nanoseconds += 5 * SECOND
    for number in range(token_record.MADE_PER_MINUTE - 1):
        made = give_in_sandbox((session, child)[number % 2])
        Tokens(client).revoke(made.token.id, author="ada", surface="cli")
    with pytest.raises(RateLimited) as refused:
        give_in_sandbox(session)
    assert refused.value.retry_after_seconds == 55
    assert give_in_sandbox(session_of(client, narrow(client, name="other").text))
    assert create(client)
    clock.nanoseconds += 55 * SECOND
    give_in_sandbox(session)


def test_the_record_of_tokens_does_not_grow_with_its_past(client, clock):
    """Of its older states few are kept, however often tokens are made and ended."""
    for _ in range(5 * REVISIONS_KEPT):
        made = create(client)
        Tokens(client).revoke(made.token.id, author="ada", surface="cli")
    head = client.store.head(TOKENS, adopt=False)
    assert head.generation == 10 * REVISIONS_KEPT
    assert head.generation - head.floor < 2 * REVISIONS_KEPT


def test_who_made_and_ended_which_token_is_remembered(client, clock):
    """Also of tokens that are gone; whoever makes and ends many covers nobody's tracks but their own."""
    first = create(client, author="ada")
    Tokens(client).revoke(first.token.id, author="bob", surface="cli")
    session = session_of(client, narrow(client).text)
    clock.nanoseconds += SECOND
    for _ in range(300):
        clock.nanoseconds += SECOND
        made = give_in_sandbox(session)
        call(BY_NAME["token/revoke"], session, {"id": made.token.id})
    log = Tokens(client).log()
    assert [(one["what"], one["by"], one["tokens"]) for one in log[:2]] == [
        ("made", "ada", [first.token.id]),
        ("ended", "bob", [first.token.id]),
    ]
    assert (log[-1]["what"], log[-1]["by"]) == ("ended", "narrow")
    assert len(canonical_bytes({"log": log})) <= token_record.LOG_BYTES_MAX
    assert Tokens(client).all()[0].name == "narrow"


def test_a_record_of_before_shares_is_read(client):
    """Tokens that were made before their makers were noted are the owner's."""
    made = create(client, name="old")

    def older(kept: dict[str, Any]) -> None:
        del kept["log"]
        kept[made.token.id]["realms"] = ["**"]

    Tokens(client).ledger.update(
        older, author="ada", surface="cli", message="", deadline=client.deadline(None)
    )
    grant = grant_of(client, made.text)
    assert (grant.name, grant.realms, grant.share) == ("old", ("*",), made.token.id)
    Tokens(client).revoke(made.token.id, author="ada", surface="cli")


# --- settling ---------------------------------------------------------------------------


def settle(session: Session, write_id: str) -> Any:
    arguments = {"realm": "sandbox", "write_id": write_id}
    return call(BY_NAME["config/settle"], session, arguments)


def test_who_writes_at_some_places_ends_nobody_s_write(client):
    """A write id that can be guessed may be of a write elsewhere; one that the SDK minted only its maker knows."""
    narrowed = session_of(client, create(client, roles=["write"], paths=["/a"]).text)
    with pytest.raises(NotPermitted):
        settle(narrowed, "deploy-1")
    client.realm("sandbox").set({"b": 1}, write_id="deploy-1")
    assert settle(narrowed, client.world.write_id()).outcome == "void"
    for options in ({}, {"paths": [""]}):
        session = session_of(client, create(client, roles=["write"], **options).text)
        assert settle(session, "deploy-1").outcome == "committed"
        assert settle(session, f"deploy-{len(options)}x").outcome == "void"


def test_a_grant_ends_with_its_token(client, clock):
    """A grant says when it ends, so that whoever keeps one can see to it."""
    made = create(client, expires_seconds=1)
    grant = Tokens(client).grant_of(made.text)
    assert isinstance(grant, Grant)
    assert grant.expires_at == made.token.expires_at
