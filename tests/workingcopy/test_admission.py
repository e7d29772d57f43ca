"""A hand edit is judged as every other write is: by lineage, schema and the marks in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.workingcopy.editors import in_place
from tests.workingcopy.test_store import eventually

import realmconf

SCHEMA = {
    "properties": {
        "retries": {"type": "integer"},
        "dsn": {"type": "string", "writeOnly": True},
        "servers": {"type": "array", "x-merge-key": "name", "items": {"type": "object"}},
    }
}


@pytest.fixture
def client(tmp_path):
    with realmconf.connect(str(tmp_path)) as client:
        yield client


@pytest.fixture
def team(client):
    client.realm("org").set({"region": "eu"})
    client.realm("org").set_schema(SCHEMA)
    realm = client.realm("team")
    realm.set({"retries": 1, "realm": {"team": {"parent": "org"}}})
    realm.publish()
    return realm


def save(root: Path, before: str, after: str, *, realm: str = "team") -> None:
    path = root / realm / "config.toml"
    text = path.read_text("utf-8")
    assert before in text
    in_place(str(path), text.replace(before, after))


def state_of(realm):
    realm.get()
    return realm.working_copy()


def test_an_edit_that_breaks_the_schema_waits_until_it_is_mended(team, tmp_path):
    """The head stays readable, writes go on, the file is untouched; the reason names the place, and no value."""
    save(tmp_path, "retries = 1", 'retries = "hunter2"')
    state = state_of(team)
    assert state.state == "broken"
    assert "/retries" in state.reason
    assert "hunter2" not in state.reason
    assert team.get().config["retries"] == 1
    assert team.set_value("other", 1).generation == 2
    assert '"hunter2"' in (tmp_path / "team" / "config.toml").read_text("utf-8")
    save(tmp_path, 'retries = "hunter2"', "retries = 5")
    eventually(lambda: team.get().config["retries"] == 5)
    assert team.get().document["other"] == 1
    assert team.get().revision.kind == "adopt"


@pytest.mark.parametrize("parent", ["nobody", "team", "no name!"])
def test_an_edit_cannot_name_a_parent_that_cannot_be(team, tmp_path, parent):
    """A missing one, itself, no name: broken, with the reason."""
    save(tmp_path, 'parent = "org"', f'parent = "{parent}"')
    assert state_of(team).state == "broken"
    assert team.get().lineage[1].realm == "org"


def test_an_edit_may_name_another_parent(client, team, tmp_path):
    """And is followed by those who read and watch."""
    client.realm("corp").set({"region": "us"})
    with team.watch(timeout=20) as watch:
        save(tmp_path, 'parent = "org"', 'parent = "corp"')
        eventually(lambda: team.get().config["region"] == "us")
        snapshot = next(watch)
        assert [str(change.pointer) for change in snapshot.changes] == ["/region"]
        client.realm("corp").set_value("region", "ca")
        assert next(watch).config["region"] == "ca"


def test_a_mark_that_was_saved_keeps_the_secret(client, team, tmp_path):
    """Who saves what a command has shown does not lose what the marks stand for; elsewhere a mark is refused."""
    team.set_value("dsn", "hunter2")
    team.publish()
    mark = client.lineages.secrecy(team.realm_id).redact(dict(team.get().document))["dsn"]
    assert mark.startswith("«secret:")
    path = tmp_path / "team" / "config.toml"
    text = path.read_text("utf-8")
    in_place(str(path), text.replace("hunter2", mark).replace("retries = 1", "retries = 2"))
    eventually(lambda: team.get().document["retries"] == 2)
    assert team.get().document["dsn"] == "hunter2"
    team.publish()
    assert "hunter2" in path.read_text("utf-8")
    save(tmp_path, "retries = 2", f'retries = 2\nnote = "{mark}"')
    state = state_of(team)
    assert state.state == "broken"
    assert "/note" in state.reason
    assert "note" not in team.get().document


def test_what_a_former_parent_called_secret_stays_so(client, team, tmp_path):
    """A hand edit that leaves the parent takes along what its schema called secret."""
    team.set_value("dsn", "hunter2")
    team.publish()
    save(tmp_path, 'parent = "org"', "unset = []")
    eventually(lambda: len(team.get().lineage) == 1)
    shown = client.lineages.secrecy(team.realm_id).redact(dict(team.get().document))
    assert "hunter2" not in str(shown)


def test_edits_of_different_elements_meet_nowhere(team, tmp_path):
    """Where a schema names the elements of an array, a save and a write of two of them are merged."""
    team.set_value("servers", [{"name": "x", "port": 1}, {"name": "y", "port": 1}])
    team.publish()
    path = tmp_path / "team" / "config.toml"
    text = path.read_text("utf-8")
    team.set_value("servers", [{"name": "x", "port": 1}, {"name": "y", "port": 2}])
    in_place(str(path), text.replace("port = 1", "port = 9", 1))
    merged = [{"name": "x", "port": 9}, {"name": "y", "port": 2}]
    eventually(lambda: team.get().document["servers"] == merged)
