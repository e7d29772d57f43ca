"""Documents: the rules, JSON in, canonical bytes, equality, freezing."""

import collections
import copy
import datetime
import enum
import inspect
import json
import math
import pickle
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from realmconf.domain import jsontext
from realmconf.domain.document import (
    ABSENT,
    canonical_bytes,
    check_document,
    check_value,
    load_document,
    same,
)
from realmconf.domain.frozen import freeze, thaw
from realmconf.domain.jsontext import parse_json
from realmconf.domain.names import LIMITS, Limits, RealmName
from realmconf.domain.toml import parse_toml
from realmconf.errors import InvalidDocument, LimitExceeded, RealmconfError

# --- JSON in -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        (b'{"a":1}', {"a": 1}),
        (' { "a" : [ 1 , 2.0 , true , null ] } \n', {"a": [1, 2.0, True, None]}),
        ('"\\u00e9\\ud83d\\ude00"', "é😀"),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("1e2", 100.0),
        ("null", None),
    ],
)
def test_json_is_read(text: str | bytes, value: object) -> None:
    """Any JSON value is read; whether it is a document is judged later."""
    assert same(parse_json(text), value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{a: 1}",
        "{'a': 1}",
        '{"a": 1,}',
        "[1 2]",
        '{"a": 1} x',
        "NaN",
        "[Infinity]",
        "-Infinity",
        "1e400",
        "-1e400",
        "01",
        "+1",
        "9223372036854775808",
        "-9223372036854775809",
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 1}}',
        '"\\ud800"',
        '{"\\udfff": 1}',
        '["\\ud800\\ud800"]',
        '"\ud800"',
        "\ufeff{}",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b"\xff",
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\xc0\x80"}',
        '"a\nb"',
        "\x00",
        5,
        None,
    ],
)
def test_what_is_not_json_is_refused(text: Any) -> None:
    """G12: numbers that are not finite or not int64, repeated keys, bad Unicode: all are ``invalid_document``."""
    with pytest.raises(InvalidDocument):
        parse_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        '{"a":' * 200_000,
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 65_000 + "1" + "}" * 65_000,
        "[" * 100,
        '["\\"[' + "[" * 100,
        '"' + "\\" * 999_999 + "[" * 100 + '"' * 7 + "[" * 100,
    ],
)
def test_nested_bombs_are_refused(text: str) -> None:
    """G12: text that opens brackets without end never reaches a recursive parser."""
    with pytest.raises((LimitExceeded, InvalidDocument)):
        parse_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "1" * 5_000,
        "-" + "1" * 1_000_000,
        "[" + "9" * 4_301 + "]",
        "1." + "1" * 1_000_000,
        "1e" + "1" * 100_000,
    ],
)
def test_numbers_without_end_are_refused(text: str) -> None:
    """G12: converting a million digits takes quadratic time, so nobody tries."""
    with pytest.raises(InvalidDocument):
        parse_json(text)


def test_text_that_is_too_long_is_refused_before_it_is_read() -> None:
    """G12: beyond four times the document limit nothing is parsed."""
    with pytest.raises(LimitExceeded) as caught:
        parse_json(" " * (4 * LIMITS.document_bytes + 1))
    assert caught.value.limit == "document_bytes"
    with pytest.raises(LimitExceeded):
        parse_json("é" * (2 * LIMITS.document_bytes + 1))


def test_brackets_inside_strings_do_not_nest() -> None:
    """A text full of brackets, quoted and escaped, is as deep as its structure."""
    value = {"a": "[" * 200, 'b"[': '\\"{[' * 50, "c": [[] for _ in range(100)]}
    assert parse_json(json.dumps(value)) == value


def test_a_document_of_full_depth_may_come_wrapped() -> None:
    """The parser leaves room for what requests put around a document."""
    text = '{"config":' + "[" * LIMITS.depth + "]" * LIMITS.depth + "}"
    assert "config" in parse_json(text)


def test_an_error_says_where_and_never_what() -> None:
    """Texts of errors name line and column and never quote the value."""
    with pytest.raises(InvalidDocument) as caught:
        parse_json('{\n"password": "hunter2" "x"}')
    assert caught.value.line == 2
    assert "hunter2" not in str(caught.value)
    with pytest.raises(InvalidDocument) as caught:
        parse_json(b'{\n\n"password": "hunter2\xff"}')
    assert caught.value.line == 3
    assert "hunter2" not in str(caught.value)


# --- the rules ---------------------------------------------------------------------


def nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(depth - 1):
        document = {"a": document}
    return document


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"a": None}, "/a"),
        ({"a": {"b": [1, None]}}, "/a/b/1"),
        ({"a": [{"x/y": None}]}, "/a/0/x~1y"),
        ({"a": math.nan}, "/a"),
        ({"a": [math.inf]}, "/a/0"),
        ({"a": -math.inf}, "/a"),
        ({"a": 2**63}, "/a"),
        ({"a": -(2**63) - 1}, "/a"),
        ({"a": "\ud800"}, "/a"),
        ({"b": {"\udfff": 1}}, "/b"),
        ({"b": {1: 1}}, "/b"),
        ({"b": {None: 1}}, "/b"),
        ({"a": b"bytes"}, "/a"),
        ({"a": {1, 2}}, "/a"),
        ({"a": datetime.date(2024, 1, 1)}, "/a"),
        ({"a": object()}, "/a"),
        ({"a": 1j}, "/a"),
        ({"a": ABSENT}, "/a"),
        ([], ""),
        ([("a", 1)], ""),
        (None, ""),
        ("{}", ""),
        (5, ""),
    ],
)
def test_what_no_document_has(value: object, pointer: str) -> None:
    """Documents have no nulls, no numbers beyond int64 and finite floats, no half characters, no other types."""
    with pytest.raises(InvalidDocument) as caught:
        check_document(value)
    assert caught.value.pointer == pointer


def test_a_document_is_a_plain_copy() -> None:
    """Any mapping, tuple, enumeration or subclass comes out as plain types and shares nothing with its source."""

    class Colour(enum.StrEnum):
        RED = "red"

    class Number(enum.IntEnum):
        ONE = 1

    class Real(float):
        pass

    source = types.MappingProxyType(
        {
            "a": collections.OrderedDict(b=(1, [2.5])),
            "c": Colour.RED,
            "d": Number.ONE,
            "e": RealmName("x"),
            "f": Real(0.5),
            Colour.RED: True,
            "g": freeze({"h": [1]}),
        }
    )
    document = check_document(source)
    assert document == {
        "a": {"b": [1, [2.5]]},
        "c": "red",
        "d": 1,
        "e": "x",
        "f": 0.5,
        "red": True,
        "g": {"h": [1]},
    }
    assert type(document) is type(document["a"]) is type(document["g"]) is dict
    assert type(document["a"]["b"]) is type(document["g"]["h"]) is list
    assert [type(document[key]) for key in "cdef"] == [str, int, str, float]
    assert {type(key) for key in document} == {str}

    inner = [1]
    copied = check_document({"a": inner})
    inner.append(2)
    assert copied == {"a": [1]}


def test_depth_is_counted_from_the_root() -> None:
    """64 containers inside each other are a document, 65 are not; a part is checked for where it will stand."""
    assert check_document(nested(64)) == nested(64)
    with pytest.raises(LimitExceeded) as caught:
        check_document(nested(65))
    assert (caught.value.limit, caught.value.value) == ("depth", 65)
    assert check_value({}, at=["a"] * 63) == {}
    for value, at in (({}, ["a"] * 64), (1, ["a"] * 65)):
        with pytest.raises(LimitExceeded):
            check_value(value, at=at)


def test_keys_are_counted_over_the_whole_document() -> None:
    """50,000 keys are the most, however they are spread."""
    document = {str(part): {str(key): 0 for key in range(499)} for part in range(100)}
    assert len(check_document(document)) == 100
    document["one"] = 1  # type: ignore[assignment]
    with pytest.raises(LimitExceeded) as caught:
        check_document(document)
    assert (caught.value.limit, caught.value.value) == ("keys", 50_001)


@pytest.mark.parametrize("key", ["a" * 513, "é" * 257, "😀" * 129])
def test_a_key_has_at_most_512_bytes(key: str) -> None:
    """Bytes of UTF-8 are counted, not characters."""
    assert check_document({key[:-1]: 1})
    with pytest.raises(LimitExceeded) as caught:
        check_document({"a": {key: 1}})
    assert caught.value.limit == "key_bytes"
    with pytest.raises(LimitExceeded):
        check_value(1, at=[key])


@pytest.mark.parametrize("character", ["a", "é", "\x00", "😀", '"'])
def test_size_is_that_of_the_canonical_bytes(character: str) -> None:
    """Exactly 1 MiB of canonical JSON fits; one byte more does not, whatever the characters cost."""
    each = len(canonical_bytes(character)) - 2
    room = LIMITS.document_bytes - len(canonical_bytes({"a": ""}))
    fitting = {"a": character * (room // each) + "a" * (room % each)}
    assert len(canonical_bytes(check_document(fitting))) == LIMITS.document_bytes
    with pytest.raises(LimitExceeded) as caught:
        check_document({"a": fitting["a"] + "a"})
    assert caught.value.limit == "document_bytes"


def test_shared_parts_cannot_hide_a_bomb() -> None:
    """G12: a few Python objects that spell out more than any memory are refused while they are walked."""
    wide: list[Any] = ["x"]
    for _ in range(12):
        wide = [wide] * 1_000
    with pytest.raises(LimitExceeded):
        check_document({"a": wide})
    with pytest.raises(LimitExceeded):
        check_document({"a": ["x" * 100_000] * 1_000_000})
    endless: dict[str, Any] = {}
    endless["a"] = endless
    with pytest.raises(LimitExceeded):
        check_document(endless)


def test_limits_can_be_set() -> None:
    """A client or server may be given other limits."""
    with pytest.raises(LimitExceeded):
        check_document({"a": {"b": 1}}, limits=Limits(depth=1))
    with pytest.raises(LimitExceeded):
        check_document({"a": "xxxxx"}, limits=Limits(document_bytes=10))
    assert check_document(nested(70), limits=Limits(depth=70)) == nested(70)


def test_refusals_quote_no_value() -> None:
    """A value may be a secret, so no error repeats it."""
    for value in (
        {"k": "hunter2\ud800"},
        {"k": ["hunter2", None]},
        ["hunter2"],
        "hunter2",
        {"k": b"hunter2"},
    ):
        with pytest.raises(RealmconfError) as caught:
            check_document(value)
        assert "hunter2" not in str(caught.value)


# --- canonical bytes and equality ----------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [True, False]}, b'{"a":[true,false],"b":1}'),
        (
            {"é": "é", "z": 1, "Z": 2, "😀": 3, "\uffff": 4},
            '{"Z":2,"z":1,"é":"é","\uffff":4,"😀":3}'.encode(),
        ),
        (
            [1, 1.0, -0.0, 0.1, 1e22, 1e16, 1e-7, 123456789012345.0],
            b"[1,1.0,-0.0,0.1,1e+22,1e+16,1e-07,123456789012345.0]",
        ),
        ('\x00\n\x1f\x7f\u2028"\\/', b'"\\u0000\\n\\u001f\x7f\xe2\x80\xa8\\"\\\\/"'),
        ({}, b"{}"),
    ],
)
def test_canonical_bytes(value: object, expected: bytes) -> None:
    """Keys by code point, integers decimal, floats shortest with ``.0`` kept, UTF-8, no spaces."""
    assert canonical_bytes(value) == expected


def test_frozen_and_plain_have_the_same_bytes() -> None:
    """Freezing changes nothing that can be seen in the record."""
    value = {"b": [1, {"c": 2}], "a": {}}
    assert canonical_bytes(freeze(value)) == canonical_bytes(value)
    assert load_document(canonical_bytes(value).decode()) == value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (0, False),
        (1.0, True),
        (0.0, -0.0),
        ("1", 1),
        ([1], [1.0]),
        ({"a": 0}, {"a": False}),
        ([], {}),
        ("", ABSENT),
        (False, ABSENT),
        ([1], [1, 1]),
    ],
)
def test_types_are_part_of_a_value(one: object, other: object) -> None:
    """1, 1.0 and true differ, and so does everything that holds them."""
    assert not same(one, other)
    assert not same(other, one)


def test_order_of_keys_and_freezing_are_not() -> None:
    """The order of keys, and whether a value is frozen, say nothing about what it is."""
    assert same({"a": 1, "b": [2]}, freeze({"b": [2], "a": 1}))
    assert same(10**18, int("1" + "0" * 18))
    assert same(ABSENT, ABSENT)


# --- absent and frozen ---------------------------------------------------------------


def test_absent_is_one_falsy_value_everywhere() -> None:
    """``ABSENT`` stays itself through pickling and copying, so ``is`` works in every process."""
    assert pickle.loads(pickle.dumps(ABSENT)) is ABSENT
    assert copy.deepcopy({"a": ABSENT})["a"] is ABSENT
    assert not ABSENT
    assert repr(ABSENT) == "ABSENT"


MUTATIONS_OF_AN_OBJECT = [
    lambda value: value.__setitem__("a", 2),
    lambda value: value.__delitem__("a"),
    lambda value: value.clear(),
    lambda value: value.pop("a"),
    lambda value: value.popitem(),
    lambda value: value.setdefault("b", 1),
    lambda value: value.update(b=1),
    lambda value: value.__ior__({"b": 1}),
]
MUTATIONS_OF_AN_ARRAY = [
    lambda value: value.__setitem__(0, 2),
    lambda value: value.__setitem__(slice(None), []),
    lambda value: value.__delitem__(0),
    lambda value: value.append(1),
    lambda value: value.extend([1]),
    lambda value: value.insert(0, 1),
    lambda value: value.pop(),
    lambda value: value.remove(1),
    lambda value: value.clear(),
    lambda value: value.sort(),
    lambda value: value.reverse(),
    lambda value: value.__iadd__([1]),
    lambda value: value.__imul__(2),
]


@pytest.mark.parametrize("mutate", MUTATIONS_OF_AN_OBJECT)
def test_a_frozen_object_cannot_change(mutate: Any) -> None:
    """Every way to change a frozen object raises, at any depth, and says how to get a copy."""
    frozen = freeze({"x": {"a": 1}})
    with pytest.raises(TypeError, match="copy"):
        mutate(frozen["x"])
    assert frozen == {"x": {"a": 1}}


@pytest.mark.parametrize("mutate", MUTATIONS_OF_AN_ARRAY)
def test_a_frozen_array_cannot_change(mutate: Any) -> None:
    """Every way to change a frozen array raises."""
    frozen = freeze({"x": [1]})
    with pytest.raises(TypeError, match="copy"):
        mutate(frozen["x"])
    assert frozen == {"x": [1]}


def test_no_way_to_change_a_container_was_forgotten() -> None:
    """Every public method that ``dict`` and ``list`` have beyond reading is replaced."""
    reading = {"get", "items", "keys", "values", "fromkeys", "count", "index", "copy"}
    for plain in (dict, list):
        frozen = type(freeze(plain()))
        for name in vars(plain):
            if not name.startswith("_") and name not in reading:
                assert getattr(frozen, name) is not getattr(plain, name), name


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, thaw, lambda value: value.copy()])
def test_a_copy_of_something_frozen_is_plain_and_deep(copied: Any) -> None:
    """Whoever copies wants to change: the copy is plain all the way down."""
    frozen = freeze({"a": [{"b": 1}]})
    plain = copied(frozen)
    assert type(plain) is dict
    plain["a"][0]["b"] = 2
    plain["a"].append(3)
    assert frozen == {"a": [{"b": 1}]}
    array = copied(frozen["a"])
    assert type(array) is list
    assert type(array[0]) is dict


def test_freezing_and_thawing_again_changes_nothing() -> None:
    """What is frozen is shared, what is no container is itself, and what arrives from elsewhere is frozen."""
    frozen: Any = freeze({"a": [1, {"b": 2}]})
    assert freeze(frozen) is frozen
    assert freeze(frozen["a"]) is frozen["a"]
    assert thaw(5) == 5
    assert thaw(frozen["a"]) == [1, {"b": 2}]
    arrived = pickle.loads(pickle.dumps(frozen["a"]))
    assert arrived == frozen["a"]
    assert type(arrived) is type(frozen["a"])


def _with_little_stack(read: Callable[[], object]) -> set[str]:
    """What *read* says when there are fewer and fewer frames left, until it cannot even be asked."""
    said: set[str] = set()

    def deep(left: int) -> None:
        if left:
            deep(left - 1)
        else:
            try:
                read()
            except InvalidDocument as refused:
                said.add(str(refused))

    depth = len(inspect.stack())
    for left in range(sys.getrecursionlimit() - depth - 500, sys.getrecursionlimit()):
        try:
            deep(left)
        except RecursionError:
            break
    return said


@pytest.mark.parametrize(
    ("parse", "text"),
    [(parse_json, '{"a":' + "[" * 60 + "]" * 60 + "}"), (parse_toml, f"a = {'[' * 60}{']' * 60}")],
)
def test_a_full_stack_is_told_as_a_refusal(parse: Callable[[str], object], text: str) -> None:
    """The text is shallow enough; it is the caller who is nearly at the end of the stack, and gets no traceback."""
    assert parse(text)
    (said,) = _with_little_stack(lambda: parse(text))
    assert "no stack is left to read it" in said


def test_too_little_memory_is_told_as_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the size of a value, not for that of the program."""

    class Exhausted:
        def decode(self, text: str) -> object:
            raise MemoryError

    monkeypatch.setattr(jsontext, "_decoder", Exhausted)
    with pytest.raises(InvalidDocument, match="no memory is left to read it"):
        parse_json("{}")


@pytest.mark.parametrize(
    ("value", "kind"),
    [(True, "a boolean"), (5, "a number"), (0.5, "a number"), ("x", "text"), (None, "null"), ([], "array")],
)  # fmt: skip
def test_what_is_no_document_is_called_by_its_kind(value: object, kind: str) -> None:
    """Never by its value."""
    with pytest.raises(InvalidDocument, match=kind):
        check_document(value)


def test_what_is_frozen_reads_like_the_plain_thing() -> None:
    """Equality, JSON, unpacking and pickling work as with plain containers."""
    value = {"a": [1, {"b": 2}], "c": {}}
    frozen = freeze(value)
    assert frozen == value
    assert json.loads(json.dumps(frozen)) == value
    assert {**frozen} == value
    assert type(frozen | {}) is dict
    arrived = pickle.loads(pickle.dumps(frozen))
    assert arrived == value
    assert type(arrived) is type(frozen)
    assert type(arrived["a"]) is type(frozen["a"])
    assert freeze(frozen) is frozen


def test_a_frozen_repr_hides_secrets() -> None:
    """G11: a repr ends up in logs, so it does not show what looks secret."""
    frozen = freeze({"api_key": "hunter2", "model": "m", "servers": [{"password": "hunter2"}]})
    assert "hunter2" not in repr(frozen)
    assert "hunter2" not in f"{frozen}"
    assert "hunter2" not in repr(frozen["servers"])
    assert "'m'" in repr(frozen)


def test_what_this_library_wrote_is_read_back_and_damage_is_told() -> None:
    """Whatever is missing of the text, or stands behind it."""
    document = {"a": [1, {"b": None}], "é": "x"}
    text = canonical_bytes(document).decode()
    assert load_document(text) == document
    for damaged in ("", text[:-1], text + "}", "x" + text, text.replace("[", "")):
        with pytest.raises(json.JSONDecodeError):
            load_document(damaged)
