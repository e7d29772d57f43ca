"""Where a realm is: v0.4's one root, and v0.8's two."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from realmconf import (
    InvalidArgument,
    InvalidRealm,
    RealmSplitBrain,
    StoreCorrupt,
    StoreTooNew,
    StoreUnavailable,
)
from realmconf.meerkat import (
    Candidates,
    FoundRoot,
    candidates,
    find_root,
    project_root,
    single_root,
    user_root,
    workspace_folder,
)
from realmconf.meerkat import manifest as manifests
from realmconf.meerkat import roots as found_roots

REALM = "team-alpha"


@pytest.fixture
def among(tmp_path: Path) -> Candidates:
    return Candidates(local=str(tmp_path / "local"), user=str(tmp_path / "user"))


def with_manifest(root: str | None, realm: str = REALM, **more: Any) -> Path:
    folder = Path(root or "") / realm.replace(".", "_")
    folder.mkdir(parents=True)
    stated = {"realm_id": realm, "backend": "sqlite", "created_at": "0", **more}
    (folder / "realm_manifest.json").write_text(json.dumps(stated))
    return folder


def with_configuration(root: str | None, name: str = "config.toml") -> None:
    folder = Path(root or "") / REALM
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).touch()


# --- one root -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "environment", "home", "root"),
    [
        ("linux", {"XDG_DATA_HOME": "/data"}, "/home/me", "/data/meerkat/realms"),
        ("linux", {"XDG_DATA_HOME": "data"}, "/home/me", "/home/me/.local/share/meerkat/realms"),
        ("linux", {"XDG_DATA_HOME": ""}, "/home/me", "/home/me/.local/share/meerkat/realms"),
        ("linux", {}, "/home/me", "/home/me/.local/share/meerkat/realms"),
        ("linux", {}, None, "./meerkat/realms"),
        ("darwin", {"XDG_DATA_HOME": "/data"}, "/Users/me", None),
        ("win32", {"APPDATA": "/Roaming"}, "/Users/me", "/Roaming/meerkat/realms"),
    ],
)
def test_the_users_root_is_the_platforms(
    platform: str, environment: dict[str, str], home: str | None, root: str | None
) -> None:
    """``meerkat/realms`` in the platform's folder for data, which a relative ``XDG_DATA_HOME`` does not move."""
    expected = root or "/Users/me/Library/Application Support/meerkat/realms"
    assert user_root(environment=environment, home=home, platform=platform) == expected
    assert single_root(None, environment=environment, home=home, platform=platform) == expected


def test_a_stated_root_wins_without_a_look() -> None:
    """v0.4: what ``--state-root`` says."""
    assert single_root("/srv/realms", environment={}, home=None) == "/srv/realms"


@pytest.mark.parametrize("root", ["", "a\0b"])
def test_a_root_that_is_no_path_is_refused(root: str, among: Candidates) -> None:
    """Nothing is not a folder, and never the current one."""
    with pytest.raises(InvalidArgument):
        single_root(root, environment={}, home=None)
    with pytest.raises(InvalidArgument):
        find_root(REALM, state_root=root, among=among)


# --- the project ----------------------------------------------------------------------------------


def test_a_workspace_of_v04_has_a_folder_and_a_project_of_v08_any_entry(tmp_path: Path) -> None:
    """v0.4 goes up to the nearest folder ``.rkat``, v0.8 to the nearest entry of that name, even a file."""
    inner = tmp_path / "project" / "part"
    deep = inner / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "project" / ".rkat").mkdir()
    (inner / ".rkat").touch()
    assert workspace_folder(str(deep)) == str(tmp_path / "project")
    assert project_root(str(deep)) == str(inner)


def test_without_a_marker_the_folder_itself_is_meant(tmp_path: Path) -> None:
    """Outside any project v0.4 derives from the folder as given, and v0.8 would begin one there."""
    assert project_root(str(tmp_path)) is None
    assert workspace_folder(str(tmp_path)) == str(tmp_path)
    found = candidates(str(tmp_path), environment={}, home="/home/me", platform="linux")
    assert found == Candidates(
        local=str(tmp_path / ".rkat" / "realms"), user="/home/me/.local/share/meerkat/realms"
    )


def test_the_local_candidate_is_the_projects(tmp_path: Path) -> None:
    """From anywhere below, it is ``.rkat/realms`` of the project; a server without a folder has none."""
    (tmp_path / ".rkat").mkdir()
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    found = candidates(str(below), environment={}, home="/home/me", platform="linux")
    assert found.local == str(tmp_path / ".rkat" / "realms")
    assert candidates(None, environment={}, home="/home/me").local is None


# --- two roots ------------------------------------------------------------------------------------


def test_an_explicit_root_wins_without_probing(among: Candidates) -> None:
    """``--state-root`` is taken even where both candidates have the realm."""
    with_manifest(among.local)
    with_manifest(among.user)
    found = find_root(REALM, state_root="/srv/realms", among=among)
    assert found == FoundRoot(path="/srv/realms", found_by="state_root")


@pytest.mark.parametrize("default", ["local", "user"])
@pytest.mark.parametrize("where", ["local", "user"])
def test_a_realm_is_used_where_it_lies(among: Candidates, where: str, default: str) -> None:
    """The one root that has the realm, whatever the caller's default is."""
    with_manifest(getattr(among, where))
    found = find_root(REALM, among=among, default=default)
    assert found == FoundRoot(path=getattr(among, where), found_by=where)


def test_a_realm_in_both_is_refused_and_both_are_named(among: Candidates) -> None:
    """Choosing either would be wrong for somebody: both roots are named, and what to do."""
    with_manifest(among.local)
    with_manifest(among.user)
    with pytest.raises(RealmSplitBrain) as refused:
        find_root(REALM, among=among)
    error = refused.value
    assert (error.code, error.realm) == ("realm_split_brain", REALM)
    assert error.roots == (among.local, among.user)
    told = str(error)
    assert all(one in told for one in (REALM, *error.roots, "state root", "rkat storage doctor"))


@pytest.mark.parametrize("default", ["local", "user"])
def test_a_realm_that_is_nowhere_comes_to_the_default(among: Candidates, default: str) -> None:
    """The caller says which: Meerkat's command line has it local, its servers with the user."""
    found = find_root(REALM, among=among, default=default)
    assert found == FoundRoot(path=getattr(among, default), found_by="default")


def test_without_a_local_candidate_the_default_is_the_users(among: Candidates) -> None:
    """A server that knows of no project goes to the user's."""
    found = find_root(REALM, among=among.replace(local=None), default="local")
    assert found == FoundRoot(path=among.user, found_by="default")


def test_another_default_is_refused(among: Candidates) -> None:
    """There are two."""
    with pytest.raises(InvalidArgument):
        find_root(REALM, among=among, default="global")


def test_two_names_of_one_root_are_no_two_copies(tmp_path: Path, among: Candidates) -> None:
    """A linked root is the same root, and no split."""
    with_manifest(among.user)
    (tmp_path / "local").symlink_to(among.user)
    found = find_root(REALM, among=among)
    assert found == FoundRoot(path=str(among.local), found_by="local")


@pytest.mark.parametrize("name", ["config.toml", "config_state.json"])
def test_a_realm_that_has_only_a_configuration_is_found_by_it(among: Candidates, name: str) -> None:
    """``rkat config`` and realmconf make no manifest: the configuration itself says where the realm is."""
    with_configuration(among.user, name)
    Path(str(among.local), REALM).mkdir(parents=True)
    assert find_root(REALM, among=among).path == among.user
    with_configuration(among.local, name)
    with pytest.raises(RealmSplitBrain):
        find_root(REALM, among=among)


def test_a_manifest_says_more_than_a_configuration(among: Candidates) -> None:
    """Where one of the two has a manifest, it is the realm's place, as Meerkat has it."""
    with_configuration(among.local)
    with_manifest(among.user)
    assert find_root(REALM, among=among).path == among.user


def test_a_folder_of_another_realm_is_neither_hit_nor_miss(among: Candidates) -> None:
    """``a.b`` lies in the folder ``a_b``: the realm ``a_b`` is refused there, and not sent elsewhere."""
    with_manifest(among.local, "a.b")
    with pytest.raises(InvalidRealm, match=r"'a\.b'"):
        find_root("a_b", among=among)


def test_a_manifest_that_cannot_be_understood_is_not_absence(
    among: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged manifest, or one of a later release, stops the search."""
    path = with_manifest(among.local, manifest_format=3) / "realm_manifest.json"
    with pytest.raises(StoreTooNew):
        find_root(REALM, among=among)
    path.write_text("{")
    impatient = partial(manifests.read_manifest, patience_seconds=0)
    monkeypatch.setattr(found_roots, "read_manifest", impatient)
    with pytest.raises(StoreCorrupt):
        find_root(REALM, among=among)


def test_a_probe_that_fails_is_not_absence(among: Candidates) -> None:
    """A root that is no folder, or a realm that is a loop of links, is an error, and never "not there"."""
    Path(str(among.local)).touch()
    with pytest.raises(StoreUnavailable):
        find_root(REALM, among=among)
    os.unlink(str(among.local))
    Path(str(among.local)).mkdir()
    loop = Path(str(among.local), REALM)
    loop.symlink_to(loop)
    with pytest.raises(StoreUnavailable):
        find_root(REALM, among=among)


def test_a_probe_that_is_forbidden_is_not_absence(
    among: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may not be looked at may be there."""
    with_configuration(among.local)
    looked = os.stat

    def forbidden(path: Any, *more: Any, **named: Any) -> os.stat_result:
        if str(path).endswith("config.toml"):
            raise PermissionError(13, "Permission denied", str(path))
        return looked(path, *more, **named)

    monkeypatch.setattr(os, "stat", forbidden)
    with pytest.raises(StoreUnavailable, match="not taken for absent"):
        find_root(REALM, among=among)
