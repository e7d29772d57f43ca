"""What a schema may contain, and what is said of what does not fit one."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading

import jsonschema_rs
import pytest

from realmconf.domain.names import Limits
from realmconf.domain.schemas import engine
from realmconf.domain.schemas.schema import check_schema, schema_digest, violations
from realmconf.domain.schemas.wording import suggestion
from realmconf.errors import InvalidDocument, LimitExceeded

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def told(schema: dict, config: dict) -> list[tuple[str, str, str]]:
    """The violations, as tuples."""
    checked = check_schema(schema)
    found = violations(schema_digest(checked), checked, config)
    return [(one["pointer"], one["keyword"], one["message"]) for one in found]


def message(schema: dict, value: object) -> str:
    """What is said of *value* under *schema*, by its one violation."""
    ((pointer, _, text),) = told({"properties": {"v": schema}}, {"v": value})
    assert pointer.startswith("/v")
    return text


# --- what is taken ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$schema": DIALECT},
        {"$schema": DIALECT + "#", "$id": "https://example.com/mine", "title": "t"},
        {"default": None, "enum": [None, {"a": [None]}], "const": None, "examples": [None]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}},
        {"$ref": "#here", "$defs": {"a": {"$anchor": "here"}}},
        {"$ref": "#/definitions/a", "definitions": {"a": True}},
        {"$ref": "#/$defs/a%20b~1", "$defs": {"a b/": {}}},
        {"properties": {"a": {"$ref": "#"}}},
        {"pattern": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"},
        {"pattern": r"^\p{L}{1,64}$"},
        {"x-merge": "append", "x-merge-key": "name", "x-secret": True, "x-anything": {"$ref": 5}},
        {"properties": {"$ref": {"type": "string"}, "x-merge": {"type": "string"}}},
        {"enum": [{"$ref": "https://example.com/"}]},
        {"const": {"$id": "https://example.com/"}},
        {"discriminator": {"propertyName": "kind", "mapping": {"a": "#/nowhere"}}},
    ],
)
def test_a_schema_is_copied_as_it_is(schema):
    """Nothing is filled in or left out, and the copy shares nothing with what was given."""
    before = json.dumps(schema)
    checked = check_schema(schema)
    assert json.dumps(checked) == before
    checked["title"] = "changed"
    assert json.dumps(schema) == before


REFUSED: list[tuple[object, str]] = [
    (True, ""),
    (None, ""),
    ([], ""),
    ("{}", ""),
    ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema"),
    ({"properties": {"a": {"$schema": "https://example.com/own"}}}, "/properties/a/$schema"),
    ({"properties": {"a": {"type": "strng"}}}, "/properties/a/type"),
    ({"properties": {"a": {"type": 5}}}, "/properties/a/type"),
    ({"properties": {"a": 5}}, "/properties/a"),
    ({"properties": []}, "/properties"),
    ({"items": [{}]}, "/items"),
    ({"minimum": "1"}, "/minimum"),
    ({"minLength": -1}, "/minLength"),
    ({"required": ["a", "a"]}, "/required"),
    ({"enum": 5}, "/enum"),
    ({"anyOf": []}, "/anyOf"),
    ({"$ref": 5}, "/$ref"),
    ({"$anchor": "1#"}, "/$anchor"),
    ({"$ref": "https://example.com/a.json"}, "/$ref"),
    ({"$ref": DIALECT}, "/$ref"),
    ({"$dynamicRef": "https://example.com/a.json#x"}, "/$dynamicRef"),
    ({"not": {"$ref": "file:///etc/passwd"}}, "/not/$ref"),
    ({"items": {"$ref": "other.json"}}, "/items/$ref"),
    ({"items": {"$ref": ""}}, "/items/$ref"),
    ({"$ref": "#/nowhere"}, "/$ref"),
    ({"$ref": "#nowhere"}, "/$ref"),
    ({"$ref": "#/$defs/%"}, "/$ref"),
    ({"$ref": "#/$defs/a b", "$defs": {"a b": {}}}, "/$ref"),
    ({"$ref": "#/properties", "properties": {}}, "/$ref"),
    ({"$ref": "#/components/a", "components": {"a": {}}}, "/$ref"),
    ({"$ref": "#/enum/0", "enum": [{"$ref": "https://example.com/"}]}, "/$ref"),
    ({"$defs": {"a": {"$id": "a.json"}}}, "/$defs/a/$id"),
    ({"$anchor": "a", "$defs": {"b": {"$dynamicAnchor": "a"}}}, "/$defs/b/$dynamicAnchor"),
    ({"$ref": "#"}, ""),
    ({"$defs": {"a": {"allOf": [{"not": {"$ref": "#/$defs/a"}}]}}}, "/$defs/a"),
    ({"properties": {"a": {"pattern": "("}}}, "/properties/a/pattern"),
    ({"pattern": r"\Aabc\Z"}, "/pattern"),
    ({"pattern": r"(\w{1000}){1000}"}, "/pattern"),
    ({"patternProperties": {"(/": {}}}, "/patternProperties/(~1"),
    ({"x-merge": "sum"}, "/x-merge"),
    ({"x-merge": None}, "/x-merge"),
    ({"properties": {"a": {"x-merge": []}}}, "/properties/a/x-merge"),
    ({"x-merge-key": ""}, "/x-merge-key"),
    ({"x-merge-key": 5}, "/x-merge-key"),
    ({"x-merge-key": None}, "/x-merge-key"),
    ({"x-merge-key": "name", "x-merge": "replace"}, "/x-merge-key"),
    ({"x-secret": "yes"}, "/x-secret"),
    ({"x-integer": 1}, "/x-integer"),
    ({"x-default-unless": ["a"]}, "/x-default-unless"),
    ({"default": float("nan")}, "/default"),
    ({"default": 2**63}, "/default"),
    ({"default": "\ud800"}, "/default"),
    ({"default": b""}, "/default"),
    ({5: {}}, ""),
]


@pytest.mark.parametrize(("schema", "pointer"), REFUSED, ids=lambda one: repr(one)[:60])
def test_what_cannot_be_applied_is_refused_and_the_place_named(schema, pointer):
    """A schema is refused when it is attached, never when it is to be applied."""
    with pytest.raises(InvalidDocument) as caught:
        check_schema(schema)
    assert caught.value.pointer == pointer


def test_a_refusal_is_in_our_own_words():
    """The library's text quotes what is there."""
    for schema, _ in REFUSED:
        with pytest.raises(InvalidDocument) as caught:
            check_schema(schema)
        assert "Failed validating" not in str(caught.value)
        assert not isinstance(caught.value.__context__, jsonschema_rs.ValidationError)


def test_the_limits_of_documents_hold():
    """Size, depth, number and length of keys."""
    check_schema({"a": {"b": None}}, limits=Limits(depth=2, keys=2, document_bytes=20))
    for limits, name in (
        (Limits(depth=1), "depth"),
        (Limits(keys=1), "keys"),
        (Limits(document_bytes=10), "document_bytes"),
        (Limits(key_bytes=0), "key_bytes"),
    ):
        with pytest.raises(LimitExceeded) as caught:
            check_schema({"a": {"b": None}}, limits=limits)
        assert caught.value.to_dict()["message"].startswith(name.replace("_", " "))


# --- nothing is fetched ------------------------------------------------------------------------


def test_nothing_outside_of_a_schema_is_looked_up(tmp_path):
    """No socket and no file is opened for a reference, whatever it names; and the library would not either."""
    wanted = tmp_path / "other.json"
    wanted.write_text("{}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/other.json"

        for reference in (url, wanted.as_uri(), "other.json", str(wanted), "./other.json#/a"):
            for keyword in ("$ref", "$dynamicRef"):
                for schema in (
                    {"properties": {"a": {keyword: reference}}},
                    {"$id": (tmp_path / "mine.json").as_uri(), "anyOf": [{keyword: reference}]},
                ):
                    with pytest.raises(InvalidDocument):
                        check_schema(schema)
                    with pytest.raises(jsonschema_rs.ValidationError):
                        engine.validator(
                            {"$id": "http://127.0.0.1:1/", **schema, "$schema": DIALECT}
                        )
        # Whoever had connected would be waiting to be accepted.
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


def test_python_opens_nothing_while_a_schema_is_checked_and_applied():
    """As an audit hook sees it, once everything is loaded."""
    program = (
        "import sys\n"
        "from realmconf.domain.schemas.schema import check_schema, schema_digest, violations\n"
        "from realmconf.errors import InvalidDocument\n"
        "def go():\n"
        "    for reference in ('http://127.0.0.1:1/a', 'file:///etc/passwd', 'a.json', '#/no'):\n"
        "        try: check_schema({'$id': 'https://example.com/', 'items': {'$ref': reference}})\n"
        "        except InvalidDocument: pass\n"
        "    schema = check_schema({'properties': {'abc': {'format': 'email'}}, 'additionalProperties': False})\n"
        "    assert len(violations(schema_digest(schema), schema, {'abd': 1, 'abc': 'x'})) == 2\n"
        "go()\n"
        "seen = []\n"
        "sys.addaudithook(lambda name, _: seen.append(name))\n"
        "go()\n"
        "opening = ('open', 'socket', 'urllib', 'os', 'import', 'subprocess')\n"
        "print(*sorted({name for name in seen if name.split('.')[0] in opening}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_an_engine_knows_a_schema_by_no_name_of_its_own():
    """Otherwise a schema could call itself what the library knows by that name."""
    schema = {
        "$id": DIALECT,
        "properties": {"a": {"$ref": "#/$defs/b"}},
        "$defs": {"b": {"type": "string"}},
    }
    assert told(schema, {"a": 1}) == [("/a", "type", "it must be text")]
    assert told({"type": "object"}, {"a": 1}) == []


# --- what would take too long --------------------------------------------------------------------


def doubling(steps: int, wrap) -> dict:
    """A schema in which each step refers to the next one twice."""
    names = {
        f"d{step}": wrap([{"$ref": f"#/$defs/d{step + 1}"}, {"$ref": f"#/$defs/d{step + 1}"}])
        for step in range(steps)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**names, f"d{steps}": {"type": "object"}}}


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "schema",
    [
        doubling(30, lambda both: {"allOf": both}),
        doubling(30, lambda both: {"anyOf": both}),
        doubling(30, lambda both: {"not": {"oneOf": both}}),
        doubling(30, lambda both: {"properties": {"a": {"allOf": both}}}),
        doubling(30, lambda both: {"items": {"allOf": both}}),
        doubling(30, lambda both: {"additionalProperties": {"if": both[0], "then": both[1]}}),
        doubling(12, lambda both: {"allOf": both[:1], "unevaluatedProperties": False}),
        {
            "$defs": {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(20_000)}
            | {"d20000": {}},
            "$ref": "#/$defs/d0",
        },
        {"anyOf": [{"pattern": f"a{n}"} for n in range(2_001)]},
        {"anyOf": [{"pattern": rf"^\p{{L}}{{{n + 40}}}$"} for n in range(17)]},
        {"items": {"enum": [{"a": n} for n in range(101)]}},
    ],
    ids=lambda schema: json.dumps(schema)[:70],
)
def test_a_schema_that_could_hold_everybody_up_is_refused(schema):
    """It is a small text and valid, and applying it would take hours, or the memory or stack of the process."""
    with pytest.raises(InvalidDocument):
        check_schema(schema)


def test_what_people_write_is_far_from_those_bounds():
    """A union of thirty forms in each of two nested places, and fifteen layers of inheritance, are taken."""
    inner = {"oneOf": [{"properties": {"kind": {"const": n}}} for n in range(30)]}
    outer = {
        "oneOf": [
            {"properties": {"kind": {"const": n}, "inner": {"$ref": "#/$defs/inner"}}}
            for n in range(30)
        ]
    }
    check_schema({"$defs": {"inner": inner}, "properties": {"outer": outer}})
    layers = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"type": "object"}]} for n in range(15)
    }
    check_schema({"$ref": "#/$defs/d0", "$defs": {**layers, "d15": {}}})


@pytest.mark.timeout(60)
def test_the_largest_schema_is_taken_and_applied():
    """Fifty thousand keys, and a configuration in which everything or one thing is wrong."""
    names = [f"k{number}" for number in range(24_990)]
    wide = {
        "properties": {name: {"type": "string"} for name in names},
        "additionalProperties": False,
    }
    wrong = told(wide, dict.fromkeys(names, 5))
    assert len(wrong) == 100
    assert {text for _, _, text in wrong} == {"it must be text"}
    assert told(wide, dict.fromkeys(names, "") | {"k24989": 5}) == [
        ("/k24989", "type", "it must be text")
    ]
    assert len(told(wide, {f"z{name}": 5 for name in names})) == 100
    assert len(told({"required": names}, {f"z{name}": 5 for name in names})) == 100


@pytest.mark.timeout(30)
def test_a_deep_schema_is_taken_or_refused_and_never_ends_the_process():
    """Up to the limit of depth, in every keyword that nests; and recursion as deep as documents go."""
    for wrap in (
        lambda inner: {"properties": {"a": inner}},
        lambda inner: {"allOf": [inner]},
        lambda inner: {"items": inner},
        lambda inner: {"not": inner},
    ):
        schema: dict = {"type": "integer"}
        while True:
            deeper = wrap(schema)
            try:
                check_schema(deeper)
            except LimitExceeded:
                break
            schema = deeper
        checked = check_schema(schema)
        violations(schema_digest(checked), checked, {"a": {"a": []}})
    nested: dict = {"b": 1}
    for _ in range(60):
        nested = {"a": nested}
    recursive = {"properties": {"a": {"$ref": "#"}}, "additionalProperties": False}
    assert told(recursive, nested) == [
        ("/a" * 60 + "/b", "additionalProperties", "there is no such key")
    ]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_alternatives_inside_alternatives_are_explained_in_bounded_time(keyword):
    """The library's own report of this would have more than 2**60 entries."""
    node = {
        "type": "object",
        "properties": {"a": {keyword: [{"$ref": "#"}, {"$ref": "#", "maxProperties": 9}]}},
        "additionalProperties": False,
    }
    nested: dict = {"b": 1}
    for _ in range(60):
        nested = {"a": nested}
    assert len(told(node, nested)) >= 1
    assert told(node, {"a": {}}) == [] or keyword == "oneOf"


@pytest.mark.timeout(30)
def test_a_pattern_that_could_take_for_ever_is_given_up():
    """What takes too many steps counts as not matching, thousands of times in a row."""
    schema = {"additionalProperties": {"pattern": r"^(a|a)*\1$"}}
    found = told(schema, {f"k{number}": "a" * 40 + "!" for number in range(5_000)})
    assert {keyword for _, keyword, _ in found} == {"pattern"}
    assert told({"additionalProperties": {"pattern": "^(a+)+$"}}, {"k": "a" * 100_000 + "!"})


# --- what is said ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "value", "text"),
    [
        ({"type": "string"}, 1, "it must be text"),
        ({"type": ["integer", "null"]}, "x", "it must be an integer"),
        (
            {"type": ["integer", "string", "boolean"]},
            [],
            "it must be text, an integer or true or false",
        ),
        ({"type": ["integer", "number"]}, "x", "it must be a number"),
        ({"type": "null"}, "x", "nothing may stand here"),
        ({"enum": ["a", "b", None]}, "x", 'it is none of the accepted values: "a", "b" are'),
        ({"enum": [1, 1.5, True]}, "x", "it is none of the accepted values: 1, 1.5, true are"),
        ({"enum": [None]}, "x", "it is none of the accepted values"),
        (
            {"enum": list(range(11))},
            "x",
            "it is none of the accepted values: 0, 1, 2, 3, 4, 5, 6, 7 and 3 more are",
        ),
        ({"const": "a"}, "x", 'it is none of the accepted values: "a" is'),
        ({"const": "a" * 100}, "x", f'it is none of the accepted values: "{"a" * 59}… is'),
        ({"minimum": 3}, 1, "it is too small: at least 3 is wanted"),
        ({"exclusiveMinimum": 3}, 3, "it is too small: more than 3 is wanted"),
        ({"maximum": 3}, 4, "it is too large: at most 3 is wanted"),
        ({"exclusiveMaximum": 3}, 3, "it is too large: less than 3 is wanted"),
        ({"multipleOf": 2}, 3, "it is not a multiple of 2"),
        ({"minLength": 1}, "", "it is too short: at least 1 character is wanted"),
        ({"maxLength": 2}, "abc", "it is too long: at most 2 characters are wanted"),
        ({"pattern": "^[a-z]+$"}, "A", 'it does not have the wanted form: "^[a-z]+$" must match'),
        ({"format": "email"}, "x", "it must be an e-mail address"),
        (
            {"format": "date-time"},
            "x",
            "it must be a date and time with its offset (2026-01-31T12:00:00Z)",
        ),
        ({"minItems": 2}, [1], "it has too few elements: at least 2 elements are wanted"),
        ({"maxItems": 1}, [1, 2], "it has too many elements: at most 1 element is wanted"),
        ({"uniqueItems": True}, [1, 1], "an element is there more than once"),
        ({"contains": {"type": "string"}}, [1], "too few of its elements have the wanted form"),
        (
            {"contains": {"type": "string"}, "maxContains": 1},
            ["a", "b"],
            "too many of its elements have one form",
        ),
        ({"prefixItems": [{}], "items": False}, [1, 2], "there are too many elements"),
        ({"prefixItems": [{}], "unevaluatedItems": False}, [1, 2], "there are too many elements"),
        ({"minProperties": 1}, {}, "it has too few keys: at least 1 key is wanted"),
        ({"maxProperties": 1}, {"a": 1, "b": 1}, "it has too many keys: at most 1 key is wanted"),
        ({"required": ["a"]}, {}, "it is required"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, 'it is required where "a" is there'),
        ({"properties": {"a": False}}, {"a": 1}, "nothing may stand here"),
        ({"propertyNames": {"maxLength": 1}}, {"aa": 1}, "it is a key that is not accepted"),
        ({"not": {"type": "string"}}, "x", "it has a form that is not accepted"),
        (
            {"if": {"type": "string"}, "then": {"minLength": 2}},
            "x",
            "it is too short: at least 2 characters are wanted",
        ),
        ({"if": {"type": "string"}, "else": {"type": "array"}}, 1, "it must be an array"),
        ({"dependentSchemas": {"a": {"required": ["c"]}}}, {"a": 1}, "it is required"),
        ({"additionalProperties": False}, {"a": 1}, "there is no such key"),
        ({"unevaluatedProperties": False}, {"a": 1}, "there is no such key"),
        ({"unevaluatedProperties": {"type": "string"}}, {"a": 1}, "it must be text"),
    ],
)
def test_every_keyword_has_words_of_ours(schema, value, text):
    """They say what would fit, as precisely as the schema does."""
    assert message(schema, value) == text


def test_the_words_are_those_of_models():
    """Whoever validates, a person reads the same sentence."""
    import pydantic

    from realmconf.errors import SchemaViolation
    from realmconf.runtime.typed import adapter_for

    class Model(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="forbid", strict=True)
        size: int = pydantic.Field(default=1, ge=3)
        name: str = ""
        tags: list[str] = []

    wrong = {"size": 1, "name": 5, "tags": "x", "nmae": 1}
    with pytest.raises(SchemaViolation) as caught:
        adapter_for(Model).load(wrong)
    by_model = {(one["pointer"], one["keyword"], one["message"]) for one in caught.value.violations}
    assert by_model == set(told(adapter_for(Model).schema(), wrong))


def test_all_violations_are_told_at_once_by_place():
    """Sorted by pointer and keyword, whatever the order of keys in the schema or the configuration."""
    schema = {
        "properties": {"b": {"type": "string"}, "a": {"minimum": 5, "multipleOf": 2}},
        "required": ["c"],
        "additionalProperties": False,
    }
    config = {"x": 1, "b": 1, "a": 1}
    expected = [
        ("/a", "minimum"),
        ("/a", "multipleOf"),
        ("/b", "type"),
        ("/c", "required"),
        ("/x", "additionalProperties"),
    ]
    assert [one[:2] for one in told(schema, config)] == expected
    backwards = dict(reversed(schema.items()))
    assert told(backwards, dict(reversed(config.items()))) == told(schema, config)


def test_which_hundred_of_many_does_not_depend_on_the_order_of_keys():
    """Two processes that hold the same configuration say the same."""
    schema = {"additionalProperties": {"type": "string"}}
    config = {f"k{number}": number for number in range(1_000)}
    assert told(schema, config) == told(schema, dict(reversed(config.items())))
    assert len(told(schema, config)) == 100


def test_keys_may_contain_anything():
    """They are escaped in a pointer, and found in the schema whatever a URI would make of them."""
    for key in (
        "",
        "/",
        "~",
        "a/b~c",
        "%",
        "%20",
        "a b",
        "#",
        "?",
        "ü",
        "\u2028",
        "\x01",
        '"',
        "\\",
        "$ref",
    ):
        pointer = "/" + key.replace("~", "~0").replace("/", "~1")
        nested = {"properties": {key: {"anyOf": [{"properties": {key: {"type": "string"}}}]}}}
        assert told(nested, {key: {key: 1}}) == [(pointer + pointer, "type", "it must be text")]
        assert told({"required": [key]}, {})[0][0] == pointer
        assert told({"additionalProperties": False}, {key: 1})[0][0] == pointer


# --- did you mean ------------------------------------------------------------------------------------


def test_an_unknown_key_is_told_by_its_own_pointer_with_what_was_meant():
    """One violation for each, at any depth, in any branch of the schema."""
    agent = {"properties": {"max_tokens": {}, "model": {}}, "additionalProperties": False}
    schema = {
        "properties": {"agent": {"$ref": "#/$defs/agent"}},
        "$defs": {"agent": agent},
        "unevaluatedProperties": False,
    }
    assert told(schema, {"agent": {"max_token": 1, "zzz": 1}}) == [
        (
            "/agent/max_token",
            "additionalProperties",
            'there is no such key; did you mean "max_tokens"?',
        ),
        ("/agent/zzz", "additionalProperties", "there is no such key"),
    ]
    assert told(schema, {"agnet": 1}) == [
        ("/agnet", "unevaluatedProperties", 'there is no such key; did you mean "agent"?')
    ]


def test_a_key_that_is_missing_was_meant_rather_than_one_that_is_there():
    """What is there already may be a parent's, and the typo an override of it."""
    schema = {"properties": {"model": {}, "modes": {}}, "additionalProperties": False}
    said = [
        told(schema, {**there, "models": 1})[0][2] for there in ({}, {"model": 1}, {"modes": 1})
    ]
    assert said[1].endswith('; did you mean "modes"?')
    assert said[2].endswith('; did you mean "model"?')
    both = told(schema, {"model": 1, "modes": 1, "models": 1})
    assert "did you mean" in both[0][2]


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("max_token", ["max_tokens", "model"], "max_tokens"),
        ("maxTokens", ["max_tokens", "max_token"], "max_tokens"),
        ("MAX-TOKENS", ["max_tokens"], "max_tokens"),
        ("x", ["model"], None),
        ("model", ["model"], None),
        ("", ["model"], None),
        ("a" * 100, ["a" * 101], None),
        ("model", [], None),
    ],
)
def test_the_nearest_name_is_suggested_if_one_is_near(name, known, meant):
    """Another case or other joints count as the same name; what is far off is not guessed."""
    assert suggestion(name, known) == ("" if meant is None else f'; did you mean "{meant}"?')


# --- alternatives -------------------------------------------------------------------------------------

KINDS = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"kind": {"const": "a"}, "n": {"type": "integer"}},
            "required": ["kind"],
        },
        {
            "type": "object",
            "properties": {"kind": {"enum": ["b", "c"]}, "m": {"type": "integer"}},
            "required": ["kind"],
        },
        {"type": "string"},
    ]
}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (
            {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "x",
            ("", "type", "it must be an integer"),
        ),
        (
            {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            [],
            ("", "type", "it must be text or an integer"),
        ),
        (
            {"anyOf": [{"type": "integer", "minimum": 3}, {"type": "string"}]},
            1,
            ("", "minimum", "it is too small: at least 3 is wanted"),
        ),
        (
            {"anyOf": [{"const": "a"}, {"const": "b"}, {"enum": ["b", "c"]}]},
            "x",
            ("", "enum", 'it is none of the accepted values: "a", "b", "c" are'),
        ),
        (KINDS, {"kind": "a", "n": "x"}, ("/n", "type", "it must be an integer")),
        (KINDS, {"kind": "c", "m": "x"}, ("/m", "type", "it must be an integer")),
        (
            KINDS,
            {"kind": "z"},
            ("/kind", "enum", 'it is none of the accepted values: "a", "b", "c" are'),
        ),
        (KINDS, {}, ("/kind", "required", "it is required")),
        (KINDS, 5, ("", "type", "it must be text or an object")),
        (
            {"anyOf": [{"required": ["a", "b"]}, {"required": ["c"]}]},
            {},
            ("/c", "required", "it is required"),
        ),
        (
            {"anyOf": [{"required": ["a"]}, {"required": ["c"]}]},
            {},
            ("", "anyOf", "it fits none of the accepted forms"),
        ),
        (
            {"oneOf": [{"minimum": 3}, {"multipleOf": 2}]},
            1,
            ("", "oneOf", "it fits none of the accepted forms"),
        ),
        (
            {"oneOf": [{"minimum": 3}, {"multipleOf": 2}]},
            4,
            ("", "oneOf", "it fits 2 of the accepted forms, and must fit one"),
        ),
        ({"anyOf": [False, {"type": "string"}]}, "x", None),
        ({"anyOf": [False]}, "x", ("", "not", "it has a form that is not accepted")),
    ],
)
def test_of_several_forms_the_one_that_was_meant_is_explained(schema, value, expected):
    """That of the value's type, that which a member names, or that of which the least is wrong."""
    found = told({"properties": {"v": schema}}, {"v": value})
    assert found == ([] if expected is None else [("/v" + expected[0], *expected[1:])])


# --- secrets -------------------------------------------------------------------------------------------

SECRET_PLACES = [
    {"properties": {"v": {"x-secret": True, "enum": ["s3cret"]}}},
    {"properties": {"v": {"writeOnly": True, "const": "s3cret"}}},
    {"properties": {"v": {"format": "password", "pattern": "^s3cret$"}}},
    {"properties": {"v": {"anyOf": [{"writeOnly": True, "const": "s3cret"}, {"type": "null"}]}}},
    {"x-secret": True, "properties": {"v": {"enum": ["s3cret"]}}},
]


@pytest.mark.parametrize("schema", SECRET_PLACES)
def test_at_a_secret_place_a_schema_is_not_quoted(schema):
    """Its values and patterns may be somebody's secret."""
    ((pointer, _, text),) = told(schema, {"v": "x"})
    assert pointer == "/v"
    assert "s3cret" not in text


def test_a_message_never_has_what_the_configuration_has():
    """Neither a wrong value, nor one beside it, nor one that the library would quote."""
    schema = {
        "properties": {
            "a": {"type": "integer"},
            "b": {"pattern": "^x$", "minLength": 99, "format": "email", "enum": ["x"]},
            "c": {"not": {"const": "hunter2"}},
            "d": {"uniqueItems": True, "contains": {"const": 1}, "items": {"type": "integer"}},
            "e": {"oneOf": [{"const": "x"}, {"type": "integer"}]},
        },
        "required": ["z"],
    }
    config = {
        "a": "hunter2",
        "b": "hunter2",
        "c": "hunter2",
        "d": ["hunter2", "hunter2"],
        "e": "hunter2",
    }
    found = told(schema, config)
    assert len(found) > 8
    assert "hunter2" not in str(found)


def test_a_schema_that_this_version_cannot_apply_is_a_typed_error():
    """A stored schema never changes, and the library that applies it does."""
    schema = {"properties": {"a": {"pattern": "("}}}
    with pytest.raises(InvalidDocument) as caught:
        violations(schema_digest(schema), schema, {})
    assert caught.value.pointer == "/properties/a/pattern"
    assert caught.value.__context__ is None


# --- digests and validators ------------------------------------------------------------------------------


def test_a_digest_is_that_of_the_canonical_form():
    """The order of keys means nothing, 1 and 1.0 differ."""
    assert schema_digest({"a": 1, "b": 2}) == schema_digest({"b": 2, "a": 1})
    assert schema_digest({"a": 1}) != schema_digest({"a": 1.0})
    assert schema_digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_numbers_are_those_of_json_schema():
    """Though 1 and 1.0 are two values of a document, both are integers to a schema, and true is none."""
    assert told({"properties": {"v": {"type": "integer"}}}, {"v": 1.0}) == []
    assert told({"properties": {"v": {"const": 1}}}, {"v": 1.0}) == []
    assert told({"properties": {"v": {"const": 1}}}, {"v": True}) != []


def test_compiled_schemas_are_kept_by_digest_and_not_for_ever():
    """A realm's schema is compiled once; thousands of schemas do not fill the memory."""
    schema = check_schema({"title": "kept"})
    digest = schema_digest(schema)
    violations(digest, schema, {})
    kept = engine._engines[digest]
    violations(digest, schema, {"a": 1})
    assert engine._engines[digest] is kept
    for number in range(100):
        other = {"title": f"other {number}"}
        violations(schema_digest(other), other, {})
    assert len(engine._engines) <= 32
    assert digest not in engine._engines


def test_many_threads_may_ask_at_once():
    """About more schemas than are kept."""
    schemas = [{"properties": {"v": {"minimum": number}}} for number in range(50)]
    failures: list[object] = []

    def ask():
        for number, schema in enumerate(schemas):
            found = violations(schema_digest(schema), schema, {"v": number - 1})
            if [one["message"] for one in found] != [
                f"it is too small: at least {number} is wanted"
            ]:
                failures.append(found)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_full_stack_is_no_failure():
    """Where too little stack is left to say why, it is said as nearly as it can be that it does not fit."""
    schema = check_schema(
        {"properties": {"a": {"allOf": [{"properties": {"a": {"type": "string"}}}]}}}
    )
    digest = schema_digest(schema)
    outcomes: set[str] = set()

    def deep(left: int) -> None:
        if left:
            deep(left - 1)
        else:
            outcomes.update(one["pointer"] for one in violations(digest, schema, {"a": {"a": 1}}))

    limit = sys.getrecursionlimit()
    for left in range(limit - 200, limit - 30, 3):
        try:
            deep(left)
        except RecursionError:
            # So little is left that the question itself cannot be asked.
            break
    assert outcomes <= {"", "/a", "/a/a"}
    assert "/a/a" in outcomes


def test_the_library_is_loaded_by_the_first_schema_and_not_before():
    """It takes thirty milliseconds, which a program without schemas need not wait."""
    program = (
        "import sys\n"
        "import realmconf, realmconf.domain.schemas.schema, realmconf.domain.schemas.shape, realmconf.runtime.adapter\n"
        "assert 'jsonschema_rs' not in sys.modules\n"
        "realmconf.domain.schemas.schema.check_schema({})\n"
        "assert 'jsonschema_rs' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
