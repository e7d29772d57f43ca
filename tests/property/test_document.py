"""Laws of documents."""

import json

from hypothesis import given
from tests.property.strategies import DOCUMENTS, JSON, NEAR_DOCUMENTS, VALUES

from realmconf.domain.document import (
    canonical_bytes,
    check_document,
    load_document,
    same,
)
from realmconf.domain.frozen import freeze, thaw
from realmconf.domain.jsontext import parse_json


@given(DOCUMENTS)
def test_canonical_bytes_are_stable(document: dict) -> None:
    """Reading canonical bytes back, trusted or not, and writing them again gives the same bytes and types."""
    raw = canonical_bytes(document)
    for again in (
        load_document(raw.decode()),
        parse_json(raw),
        check_document(document),
        freeze(document),
    ):
        assert same(again, document)
        assert canonical_bytes(again) == raw


@given(DOCUMENTS)
def test_canonical_bytes_forget_the_order_of_keys(document: dict) -> None:
    """The order in which keys were written does not show."""

    def reversed_keys(value):
        if isinstance(value, dict):
            return {key: reversed_keys(value[key]) for key in reversed(value)}
        return [reversed_keys(item) for item in value] if isinstance(value, list) else value

    assert canonical_bytes(reversed_keys(document)) == canonical_bytes(document)


@given(VALUES, VALUES)
def test_canonical_bytes_are_equal_exactly_for_same_values(one: object, other: object) -> None:
    """Two values are the same exactly if their bytes are: nothing that counts is lost, nothing else is kept."""
    assert same(one, other) == (canonical_bytes(one) == canonical_bytes(other))


@given(NEAR_DOCUMENTS, NEAR_DOCUMENTS)
def test_the_same_for_values_that_nearly_meet(one: dict, other: dict) -> None:
    """As above, where 1, 1.0 and true stand in each other's place."""
    assert same(one, other) == (canonical_bytes(one) == canonical_bytes(other))


@given(JSON)
def test_any_json_is_read_as_it_is(value: object) -> None:
    """The bounded reader gives what a lenient one gives, for JSON with and without escapes and spaces."""
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=2)):
        assert same(parse_json(text), value)
        assert same(parse_json(text.encode()), value)


@given(DOCUMENTS)
def test_freezing_and_thawing_change_nothing(document: dict) -> None:
    """A frozen document equals its source, and thawing gives the source back, plain."""
    frozen = freeze(document)
    assert frozen == document
    assert same(thaw(frozen), document)
