"""Frozen records."""

import copy
import pickle

import pytest

from realmconf.domain.record import Record


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
