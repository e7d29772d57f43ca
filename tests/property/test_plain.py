"""The short way through a document's rules agrees with the long one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.property.strategies import KEYS, SCALARS

from realmconf.domain.document import canonical_bytes, check_document, check_value
from realmconf.domain.names import LIMITS
from realmconf.domain.plain import copy_plain
from realmconf.errors import LimitExceeded, RealmconfError

# What documents may hold, and now and then what they may not.
ANYTHING = st.recursive(
    SCALARS | st.sampled_from([None, float("nan"), 2**63, "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.just(0), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(value=st.dictionaries(KEYS, ANYTHING, max_size=5))
def test_short_way_copies_what_the_long_way_copies_or_leaves_it(value):
    """What the short way copies, the long way accepts, and copies alike, types included."""
    copied = copy_plain(value, LIMITS)
    try:
        checked = check_value(value)
    except RealmconfError:
        assert copied is None
        return
    if copied is not None:
        assert repr(copied.document) == repr(checked)
        assert copied.document is not value
        assert len(canonical_bytes(checked)) <= max(2, copied.bytes_max)
    assert repr(check_document(value)) == repr(checked)


def test_short_way_takes_a_usual_document():
    """A document of plain ASCII goes the short way, so the comparison above compares something."""
    document: dict[str, Any] = {"a": [1, 2.5, True, "x", {"b": {}}], "c": {"d": [[]]}}
    copied = copy_plain(document, LIMITS)
    assert copied is not None
    assert copied.document == document
    assert copied.document["a"] is not document["a"]
    assert copied.document["c"]["d"] is not document["c"]["d"]


def test_short_way_takes_a_large_document_up_to_the_limits():
    """What is long or has many keys is copied the same way, up to the last byte and key that there may be."""
    large = {"text": "x" * (LIMITS.document_bytes - len('{"text":""}'))}
    assert copy_plain(large, LIMITS) is not None
    assert check_document(large) == large
    many = {f"k{number}": number for number in range(LIMITS.keys)}
    assert copy_plain(many, LIMITS) is not None
    assert check_document(many) == many
    for value, limit in (
        ({"text": large["text"] + "x"}, "document_bytes"),
        ({"text": large["text"], "x": 1}, "document_bytes"),
        ({"text": '"' * (LIMITS.document_bytes // 2)}, "document_bytes"),
        ({**many, "one": 1}, "keys"),
        ({"inside": many}, "keys"),
    ):
        with pytest.raises(LimitExceeded) as refused:
            check_document(value)
        assert refused.value.limit == limit


def test_short_way_leaves_what_is_deep_or_shared_a_thousand_times():
    """Shared parts that would spell out a huge text, and depth beyond the limit, are left to the long way."""
    shared: dict[str, Any] = {"x": "y" * 10}
    for _ in range(30):
        shared = {"a": shared, "b": shared}
    assert copy_plain(shared, LIMITS) is None
    deep: dict[str, Any] = {}
    for _ in range(LIMITS.depth + 1):
        deep = {"a": deep}
    assert copy_plain(deep, LIMITS) is None


@pytest.mark.parametrize(
    "value", [None, float("inf"), 2**63, -(2**63) - 1, "é", "\ud800", (1,), object(), b"x"]
)
@pytest.mark.parametrize("wrap", [lambda one: {"a": one}, lambda one: {"a": {"b": [one]}}])
def test_short_way_leaves_what_is_not_plain(value, wrap):
    """Whether it is refused is for the long way, which says what is wrong and where."""
    assert copy_plain(wrap(value), LIMITS) is None


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 1.5, True, "x", [], {}])
@pytest.mark.parametrize("wrap", [lambda one: {"a": one}, lambda one: {"a": {"b": [one]}}])
def test_short_way_takes_all_that_is_plain(value, wrap):
    """Each exact built-in type, up to the last integer of 64 bits."""
    copied = copy_plain(wrap(value), LIMITS)
    assert copied is not None
    assert repr(copied.document) == repr(wrap(value))
