"""Which keyword is to blame where a value does not fit: exactly what is wrong, and nothing that is right."""

from __future__ import annotations

from typing import Any

import pytest

from realmconf.domain.schemas import complaints
from realmconf.domain.schemas.schema import check_schema, schema_digest, violations


def told(schema: dict[str, Any], config: dict[str, Any]) -> list[tuple[str, str]]:
    checked = check_schema(schema)
    return [
        (one["pointer"], one["keyword"])
        for one in violations(schema_digest(checked), checked, config)
    ]


def blamed(schema: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    """Of a value that is no object, told with the place of the value left out."""
    found = told({"properties": {"v": schema}}, {"v": value})
    assert all(pointer.startswith("/v") for pointer, _ in found)
    return [(pointer[2:], keyword) for pointer, keyword in found]


@pytest.mark.parametrize(
    ("schema", "value", "wrong"),
    [
        # What is said of objects or arrays is no matter of a number.
        ({"required": ["a"], "contains": {"const": 1}, "minimum": 5}, 3, [("", "minimum")]),
        (
            {"dependentRequired": {"a": ["b", "c"], "z": ["y"]}},
            {"a": 1, "b": 1},
            [("/c", "dependentRequired")],
        ),
        ({"propertyNames": {"maxLength": 1}}, {"a": 1, "bb": 1}, [("/bb", "propertyNames")]),
        ({"contains": {"type": "integer"}, "minItems": 3}, [1], [("", "minItems")]),
        ({"contains": {"type": "integer"}}, ["a"], [("", "contains")]),
        ({"contains": {"const": 1}, "minContains": 2}, [1, 2], [("", "contains")]),
        ({"contains": {"const": 1}, "maxContains": 1}, [1, 1], [("", "maxContains")]),
        ({"contains": {"const": 1}, "minContains": 0, "maxItems": 1}, [2, 3], [("", "maxItems")]),
        # A condition without a branch for its outcome asks for nothing.
        ({"if": {"required": ["a"]}, "then": False, "required": ["z"]}, {}, [("/z", "required")]),
        ({"if": {"required": ["a"]}, "then": False}, {"a": 1}, [("", "not")]),
        ({"if": {"required": ["a"]}, "else": {"required": ["b"]}}, {}, [("/b", "required")]),
        ({"dependentSchemas": {"a": {"required": ["b"]}, "c": False}}, {"a": 1}, [("/b", "required")]),
        ({"not": {"required": ["a"]}}, {"a": 1}, [("", "not")]),
        ({"not": {"required": ["b"]}, "required": ["c"]}, {"a": 1}, [("/c", "required")]),
        ({"patternProperties": {"^a": {"type": "string"}}}, {"a1": 1, "b": 1}, [("/a1", "type")]),
        ({"anyOf": [{"minimum": 1}, {"minimum": 9}], "maximum": 2}, 3, [("", "maximum")]),
        ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 3, [("", "oneOf")]),
        ({"oneOf": [{"minimum": 1}, {"minimum": 2}], "maximum": 2}, 3, [("", "maximum"), ("", "oneOf")]),
        ({"oneOf": [{"minimum": 1}, {"maximum": 2}], "multipleOf": 2}, 5, [("", "multipleOf")]),
        ({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}, ["a", "b"], [("/1", "type")]),
        ({"prefixItems": [{"type": "string"}, {}, {}]}, [1], [("/0", "type")]),
        ({"x-integer": True}, 1.0, [("", "x-integer")]),
        ({"x-integer": False, "maximum": 0}, 1.0, [("", "maximum")]),
        ({"x-integer": True, "maximum": 0}, 1, [("", "maximum")]),
    ],
)  # fmt: skip
def test_exactly_what_is_wrong_is_told(schema, value, wrong):
    """By place and keyword, in order; a keyword that holds, or asks nothing of such a value, is not to blame."""
    assert blamed(schema, value) == wrong


SPEAKS_OF_B = {"properties": {"b": True}}
SPEAKS_OF_C = {"properties": {"c": True}}


@pytest.mark.parametrize(
    ("schema", "value", "wrong"),
    [
        ({"properties": {"a": True}}, {"a": 1, "b": 1}, ["/b"]),
        (
            {"properties": {"a": True}, "dependentSchemas": {"a": SPEAKS_OF_B, "z": SPEAKS_OF_C}},
            {"a": 1, "b": 1, "c": 1},
            ["/c"],
        ),
        (
            {"if": {"properties": {"a": {"const": 1}}}, "then": SPEAKS_OF_B, "else": SPEAKS_OF_C},
            {"a": 1, "b": 1, "c": 1},
            ["/c"],
        ),
        (
            {"if": {"properties": {"a": {"const": 1}}}, "then": SPEAKS_OF_B, "else": SPEAKS_OF_C},
            {"a": 2, "b": 1, "c": 1},
            ["/a", "/b"],
        ),
        ({"anyOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": True}}]}, {"a": 2, "b": 1}, ["/a"]),
        ({"allOf": [{"properties": {"a": True}}], "$ref": "#/$defs/b"}, {"a": 1, "b": 1, "c": 1}, ["/c"]),
    ],
)  # fmt: skip
def test_a_key_that_nothing_speaks_of_is_told(schema, value, wrong):
    """``unevaluatedProperties``: what a form, a condition or a dependency that holds speaks of is spoken of."""
    whole = {**schema, "unevaluatedProperties": False, "$defs": {"b": {"properties": {"b": True}}}}
    assert told(whole, value) == [(place, "unevaluatedProperties") for place in wrong]


def test_an_element_that_nothing_speaks_of_is_told():
    """``unevaluatedItems``: what ``contains`` accepts is spoken of."""
    schema = {"prefixItems": [{}], "contains": {"type": "string"}, "unevaluatedItems": False}
    assert blamed(schema, [1, "a", 2]) == [("/2", "unevaluatedItems")]


@pytest.mark.parametrize("keyword", ["unevaluatedProperties", "unevaluatedItems"])
def test_what_another_schema_of_the_place_speaks_of_is_not_told(keyword):
    """
    Where one of them lets everything pass that nothing else speaks of, no key is to blame.

    The keyword ``dependencies`` is not of this draft, and the library applies it all the same: who is to blame
    for that cannot be told.
    """
    schema = {"dependencies": {"a": ["b"]}, keyword: False, "allOf": [{keyword: True}]}
    assert told(schema, {"a": 1}) == [("", "schema")]


def test_forms_of_other_types_are_told_by_the_types_that_they_want():
    """Also where more is wrong with one of them, and one has several types."""
    text = {"allOf": [{"type": "string"}, {"required": ["x"]}]}
    schema = {"anyOf": [text, {"type": ["integer", "null"]}]}
    assert blamed(schema, {}) == [("", "type")]
    checked = check_schema({"properties": {"v": schema}})
    (found,) = violations(schema_digest(checked), checked, {"v": {}})
    assert found["message"] == "it must be text or an integer"


def test_forms_with_a_kind_are_told_by_the_kinds_that_there_are():
    """Each once, whatever else is wrong with them."""
    forms = [
        {"properties": {"kind": {"const": "a"}, "n": {"type": "string"}}},
        {"properties": {"kind": {"enum": ["b", "a"]}}},
    ]
    checked = check_schema({"anyOf": forms})
    (found,) = violations(schema_digest(checked), checked, {"kind": "c", "n": 5})
    assert (found["pointer"], found["keyword"]) == ("/kind", "enum")
    assert found["message"] == 'it is none of the accepted values: "a", "b" are'


def test_anchors_are_found_however_many_there_are():
    """Each reference leads to its own."""
    schema = {
        "$defs": {"a": {"$anchor": "x", "type": "string"}, "b": {"$anchor": "y", "type": "integer"}},
        "properties": {"p": {"$ref": "#x"}, "q": {"$ref": "#y"}},
    }  # fmt: skip
    assert told(schema, {"p": 1, "q": "a"}) == [("/p", "type"), ("/q", "type")]
    assert told(schema, {"p": "a", "q": 1}) == []


def test_an_explanation_takes_so_many_steps_and_no_more(monkeypatch):
    """What was found until then is true, and at least that it does not fit is told."""
    schema = {"properties": {f"k{number}": {"type": "string"} for number in range(20)}}
    config = dict.fromkeys(schema["properties"], 1)
    complete = told(schema, config)
    assert len(complete) == 20
    for steps in range(60):
        monkeypatch.setattr(complaints, "_STEPS_MAX", steps)
        found = told(schema, config)
        assert found
        assert set(found) <= {
            *complete,
            ("", "schema"),
            *((place, "schema") for place, _ in complete),
        }
    assert len(found) > 1
