"""Metadata attached to a store: what readers are told, and that nothing else is different."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any

import pytest

import realmconf
from realmconf import (
    ConfigResolvedPaths,
    ConfigStoreMetadata,
    EnvelopePolicy,
    InvalidArgument,
    InvalidRealm,
    TaggedStore,
)
from realmconf.domain.names import LIMITS, RealmName
from realmconf.runtime.client import Client
from realmconf.stores import protocol
from realmconf.stores.registry import open_store
from realmconf.testing.conformance import ConformanceSuite

if TYPE_CHECKING:
    from pathlib import Path

    from realmconf.stores.protocol import Store

REALM = "team-alpha"
PATHS = ConfigResolvedPaths(
    root="/srv/realms/team-alpha",
    manifest_path="/srv/realms/team-alpha/realm_manifest.json",
    config_path="/srv/realms/team-alpha/config.toml",
    sessions_redb_path="/srv/realms/team-alpha/sessions.redb",
    sessions_jsonl_dir="/srv/realms/team-alpha/sessions_jsonl",
)
TAG = ConfigStoreMetadata(
    realm_id=REALM, instance_id="server-1", backend="redb", resolved_paths=PATHS
)

_names = itertools.count()


def memory() -> Store:
    return open_store("memory://", limits=LIMITS)


class TestTaggedMemoryStore(ConformanceSuite):
    """A tagged store keeps the whole contract of the store inside."""

    @pytest.fixture
    def store_url(self) -> str:
        return f"memory://tagged-{next(_names)}"

    def open(self, url: str) -> Store:
        return TaggedStore(open_store(url, limits=LIMITS), TAG)


class TestTaggedEmbeddedStore(ConformanceSuite):
    """And so does a tagged embedded one, working copies included."""

    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        return str(tmp_path / "root")

    def open(self, url: str) -> Store:
        return TaggedStore(open_store(url, limits=LIMITS), TAG)


def test_snapshots_and_envelopes_carry_the_tag() -> None:
    """What a store is tagged with is in the metadata of its snapshots and in their envelopes, paths where asked for."""
    with realmconf.open(REALM, store=TaggedStore(memory(), TAG)) as realm:
        written = realm.set({"a": 1})
        assert written.metadata == TAG
        public = realm.envelope().to_dict()
        assert public == {
            "config": {"a": 1},
            "generation": 1,
            "realm_id": REALM,
            "instance_id": "server-1",
            "backend": "redb",
            "view": "own",
        }
        diagnostic = realm.envelope(policy=EnvelopePolicy.DIAGNOSTIC).to_dict()
        assert diagnostic["resolved_paths"] == PATHS.to_dict()
        assert list(diagnostic["resolved_paths"]) == [
            "root",
            "manifest_path",
            "config_path",
            "sessions_redb_path",
            "sessions_jsonl_dir",
        ]


def test_what_a_tag_leaves_open_the_store_says(tmp_path: Path) -> None:
    """A field without a value in the tag stays what the store inside says of itself."""
    inner = open_store(str(tmp_path), limits=LIMITS)
    tagged = TaggedStore(inner, ConfigStoreMetadata(instance_id="server-1"))
    with realmconf.connect(tagged) as client:
        metadata = client.realm(REALM).get().metadata
    assert (metadata.realm_id, metadata.instance_id, metadata.backend) == (
        REALM,
        "server-1",
        "embedded",
    )
    assert metadata.resolved_paths is not None
    assert metadata.resolved_paths.config_path == str(tmp_path / REALM / "config.toml")


def test_a_tag_with_a_realm_is_of_that_realm_alone() -> None:
    """Metadata that names a realm says nothing of another realm of the same store."""
    with realmconf.connect(TaggedStore(memory(), TAG), instance_id="mine") as client:
        other = client.realm("team-beta").envelope()
        assert (other.realm_id, other.instance_id, other.backend) == ("team-beta", "mine", "memory")
        assert client.realm(REALM).envelope().instance_id == "server-1"


def test_tags_lie_over_each_other() -> None:
    """A tagged store can be tagged again: the outer tag wins, field by field."""
    outer = TaggedStore(TaggedStore(memory(), TAG), ConfigStoreMetadata(instance_id="outer"))
    found = outer.metadata(RealmName(REALM))
    assert found == TAG.replace(instance_id="outer")


def test_every_question_goes_inside(tmp_path: Path) -> None:
    """Whatever a store offers, in the contract and besides, is offered by it tagged; what it lacks is lacking."""
    for inner in (memory(), open_store(str(tmp_path), limits=LIMITS)):
        tagged = TaggedStore(inner, TAG)
        contract = [name for name in vars(protocol.Store) if not name.startswith("_")]
        assert "apply" in contract
        for name in (*contract, *(name for name in dir(inner) if not name.startswith("_"))):
            assert getattr(tagged, name) == getattr(inner, name), name
        assert not hasattr(tagged, "decide")
        assert hasattr(tagged, "working_copy") == hasattr(inner, "working_copy")
        tagged.close()


def test_a_tagged_store_that_decides_goes_on_deciding() -> None:
    """A server's store decides for itself, tagged or not."""

    class Server:
        def apply(self) -> None: ...
        def view(self) -> None: ...
        def decide(self) -> None: ...

    inner: Any = Server()
    tagged: Any = TaggedStore(inner, ConfigStoreMetadata())
    assert protocol.deciding(tagged) is tagged


@pytest.mark.parametrize(
    ("inner", "metadata", "error"),
    [
        ("memory://", TAG, InvalidArgument),
        (None, TAG, InvalidArgument),
        (memory(), None, InvalidArgument),
        (memory(), {"backend": "redb"}, InvalidArgument),
        (memory(), ConfigStoreMetadata(resolved_paths={"root": "/"}), InvalidArgument),  # type: ignore[arg-type]
        (memory(), ConfigStoreMetadata(realm_id="a.b"), InvalidRealm),
    ],
)
def test_what_is_no_store_or_no_metadata_is_refused(
    inner: Any, metadata: Any, error: type[Exception]
) -> None:
    """A URL is no open store, and a mapping no metadata: typed, at once."""
    with pytest.raises(error):
        TaggedStore(inner, metadata)


def test_an_open_store_cannot_be_made_read_only() -> None:
    """``connect`` takes an open store as it is; whether it may be written was decided when it was opened."""
    with pytest.raises(InvalidArgument, match="open already"):
        realmconf.connect(memory(), read_only=True)


def test_a_tagged_store_copies_and_shows_itself() -> None:
    """Copying one ends, and its repr tells no URL."""
    tagged = TaggedStore(memory(), TAG)
    assert copy.copy(tagged).metadata(RealmName(REALM)) == TAG
    assert repr(tagged) == "TaggedStore(memory)"


def test_a_store_describes_itself_where_it_can() -> None:
    """A store with ``metadata`` is asked for nothing else: of a realm of Meerkat's the backend is its manifest's."""

    class Describing:
        def __init__(self, inner: Store) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

        def metadata(self, realm: RealmName) -> ConfigStoreMetadata:
            return ConfigStoreMetadata(realm_id=realm)

    store: Any = Describing(memory())
    with realmconf.connect(store) as client:
        envelope = client.realm(REALM).envelope().to_dict()
    assert (envelope["backend"], envelope["instance_id"]) == (None, None)


# --- W30 ----------------------------------------------------------------------------------


def test_the_instance_of_an_envelope_is_the_readers_and_the_revision_names_the_writer(
    tmp_path: Path,
) -> None:
    """
    W30: ``instance_id`` says who answers; who made a generation, through what, is in its revision, for every
    generation, whoever reads it.
    """
    inner = open_store(str(tmp_path), limits=LIMITS)
    first = Client(
        TaggedStore(inner, ConfigStoreMetadata(instance_id="instance-a")),
        author="alice",
        surface="http",
    )
    other = open_store(str(tmp_path), limits=LIMITS)
    with (
        first,
        Client(other, author="bob", surface="rpc", instance_id="instance-b") as second,
    ):
        first.realm(REALM).set({"a": 1})
        second.realm(REALM).set({"a": 2})
        made = [("alice", "http"), ("bob", "rpc")]
        for client, instance in ((first, "instance-a"), (second, "instance-b")):
            realm = client.realm(REALM)
            for generation, (author, surface) in enumerate(made, start=1):
                snapshot = realm.at(generation)
                assert snapshot.envelope().instance_id == instance
                assert snapshot.revision is not None
                assert (snapshot.revision.author, snapshot.revision.surface) == (author, surface)
