"""Which store, which realm and which author, when none is named."""

from __future__ import annotations

import pytest

from realmconf.domain.names import workspace_realm
from realmconf.errors import InvalidArgument, InvalidRealm
from realmconf.runtime.locate import default_author, locate, locate_store, user_store


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    (folder / ".realmconf").mkdir(parents=True)
    (folder / "src" / "deep").mkdir(parents=True)
    return folder


def test_an_argument_wins_over_everything(project):
    """What is named is taken."""
    environment = {"REALMCONF_STORE": "memory://", "REALMCONF_REALM": "other"}
    found = locate(store="/srv", realm="mine", environment=environment, folder=str(project))
    assert (found.store, found.store_by, found.realm, found.realm_by) == (
        "/srv",
        "argument",
        "mine",
        "argument",
    )


def test_the_environment_wins_over_the_project(project):
    """``REALMCONF_STORE`` and ``REALMCONF_REALM`` come next."""
    (project / ".realmconf" / "project.toml").write_text('realm = "ours"\n')
    environment = {"REALMCONF_STORE": "memory://", "REALMCONF_REALM": "other"}
    found = locate(environment=environment, folder=str(project))
    assert (found.store, found.store_by) == ("memory://", "REALMCONF_STORE")
    assert (found.realm, found.realm_by) == ("other", "REALMCONF_REALM")


@pytest.mark.parametrize(
    "text",
    [
        'realm = "ours"\n',
        "realm='ours' # ours\n",
        '\n# a comment\nrealm = "ours"\nother = 1\n',
        'other = """\nrealm = "theirs"\n"""\nrealm = "ours"\n',
        '"realm" = "ours"\n',
    ],
)
def test_the_nearest_project_is_found_from_below(project, text):
    """The ``.realmconf`` folder of the nearest ancestor is the store; its ``project.toml`` names the realm."""
    (project / ".realmconf" / "project.toml").write_text(text)
    found = locate(environment={}, folder=str(project / "src" / "deep"))
    assert (found.store, found.store_by) == (str(project / ".realmconf"), "project")
    assert (found.realm, found.realm_by) == ("ours", "project")
    assert found.project == str(project)


def test_a_project_without_a_name_is_named_after_its_folder(project):
    """Without ``realm`` in ``project.toml`` the name is derived from the project's root, from anywhere in it."""
    found = locate(environment={}, folder=str(project / "src"))
    assert (found.realm, found.realm_by) == (
        workspace_realm(str(project.resolve())),
        "workspace",
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("realm = ", InvalidArgument),
        ("realm = 5\n", InvalidArgument),
        ('realm = ""\n', InvalidRealm),
        ('realm = "not a name"\n', InvalidRealm),
        ("x = " + 100_000 * "[", InvalidArgument),
    ],
)
def test_a_broken_project_file_is_an_error_not_another_realm(project, text, error):
    """Falling back to another realm would send writes to the wrong place."""
    (project / ".realmconf" / "project.toml").write_text(text)
    with pytest.raises(error):
        locate(environment={}, folder=str(project))


def test_a_project_file_that_is_no_file_is_an_error(project):
    """A folder in its place is not taken for a missing one."""
    (project / ".realmconf" / "project.toml").mkdir()
    with pytest.raises(InvalidArgument):
        locate(environment={}, folder=str(project))


def test_without_a_project_the_users_own_folder_is_taken(tmp_path):
    """The platform's data folder, and a realm named after the current folder."""
    found = locate(environment={"XDG_DATA_HOME": "/data"}, folder=str(tmp_path))
    if found.project is None:
        assert (found.store, found.store_by) == (
            user_store({"XDG_DATA_HOME": "/data"}),
            "user",
        )
        assert found.realm == workspace_realm(str(tmp_path.resolve()))


def test_the_store_alone_is_found_the_same_way(project):
    """``connect()`` and the command line agree."""
    assert locate_store(environment={}, folder=str(project)) == str(project / ".realmconf")
    assert locate_store(environment={"REALMCONF_STORE": "memory://x"}) == "memory://x"


def test_a_relative_data_home_is_ignored(monkeypatch):
    """The XDG specification says that such a value is invalid."""
    monkeypatch.setattr("sys.platform", "linux")
    assert user_store({"XDG_DATA_HOME": "relative"}).endswith("/.local/share/realmconf")
    assert user_store({"XDG_DATA_HOME": "/data"}) == "/data/realmconf"


def test_the_author_is_the_user_on_this_host():
    """``REALMCONF_AUTHOR``, else ``user@host``."""
    assert default_author({"REALMCONF_AUTHOR": "ci"}) == "ci"
    user, at, host = default_author({}).partition("@")
    assert user
    assert at
    assert host
