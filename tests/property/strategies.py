"""Documents, patches and pointers for the property tests."""

from typing import Any

from hypothesis import strategies as st

from realmconf.domain.names import RealmName
from realmconf.domain.pointer import Pointer

# Few keys, so that generated documents meet; among them every character that some spelling treats as special.
KEYS = st.sampled_from(
    [
        "a",
        "b",
        "c",
        "d",
        "",
        "0",
        "1",
        "a/b",
        "m~n",
        "a.b",
        'q"',
        "é",
        "\u2028",
        "\U0001f600",
        "realm",
    ]
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INTEGERS = st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1))
FLOATS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e22, 1e-7, 5e-324]),
    st.floats(allow_nan=False, allow_infinity=False),
)
SCALARS = st.one_of(st.booleans(), INTEGERS, FLOATS, TEXT)


def _containers(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.lists(children, max_size=3), st.dictionaries(KEYS, children, max_size=4))


VALUES = st.recursive(SCALARS, _containers, max_leaves=10)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=5)

# Small values over few keys: two of these are often equal or nearly so.
NEAR_VALUES = st.recursive(
    st.sampled_from([1, 1.0, True, 0, "x"]),
    lambda children: st.one_of(
        st.lists(children, max_size=2),
        st.dictionaries(st.sampled_from(["a", "b", "c"]), children, max_size=3),
    ),
    max_leaves=6,
)
NEAR_DOCUMENTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), NEAR_VALUES, max_size=3)

PATCHES = st.dictionaries(
    KEYS,
    st.recursive(
        st.one_of(st.none(), SCALARS, st.lists(SCALARS, max_size=2)),
        lambda children: st.dictionaries(KEYS, children, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)

JSON = st.recursive(st.one_of(st.none(), SCALARS), _containers, max_leaves=10)
"""Any JSON value, with nulls anywhere: what RFC 7396 itself is about."""

POINTERS = st.lists(st.one_of(KEYS, TEXT), max_size=4).map(Pointer)

REALM = RealmName("team")
