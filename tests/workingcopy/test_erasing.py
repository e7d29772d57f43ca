"""What a purge and a compaction remove from the record is gone from what the working copies keep as well (G11)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.workingcopy.editors import KeptDescriptor

import realmconf

SECRET = "correct-horse-battery-staple"


@pytest.fixture
def client(tmp_path):
    with realmconf.connect(str(tmp_path)) as client:
        yield client


def files_with(root: Path, text: str) -> list[str]:
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    )


def remembered(root: Path, what: str) -> list[Any]:
    connection = apsw.Connection(str(root / ".store" / "realmconf.db"))
    try:
        return [value for (value,) in connection.execute(f"SELECT {what}")]
    finally:
        connection.close()


@pytest.mark.parametrize("rendered", [True, False], ids=["rendered", "not-rendered"])
@pytest.mark.parametrize("deleted", [False, True], ids=["written", "deleted"])
def test_purged_text_is_nowhere(tmp_path, rendered: bool, deleted: bool):
    """A purged secret is in no file of the root, whether or not the file was rendered anew before."""
    with realmconf.connect(str(tmp_path)) as client:
        realm = client.realm("team")
        realm.set({"password": SECRET, "a": 1})
        realm.publish()
        if deleted:
            realm.delete()
        else:
            realm.set({"a": 2})
        if rendered:
            realm.publish()
        client.purge("team", 1)
        realm.publish()
        assert realm.get().document == (None if deleted else {"a": 2})
        assert [one.kind for one in realm.history()] == ["delete" if deleted else "set", "set"]
    assert files_with(tmp_path, SECRET) == []
    assert remembered(tmp_path, "generation FROM working_copy_text WHERE generation = 1") == []


def test_purged_text_that_somebody_has_open(client, tmp_path):
    """A text that somebody has open while it is purged never comes back as an edit, and is gone once they close it."""
    realm = client.realm("team")
    realm.set({"password": SECRET, "a": 1})
    realm.publish()
    reader = KeptDescriptor(str(tmp_path / "team" / "config.toml"), writable=False)
    realm.set({"a": 2})
    realm.publish()
    client.purge("team", 1)
    assert realm.get().document == {"a": 2}
    reader.close()
    realm.publish()
    realm.patch({"b": 1})
    realm.publish()
    assert realm.get().document == {"a": 2, "b": 1}
    assert [one.kind for one in realm.history()] == ["patch", "set", "set"]
    client.close()
    assert files_with(tmp_path, SECRET) == []


def test_purged_text_that_stands_in_a_file_being_saved(client, tmp_path):
    """A file that somebody is at while its generation is purged is overwritten when it is rendered over."""
    realm = client.realm("team")
    realm.set({"password": SECRET, "a": 1})
    realm.publish()
    path = tmp_path / "team" / "config.toml"
    descriptor = os.open(path, os.O_RDWR)
    realm.set({"a": 2})
    client.purge("team", 1)
    assert SECRET in path.read_text()
    os.close(descriptor)
    realm.publish()
    assert realm.get().document == {"a": 2}
    assert SECRET not in path.read_text()
    client.close()
    assert files_with(tmp_path, SECRET) == []


def test_compaction_forgets_the_texts_it_removes(tmp_path):
    """What the texts of removed revisions were is forgotten with them: the record does not grow without end."""
    with realmconf.connect(str(tmp_path)) as client:
        realm = client.realm("team")
        for value in range(4):
            realm.set({"a": value})
            realm.publish()
        client.compact(keep=1)
    assert remembered(tmp_path, "generation FROM working_copy_text") == [4]
