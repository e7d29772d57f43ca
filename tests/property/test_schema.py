"""Laws of schemas: judged as the validating library judges, explained in full, and never by quoting a value."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import Phase, assume, example, given, settings
from hypothesis import strategies as st
from tests.property.strategies import JSON, KEYS, TEXT

from realmconf.domain.document import ABSENT, canonical_bytes
from realmconf.domain.pointer import Pointer
from realmconf.domain.schemas import wording
from realmconf.domain.schemas.schema import check_schema, schema_digest, violations
from realmconf.domain.schemas.shape import Shape
from realmconf.errors import InvalidDocument, LimitExceeded

NAMES = ["a", "b", "c"]
CANARY = "canary"
CANARY_NUMBER = 8675309

# What a configuration is made of never occurs in a schema, so wherever it is said it was quoted.
_VALUES = st.one_of(
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from([CANARY, CANARY_NUMBER]), max_size=3),
    st.recursive(
        st.sampled_from([CANARY, CANARY + CANARY, CANARY_NUMBER, CANARY_NUMBER + 0.5, True]),
        lambda children: st.one_of(
            st.lists(children, max_size=3),
            st.dictionaries(st.sampled_from(NAMES), children, max_size=3),
        ),
        max_leaves=8,
    ),
)
CONFIGS = st.dictionaries(st.sampled_from([*NAMES, "d/~%"]), _VALUES, min_size=1, max_size=4)

TYPES = ["string", "integer", "number", "boolean", "array", "object", "null"]
LEAVES = st.one_of(
    st.builds(
        lambda names: {"type": names},
        st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True),
    ),
    st.sampled_from(
        [
            True,
            False,
            {},
            {"type": "string"},
            {"type": "object"},
            {"$ref": "#"},
            {"$ref": "#/$defs/x"},
            {"$dynamicRef": "#y"},
            {"enum": ["one", 2, None, []]},
            {"const": "one"},
            {"const": {}},
            {"minimum": CANARY_NUMBER + 1},
            {"maximum": 3},
            {"exclusiveMinimum": 1},
            {"multipleOf": 2},
            {"minLength": 7},
            {"maxLength": 6},
            {"pattern": "^c.{5}$"},
            {"pattern": "^(?!c)"},
            {"format": "email"},
            {"minItems": 1},
            {"maxItems": 1},
            {"uniqueItems": True},
            {"minProperties": 1},
            {"maxProperties": 1},
            {"required": ["a"]},
            {"required": ["b", "d/~%"]},
            {"dependentRequired": {"a": ["b", "c"]}},
            {"propertyNames": {"pattern": "^[ab]$"}},
            {"writeOnly": True},
            {"x-merge": "append"},
            {"default": None},
        ]
    ),
)


def _combined(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(children, min_size=1, max_size=3)
    named = st.dictionaries(st.sampled_from(NAMES), children, max_size=3)
    return st.one_of(
        st.fixed_dictionaries(
            {},
            optional={
                "properties": named,
                "patternProperties": st.dictionaries(
                    st.sampled_from(["^a", "[bc]", "^(?=d)"]), children, max_size=2
                ),
                "additionalProperties": children,
                "unevaluatedProperties": children,
                "required": st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
            },
        ),
        st.fixed_dictionaries(
            {},
            optional={
                "prefixItems": some,
                "items": children,
                "contains": children,
                "minContains": st.integers(0, 2),
                "maxContains": st.integers(0, 2),
                "unevaluatedItems": children,
            },
        ),
        st.fixed_dictionaries(
            {}, optional={"allOf": some, "anyOf": some, "oneOf": some, "not": children}
        ),
        st.fixed_dictionaries({}, optional={"if": children, "then": children, "else": children}),
        st.builds(lambda one: {"dependentSchemas": one}, named),
        st.builds(
            lambda parts: {
                key: value
                for part in parts
                if isinstance(part, dict)
                for key, value in part.items()
            },
            st.lists(children, min_size=2, max_size=3),
        ),
    )


# Built up by layers, because a recursive strategy gives leaves most of the time.
_LOW = st.one_of(LEAVES, _combined(LEAVES))
SUBSCHEMAS = st.one_of(_LOW, _combined(_LOW), _combined(_LOW))


LAW = settings(deadline=None)


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    """A schema with definitions that may contain themselves; some are refused, and then not drawn."""
    objects = SUBSCHEMAS.filter(lambda one: isinstance(one, dict))
    # Most say something of the members that most configurations have.
    members = st.builds(
        lambda one, more: {"properties": one, **more},
        st.fixed_dictionaries(dict.fromkeys(NAMES, SUBSCHEMAS)),
        st.one_of(st.just({}), objects),
    )
    root = draw(st.one_of(members, members, objects))
    other = draw(objects)
    defined = {"x": draw(SUBSCHEMAS), "z": {**other, "$dynamicAnchor": "y"}}
    try:
        return check_schema({**root, "$defs": defined})
    except InvalidDocument as refused:
        # It refers to itself at one place.
        assume(False)
        raise AssertionError from refused


def library_says(schema: dict[str, Any], config: dict[str, Any]) -> bool:
    """Judged by the library alone, by none of our options."""
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True).is_valid(config)


@LAW
@given(schemas(), CONFIGS)
@example(
    check_schema({"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False}), {"b": 1}
)
@example(check_schema({"oneOf": [{}, {}]}), {})
@example(check_schema({"not": {}}), {})
def test_there_are_violations_exactly_if_the_library_refuses(schema, config):
    """Nothing that fits is refused, nothing that does not fit is let through."""
    found = violations(schema_digest(schema), schema, config)
    assert (found == ()) == library_says(schema, config)


@LAW
@given(schemas(), CONFIGS)
def test_a_keyword_is_to_blame_for_every_violation(schema, config):
    """It is never left at "it does not fit": the search knows every keyword that the library knows."""
    for violation in violations(schema_digest(schema), schema, config):
        assert violation["keyword"] != "schema"
        assert violation["message"] != wording.UNFIT


def reported(errors: Any) -> set[tuple[str, str]]:
    """Place and keyword of all that the library reports, inside alternatives too."""
    found = set()
    for error in errors:
        place = Pointer(map(str, error.instance_path))
        kind = error.kind
        if kind.name == "required":
            place = place.child(kind.value)
        # Ours tells values of one and several alternatives alike, and a missing element by its array's keyword.
        found.add((str(place), {"const": "enum"}.get(kind.name, kind.name)))
        for branch in getattr(kind, "context", ()):
            found |= reported(branch)
    return found


SINGLE = {
    *(
        "type",
        "enum",
        "const",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "multipleOf",
        "minLength",
        "maxLength",
    ),
    *(
        "pattern",
        "format",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "required",
    ),
    *("contains", "anyOf", "oneOf"),
}


@LAW
@given(schemas(), CONFIGS)
def test_what_is_told_is_true(schema, config):
    """The library reports the same of that place, be it in a branch."""
    # It does not say what is wrong with a value of which nothing else speaks.
    assume("unevaluated" not in str(schema))
    found = violations(schema_digest(schema), schema, config)
    library = reported(
        jsonschema_rs.Draft202012Validator(schema, validate_formats=True).iter_errors(config)
    )
    for violation in found:
        if violation["keyword"] in SINGLE:
            keyword = {"const": "enum"}.get(violation["keyword"], violation["keyword"])
            assert (violation["pointer"], keyword) in library


def check_told(schema: dict[str, Any], config: dict[str, Any]) -> None:
    """What is said of *config* names places and quotes nothing."""
    found = violations(schema_digest(schema), schema, config)
    for violation in found:
        assert violation.keys() == {"pointer", "keyword", "message"}
        place = Pointer.parse_json_pointer(violation["pointer"])
        assert place.resolve(config) is not ABSENT or isinstance(place.parent.resolve(config), dict)
        assert CANARY not in violation["message"]
        assert str(CANARY_NUMBER) not in violation["message"]
    assert list(found) == sorted(
        found, key=lambda one: (one["pointer"], one["keyword"], one["message"])
    )


@LAW
@given(schemas(), CONFIGS)
def test_a_violation_names_a_place_and_quotes_nothing(schema, config):
    """Its pointer is of something there, or of something missing in an object that is; its words are the schema's."""
    check_told(schema, config)


@pytest.mark.planted
def test_a_planted_leak_is_found(monkeypatch):
    """The law above can fail: with words that quote a value it does."""
    from realmconf.domain.schemas import complaints

    class Leaking(complaints._Words):
        def of(self, found):
            return f"{super().of(found)}, not {found.place.resolve(self._config)!r}"

    monkeypatch.setattr(complaints, "_Words", Leaking)
    law = given(schemas(), CONFIGS)(check_told)
    with pytest.raises(AssertionError, match=r"canary|8675309"):
        settings(deadline=None, database=None, phases=[Phase.generate])(law)()


@given(schemas(), st.lists(st.sampled_from([*NAMES, "0", "1", "-"]), max_size=40))
def test_every_place_has_a_shape(schema, parts):
    """However deep, in a schema that contains itself; and all that is said of it has the right kind."""
    shape = Shape.of([schema, schema]).at(Pointer(parts))
    assert shape.types <= set(TYPES) - {"null"}
    assert shape.merge in (None, "append", "replace")
    assert not shape.secret or shape.has_secrets
    assert set(shape.keys) <= set(NAMES)
    assert shape.default is ABSENT


@given(SUBSCHEMAS, CONFIGS)
def test_what_a_schema_calls_secret_is_secret_where_it_holds(subschema, config):
    """However a schema leads to a place: if it asks something of a value there, its shape has it."""
    try:
        schema = check_schema(
            {"properties": {"v": subschema}, "$defs": {"x": {}, "z": {"$dynamicAnchor": "y"}}}
        )
    except InvalidDocument:
        return
    shape = Shape.of([schema])
    for violation in violations(schema_digest(schema), schema, {"v": config}):
        if violation["keyword"] in ("enum", "const", "minimum", "pattern", "format", "type"):
            place = shape.at(Pointer.parse_json_pointer(violation["pointer"]))
            keywords = (
                {"const", "enum"} if violation["keyword"] == "enum" else {violation["keyword"]}
            )
            assert any(keywords & one.said.keys() for one in place._applying)


@given(
    st.dictionaries(
        st.one_of(
            KEYS, st.sampled_from(["type", "$ref", "properties", "items", "allOf", "x-merge"])
        ),
        JSON,
    )
)
def test_any_object_is_a_schema_or_refused(value):
    """Whatever somebody sends: a copy, or a typed error."""
    try:
        checked = check_schema(value)
    except (InvalidDocument, LimitExceeded):
        return
    assert canonical_bytes(checked) == canonical_bytes(value)
    violations(schema_digest(checked), checked, {"a": 1})


@given(st.one_of(KEYS, TEXT), st.lists(st.one_of(KEYS, TEXT), max_size=6))
def test_a_suggestion_is_a_known_name_or_nothing(name, known):
    """And never the name itself."""
    text = wording.suggestion(name, known)
    assert text == "" or any(wording.quoted(other) in text for other in known if other != name)
