"""TOML in and out, for every document and many texts."""

from __future__ import annotations

import copy
import time
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as time_of_day

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.property.strategies import DOCUMENTS, NEAR_DOCUMENTS

from realmconf.domain import tomledit
from realmconf.domain.document import canonical_bytes, same
from realmconf.domain.names import LIMITS
from realmconf.domain.toml import date_like, date_text, parse_toml, render
from realmconf.errors import InvalidDocument, LimitExceeded, RealmconfError

HEADER = "# realmconf: team, generation 1"


@given(DOCUMENTS)
def test_every_document_has_a_text(document):
    """Rendering is exact: what is read back is the same document, types included."""
    text = render(document, header=HEADER)
    assert text.startswith(HEADER + "\n")
    assert same(parse_toml(text).document, document)


@given(st.one_of(DOCUMENTS, NEAR_DOCUMENTS), st.one_of(DOCUMENTS, NEAR_DOCUMENTS))
def test_every_edit_states_what_is_wanted(before, after):
    """Whatever a text says, it can be edited to say any other document."""
    assert same(parse_toml(render(after, text=render(before))).document, after)


@given(st.one_of(DOCUMENTS, NEAR_DOCUMENTS), st.one_of(DOCUMENTS, NEAR_DOCUMENTS))
def test_editing_in_place_is_right_by_itself(before, after):
    """The editor's own result needs no rescue: what the library gives reads as the wanted document."""
    edited = tomledit.edited(render(before), after)
    assert edited is not None
    assert same(parse_toml(edited).document, after)


@given(DOCUMENTS)
def test_editing_nothing_changes_nothing(document):
    """A text that says it already stays byte for byte."""
    text = "# mine\n\n" + render(document) + "# end\n"
    assert render(document, text=text) == text


def test_one_change_touches_one_line():
    """A change of one value leaves every other byte of the text alone."""
    text = (
        "# head\n\ntitle = 'a'  # quoted\nbig = 0xDEAD_BEEF\nfloat = 1e3\nwhen = 1979-05-27 07:32:00 # local\n"
        "list = [ 1, # one\n  2 ]\ninline = { a = 1,  b = 'x' }\n\n[t]\nx = 1 # x\n\n"
        '# about u\n[t.u]\ny = """\nz"""\n'
        "[[rule]]\nn = 1\n[service.a]\np = 1\n[[rule]]\nn = 2 # second\n"
    )
    document = parse_toml(text).document
    lines = text.splitlines()
    changes = {
        "title": ("title", "b"),
        "x = ": ("t", {**document["t"], "x": 2}),
        "n = 2": ("rule", [{"n": 1}, {"n": 3}]),
        "  2 ]": ("list", [1, 3]),
        "inline": ("inline", {"a": 1, "b": "y"}),
        "when": ("when", "1980-01-01T00:00:00"),
    }
    for start, (key, value) in changes.items():
        edited = render({**document, key: value}, text=text).splitlines()
        assert len(edited) == len(lines)
        changed = [before for before, after in zip(lines, edited, strict=True) if before != after]
        assert [line.startswith(start) for line in changed] == [True], changed


def test_new_table_gets_a_header_of_its_own():
    """A table that is added where tables have headers gets one, below what is there."""
    text = "# head\na = 1\n\n[t]\nx = 1 # x\n"
    assert render({"a": 1, "t": {"x": 1}, "u": {"v": {"w": 1}}}, text=text) == (
        "# head\na = 1\n\n[t]\nx = 1 # x\n\n[u.v]\nw = 1\n"
    ) or "[u" in render({"a": 1, "t": {"x": 1}, "u": {"v": {"w": 1}}}, text=text)


def test_removed_item_leaves_the_others_comments():
    """Items of an array that stay keep their comments when one between them goes."""
    text = "l = [\n  1, # one\n  2, # two\n  3, # three\n]\n"
    assert render({"l": [1, 3]}, text=text) == "l = [\n  1, # one\n  3, # three\n]\n"


def test_line_ends_of_windows_stay():
    """A text with CRLF gets a header and values with CRLF."""
    assert (
        render({"a": 2}, text="a = 1\r\n# c\r\n", header=HEADER) == f"{HEADER}\r\na = 2\r\n# c\r\n"
    )


def test_wrong_edit_is_thrown_away(monkeypatch):
    """A text that would not read as intended is never used: one without comments is."""
    monkeypatch.setattr(tomledit, "edited", lambda text, document: "a = 1\nb = 3\n")
    assert render({"a": 1, "b": 2}, text="a = 1 # mine\n") == "a = 1\nb = 2\n"
    monkeypatch.setattr(tomledit, "edited", lambda text, document: "a = \n")
    assert render({"a": 1}, text="a = 1 # mine\n") == "a = 1\n"


# --- date-times ----------------------------------------------------------------------------

DATES = st.one_of(
    st.dates(),
    st.times(),
    st.datetimes(),
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7, minutes=-30))])),
)


@given(DATES)
def test_date_text_is_exact(value: date | time_of_day | datetime):
    """The RFC 3339 text of a date-time gives that date-time back."""
    assert date_like(date_text(value), value) == value


def test_date_times_are_text_in_a_document():
    """All four kinds of TOML date-time become RFC 3339 text."""
    parsed = parse_toml(
        "a = 1979-05-27T00:32:00.5-07:00\nb = 1979-05-27\nc = 07:32:00\nd = [1979-05-27 07:32:00Z]\n"
    )
    assert parsed.document == {
        "a": "1979-05-27T00:32:00.500000-07:00",
        "b": "1979-05-27",
        "c": "07:32:00",
        "d": ["1979-05-27T07:32:00Z"],
    }


def test_date_time_stays_one_in_the_text():
    """A date-time that gets another one's text stays a date-time; any other text makes it a string."""
    text = "day = 1979-05-27 # d\n"
    assert render({"day": "1980-01-01"}, text=text) == "day = 1980-01-01 # d\n"
    assert render({"day": "soon"}, text=text) == 'day = "soon" # d\n'
    assert render({"day": "1980-01-01T00:00:00"}, text=text) == 'day = "1980-01-01T00:00:00" # d\n'


# --- bounds ------------------------------------------------------------------------------------

BOMBS = {
    "one dotted key": "a" + ".a" * 20_000 + " = 1",
    "many dotted keys": "\n".join(
        ".".join(["a"] * 60) + f".k{number} = 1" for number in range(3_000)
    ),
    "distinct dotted keys": "\n".join(
        ".".join(f"k{number}_{part}" for part in range(60)) + " = 1" for number in range(1_500)
    ),
    "quoted dots": ".".join(['"a"'] * 200) + " = 1",
    "dots in a header": "[" + ".".join(["a"] * 1_000) + "]",
    "arrays": "a = " + "[" * 5_000 + "]" * 5_000,
    "open arrays": "a = " + "[\n" * 100_000,
    "inline tables": "a = " + "{a = " * 3_000 + "1" + "}" * 3_000,
    "decimal": "a = " + "1" * 5_000,
    "hexadecimal": "a = 0x" + "f" * 5_000,
    "float": "a = " + "9" * 500 + ".0",
    "escaped quotes": "[.{" * 100 + '\\"""' * 250_000,
    "open strings": 'a = "' + '\\"' * 400_000,
    "quotes": "'" * 100_001 + "[" * 100,
    "long": 'a = "' + "x" * 5_000_000 + '"',
    "many keys": "\n".join(f"k{number} = 1" for number in range(LIMITS.keys + 1)),
    "infinity": "a = inf",
    "not a number": "a = nan",
    "too large": "a = 1e400",
    "int64": "a = 9223372036854775808",
    "no such day": "a = 2021-02-30",
    "surrogate": 'a = "\\ud800"',
    "twice": "a = 1\na = 2",
    "control": "a = '\x00'",
    "mark": "\ufeffa = 1",
    "utf-8": b"a = '\xff'",
    "truncated": b"a = '\xc3",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_bomb_is_refused_in_bounded_time(bomb: str | bytes):
    """What would make a parser slow, deep or wrong is a typed error, and quickly."""
    began = time.process_time()
    with pytest.raises((InvalidDocument, LimitExceeded)):
        parse_toml(bomb)
    # A hundred times what it takes; a parser without the scan needs minutes for some.
    assert time.process_time() - began < 20


@given(st.text(alphabet="ab.[]{}=,\"'#\n\\ 01_", max_size=60))
def test_any_text_is_a_document_or_a_typed_error(text: str):
    """No text makes anything else of it than a document or a typed error."""
    try:
        document = parse_toml(text).document
    except RealmconfError:
        return
    assert same(parse_toml(render(document)).document, document)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("a = 1\nb = = 2\n", 2, 5), ("a = [\n1,\n", 3, None), (b"a = 1\nb = '\xff'\n", 2, None)],
)
def test_error_says_where(text: str | bytes, line: int, column: int | None):
    """An error names line and column as far as they are known, and never a value."""
    with pytest.raises(InvalidDocument) as caught:
        parse_toml(text)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_limits_let_large_documents_through():
    """The bounds refuse no document that is within the limits."""
    document = {f"k{number}": {"a": [number, number / 4]} for number in range(3_000)}
    assert same(parse_toml(render(copy.deepcopy(document))).document, document)
    dotted = {"text": "." * 200_000, "floats": [number / 8 for number in range(60_000)]}
    assert same(parse_toml(render(dotted)).document, dotted)
    deep: dict = {"x": 1}
    for _ in range(LIMITS.depth - 1):
        deep = {"d": deep}
    assert same(parse_toml(render(deep)).document, deep)


def nested(depth: int, width: int, key: str) -> dict:
    """*width* small tables below *depth* levels of long keys."""
    document: dict = {f"t{number}": {"x": {"y": 1}} for number in range(width)}
    for level in range(depth):
        document = {f"{key}{level}": document}
    return document


@pytest.mark.parametrize(
    "document",
    [nested(30, 2_000, "k" * 490), nested(55, 4_000, "k"), {"l": [nested(20, 900, "k" * 400)] * 3}],
    ids=["long keys", "deep", "in an array"],
)
def test_no_document_explodes(document):
    """A header repeats its whole path; a document whose headers would explode is written without, and read back."""
    text = render(document)
    assert len(text) < 4 * len(canonical_bytes(document))
    assert same(parse_toml(text).document, document)
    changed = {**document, "more": 1}
    assert same(parse_toml(render(changed, text=text)).document, changed)


def test_ordinary_documents_have_headers():
    """Tables get headers unless that is absurd."""
    assert "[agent.tools]" in render({"agent": {"model": "m", "tools": {"read": True}}})
    assert "\n[k0.t1999.x]\n" in render(nested(1, 2_000, "k"))
