"""Pointers: RFC 6901 and dotted paths."""

import copy
import pickle
import tomllib

import pytest

from realmconf.domain.document import ABSENT
from realmconf.domain.names import LIMITS
from realmconf.domain.pointer import POINTER_CHARS_MAX, ROOT, Pointer, array_index
from realmconf.errors import InvalidPointer, LimitExceeded, RealmconfError

RFC_DOCUMENT = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", RFC_DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_the_examples_of_the_rfc(text: str, value: object) -> None:
    """Every example of RFC 6901, section 5, resolves to its value and is written back as it was."""
    pointer = Pointer.parse(text)
    assert pointer.resolve(RFC_DOCUMENT) == value
    assert str(pointer) == text


@pytest.mark.parametrize(
    "text",
    [
        "/foo/2",
        "/foo/-",
        "/foo/00",
        "/foo/01",
        "/foo/1e0",
        "/foo/-1",
        "/foo/٠",
        "/nope",
        "/ /x",
        "/foo/" + "9" * 99,
    ],
)
def test_a_place_that_is_not_there_is_absent(text: str) -> None:
    """An index past the end, in another spelling, or a missing key is ``ABSENT``, never an error."""
    assert Pointer.parse(text).resolve(RFC_DOCUMENT) is ABSENT


@pytest.mark.parametrize("text", ["/a~", "/~2", "/a~b/c", "/~~"])
def test_a_bad_escape_is_refused(text: str) -> None:
    """A tilde is followed by 0 or 1."""
    with pytest.raises(InvalidPointer):
        Pointer.parse(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("agent.model", ("agent", "model")),
        ("a", ("a",)),
        ("a-b.c_d.0", ("a-b", "c_d", "0")),
        ('hosts."a.b".port', ("hosts", "a.b", "port")),
        ("hosts.'a\\b'.port", ("hosts", "a\\b", "port")),
        (' a . "b" ', ("a", "b")),
        ('""', ("",)),
        ('"a\\"b\\\\\\t\\u00e9\\U0001f600"', ('a"b\\\t\u00e9\U0001f600',)),
        ('"x".y', ("x", "y")),
        ("größe.wert", ("größe", "wert")),
    ],
)
def test_a_dotted_path_is_a_toml_key(text: str, parts: tuple[str, ...]) -> None:
    """What does not start with a slash is read as TOML reads a key."""
    assert Pointer.parse(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        'a."b.c".d',
        "a.'x y'",
        '"\\u0041"',
        "a . b",
        "0.1",
        '"a\\tb"',
        '""."x"',
        "'a\"b'",
        '"\\f"',
    ],
)
def test_a_dotted_path_means_what_toml_means(text: str) -> None:
    """For keys that TOML accepts, the parts are those that a TOML parser sees."""
    value: object = tomllib.loads(f"{text} = 1")
    parts = []
    while isinstance(value, dict):
        ((part, value),) = value.items()
        parts.append(part)
    assert Pointer.parse(text) == tuple(parts)


@pytest.mark.parametrize(
    "text",
    [
        ".",
        "a.",
        ".a",
        "a..b",
        "a b",
        "a b.c",
        '"a',
        "'a",
        '"a"b',
        '"a\\',
        '"\\q"',
        '"\\u12"',
        '"\\ud800"',
        '"\\UFFFFFFFF"',
        "a[0]",
        "a=b",
        "#",
        " ",
        '"a\nb"',
    ],
)
def test_a_malformed_dotted_path_is_refused(text: str) -> None:
    """A typed error, with nothing guessed."""
    with pytest.raises(InvalidPointer):
        Pointer.parse(text)


@pytest.mark.parametrize("text", [None, 5, True, b"/a", ["a"], "/\ud800", "\udcff"])
def test_what_is_not_text_is_refused(text: object) -> None:
    """Other types, and half surrogate pairs, are ``invalid_pointer``."""
    with pytest.raises(InvalidPointer):
        Pointer.parse(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["/a" * 65, ".".join("a" * 65), "/" * 1_000_000, "a." * 20_000 + "a", '"' + "\\" * 1_000_001],
)
def test_no_pointer_is_deeper_than_a_document(text: str) -> None:
    """G12: endless paths are refused before any work is done."""
    with pytest.raises((LimitExceeded, InvalidPointer)):
        Pointer.parse(text)


def test_json_pointers_only_where_json_pointers_are_meant() -> None:
    """``parse_json_pointer``, for JSON Patch, takes no dotted path."""
    assert Pointer.parse_json_pointer("/a/b") == ("a", "b")
    with pytest.raises(InvalidPointer):
        Pointer.parse_json_pointer("a.b")


def test_overlap_is_being_equal_above_or_below() -> None:
    """Siblings do not overlap, nor do names that merely start alike."""
    here = Pointer.parse("/a/b")
    assert here.overlaps(here)
    assert here.overlaps(ROOT)
    assert ROOT.overlaps(here)
    assert here.overlaps(Pointer.parse("/a/b/c"))
    assert not here.overlaps(Pointer.parse("/a/c"))
    assert not here.overlaps(Pointer.parse("/a/bc"))


def test_within_is_one_sided() -> None:
    """A place is within itself and everything above it."""
    here = Pointer.parse("/a/b")
    assert here.within(here)
    assert here.within(ROOT)
    assert not here.within(Pointer.parse("/a/b/c"))
    assert not here.within(Pointer.parse("/a/c"))


def test_child_and_parent() -> None:
    """``child`` goes down, ``parent`` up, and the root is its own parent."""
    assert ROOT.child("a").child("b/c") == Pointer.parse("/a/b~1c")
    assert Pointer.parse("/a/b").parent == Pointer.parse("/a")
    assert type(Pointer.parse("/a/b").parent) is Pointer
    assert ROOT.parent == ROOT


def test_pointers_sort_an_ancestor_first() -> None:
    """Sorted pointers walk a document from the top, each place before what is below it."""
    shuffled = [Pointer.parse(text) for text in ("/b", "/a/c", "/ab", "", "/a/b", "/a")]
    assert [str(pointer) for pointer in sorted(shuffled)] == ["", "/a", "/a/b", "/a/c", "/ab", "/b"]


def test_a_pointer_pickles_and_copies() -> None:
    """A pointer sent to another process arrives as a pointer."""
    here = Pointer.parse("/a/b~1c")
    for other in (pickle.loads(pickle.dumps(here)), copy.deepcopy(here)):
        assert type(other) is Pointer
        assert other == here
    assert repr(here) == "Pointer('/a/b~1c')"


def test_an_error_does_not_quote_the_path() -> None:
    """A path that somebody pasted a secret into is not repeated in a log."""
    with pytest.raises(RealmconfError) as caught:
        Pointer.parse("hunter2 hunter2")
    assert "hunter2" not in str(caught.value)


# --- the edges of what is taken ----------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["/~", "/a~", "/~2", "/~~", "/~~0", "/~~01", "/~0~", "/~~11", "/x/~~01/y"]
)
def test_what_is_no_escape_is_no_json_pointer(text: str) -> None:
    """Each ``~`` is followed by 0 or 1 (RFC 6901, section 3), also where escapes stand beside each other."""
    with pytest.raises(InvalidPointer):
        Pointer.parse_json_pointer(text)


@pytest.mark.parametrize(
    ("text", "key"), [("/~0~1", "~/"), ("/~01", "~1"), ("/~00", "~0"), ("/~1~0~0", "/~~"), ("/~0~01", "~~1")]
)  # fmt: skip
def test_an_escape_is_read_once(text: str, key: str) -> None:
    """What an escape stands for is never part of another one."""
    assert Pointer.parse_json_pointer(text) == (key,)
    assert str(Pointer((key,))) == text


def test_the_longest_pointer_is_taken() -> None:
    """As many characters and parts as a place in a document can have, and not one more."""
    longest = "/" + "a" * (POINTER_CHARS_MAX - 1)
    assert len(Pointer.parse(longest)) == 1
    with pytest.raises(InvalidPointer):
        Pointer.parse(longest + "a")
    deepest = Pointer("a" * LIMITS.depth)
    for text in (str(deepest), deepest.dotted):
        assert Pointer.parse(text) == deepest
    for text in (str(deepest.child("a")), deepest.child("a").dotted):
        with pytest.raises(LimitExceeded) as refused:
            Pointer.parse(text)
        assert (refused.value.limit, refused.value.value) == ("depth", LIMITS.depth + 1)
        assert refused.value.maximum == LIMITS.depth


def test_an_index_has_at_most_ten_digits() -> None:
    """More elements no document has."""
    assert array_index("9" * 10) == 9_999_999_999
    assert array_index("9" * 11) is None


@pytest.mark.parametrize(
    ("key", "dotted"),
    [
        ("a_b-c", "a_b-c"),
        ("_", "_"),
        ("-", "-"),
        ("a.b", '"a.b"'),
        ("", '""'),
        ("é", '"é"'),
        ("\x7f", '"\\u007f"'),
        ('a"\\', '"a\\"\\\\"'),
    ],
)
def test_a_key_is_quoted_where_toml_wants_it(key: str, dotted: str) -> None:
    """And only there; what TOML wants escaped is."""
    assert Pointer((key,)).dotted == dotted
    assert Pointer.parse(dotted) == (key,)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("X.aX.Xa", ("X", "aX", "Xa")),
        (" a . b ", ("a", "b")),
        ("\ta\t.\tb\t", ("a", "b")),
        ('"a\tb"', ("a\tb",)),
        ('"\\u00E9\\u00e9"', ("éé",)),
        ('"\\U0010FFFF"', ("\U0010ffff",)),
        ('"\\uD7FF\\uE000"', ("\ud7ff\ue000",)),
        ('"\\xABcd"', ("\xabcd",)),
        ('"a\\\\b"', ("a\\b",)),
        ("'a\\b'", ("a\\b",)),
    ],
)
def test_what_a_dotted_path_may_be(text: str, parts: tuple[str, ...]) -> None:
    """A key of TOML with blanks around its parts, and escapes up to the last character that there is."""
    assert Pointer.parse(text) == parts


@pytest.mark.parametrize(
    ("text", "position"),
    [
        (".a", 1),
        ("a.!", 3),
        ("a..b", 3),
        ("a\n", 1),
        ("a\u00a0.b", 1),
        ("a.b\x0b", 3),
        ('a."b', 3),
        ('"a\nb"', 1),
        ('"a"b', 4),
    ],
)
def test_a_path_that_is_none_is_refused_at_its_place(text: str, position: int) -> None:
    """The first character that cannot stand there, or the quote that is not closed, counted from 1."""
    with pytest.raises(InvalidPointer, match=f"position {position}\\b"):
        Pointer.parse(text)


@pytest.mark.parametrize(
    "escape", ["x0X", "x0", "u12", "uDFFF", "uD800", "U00110000", "q", "u 123"]
)
def test_an_escape_that_names_no_character_is_refused(escape: str) -> None:
    """Too few digits, others than hexadecimal ones, half a pair, or beyond the last."""
    with pytest.raises(InvalidPointer):
        Pointer.parse(f'"\\{escape}"')
