"""What marks and numbers mean when they come back through a surface."""

from __future__ import annotations

from typing import Any

import pytest

from realmconf.domain.secrets import MARK, Secrecy, has_mark
from realmconf.errors import SecretMarkMisplaced
from realmconf.runtime.operations.numbers import with_stored_number_types
from realmconf.surfaces.intake import with_secrets

STORED = {"provider": {"api_key": "s3", "url": "u"}, "api_keys": ["k1", "k2"], "token": 5}
OURS = Secrecy(realm="team", key=lambda: b"k" * 32)
SHOWN: Any = OURS.redact(STORED)
API_KEY, FIRST = SHOWN["provider"]["api_key"], SHOWN["api_keys"][0]


def restored(value, *shown):
    return with_secrets(value, shown or (STORED,), OURS)


def test_redacted_document_sent_back_is_the_stored_one():
    """Reading a document and sending it back unchanged changes no secret, whatever its type."""
    assert has_mark(SHOWN)
    assert restored(SHOWN) == STORED


def test_real_value_replaces_the_secret():
    """A value in the place of the mark is the new secret."""
    assert restored({"provider": {"api_key": "new", "url": "u"}})["provider"]["api_key"] == "new"


def test_without_a_mark_nothing_is_looked_at():
    """What holds no mark is what it is, the very object."""
    given = {"a": {"b": [1, 2]}}
    assert restored(given) is given


SERVERS = {"servers": [{"name": "a", "password": "p1"}, {"name": "b", "password": "p2"}]}
SHOWN_SERVERS: Any = OURS.redact(SERVERS)
MARKS = [one["password"] for one in SHOWN_SERVERS["servers"]]


@pytest.mark.parametrize("marks", [MARKS[::-1], MARKS[1:], [*MARKS, MARKS[0]]])
def test_mark_in_an_array_whose_elements_moved_is_refused(marks):
    """A mark is good at its own place; to take another element's secret would be worse than to ask."""
    given = {"servers": [{"name": "x", "password": mark} for mark in marks]}
    with pytest.raises(SecretMarkMisplaced):
        restored(given, SERVERS)


def test_mark_in_an_array_that_was_edited_in_place_keeps_the_secret():
    """An element may change around its secret."""
    given = {
        "servers": [
            {"name": "a", "password": MARKS[0], "port": 1},
            {"name": "b", "password": "new"},
        ]
    }
    assert restored(given, SERVERS) == {
        "servers": [{"name": "a", "password": "p1", "port": 1}, {"name": "b", "password": "new"}]
    }


@pytest.mark.parametrize(
    "value",
    [
        {"provider": {"url": API_KEY}},
        {"provider": {"other_api_key": API_KEY}},
        {"provider": {"api_key": f"Bearer {API_KEY}"}},
        {"provider": {"api_key": MARK}},
        {"provider": {"api_key": "«secret:0123456789abcdef»"}},
        {"api_keys": ["k1", "k2", FIRST]},
        {"api_keys": {"0": [FIRST]}},
        {"new": {"password": API_KEY}},
        {"tokens": API_KEY},
        {API_KEY: 1},
        {"a": {API_KEY: {}}},
    ],
)
def test_mark_in_another_place_is_refused(value):
    """G11: a mark cannot be used to copy a secret somewhere else, nor can it become a value or a key."""
    with pytest.raises(SecretMarkMisplaced):
        restored(value)


def test_of_two_sides_that_were_shown_the_mark_of_either_is_good():
    """Where two people disagree, a person chooses between marks, and gets the value that each stands for."""
    theirs = {"provider": {"api_key": "theirs"}, "password": "theirs too"}
    mine: Any = SHOWN
    other: Any = OURS.redact(theirs)
    chosen = {
        "provider": other["provider"],
        "api_keys": mine["api_keys"],
        "password": other["password"],
    }
    assert restored(chosen, STORED, theirs) == {
        "provider": {"api_key": "theirs"},
        "api_keys": ["k1", "k2"],
        "password": "theirs too",
    }
    with pytest.raises(SecretMarkMisplaced):
        restored(chosen, STORED)


@pytest.mark.parametrize(
    ("value", "stored", "kept"),
    [
        (1, 1.0, 1.0),
        (1.0, 1, 1),
        (2, 1.0, 2),
        (True, 1, True),
        ({"a": [1, 2.0]}, {"a": [1.0, 2]}, {"a": [1.0, 2]}),
        ({"a": 1}, {"b": 1.0}, {"a": 1}),
        (0, "0", 0),
    ],
)
def test_equal_number_keeps_the_stored_type(value, stored, kept):
    """A JSON writer that turns 1.0 into 1 changes nothing; a number that differs is taken as sent."""
    result = with_stored_number_types(value, stored)
    assert result == kept
    assert repr(result) == repr(kept)
