"""Merge patches: RFC 7396."""

import copy

import pytest

from realmconf.domain.document import same
from realmconf.domain.frozen import freeze
from realmconf.domain.names import Limits
from realmconf.domain.patch import check_patch, derive, merge, merge_any
from realmconf.errors import InvalidDocument, InvalidPatch, LimitExceeded

RFC_APPENDIX_A = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_APPENDIX_A)
def test_the_vectors_of_the_rfc(target: object, patch: object, result: object) -> None:
    """All fifteen examples of RFC 7396, appendix A."""
    before = copy.deepcopy(target)
    assert same(merge_any(target, patch), result)
    assert target == before
    if isinstance(target, dict) and isinstance(patch, dict):
        assert same(merge(target, patch), result)


def test_what_is_not_touched_is_shared() -> None:
    """A patch copies the objects on the way to its change, and nothing beside them."""
    document: dict = {"a": {"b": {"c": 1}, "x": {"y": 2}}, "z": [1]}
    merged = merge(document, {"a": {"b": {"c": 2}}})
    assert merged == {"a": {"b": {"c": 2}, "x": {"y": 2}}, "z": [1]}
    assert document["a"]["b"] == {"c": 1}
    assert merged["a"]["x"] is document["a"]["x"]
    assert merged["z"] is document["z"]


@pytest.mark.parametrize(
    "patch",
    [{}, {"a": 1}, {"b": {"c": [1]}}, {"missing": None}, {"b": {"missing": None}}, {"b": {}}],
)
def test_a_patch_that_changes_nothing_gives_the_document_itself(patch: dict) -> None:
    """So that a no-op costs nothing further up."""
    document = {"a": 1, "b": {"c": [1]}}
    assert merge(document, patch) is document


@pytest.mark.parametrize("value", [True, 1.0, "1"])
def test_a_patch_that_changes_only_a_type_changes_something(value: object) -> None:
    """1, 1.0 and true differ."""
    assert same(merge({"a": 1}, {"a": value}), {"a": value})


def test_keys_keep_their_order() -> None:
    """Existing keys stay where they are, new ones come last, in the patch's order."""
    assert list(merge({"c": 1, "a": 1}, {"b": 1, "a": 2, "d": 3})) == ["c", "a", "b", "d"]


def test_a_frozen_document_can_be_patched() -> None:
    """What the library hands out can be patched as it is."""
    frozen = freeze({"a": {"b": 1}, "c": [1]})
    assert merge(frozen, {"a": {"b": 2}}) == {"a": {"b": 2}, "c": [1]}
    assert frozen == {"a": {"b": 1}, "c": [1]}


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, {"b": None}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}),
        ({"a": 1}, {"a": 1.0}, {"a": 1.0}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": None}}),
        ({"a": {"b": 1}}, {"a": [1]}, {"a": [1]}),
        ({"a": 1}, {"a": {}}, {"a": {}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({"a": {"b": 1}}, {"a": {"b": 1}}, {}),
    ],
)
def test_the_derived_patch_says_what_changed_and_no_more(
    before: dict, after: dict, patch: dict
) -> None:
    """``derive`` names the leaves that differ, and null for what is gone."""
    assert same(derive(before, after), patch)


@pytest.mark.parametrize("value", [None, [], [{"op": "remove", "path": "/a"}], "x", 1])
def test_a_patch_is_an_object(value: object) -> None:
    """What would replace the whole document by RFC 7396 is refused: that is what ``set`` is for."""
    with pytest.raises(InvalidPatch):
        check_patch(value)


def test_null_removes_and_cannot_be_stored() -> None:
    """Null is an instruction as a member of an object, and an invalid value in an array."""
    assert check_patch({"a": None, "b": {"c": None}}) == {"a": None, "b": {"c": None}}
    with pytest.raises(InvalidDocument) as caught:
        check_patch({"a": {"b": [1, None]}})
    assert caught.value.pointer == "/a/b/1"
    with pytest.raises(InvalidDocument):
        check_patch({"a": [{"b": None}]})


def test_a_patch_is_held_to_the_rules_of_documents() -> None:
    """What can never be in a document is refused in a patch already."""
    deep: dict = {}
    for _ in range(64):
        deep = {"a": deep}
    with pytest.raises(LimitExceeded):
        check_patch(deep)
    with pytest.raises(InvalidDocument):
        check_patch({"a": float("nan")})
    source = {"a": {"b": [1]}}
    checked = check_patch(source)
    source["a"]["b"].append(2)
    assert checked == {"a": {"b": [1]}}


def test_a_patch_is_within_the_limits_that_are_given() -> None:
    """As a document is: those of a client or a server, not always the same ones."""
    patch = {"a": {"b": [1]}}
    assert check_patch(patch, limits=Limits(depth=3)) == patch
    for limits in (Limits(depth=2), Limits(keys=1), Limits(key_bytes=0)):
        with pytest.raises(LimitExceeded):
            check_patch(patch, limits=limits)
