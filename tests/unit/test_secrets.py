"""What looks like a secret, and showing a document without."""

import pytest

from realmconf.domain.document import ABSENT
from realmconf.domain.frozen import freeze
from realmconf.domain.pointer import Pointer
from realmconf.domain.secrets import MARK, looks_secret, redact


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
