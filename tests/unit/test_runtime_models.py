"""A model on its way back: what its owner changed, and nothing else (G10)."""

from __future__ import annotations

import dataclasses
import pickle

import msgspec
import pydantic
import pytest

from realmconf.domain.frozen import thaw
from realmconf.errors import (
    GenerationConflict,
    InvalidArgument,
    InvalidDocument,
    SchemaViolation,
    TimelineChanged,
)
from realmconf.runtime.envelope import EnvelopePolicy


class Agent(pydantic.BaseModel):
    model: str = "default-model"
    temperature: float | None = None
    retries: int = 3


class Settings(pydantic.BaseModel):
    agent: Agent = Agent()
    limits: dict[str, int] = {}
    proxy: str | None = None
    tags: list[str] = ["t"]


class Required(pydantic.BaseModel):
    name: str
    size: int = 1


def test_a_changed_leaf_is_stored_and_no_default(client):
    """Setting one attribute of a model writes that leaf; defaults stay out of the document."""
    realm = client.realm("a", schema=Settings)
    config = realm.get().config
    config.agent.model = "mine"
    realm.set(config, expected_generation=0)
    assert realm.get().document == {"agent": {"model": "mine"}}
    assert realm.get().config.agent.retries == 3


def test_a_model_made_from_nothing_stores_what_differs_from_the_defaults(client):
    """Also where the base lacks what the type requires, so that there is no model of it."""
    realm = client.realm("a", schema=Required)
    realm.set(Required(name="n"))
    assert realm.get().document == {"name": "n"}
    client.realm("b").set({"size": "broken"})
    other = client.realm("b", schema=Required)
    other.set(Required(name="n", size=2))
    assert other.get().document == {"name": "n", "size": 2}


def test_unknown_keys_and_stated_leaves_stay(client):
    """What the type does not know, and what the document states though it is the default, is kept."""
    client.realm("a").set({"agent": {"retries": 3, "unknown": 1}, "other": {"x": 1}})
    realm = client.realm("a", schema=Settings)
    snapshot = realm.get()
    config = snapshot.config.model_copy(deep=True)
    config.limits["cpu"] = 4
    result = realm.set(config, expected=snapshot)
    assert result.document == {
        "agent": {"retries": 3, "unknown": 1},
        "other": {"x": 1},
        "limits": {"cpu": 4},
    }
    config.limits.clear()
    again = realm.set(config, expected=result)
    assert again.document["agent"] == {"retries": 3, "unknown": 1}


def test_the_value_of_a_default_is_stored_where_it_is_a_change(client):
    """A leaf that is set back to its default overrides what the document stated."""
    client.realm("a").set({"agent": {"retries": 9}})
    realm = client.realm("a", schema=Settings)
    config = realm.get().config.model_copy(deep=True)
    config.agent.retries = 3
    realm.set(config)
    assert realm.get().document == {"agent": {"retries": 3}}


def test_an_optional_field_that_becomes_none_is_removed(client):
    """None is absence."""
    client.realm("a").set({"proxy": "p", "agent": {"temperature": 0.5}})
    realm = client.realm("a", schema=Settings)
    config = realm.get().config.model_copy(deep=True)
    config.proxy = None
    config.agent.temperature = None
    realm.set(config)
    assert realm.get().config == config
    assert "proxy" not in realm.get().document
    assert "temperature" not in realm.get().document["agent"]


def test_an_absence_that_no_document_can_say_is_refused(client):
    """None where the type has another default: absent would mean the default again."""

    class Insistent(pydantic.BaseModel):
        proxy: str | None = "default-proxy"

    realm = client.realm("a", schema=Insistent)
    with pytest.raises(InvalidDocument) as caught:
        realm.set(Insistent(proxy=None))
    assert caught.value.pointer == "/proxy"
    assert realm.get().generation == 0


def test_a_model_is_compared_with_the_snapshot_it_came_from(client):
    """Not with the head: what another writer changed meanwhile is not changed back."""
    realm = client.realm("a", schema=Settings)
    client.realm("a").set({"agent": {"model": "one"}})
    snapshot = realm.get()
    client.realm("a").set_value("agent.retries", 7)
    config = snapshot.config.model_copy(deep=True)
    config.agent.model = "two"
    result = realm.set(config, expected=snapshot, on_conflict="rebase")
    assert result.document == {"agent": {"model": "two", "retries": 7}}
    assert result.rebased_from == 1


def test_with_a_number_alone_it_is_the_composition_given_out_at_it(client):
    """``expected_generation`` finds the snapshot this handle gave out."""
    realm = client.realm("a", schema=Settings)
    realm.set(Settings(limits={"cpu": 1}))
    config = realm.get().config.model_copy(deep=True)
    client.realm("a").set_value("limits.disk", 5)
    realm.get()
    config.limits["cpu"] = 2
    result = realm.set(config, expected_generation=1, on_conflict="rebase")
    assert result.document == {"limits": {"cpu": 2, "disk": 5}}


def test_with_a_number_that_was_never_given_out_it_is_that_generation(client):
    """A handle that has read nothing compares with the document of the generation named."""
    client.realm("a").set({"agent": {"model": "one"}})
    realm = client.realm("a", schema=Settings)
    realm.set(Settings(agent=Agent(model="one", retries=5)), expected_generation=1)
    assert realm.get().document == {"agent": {"model": "one", "retries": 5}}
    with pytest.raises(GenerationConflict):
        client.realm("a", schema=Settings).set(Settings(), expected_generation=1)


def test_without_a_precondition_it_is_the_head_in_the_turn(client):
    """The whole model wins over what is there, leaf by leaf; unknown keys stay."""
    client.realm("a").set({"agent": {"model": "one", "unknown": 1}, "limits": {"cpu": 1}})
    realm = client.realm("a", schema=Settings)
    realm.set(Settings(agent=Agent(model="two")))
    assert realm.get().document == {"agent": {"model": "two", "unknown": 1}, "limits": {}}


def test_a_base_may_be_another_snapshot_than_the_expected_one(client):
    """``base`` says what the model came from, the precondition what it may be applied to."""
    realm = client.realm("a", schema=Settings)
    base = realm.set(Settings(limits={"a": 1}))
    client.realm("a").set_value("limits.b", 2)
    result = realm.set(Settings(limits={"a": 5}), base=base, expected_generation=2)
    assert result.document == {"limits": {"a": 5, "b": 2}}


def test_the_own_section_of_a_realm_survives_a_model(client):
    """``[realm.<own name>]`` is no part of the typed configuration, and no write of a model touches it."""
    client.realm("org").set({})
    client.realm("a").set({"realm": {"a": {"parent": "org"}, "other": {"k": 1}}, "proxy": "p"})
    realm = client.realm("a", schema=Settings)
    assert realm.get().composed == {"realm": {"other": {"k": 1}}, "proxy": "p"}
    config = realm.get().config.model_copy(deep=True)
    config.proxy = "q"
    realm.set(config)
    assert realm.get().document == {
        "realm": {"a": {"parent": "org"}, "other": {"k": 1}},
        "proxy": "q",
    }


def test_an_untyped_configuration_given_out_goes_back_the_same_way(client):
    """``set(snapshot.config)`` changes nothing, though the composed view lacks the own section."""
    realm = client.realm("a")
    client.realm("org").set({})
    realm.set({"realm": {"a": {"parent": "org"}}, "x": 1})
    assert not realm.set(realm.get().config).changed
    assert realm.get().document["realm"] == {"a": {"parent": "org"}}


def test_a_plain_mapping_is_stored_as_given(client):
    """A dict is the whole document, whatever stood there before."""
    realm = client.realm("a", schema=Settings)
    realm.set({"agent": {"retries": 3}})
    assert realm.get().document == {"agent": {"retries": 3}}
    draft = thaw(realm.get().document)
    draft["proxy"] = "p"
    realm.set(draft)
    assert realm.get().document == {"agent": {"retries": 3}, "proxy": "p"}


def test_writes_through_a_typed_handle_must_fit(client):
    """Each verb is judged by the type; a tombstone and a policy are not."""
    realm = client.realm("a", schema=Required)
    realm.set({"name": "n"})
    for write in (
        lambda: realm.set({"size": 1}),
        lambda: realm.set_value("size", "big"),
        lambda: realm.unset("name"),
        lambda: realm.patch({"name": None}),
        lambda: realm.json_patch([{"op": "remove", "path": "/name"}]),
        lambda: realm.update(lambda draft: draft.clear()),
        lambda: realm.set_value("size", "big", dry_run=True),
    ):
        with pytest.raises(SchemaViolation) as caught:
            write()
        assert caught.value.realm == "a"
    assert realm.get().generation == 1
    realm.set_policy(require_generation=True)
    realm.delete(expected_generation=2)
    assert not realm.get().exists


def test_an_unfitting_head_raises_or_gives_the_last_good(client):
    """``on_invalid="last_good"`` goes on with what fitted last, and tells a callback."""
    plain = client.realm("a")
    plain.set({"name": "n"})
    told = []
    good = client.realm(
        "a",
        schema=Required,
        on_invalid="last_good",
        invalid_call=lambda violation, snapshot: told.append(
            (violation.violations[0]["pointer"], snapshot.generation)
        ),
    )
    strict = client.realm("a", schema=Required)
    assert good.current.name == strict.current.name == "n"
    plain.set({"name": 5})
    assert good.current.name == "n"
    assert good.get().document == {"name": 5}
    assert told == [("/name", 2)]
    with pytest.raises(SchemaViolation):
        _ = strict.current
    with pytest.raises(SchemaViolation):
        _ = strict.get().config
    plain.set({"name": "back"})
    assert good.current.name == strict.current.name == "back"


def test_a_snapshot_warns_of_a_configuration_that_is_an_older_one(client):
    """Whoever looks at the warnings learns that the configuration is not that of this generation."""
    client.realm("a").set({"name": "n"})
    good = client.realm("a", schema=Required, on_invalid="last_good")
    assert good.get().warnings == ()
    client.realm("a").set({"name": 5})
    snapshot = good.get()
    (warning,) = snapshot.warnings
    assert warning.code == "schema_violation"
    assert "that of generation 1" in warning.message
    assert snapshot.config.name == "n"
    assert snapshot.warnings == (warning,)
    assert pickle.loads(pickle.dumps(good.get())).warnings == (warning,)
    client.realm("a").set({"name": "back"})
    assert good.get().warnings == ()


def test_warnings_of_what_never_fitted_raise_nothing(client):
    """Only the configuration itself is refused."""
    client.realm("a").set({"name": 5})
    assert client.realm("a", schema=Required, on_invalid="last_good").get().warnings == ()


def test_without_any_good_one_the_violation_is_raised(client):
    """There is nothing to go on with."""
    client.realm("a").set({"name": 5})
    with pytest.raises(SchemaViolation):
        _ = client.realm("a", schema=Required, on_invalid="last_good").current


def test_an_effective_envelope_is_refused_as_input(client):
    """Writing it would copy inherited values; the own one is a document."""
    realm = client.realm("a")
    realm.set({"x": 1})
    with pytest.raises(InvalidArgument, match="effective"):
        realm.set(realm.envelope(view="effective"))
    assert not realm.set(realm.envelope(policy=EnvelopePolicy.DIAGNOSTIC)).changed


def test_an_expected_snapshot_of_a_replaced_store_is_told_apart(client):
    """A snapshot carries its digest, a bare number does not (G2)."""
    client.realm("a").set({"x": 1})
    foreign = client.realm("a").get()
    other = client.realm("b")
    other.set({"x": 2})
    digits = foreign.etag.partition("-")[2]
    with pytest.raises(TimelineChanged):
        other.set({"x": 3}, expected=f"1-{digits}")


@dataclasses.dataclass(slots=True)
class Plain:
    model: str = "m"
    sizes: dict[str, int] = dataclasses.field(default_factory=dict)


class Struct(msgspec.Struct):
    model: str = "m"
    sizes: dict[str, int] = {}


@pytest.mark.parametrize("schema", [Plain, Struct])
def test_dataclasses_and_structs_go_back_the_same_way(client, schema):
    """Only what was changed is stored, whichever library types it."""
    realm = client.realm("a", schema=schema)
    realm.set(schema(sizes={"a": 1}))
    assert realm.get().document == {"sizes": {"a": 1}}
    config = realm.get().config
    config.model = "other"
    realm.set(config, expected=realm.get())
    assert realm.get().document == {"sizes": {"a": 1}, "model": "other"}


@pytest.mark.parametrize(
    "model", [Settings(proxy="p"), Plain(model="p"), Struct(model="p")], ids=repr
)
def test_an_untyped_handle_takes_models_too(client, model):
    """Compared with the head in the turn, by the model's own type."""
    realm = client.realm("a")
    realm.set({"other": 1})
    result = realm.set(model)
    assert result.document in ({"other": 1, "proxy": "p"}, {"other": 1, "model": "p"})
    with pytest.raises(InvalidDocument):
        realm.set(object())


def test_a_typed_handle_takes_no_other_model(client):
    """A model of another type is no configuration of this one."""
    with pytest.raises(InvalidDocument):
        client.realm("a", schema=Settings).set(Struct(model="p"))


@dataclasses.dataclass
class Member:
    name: str
    age: int = 3


class Node(msgspec.Struct):
    name: str
    age: int = 3


@pytest.mark.parametrize("schema", [None, Settings])
@pytest.mark.parametrize("value", [Required(name="n"), Member(name="n"), Node(name="n")])
def test_a_model_can_be_the_value_at_one_place(client, schema, value):
    """Below the root a model of any kind is stored as what differs from its defaults."""
    realm = client.realm("a", schema=schema)
    assert realm.set_value("people.n", value).document == {"people": {"n": {"name": "n"}}}
    with pytest.raises(InvalidDocument):
        realm.set_value("people.n", object())
