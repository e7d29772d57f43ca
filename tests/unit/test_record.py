"""Frozen records."""

import copy
import pickle
from typing import Any

import pytest

from realmconf.domain.record import OFTEN, Record


class Point(Record):
    x: int
    y: int = 0


class Named(Point):
    name: str
    y: int = 5


class Secretive(Record):
    __hidden__ = frozenset({"value"})

    place: str
    value: str


def test_fields_are_named_and_defaulted() -> None:
    """Fields are given by name; what has a default may be left out, also one that a subclass changed."""
    assert (Point(x=1).x, Point(x=1).y, Point(x=1, y=2).y) == (1, 0, 2)
    assert (Named(x=1, name="n").y, Named(x=1, name="n", y=2).y) == (5, 2)


@pytest.mark.parametrize(
    ("given", "fault"),
    [({}, "needs x"), ({"x": 1, "z": 1}, "no field z"), ({"z": 1}, "no field z")],
)
def test_a_wrong_field_is_an_error(given: dict, fault: str) -> None:
    """A forgotten or misspelt field never becomes a silent default."""
    with pytest.raises(TypeError, match=f"Point {fault}|Point has {fault}"):
        Point(**given)
    with pytest.raises(TypeError):
        Point(1)  # type: ignore[call-arg]


def test_a_record_cannot_change() -> None:
    """A record is immutable: no field is set, removed or added; ``replace`` makes another one."""
    point = Point(x=1)
    for change in (
        lambda: setattr(point, "x", 2),
        lambda: delattr(point, "x"),
        lambda: setattr(point, "z", 2),
    ):
        with pytest.raises(AttributeError):
            change()
    assert point.replace(y=3) == Point(x=1, y=3)
    assert point == Point(x=1)
    with pytest.raises(TypeError):
        point.replace(z=1)


def test_records_are_equal_by_class_and_fields() -> None:
    """Equal records hash alike; a record of another class is never equal."""

    class Other(Record):
        x: int
        y: int = 0

    assert Point(x=1) == Point(x=1, y=0)
    assert len({Point(x=1), Point(x=1, y=0), Point(x=2)}) == 2
    assert Point(x=1) != Other(x=1)
    assert Point(x=1) != Named(x=1, y=0, name="n")
    assert Point(x=1) != (1, 0)


def test_a_record_travels() -> None:
    """Records pickle and copy to equal ones of the same class."""
    named = Named(x=1, name="n")
    for other in (pickle.loads(pickle.dumps(named)), copy.copy(named), copy.deepcopy(named)):
        assert other == named
        assert type(other) is Named


def test_a_record_shows_its_fields_and_hides_what_may_be_secret() -> None:
    """G11: a repr ends up in logs, so fields that carry configuration stay out of it."""
    assert repr(Named(x=1, name="n")) == "Named(x=1, y=5, name='n')"
    shown = repr(Secretive(place="/a", value="hunter2"))
    assert "/a" in shown
    assert "hunter2" not in shown


def test_a_record_matches_patterns() -> None:
    """``match`` sees the fields by name."""
    match Point(x=1, y=2):
        case Point(x=x, y=y):
            assert (x, y) == (1, 2)


def make_often(kind: type[Record], **given: Any) -> None:
    for _ in range(2 * OFTEN):
        assert kind(**given) == kind(**given)


def test_a_kind_that_is_made_often_stays_what_it_is() -> None:
    """However many of a kind were made, and of those that inherit from it, fields, defaults and errors are the same."""

    class Place(Record):
        x: int
        put_x: int = 2
        y: int = 0

    class Titled(Place):
        name: str
        y: int = 5

    class Empty(Record):
        pass

    first = Titled(x=1, name="n")
    make_often(Place, x=1)
    make_often(Titled, x=1, name="n")
    make_often(Empty)
    assert Titled(x=1, name="n") == first
    assert (Place(x=3).x, Place(x=3).put_x, Place(x=3, y=7).y, Titled(x=1, name="n").y) == (
        3,
        2,
        7,
        5,
    )
    wrong: list[tuple[type[Place], dict[str, Any], str]] = [
        (Place, {}, "Place needs x$"),
        (Titled, {}, "Titled needs name, x$"),
        (Place, {"x": 1, "z": 1, "a": 2}, "Place has no field a, z$"),
    ]
    for kind, given, fault in wrong:
        with pytest.raises(TypeError, match=fault):
            kind(**given)

    class Later(Titled):
        more: int

    assert Later(x=1, name="n", more=2).more == 2


def test_a_constructor_that_is_written_out_is_kept() -> None:
    """A kind that is made in a way of its own is made so always, and so are those that inherit from it."""

    class Place(Record):
        x: int

    make_often(Place, x=1)

    class Doubled(Place):
        more: int = 0

        def __init__(self, *, x: int) -> None:
            super().__init__(x=2 * x, more=1)  # type: ignore[call-arg]

    class Heir(Doubled):
        pass

    class Mixed:
        def __init__(self, *, x: int) -> None:
            super().__init__(x=3 * x)  # type: ignore[call-arg]

    class Tripled(Mixed, Place):
        pass

    for kind, expected in ((Doubled, 6), (Heir, 6), (Tripled, 9), (Place, 3)):
        make_often(kind, x=3)
        assert kind(x=3).x == expected


def test_what_is_worked_out_is_no_part_of_a_record() -> None:
    """A record may keep what it works out of its fields: that is neither compared nor carried over to another one."""

    class Sum(Record):
        __slots__ = ("_total",)
        numbers: tuple[int, ...]

        @property
        def total(self) -> int:
            try:
                return self._total  # type: ignore[attr-defined]
            except AttributeError:
                object.__setattr__(self, "_total", sum(self.numbers))
                return self.total

    one = Sum(numbers=(1, 2))
    assert one.total == one.total == 3
    assert one == Sum(numbers=(1, 2))
    assert one.replace(numbers=(5,)).total == 5
    assert copy.copy(one).total == 3
