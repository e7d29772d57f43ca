"""What a person settles is what they have seen: nothing that was saved since goes with it (G8)."""

from __future__ import annotations

import os

import pytest
from tests.workingcopy.editors import STYLES, KeptDescriptor
from tests.workingcopy.host import Host

from realmconf.domain.names import RealmName

TEAM = RealmName("team")


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    yield host
    host.copies.close()


def save(host: Host, body: str) -> None:
    STYLES["temporary_and_rename"](host.path("team"), f"# realmconf: team, generation 1\n{body}")


def contested(host: Host, body: str) -> None:
    """Save an edit that overlaps with a newer write, and see it kept beside the file."""
    save(host, body)
    host.settle("team")
    host.publish("team")


def resolve(host: Host, shown: tuple[str, ...] | None) -> None:
    with host.turn() as turn:
        host.copies.settle(turn, TEAM, tolerant=True)
        host.copies.resolve(turn, TEAM, (), shown=shown)
    host.publish("team")


@pytest.mark.parametrize("kept", [False, True], ids=["in-the-file", "beside-it"])
def test_edit_that_came_after_the_look_stays(host, kept: bool):
    """A colleague's edit that contests while a person decides is kept and told of, not settled with the first."""
    host.write("team", {"a": 1})
    host.write("team", {"a": 2})
    contested(host, "a = 3\n")
    shown = host.state("team").shown
    if kept:
        contested(host, "a = 99 # an hour of work\n")
    else:
        save(host, "a = 99 # an hour of work\n")
    resolve(host, shown)
    (name,) = [name for name in host.names("team") if "contested" in name]
    with open(host.path("team", name), encoding="utf-8") as file:
        assert "an hour of work" in file.read()
    assert host.settle("team") == ("working_copy_contested",)


def test_text_that_changed_after_the_look_stays(host):
    """A kept edit, or a broken file, that was saved again since it was shown is not what was settled."""
    host.write("team", {"a": 1})
    host.write("team", {"a": 2})
    contested(host, "a = 3\n")
    save(host, "a = [")
    shown = host.state("team").shown
    assert len(shown) == 2
    with open(host.path("team", "config.toml.contested-1"), "a", encoding="utf-8") as file:
        file.write("more = 1\n")
    save(host, "a = [7")
    resolve(host, shown)
    assert "config.toml.contested-1" in host.names("team")
    assert host.text("team").endswith("a = [7")
    resolve(host, host.state("team").shown)
    assert host.names("team") == ["config.toml"]
    assert host.state("team").state == "clean"


def test_edit_that_contests_only_now_is_kept(host):
    """Who does not say what they have seen settles what stands beside the file, not what contests at that moment."""
    host.write("team", {"a": 1})
    host.write("team", {"a": 2})
    save(host, "a = 3 # unseen\n")
    resolve(host, None)
    assert host.names("team") == ["config.toml", "config.toml.contested-1"]


def test_kept_edit_that_somebody_has_open_stays(host):
    """A contested edit that its author has open may still be written to: it stays until they close it."""
    host.write("team", {"a": 1})
    host.write("team", {"a": 2})
    contested(host, "a = 3\n")
    editor = KeptDescriptor(host.path("team", "config.toml.contested-1"), writable=True)
    resolve(host, None)
    assert "config.toml.contested-1" in host.names("team")
    editor.close()
    resolve(host, None)
    assert host.names("team") == ["config.toml"]


def test_nothing_that_is_no_file_stops_the_settling(host):
    """A symlink that was kept is removed, not followed; a folder stays for a person to move away."""
    host.write("team", {"a": 1})
    host.write("team", {"a": 2})
    contested(host, "a = 3\n")
    os.symlink("elsewhere", host.path("team", "config.toml.contested-2"))
    os.mkdir(host.path("team", "config.toml.contested-3"))
    resolve(host, host.state("team").shown)
    assert host.names("team") == ["config.toml", "config.toml.contested-3"]
