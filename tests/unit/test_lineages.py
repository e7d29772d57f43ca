"""Realms that inherit: one point, typed errors of effective reads, what a change means for others."""

from __future__ import annotations

import copy
import pickle
from time import monotonic

import pydantic
import pytest

from realmconf import (
    ABSENT,
    GenerationConflict,
    HistoryCompacted,
    InvalidArgument,
    InvalidDocument,
    LineageCycle,
    LineageTooDeep,
    ParentNotFound,
    RealmMoved,
    Secret,
    ValueNotFound,
    connect,
)
from realmconf.domain.scope import Scope


@pytest.fixture
def family(client):
    """``global`` <- ``org`` <- ``team``."""
    client.realm("global").set({"agent": {"model": "g", "retries": 1}, "region": "eu"})
    client.realm("org").set({"agent": {"model": "o"}, "realm": {"org": {}}})
    client.realm("team").set({"agent": {"tools": ["a"]}, "realm": {"team": {"parent": "org"}}})
    return client


def codes(result):
    return [warning.code for warning in result.warnings]


# --- what a realm is -------------------------------------------------------------------------


def test_a_realm_has_what_its_ancestors_state(family):
    """G9: the nearest wins, key by key; the root is the implicit tail, and the section about itself takes no part."""
    snapshot = family.realm("team").get()
    assert snapshot.config == {
        "agent": {"model": "o", "retries": 1, "tools": ["a"]},
        "region": "eu",
    }
    assert snapshot.document == {"agent": {"tools": ["a"]}, "realm": {"team": {"parent": "org"}}}
    assert [(one.realm, one.generation) for one in snapshot.lineage] == [
        ("team", 1),
        ("org", 1),
        ("global", 1),
    ]


def test_a_child_that_patches_one_key_inherits_everything_else(family):
    """G10: nothing inherited is ever in its own file, also after its parent changes."""
    team = family.realm("team")
    team.patch({"agent": {"retries": 9}})
    family.realm("org").patch({"agent": {"model": "o2", "new": True}})
    assert team.get().config["agent"] == {
        "model": "o2",
        "retries": 9,
        "new": True,
        "tools": ["a"],
    }
    assert team.get().document["agent"] == {"tools": ["a"], "retries": 9}


def test_a_mask_takes_an_inherited_value_away(family):
    """``unset`` of the section about itself; what the realm states itself stays."""
    team = family.realm("team")
    team.set_value("realm.team.unset", ["agent.model", "/region"])
    assert team.get().config == {"agent": {"retries": 1, "tools": ["a"]}}
    team.set_value("region", "us")
    assert team.get().config["region"] == "us"


def test_the_same_snapshot_while_nothing_changed(family):
    """Reading again gives the same object; a change anywhere in the lineage gives a new one."""
    team = family.realm("team")
    first = team.get()
    assert team.get() is first
    family.realm("other").set({"x": 1})
    assert team.get() is first
    family.realm("global").set_value("region", "us")
    assert team.get() is not first
    assert team.get().config["region"] == "us"
    assert team.current["region"] == "us"


def test_a_realm_never_written_has_the_defaults_of_the_root(family):
    """Of a realm without a document only ``global`` is inherited."""
    snapshot = family.realm("fresh").get()
    assert not snapshot.exists
    assert snapshot.config == {"agent": {"model": "g", "retries": 1}, "region": "eu"}
    assert family.realm("fresh").envelope(view="own").config is None


def test_the_root_comes_into_being_under_those_who_read(client):
    """A read that found no ``global`` sees it as soon as there is one."""
    team = client.realm("team")
    team.set({"a": 1})
    assert team.get().config == {"a": 1}
    assert team.get().config == {"a": 1}
    client.realm("global").set({"b": 2})
    assert team.get().config == {"a": 1, "b": 2}
    client.realm("global").delete()
    assert team.get().config == {"a": 1}


def test_a_generation_is_composed_of_what_was_true_then(family):
    """``at`` gives what its readers saw when it was committed."""
    team = family.realm("team")
    team.set_value("n", 2)
    family.realm("org").set_value("agent.model", "later")
    team.set_value("n", 3)
    assert team.at(2).config["agent"]["model"] == "o"
    assert team.at(3).config["agent"]["model"] == "later"
    assert [one.generation for one in team.at(2).lineage] == [2, 1, 1]
    family.realm("org").set_value("x", 1)
    family.compact(keep=1, realm="org")
    assert team.at(2).document["n"] == 2
    with pytest.raises(HistoryCompacted):
        team.at(2).config  # noqa: B018


def test_a_snapshot_travels_with_what_it_was_composed_of(family):
    """Pickled, it still says its configuration, lineage and cursor."""
    snapshot = family.realm("team").get()
    there = pickle.loads(pickle.dumps(snapshot))
    assert (there.config, there.composed, there.lineage) == (
        snapshot.config,
        snapshot.composed,
        snapshot.lineage,
    )


def test_a_snapshot_that_travelled_makes_nothing_new(family):
    """What it said there it says everywhere; what only an open store could tell is refused with a reason."""
    team = family.realm("team")
    team.set_value("token_of", "secret://env/NOWHERE")
    there = pickle.loads(pickle.dumps(team.get()))
    assert (there.cursor, there.warnings, there.etag) == (
        team.get().cursor,
        team.get().warnings,
        team.get().etag,
    )
    assert isinstance(there.secret("token_of"), Secret)
    with pytest.raises(InvalidArgument, match="another process"):
        there.point  # noqa: B018
    family.realm("org").set_value("agent.model", "later")
    with team.watch(after=there) as watch:
        assert next(watch).config["agent"]["model"] == "later"


def test_a_purge_is_seen_by_those_who_inherit(family):
    """What is erased from a parent's revision is in nobody's composition any more."""
    org, team = family.realm("org"), family.realm("team")
    org.set_value("agent.model", "canary")
    kept = team.get()
    assert kept.config["agent"]["model"] == "canary"
    team.set_value("n", 1)
    org.set_value("agent.model", "clean")
    family.purge("org", 2)
    assert "canary" not in str(team.get().config)
    with pytest.raises(HistoryCompacted):
        team.at(2).config  # noqa: B018


def test_a_generation_of_before_a_rename_is_read_under_the_name_of_then(family):
    """Its section about itself names the realm as it was called, and is no configuration."""
    team = family.realm("team")
    team.set_value("realm.team.unset", ["/region"])
    family.rename("team", "crew")
    crew = family.realm("crew")
    before = crew.at(2)
    assert before.config == {"agent": {"model": "o", "retries": 1, "tools": ["a"]}}
    assert crew.parent == "org"
    assert crew.get().config == before.config
    crew.rollback(to=1)
    assert crew.get().document == {
        "agent": {"tools": ["a"]},
        "realm": {"crew": {"parent": "org"}},
    }


# --- parents -----------------------------------------------------------------------------------


@pytest.mark.parametrize("section", ["team", 5, [], {"team": "org"}, {"team": ["org"]}])
def test_the_section_about_realms_is_a_table(family, section):
    """What stands at ``/realm`` says where realms stand, or is refused with its place."""
    with pytest.raises(InvalidDocument) as error:
        family.realm("team").set_value("realm", section)
    assert error.value.pointer in ("/realm", "/realm/team")
    assert family.realm("team").get().generation == 1


def test_the_root_has_no_parent_however_it_is_written(family):
    """An import or a restored revision of ``global`` with a parent would take every realm down."""
    from realmconf import connect

    with connect("memory://", author="t") as other:
        other.realm("base").set({"a": 1})
        other.realm("top").set({"realm": {"top": {"parent": "base"}}})
        lines = list(other.export(realms=["base", "top"]))
    with pytest.raises(LineageCycle):
        family.import_(lines, names={"top": "global", "base": "org"})
    assert family.realm("team").get().config["region"] == "eu"


def test_leaving_a_parent_leaves_no_empty_section(family):
    """Without a parent and masks there is nothing that a realm says about itself."""
    team = family.realm("team")
    team.set_parent(None)
    assert team.get().document == {"agent": {"tools": ["a"]}}
    assert not team.set_parent(None).changed
    team.set_parent("org")
    team.set_value("realm.team.unset", ["/region"])
    team.set_parent(None)
    assert team.get().document["realm"] == {"team": {"unset": ["/region"]}}


def test_parents_that_cannot_be_are_refused(family):
    """A cycle, a missing parent, a parent of the root: typed, and nothing is changed."""
    before = [entry.generation for entry in family.realms()]
    with pytest.raises(LineageCycle):
        family.realm("org").set_parent("team")
    with pytest.raises(LineageCycle):
        family.realm("org").set_parent("org")
    with pytest.raises(ParentNotFound):
        family.realm("org").set_parent("nobody")
    with pytest.raises(LineageCycle):
        family.realm("global").set_parent("org")
    with pytest.raises(InvalidDocument):
        family.realm("org").set_value("realm.org.parent", "no such name!")
    with pytest.raises(InvalidDocument):
        family.realm("org").set_value("realm.org.unset", "agent")
    assert [entry.generation for entry in family.realms()] == before


def test_a_document_is_not_tried_under_a_parent_that_may_not_be_had(family):
    """G11: what fails under a configuration tells of it; who may not inherit it is told that it is not there."""
    scope = Scope(may_inherit=lambda realm: realm != "org")
    bob = family.acting(
        author="bob", surface="http", sees_secrets=False, scope=scope, may_read=None
    ).realm("lone")
    assert bob.validate({"x": 1}) == ()
    assert bob.validate({"realm": {"lone": {"parent": "team"}}}) == ()
    with pytest.raises(ParentNotFound):
        bob.validate({"realm": {"lone": {"parent": "org"}}})


def test_a_lineage_has_sixteen_realms_at_most(client):
    """``global`` at its end does not count."""
    client.realm("global").set({"depth": 0})
    client.realm("r1").set({"r1": 1})
    for number in range(2, 17):
        client.realm(f"r{number}").set({f"r{number}": 1})
        client.realm(f"r{number}").set_parent(f"r{number - 1}")
    assert len(client.realm("r16").get().lineage) == 17
    with pytest.raises(LineageTooDeep):
        client.realm("r17").set({"realm": {"r17": {"parent": "r16"}}})


def test_a_parent_that_is_deleted_is_an_error_of_effective_reads_alone(family):
    """Own documents go on; the root is not blamed, and a new parent mends it."""
    team = family.realm("team")
    family.realm("org").delete()
    snapshot = team.get()
    with pytest.raises(ParentNotFound):
        snapshot.config  # noqa: B018
    assert "lineage_error" in codes(snapshot)
    assert snapshot.document["agent"] == {"tools": ["a"]}
    assert team.set_value("x", 1).generation == 2
    team.set_parent(None)
    assert team.get().config["region"] == "eu"


def test_a_parent_that_lives_in_another_store(family):
    """What a realm inherits from there cannot be composed here: its own document is read as ever."""
    store = family.store
    store.depart(
        family.realm("org").realm_id, "there", finish=lambda _: None, deadline=monotonic() + 20
    )
    team = family.realm("team").get()
    assert team.document["agent"] == {"tools": ["a"]}
    with pytest.raises(RealmMoved) as caught:
        team.config  # noqa: B018
    assert (caught.value.realm, caught.value.to) == ("org", "there")


def test_a_parent_and_its_child_are_born_together(client):
    """A transaction is judged with all of it in place, in whatever order its parts come."""
    client.transaction(
        [
            ("child", {"set": {"realm": {"child": {"parent": "parent"}}}}),
            ("parent", {"set": {"a": 1}}),
        ]
    )
    assert client.realm("child").get().config == {"a": 1}
    assert client.realm("child").parent == "parent"
    assert {entry.realm: entry.parent for entry in client.realms()} == {
        "child": "parent",
        "parent": None,
    }


def test_heirs_are_listed(family):
    """All that inherit, nearly or remotely; of the root all others."""
    family.realm("alone").set({})
    assert family.descendants("org") == ["team"]
    assert family.descendants("team") == []
    assert family.descendants("global") == ["alone", "org", "team"]


def test_a_rename_of_a_parent_says_whom_it_leaves_behind(family):
    """Their documents are their own; who renames is told."""
    result = family.rename("org", "corp")
    assert "descendant_orphaned" in codes(result)
    with pytest.raises(ParentNotFound):
        family.realm("team").get().config  # noqa: B018
    family.realm("team").set_parent("corp")
    assert family.realm("team").get().config["agent"]["model"] == "o"


def test_an_import_under_another_name_speaks_of_itself_by_that(family):
    """The section about itself, and a parent that is renamed with it, have the names that they get."""
    from realmconf import connect

    lines = list(family.export())
    with connect("memory://", author="t") as other:
        other.import_(lines, names={"team": "crew", "org": "corp"})
        assert other.realm("crew").parent == "corp"
        assert other.realm("crew").get().config == family.realm("team").get().config
        assert list((other.realm("crew").get().document or {})["realm"]) == ["crew"]


# --- explain ---------------------------------------------------------------------------------------


def test_a_value_is_explained(family):
    """Who gave it, in which generation, why; what it shadows, nearest first."""
    org = family.realm("org")
    org.set_value("agent.model", "o2", message="cheaper", author="ann")
    org.set_value("unrelated", 1)
    found = family.realm("team").explain("agent.model")
    assert (found.value, found.realm, found.generation) == ("o2", "org", 2)
    assert (found.author, found.message) == ("ann", "cheaper")
    assert [(one.realm, one.value, one.generation) for one in found.shadowed] == [
        ("global", "g", 1)
    ]


def test_a_masked_value_is_explained(family):
    """Nothing stands there, and it is said who masks what."""
    team = family.realm("team")
    team.set_value("realm.team.unset", ["region"])
    found = team.explain("region")
    assert found.value is ABSENT
    assert found.masked_by == "team"
    assert [(one.realm, one.value, one.masked_by) for one in found.shadowed] == [
        ("global", "eu", "team")
    ]
    with pytest.raises(ValueNotFound):
        team.explain("nothing.at.all")


def test_an_object_is_explained_by_its_leaves(family):
    """Each leaf has an origin of its own."""
    found = family.realm("team").explain("agent")
    assert {str(one.pointer): one.realm for one in found.parts} == {
        "/agent/model": "org",
        "/agent/retries": "global",
        "/agent/tools": "team",
    }


def test_a_value_is_as_old_as_its_last_change(client):
    """A rollback, a delete and a new start are changes; a write elsewhere is none."""
    realm = client.realm("a")
    realm.set({"v": 1})
    realm.set({"v": 2})
    realm.rollback(to=1)
    realm.set_value("w", 1)
    assert realm.explain("v").generation == 3
    realm.delete()
    realm.set({"v": 1, "w": 2})
    assert realm.explain("v").generation == 6
    client.compact(keep=1)
    realm.set_value("z", 1)
    assert (realm.explain("v").generation, realm.explain("v").at_least) == (6, True)


# --- what a change means for others ------------------------------------------------------------------


def test_a_write_says_where_it_is_overridden(family):
    """The value of a nearer realm stands, and who writes a farther one is told."""
    result = family.realm("global").set_value("agent.model", "new")
    assert "overridden" in codes(result)
    assert "/agent/model" in result.warnings[0].message
    assert "overridden" not in codes(family.realm("global").set_value("agent.retries", 7))


def test_what_nobody_inherits_is_overridden_by_nobody(client, family):
    """A new parent, a mask, a first and empty document: of those no heir has another one."""
    family.realm("corp").set({})
    assert not family.realm("org").set_parent("corp").warnings
    assert not family.realm("org").set_value("realm.org.unset", ["nothing"]).warnings
    family.realm("global").delete()
    assert not family.realm("global").set({}).warnings


def test_a_dry_run_names_those_whose_configuration_would_change(family):
    """Before a write to a parent: what changes in effect, and for whom."""
    plan = family.realm("org").set_value("agent.retries", 5, dry_run=True)
    assert plan.descendants == ("team",)
    assert [(str(one.pointer), one.before, one.after) for one in plan.effective_changes] == [
        ("/agent/retries", 1, 5)
    ]
    assert family.realm("team").get().config["agent"]["retries"] == 1
    again = family.realm("org").set_value("agent.retries", 1, dry_run=True)
    assert again.descendants == ()
    assert again.effective_changes == ()


def test_those_who_cannot_be_composed_any_more_are_named(family):
    """Deleting a parent is a warning about its children."""
    assert "descendant_orphaned" in codes(family.realm("org").delete())


# --- models ------------------------------------------------------------------------------------------


def test_a_configuration_on_its_way_back_pins_nothing_inherited(family):
    """G10: the whole composed configuration is written, and only what was changed is stored."""
    team = family.realm("team")
    snapshot = team.get()
    changed = snapshot.config.copy()
    changed["agent"]["retries"] = 2
    family.realm("org").set_value("agent.model", "meanwhile")
    result = team.set(changed, base=snapshot, expected_generation=1)
    assert result.document == {
        "agent": {"tools": ["a"], "retries": 2},
        "realm": {"team": {"parent": "org"}},
    }
    assert team.get().config["agent"] == {"model": "meanwhile", "retries": 2, "tools": ["a"]}


def test_a_number_does_not_tell_two_compositions_apart(family):
    """A generation under which the parent went on has been several configurations: the snapshot says which."""

    class Settings(pydantic.BaseModel):
        region: str

    team = family.realm("team", schema=Settings)
    config = team.get().config.model_copy()
    family.realm("global").set_value("region", "us")
    assert team.get().config.region == "us"
    for _ in range(40):
        # However often the parent goes on, and whatever the handle has forgotten since.
        with pytest.raises(InvalidArgument, match="base"):
            team.set(config, expected_generation=1)
        family.realm("global").set_policy(history_keep=team.get().lineage[-1].generation)
        team.get()
    family.realm("alone").set({})
    only = family.realm("alone").get()
    assert not family.realm("alone").set(only.config, base=only).changed


def test_a_configuration_that_was_given_out_is_compared_with_what_it_shows(family):
    """G10: the very object goes back to the snapshot that shows it, also after the parent went on."""
    team = family.realm("team")
    config = team.get().config
    family.realm("org").set_value("agent.model", "later")
    assert team.get().config is not config
    assert not team.set(config).changed
    assert not team.set(config, expected_generation=1).changed
    assert team.get().config["agent"]["model"] == "later"


def test_a_write_against_an_older_lineage_conflicts_in_its_own_generation_alone(family):
    """A parent that went on is no conflict: the precondition is on the realm itself."""
    team = family.realm("team")
    snapshot = team.get()
    family.realm("org").set_value("x", 1)
    assert team.patch({"y": 1}, expected=snapshot).generation == 2
    with pytest.raises(GenerationConflict):
        team.patch({"y": 2}, expected=snapshot)


def test_a_number_alone_does_not_say_what_a_parent_stated_meanwhile(family):
    """G10: a handle that gave nothing out cannot know which of several configurations a model came from."""

    class Settings(pydantic.BaseModel):
        region: str
        size: int = 0

    config = family.realm("team", schema=Settings).get().config.model_copy(update={"size": 1})
    stranger = family.realm("team", schema=Settings)
    family.realm("org").set_policy(history_keep=99)
    assert stranger.set(config, expected_generation=1).document["size"] == 1
    assert "region" not in stranger.get().document
    family.realm("global").set_value("region", "us")
    with pytest.raises(InvalidArgument, match="base"):
        family.realm("team", schema=Settings).set(config, expected_generation=2)
    assert stranger.get().config.region == "us"


def test_a_model_of_a_realm_never_written_pins_nothing(family):
    """G10: what it has from the root stays the root's."""

    class Settings(pydantic.BaseModel):
        region: str
        size: int = 0

    config = family.realm("fresh", schema=Settings).get().config.model_copy(update={"size": 1})
    result = family.realm("fresh", schema=Settings).set(config, expected_generation=0)
    assert result.document == {"size": 1}


class Numbers(pydantic.BaseModel):
    """What several realms state in part."""

    x: int = 0
    y: int = 0


def test_what_a_compacted_parent_stated_is_not_guessed(client):
    """G10: where the history cannot tell what a model came from, the write is refused and nothing is pinned."""
    root, team = client.realm("global"), client.realm("team", schema=Numbers)
    root.set_value("x", 1)
    team.set_value("y", 1)
    for number in (2, 3, 4):
        root.set_value("x", number)
    client.compact(keep=1, realm="global")
    with pytest.raises(InvalidArgument, match="base"):
        client.realm("team", schema=Numbers).set(Numbers(x=1, y=5), expected_generation=1)
    assert team.get().document == {"y": 1}


def test_a_number_says_what_a_realm_was_while_nobody_above_it_went_on(client):
    """G10: a handle that gave nothing out knows what a model came from where there was one configuration only."""
    client.realm("global").set_value("x", 1)
    client.realm("team").set_value("y", 1)
    team = client.realm("team", schema=Numbers)
    assert team.set(Numbers(x=1, y=5), expected_generation=1).document == {"y": 5}


def test_a_number_does_not_say_whose_parent_has_changed(family):
    """G10: an ancestor that was given another parent meanwhile makes two configurations of one number."""
    family.realm("base").set_value("size", 1)
    family.realm("org").set_parent("base")

    class Settings(pydantic.BaseModel):
        region: str

    with pytest.raises(InvalidArgument, match="base"):
        family.realm("team", schema=Settings).set(Settings(region="us"), expected_generation=1)
    assert family.realm("team").get().generation == 1


def test_before_the_first_write_a_number_says_as_little(client):
    """G10: generation 0 is as long as the realm was not written, whatever the root became meanwhile."""
    root = client.realm("global")
    root.set_value("x", 1)
    root.set_value("x", 2)
    with pytest.raises(InvalidArgument, match="base"):
        client.realm("team", schema=Numbers).set(Numbers(x=1, y=5), expected_generation=0)
    assert not client.realm("team").get().exists


def test_writes_that_change_nothing_make_no_number_ambiguous(client):
    """However often a handle has given the same thing out."""
    team = client.realm("team", schema=Numbers)
    team.set_value("x", 1)
    for _ in range(40):
        team.set_value("x", 1)
    assert team.set(Numbers(x=2), expected_generation=1).document == {"x": 2}
    for _ in range(40):
        team.set(team.get().config, expected_generation=2)
    assert team.set(Numbers(x=3), expected=team.get().etag).document == {"x": 3}


def test_an_old_configuration_comes_back_by_name_only(client):
    """Unchanged, it is the difference of nothing: whoever means "as it was" says so, and is never silently ignored."""
    team = client.realm("team")
    team.set_value("x", 1)
    old = team.get()
    assert not team.set(old.config).changed
    team.set_value("x", 2)
    with pytest.raises(InvalidArgument, match="rollback"):
        team.set(old.config)
    assert team.set(old.config, expected=team.get()).document == {"x": 1}


def test_a_snapshot_without_a_configuration_travels_too(family):
    """It says there why it has none, as here."""
    team = family.realm("team")
    start = team.get()
    family.realm("org").delete()
    with team.watch(after=start) as watch:
        step = next(watch)
    for snapshot in (team.get(), step):
        there = pickle.loads(pickle.dumps(snapshot))
        assert (there.document, there.warnings) == (snapshot.document, snapshot.warnings)
        with pytest.raises(ParentNotFound):
            there.config  # noqa: B018
        with pytest.raises(ParentNotFound):
            there.composed  # noqa: B018
        assert copy.copy(snapshot) is copy.deepcopy(snapshot) is snapshot


def test_a_rollback_beyond_a_rename_is_rebased_under_the_new_name(family):
    """The parent and the masks of then are those of the realm as it is called now."""
    team = family.realm("team")
    team.set_value("n", 2)
    family.rename("team", "crew")
    crew = family.realm("crew")
    seen = crew.get()
    crew.set_value("q", 1)
    crew.rollback(1, expected=seen, on_conflict="rebase")
    assert crew.get().document == {
        "agent": {"tools": ["a"]},
        "q": 1,
        "realm": {"crew": {"parent": "org"}},
    }


# --- what is remembered ------------------------------------------------------------------------


def test_what_is_remembered_of_realms_is_bounded(family, monkeypatch):
    """Whoever reads more realms than are remembered is told of each what is true of it, all the same."""
    names = ["team", "org", "global"]
    for name in names:
        family.realm(name).set_schema({"title": name, "properties": {name: {"writeOnly": True}}})
    expected = [family.realm(name).get().config for name in names]
    monkeypatch.setattr("realmconf.runtime.lineages.POINTS_KEPT", 1)
    monkeypatch.setattr("realmconf.runtime.lineages.SCHEMAS_KEPT", 1)
    fresh = type(family)(family.store)
    for _ in range(2):
        assert [fresh.realm(name).get().config for name in names] == expected
        for name in names:
            heads = {name: family.store.head(name)}
            assert fresh.lineages.point_among(name, heads).head is heads[name]
            secrecy = fresh.lineages.secrecy(family.realm(name).realm_id)
            shown = secrecy.redact({name: "a secret"})
            assert "a secret" not in str(shown)


def test_a_generation_that_is_gone_stands_for_now(family):
    """A write against a generation that was compacted is refused in any case, and judged on what is there now."""
    team = family.realm("team")
    team.patch({"region": "us"})
    family.compact(keep=1)
    with family.store.view() as view:
        then = family.lineages.point_at(view, team.realm_id, 1)
    assert then.head.generation == 2


def test_what_is_secret_where_the_parents_cannot_be_used(family):
    """G11: what is kept from somebody does not depend on a chain that has fallen apart."""
    family.realm("team").set_schema({"properties": {"pin": {"writeOnly": True}}})
    family.realm("org").delete()
    team = family.realm("team")
    point = team.get().point
    assert point.problem is not None
    secrecy = family.lineages.secrecy_once(team.realm_id, point)
    assert "1234" not in str(secrecy.redact({"pin": "1234", "token": "1234"}))


@pytest.mark.parametrize("generation", [0, 1])
def test_what_is_wrong_with_a_file_is_told_with_what_its_realm_inherits(tmp_path, generation):
    """G8: also by the first read, which has to ask for all of them at once, and where nothing was ever taken in."""
    with connect(str(tmp_path)) as client:
        client.realm("global").set({"x": 1})
        if generation:
            client.realm("team").set({"x": 2})
            client.publish()
        else:
            (tmp_path / "team").mkdir()
    (tmp_path / "team" / "config.toml").write_text("x = [")
    with connect(str(tmp_path)) as client:
        snapshot = client.realm("team").get()
    assert (snapshot.generation, snapshot.config) == (generation, {"x": 1 + generation})
    assert codes(snapshot) == ["working_copy_broken"]


def test_what_a_realm_adds_to_an_inherited_element_stays(client):
    """G10: where arrays are joined by a key, a change of one element leaves what the realm states of another."""
    root, team = client.realm("global"), client.realm("team")
    root.set_schema({"properties": {"jobs": {"x-merge-key": "name"}}})
    root.set({"jobs": [{"name": "one"}, {"name": "two"}]})
    team.set({"jobs": [{"name": "one", "x": 1}]})
    wanted = {"jobs": [{"name": "one", "x": 1}, {"name": "two", "y": 2}]}
    result = team.set(wanted, base=team.get())
    assert result.document == wanted
    assert team.get().config == wanted
