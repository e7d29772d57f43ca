"""
One realm called ``team``, in Meerkat's files or in the embedded store, for claims that both keep.

Decides where each has the realm's file, and how a person saves into it; claims nothing.
"""

from __future__ import annotations

import os
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import realmconf

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("meerkat", "embedded")
PATIENCE_SECONDS = 20


class Place:
    """A store of one kind in a folder of its own."""

    def __init__(self, kind: str, home: Path) -> None:
        self.kind = kind
        self.home = home
        self.root = home / "realms"
        self.folder = self.root / "team"
        self.config = self.folder / "config.toml"
        self.lock = self.folder / "config_state.lock"
        """Only Meerkat's files have one."""
        self.url = self.at(self.root)
        self._open: list[realmconf.Client] = []

    @property
    def is_meerkat(self) -> bool:
        return self.kind == "meerkat"

    def at(self, root: Path, *, stale_seconds: int = 2) -> str:
        """The URL of the store whose realms are in *root*."""
        if not self.is_meerkat:
            return str(root)
        times = f"lock_seconds=5&stale_seconds={stale_seconds}"
        return f"meerkat://{root}?global={self.home}/user&{times}"

    def connect(self, **options: Any) -> realmconf.Client:
        """A client, closed with the test."""
        client = realmconf.connect(self.url, **options)
        self._open.append(client)
        return client

    def team(self, author: str = "ada", **options: Any) -> realmconf.ConfigRuntime[Any]:
        """The realm, through a client of its own."""
        return self.connect(author=author, **options).realm("team")

    def governed(self, document: dict[str, Any]) -> realmconf.ConfigRuntime[Any]:
        """The realm with *document* in it and Meerkat's schema on it, through a client that has seen both."""
        from realmconf.meerkat.schema import SCHEMA

        realm = self.team()
        realm.set(document)
        realm.set_schema(SCHEMA)
        return realm

    def text(self, realm: realmconf.ConfigRuntime[Any]) -> str:
        """What stands in the realm's file when everything that was written has come there."""
        if not self.is_meerkat:
            realm.publish()
        return self.config.read_text("utf-8")

    def save(self, text: str) -> None:
        """As an editor does: beside it, and then over it."""
        beside = self.folder / "config.toml.new"
        beside.write_text(text, "utf-8")
        os.replace(beside, self.config)

    def told(
        self, realm: realmconf.ConfigRuntime[Any], *codes: str
    ) -> realmconf.ConfigSnapshot[Any]:
        """A reading that is warned of just *codes*: a moment after it was saved, a change is known of everywhere."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        snapshot = realm.get()
        while tuple(warning.code for warning in snapshot.warnings) != codes:
            assert time.monotonic() < deadline, snapshot.warnings
            time.sleep(0.01)
            snapshot = realm.get()
        return snapshot

    def begin(self, text: str) -> realmconf.ConfigRuntime[Any]:
        """The realm with *text* in its file, comments and all."""
        realm = self.team()
        realm.set(tomllib.loads(text))
        before = self.text(realm)
        first = before.splitlines(keepends=True)[0]
        self.save((first if first.startswith("# realmconf") else "") + text)
        assert realm.get().document == tomllib.loads(text)
        return realm

    def names(self) -> set[str]:
        """The files and folders of the realm itself."""
        return set(os.listdir(self.folder))

    def close(self) -> None:
        """Close every client."""
        for client in reversed(self._open):
            client.close()


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place of each kind."""
    found = Place(request.param, tmp_path)
    yield found
    found.close()
