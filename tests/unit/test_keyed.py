"""Arrays of named elements as objects, and back."""

from __future__ import annotations

from typing import Any

import pytest

from realmconf.domain.keyed import fold, is_unfolded, shown, unfold
from realmconf.domain.pointer import Pointer
from realmconf.domain.schemas.shape import NOTHING, Shape

SHAPE = Shape.of(
    [
        {
            "properties": {
                "servers": {
                    "x-merge-key": "name",
                    "items": {"properties": {"ports": {"x-merge-key": "port"}}},
                }
            }
        }
    ]
)


def named(*names: Any) -> dict[str, Any]:
    return {"servers": [{"name": name} for name in names]}


@pytest.mark.parametrize(
    "document",
    [
        named("a", "b"),
        named(1, 1.5, True, "1", "True"),
        {"servers": [{"name": "a", "ports": [{"port": 1}, {"port": 2}]}], "other": {"x": [1]}},
        {"servers": []},
    ],
)
def test_an_array_of_named_elements_comes_back_as_it_was(document: dict[str, Any]) -> None:
    """Seen as an object by the names, whose types count."""
    seen = unfold(document, SHAPE, document)
    assert is_unfolded(seen["servers"])
    assert len(seen["servers"]) == len(document["servers"]) + 1
    assert fold(seen) == document
    assert not is_unfolded(document["servers"])


@pytest.mark.parametrize(
    "document",
    [
        {"servers": [{"name": "a"}, {"name": "a"}]},
        {"servers": [{"name": "a"}, {"port": 1}]},
        {"servers": [{"name": "a"}, "a"]},
        {"servers": [{"name": "a"}, {"name": ["b"]}]},
        {"servers": [{"name": "a"}, {"name": {}}, {"name": {}}]},
        {"servers": 5},
        {"servers": "a"},
        {"servers": {"name": "a"}},
        {"others": [{"name": "a"}]},
        {"n": 1, "o": {"x": {}}},
    ],
)
def test_what_is_no_array_of_named_elements_is_itself(document: dict[str, Any]) -> None:
    """Where a name is missing, there twice, or no text, number or boolean; nothing is copied."""
    assert unfold(document, SHAPE, document) is document
    assert fold(document) is document
    assert unfold(named("a"), NOTHING, {}) == named("a")
    assert not is_unfolded(document)
    assert not is_unfolded(5)


def test_another_order_stays_an_array() -> None:
    """New elements may stand behind, and others be gone; what was put in front or elsewhere is another order."""
    before = named("a", "b", "c")
    for names in ("abc", "abcd", "ac", "", "bcd", "d"):
        assert is_unfolded(unfold(named(*names), SHAPE, before)["servers"])
    for names in ("acb", "dabc", "abdc", "ca"):
        assert unfold(named(*names), SHAPE, before) == named(*names)


def test_the_order_inside_an_element_is_compared_with_that_of_the_same_element() -> None:
    """By its name, wherever it stands."""

    def document(**ports: tuple[int, ...]) -> dict[str, Any]:
        return {
            "servers": [
                {"name": name, "ports": [{"port": port} for port in given]}
                for name, given in ports.items()
            ]
        }

    def inner(found: dict[str, Any]) -> list[bool]:
        seen = unfold(found, SHAPE, document(a=(1, 2), b=(2, 1)))["servers"]
        return [is_unfolded(one["ports"]) for one in seen.values() if isinstance(one, dict)]

    assert inner(document(a=(1, 2), b=(2, 1))) == [True, True]
    assert inner(document(a=(2, 1), b=(2, 1))) == [False, True]
    assert inner(document(b=(1, 2), c=(3, 1))) == [False, True]


def test_what_was_no_array_of_named_elements_before_gives_no_order() -> None:
    """Nothing was there, or something else; but where names were not clear before, the array is one value."""
    references: tuple[Any, ...] = ({}, {"servers": 5}, {"servers": {"a": 1}}, {"servers": []}, 5)
    for reference in references:
        assert is_unfolded(unfold(named("a"), SHAPE, reference)["servers"])
    assert unfold(named("a"), SHAPE, {"servers": [1]}) == named("a")


def test_people_read_an_element_by_its_name() -> None:
    """In a pointer, which is otherwise as it was."""
    (key,) = [key for key in unfold(named(7), SHAPE, {})["servers"] if key]
    assert shown(Pointer(("servers", key, "port"))) == ("servers", "7", "port")
    plain = Pointer(("servers", "0"))
    assert shown(plain) is plain
