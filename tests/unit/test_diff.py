"""Differences, leaf by leaf."""

import pytest

from realmconf.domain.diff import Change, changes, leaves
from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import ROOT, Pointer


def told(before: dict | None, after: dict | None) -> list[tuple[str, object, object]]:
    return [(str(change.pointer), change.before, change.after) for change in changes(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, []),
        ({}, {"a": 1}, [("/a", ABSENT, 1)]),
        ({"a": 1}, {}, [("/a", 1, ABSENT)]),
        ({"a": 1}, {"a": 2}, [("/a", 1, 2)]),
        ({"a": 1}, {"a": 1.0}, [("/a", 1, 1.0)]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [("/a/c", 2, 3)]),
        ({"a": {"b": 1, "c": 2}}, {}, [("/a/b", 1, ABSENT), ("/a/c", 2, ABSENT)]),
        ({}, {"a": {"b": {"c": 1}}}, [("/a/b/c", ABSENT, 1)]),
        ({"a": [1, 2]}, {"a": [1]}, [("/a", [1, 2], [1])]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, [("/a", [{"b": 1}], [{"b": 2}])]),
        ({"a": {}}, {}, [("/a", {}, ABSENT)]),
        ({"a": {"b": 1}}, {"a": {}}, [("/a", ABSENT, {}), ("/a/b", 1, ABSENT)]),
        ({"a": {}}, {"a": {"b": 1}}, [("/a", {}, ABSENT), ("/a/b", ABSENT, 1)]),
        ({"a": {"b": 1}}, {"a": 5}, [("/a", ABSENT, 5), ("/a/b", 1, ABSENT)]),
        ({"a": {}}, {"a": 5}, [("/a", {}, 5)]),
        ({"a/b": 1}, {"a~b": 1}, [("/a~1b", 1, ABSENT), ("/a~0b", ABSENT, 1)]),
        (None, None, []),
        (None, {}, [("", ABSENT, {})]),
        ({}, None, [("", {}, ABSENT)]),
        (None, {"a": {"b": 1}}, [("/a/b", ABSENT, 1)]),
        ({"a": 1}, None, [("/a", 1, ABSENT)]),
    ],
)
def test_a_difference_is_told_by_leaves(
    before: dict | None, after: dict | None, expected: list
) -> None:
    """Scalars, arrays and empty objects are leaves; None is no document at all."""
    assert told(before, after) == expected


def test_shared_parts_are_not_looked_at() -> None:
    """What two generations share in memory costs nothing to compare."""

    class Untouchable(dict):
        def items(self):
            raise AssertionError("compared")

        __iter__ = keys = values = items

    shared = Untouchable(x=1)
    assert told({"a": shared, "b": 1}, {"a": shared, "b": 2}) == [("/b", 1, 2)]


def test_changes_come_in_order_of_their_pointers() -> None:
    """However the documents are ordered, changes are told from the top."""
    before = {"b": 1, "a": {"z": 1, "y": 1}}
    after = {"a": {"y": 2, "z": 2}, "c": 3, "b": 2}
    assert [pointer for pointer, _, _ in told(before, after)] == ["/a/y", "/a/z", "/b", "/c"]


def test_a_change_does_not_show_secrets_in_its_repr() -> None:
    """G11: a repr ends up in logs."""
    change = Change(pointer=Pointer(("api_key",)), before=ABSENT, after="hunter2")
    assert "hunter2" not in repr(change)
    assert "/api_key" in repr(change)
    assert repr(Change(pointer=Pointer(("pin",)), before=ABSENT, after=4711)) == (
        "Change('/pin', before=ABSENT, after=…)"
    )


def test_the_leaves_of_a_value_are_told_with_their_places() -> None:
    """In order; an empty object and an array are leaves, and what is absent has none."""
    found = leaves({"b": {}, "a": {"y": [1], "x": None}}, ROOT.child("r"))
    assert [(str(place), value) for place, value in found] == [
        ("/r/a/x", None),
        ("/r/a/y", [1]),
        ("/r/b", {}),
    ]
    assert list(leaves(5)) == [(ROOT, 5)]
    assert list(leaves(ABSENT)) == []
