"""Laws of redaction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realmconf.domain.document import same
from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.schemas.shape import Shape
from realmconf.domain.secrets import MARK, Secrecy, has_mark, looks_secret, redact, unmarked
from realmconf.errors import SecretMarkMisplaced

KEYS = st.sampled_from(
    ["a", "api_key", "api_keys", "max_tokens", "token", "realm", "parent", "unset", "x-secret"]
)
VALUES = st.recursive(
    st.one_of(
        st.integers(),
        st.booleans(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["plain", "secret://env/X"]),
    ),
    lambda children: st.one_of(
        st.lists(children, max_size=2), st.dictionaries(KEYS, children, max_size=3)
    ),
    max_leaves=8,
)


def scalars(value, at):
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from scalars(item, at.child(str(index)))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from scalars(item, at.child(key))
    else:
        yield at, value


@given(st.dictionaries(KEYS, VALUES, max_size=3))
def test_exactly_the_secret_literals_are_marked(document: dict) -> None:
    """G11: each scalar is shown as it is or as the mark, by its place alone; redacting twice changes nothing."""
    shown = redact(document)
    for at, value in scalars(document, ROOT):
        literal = not isinstance(value, bool) and value != "secret://env/X"
        expected = MARK if literal and looks_secret(at) else value
        assert same(at.resolve(shown), expected)
    assert same(redact(shown), shown)


SCHEMA = {
    "properties": {
        "a": {"properties": {"max_tokens": {"writeOnly": True}}, "items": {"x-secret": True}},
        "parent": {"format": "password"},
    },
    "patternProperties": {"^max": {"additionalProperties": {"x-secret": True}}},
}
SECRECIES = st.sampled_from(
    [
        Secrecy(realm="team", key=lambda: b"k" * 32),
        Secrecy(realm="team", key=lambda: b"k" * 32, shape=Shape.of([SCHEMA])),
    ]
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=3)


def marks(document, secrecy):
    """The places of the secrets of *document*."""
    shown = secrecy.redact(document)
    return [at for at, _ in scalars(document, ROOT) if has_mark(at.resolve(shown))]


def with_value(document, at, value):
    """A copy of *document* with *value* at *at*, where something stands already."""
    if not at:
        return value
    part, below = at[0], Pointer(at[1:])
    if isinstance(document, list):
        index = int(part)
        return [
            *document[:index],
            with_value(document[index], below, value),
            *document[index + 1 :],
        ]
    return {**document, part: with_value(document[part], below, value)}


@given(DOCUMENTS, SECRECIES)
def test_exactly_what_is_secret_is_marked(document, secrecy):
    """G11: each scalar is shown as it is, or as the mark of its place; by names and schemas, and by nothing else."""
    shown = secrecy.redact(document)
    for at, value in scalars(document, ROOT):
        literal = not isinstance(value, bool) and value != "secret://env/X"
        expected = secrecy.mark(at, value) if literal and secrecy.is_secret(at) else value
        assert same(at.resolve(shown), expected)
        assert secrecy.conceals(value, at) is (literal and secrecy.is_secret(at))
        assert same(secrecy.redact(value, at=at), expected)
    assert secrecy.conceals(document) is not same(shown, document)


@given(DOCUMENTS, SECRECIES)
def test_what_is_shown_comes_back_as_what_is_stored(document, secrecy):
    """Reading a document without the right to secrets and sending it back changes nothing."""
    assert same(unmarked(secrecy.redact(document), document, secrecy), document)


@given(DOCUMENTS, SECRECIES, st.data())
def test_a_mark_that_moved_is_refused(document, secrecy, data):
    """G11: at any other pointer, with or without another secret there, a mark is refused."""
    secrets = marks(document, secrecy)
    if not secrets:
        return
    shown = secrecy.redact(document)
    mark = data.draw(st.sampled_from(secrets)).resolve(shown)
    places = [at for at, _ in scalars(document, ROOT) if at.resolve(shown) != mark]
    fresh = {**shown, "elsewhere": mark}
    for at in places:
        with pytest.raises(SecretMarkMisplaced):
            unmarked(with_value(shown, at, mark), document, secrecy)
    with pytest.raises(SecretMarkMisplaced):
        unmarked(fresh, document, secrecy)


@given(DOCUMENTS, SECRECIES, st.data())
def test_a_stale_mark_is_refused(document, secrecy, data):
    """A mark means the value that its reader saw the mark of, and no later one."""
    secrets = marks(document, secrecy)
    if not secrets:
        return
    at = data.draw(st.sampled_from(secrets))
    shown = secrecy.redact(document)
    value = data.draw(VALUES.filter(lambda value: not same(value, at.resolve(document))))
    with pytest.raises(SecretMarkMisplaced):
        unmarked(shown, with_value(document, at, value), secrecy)
