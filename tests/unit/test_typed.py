"""Typed configuration: pydantic, dataclasses, TypedDict, msgspec."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pydantic
import pytest
from tests.unmeasured import unmeasured

import realmconf
from realmconf.domain.pointer import Pointer
from realmconf.domain.schemas.schema import check_schema, schema_digest, violations
from realmconf.domain.schemas.shape import Shape
from realmconf.errors import InvalidArgument, InvalidDocument, SchemaViolation
from realmconf.runtime.adapter import PLAIN, JsonSchemaAdapter
from realmconf.runtime.typed import MsgspecAdapter, PydanticAdapter, adapter_for

DOCUMENT = {"agent": {"model": "m", "retries": 3}, "tags": ["a", "b"]}


class PydanticAgent(pydantic.BaseModel):
    model: str
    retries: int = 1
    note: str | None = None


class PydanticSettings(pydantic.BaseModel):
    agent: PydanticAgent
    tags: list[str] = []


@dataclasses.dataclass
class Agent:
    model: str
    retries: int = 1
    note: str | None = None


@dataclasses.dataclass
class Settings:
    agent: Agent
    tags: list[str] = dataclasses.field(default_factory=list)


class StructAgent(msgspec.Struct):
    model: str
    retries: int = 1
    note: str | None = None


class StructSettings(msgspec.Struct):
    agent: StructAgent
    tags: list[str] = []


class TypedAgent(TypedDict, total=False):
    model: str
    retries: int


class TypedSettings(TypedDict, total=False):
    agent: TypedAgent
    tags: list[str]


ADAPTERS = [
    adapter_for(PydanticSettings),
    adapter_for(Settings),
    adapter_for(StructSettings),
    MsgspecAdapter(Settings),
]


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: f"{type(a).__name__}-{a.type.__name__}")
def test_what_is_loaded_dumps_to_the_same_with_defaults(adapter):
    """``load`` gives the type, ``dump`` gives plain values back; what is None is absent."""
    config = adapter.load(DOCUMENT)
    assert (config.agent.model, config.agent.retries, config.agent.note) == ("m", 3, None)
    assert adapter.dump(config) == DOCUMENT
    assert adapter.is_model(config)
    sparse = adapter.load({"agent": {"model": "m"}})
    assert adapter.dump(sparse) == {"agent": {"model": "m", "retries": 1}, "tags": []}
    assert adapter.dump_stated(sparse) == {"agent": {"model": "m"}}


def test_a_typed_dict_is_a_plain_mapping():
    """It is validated, and written as given."""
    adapter = adapter_for(TypedSettings)
    assert adapter.load(DOCUMENT) == DOCUMENT
    assert not adapter.is_model({"agent": {"model": "m"}})
    with pytest.raises(SchemaViolation):
        adapter.load({"agent": {"model": 5}})


VIOLATIONS = [
    ({"agent": {"model": 7}}, "/agent/model", "type"),
    ({"agent": {}}, "/agent/model", "required"),
    ({"agent": {"model": "m", "retries": "hunter2"}}, "/agent/retries", "type"),
    ({"agent": {"model": "m"}, "tags": ["a", 5]}, "/tags/1", "type"),
    ({"agent": "hunter2"}, "/agent", "type"),
    ({}, "/agent", "required"),
]


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: f"{type(a).__name__}-{a.type.__name__}")
@pytest.mark.parametrize(("document", "pointer", "keyword"), VIOLATIONS)
def test_a_violation_says_where_and_what_and_never_the_value(adapter, document, pointer, keyword):
    """The place as a pointer, a keyword, our own words; the text never quotes a configured value (G11)."""
    with pytest.raises(SchemaViolation) as caught:
        adapter.load(document)
    assert [(entry["pointer"], entry["keyword"]) for entry in caught.value.violations] == [
        (pointer, keyword)
    ]
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in str(caught.value.to_dict())
    assert caught.value.__context__ is None or "hunter2" not in str(caught.value.__context__)


def test_pydantic_names_all_violations_at_once():
    """A person mends them in one go."""
    with pytest.raises(SchemaViolation) as caught:
        adapter_for(PydanticSettings).load({"agent": {"model": 1, "retries": "x"}, "tags": 5})
    assert [entry["pointer"] for entry in caught.value.violations] == [
        "/agent/model",
        "/agent/retries",
        "/tags",
    ]


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    level: Literal["low", "high"] = "low"
    size: int = pydantic.Field(default=1, ge=1, lt=10)
    since: datetime.date = datetime.date(2020, 1, 1)
    either: int | str = 1
    name: str = pydantic.Field(default="n", max_length=3, pattern="^[a-z]*$")

    @pydantic.field_validator("name")
    @classmethod
    def refuse_bad(cls, value: str) -> str:
        if value == "bad":
            raise ValueError(f"{value} is no good")
        return value


@pytest.mark.parametrize(
    ("document", "pointer", "keyword"),
    [
        ({"levle": "low"}, "", "additionalProperties"),
        ({"level": "huge"}, "/level", "enum"),
        ({"size": 0}, "/size", "minimum"),
        ({"size": 11}, "/size", "exclusiveMaximum"),
        ({"name": "long name"}, "/name", "maxLength"),
        ({"name": "ABC"}, "/name", "pattern"),
        ({"name": "bad"}, "/name", "validator"),
        ({"since": "hunter2"}, "/since", None),
    ],
)
def test_constraints_have_the_keywords_of_json_schema(document, pointer, keyword):
    """What a schema calls it is what the violation calls it, whichever library found it."""
    with pytest.raises(SchemaViolation) as caught:
        adapter_for(Strict).load(document)
    (entry,) = caught.value.violations
    if keyword is not None:
        assert entry["keyword"] == keyword
    assert entry["pointer"].startswith(pointer)
    assert not any(str(value) in str(caught.value) for value in document.values() if value)


def test_the_branches_of_a_union_are_no_places():
    """Pydantic names the alternatives it tried in a location; the document has none of them."""
    with pytest.raises(SchemaViolation) as caught:
        adapter_for(Strict).load({"either": 1.5})
    assert {entry["pointer"] for entry in caught.value.violations} == {"/either"}


def test_a_strict_model_reads_what_json_can_say():
    """A date is text in a document, and a strict model takes it from there."""
    assert adapter_for(Strict).load({"since": "2026-01-02"}).since == datetime.date(2026, 1, 2)


class Colour(enum.Enum):
    RED = "red"


class Rich(pydantic.BaseModel):
    token: pydantic.SecretStr = pydantic.SecretStr("")
    keys: dict[int, pydantic.SecretStr] = {}
    raw: pydantic.SecretBytes = pydantic.SecretBytes(b"")
    colour: Colour = Colour.RED
    at: datetime.datetime | None = None
    pair: tuple[int, int] = (1, 2)
    renamed: int = pydantic.Field(default=0, alias="re-named")


def test_secrets_are_stored_and_not_their_asterisks():
    """What pydantic hides when it serializes is what the document must hold."""
    adapter = adapter_for(Rich)
    document = {
        "token": "hunter2",
        "keys": {"1": "s"},
        "raw": "b",
        "re-named": 4,
        "at": "2026-01-02T03:04:05Z",
    }
    config = adapter.load(document)
    assert config.token.get_secret_value() == "hunter2"
    assert adapter.dump(config) == {**document, "colour": "red", "pair": [1, 2]}


def test_a_none_in_an_array_is_refused():
    """Only an absent key says nothing; an array has no absent places."""

    class WithHoles(pydantic.BaseModel):
        items: list[int | None]

    with pytest.raises(InvalidDocument):
        adapter_for(WithHoles).dump(WithHoles(items=[1, None]))


@pytest.mark.parametrize("schema", [int, "Settings", 5, [{"type": "object"}], object, list[int]])
def test_other_schemas_are_refused_and_the_accepted_kinds_named(schema):
    """A schema that nobody will apply is worse than none."""
    with pytest.raises(InvalidArgument, match="pydantic"):
        adapter_for(schema)


@pytest.mark.parametrize("schema", [None, dict])
def test_without_a_schema_configuration_is_a_frozen_mapping(schema):
    """The untyped configuration cannot be changed by accident."""
    config = adapter_for(schema).load({"a": {"b": [1]}})
    with pytest.raises(TypeError):
        config["a"]["b"].append(2)
    assert adapter_for(schema) is PLAIN


def test_a_dataclass_is_validated_by_pydantic_where_it_is_installed():
    """And by msgspec elsewhere."""
    assert isinstance(adapter_for(Settings), PydanticAdapter)


def test_nothing_is_imported_that_the_user_did_not_import():
    """Using a realm without a type loads neither pydantic nor msgspec."""
    program = (
        "import realmconf, sys\n"
        "realm = realmconf.connect('memory://').realm('a')\n"
        "realm.set({'x': 1})\n"
        "assert realm.current == {'x': 1}\n"
        "print(*sorted({'pydantic', 'msgspec', 'asyncio', 'dataclasses', 'typing'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=unmeasured(),
    )
    assert done.stdout.strip() == ""


class PydanticTags(pydantic.BaseModel):
    tags: set[str]
    more: frozenset[int] = frozenset()


@dataclasses.dataclass
class Tags:
    tags: set[str]
    more: frozenset[int] = frozenset()


class StructTags(msgspec.Struct):
    tags: set[str]
    more: frozenset[int] = frozenset()


@pytest.mark.parametrize(
    "adapter",
    [
        PydanticAdapter(PydanticTags),
        PydanticAdapter(Tags),
        MsgspecAdapter(Tags),
        MsgspecAdapter(StructTags),
    ],
)
def test_equal_sets_are_equal_documents(adapter):
    """The order in which a process happens to iterate over a set is no change of the configuration."""
    names = [f"name{number}" for number in range(30)]
    config = adapter.type(tags=set(names), more=frozenset({9, 64, 1}))
    assert adapter.dump(config) == {"tags": sorted(names), "more": [1, 9, 64]}
    assert adapter.load(adapter.dump(config)) == config


class Calendar(pydantic.BaseModel):
    day: datetime.date = datetime.date(2000, 1, 1)
    moment: datetime.datetime = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
    time: datetime.time = datetime.time()
    span: datetime.timedelta = datetime.timedelta()


@pytest.mark.parametrize("wrong", ["x", "2026-13-01T99", [], "2026-01-01T10:00:00"])
def test_no_library_term_reaches_a_person(wrong):
    """What is wanted is said in words, however a type was missed."""
    with pytest.raises(SchemaViolation) as caught:
        PydanticAdapter(Calendar).load(dict.fromkeys(Calendar.model_fields, wrong))
    for entry in caught.value.violations:
        assert entry["keyword"] == "type"
        assert entry["message"].startswith("it must be a ")


class Bounded(pydantic.BaseModel):
    size: int = pydantic.Field(default=5, ge=3, le=7)
    level: Literal["low", "high"] = "low"
    name: str = pydantic.Field(default="name", min_length=4)


def test_a_bound_of_the_schema_is_told_and_the_value_is_not():
    """What would fit is the schema's own; what was there may be a secret."""
    with pytest.raises(SchemaViolation) as caught:
        PydanticAdapter(Bounded).load({"size": 988, "level": "s3cret", "name": "zzz"})
    told = {entry["pointer"]: entry["message"] for entry in caught.value.violations}
    assert told["/size"].endswith("at most 7 is wanted")
    assert "'low' or 'high'" in told["/level"]
    assert told["/name"].endswith("at least 4 long is wanted")
    assert not any(value in str(caught.value) for value in ("988", "s3cret", "zzz"))


# --- did you mean ------------------------------------------------------------------------


class PydanticInner(pydantic.BaseModel, extra="forbid"):
    max_tokens: int = 1
    re_named: int = pydantic.Field(default=1, alias="re-named")


class PydanticOuter(pydantic.BaseModel, extra="forbid"):
    agents: dict[str, PydanticInner] = {}
    either: PydanticInner | str = ""


@pydantic.dataclasses.dataclass(config=pydantic.ConfigDict(extra="forbid"))
class DataclassInner:
    max_tokens: int = 1


@dataclasses.dataclass
class DataclassOuter:
    agents: dict[str, DataclassInner]


class StructInner(msgspec.Struct, forbid_unknown_fields=True):
    max_tokens: int = 1
    re_named: int = msgspec.field(default=1, name="re-named")


class StructOuter(msgspec.Struct, forbid_unknown_fields=True):
    agents: StructInner = msgspec.field(default_factory=StructInner)


@pytest.mark.parametrize(
    ("wanted", "document", "pointer", "meant"),
    [
        (PydanticOuter, {"agent": {}}, "/agent", "agents"),
        (PydanticOuter, {"agents": {"x": {"max_token": 1}}}, "/agents/x/max_token", "max_tokens"),
        (PydanticOuter, {"agents": {"x": {"renamed": 1}}}, "/agents/x/renamed", "re-named"),
        (PydanticOuter, {"agents": {"x": {"zzzzz": 1}}}, "/agents/x/zzzzz", None),
        (
            PydanticOuter,
            {"agents": {"x": {"max_token": 1, "max_tokens": 1}}},
            "/agents/x/max_token",
            "max_tokens",
        ),
        (DataclassOuter, {"agents": {"x": {"maxTokens": 1}}}, "/agents/x/maxTokens", "max_tokens"),
        (StructOuter, {"agent": {}}, "/agent", "agents"),
        (StructOuter, {"agents": {"re_named": 1}}, "/agents/re_named", "re-named"),
        (StructOuter, {"agents": {"a.b": 1}}, None, None),
    ],
)
def test_an_unknown_key_is_told_with_what_was_meant(wanted, document, pointer, meant):
    """Whichever library found it; a key that is there already may be a parent's."""
    with pytest.raises(SchemaViolation) as caught:
        adapter_for(wanted).load(document)
    (entry,) = caught.value.violations
    assert entry["keyword"] == "additionalProperties"
    assert pointer is None or entry["pointer"] == pointer
    assert entry["message"] == "there is no such key" + (
        f'; did you mean "{meant}"?' if meant else ""
    )


# --- the schema of a type ------------------------------------------------------------------


class Shown(pydantic.BaseModel):
    token: pydantic.SecretStr = pydantic.SecretStr("hunter2")
    maybe: pydantic.SecretStr | None = pydantic.SecretStr("hunter2")
    literal: str = pydantic.Field(default="hunter2", json_schema_extra={"x-secret": True})
    inner: Rich = Rich(token=pydantic.SecretStr("hunter2"))
    moment: datetime.datetime = datetime.datetime(2000, 1, 1)  # noqa: DTZ001
    span: datetime.timedelta = datetime.timedelta(days=-1, seconds=0.5)
    again: list[Shown] = []


class StructCalendar(msgspec.Struct):
    moment: datetime.datetime = datetime.datetime(2000, 1, 1)  # noqa: DTZ001
    span: datetime.timedelta = datetime.timedelta(days=-1, seconds=0.5)
    note: str | None = None


PUBLISHED = [
    PydanticAdapter(PydanticSettings),
    PydanticAdapter(Settings),
    PydanticAdapter(TypedSettings)
    if sys.version_info >= (3, 12)
    else MsgspecAdapter(TypedSettings),
    PydanticAdapter(Strict),
    PydanticAdapter(Rich),
    PydanticAdapter(Calendar),
    PydanticAdapter(Shown),
    PydanticAdapter(PydanticOuter),
    MsgspecAdapter(StructSettings),
    MsgspecAdapter(Settings),
    MsgspecAdapter(StructCalendar),
    MsgspecAdapter(StructTags),
]


@pytest.mark.parametrize(
    "adapter", PUBLISHED, ids=lambda a: f"{type(a).__name__}-{a.type.__name__}"
)
def test_a_type_has_a_schema_that_can_be_attached(adapter):
    """It passes the check as it is, and says what a schema written by hand would say."""
    schema = adapter.schema()
    assert check_schema(schema) == schema
    assert Shape.of([schema]).keys


@pytest.mark.parametrize(
    "config",
    [Strict(), Rich(), Calendar(), Shown(), PydanticOuter(), StructCalendar(), StructOuter()],
    ids=lambda config: type(config).__name__,
)
def test_what_a_model_is_dumped_as_fits_its_published_schema(config):
    """Else publishing a schema would refuse its own author's next write."""
    adapter = adapter_for(type(config))
    schema = adapter.schema()
    assert violations(schema_digest(schema), schema, adapter.dump(config)) == ()
    assert violations(schema_digest(schema), schema, adapter.dump_stated(config)) == ()


def test_a_published_schema_tells_no_secret():
    """A default that is a secret stays in the program; nor are the asterisks that hide it taken for a default."""
    text = str(adapter_for(Shown).schema())
    assert "hunter2" not in text
    assert "***" not in text
    shape = Shape.of([adapter_for(Shown).schema()])
    for path in ("token", "maybe", "literal", "inner.token", "inner.keys.1", "inner.raw"):
        assert shape.at(Pointer.parse(path)).secret, path
    assert not shape.at(Pointer.parse("inner.colour")).secret


def test_a_schema_names_members_as_documents_do():
    """By their aliases."""
    assert Shape.of([adapter_for(Rich).schema()]).member("re-named").types == {"integer"}
    assert Shape.of([adapter_for(StructInner).schema()]).member("re-named").types == {"integer"}


class Uncommon(msgspec.Struct):
    value: complex = 0j


class Callback(pydantic.BaseModel):
    call: Callable[[int], int] = abs


class PythonPattern(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(pattern=r"\Aabc\Z")] = "abc"


def test_a_type_that_json_schema_cannot_express_is_refused():
    """With a typed error, and before anything is written."""
    with pytest.raises(InvalidArgument, match="JSON Schema"):
        adapter_for(Uncommon).schema()
    with pytest.raises(InvalidArgument, match="JSON Schema"):
        adapter_for(Callback).schema()
    with pytest.raises(InvalidDocument) as caught:
        adapter_for(PythonPattern).schema()
    assert caught.value.pointer == "/$defs/PythonPattern/properties/name/pattern"
    with pytest.raises(InvalidArgument, match="without a type"):
        PLAIN.schema()


# --- a schema instead of a type ----------------------------------------------------------------

BY_HAND = {
    "properties": {"agent": {"properties": {"max_tokens": {"type": "integer"}}}},
    "required": ["agent"],
}


def test_a_json_schema_serves_as_well_as_a_type():
    """The configuration is the plain frozen mapping, and fits."""
    adapter = adapter_for(BY_HAND)
    assert isinstance(adapter, JsonSchemaAdapter)
    document = {"agent": {"max_tokens": 1, "more": ["x"]}}
    config = adapter.load(document)
    assert config == document
    with pytest.raises(TypeError):
        config["agent"]["more"].append("y")
    assert adapter.dump(config) == adapter.dump_stated(config) == document
    assert not adapter.is_model(config)
    with pytest.raises(SchemaViolation) as caught:
        adapter.load({"agent": {"max_tokens": "hunter2"}})
    assert [dict(entry) for entry in caught.value.violations] == [
        {"pointer": "/agent/max_tokens", "keyword": "type", "message": "it must be an integer"}
    ]
    assert "hunter2" not in str(caught.value)


def test_a_json_schema_is_kept_as_it_was_given():
    """What its owner changes afterwards has no effect, here or there."""
    given = {"properties": {"a": {"type": "integer"}}}
    adapter = adapter_for(given)
    given["properties"]["a"]["type"] = "string"
    adapter.schema()["properties"]["a"]["type"] = "string"
    assert adapter.load({"a": 1}) == {"a": 1}
    assert adapter.schema() == {"properties": {"a": {"type": "integer"}}}


def test_a_mapping_that_is_no_schema_is_refused_with_the_place():
    """By the same rules as one that is attached to a realm."""
    with pytest.raises(InvalidDocument) as caught:
        adapter_for({"properties": {"a": {"type": "strng"}}})
    assert caught.value.pointer == "/properties/a/type"


def test_a_handle_with_a_json_schema_refuses_what_does_not_fit():
    """Its writes leave nothing that another schema would have to mend."""
    schema: Any = BY_HAND
    realm = realmconf.connect("memory://").realm("a", schema=schema)
    realm.set({"agent": {"max_tokens": 1}})
    assert realm.current == {"agent": {"max_tokens": 1}}
    with pytest.raises(SchemaViolation, match="realm a"):
        realm.set_value("agent.max_tokens", "many")
    assert realm.current == {"agent": {"max_tokens": 1}}
