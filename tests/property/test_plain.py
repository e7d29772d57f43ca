"""The short way through a document's rules agrees with the long one."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.property.strategies import KEYS, SCALARS

from realmconf.domain.document import check_document, check_value
from realmconf.domain.names import LIMITS
from realmconf.domain.plain import copy_plain
from realmconf.errors import RealmconfError

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
        assert repr(copied) == repr(checked)
        assert copied is not value
    assert repr(check_document(value)) == repr(checked)


def test_short_way_takes_a_usual_document():
    """A document of plain ASCII goes the short way, so the comparison above compares something."""
    document: dict[str, Any] = {"a": [1, 2.5, True, "x", {"b": {}}], "c": {"d": [[]]}}
    copied = copy_plain(document, LIMITS)
    assert copied == document
    assert copied["a"] is not document["a"]
    assert copied["c"]["d"] is not document["c"]["d"]


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
