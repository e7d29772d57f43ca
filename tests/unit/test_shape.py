"""What schemas say of one place."""

from __future__ import annotations

import subprocess
import sys

import pytest

from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.schemas.shape import NOTHING, Shape


def at(schema: dict, path: str, *more: dict) -> Shape:
    return Shape.of([schema, *more]).at(Pointer.parse(path))


# --- where places lead --------------------------------------------------------------------


def test_without_a_schema_nothing_is_said_anywhere():
    """The empty shape is its own member and element, so following it costs nothing."""
    assert Shape.of([]) is NOTHING
    assert NOTHING.member("a") is NOTHING
    assert NOTHING.element(0) is NOTHING
    assert NOTHING.step("-") is NOTHING
    assert NOTHING.at(Pointer(("a", "0"))) is NOTHING
    assert not NOTHING.secret
    assert NOTHING.merge is NOTHING.merge_key is NOTHING.title is NOTHING.description is None
    assert NOTHING.default is ABSENT
    assert NOTHING.types == frozenset()
    assert NOTHING.keys == ()
    assert not NOTHING.has_secrets
    assert not NOTHING.has_merges


def test_a_place_that_no_schema_speaks_of_is_nothing():
    """So a walk down a document ends early where there is nothing to know."""
    assert at({"properties": {"a": {"type": "string"}}}, "b") is NOTHING
    assert at({"properties": {"a": True}}, "a") is NOTHING


SECRET = {"writeOnly": True}


@pytest.mark.parametrize(
    ("schema", "secret", "open_"),
    [
        ({"properties": {"a": SECRET}}, "/a", "/b"),
        ({"patternProperties": {"^a": SECRET}}, "/ab", "/ba"),
        ({"patternProperties": {"^a+$": SECRET}}, "/aa", "/ab"),
        ({"patternProperties": {"a(?=b)": SECRET}}, "/ab", "/aa"),
        ({"additionalProperties": SECRET, "properties": {"b": {}}}, "/a", "/b"),
        ({"additionalProperties": SECRET, "patternProperties": {"^b": {}}}, "/a", "/bc"),
        ({"unevaluatedProperties": SECRET, "properties": {"b": {}}}, "/a", "/b"),
        ({"unevaluatedProperties": SECRET, "allOf": [{"properties": {"b": {}}}]}, "/a", "/b"),
        ({"items": SECRET, "prefixItems": [{}]}, "/1", "/0"),
        ({"prefixItems": [SECRET]}, "/0", "/1"),
        ({"unevaluatedItems": SECRET, "prefixItems": [{}]}, "/1", "/0"),
        ({"properties": {"0": SECRET}}, "/0", "/1"),
        ({"properties": {"a": {"items": SECRET}}}, "/a/-", "/b/-"),
        ({"properties": {"a": {"prefixItems": [{}, SECRET]}}}, "/a/-", "/a/0"),
        ({"contains": SECRET}, "/7", "/a"),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"properties": {"a": SECRET}}}}, "/a", "/b"),
        ({"$ref": "#x", "$defs": {"y": {"$anchor": "x", "properties": {"a": SECRET}}}}, "/a", "/b"),
        (
            {
                "$dynamicRef": "#x",
                "$defs": {"y": {"$dynamicAnchor": "x", "properties": {"a": SECRET}}},
            },
            "/a",
            "/b",
        ),
        (
            {"$ref": "#/$defs/x~1y%25%20", "$defs": {"x/y% ": {"properties": {"a": SECRET}}}},
            "/a",
            "/b",
        ),
        ({"allOf": [{"anyOf": [{"oneOf": [{"properties": {"a": SECRET}}]}]}]}, "/a", "/b"),
        ({"if": {}, "then": {"properties": {"a": SECRET}}}, "/a", "/b"),
        ({"if": {}, "else": {"properties": {"a": SECRET}}}, "/a", "/b"),
        ({"if": {"properties": {"a": SECRET}}}, "/a", "/b"),
        ({"dependentSchemas": {"b": {"properties": {"a": SECRET}}}}, "/a", "/b"),
    ],
)
def test_a_place_is_found_through_every_keyword(schema, secret, open_):
    """No way of writing a schema hides a secret, and none makes one of what stands beside it."""
    assert at(schema, secret).secret
    assert not at(schema, open_).secret


def test_what_is_negated_says_nothing():
    """A schema that must not hold calls nothing secret."""
    assert not at({"not": {"properties": {"a": SECRET}}}, "/a").secret


def test_what_only_one_branch_names_may_be_left_over_in_another():
    """Where it cannot be told which branch holds, the place counts as secret."""
    schema = {"anyOf": [{"properties": {"a": {}}}, {}], "unevaluatedProperties": SECRET}
    assert at(schema, "/a").secret


def test_a_pattern_that_cannot_be_applied_matches():
    """For what may be a secret that is the safe side."""
    assert at({"patternProperties": {"(": SECRET}}, "/a").secret


@pytest.mark.timeout(20)
def test_a_pattern_that_could_take_for_ever_does_not():
    """A key is tried with a bounded number of steps, and matches if that is not enough."""
    schema = {"patternProperties": {r"^(a|a)*\1$": SECRET}}
    assert at(schema, "/" + "a" * 60 + "!").secret


def test_a_reference_that_leads_nowhere_is_passed_over():
    """Shapes are lenient; refusing is for whoever takes a schema."""
    for reference in ("#/no", "#no", "other.json", "#/$defs/%zz", "#/allOf/7", 5):
        assert at({"$ref": reference, "allOf": [{"properties": {"a": SECRET}}]}, "/a").secret


def test_recursion_has_a_shape_at_every_depth():
    """A schema that contains itself is followed as far as the pointer goes, and no further."""
    tree = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "properties": {
                    "token": SECRET,
                    "left": {"$ref": "#/$defs/node"},
                    "right": {"$ref": "#"},
                },
                "allOf": [{"$ref": "#/$defs/node"}, {"anyOf": [{"$ref": "#"}]}],
            }
        },
    }
    shape = Shape.of([tree])
    assert shape.at(Pointer(("left", "right") * 30 + ("token",))).secret
    assert not shape.at(Pointer(("left", "right") * 30)).secret
    assert shape.types == frozenset()


# --- what is said --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "secret"),
    [
        ({"writeOnly": True}, True),
        ({"format": "password"}, True),
        ({"x-secret": True}, True),
        ({"writeOnly": False, "x-secret": False, "format": "email"}, False),
        ({"anyOf": [{"format": "password"}, {"type": "null"}]}, True),
    ],
)
def test_three_keywords_call_a_place_secret(schema, secret):
    """What OpenAPI, forms and this library say for it."""
    assert Shape.of([schema]).secret is secret


def test_secrets_of_all_schemas_count():
    """A nearer schema cannot take back what another one calls secret."""
    assert at(
        {"properties": {"a": SECRET}}, "/a", {"properties": {"a": {"writeOnly": False}}}
    ).secret


def test_the_last_schema_decides_how_a_place_merges():
    """Schemas come root's first, so the realm nearest the head has the last word; and it decides all of it."""
    root = {"properties": {"a": {"x-merge-key": "name"}, "b": {"x-merge": "append"}}}
    near = {"properties": {"a": {"x-merge": "append"}}}
    assert at(root, "/a").merge_key == "name"
    assert at(root, "/a").merge is None
    assert (at(root, "/a", near).merge, at(root, "/a", near).merge_key) == ("append", None)
    assert at(root, "/b", near).merge == "append"
    assert at(near, "/a", root).merge_key == "name"


def test_what_a_schema_says_itself_outweighs_what_it_refers_to():
    """So a shared definition can be given another default where it is used."""
    schema = {
        "$defs": {"port": {"type": "integer", "default": 1, "title": "Port", "description": "any"}},
        "properties": {"p": {"$ref": "#/$defs/port", "default": 2, "description": "mine"}},
    }
    shape = at(schema, "/p")
    assert (shape.default, shape.title, shape.description) == (2, "Port", "mine")
    assert at(schema, "/p", {"properties": {"p": {"default": 3}}}).default == 3


def test_a_default_of_null_is_none():
    """Documents have no nulls."""
    assert Shape.of([{"default": None}]).default is ABSENT
    assert Shape.of([{"default": 0}]).default == 0
    assert Shape.of([{"default": False}]).default is False


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        ({}, ""),
        ({"type": "integer"}, "integer"),
        ({"type": ["string", "null"]}, "string"),
        ({"type": "null"}, ""),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer"),
        ({"oneOf": [{"type": "integer"}, {"const": "auto"}]}, "integer string"),
        ({"anyOf": [{"type": "integer"}, {}]}, ""),
        ({"enum": ["a", 1, 1.5, True, None, [], {}]}, "string integer number boolean array object"),
        ({"type": "string", "enum": ["1", 1]}, "string"),
        ({"type": "number", "allOf": [{"type": ["integer", "string"]}]}, "integer"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "boolean"}}}, "boolean"),
        ({"allOf": [{"$ref": "#"}], "type": "string"}, "string"),
        ({"anyOf": [{"$ref": "#"}, {"type": "string"}]}, ""),
    ],
)
def test_types_are_what_all_parts_of_a_schema_allow(schema, types):
    """By them a value of the command line is read; none stands for any."""
    assert Shape.of([schema]).types == frozenset(types.split())


def test_of_schemas_that_contradict_each_other_the_last_is_right():
    """No value fits both, and somebody has to say which of them was misunderstood."""
    assert Shape.of([{"type": "string"}, {}, {"type": "boolean"}]).types == {"boolean"}
    assert Shape.of([{"type": "number"}, {"type": "integer"}]).types == {"integer"}


def test_keys_are_the_names_of_all_parts():
    """Of every branch and every schema, once each."""
    schema = {"properties": {"a": {}}, "anyOf": [{"properties": {"b": {}, "a": {}}}]}
    assert set(Shape.of([schema, {"properties": {"c": {}}}]).keys) == {"a", "b", "c"}


def test_whether_anything_is_secret_or_merged_is_known_at_once():
    """From the root, for all places below, so that most documents need no second look."""
    quiet = Shape.of([{"properties": {"a": {"properties": {"b": {"type": "string"}}}}}])
    assert not quiet.has_secrets
    assert not quiet.has_merges
    loud = Shape.of(
        [
            {"properties": {"a": {"type": "object"}}},
            {"$defs": {"unused": {"x-secret": True, "x-merge": "append"}}},
        ]
    )
    assert loud.has_secrets
    assert loud.has_merges
    assert loud.member("a").has_secrets
    assert loud.member("a").has_merges


def test_children_are_remembered_and_not_for_ever():
    """The second look is free, and a stream of new names does not fill the memory."""
    shape = Shape.of([{"additionalProperties": {"type": "string"}}])
    assert shape.member("a") is shape.member("a")
    assert shape.step("0") is shape.step("0")
    for number in range(10_000):
        shape.member(f"k{number}")
    assert len(shape._children) < 5_000


def test_the_root_is_its_own_place():
    """An empty pointer leads nowhere else."""
    shape = Shape.of([{"title": "all"}])
    assert shape.at(ROOT) is shape
    assert shape.title == "all"


def test_a_shape_is_shown_by_where_its_schemas_stand():
    """For whoever looks for a mistake: which parts of the schemas speak of the place."""
    shape = Shape.of([{"properties": {"a": {"allOf": [{}]}}}, {"additionalProperties": {}}])
    assert repr(shape) == "Shape(/, /)"
    assert repr(shape.member("a")) == (
        "Shape(/properties/a/allOf/0, /properties/a, /additionalProperties)"
    )


def test_what_says_nothing_of_merging_decides_nothing_of_it():
    """The last schema that speaks of it decides all of it, whatever else others say of the place."""
    said = {"properties": {"a": {"x-merge": "append"}}}
    shape = Shape.of([said, {"properties": {"a": {"title": "A"}}}]).member("a")
    assert (shape.merge, shape.merge_key, shape.title) == ("append", None, "A")
    other = Shape.of([said, {"properties": {"a": {"x-merge-key": "name"}}}]).member("a")
    assert (other.merge, other.merge_key) == (None, "name")


def test_reading_shapes_loads_no_validator():
    """Neither that nor ``typing``: the reading path cannot afford them."""
    program = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from realmconf.domain.schemas.shape import Shape\n"
        "from realmconf.domain.pointer import Pointer\n"
        "schema = {'properties': {'a': {'writeOnly': True}}, 'patternProperties': {'^x-': {}, '_key$': {}, '.*': {}}}\n"
        "assert Shape.of([schema]).at(Pointer(('a',))).secret\n"
        "print(*sorted({'jsonschema_rs', 'typing', 'difflib', 'hashlib'} & (set(sys.modules) - before)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
