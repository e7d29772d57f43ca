"""
``Client``: a store, and the verbs that concern more than one realm.

Decides who writes (author, surface) and how long a write may wait; everything
about one realm is ``ConfigRuntime``'s.
"""

from __future__ import annotations

from weakref import WeakSet

from realmconf.domain.names import LIMITS, RealmName, is_system
from realmconf.domain.record import Record
from realmconf.errors import InvalidArgument
from realmconf.runtime import arguments
from realmconf.runtime.adapter import PLAIN
from realmconf.runtime.fitting import ON_INVALID, Fitting
from realmconf.runtime.lineages import Lineages
from realmconf.runtime.locate import locate, locate_store, token_for
from realmconf.runtime.runtime import ConfigRuntime
from realmconf.runtime.world import WORLD
from realmconf.stores.protocol import deciding, is_store
from realmconf.stores.registry import open_store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import timedelta
    from typing import Any, Self, TypeVar, Unpack, overload

    from realmconf.domain.names import Limits
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.scope import Scope
    from realmconf.errors import SchemaViolation
    from realmconf.runtime.adapter import Adapter
    from realmconf.runtime.arguments import WriteOptions
    from realmconf.runtime.history import Revision
    from realmconf.runtime.results import WriteResult
    from realmconf.runtime.snapshot import ConfigSnapshot
    from realmconf.runtime.sources import SecretSources
    from realmconf.runtime.watch import Watch
    from realmconf.runtime.world import World
    from realmconf.stores.protocol import Compaction, RealmEntry, Store, StoreInfo

    Schema = TypeVar("Schema")

TIMEOUT_SECONDS = 10.0
"""How long a write waits for its turn unless told otherwise."""

LISTED_AT_ONCE = 256
"""Realms that are asked of the store together, however few are wanted."""

SURFACES = ("sdk", "cli", "http", "rpc", "mcp", "console", "file")


class Imported(Record):
    """What an import did to one realm: revisions appended, and the generation it ended at."""

    realm: RealmName
    revisions: int
    generation: int


def connect(
    store: str | Store | None = None,
    *,
    author: str | None = None,
    surface: str = "sdk",
    timeout: float = TIMEOUT_SECONDS,
    read_only: bool = False,
    limits: Limits = LIMITS,
    instance_id: str | None = None,
    secrets: SecretSources | None = None,
    sees_secrets: bool = True,
    world: World = WORLD,
) -> Client:
    """
    Open a store by URL or folder; without one, as ``REALMCONF_STORE``, the project or the user's own folder says.

    A *store* that is open already, such as a ``TaggedStore``, is taken as it is, and closed with the client.

    *secrets* says where references lead that this process reveals.  A client that does not *sees_secrets* has
    writes refused that would copy, move or test one; what it reads is for its caller to redact.

    Raises:
        InvalidArgument: No such kind of store; or the file of tokens for servers can be read by others; or an open
            store is to be *read_only*, which was decided when it was opened.
        StoreNotInstalled: It needs an optional package, which the text names.
        StoreError: It cannot be opened; or nothing is there, and it is to be opened *read_only*.
    """
    return Client(
        _opened(store, limits=limits, read_only=arguments.flag(read_only, name="read_only")),
        author=author,
        surface=surface,
        timeout=timeout,
        limits=limits,
        instance_id=instance_id,
        secrets=secrets,
        sees_secrets=arguments.flag(sees_secrets, name="sees_secrets"),
        world=world,
    )


def _opened(store: str | Store | None, *, limits: Limits, read_only: bool) -> Store:
    if is_store(store):
        if read_only:
            raise InvalidArgument(
                "this store is open already: it is for its opener to be read_only"
            )
        return store
    url = locate_store() if store is None else _path(store)
    return open_store(url, limits=limits, read_only=read_only, token_for=token_for)


if TYPE_CHECKING:

    @overload
    def open(  # noqa: A001
        name: str | None = None,
        *,
        store: str | Store | None = None,
        schema: Mapping[str, Any] | None = None,
        on_invalid: str = "raise",
        invalid_call: Callable[[SchemaViolation, ConfigSnapshot[Any]], object] | None = None,
        author: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        read_only: bool = False,
        secrets: SecretSources | None = None,
    ) -> ConfigRuntime[Mapping[str, Any]]: ...
    @overload
    def open(  # noqa: A001
        name: str | None = None,
        *,
        store: str | Store | None = None,
        schema: type[Schema],
        on_invalid: str = "raise",
        invalid_call: Callable[[SchemaViolation, ConfigSnapshot[Any]], object] | None = None,
        author: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        read_only: bool = False,
        secrets: SecretSources | None = None,
    ) -> ConfigRuntime[Schema]: ...


def open(  # noqa: A001 - realmconf.open reads as it should
    name: str | None = None,
    *,
    store: str | Store | None = None,
    schema: Any = None,
    on_invalid: str = "raise",
    invalid_call: Callable[[SchemaViolation, ConfigSnapshot[Any]], object] | None = None,
    author: str | None = None,
    timeout: float = TIMEOUT_SECONDS,
    read_only: bool = False,
    secrets: SecretSources | None = None,
) -> ConfigRuntime[Any]:
    """
    Open a store and one realm of it at once; ``close()`` the realm (or use it as a context manager) to close both.

    What is not named is found as ``connect`` and the command line find it.
    """
    opened = store if is_store(store) else None
    located = locate(store=None if is_store(store) else store, realm=name)
    client = connect(
        opened or located.store,
        author=author,
        timeout=timeout,
        read_only=read_only,
        secrets=secrets,
    )
    try:
        return client.realm(
            located.realm, schema=schema, on_invalid=on_invalid, invalid_call=invalid_call
        )
    except BaseException:
        client.close()
        raise


class Client:
    """
    An open store.  Thread-safe, fork-safe, a context manager; ``close()`` finishes what is pending.
    """

    def __init__(
        self,
        store: Store,
        *,
        author: str | None = None,
        surface: str = "sdk",
        timeout: float = TIMEOUT_SECONDS,
        limits: Limits = LIMITS,
        instance_id: str | None = None,
        secrets: SecretSources | None = None,
        sees_secrets: bool = True,
        scope: Scope | None = None,
        may_read: Callable[[RealmName], bool] | None = None,
        lineages: Lineages | None = None,
        world: World = WORLD,
    ) -> None:
        self.store = store
        self.limits = limits
        self.lineages = Lineages(store, limits=limits) if lineages is None else lineages
        self.world = world
        self.instance_id = instance_id
        self.watches: WeakSet[Watch[Any]] = WeakSet()
        """What ``close`` ends."""
        self._acting: WeakSet[Client] = WeakSet()
        """Whose watches it ends too, since they are on the same store."""
        if author is not None:
            arguments.line(author, name="author", characters_max=limits.author_chars)
        self._author = author
        self._secrets = secrets
        self._sees_secrets = sees_secrets
        self._scope = scope
        self._may_read = may_read
        self._surface = arguments.choice(surface, name="surface", among=SURFACES)
        self._timeout_seconds = arguments.timeout_seconds(timeout, default=TIMEOUT_SECONDS)

    def acting(
        self,
        *,
        author: str | None,
        surface: str,
        sees_secrets: bool,
        scope: Scope | None,
        may_read: Callable[[RealmName], bool] | None,
    ) -> Client:
        """
        A client of the same open store that acts for somebody else: for a server, which has one for each caller.

        *scope* is how far its writes may reach; realms that it *may_read* are those that lists, plans and warnings
        tell it of.  It shares what is cached, and is not to be closed.
        """
        found = Client(
            self.store,
            author=author,
            surface=surface,
            timeout=self._timeout_seconds,
            limits=self.limits,
            instance_id=self.instance_id,
            secrets=self._secrets,
            sees_secrets=sees_secrets,
            scope=scope,
            may_read=may_read,
            lineages=self.lineages,
            world=self.world,
        )
        self._acting.add(found)
        return found

    def may_read(self, realm: RealmName) -> bool:
        """Whether this client's caller may be told of *realm*; of realmconf's own records nobody is."""
        return not is_system(realm) and (self._may_read is None or self._may_read(realm))

    @property
    def scope(self) -> Scope | None:
        """How far this client's writes may reach; None: everywhere."""
        return self._scope

    # --- what it is ----------------------------------------------------------------------

    @property
    def info(self) -> StoreInfo:
        """What this store promises, and where it is weaker."""
        return self.store.info

    @property
    def url(self) -> str:
        """What opens this store again."""
        return self.store.url

    @property
    def secrets(self) -> SecretSources:
        """Where references to secrets lead."""
        if self._secrets is None:
            from realmconf.runtime.sources import default_sources

            self._secrets = default_sources()
        return self._secrets

    def close(self) -> None:
        """End every watch, finish what is pending and release everything. Idempotent."""
        for client in (self, *self._acting):
            for watch in list(client.watches):
                watch.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        # Not the URL: it may hold a password.
        return f"Client({self.store.info.name})"

    # --- realms --------------------------------------------------------------------------

    if TYPE_CHECKING:

        @overload
        def realm(
            self,
            name: str,
            *,
            schema: Mapping[str, Any] | None = None,
            on_invalid: str = "raise",
            invalid_call: Callable[[SchemaViolation, ConfigSnapshot[Any]], object] | None = None,
        ) -> ConfigRuntime[Mapping[str, Any]]: ...
        @overload
        def realm(
            self,
            name: str,
            *,
            schema: type[Schema],
            on_invalid: str = "raise",
            invalid_call: Callable[[SchemaViolation, ConfigSnapshot[Any]], object] | None = None,
        ) -> ConfigRuntime[Schema]: ...

    def realm(
        self,
        name: str,
        *,
        schema: Any = None,
        on_invalid: str = "raise",
        invalid_call: Callable[[SchemaViolation, ConfigSnapshot[Any]], object] | None = None,
    ) -> ConfigRuntime[Any]:
        """
        A handle on the realm *name*, which need not exist yet.

        With a *schema* (a pydantic model, dataclass, TypedDict, msgspec struct, or a JSON Schema as a mapping) its
        configuration has that type, and writes through this handle must fit it.  When the head does not fit,
        reading it raises, or with ``on_invalid="last_good"`` gives the last that did, of which the snapshot warns,
        and *invalid_call* is told.

        Raises:
            InvalidRealm: No realm can have this name.
            InvalidArgument: The schema is none of the accepted kinds.
        """
        arguments.choice(on_invalid, name="on_invalid", among=ON_INVALID)
        realm = RealmName(name)
        adapter = PLAIN if schema is None else _adapter_for(schema)
        fitting = Fitting(realm, adapter, on_invalid=on_invalid, invalid_call=invalid_call)
        return ConfigRuntime(self, realm, fitting)

    def realms(self, *, after: str | None = None, limit: int | None = None) -> list[RealmEntry]:
        """Realms that were ever written, by name, from behind *after* on; deleted ones do not ``exists``."""
        if limit is not None:
            arguments.count(limit, name="limit")
        if after is not None and not isinstance(after, str):
            raise InvalidArgument("after must be a realm's name")
        found: list[RealmEntry] = []
        # Of many realms a caller may be told of few.
        size = None if limit is None else max(limit, LISTED_AT_ONCE)
        with self.store.view() as view:
            while limit is None or len(found) < limit:
                page = view.realms(after=after, limit=size)
                found += [self._as_listed(entry) for entry in page if self.may_read(entry.realm)]
                if size is None or len(page) < size:
                    break
                after = page[-1].realm
        return found[:limit]

    def _as_listed(self, entry: RealmEntry) -> RealmEntry:
        if entry.parent is None or self.may_read(entry.parent):
            return entry
        return entry.replace(parent=None)

    def descendants(self, realm: str) -> list[RealmName]:
        """The live realms that inherit from *realm*, nearly or remotely, by name; from ``global`` all others do."""
        from realmconf.runtime.descendants import descendants

        return descendants(self, RealmName(realm))

    def transaction(
        self, parts: Iterable[tuple[str, Mapping[str, Any]]], **options: Unpack[WriteOptions]
    ) -> list[WriteResult[Mapping[str, Any]]]:
        """
        Write several realms, all or none, under one write id.

        Each part is a realm and a mapping with one verb (``set``, ``set_value``, ``unset``, ``patch``,
        ``json_patch``, ``delete``, ``rollback``) and its preconditions; *options* are the transaction's
        ``message``, ``author``, ``write_id``, ``timeout`` and ``dry_run``.  Results come in the order of the
        parts.
        """
        from realmconf.runtime.transaction import transaction

        return transaction(self, parts, options)

    def rename(
        self, old: str, new: str, **options: Unpack[WriteOptions]
    ) -> WriteResult[Mapping[str, Any]]:
        """
        Give the realm *old*, with its history, the name *new*, which was never written.

        Both names go on counting from the same number, *old* with a tombstone.  Preconditions are on *old*.

        Raises:
            RealmNotFound: *old* has no live document.
            GenerationConflict: *new* has a history of its own.
        """
        from realmconf.runtime.naming import rename

        return rename(self, RealmName(old), RealmName(new), options)

    def copy(
        self, source: str, target: str, **options: Unpack[WriteOptions]
    ) -> WriteResult[Mapping[str, Any]]:
        """
        Write the document and policy of *source* to *target*, which has no live document unless a precondition says so.

        Raises:
            RealmNotFound: *source* has no live document.
            GenerationConflict: *target* has one, or its precondition does not hold.
        """
        from realmconf.runtime.naming import copy

        return copy(self, RealmName(source), RealmName(target), options)

    # --- what is kept ----------------------------------------------------------------------

    def compact(
        self,
        *,
        keep: int | None = None,
        older_than: timedelta | float | None = None,
        realm: str | None = None,
        timeout: float | None = None,
    ) -> list[Compaction]:
        """
        Remove old revisions: all but the newest *keep*, of those older than *older_than* (seconds, or a timedelta).

        With both, a revision goes only if both say so; a realm's policy ``history_keep`` is kept in any case,
        and so is the head.  Without *realm*, all realms.

        Realm by realm, oldest revisions first: after an error some may be gone, and the next call goes on.
        """
        from realmconf.runtime.retention import compact

        name = None if realm is None else RealmName(realm)
        return compact(self, keep=keep, older_than=older_than, realm=name, timeout=timeout)

    def purge(
        self,
        realm: str,
        generation: int,
        *,
        pointer: str | Pointer | None = None,
        timeout: float | None = None,
    ) -> Revision:
        """
        Erase the document of one older generation, or what stands at *pointer* in it, for ever.

        The record stays and the chain of digests stays verifiable.  Copies made before (backups, exports)
        are not reached.

        Raises:
            InvalidArgument: It is the head: write a revision without the value first; or nothing stands there.
        """
        from realmconf.runtime.retention import purge

        return purge(self, RealmName(realm), generation, pointer=pointer, timeout=timeout)

    def backup(self, path: str) -> None:
        """Write a consistent copy of the whole store to *path*, a new file that only its owner can read."""
        self.store.backup(_path(path))

    def restore(
        self,
        path: str,
        *,
        progress: Callable[[int], object] | None = None,
        **options: Unpack[WriteOptions],
    ) -> list[WriteResult[Mapping[str, Any]]]:
        """
        Bring the documents of a backup back, as new revisions above everything that either store knows.

        A realm whose document is the same already is left alone; one that the backup does not know stays.
        Each is a write of its own: after an error some may be restored, and the next call goes on.
        *progress* is called with the number of realms done.
        """
        from realmconf.runtime.transfer import restore

        return restore(self, _path(path), options, progress=progress)

    def export(
        self, *, realms: Iterable[str] | None = None, redacted: bool = False
    ) -> Iterator[str]:
        """
        The kept history as JSON Lines, a header first; *redacted* hides what looks secret (and cannot be imported).
        """
        from realmconf.runtime.transfer import export

        return export(self, realms=realms, redacted=arguments.flag(redacted, name="redacted"))

    def import_(
        self,
        lines: Iterable[str],
        *,
        names: Mapping[str, str] | None = None,
        progress: Callable[[int], object] | None = None,
        **options: Unpack[WriteOptions],
    ) -> list[Imported]:
        """
        Take an export in: the whole history into a realm never written, else its newest document as one revision.

        *names* gives realms other names here.  *progress* is called with the number of revisions read.
        Each revision is a write of its own: after an error those before it are in.

        Raises:
            StoreTooNew: A newer release wrote it.
            InvalidArgument: It is no export, or a redacted one.
        """
        from realmconf.runtime.transfer import import_lines

        return import_lines(
            self, lines, names=dict(names or {}), options=options, progress=progress
        )

    def publish(self) -> None:
        """Render every working copy that is due, now, in this thread; nothing where a store keeps none."""
        publish = getattr(self.store, "publish", None)
        if publish is not None:
            publish(None)

    # --- for the handles ---------------------------------------------------------------------

    def authorship(self, options: WriteOptions) -> dict[str, Any]:
        """The fields of a ``Write`` that say who writes, why, and under which id."""
        limits = self.limits
        author = options.get("author")
        write_id = options.get("write_id")
        message = options.get("message", "")
        if author is not None:
            arguments.line(author, name="author", characters_max=limits.author_chars)
        if write_id is not None:
            arguments.line(write_id, name="write_id", characters_max=limits.write_id_chars)
        if message != "":
            arguments.text(message, name="message", characters_max=limits.message_chars)
        return {
            "author": self._default_author(options) if author is None else author,
            "surface": self._surface,
            "message": message,
            "write_id": self.world.write_id() if write_id is None else write_id,
            "write_id_given": write_id is not None,
            "sees_secrets": self._sees_secrets,
            "scope": self._scope,
        }

    def _default_author(self, options: WriteOptions) -> str:
        if self._author is None:
            store = deciding(self.store)
            if store is not None:
                # A server knows its callers: only what somebody has stated is said besides.
                from realmconf.runtime.locate import stated_author

                deadline = self.deadline(options.get("timeout"))
                self._author = stated_author() or store.caller_name(deadline=deadline) or None
        if self._author is None:
            # Looked up by the first write: a reader needs no name.
            from realmconf.runtime.locate import default_author

            self._author = arguments.line(
                default_author(), name="author", characters_max=self.limits.author_chars
            )
        return self._author

    def deadline(self, timeout: float | None) -> float:
        """When a write that starts now stops waiting."""
        seconds = arguments.timeout_seconds(timeout, default=self._timeout_seconds)
        return self.world.monotonic_seconds() + seconds


def _adapter_for(schema: object) -> Adapter[Any]:
    from realmconf.runtime.typed import adapter_for

    return adapter_for(schema)


def _path(path: Any) -> str:
    from os import fspath

    try:
        found = fspath(path)
    except TypeError:
        raise InvalidArgument(f"a path must be text, not {type(path).__name__}") from None
    if not isinstance(found, str) or not found or "\0" in found:
        raise InvalidArgument("a path must be text and not empty")
    return found
