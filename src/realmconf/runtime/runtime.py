"""
``ConfigRuntime``: one realm's verbs, over any store.

Decides when a cached snapshot is as good as a new one, and which verb is which
command.  Documents are ``domain.decide``'s, requests and results ``writing``'s,
types ``fitting``'s.

A process may do no more than one read, so each verb imports what only it needs.
"""

from __future__ import annotations

import operator

from realmconf.domain.document import ABSENT, check_document
from realmconf.domain.revision import Policy
from realmconf.errors import (
    GenerationConflict,
    HistoryCompacted,
    InvalidArgument,
    RealmMoved,
    Unsupported,
)
from realmconf.runtime import arguments
from realmconf.runtime.envelope import ConfigEnvelope, EnvelopePolicy
from realmconf.runtime.generic import Config, Generic
from realmconf.runtime.origins import Origins
from realmconf.runtime.snapshot import ConfigSnapshot
from realmconf.runtime.source import RealmSource
from realmconf.stores.protocol import far

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any, Self, Unpack

    from realmconf.domain.diff import Change
    from realmconf.domain.document import Absent, Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.write import Command
    from realmconf.runtime.adapter import Adapter
    from realmconf.runtime.arguments import WriteOptions
    from realmconf.runtime.chain import Verified
    from realmconf.runtime.client import Client
    from realmconf.runtime.explaining import Provenance
    from realmconf.runtime.fitting import Fitting
    from realmconf.runtime.follow import After
    from realmconf.runtime.history import Revision
    from realmconf.runtime.lineages import Point
    from realmconf.runtime.outcome import Committed, Pending, Void
    from realmconf.runtime.results import WatchedSnapshot, WriteResult
    from realmconf.runtime.watch import Subscription, Watch
    from realmconf.runtime.writing import Writing
    from realmconf.stores.protocol import ReadView, WorkingCopyState, WorkingCopyStore


class ConfigRuntime(Generic[Config]):
    """
    One realm of a client: reads, writes, history, watching.

    Thread-safe, and cheap to make: it holds no connection of its own.  Every write takes the options of
    ``WriteOptions`` by keyword, returns the head after it, and either is durable on return, or raised a
    typed error and changed nothing, or raised ``OutcomeUnknown``.
    """

    __slots__ = (
        "_client",
        "_fitting",
        "_held",
        "_known",
        "_origins",
        "_proved",
        "_store",
        "_writing",
        "realm_id",
        "source",
    )

    def __init__(self, client: Client, realm_id: RealmName, fitting: Fitting[Config]) -> None:
        self.realm_id = realm_id
        self._client = client
        self._store = client.store
        self._fitting = fitting
        self.source: RealmSource[Config] = RealmSource(client, realm_id, fitting)
        """What the snapshots of this handle ask."""
        self._origins: Origins[Config] = Origins(realm_id)
        self._writing: Writing[Config] | None = None
        # Tuples, replaced as a whole: readers in other threads see all of the old or all of the new.
        self._known: tuple[Point | None, ConfigSnapshot[Config] | None] = (None, None)
        self._held: tuple[Sequence[int], int, Config | None] = ((), 0, None)
        self._proved: tuple[Sequence[int], int, ConfigSnapshot[Config] | None] = ((), 0, None)

    @property
    def client(self) -> Client:
        """The client this handle belongs to."""
        return self._client

    def close(self) -> None:
        """Close the client, and with it every handle of it."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ConfigRuntime({str(self.realm_id)!r})"

    @property
    def writing(self) -> Writing[Config]:
        """How this handle writes; a handle that only reads does not load what deciding takes."""
        if self._writing is None:
            from realmconf.runtime.writing import Writing

            self._writing = Writing(
                self._client, self.realm_id, self.source, self._fitting, self._origins
            )
        return self._writing

    # --- reading ---------------------------------------------------------------------

    @property
    def current(self) -> Config:
        """
        The typed configuration, as ``get().config``: proved fresh by one look at memory, where the store can.

        Of a server or a database it is what was last known here, without asking again; ``current_age`` says since when,
        and from the first use on it tells of changes.

        One object for all who read this generation: of a type that can be changed, change a copy.

        Raises:
            SchemaViolation: It does not fit the type (and there is no last good one to go on with).
        """
        words, mark, config = self._held
        try:
            if words[0] == mark:
                return config  # type: ignore[return-value]
        except (IndexError, ValueError):
            # The store took the proof back.
            pass
        return self._current_anew()

    def _current_anew(self) -> Config:
        store = far(self._store)
        if store is not None:
            known = store.remembered(self.realm_id)
            point = self._client.lineages.point_among(self.realm_id, known.heads)
            config = self.snapshot_of(point).config
            self._held = (known.words, known.mark, config)
            return config
        snapshot = self.get()
        words, mark, proved = self._proved
        if proved is snapshot:
            self._held = (words, mark, snapshot.config)
        return snapshot.config

    @property
    def current_age(self) -> float:
        """Seconds since ``current`` was shown to be the newest: 0.0 where the store proves it at every use."""
        store = far(self._store)
        return 0.0 if store is None else store.remembered_age_seconds(self.realm_id)

    def get(self) -> ConfigSnapshot[Config]:
        """The head: the newest committed state, or a cached snapshot proved unchanged."""
        words, mark, proved = self._proved
        try:
            if words[0] == mark:
                return proved  # type: ignore[return-value]
        except (IndexError, ValueError):
            # The store took the proof back.
            pass
        return self._get_anew()

    def _get_anew(self) -> ConfigSnapshot[Config]:
        known, snapshot = self._known
        if known is not None and snapshot is not None:
            # Read again: from now on it is worth a proof, which may cost the store a watch.
            proof = self._store.proof(known.watched)
            if proof is not None and all(map(operator.is_, proof.heads, known.watched_heads)):
                self._proved = (proof.words, proof.mark, snapshot)
                return snapshot
        return self.snapshot_of(self._client.lineages.point(self.realm_id))

    def snapshot_of(self, point: Point) -> ConfigSnapshot[Config]:
        """
        The snapshot of *point*, the same one for the same point.

        Raises:
            RealmMoved: The realm lives in another store now.
        """
        known, snapshot = self._known
        if known is point and snapshot is not None:
            return snapshot
        head = point.head
        if head.moved_to is not None:
            raise RealmMoved(head.moved_to, realm=self.realm_id)
        snapshot = ConfigSnapshot(
            self.source, self.realm_id, head.revision, head.warnings, point=point
        )
        self._known = (point, snapshot)
        self._origins.remember(snapshot)
        return snapshot

    def at(self, generation: int) -> ConfigSnapshot[Config]:
        """
        The realm as it was at *generation*, with what it inherited then.

        Raises:
            RevisionNotFound: There is no such generation.
            HistoryCompacted: It was there and is gone; raised by ``config`` where only an ancestor's is.  Of one
                that was purged the record is left: the snapshot warns of it, and has no configuration to type.
        """
        wanted = arguments.generation(generation, name="generation", limits=self._client.limits)
        if wanted == 0:
            return ConfigSnapshot(self.source, self.realm_id, None)
        with self._store.view() as view:
            return ConfigSnapshot(self.source, self.realm_id, view.revision(self.realm_id, wanted))

    def history(self, *, limit: int = 50, before: int | None = None) -> list[Revision]:
        """
        Revisions, newest first, from below generation *before* on.

        Raises:
            LimitExceeded: *limit* is more than a page.
        """
        from realmconf.runtime.history import published

        limits = self._client.limits
        arguments.count(limit, name="history_page", maximum=limits.history_page)
        if before is not None:
            arguments.generation(before, name="before", limits=limits)
        with self._store.view() as view:
            found = view.revisions(self.realm_id, before=before, limit=limit, newest_first=True)
        return [published(revision) for revision in found]

    def diff(self, before: int, after: int | None = None) -> tuple[Change, ...]:
        """
        What differs between the own documents of two generations, leaf by leaf; 0 is "no document", None the head.

        Raises:
            RevisionNotFound, HistoryCompacted: One of them is not there, or its document was purged.
        """
        from realmconf.domain.diff import changes
        from realmconf.domain.unread import handed_out

        limits = self._client.limits
        first = arguments.generation(before, name="before", limits=limits)
        last = None if after is None else arguments.generation(after, name="after", limits=limits)
        with self._store.view() as view:
            current = view.head(self.realm_id).generation
            documents = [
                self._document_at(view, number)
                for number in (first, current if last is None else last)
            ]
        return handed_out(changes(documents[0], documents[1]))

    def _document_at(self, view: ReadView, generation: int) -> Document | None:
        if generation == 0:
            return None
        revision = view.revision(self.realm_id, generation)
        if revision.purged and revision.document is None:
            floor = view.head(self.realm_id).floor
            raise HistoryCompacted(generation, floor, realm=self.realm_id, purged=True)
        return revision.document

    def verify(self, *, progress: Callable[[int, int], object] | None = None) -> Verified:
        """
        Recompute every digest of the kept history; *progress* is called with revisions done and to do.

        Raises:
            StoreCorrupt: Naming the first revision that is not what was written.
        """
        from realmconf.runtime.chain import verify

        return verify(self._store, self.realm_id, progress=progress)

    def settle(self, write_id: str, *, timeout: float | None = None) -> Committed | Void | Pending:
        """What became of *write_id*: committed, or void from now on for ever, or not to be told yet."""
        from realmconf.runtime.outcome import settle

        limits = self._client.limits
        identifier = arguments.line(write_id, name="write_id", characters_max=limits.write_id_chars)
        return settle(
            self._store, self.realm_id, identifier, deadline=self._client.deadline(timeout)
        )

    def envelope(
        self, *, policy: EnvelopePolicy = EnvelopePolicy.PUBLIC, view: str = "own"
    ) -> ConfigEnvelope:
        """The wire form of ``get()``."""
        return self.get().envelope(policy=policy, view=view)

    def explain(self, path: str | Pointer = "") -> Provenance:
        """
        Where the value at *path* of the composed configuration comes from: who stated it, when and why; what it
        shadows, and who masks it.

        Of an object, or an array put together from several realms, ``parts`` explains each leaf.  The realm and the
        generation are those that gave the value, not merely the newest.

        Raises:
            ValueNotFound: Nothing stands there, nobody masks it, and no schema has a default for it.
            LineageCycle, LineageTooDeep, ParentNotFound: The realm's parents cannot be used.
        """
        from realmconf.runtime.explaining import explain

        return explain(self._client, self.get().point, arguments.pointer(path))

    @property
    def parent(self) -> RealmName | None:
        """The realm that this one names as its parent; None for none (``global`` is every lineage's tail)."""
        from realmconf.domain.lineage import parent_of

        record = self.get().record
        return None if record is None else parent_of(self.realm_id, record.document)

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The JSON Schema attached to this very realm; None for none. Those of ancestors apply besides."""
        from copy import deepcopy

        record = self.get().record
        if record is None or record.schema_digest is None:
            return None
        return deepcopy(self._client.lineages.schema(record.schema_digest))

    def validate(self, config: object = None) -> tuple[Mapping[str, str], ...]:
        """
        Every violation of the schemas that govern the realm, as ``pointer``, ``keyword`` and ``message``; none: ().

        Judges the composed configuration, with *config* as the own document if it is given: under the parent that
        it names, or where the realm stands now if it says nothing of that.  Changes nothing.

        Raises:
            InvalidDocument: *config* is no document, or says of the realm's place what cannot be.
            LineageCycle, LineageTooDeep, ParentNotFound: The parents cannot be used.
        """
        from realmconf.domain.admit import candidate, violations_of
        from realmconf.domain.lineage import links, standing_as
        from realmconf.runtime import commands

        snapshot = self.get()
        point = snapshot.point
        if config is not None:
            document = commands.whole_document(config, limits=self._client.limits)
            document = standing_as(snapshot.record, self.realm_id, document)
            links(self.realm_id, document)
            if self._client.scope is not None:
                from realmconf.domain.scope import refuse_parent

                refuse_parent(self._client.scope, snapshot.record, document, realm=self.realm_id)
            upcoming = candidate(self.realm_id, snapshot.record, document)
            point = self._client.lineages.instead(point, upcoming)
        return violations_of(point.composed)

    @property
    def policy(self) -> Policy:
        """What the realm asks of its writers."""
        record = self.get().record
        return Policy() if record is None else record.policy

    # --- writing ---------------------------------------------------------------------

    def set(self, config: object, **options: Unpack[WriteOptions]) -> WriteResult[Config]:
        """
        Write the whole own document.

        A plain mapping is stored as given.  A model, a snapshot's ``config``, or a changed copy of that with
        ``base``, is compared with the composition it came from (``base``, else ``expected``, else the one this
        handle gave out at ``expected_generation``, else the head), and only what differs from that is stored,
        besides what the own document states already.

        Raises:
            InvalidArgument: An envelope of the effective view; or nobody can tell what a model came from.
            InvalidDocument: Not a document, or a model whose absences a document cannot express.
            SchemaViolation: It does not fit this handle's type.
        """
        from realmconf.runtime import commands

        adapter = self._fitting.adapter_of(config)
        origin = self._origins.showing(config)
        if (
            adapter is None
            and isinstance(config, dict)
            and (origin is not None or options.get("base") is not None)
        ):
            # Who names what it was made from has changed a copy of the whole of that.
            adapter = self._fitting.adapter_of_mapping()
        if adapter is not None:
            return self._set_model(adapter, config, origin, options)
        return self.writing.carry_out(
            commands.set_document(config, limits=self._client.limits), options
        )

    def _set_model(
        self,
        adapter: Adapter[Any],
        model: Any,
        origin: ConfigSnapshot[Config] | None,
        options: WriteOptions,
    ) -> WriteResult[Config]:
        from realmconf.runtime.difference import edit_from

        realm = self.realm_id
        base = arguments.base(realm, options)
        expected = arguments.expected(realm, options, limits=self._client.limits)
        if base is None and expected is not None:
            base = self._origins.at(expected, showing=origin)
        elif base is None:
            base = origin
        if base is not None:
            edit = edit_from(adapter, base.point.composed, model)
            if expected is None and base is origin and edit.is_empty:
                self._refuse_restoring(origin)
            return self.writing.carry_out(edit, options)
        generation = None if expected is None else expected.generation
        lineages = self._client.lineages
        return self.writing.carry_out_at(
            lambda view: edit_from(
                adapter, lineages.point_at(view, realm, generation).composed, model
            ),
            options,
            identity=["set model", adapter.dump(model)],
            has_seen=True,
        )

    def _refuse_restoring(self, origin: ConfigSnapshot[Config]) -> None:
        """A configuration comes back as it was given out, and the realm has gone on: changes nothing, or all back?"""
        now = self.get()
        if now.digest != origin.digest:
            raise InvalidArgument(
                f"this configuration is that of generation {origin.generation}, unchanged, and realm {self.realm_id} "
                f"is at generation {now.generation}: to bring it back, use rollback, or name the base"
            )

    def set_value(
        self, path: str | Pointer, value: object, **options: Unpack[WriteOptions]
    ) -> WriteResult[Config]:
        """
        Set the value at one place; missing objects on the way are made.

        Of a model is stored what differs from its defaults, as an object.
        """
        from realmconf.runtime import commands

        plain = self._fitting.plain_of(value)
        return self.writing.carry_out(
            commands.set_values({path: plain}, limits=self._client.limits), options
        )

    def unset(self, path: str | Pointer, **options: Unpack[WriteOptions]) -> WriteResult[Config]:
        """Remove what stands at one place; that it is not there is no error."""
        from realmconf.runtime import commands

        return self.writing.carry_out(commands.unset(path), options)

    def patch(
        self, patch: Mapping[str, Any], **options: Unpack[WriteOptions]
    ) -> WriteResult[Config]:
        """Apply a merge patch (RFC 7396) to the own document."""
        from realmconf.runtime import commands

        return self.writing.carry_out(
            commands.merge_patch(patch, limits=self._client.limits), options
        )

    def json_patch(
        self, operations: Sequence[Mapping[str, Any]], **options: Unpack[WriteOptions]
    ) -> WriteResult[Config]:
        """
        Apply a JSON Patch (RFC 6902) to the own document, all of its operations or none.

        Raises:
            PatchTestFailed: A ``test`` does not hold.
            PatchInapplicable: A place is not there.
        """
        from realmconf.runtime import commands

        return self.writing.carry_out(
            commands.json_patch(operations, limits=self._client.limits), options
        )

    def delete(self, **options: Unpack[WriteOptions]) -> WriteResult[Config]:
        """Append a tombstone: the realm has no document; its numbers go on."""
        from realmconf.domain.write import Delete

        return self.writing.carry_out(Delete(), options)

    def rollback(self, to: int, **options: Unpack[WriteOptions]) -> WriteResult[Config]:
        """Append a new revision with the document of generation *to*."""
        from realmconf.runtime import commands

        return self.writing.carry_out(commands.rollback(to, limits=self._client.limits), options)

    def update(
        self,
        change: Callable[[dict[str, Any]], object],
        *,
        attempts_max: int = 100,
        **options: Unpack[WriteOptions],
    ) -> WriteResult[Config]:
        """
        Change the own document of the head: *change* gets a plain copy and mutates it, or returns a new one.

        It runs inside the store's turn where there is one, so no other writer comes between; elsewhere it is
        called again after a lost race, at most *attempts_max* times.  Inside it, reads are fine; a write to
        the same store is refused.  What it raises is raised here, and nothing was changed.  It has seen the
        head, so a policy that asks for a generation is content.
        """
        from realmconf.domain.frozen import thaw
        from realmconf.domain.write import SetDocument

        arguments.count(attempts_max, name="attempts_max")
        if not callable(change):
            raise InvalidArgument("update takes a function")
        limits = self._client.limits
        calls = 0

        def changed(view: ReadView) -> Command:
            nonlocal calls
            calls += 1
            head = view.head(self.realm_id)
            if calls > attempts_max:
                raise GenerationConflict(
                    head.generation,
                    head.generation,
                    realm=self.realm_id,
                    reason="other writers came first every time",
                )
            document = None if head.revision is None else head.revision.document
            draft = {} if document is None else thaw(document)
            returned = change(draft)
            return SetDocument(
                document=check_document(draft if returned is None else returned, limits=limits)
            )

        return self.writing.carry_out_at(
            changed, options, identity=["update"], expects_head=True, has_seen=True
        )

    def set_policy(
        self,
        *,
        require_generation: bool | Absent = ABSENT,
        history_keep: int | Absent | None = ABSENT,
        **options: Unpack[WriteOptions],
    ) -> WriteResult[Config]:
        """Change what the realm asks of its writers; what is not named stays."""
        from realmconf.domain.write import SetPolicy

        named: dict[str, object] = {
            "require_generation": require_generation,
            "history_keep": history_keep,
        }
        stated = {name: value for name, value in named.items() if value is not ABSENT}
        if not stated:
            raise InvalidArgument("set_policy takes require_generation or history_keep")
        return self.writing.carry_out(SetPolicy(changes=stated), options)

    def set_parent(
        self, parent: str | None, **options: Unpack[WriteOptions]
    ) -> WriteResult[Config]:
        """
        Let the realm inherit from *parent*; from nobody but ``global``, if None.

        Raises:
            ParentNotFound, LineageCycle, LineageTooDeep: It cannot be a parent of this realm.
        """
        from realmconf.domain.lineage import SECTION
        from realmconf.domain.names import RealmName as Name
        from realmconf.domain.pointer import Pointer
        from realmconf.runtime import commands
        from realmconf.runtime.commands import without_parent

        place = Pointer((SECTION, self.realm_id, "parent"))
        if parent is None:
            return self.writing.carry_out_at(
                lambda view: without_parent(view.head(self.realm_id)),
                options,
                identity=["unset parent"],
            )
        named = {place: str(Name(parent))}
        return self.writing.carry_out(
            commands.set_values(named, limits=self._client.limits), options
        )

    def set_schema(
        self,
        schema: object,
        *,
        patch: Mapping[str, Any] | None = None,
        **options: Unpack[WriteOptions],
    ) -> WriteResult[Config]:
        """
        Attach a JSON Schema (draft 2020-12, without remote references), or one made from a type, to the realm.

        It applies from now on to every write to the realm and its descendants, on the composed configuration.
        *patch*, a merge patch, migrates the own document in the same revision.

        Raises:
            InvalidDocument: It is no such schema.
            SchemaViolation: The configuration, migrated, does not fit it.
        """
        from realmconf.runtime import commands

        command = commands.set_schema(schema, patch, limits=self._client.limits)
        return self.writing.carry_out(command, options)

    def unset_schema(self, **options: Unpack[WriteOptions]) -> WriteResult[Config]:
        """Take the realm's own schema away; what it called secret stays secret."""
        from realmconf.domain.write import SetSchema

        return self.writing.carry_out(SetSchema(digest=None), options)

    def publish_schema(
        self, *, patch: Mapping[str, Any] | None = None, **options: Unpack[WriteOptions]
    ) -> WriteResult[Config]:
        """
        Attach the schema of this handle's own type; see ``set_schema``.

        Raises:
            InvalidArgument: The handle has no type.
        """
        return self.set_schema(self._fitting.schema(), patch=patch, **options)

    # --- watching --------------------------------------------------------------------

    def watch(
        self, after: After = None, *, view: str = "effective", timeout: float | None = None
    ) -> Watch[Config]:
        """
        Every generation after *after* (a snapshot, etag, cursor, or number in the own view), in order, once.

        In the effective view also those of everybody the realm inherits from, each commit as one step with the
        ``changes`` of the composed configuration.  Without *after*: from now on.  Iterating blocks until the next
        one; ``close()`` ends it, and so do *timeout* seconds without any.  Where generations cannot be told
        (compacted, another timeline) comes one snapshot with ``reset``.
        """
        from realmconf.runtime.follow import parse_after
        from realmconf.runtime.watch import Watch

        start = parse_after(self.realm_id, after, view=view, limits=self._client.limits)
        silence = None if timeout is None else arguments.timeout_seconds(timeout, default=0.0)
        watch = Watch(
            self._client, self.source, self.realm_id, start, view=view, silence_seconds=silence
        )
        self._client.watches.add(watch)
        return watch

    def on_change(
        self,
        callback: Callable[[WatchedSnapshot[Config]], object],
        *,
        pointer: str | Pointer = "",
        after: After = None,
        view: str = "effective",
    ) -> Subscription[Config]:
        """
        Call *callback* with a snapshot for every generation from now on that changed something at *pointer*.

        It is called on a thread of its own, one call at a time; what it raises is logged.  ``cancel()`` the
        handle to end it.  A child process does not inherit the thread: call this again after a fork.
        """
        from realmconf.runtime.watch import Subscription

        place = arguments.pointer(pointer)
        return Subscription(self.watch(after, view=view), callback, pointer=place)

    # --- the working copy --------------------------------------------------------------

    def working_copy(self) -> WorkingCopyState:
        """
        What the realm's ``config.toml`` means now; changes nothing.

        Raises:
            Unsupported: This store keeps no working copies.
        """
        return self._working_copies().working_copy(self.realm_id)

    def publish(self) -> None:
        """Render the working copy now, if one is due. Never raises for a failed rendering: see ``working_copy``."""
        self._working_copies().publish(self.realm_id)

    def restyle(self, text: str, *, timeout: float | None = None) -> None:
        """
        Let the working copy have the comments and layout of *text* from now on; its values stay those of the head.

        Raises:
            Unsupported: This store keeps no working copies.
        """
        store = self._working_copies()
        store.restyle(self.realm_id, text, deadline=self._client.deadline(timeout))

    def resolve(
        self,
        config: object,
        *,
        shown: Collection[str] | None = None,
        **options: Unpack[WriteOptions],
    ) -> WriteResult[Config]:
        """
        Settle a contested or broken working copy: *config* becomes the document, what was set aside goes.

        With *shown*, that of the ``working_copy()`` that somebody decided on, exactly what they saw is settled;
        an edit that was saved since stays, and is told of.
        """
        from realmconf.domain.write import SetDocument
        from realmconf.runtime import commands

        store = self._working_copies()
        document = commands.whole_document(config, limits=self._client.limits)
        return self.writing.run(
            self.writing.request(SetDocument(document=document), options),
            options,
            groupable=False,
            apply=lambda judge, deadline: store.resolve(
                self.realm_id, judge, deadline=deadline, shown=shown
            ),
        )

    def _working_copies(self) -> WorkingCopyStore:
        if not hasattr(self._store, "working_copy"):
            from realmconf.runtime.server import server_of

            server = server_of(self._store)
            if server is not None:
                raise Unsupported(
                    f"{server} is a server, whose working copies are on its own machine: there is none here"
                )
            raise Unsupported(f"the store {self._store.info.name} keeps no working copies")
        return self._store  # type: ignore[return-value]
