"""Laws of redaction."""

from hypothesis import given
from hypothesis import strategies as st

from realmconf.domain.document import same
from realmconf.domain.pointer import ROOT
from realmconf.domain.secrets import MARK, looks_secret, redact

KEYS = st.sampled_from(
    ["a", "api_key", "api_keys", "max_tokens", "token", "realm", "parent", "unset", "x-secret"]
)
VALUES = st.recursive(
    st.one_of(
        st.integers(),
        st.booleans(),
        st.floats(allow_nan=False),
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
