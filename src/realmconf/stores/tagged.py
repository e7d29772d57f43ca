"""
Metadata attached to any store, as Meerkat's tagged store attaches it.

Decides what readers are told of where a configuration comes from, and nothing else: every other question goes to the
store inside, whatever that can do.
"""

from __future__ import annotations

from realmconf.domain.metadata import ConfigResolvedPaths, ConfigStoreMetadata
from realmconf.domain.names import RealmName
from realmconf.errors import InvalidArgument
from realmconf.stores.protocol import description, is_store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.stores.protocol import Store


class TaggedStore:
    """
    *inner*, whose snapshots and envelopes carry *metadata*.

    A field of *metadata* that is None stays what *inner* says of itself.  Metadata that names a realm is that realm's
    alone; without ``realm_id`` it is every realm's.  Closing it closes *inner*, which may go on being used directly
    as long as both are open.

    Raises:
        InvalidArgument: *inner* is no store (``Client.store`` is one), or *metadata* no ``ConfigStoreMetadata``.
        InvalidRealm: No realm can have the name in it.
    """

    __slots__ = ("__weakref__", "_inner", "_tag")

    def __init__(self, inner: Store, metadata: ConfigStoreMetadata) -> None:
        if not is_store(inner):
            raise InvalidArgument("what is tagged is an open store, as Client.store is one")
        if not isinstance(metadata, ConfigStoreMetadata):
            raise InvalidArgument("metadata must be a ConfigStoreMetadata")
        if not isinstance(metadata.resolved_paths, ConfigResolvedPaths | None):
            raise InvalidArgument("resolved_paths must be ConfigResolvedPaths")
        if metadata.realm_id is not None:
            RealmName(metadata.realm_id)
        self._inner = inner
        self._tag = metadata

    if TYPE_CHECKING:
        info = Store.info
        url = Store.url
        head = Store.head
        peek = Store.peek
        proof = Store.proof
        request_key = Store.request_key
        paths = Store.paths
        view = Store.view
        apply = Store.apply
        void = Store.void
        signal = Store.signal
        rename = Store.rename
        compact = Store.compact
        purge = Store.purge
        backup = Store.backup
        revisions_in = Store.revisions_in
        schemas_in = Store.schemas_in
        close = Store.close

    def __getattr__(self, name: str) -> object:
        if name.startswith("_"):
            # Asked of an object without fields, as copying makes one, this would never end.
            raise AttributeError(name)
        return getattr(self._inner, name)

    def metadata(self, realm: RealmName) -> ConfigStoreMetadata:
        """What readers of *realm* are told: the tag, over what the store inside says."""
        found = description(self._inner, realm)
        if self._tag.realm_id not in (None, realm):
            return found
        stated = {name: getattr(self._tag, name) for name in self._tag.__fields__}
        return found.replace(**{name: value for name, value in stated.items() if value is not None})

    def __repr__(self) -> str:
        # Not the URL: it may hold a password.
        return f"TaggedStore({self.info.name})"
