"""Where files are on the server's machine: told to nobody over the network, unless that is wanted."""

from __future__ import annotations

from typing import Any

import pytest
from tests.surfaces.http.remote import Restarted
from tests.surfaces.http.serving import served

import realmconf
from realmconf.domain.names import GLOBAL
from realmconf.errors import StoreFull, WorkingCopyContested, WorkingCopyRefused
from realmconf.runtime.placeless import error_afar
from realmconf.surfaces.cli import main

AGENT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
def store(tmp_path):
    """A store one of whose working copies is broken, in a folder of a name that is told apart."""
    root = tmp_path / "whereabouts" / "store"
    with realmconf.connect(str(root), author="ada") as client:
        team = client.realm("team")
        team.set({"a": 1})
        team.publish()
    (root / "team" / "config.toml").write_text("a = \n")
    return root


def written(running):
    """The answers of a write to the realm, and of an agent's."""
    with running.http() as http:
        config = "/v1/realms/team/config"
        merge = {"Content-Type": "application/merge-patch+json"}
        yield http.patch(config, json={"a": 2}, headers=merge).json()
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        plan = {"realm": "team", "patch": {"a": 3}, "expected_generation": 2, "reason": "why"}
        params = {"name": "config_plan", "arguments": plan}
        planned = http.post("/mcp", headers=AGENT, json={**call, "params": params}).json()
        plan_id = planned["result"]["structuredContent"]["result"]["plan_id"]
        params = {"name": "config_apply", "arguments": {"plan_id": plan_id}}
        applied = http.post("/mcp", headers=AGENT, json={**call, "params": params}).json()
        yield applied["result"]["structuredContent"]["result"]


OPTIONS = ("--allow-write", "--allow-path", "/")


def test_warnings_name_no_folder(store):
    """A warning over the network says which realm's file is meant, and neither the folder nor a path."""
    with served(store, *OPTIONS) as running:
        answers = list(written(running))
    for answer in answers:
        (warning,) = answer["warnings"]
        assert warning["code"] == "working_copy_broken"
        assert warning["message"].startswith("team/config.toml line 1")
        assert "path" not in warning
        assert "whereabouts" not in str(answer)


def test_paths_are_told_where_that_is_wanted(store):
    """With ``--expose-paths`` they are told: over HTTP and to agents."""
    path = str(store / "team" / "config.toml")
    with served(store, *OPTIONS, "--expose-paths") as running:
        answers = list(written(running))
    for answer in answers:
        (warning,) = answer["warnings"]
        assert warning["path"] == path
        assert path in warning["message"]


def test_a_servers_store_warns_without_a_path(store):
    """Whoever has the server for a store is warned in the same words; who has the store in hand is told the path."""
    server = Restarted(str(store))
    try:
        with server.asked_with("write") as client:
            team = client.realm("team")
            for warned in (team.get(), team.set_value("a", 5)):
                (warning,) = warned.warnings
                assert warning.code == "working_copy_broken"
                assert warning.path is None
                assert "whereabouts" not in warning.message
        (warning,) = server.client.realm("team").get().warnings
        assert warning.path == str(store / "team" / "config.toml")
    finally:
        server.stop()


def test_the_command_line_on_this_machine_tells_the_path(store, capsys):
    """Surfaces on the store's own machine tell it as ever."""
    assert main(["--store", str(store), "--realm", "team", "set", "a", "7"]) == 0
    assert str(store / "team" / "config.toml") in capsys.readouterr().err


def test_errors_name_no_folder(store):
    """An error that is worded for this machine names files below the store's folder when it goes to another one."""
    root, file = str(store), str(store / "team" / "config.toml")
    with realmconf.connect(root) as client:
        assert client.store.paths(GLOBAL)["root"] == root
        full = error_afar(StoreFull(f"no space left for {root}/.store/x.db; free some"), client)
        assert type(full) is StoreFull
        assert str(full) == "no space left for .store/x.db; free some"
        assert full.retryable
        refused = error_afar(
            WorkingCopyRefused(realm="team", path=file, reason=f"is in {root}"), client
        )
        assert refused.to_dict() == {
            "code": "working_copy_refused",
            "message": "team/config.toml is in the folder of the store; it is neither read nor written",
            "retryable": False,
            "realm": "team",
            "path": "team/config.toml",
            "reason": "is in the folder of the store",
        }
        kept = WorkingCopyContested(realm="team", path=file, kept=f"{file}.1", pointers=["/a"])
        told: Any = error_afar(kept, client)
        assert (told.kept, told.pointers) == ("team/config.toml.1", ("/a",))
        plain = StoreFull("no space left")
        assert error_afar(plain, client) is plain
