"""Three-way merge."""

import pytest

from realmconf.domain.merge import merge_three
from realmconf.domain.pointer import Pointer


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
