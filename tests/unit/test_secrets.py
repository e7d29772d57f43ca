"""What is secret, showing a document without, and what comes back in its place."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any

import pytest

from realmconf.domain.document import ABSENT, canonical_bytes
from realmconf.domain.frozen import freeze
from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.schemas.shape import Shape
from realmconf.domain.secrets import MARK, Secrecy, has_mark, looks_secret, redact, unmarked
from realmconf.errors import SecretMarkMisplaced


@pytest.mark.parametrize(
    "place",
    [
        "api_key",
        "token",
        "secret",
        "password",
        "credential",
        "credentials",
        "a.b.api_key",
        "github_token",
        "github-token",
        "db_password",
        "DB_PASSWORD",
        "Token",
        "apiKey",
        "openai-api-key",
        "openaiApiKey",
        "accessToken",
        "clientSecret",
        "_secret",
        "api_keys",
        "api_keys.openai",
        "api_keys.openai.primary",
        "providers.api_keys.x",
        "secret.anything.below",
        "/servers/0/password",
        "realm",
        "realm.team",
        "realm.team.credential_store",
        "realm.team.x.parent",
    ],
)
def test_what_looks_secret(place: str) -> None:
    """Known names as a whole key or its last word, everything below them, and the reserved section."""
    assert looks_secret(Pointer.parse(place))


@pytest.mark.parametrize(
    "place",
    [
        "",
        "max_tokens",
        "maxTokens",
        "max_tokens_per_turn",
        "tokens",
        "token_limit",
        "tokenizer",
        "secretary",
        "passwords_file",
        "key",
        "keys",
        "api",
        "api_key_name",
        "keyboard",
        "agent.model",
        "monkey",
        "realms.team.x",
        "realm.team.parent",
        "realm.team.unset",
        "realm.team.unset.0",
        "realm.my-token.parent",
    ],
)
def test_what_does_not(place: str) -> None:
    """``max_tokens`` is a number, and a realm's own parent and masks are to be seen."""
    assert not looks_secret(Pointer.parse(place))


def test_redaction_keeps_everything_else() -> None:
    """Strings and numbers that look secret become the mark; structure, references and the rest stay."""
    document = {
        "agent": {
            "model": "m",
            "max_tokens": 5,
            "api_key": "hunter2",
            "pin_token": 1234,
            "ratio_secret": 0.5,
        },
        "api_keys": {
            "openai": "hunter2",
            "list": ["hunter2", {"x": "hunter2"}],
            "ref": "secret://env/KEY",
            "on": True,
        },
        "servers": [
            {"host": "h", "password": "hunter2"},
            {"host": "i", "password": "secret://file/p"},
        ],
        "realm": {"team": {"parent": "org", "unset": ["/a"], "store": {"key": "hunter2"}}},
        "use_token": False,
        "empty": {"secret": {}},
    }
    assert redact(document) == {
        "agent": {
            "model": "m",
            "max_tokens": 5,
            "api_key": MARK,
            "pin_token": MARK,
            "ratio_secret": MARK,
        },
        "api_keys": {
            "openai": MARK,
            "list": [MARK, {"x": MARK}],
            "ref": "secret://env/KEY",
            "on": True,
        },
        "servers": [{"host": "h", "password": MARK}, {"host": "i", "password": "secret://file/p"}],
        "realm": {"team": {"parent": "org", "unset": ["/a"], "store": {"key": MARK}}},
        "use_token": False,
        "empty": {"secret": {}},
    }


def test_a_part_is_redacted_for_where_it_stands() -> None:
    """One value out of a document, as in a diff, is judged by its place."""
    assert redact("hunter2", at=Pointer.parse("db.password")) == MARK
    assert redact({"x": ["hunter2"]}, at=Pointer.parse("api_keys")) == {"x": [MARK]}
    assert redact("m", at=Pointer.parse("agent.model")) == "m"
    assert redact(ABSENT, at=Pointer.parse("db.password")) is ABSENT


def test_redaction_changes_a_copy() -> None:
    """The document itself keeps its secrets, and a frozen one is shown as plain."""
    document = freeze({"token": "hunter2", "o": {"token": ["hunter2"]}})
    assert redact(document) == {"token": MARK, "o": {"token": [MARK]}}
    assert type(redact(document)) is dict
    assert document == {"token": "hunter2", "o": {"token": ["hunter2"]}}


# --- secrecy of one realm ----------------------------------------------------------------

KEY = b"k" * 32
TEAM = Secrecy(realm="team", key=lambda: KEY)

SCHEMA = {
    "type": "object",
    "properties": {
        "pin": {"type": "integer", "writeOnly": True},
        "login": {"type": "object", "x-secret": True},
        "peers": {
            "type": "array",
            "items": {"type": "object", "properties": {"code": {"format": "password"}}},
        },
        "model": {"type": "string"},
    },
}
GOVERNED = Secrecy(realm="team", shape=Shape.of([SCHEMA]), key=lambda: KEY)


def test_a_mark_is_a_mac_over_realm_pointer_and_value() -> None:
    """The published form: sixteen hex digits of HMAC-SHA256 over the canonical JSON of the three."""
    at = Pointer.parse("db.password")
    stated = canonical_bytes(["team", "/db/password", "hunter2"])
    digits = hmac.new(KEY, stated, hashlib.sha256).hexdigest()[:16]
    assert TEAM.mark(at, "hunter2") == f"«secret:{digits}»"


def test_a_mark_differs_by_realm_pointer_value_and_key() -> None:
    """None of the four can be exchanged; numbers that are equal to Python are different values."""
    at = Pointer.parse("db.password")
    marks = {
        TEAM.mark(at, 1),
        TEAM.mark(at, 1.0),
        TEAM.mark(at, "1"),
        TEAM.mark(Pointer.parse("db2.password"), 1),
        TEAM.replace(realm="other").mark(at, 1),
        TEAM.replace(key=lambda: b"x" * 32).mark(at, 1),
    }
    assert len(marks) == 6
    assert TEAM.mark(at, 1) == TEAM.mark(at, 1)
    assert Secrecy(realm="team").mark(at, 1) == MARK


def test_each_secret_is_shown_as_the_mark_of_its_place() -> None:
    """What is redacted is what is secret by name, and each mark is that of its own pointer."""
    shown: Any = TEAM.redact({"a": {"token": "x"}, "list": [{"token": "x"}], "n": 1})
    assert shown == {
        "a": {"token": TEAM.mark(Pointer.parse("a.token"), "x")},
        "list": [{"token": TEAM.mark(Pointer.parse("/list/0/token"), "x")}],
        "n": 1,
    }
    assert re.fullmatch("«secret:[0-9a-f]{16}»", shown["a"]["token"])
    assert shown["a"]["token"] != shown["list"][0]["token"]


def test_a_part_has_the_marks_that_it_has_in_the_whole() -> None:
    """A diff, which shows single values, shows the marks of the document."""
    document = {"db": {"password": "x", "list": [{"pin_secret": 4}]}}
    whole: Any = TEAM.redact(document)
    assert TEAM.redact(document["db"], at=Pointer(("db",))) == whole["db"]
    assert TEAM.redact(ABSENT, at=Pointer.parse("db.password")) is ABSENT


@pytest.mark.parametrize(
    ("place", "is_secret"),
    [
        ("/pin", True),
        ("/login", True),
        ("/login/user", True),
        ("/login/more/0/user", True),
        ("/peers/0/code", True),
        ("/peers/12/code", True),
        ("/peers/0/host", False),
        ("/peers", False),
        ("/model", False),
        ("/token", True),
        ("", False),
    ],
)
def test_a_schema_makes_a_place_secret_and_all_below_it(place: str, is_secret: bool) -> None:
    """What is secret is so by name or by schema; without the schema, by name alone."""
    assert GOVERNED.is_secret(Pointer.parse(place)) is is_secret
    assert TEAM.is_secret(Pointer.parse(place)) is (place == "/token")


def test_redaction_follows_the_schema() -> None:
    """Strings and numbers below a secret place are marked; booleans and references stay, as with names."""
    document = {
        "pin": 1234,
        "login": {"user": "u", "tries": [1, {"x": 0.5}], "on": True, "ref": "secret://env/P"},
        "peers": [{"host": "h", "code": "c"}],
        "model": "m",
    }

    def mark(place: str) -> str:
        pointer = Pointer.parse(place)
        return GOVERNED.mark(pointer, pointer.resolve(document))

    assert GOVERNED.redact(document) == {
        "pin": mark("/pin"),
        "login": {
            "user": mark("/login/user"),
            "tries": [mark("/login/tries/0"), {"x": mark("/login/tries/1/x")}],
            "on": True,
            "ref": "secret://env/P",
        },
        "peers": [{"host": "h", "code": mark("/peers/0/code")}],
        "model": "m",
    }


def test_a_schema_that_is_secret_as_a_whole_hides_everything() -> None:
    """Also the realm's own section, which a schema without secrets leaves to the names."""
    document = {"a": "x", "realm": {"team": {"parent": "org"}}}
    everything = Secrecy(realm="team", shape=Shape.of([{"writeOnly": True}]))
    assert everything.redact(document) == {"a": MARK, "realm": {"team": {"parent": MARK}}}
    nothing = Secrecy(realm="team", shape=Shape.of([{"type": "object"}]))
    assert nothing.redact(document) == document


class Counting:
    """A shape that counts how often somebody goes down a step."""

    def __init__(self, *, secrets: bool) -> None:
        self.has_secrets = secrets
        self.secret = False
        self.steps = 0

    def step(self, part: str) -> Counting:
        self.steps += 1
        return self

    anywhere = step


@pytest.mark.parametrize(("secrets", "steps"), [(True, 11), (False, 0)])
def test_the_schema_is_walked_once_beside_the_value(secrets: bool, steps: int) -> None:
    """Each place costs one step, however deep, and none if no schema speaks of secrets."""
    shape: Any = Counting(secrets=secrets)
    Secrecy(realm="team", shape=shape).redact({"a": {"b": {"c": {"d": list(range(7))}}}})
    assert shape.steps == steps


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ({"a": 1}, ""),
        ({"token": True, "secret": "secret://env/X", "password": {}, "api_keys": []}, ""),
        ("m", "/agent/model"),
        ({"team": {"parent": "org", "unset": ["/a"]}}, "/realm"),
        ("x", "/token"),
        ({"x": [{"token": 0}]}, ""),
        ("x", "/realm/team/store"),
        (7, "/pin"),
        ({"deep": ["x"]}, "/login"),
        (ABSENT, "/token"),
    ],
)
def test_to_conceal_is_to_be_redacted(value: Any, at: str) -> None:
    """``conceals`` is true exactly where ``redact`` gives something else."""
    pointer = Pointer.parse(at)
    assert GOVERNED.conceals(value, pointer) is (GOVERNED.redact(value, at=pointer) != value)


def test_a_secrecy_does_not_show_its_key() -> None:
    """Its repr may be logged."""
    assert "lambda" not in repr(TEAM)
    assert "key=…" in repr(TEAM)


# --- marks that come back ------------------------------------------------------------------

STORED: dict[str, Any] = {
    "provider": {"api_key": "s3", "url": "u"},
    "api_keys": ["k1", "k2", 3],
    "tokens": 5,
    "on_token": True,
    "ref_token": "secret://env/X",
    "servers": [{"name": "a", "password": "p1"}, {"name": "b", "password": "p2"}],
}
SHOWN: Any = TEAM.redact(STORED)
API_KEY = SHOWN["provider"]["api_key"]


def test_what_was_shown_comes_back_as_what_is_stored() -> None:
    """Reading a document and sending it back changes nothing; neither argument is changed."""
    before = repr(SHOWN)
    assert has_mark(SHOWN)
    assert unmarked(SHOWN, STORED, TEAM) == STORED
    assert repr(SHOWN) == before


def test_edits_around_a_mark_are_kept() -> None:
    """Only the marks are replaced: by the stored secret, number or text."""
    edited = {
        "provider": {"api_key": API_KEY, "url": "new"},
        "api_keys": ["new", SHOWN["api_keys"][1], SHOWN["api_keys"][2]],
    }
    assert unmarked(edited, STORED, TEAM) == {
        "provider": {"api_key": "s3", "url": "new"},
        "api_keys": ["new", "k2", 3],
    }


def test_a_part_comes_back_at_its_pointer() -> None:
    """As in an operation of a patch, which has one value and says where."""
    at = Pointer(("provider",))
    part = {"api_key": API_KEY}
    assert unmarked(part, STORED["provider"], TEAM, at=at) == {"api_key": "s3"}
    with pytest.raises(SecretMarkMisplaced):
        unmarked(part, STORED["provider"], TEAM)


def test_what_has_no_mark_is_handed_back_as_it_is() -> None:
    """Nothing is copied for nothing; nulls of a patch stay."""
    patch = {"a": {"b": None}, "c": [1, "«secrets» are not marks", "«secret"]}
    assert not has_mark(patch)
    assert unmarked(patch, {}, TEAM) is patch


def misplaced() -> dict[str, dict[str, Any]]:
    first, second = (one["password"] for one in SHOWN["servers"])
    return {
        "at another key": {"provider": {"url": API_KEY}},
        "at another secret": {"provider": {"token": API_KEY}},
        "where nothing is stored": {"new": {"api_key": API_KEY}},
        "in a longer text": {"provider": {"api_key": f"Bearer {API_KEY}"}},
        "twice": {"provider": {"api_key": API_KEY + API_KEY}},
        "with a blank": {"provider": {"api_key": f"{API_KEY} "}},
        "with another digit": {"provider": {"api_key": API_KEY[:-2] + "g»"}},
        "cut": {"provider": {"api_key": API_KEY[:-1]}},
        "forged": {"provider": {"api_key": "«secret:0123456789abcdef»"}},
        "empty": {"provider": {"api_key": "«secret:»"}},
        "without a MAC": {"provider": {"api_key": MARK}},
        "without a MAC at no secret": {"a": MARK},
        "as a key": {"provider": {API_KEY: "x"}},
        "in a key": {f"a {MARK} b": 1},
        "in a key inside an array": {"x": [{MARK: 1}]},
        "of a container": {"provider": API_KEY},
        "above": {"api_keys": SHOWN["api_keys"][0]},
        "below": {"provider": {"api_key": {"x": API_KEY}}},
        "one element less": {"servers": [{"password": second}]},
        "in another order": {"servers": [{"password": second}, {"password": first}]},
        "one element too far": {"api_keys": ["x", SHOWN["api_keys"][0]]},
        "of a boolean": {"on_token": TEAM.mark(Pointer(("on_token",)), True)},
        "of a reference": {"ref_token": TEAM.mark(Pointer(("ref_token",)), "secret://env/X")},
    }


MISPLACED = misplaced()


@pytest.mark.parametrize("how", MISPLACED)
def test_a_misplaced_mark_is_refused(how: str) -> None:
    """G11: no mark copies a secret, none becomes a value, and none is made by somebody else."""
    with pytest.raises(SecretMarkMisplaced) as caught:
        unmarked(MISPLACED[how], STORED, TEAM)
    text = str(caught.value.to_dict())
    assert not any(secret in text for secret in ("s3", "k1", "p1", "p2", "«secret"))


def test_a_stale_mark_is_refused() -> None:
    """Whoever sends it back saw another secret than the one that it would keep."""
    changed = {"provider": {"api_key": "s4", "url": "u"}}
    with pytest.raises(SecretMarkMisplaced, match="/provider/api_key"):
        unmarked({"provider": {"api_key": API_KEY}}, changed, TEAM)


def test_a_mark_of_another_realm_or_store_is_refused() -> None:
    """Equal documents elsewhere have other marks."""
    for other in (TEAM.replace(realm="other"), TEAM.replace(key=lambda: b"x" * 32)):
        with pytest.raises(SecretMarkMisplaced):
            unmarked(SHOWN, STORED, other)


def test_without_a_key_nothing_comes_back() -> None:
    """The mark of a repr says nothing about what it stands for."""
    keyless = Secrecy(realm="team")
    shown: Any = keyless.redact(STORED)
    with pytest.raises(SecretMarkMisplaced):
        unmarked(shown, STORED, keyless)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (MARK, True),
        (f"a{MARK}b", True),
        ("«secret:", True),
        ({"a": [{"b": [1, "«secret:0»"]}]}, True),
        ({MARK: 1}, True),
        ((1, MARK), True),
        ("«secret", False),
        ("secret", False),
        ({"a": [1, True, None, 0.5, "x"]}, False),
        (ROOT, False),
    ],
)
def test_a_mark_is_found_wherever_it_stands(value: Any, expected: bool) -> None:
    """In values, keys, arrays and longer texts; text that only resembles one is left alone."""
    assert has_mark(value) is expected
