"""Three-way merge."""

import pytest

from realmconf.domain.merge import merge_three
from realmconf.domain.pointer import Pointer
from realmconf.domain.schemas.shape import Shape


@pytest.mark.parametrize(
    ("base", "theirs", "mine", "merged"),
    [
        ({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 2}),
        ({"a": 1}, {"a": 2}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {}, {}, {}),
        ({"a": 1, "b": 1}, {"b": 1}, {"a": 1}, {}),
        ({}, {"a": {"x": 1}}, {"a": {"y": 1}}, {"a": {"x": 1, "y": 1}}),
        ({"a": {"x": 1}}, {"a": {"x": 1, "y": [1]}}, {"a": {"x": 2}}, {"a": {"x": 2, "y": [1]}}),
        ({"a": {"x": 1, "y": 1}}, {"a": {"x": 1}}, {"a": {"y": 1}}, {"a": {}}),
        ({"a": 1}, {"a": 1}, {}, {}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 2]}, {"a": [1, 2]}),
    ],
)
def test_what_does_not_overlap_is_merged(
    base: dict, theirs: dict, mine: dict, merged: dict
) -> None:
    """Both sides' changes are in the result, and the same change on both sides is no conflict."""
    result = merge_three(base, theirs, mine)
    assert result.document == merged
    assert result.contested == ()


@pytest.mark.parametrize(
    ("base", "theirs", "mine", "contested"),
    [
        ({"a": 1}, {"a": 2}, {"a": 3}, ["/a"]),
        ({"a": 1}, {"a": True}, {"a": 1.0}, ["/a"]),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [0, 1]}, ["/a"]),
        ({"a": {"x": 1}}, {}, {"a": {"x": 2}}, ["/a"]),
        ({"a": {"x": 1}}, {"a": {"x": 2}}, {}, ["/a"]),
        ({"a": {"x": 1}}, {"a": 5}, {"a": {"x": 2}}, ["/a"]),
        ({"a": 5}, {"a": {"x": 1}}, {"a": {"y": 1}}, ["/a"]),
        ({}, {"a": 1}, {"a": 2}, ["/a"]),
        ({}, {"a": {"x": 1}}, {"a": {"x": 2}}, ["/a/x"]),
        ({"b": 1, "a": 1}, {"b": 2, "a": 2}, {"b": 3, "a": 3}, ["/a", "/b"]),
    ],
)
def test_what_overlaps_is_contested_and_theirs_stands(
    base: dict, theirs: dict, mine: dict, contested: list
) -> None:
    """Different values, delete against edit, and an object against anything else meet at one place."""
    result = merge_three(base, theirs, mine)
    assert [str(pointer) for pointer in result.contested] == contested
    for pointer in result.contested:
        assert Pointer.resolve(pointer, result.document) == pointer.resolve(theirs)


def test_the_rest_of_a_contested_merge_is_merged() -> None:
    """A conflict in one place keeps nothing else out."""
    result = merge_three({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 3, "b": 2, "c": 3})
    assert result.document == {"a": 2, "b": 2, "c": 3}


def test_keys_keep_theirs_order() -> None:
    """The head's order stands; what is new on my side comes last."""
    result = merge_three({"b": 1, "a": 1}, {"b": 1, "a": 1, "d": 1}, {"b": 1, "a": 2, "c": 1})
    assert list(result.document) == ["b", "a", "d", "c"]


NAMED = Shape.of([{"properties": {"servers": {"x-merge-key": "name"}}}])


def named(**servers: int) -> dict:
    return {"servers": [{"name": name, "port": port} for name, port in servers.items()]}


def test_elements_with_names_are_merged_by_them() -> None:
    """Two sides that change different elements of an array have not touched the same place."""
    result = merge_three(named(a=1, b=1), named(a=2, b=1, c=3), named(a=1, b=2), shape=NAMED)
    assert result.document == named(a=2, b=2, c=3)
    assert result.contested == ()


def test_elements_with_names_are_contested_by_them() -> None:
    """The place is told with the element's name; theirs stands."""
    result = merge_three(named(a=1, b=1), named(a=2, b=1), named(a=3, b=1), shape=NAMED)
    assert [str(pointer) for pointer in result.contested] == ["/servers/a/port"]
    assert result.document == named(a=2, b=1)


def test_another_order_of_elements_with_names_is_contested_as_a_whole() -> None:
    """It meets every change in the array; an order that both sides made is no conflict."""
    for theirs, mine in (
        (named(b=1, a=1), named(a=2, b=1)),
        (named(a=2, b=1), named(b=1, a=1)),
    ):
        result = merge_three(named(a=1, b=1), theirs, mine, shape=NAMED)
        assert [str(pointer) for pointer in result.contested] == ["/servers"]
        assert result.document == theirs
    turned = named(b=1, a=1)
    assert merge_three(named(a=1, b=1), turned, turned, shape=NAMED).document == turned
