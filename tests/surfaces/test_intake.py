"""What marks and numbers mean when they come back through a surface."""

from __future__ import annotations

import pytest

from realmconf.domain.pointer import Pointer
from realmconf.domain.secrets import MARK, redact
from realmconf.errors import SecretMarkMisplaced
from realmconf.surfaces.intake import has_mark, with_secrets, with_stored_number_types

STORED = {"provider": {"api_key": "s3", "url": "u"}, "api_keys": ["k1", "k2"], "tokens": 5}


def restored(value):
    return with_secrets(value, STORED, at=Pointer())


def test_redacted_document_sent_back_is_the_stored_one():
    """Reading a document and sending it back unchanged changes no secret."""
    shown = redact(STORED)
    assert has_mark(shown)
    assert restored(shown) == STORED


def test_real_value_replaces_the_secret():
    """A value in the place of the mark is the new secret."""
    assert restored({"provider": {"api_key": "new", "url": "u"}})["provider"]["api_key"] == "new"


SERVERS = {"servers": [{"name": "a", "password": "p1"}, {"name": "b", "password": "p2"}]}


@pytest.mark.parametrize(
    "names",
    [["b", "a"], ["b"], ["a", "b", "c"], ["b", "c"]],
    ids=["order", "less", "more", "other"],
)
def test_mark_in_an_array_whose_elements_moved_is_refused(names):
    """Nobody can tell whose secret it is then; to take the wrong one would be worse than to ask."""
    given = {"servers": [{"name": name, "password": MARK} for name in names]}
    with pytest.raises(SecretMarkMisplaced):
        with_secrets(given, SERVERS, at=Pointer())


def test_mark_in_an_array_that_was_edited_in_place_keeps_the_secret():
    """An element may change around its secret."""
    given = {
        "servers": [{"name": "a", "password": MARK, "port": 1}, {"name": "b", "password": "new"}]
    }
    assert with_secrets(given, SERVERS, at=Pointer()) == {
        "servers": [{"name": "a", "password": "p1", "port": 1}, {"name": "b", "password": "new"}]
    }


@pytest.mark.parametrize(
    "value",
    [
        {"provider": {"url": MARK}},
        {"provider": {"other_api_key": MARK}},
        {"provider": {"api_key": f"Bearer {MARK}"}},
        {"api_keys": ["k1", "k2", MARK]},
        {"new": {"password": MARK}},
        {"tokens": MARK},
    ],
)
def test_mark_in_another_place_is_refused(value):
    """G11: a mark cannot be used to copy a secret somewhere else, nor can it become a value."""
    with pytest.raises(SecretMarkMisplaced):
        restored(value)


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
