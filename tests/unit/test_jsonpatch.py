"""JSON Patch: RFC 6902."""

import copy
from typing import Any

import pytest

from realmconf.domain.document import same
from realmconf.domain.frozen import freeze
from realmconf.domain.jsonpatch import apply_operations, check_operations
from realmconf.domain.names import LIMITS
from realmconf.errors import (
    InvalidDocument,
    InvalidPatch,
    LimitExceeded,
    PatchInapplicable,
    PatchTestFailed,
)


def patched(document: dict, operations: Any) -> dict:
    before = copy.deepcopy(document)
    try:
        return apply_operations(document, check_operations(operations))
    finally:
        assert same(document, before), "the input was changed"


RFC_APPENDIX_A = [
    ({"foo": ["bar", {}]}, [{"op": "replace", "path": "/foo/1", "value": 5}], {"foo": ["bar", 5]}),
    (
        {"foo": [{"a": 1}]},
        [{"op": "replace", "path": "/foo/0/a", "value": 2}],
        {"foo": [{"a": 2}]},
    ),
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
    (
        {"foo": ["bar", "baz"]},
        [{"op": "add", "path": "/foo/1", "value": "qux"}],
        {"foo": ["bar", "qux", "baz"]},
    ),
    ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    ({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
    (
        {"baz": "qux", "foo": "bar"},
        [{"op": "replace", "path": "/baz", "value": "boo"}],
        {"baz": "boo", "foo": "bar"},
    ),
    (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    (
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    (
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [
            {"op": "test", "path": "/baz", "value": "qux"},
            {"op": "test", "path": "/foo/1", "value": 2},
        ],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    (
        {"foo": "bar"},
        [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    (
        {"foo": "bar"},
        [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}],
        {"foo": "bar", "baz": "qux"},
    ),
    ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    (
        {"foo": ["bar"]},
        [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}],
        {"foo": ["bar", ["abc", "def"]]},
    ),
]


@pytest.mark.parametrize(("document", "operations", "result"), RFC_APPENDIX_A)
def test_the_examples_of_the_rfc(document: dict, operations: list, result: dict) -> None:
    """The examples of RFC 6902, appendix A, that succeed."""
    assert same(patched(document, operations), result)


@pytest.mark.parametrize(
    ("document", "operations", "result"),
    [
        ({"a": 1}, [], {"a": 1}),
        ({"a": 1}, [{"op": "add", "path": "", "value": {"b": 1}}], {"b": 1}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {}}], {}),
        ({"a": {"b": 1}}, [{"op": "move", "from": "/a", "path": ""}], {"b": 1}),
        ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": ""}], {"b": 1}),
        ({"a": 1}, [{"op": "add", "path": "/a", "value": 2}], {"a": 2}),
        ({"a": [1]}, [{"op": "add", "path": "/a/0", "value": 0}], {"a": [0, 1]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2]}),
        (
            {"a": {"b": 1}},
            [{"op": "copy", "from": "/a", "path": "/a/c"}],
            {"a": {"b": 1, "c": {"b": 1}}},
        ),
        (
            {"a": {"b": 1}},
            [{"op": "copy", "from": "", "path": "/c"}],
            {"a": {"b": 1}, "c": {"a": {"b": 1}}},
        ),
        ({"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}),
        ({"a": {"b": 1}}, [{"op": "move", "from": "/a/b", "path": "/a"}], {"a": 1}),
        ({"": {"": 1}}, [{"op": "replace", "path": "//", "value": 2}], {"": {"": 2}}),
        ({"a/b": {"m~n": 1}}, [{"op": "remove", "path": "/a~1b/m~0n"}], {"a/b": {}}),
        ({"a": {"-": 1}}, [{"op": "replace", "path": "/a/-", "value": 2}], {"a": {"-": 2}}),
        ({"a": {"0": 1}}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": {"0": 1, "1": 2}}),
        ({"a": [[1]]}, [{"op": "add", "path": "/a/0/-", "value": 2}], {"a": [[1, 2]]}),
        (
            {"a": {"b": {}}},
            [
                {"op": "copy", "from": "/a", "path": "/c"},
                {"op": "add", "path": "/a/b/x", "value": 1},
                {"op": "add", "path": "/c/b/y", "value": 2},
            ],
            {"a": {"b": {"x": 1}}, "c": {"b": {"y": 2}}},
        ),
        (
            {},
            [
                {"op": "add", "path": "/a", "value": {"l": []}},
                {"op": "add", "path": "/a/l/-", "value": 1},
                {"op": "move", "from": "/a", "path": "/b"},
                {"op": "add", "path": "/b/l/0", "value": 0},
            ],
            {"b": {"l": [0, 1]}},
        ),
    ],
)
def test_operations_in_order(document: dict, operations: list, result: dict) -> None:
    """Each operation sees what the ones before it made; copies are independent of what they were copied from."""
    assert same(patched(document, operations), result)


@pytest.mark.parametrize(
    ("operations", "index", "pointer"),
    [
        ([{"op": "remove", "path": "/nope"}], 0, "/nope"),
        ([{"op": "remove", "path": ""}], 0, ""),
        ([{"op": "replace", "path": "/nope", "value": 1}], 0, "/nope"),
        ([{"op": "add", "path": "/nope/b", "value": 1}], 0, "/nope"),
        ([{"op": "add", "path": "/n/b", "value": 1}], 0, "/n"),
        ([{"op": "add", "path": "/l/3", "value": 1}], 0, "/l/3"),
        ([{"op": "add", "path": "/l/01", "value": 1}], 0, "/l/01"),
        ([{"op": "add", "path": "/l/x", "value": 1}], 0, "/l/x"),
        ([{"op": "add", "path": "/l/-1", "value": 1}], 0, "/l/-1"),
        ([{"op": "add", "path": "/l/-/x", "value": 1}], 0, "/l/-"),
        ([{"op": "add", "path": "/l/" + "9" * 100, "value": 1}], 0, "/l/" + "9" * 100),
        ([{"op": "remove", "path": "/l/-"}], 0, "/l/-"),
        ([{"op": "remove", "path": "/l/2"}], 0, "/l/2"),
        ([{"op": "replace", "path": "/l/2", "value": 1}], 0, "/l/2"),
        ([{"op": "move", "from": "/nope", "path": "/x"}], 0, "/nope"),
        ([{"op": "copy", "from": "/l/7", "path": "/x"}], 0, "/l/7"),
        ([{"op": "move", "from": "/o", "path": "/o/p/q"}], 0, "/o/p/q"),
        ([{"op": "move", "from": "", "path": "/x"}], 0, "/x"),
        ([{"op": "add", "path": "/x", "value": 1}, {"op": "remove", "path": "/y"}], 1, "/y"),
        ([{"op": "remove", "path": "/n"}, {"op": "remove", "path": "/n"}], 1, "/n"),
    ],
)
def test_a_place_that_is_not_there_fails_the_patch(
    operations: list, index: int, pointer: str
) -> None:
    """The error names the operation and the place; nothing of the patch was applied (G5)."""
    with pytest.raises(PatchInapplicable) as caught:
        patched({"n": 1, "l": [1, 2], "o": {"p": {}}}, operations)
    assert (caught.value.index, caught.value.pointer) == (index, pointer)


@pytest.mark.parametrize(
    ("found", "tested"),
    [
        (1, 1.0),
        (1.0, 1),
        (0.0, -0.0),
        ("a", "a"),
        ([1, 2.0], [1.0, 2]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1.0}),
        (True, True),
        (2**53, float(2**53)),
        ({}, {}),
    ],
)
def test_a_test_compares_numbers_by_value(found: object, tested: object) -> None:
    """RFC 6902, section 4.6: 1 and 1.0 are equal, keys have no order."""
    assert patched({"x": found}, [{"op": "test", "path": "/x", "value": tested}]) == {"x": found}


@pytest.mark.parametrize(
    ("found", "tested"),
    [
        (1, True),
        (True, 1),
        (0, False),
        (1, "1"),
        ("a", "b"),
        ([1], [1, 2]),
        ([1], {"0": 1}),
        ({"a": 1}, {"a": 1, "b": 1}),
        ({"a": 1}, {"b": 1}),
        (1, None),
        ({}, []),
        (2**53, 2**53 + 1),
        ("", None),
    ],
)
def test_a_test_that_does_not_hold_fails_the_patch(found: object, tested: object) -> None:
    """Booleans are no numbers, and nothing equals null."""
    with pytest.raises(PatchTestFailed) as caught:
        patched(
            {"x": found},
            [
                {"op": "add", "path": "/y", "value": 1},
                {"op": "test", "path": "/x", "value": tested},
            ],
        )
    assert (caught.value.index, caught.value.pointer) == (1, "/x")


def test_a_test_of_an_absent_place_fails_even_for_null() -> None:
    """What is absent is not null."""
    with pytest.raises(PatchTestFailed):
        patched({}, [{"op": "test", "path": "/x", "value": None}])


@pytest.mark.parametrize(
    "operations",
    [
        None,
        {},
        {"a": 1},
        "x",
        [1],
        [[]],
        [{}],
        [{"op": "add"}],
        [{"op": "add", "path": "/a"}],
        [{"op": "test", "path": "/a"}],
        [{"op": "remove"}],
        [{"op": "move", "path": "/a"}],
        [{"op": "copy", "from": "/a"}],
        [{"op": "Add", "path": "/a", "value": 1}],
        [{"op": "merge", "path": "/a", "value": 1}],
        [{"op": ["add"], "path": "/a", "value": 1}],
        [{"op": None, "path": "/a", "value": 1}],
        [{"op": "add", "path": 1, "value": 1}],
        [{"op": "add", "path": None, "value": 1}],
        [{"op": "add", "path": "a.b", "value": 1}],
        [{"op": "add", "path": "/a~2", "value": 1}],
        [{"op": "move", "path": "/a", "from": "b"}],
        [{"op": "remove", "path": "/a"}, {"op": "x"}],
    ],
)
def test_what_is_no_json_patch(operations: object) -> None:
    """Form is checked for the whole patch, before anything is applied."""
    with pytest.raises(InvalidPatch):
        check_operations(operations)


@pytest.mark.parametrize(
    ("operation", "pointer"),
    [
        ({"op": "add", "path": "/a", "value": None}, "/a"),
        ({"op": "replace", "path": "/a", "value": {"b": None}}, "/a/b"),
        ({"op": "add", "path": "/a/-", "value": [None]}, "/a/-/0"),
        ({"op": "add", "path": "/a", "value": float("inf")}, "/a"),
    ],
)
def test_documents_have_no_nulls(operation: dict, pointer: str) -> None:
    """A null to be stored is ``invalid_document`` at its place; only a test may name it."""
    with pytest.raises(InvalidDocument) as caught:
        check_operations([operation])
    assert caught.value.pointer == pointer


@pytest.mark.parametrize("name", ["add", "replace"])
@pytest.mark.parametrize("value", [1, [], "x"])
def test_the_root_stays_an_object(name: str, value: object) -> None:
    """A document cannot become an array or a scalar."""
    with pytest.raises(InvalidDocument):
        patched({"a": 1}, [{"op": name, "path": "", "value": value}])
    with pytest.raises(InvalidDocument):
        patched({"a": [1]}, [{"op": "move", "from": "/a", "path": ""}])


def test_what_is_not_touched_is_shared() -> None:
    """Also a frozen document is patched without copying what stays."""
    document = freeze({"a": {"b": 1}, "c": {"d": [1]}})
    result = apply_operations(
        document, check_operations([{"op": "replace", "path": "/a/b", "value": 2}])
    )
    assert result["c"] is document["c"]
    assert document["a"]["b"] == 1


def test_the_patch_itself_is_not_changed_by_later_operations() -> None:
    """A value that was added is copied before it is written to, so a patch can be applied again."""
    operations = check_operations(
        [
            {"op": "add", "path": "/a", "value": {"l": []}},
            {"op": "add", "path": "/a/l/-", "value": 1},
        ]
    )
    before = copy.deepcopy(operations)
    assert apply_operations({}, operations) == apply_operations({}, operations) == {"a": {"l": [1]}}
    assert operations == before


def test_copying_without_end_is_refused() -> None:
    """G12: forty copies of the document into itself would be a million million values."""
    operations = [{"op": "copy", "from": "", "path": f"/{index}"} for index in range(40)]
    with pytest.raises(LimitExceeded):
        patched({"a": 1}, operations)


def test_moving_too_deep_is_refused() -> None:
    """Depth is that of the result, however it came about."""
    document: dict = {"a": {}}
    for _ in range(40):
        document = {"a": document}
    tower: dict = {}
    for _ in range(40):
        tower = {"a": tower}
    place = "/a" * 41
    with pytest.raises(LimitExceeded) as caught:
        patched(
            {**document, "tower": tower}, [{"op": "move", "from": "/tower", "path": place + "/b"}]
        )
    assert caught.value.limit == "depth"


def test_the_number_of_operations_is_limited() -> None:
    """G12: each operation may cost the width of the document."""
    with pytest.raises(LimitExceeded) as caught:
        check_operations([{"op": "remove", "path": "/a"}] * (LIMITS.patch_operations + 1))
    assert caught.value.limit == "patch_operations"


def test_errors_quote_no_value() -> None:
    """A value may be a secret."""
    with pytest.raises(PatchTestFailed) as caught:
        patched({"x": "hunter2"}, [{"op": "test", "path": "/x", "value": "hunter3"}])
    assert "hunter" not in str(caught.value)
