"""From a URL to a store."""

from __future__ import annotations

import pytest

from realmconf.domain.names import LIMITS
from realmconf.errors import InvalidArgument, StoreNotInstalled, StoreUnavailable
from realmconf.stores import registry
from realmconf.stores.registry import open_store, split_url


@pytest.mark.parametrize(
    ("url", "scheme", "location", "options"),
    [
        ("/srv/realms", "sqlite", "/srv/realms", {}),
        ("relative/folder", "sqlite", "relative/folder", {}),
        ("C:\\realms", "sqlite", "C:\\realms", {}),
        ("sqlite:///srv/realms", "sqlite", "/srv/realms", {}),
        ("sqlite:////srv/realms", "sqlite", "/srv/realms", {}),
        ("sqlite:///srv/a%20b", "sqlite", "/srv/a b", {}),
        (
            "sqlite:///srv?working_copies=off",
            "sqlite",
            "/srv",
            {"working_copies": "off"},
        ),
        ("memory://", "memory", "", {}),
        ("memory://shared", "memory", "shared", {}),
    ],
)
def test_a_url_names_a_kind_of_store_and_where_it_is(url, scheme, location, options):
    """A folder path is the embedded store; anything with ``://`` is looked up in one table."""
    assert split_url(url) == (scheme, location, options)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nosuch://x",
        "sqlite://relative",
        "sqlite:/srv/realms",
        "memory:",
        "sqlite:///a?x",
        "sqlite:///a?x=1&x=2",
        "a\0b",
        "memory://x?y=1",
    ],
)
def test_what_names_no_store_is_refused(url):
    """A URL that cannot be understood is an error, never a store somewhere else."""
    with pytest.raises(InvalidArgument):
        open_store(url, limits=LIMITS)


@pytest.mark.parametrize("read_only", [False, True])
def test_what_is_no_folder_is_no_store(tmp_path, read_only):
    """A mistyped path gives an error, never the defaults of a store that was never written."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable):
        open_store(str(tmp_path / "file"), limits=LIMITS, read_only=read_only)


def test_reading_alone_needs_a_store(tmp_path):
    """What only reads will never make the folder that is missing; what may write does."""
    with pytest.raises(StoreUnavailable):
        open_store(str(tmp_path / "nothing"), limits=LIMITS, read_only=True)
    open_store(str(tmp_path / "nothing"), limits=LIMITS).close()


def test_the_refusal_names_what_is_known_and_not_the_url():
    """A URL may hold a password."""
    with pytest.raises(InvalidArgument) as caught:
        open_store("nosuch://user:hunter2@host/db", limits=LIMITS)
    assert "memory://" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    """A store whose package is not installed says so."""
    monkeypatch.setitem(registry.FACTORIES, "nats", "no_such_package_anywhere:open_store")
    with pytest.raises(StoreNotInstalled) as caught:
        open_store("nats://host", limits=LIMITS)
    assert "realmconf[nats]" in str(caught.value)


def test_a_named_memory_store_is_shared_within_the_process():
    """``memory://name`` is one store for all who name it; ``memory://`` is a new one each time."""
    from realmconf import connect

    one, other = connect("memory://registry-shared"), connect("memory://registry-shared")
    one.realm("a").set({"x": 1})
    assert other.realm("a").get().document == {"x": 1}
    assert not connect("memory://").realm("a").get().exists
    one.close()
    assert other.realm("a").get().generation == 1
