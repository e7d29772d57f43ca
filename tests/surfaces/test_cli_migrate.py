"""``realmconf migrate``, as it is typed, and what the surfaces of the old store say afterwards."""

from __future__ import annotations

import pytest

from realmconf.surfaces.cli.parsing import read


@pytest.fixture
def stores(shell):
    """Two realms in ``store``, and a folder ``new`` without any."""
    shell.realm = "team"
    shell.ok("set", "x", "1")
    shell.raw("--store", "store", "--realm", "other", "set", "y", "1")
    return shell


def test_every_realm_moves(stores):
    """A line for each, with what was carried; the same command again finds it done."""
    planned = stores.raw("migrate", "store", "new", "--dry-run")
    assert planned.out.splitlines() == [
        "other: generation=1, 1 revisions to carry",
        "team: generation=1, 1 revisions to carry",
    ]
    done = stores.raw("migrate", "store", "new", "-o", "json")
    assert (done.code, done.err) == (0, "")
    assert [(one["realm"], one["state"], one["revisions"]) for one in done.json["realms"]] == [
        ("other", "moved", 1),
        ("team", "moved", 1),
    ]
    again = stores.raw("migrate", "store", "new", "--live")
    assert "has moved to" in again.out
    assert (stores.root.parent / "new" / "team" / "config.toml").is_file()


def test_one_realm_moves_with_its_family(stores):
    """``--realm`` takes along who can only move with it, and nobody else."""
    stores.ok("parent", "set", "other")
    stores.raw("--store", "store", "--realm", "third", "set", "z", "1")
    done = stores.raw("migrate", "store", "new", "--realm", "other", "-o", "json")
    assert [one["realm"] for one in done.json["realms"]] == ["other", "team"]
    assert stores.raw("--store", "store", "--realm", "third", "get", "z").out == "1\n"


def test_what_stands_in_the_way_is_told_by_a_dry_run(stores):
    """All of it, and the exit code is that of the move; neither changes anything."""
    stores.raw("--store", "new", "--realm", "team", "set", "mine", "true")
    planned = stores.raw("migrate", "store", "new", "--dry-run", "-o", "json")
    assert planned.code == 3
    assert '"refused"' in planned.out
    refused = stores.raw("migrate", "store", "new", "-o", "json")
    assert refused.code == 3
    assert refused.json["error"]["code"] == "timeline_changed"
    assert stores.ok("set", "x", "2").code == 0


def test_the_old_store_says_where_to_go(stores):
    """Writes, reads, status and lists name the new store; history can still be looked up."""
    stores.raw("migrate", "store", "new")
    new = str(stores.root.parent / "new")
    for words in (["get"], ["set", "x", "2"], ["edit"], ["watch"], ["schema", "unset"]):
        answer = stores(*words, "-o", "json") if words != ["edit"] else stores(*words)
        assert answer.code == 6
        assert new in answer.err + answer.out
    state = stores.ok("status", "-o", "json").json
    assert (state["state"], state["effective"]) == ("moved", "moved")
    assert f"in {new}" in stores.raw("--store", "store", "realms").out
    assert stores.ok("log").code == 0
    assert stores.ok("verify").code == 0
    told = stores("doctor", "-o", "json").json
    for realm in ("team", "other"):
        assert any(
            (one["level"], one["subject"]) == ("note", f"realm {realm}") and new in one["text"]
            for one in told
        )
    assert not [one for one in told if one["level"] == "problem"]


def test_an_edit_that_cannot_be_taken_in_is_told_of(stores):
    """G8: a finished edit moves as a generation; a broken one stays in the old file, and a warning says so."""
    with stores.file.open("a") as file:
        file.write("by_hand = 1\n")
    broken = stores.root / "other" / "config.toml"
    broken.write_text(broken.read_text() + "broken = [\n")
    done = stores.raw("migrate", "store", "new")
    assert done.code == 0
    assert "warning: stays behind: " in done.err
    assert "other" in done.err
    assert stores.raw("--store", "new", "--realm", "team", "get", "by_hand").out == "1\n"
    assert "broken = [" in broken.read_text()


def test_a_server_cannot_be_moved(stores):
    """A URL of a server is ``unsupported`` on either side, and said so before anything is asked of the other."""
    for words in (["http://localhost:1", "new"], ["store", "http://localhost:1"]):
        answer = stores.raw("migrate", *words, "-o", "json")
        assert answer.json["error"]["code"] == "unsupported"
    assert stores.ok("set", "x", "3").code == 0


def test_a_person_sees_signs_of_life(stores, monkeypatch):
    """On a terminal, once in a hundred revisions; nothing where nobody looks."""
    from realmconf.surfaces.cli import moving

    said: list[str] = []

    class Someone:
        diagnostics_interactive = True
        say = staticmethod(said.append)
        request = read(["migrate", "a", "b"])

    show = moving._progress(Someone())  # type: ignore[arg-type]
    for done in range(1, 251):
        show(done, 250)
    assert said == ["100 of 250 revisions …", "200 of 250 revisions …"]
