"""Which realm a process is for, what it is called, and whom the leases of a realm name."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from realmconf import InvalidArgument, InvalidRealm, StoreUnavailable
from realmconf.meerkat import (
    Explicit,
    Isolated,
    Lease,
    RealmSelection,
    WorkspaceDerived,
    explicit_realm,
    instance_name,
    read_leases,
    sanitised,
    select_realm,
    selection_from_dict,
)
from realmconf.runtime.world import World

UUID = "0198f3a2-7c1b-7def-8123-456789abcdef"
LEASE: dict[str, Any] = {
    "realm_id": "team-alpha",
    "instance_id": "server/1",
    "surface": "rkat-rpc",
    "pid": 4711,
    "started_at": 1_772_240_000,
    "heartbeat_at": 1_772_240_100,
}


# --- which realm ------------------------------------------------------------------------------


def test_a_realm_and_an_isolated_one_exclude_each_other() -> None:
    """Both at once are refused, in Meerkat's words."""
    with pytest.raises(InvalidArgument) as refused:
        select_realm(realm="team", isolated=True, otherwise=Isolated())
    assert str(refused.value) == "`--realm` and `--isolated` cannot be used together"


def test_what_is_said_goes_before_what_is_usual() -> None:
    """A named realm, an isolated one, else what the program does usually."""
    usual = WorkspaceDerived(root="/srv/app")
    assert select_realm(realm="team", isolated=False, otherwise=usual) == Explicit(realm_id="team")
    assert select_realm(realm=None, isolated=True, otherwise=usual) == Isolated()
    assert select_realm(realm=None, isolated=False, otherwise=usual) == usual


@pytest.mark.parametrize(
    "realm_id",
    [
        "",
        "a" * 65,
        "-a",
        "_a",
        "a.b",
        "a:b",
        "a b",
        "é",
        "550e8400-e29b-41d4-a716-446655440000",
        "550e8400e29b41d4a716446655440000",
        "urn:uuid:550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_an_id_that_is_none_is_refused_in_meerkats_words(realm_id: str) -> None:
    """``invalid explicit realm id: X``; an id as long as that is cut, and none reaches a terminal raw."""
    with pytest.raises(InvalidRealm) as refused:
        explicit_realm(realm_id)
    assert str(refused.value) == f"invalid explicit realm id: {realm_id}"
    with pytest.raises(InvalidRealm):
        select_realm(realm=realm_id, isolated=False, otherwise=Isolated())
    with pytest.raises(InvalidRealm):
        Explicit(realm_id=realm_id).realm(uuid7=UUID)


def test_an_id_is_never_shown_raw() -> None:
    """Control characters are escaped, and what is endless is cut."""
    with pytest.raises(InvalidRealm) as refused:
        explicit_realm("\x1b[2J" + "x" * 10_000)
    assert "\x1b" not in str(refused.value)
    assert len(str(refused.value)) < 200


def test_a_workspace_has_the_realm_that_meerkat_derives(tmp_path: Path) -> None:
    """``ws-`` and FNV-1a-64 of the canonical path; of the path as given, where there is no such folder."""
    for root, name in (("/srv/app", "ws-148a99b954e2c46f"), ("", "ws-cbf29ce484222325")):
        assert WorkspaceDerived(root=root).realm(uuid7=UUID) == name
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    real, link, dotted = (
        WorkspaceDerived(root=str(path)).realm(uuid7=UUID)
        for path in (tmp_path / "real", tmp_path / "link", tmp_path / "link" / ".." / "real")
    )
    assert real == link == dotted
    missing = (str(tmp_path / "x"), str(tmp_path / "real" / ".." / "x"))
    assert len({WorkspaceDerived(root=path).realm(uuid7=UUID) for path in missing}) == 2


def test_an_isolated_realm_is_named_by_its_time() -> None:
    """``realm-`` and a version 7 UUID, a new one for each start."""
    first, second = (Isolated().realm(uuid7=World().uuid7()) for _ in range(2))
    assert first != second
    assert first.startswith("realm-")
    assert Isolated().realm(uuid7=UUID) == f"realm-{UUID}"


@pytest.mark.parametrize(
    ("selection", "stated"),
    [
        (Explicit(realm_id="team"), {"kind": "explicit", "realm_id": "team"}),
        (Isolated(), {"kind": "isolated"}),
        (WorkspaceDerived(root="/srv/app"), {"kind": "workspace_derived", "root": "/srv/app"}),
    ],
)
def test_a_selection_goes_to_json_and_back(
    selection: RealmSelection, stated: dict[str, str]
) -> None:
    """As Meerkat writes it, by ``kind``; a member that nobody knows is ignored."""
    assert isinstance(selection, RealmSelection)
    assert selection.to_dict() == stated
    assert selection_from_dict({**stated, "more": 1}) == selection


@pytest.mark.parametrize(
    "stated",
    [{}, {"kind": "explicit"}, {"kind": "other"}, {"kind": "workspace_derived", "root": 7}],
)
def test_what_is_no_selection_is_refused(stated: dict[str, Any]) -> None:
    """Half a selection is none, and never a default."""
    with pytest.raises(InvalidArgument):
        selection_from_dict(stated)


@pytest.mark.parametrize(
    ("name", "file"),
    [("team-alpha_1", "team-alpha_1"), ("a.b", "a_b"), ("a/../é 1", "a______1"), ("", "")],
)
def test_a_name_becomes_one_of_a_file(name: str, file: str) -> None:
    """Every character but ASCII letters, digits, ``_`` and ``-`` becomes ``_``."""
    assert sanitised(name) == file


# --- which process ------------------------------------------------------------------------------


def test_an_instance_is_called_as_it_was_told_or_by_its_time() -> None:
    """What ``--instance`` says, else ``instance-`` and a version 7 UUID."""
    assert instance_name("server/1", uuid7=UUID) == "server/1"
    assert instance_name(None, uuid7=UUID) == f"instance-{UUID}"


@pytest.mark.parametrize("given", ["", "a\nb", "\x1b[2J", "x" * 257])
def test_what_names_no_instance_is_refused(given: str) -> None:
    """A name is of one printable line."""
    with pytest.raises(InvalidArgument):
        instance_name(given, uuid7=UUID)


def leases(folder: Path) -> Path:
    place = folder / "leases"
    place.mkdir()
    return place


def test_a_lease_is_read_and_stale_after_thirty_seconds(tmp_path: Path) -> None:
    """Who has a realm's sessions open, and whether they still say so: whole seconds, as Meerkat counts them."""
    (leases(tmp_path) / "server_1.json").write_text(json.dumps({**LEASE, "more": 1}))
    (found,) = read_leases(str(tmp_path))
    assert found.lease == Lease(**LEASE)
    for later, is_stale in ((0, False), (30, False), (30.9, False), (31, True), (-3600, False)):
        assert found.lease.is_stale(LEASE["heartbeat_at"] + later) is is_stale


def test_a_realm_without_leases_has_none(tmp_path: Path) -> None:
    """No folder of leases, or an empty one: nobody."""
    assert read_leases(str(tmp_path)) == ()
    leases(tmp_path)
    assert read_leases(str(tmp_path)) == ()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "null",
        "[" * 100_000,
        json.dumps({**LEASE, "pid": "4711"}),
        json.dumps({**LEASE, "heartbeat_at": -1}),
        json.dumps({**LEASE, "started_at": True}),
        json.dumps({name: value for name, value in LEASE.items() if name != "surface"}),
    ],
)
def test_a_lease_that_nobody_understands_is_told_and_stays(tmp_path: Path, content: str) -> None:
    """It may be of a process that lives: it is neither left out nor removed."""
    path = leases(tmp_path) / "one.json"
    path.write_text(content)
    (found,) = read_leases(str(tmp_path))
    assert (found.path, found.lease) == (str(path), None)
    assert found.fault
    assert path.read_text() == content


def test_what_is_no_lease_is_left_out(tmp_path: Path) -> None:
    """Half-written ones have another ending; a pipe is told of, and waited for by nobody."""
    place = leases(tmp_path)
    (place / ".lease.tmp.1").write_text("{")
    (place / "notes.txt").write_text("{")
    os.mkfifo(place / "pipe.json")
    (found,) = read_leases(str(tmp_path))
    assert found.fault.endswith("is not a file")


def test_leases_that_cannot_be_listed_are_unavailable(tmp_path: Path) -> None:
    """Only "not found" is nobody."""
    (tmp_path / "leases").touch()
    with pytest.raises(StoreUnavailable):
        read_leases(str(tmp_path))
