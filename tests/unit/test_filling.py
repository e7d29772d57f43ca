"""What applies where nothing is stated: the defaults of schemas, filled in and taken out again."""

from __future__ import annotations

from typing import Any

from realmconf.domain.schemas.filling import filled, unfilled
from realmconf.domain.schemas.shape import Shape

SCHEMA: dict[str, Any] = {
    "properties": {
        "retries": {"default": 3},
        "agent": {
            "type": "object",
            "properties": {"model": {"default": "m"}, "note": {"type": "string"}},
        },
        "table": {"default": {"x": None, "y": [1, {"z": 2}]}, "properties": {"w": {"default": 0}}},
        "plain": {"type": "object", "properties": {"n": {"type": "integer"}}},
        "port": {"default": 80, "x-default-unless": "socket"},
    }
}
SHAPE = Shape.of((SCHEMA,))
ALL = {
    "retries": 3,
    "agent": {"model": "m"},
    "table": {"y": [1, {"z": 2}], "w": 0},
    "port": 80,
}


def test_every_member_with_a_default_is_there():
    """Also in sections that are not; a null in a default stands for nothing, and an empty section stays away."""
    assert filled({}, SHAPE) == ALL


def test_what_is_stated_stays():
    """A default is for where nothing is stated; a section that is stated is filled up."""
    stated = {"retries": 0, "agent": {"note": "n"}, "other": True, "table": {"y": 5}}
    assert filled(stated, SHAPE) == {
        **ALL,
        "retries": 0,
        "agent": {"note": "n", "model": "m"},
        "table": {"y": 5, "w": 0},
        "other": True,
    }
    assert stated == {"retries": 0, "agent": {"note": "n"}, "other": True, "table": {"y": 5}}


def test_a_member_that_is_in_a_default_s_stead_keeps_it_away():
    """``x-default-unless`` names it."""
    assert "port" not in filled({"socket": "s"}, SHAPE)


def test_a_default_is_the_schema_s_and_is_not_shared():
    """Whoever changes what was filled in changes no schema."""
    filled({}, SHAPE)["table"]["y"].append(2)
    assert filled({}, SHAPE) == ALL


def test_a_section_that_refers_to_itself_is_filled_once():
    """It has a section in each section, without end; below what is stated there is one more."""
    schema = {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"size": {"default": 1}, "next": {"$ref": "#/$defs/node"}},
            }
        },
        "properties": {"first": {"$ref": "#/$defs/node"}},
    }
    shape = Shape.of((schema,))
    assert filled({}, shape) == {"first": {"size": 1}}
    stated = filled({"first": {"next": {"size": 2}}}, shape)
    assert stated == {"first": {"size": 1, "next": {"size": 2, "next": {"size": 1}}}}


def test_what_was_filled_in_is_taken_out_again():
    """What is stated stays, also where it is the default's; so does what differs from a default."""
    composed = {"retries": 3, "agent": {"note": "n"}, "other": True}
    shown = filled(composed, SHAPE)
    assert unfilled(shown, composed, SHAPE) == composed
    changed = {**shown, "port": 81, "agent": {**shown["agent"], "model": "x"}, "new": {"a": 1}}
    assert unfilled(changed, composed, SHAPE) == {
        **composed,
        "port": 81,
        "agent": {"note": "n", "model": "x"},
        "new": {"a": 1},
    }


def test_a_section_of_defaults_is_gone_unless_something_in_it_differs():
    """And where somebody emptied it, that is stated."""
    shown = filled({}, SHAPE)
    assert unfilled({**shown, "agent": {"model": "x"}}, {}, SHAPE) == {"agent": {"model": "x"}}
    assert unfilled({**shown, "agent": {}}, {}, SHAPE) == {"agent": {}}
    assert unfilled({**shown, "agent": "none"}, {}, SHAPE) == {"agent": "none"}
