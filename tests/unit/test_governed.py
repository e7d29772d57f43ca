"""Realms under schemas: attached, inherited, judged on the composed configuration, on every way in."""

from __future__ import annotations

import pydantic
import pytest
from typing_extensions import TypedDict

from realmconf import (
    GenerationConflict,
    InvalidArgument,
    InvalidDocument,
    RealmNotFound,
    SchemaViolation,
)
from realmconf.domain.pointer import Pointer

AGENT = {
    "type": "object",
    "properties": {
        "agent": {
            "type": "object",
            "properties": {
                "model": {"type": "string"},
                "retries": {"type": "integer", "maximum": 9, "default": 3},
            },
            "additionalProperties": False,
        },
        "hooks": {"type": "array", "x-merge": "append"},
        "servers": {
            "type": "array",
            "x-merge-key": "name",
            "items": {"type": "object", "required": ["name"]},
        },
    },
}


@pytest.fixture
def org(client):
    realm = client.realm("org")
    realm.set_schema(AGENT)
    return realm


@pytest.fixture
def team(client, org):
    realm = client.realm("team")
    realm.set({"realm": {"team": {"parent": "org"}}})
    return realm


def places(error):
    return [violation["pointer"] for violation in error.value.violations]


# --- attaching ---------------------------------------------------------------------------------


def test_a_schema_is_attached_as_a_revision(client):
    """Kind ``schema``, under the same counter; shown, and taken away again."""
    realm = client.realm("org")
    result = realm.set_schema(AGENT)
    assert (result.generation, result.revision.kind, result.document) == (1, "schema", {})
    assert realm.schema == AGENT
    assert not realm.set_schema(AGENT).changed
    assert realm.unset_schema().generation == 2
    assert realm.schema is None


def test_what_is_no_schema_is_refused(client):
    """With its place, and nothing is changed."""
    realm = client.realm("org")
    for schema in ({"type": "nonsense"}, {"properties": {"a": {"$ref": "http://example.org/x"}}}):
        with pytest.raises(InvalidDocument):
            realm.set_schema(schema)
    with pytest.raises(InvalidArgument):
        realm.set_schema(5)
    assert realm.get().generation == 0


def test_a_schema_that_the_configuration_does_not_fit_is_refused(client):
    """Unless a merge patch comes with it that makes it fit, in the same revision."""
    realm = client.realm("org")
    realm.set({"agent": {"modle": "m"}})
    with pytest.raises(SchemaViolation) as refused:
        realm.set_schema(AGENT)
    assert places(refused) == ["/agent/modle"]
    result = realm.set_schema(AGENT, patch={"agent": {"modle": None, "model": "m"}})
    assert (result.generation, result.document) == (2, {"agent": {"model": "m"}})


def test_a_type_publishes_its_schema(client):
    """``publish_schema`` attaches that of the handle's own type; defaults are not written out."""

    class Settings(pydantic.BaseModel):
        retries: int = pydantic.Field(default=3, le=9)

    realm = client.realm("a", schema=Settings)
    realm.publish_schema()
    assert realm.get().document == {}
    with pytest.raises(SchemaViolation):
        client.realm("a").set({"retries": 10})
    assert client.realm("a").explain("retries").default == 3
    with pytest.raises(InvalidArgument):
        client.realm("a").publish_schema()


# --- judging -------------------------------------------------------------------------------------


def test_every_violation_is_told_at_once(org):
    """By place and keyword, with a suggestion for a name that nearly is one; no value is quoted."""
    with pytest.raises(SchemaViolation) as refused:
        org.set({"agent": {"retires": 5, "retries": "hunter2", "model": 7}})
    assert places(refused) == ["/agent/model", "/agent/retires", "/agent/retries"]
    assert "retries" in str(refused.value)
    assert "hunter2" not in str(refused.value.to_dict())
    assert org.get().generation == 1


def test_a_schema_governs_those_who_inherit(team, org):
    """It judges what they are composed to, not what they state."""
    with pytest.raises(SchemaViolation):
        team.set_value("agent.retries", 10)
    org.set_value("agent.retries", 5)
    assert team.set_value("agent.model", "m").generation == 2
    for write in (
        lambda: team.patch({"agent": {"x": 1}}),
        lambda: team.json_patch([{"op": "add", "path": "/agent/x", "value": 1}]),
        lambda: team.update(lambda draft: draft.update(agent={"x": 1})),
        lambda: team.set({**team.get().document, "agent": {"x": 1}}),
        lambda: team.set_value("agent.x", 1, dry_run=True),
    ):
        with pytest.raises(SchemaViolation):
            write()
    assert team.get().generation == 2


def test_a_rollback_to_what_no_longer_fits_is_refused(client):
    """It is a write like any other."""
    realm = client.realm("a")
    realm.set({"agent": {"x": 1}})
    realm.set({"agent": {"model": "m"}})
    realm.set_schema(AGENT)
    with pytest.raises(SchemaViolation):
        realm.rollback(to=1)


def test_a_child_does_not_veto_its_parent(client, team, org):
    """What breaks for a child is a warning to who writes the parent, and to who reads the child."""
    org.set_value("agent.model", "m")
    team.set_schema(
        {"properties": {"agent": {"properties": {"model": {"const": "m"}}, "required": ["model"]}}}
    )
    result = org.set_value("agent.model", "other")
    assert [warning.code for warning in result.warnings] == ["descendant_invalid"]
    assert "team" in result.warnings[0].message
    assert [warning.code for warning in team.get().warnings] == ["effective_invalid"]
    assert [one["pointer"] for one in team.validate()] == ["/agent/model"]
    org.set_value("agent.model", "m")
    assert not team.get().warnings
    assert team.validate() == ()


def test_validating_changes_nothing(team):
    """``validate`` judges what is there, or a document that is given."""
    assert team.validate() == ()
    found = team.validate({"agent": {"retries": 100}})
    assert [one["pointer"] for one in found] == ["/agent/retries"]
    assert team.get().generation == 1


def test_a_deleted_realm_keeps_its_schema_beside_its_numbers(client, org):
    """It governs nobody while there is no document, and again from the next one on."""
    org.delete()
    assert client.realm("org").get().config == {}
    with pytest.raises(SchemaViolation):
        org.set({"agent": {"x": 1}})
    with pytest.raises(RealmNotFound):
        client.realm("never").delete()


# --- arrays ------------------------------------------------------------------------------------------


def test_arrays_are_put_together_as_the_schema_says(team, org):
    """Appended behind, or merged by name; what is inherited stays out of the child's document."""
    org.patch({"hooks": ["a"], "servers": [{"name": "x", "port": 1}, {"name": "y"}]})
    team.patch({"hooks": ["b"], "servers": [{"name": "y", "port": 2}, {"name": "z"}]})
    config = team.get().config
    assert config["hooks"] == ["a", "b"]
    assert config["servers"] == [{"name": "x", "port": 1}, {"name": "y", "port": 2}, {"name": "z"}]
    found = team.explain("servers")
    assert {str(one.pointer): one.realm for one in found.parts} == {
        "/servers/0/name": "org",
        "/servers/0/port": "org",
        "/servers/1/name": "team",
        "/servers/1/port": "team",
        "/servers/2/name": "team",
    }


def test_a_configuration_with_joined_arrays_goes_back(team, org):
    """G10: what was inherited is not stated by the child, also when the parent went on meanwhile."""
    org.patch({"hooks": ["a"], "servers": [{"name": "x", "port": 1}]})
    team.patch({"hooks": ["b"]})
    snapshot = team.get()
    changed = snapshot.config.copy()
    changed["hooks"].append("c")
    changed["servers"][0]["port"] = 2
    changed["servers"].append({"name": "new"})
    org.patch({"hooks": ["a", "a2"]})
    result = team.set(changed, base=snapshot)
    assert result.document["hooks"] == ["b", "c"]
    assert result.document["servers"] == [{"name": "x", "port": 2}, {"name": "new"}]
    assert team.get().config["hooks"] == ["a", "a2", "b", "c"]
    dropped = team.get().config.copy()
    dropped["hooks"] = dropped["hooks"][1:]
    with pytest.raises(InvalidDocument) as refused:
        team.set(dropped, base=team.get())
    assert str(refused.value.pointer).startswith("/hooks/")


def test_an_inherited_element_is_masked_by_its_name(team, org):
    """An index would mean another element as soon as somebody adds one."""
    org.patch({"servers": [{"name": "x"}, {"name": "y"}]})
    team.set_value(Pointer(("realm", "team", "unset")), ["/servers/x"])
    assert team.get().config["servers"] == [{"name": "y"}]
    found = team.explain("/servers/0")
    assert found.realm == "org"


# --- rebase -----------------------------------------------------------------------------------------------


def test_named_elements_are_rebased_one_by_one(org):
    """Two who change different elements of an array have not touched the same place."""
    org.patch({"servers": [{"name": "x", "port": 1}, {"name": "y", "port": 1}]})
    org.patch({"servers": [{"name": "x", "port": 2}, {"name": "y", "port": 1}]})
    result = org.patch(
        {"servers": [{"name": "x", "port": 1}, {"name": "y", "port": 9}, {"name": "z"}]},
        expected_generation=2,
        on_conflict="rebase",
    )
    assert result.document["servers"] == [
        {"name": "x", "port": 2},
        {"name": "y", "port": 9},
        {"name": "z"},
    ]
    assert result.revision.kind == "patch"
    with pytest.raises(GenerationConflict) as conflict:
        org.patch(
            {"servers": [{"name": "x", "port": 7}, {"name": "y", "port": 1}]},
            expected_generation=2,
            on_conflict="rebase",
        )
    assert [one["pointer"] for one in conflict.value.contested] == ["/servers/x/port"]


def test_another_order_of_named_elements_is_a_change_of_the_whole(org):
    """Who puts them in order has touched them all: G2 is about what somebody meant, too."""
    one, two, three = ({"name": name} for name in "abc")
    base = org.set({"servers": [one, two, three]})
    org.set({"servers": [three, two, one]})
    with pytest.raises(GenerationConflict) as error:
        org.set(
            {"servers": [one, two, {**three, "port": 1}]},
            expected_generation=base.generation,
            on_conflict="rebase",
        )
    assert [one["pointer"] for one in error.value.contested] == ["/servers/c/port"]
    org.set({"region": "eu", "servers": [three, two, one]})
    merged = org.set(
        {"servers": [three, {**two, "port": 2}, one]},
        expected_generation=3,
        on_conflict="rebase",
    )
    assert merged.document["servers"] == [three, {**two, "port": 2}, one]


def test_a_new_element_stands_where_it_was_put(org):
    """Rebased over a change elsewhere, an array is what its author made of it, also with a new element in front."""
    one, two, new = ({"name": name} for name in "abn")
    base = org.set({"servers": [one, two]})
    org.set_value("region", "eu")
    merged = org.set(
        {"servers": [new, one, two]}, expected_generation=base.generation, on_conflict="rebase"
    )
    assert merged.document == {"servers": [new, one, two], "region": "eu"}


def test_a_member_may_be_called_anything(org):
    """No key of a document is taken for a sign of ours."""
    odd = {"": 1, "\0": 2, "\0s:a": {"name": "a"}, "-": 3}
    base = org.set({"servers": [{"name": "a"}], "other": odd})
    org.set_value("region", "eu")
    merged = org.set(
        {"servers": [{"name": "a", "port": 1}], "other": {**odd, "": 2}},
        expected_generation=base.generation,
        on_conflict="rebase",
    )
    assert merged.document == {
        "servers": [{"name": "a", "port": 1}],
        "other": {**odd, "": 2},
        "region": "eu",
    }


def test_a_schema_that_was_never_there_is_removed_without_a_revision(client):
    """Nothing to remove is nothing written, also in a realm that was never written."""
    result = client.realm("new").unset_schema()
    assert not result.changed
    assert client.realm("new").get().generation == 0


def test_a_document_is_validated_under_the_parent_that_it_names(client, org):
    """As it would be judged if it were written."""
    lone = client.realm("lone")
    bad = {"agent": {"retries": 99}, "realm": {"lone": {"parent": "org"}}}
    assert [one["pointer"] for one in lone.validate(bad)] == ["/agent/retries"]
    assert lone.validate({"agent": {"retries": 99}}) == ()


def test_each_draft_is_validated_for_itself(client):
    """What was found of one that was tried before says nothing of the next."""
    client.realm("org").set({"n": 1})
    client.realm("org").set_schema({"properties": {"n": {"maximum": 5}}})
    team = client.realm("crew")
    team.set({"realm": {"crew": {"parent": "org"}}})
    found = [bool(team.validate({"n": n})) for n in (9, 5, 9, 1)]
    assert found == [True, False, True, False]


def test_a_draft_that_names_no_parent_is_validated_where_the_realm_stands(client, team):
    """A file of settings is meant for the realm as it is; whoever is to leave the parent says so."""
    assert [one["pointer"] for one in team.validate({"agent": {"retries": 99}})] == [
        "/agent/retries"
    ]
    assert team.validate({"agent": {"retries": 99}, "realm": {"team": {}}}) == ()
    assert team.validate({"agent": {"retries": 9}}) == ()


@pytest.mark.parametrize("section", [4, {"team": {"parent": 5}}, {"team": {"unset": "x"}}])
def test_what_could_not_be_stored_is_not_valid(team, section):
    """As a write of it would be refused."""
    with pytest.raises(InvalidDocument):
        team.validate({"realm": section})


def test_the_last_good_configuration_is_of_one_composition(client, team, org):
    """``on_invalid="last_good"`` after a parent's change that breaks the type, and after it was mended."""

    class Agent(pydantic.BaseModel):
        retries: int = 3

    class Settings(pydantic.BaseModel):
        agent: Agent = Agent()

    org.unset_schema()
    typed = client.realm("team", schema=Settings, on_invalid="last_good")
    org.set_value("agent.retries", 5)
    assert typed.get().config.agent.retries == 5
    org.set_value("agent.retries", "many")
    assert typed.get().config.agent.retries == 5
    assert "schema_violation" in [one.code for one in typed.get().warnings]
    org.set_value("agent.retries", 7)
    assert typed.get().config.agent.retries == 7
    assert not typed.get().warnings


def test_what_is_rebased_is_judged_again(org):
    """Two changes that fit alone may not fit together."""
    schema = {"not": {"required": ["a", "b"]}}
    org.set_schema(schema)
    org.patch({"a": 1})
    with pytest.raises(SchemaViolation):
        org.patch({"b": 1}, expected_generation=2, on_conflict="rebase")


def test_nothing_is_rebased_over_a_new_schema_or_parent(client, team, org):
    """What was meant under other rules is a conflict."""
    before = team.get().generation
    team.set_schema({"type": "object"})
    with pytest.raises(GenerationConflict):
        team.patch({"x": 1}, expected_generation=before, on_conflict="rebase")
    before = team.get().generation
    team.set_parent(None)
    with pytest.raises(GenerationConflict):
        team.patch({"x": 1}, expected_generation=before, on_conflict="rebase")


# --- typed handles -------------------------------------------------------------------------------------------


def test_a_typed_handle_reads_what_is_composed(client):
    """Defaults, then what is inherited, then what the realm states; ``on_invalid`` when a parent breaks it."""

    class Settings(pydantic.BaseModel):
        retries: int = 3
        model: str = "default"

    client.realm("org").set({"model": "o"})
    team = client.realm("team", schema=Settings, on_invalid="last_good")
    team.set({"retries": 5, "realm": {"team": {"parent": "org"}}})
    assert team.current == Settings(retries=5, model="o")
    config = team.current.model_copy(update={"retries": 6})
    team.set(config)
    assert team.get().document == {"retries": 6, "realm": {"team": {"parent": "org"}}}
    assert team.current == Settings(retries=6, model="o")
    client.realm("org").set_value("model", 7)
    assert team.current == Settings(retries=6, model="o")
    assert [warning.code for warning in team.get().warnings] == ["schema_violation"]


def test_a_json_schema_is_a_type_too(client):
    """A handle may be given the schema itself; its configuration stays plain."""
    realm = client.realm("a", schema={"properties": {"n": {"type": "integer"}}})
    realm.set({"n": 1})
    with pytest.raises(SchemaViolation):
        realm.set({"n": "x"})
    assert realm.get().config == {"n": 1}
    client.realm("a").set({"n": "x"})
    with pytest.raises(SchemaViolation):
        realm.get().config  # noqa: B018


def test_a_mapping_that_was_given_out_goes_back_as_a_configuration(client):
    """G10: of a JSON Schema or a TypedDict too; nothing inherited is stated by writing what was read."""

    class Settings(TypedDict, total=False):
        n: int
        region: str

    client.realm("org").set({"region": "eu"})
    client.realm("team").set({"n": 1, "realm": {"team": {"parent": "org"}}})
    for schema in ({"properties": {"n": {"type": "integer"}}}, Settings):
        realm = client.realm("team", schema=schema)
        assert not realm.set(realm.current).changed
        changed = dict(realm.current)
        changed["n"] = changed["n"] + 1
        assert realm.set(changed, base=realm.get()).document == {
            "n": changed["n"],
            "realm": {"team": {"parent": "org"}},
        }


# --- moving ----------------------------------------------------------------------------------------------------


def test_a_schema_goes_along(client, org, team):
    """With a rename, a copy, an export and its import."""
    client.rename("org", "corp")
    assert client.realm("corp").schema == AGENT
    client.copy("corp", "twin")
    with pytest.raises(SchemaViolation):
        client.realm("twin").set({"agent": {"x": 1}})
    from realmconf import connect

    lines = list(client.export())
    with connect("memory://", author="t") as other:
        other.import_(lines)
        assert other.realm("corp").schema == AGENT
        other.realm("corp").verify()
        with pytest.raises(SchemaViolation):
            other.realm("corp").set({"agent": {"x": 1}})
