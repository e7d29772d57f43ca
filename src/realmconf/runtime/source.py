"""
What a snapshot asks for when it is first looked at: of the handle that made it, or of what is left of that.

Decides who answers; typing is ``fitting``'s, composing ``lineages``', and what a write means for others
``descendants``'.
"""

from __future__ import annotations

import operator

from realmconf.domain.document import ABSENT
from realmconf.domain.withheld import refuse_withheld
from realmconf.errors import InvalidArgument, ValueNotFound
from realmconf.runtime.generic import Config, Generic
from realmconf.stores.protocol import description

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from realmconf.domain import revision as stored
    from realmconf.domain.metadata import ConfigStoreMetadata
    from realmconf.domain.names import RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.errors import RealmconfError
    from realmconf.runtime.client import Client
    from realmconf.runtime.fitting import Fitting
    from realmconf.runtime.lineages import Point
    from realmconf.runtime.results import WatchedSnapshot, WriteResult
    from realmconf.runtime.snapshot import ConfigSnapshot
    from realmconf.runtime.sources import Secret, SecretSources
    from realmconf.stores.protocol import Notice


class Source(Generic[Config]):
    """What a snapshot asks for when its configuration is first used: the handle that made it."""

    __slots__ = ()

    def shared(
        self, step: tuple[object, ...], make: Callable[[], WatchedSnapshot[Config]]
    ) -> WatchedSnapshot[Config]:
        """The snapshot of a *step* of a watch, the same one for all watchers of this handle."""
        raise NotImplementedError

    @property
    def is_lenient(self) -> bool:
        """Whether a configuration that does not fit is stood in for, which the snapshot then warns of."""
        return False

    def typed(self, snapshot: ConfigSnapshot[Config]) -> Config:
        """The typed configuration of *snapshot*."""
        raise NotImplementedError

    def point_then(self, snapshot: ConfigSnapshot[Config]) -> Point:
        """The realm and those it inherits from, as they stood when *snapshot*'s revision was committed."""
        raise NotImplementedError

    def instead(self, point: Point, record: stored.Revision | None) -> Point:
        """*point*, had the realm stood at *record*."""
        raise NotImplementedError

    def aftermath(self, result: WriteResult[Config]) -> tuple[Notice, ...]:
        """What a write means for those who inherit the realm."""
        return ()

    def descendants_changed(self, result: WriteResult[Config]) -> tuple[RealmName, ...]:
        """Those whose composed configuration a write changes."""
        return ()

    def secret_at(self, snapshot: ConfigSnapshot[Config], pointer: Pointer) -> Secret:
        """The value at one place of the composed configuration, as a secret."""
        raise NotImplementedError

    def store_metadata(self) -> ConfigStoreMetadata:
        """Which store this is."""
        raise NotImplementedError


class Detached(Source[Config]):
    """What is left of a handle in a snapshot that was sent to another process."""

    __slots__ = ("_config", "_failure", "_metadata")

    def __init__(
        self, config: Config, metadata: ConfigStoreMetadata, failure: RealmconfError | None = None
    ) -> None:
        self._config = config
        self._metadata = metadata
        self._failure = failure
        """Why there was no configuration, and is none here."""

    def typed(self, snapshot: ConfigSnapshot[Config]) -> Config:
        """As it was."""
        if self._failure is not None:
            raise self._failure
        return self._config

    def store_metadata(self) -> ConfigStoreMetadata:
        """As it was."""
        return self._metadata

    def point_then(self, snapshot: ConfigSnapshot[Config]) -> Point:
        """Of no use elsewhere: it belongs to an open store."""
        if self._failure is not None:
            raise self._failure
        raise InvalidArgument(
            "this snapshot was sent from another process: it says what it said there, and nothing is made from it; "
            "read again, or pass its etag or cursor on"
        )

    def instead(self, point: Point, record: stored.Revision | None) -> Point:
        """As ``point_then``."""
        raise InvalidArgument(
            "a result that was sent from another process knows its own changes only"
        )

    def secret_at(self, snapshot: ConfigSnapshot[Config], pointer: Pointer) -> Secret:
        """As it was, revealed with the sources of this process."""
        return _secret(snapshot, pointer, None)


class RealmSource(Source[Config]):
    """What the handle of one realm answers."""

    __slots__ = ("_client", "_delivered", "_fitting", "_realm")

    def __init__(self, client: Client, realm: RealmName, fitting: Fitting[Config]) -> None:
        self._client = client
        self._realm = realm
        self._fitting = fitting
        self._delivered: tuple[tuple[object, ...], WatchedSnapshot[Config]] | None = None

    @property
    def is_lenient(self) -> bool:
        """Whether this handle goes on with the last configuration that fitted."""
        return self._fitting.is_lenient

    def typed(self, snapshot: ConfigSnapshot[Config]) -> Config:
        """The typed configuration of *snapshot*."""
        if self._fitting.is_plain:
            return self._fitting.load(snapshot)
        with self._client.secrets.bound():
            # Whatever hides a reference in it reveals it as this client would.
            return self._fitting.load(snapshot)

    def shared(
        self, step: tuple[object, ...], make: Callable[[], WatchedSnapshot[Config]]
    ) -> WatchedSnapshot[Config]:
        """The snapshot of a *step* of a watch: a handle with a thousand watchers types a configuration once."""
        last = self._delivered
        if last is not None and all(map(operator.is_, last[0], step)):
            return last[1]
        snapshot = make()
        self._delivered = (step, snapshot)
        return snapshot

    def point_then(self, snapshot: ConfigSnapshot[Config]) -> Point:
        """The realm and those it inherits from, as they stood when *snapshot*'s revision was committed."""
        lineages = self._client.lineages
        if snapshot.record is None:
            return lineages.never(self._realm)
        with self._client.store.view() as view:
            position = view.position(self._realm, snapshot.generation)
            return lineages.then(view, self._realm, position)

    def instead(self, point: Point, record: stored.Revision | None) -> Point:
        """*point*, had the realm stood at *record*."""
        return self._client.lineages.instead(point, record)

    def aftermath(self, result: WriteResult[Config]) -> tuple[Notice, ...]:
        """What a write means for those who inherit the realm."""
        from realmconf.runtime.descendants import aftermath

        return aftermath(self._client, result)

    def descendants_changed(self, result: WriteResult[Config]) -> tuple[RealmName, ...]:
        """Those whose composed configuration a write changes."""
        from realmconf.runtime.descendants import changed_by

        return changed_by(self._client, result)

    def secret_at(self, snapshot: ConfigSnapshot[Config], pointer: Pointer) -> Secret:
        """The value at one place of the composed configuration, as a secret."""
        return _secret(snapshot, pointer, self._client.secrets)

    def store_metadata(self) -> ConfigStoreMetadata:
        """Which store this is."""
        found = description(self._client.store, self._realm)
        if found.instance_id is None:
            return found.replace(instance_id=self._client.instance_id)
        return found


def _secret(
    snapshot: ConfigSnapshot[Any], pointer: Pointer, sources: SecretSources | None
) -> Secret:
    from realmconf.runtime.sources import Secret

    value = pointer.resolve(snapshot.composed)
    if value is ABSENT:
        raise ValueNotFound(
            realm=snapshot.realm_id, pointer=str(pointer), generation=snapshot.generation
        )
    refuse_withheld(value)
    if not isinstance(value, str):
        raise InvalidArgument(
            f"what stands at {pointer} is no text, and no secret can be had of it"
        )
    return Secret(value, sources=sources)
