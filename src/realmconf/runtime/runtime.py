"""
``ConfigRuntime``: one realm's verbs, over any store.

Decides nothing about documents (``domain.decide`` does) and nothing about
retries (``outcome`` does): it parses what a caller passes, carries the write to
the store, and turns heads into snapshots.
"""

from __future__ import annotations

from realmconf.domain.diff import changes
from realmconf.domain.document import ABSENT, check_document
from realmconf.domain.frozen import FrozenDict, thaw
from realmconf.domain.record import Record
from realmconf.domain.revision import GENESIS, Policy, intact
from realmconf.domain.write import Append, Delete, SetDocument, SetPolicy, Write
from realmconf.errors import (
    GenerationConflict,
    HistoryCompacted,
    InvalidArgument,
    RealmMoved,
    RevisionNotFound,
    SchemaViolation,
    StoreCorrupt,
    Unsupported,
)
from realmconf.runtime import arguments, commands
from realmconf.runtime.generic import Config
from realmconf.runtime.history import published
from realmconf.runtime.outcome import (
    Request,
    commit,
    identity_of,
    preview,
    refuse_inside_change,
    settle,
)
from realmconf.runtime.snapshot import (
    ConfigEnvelope,
    ConfigResolvedPaths,
    ConfigSnapshot,
    ConfigStoreMetadata,
    EnvelopePolicy,
    Plan,
    Source,
    WriteResult,
    compose,
)
from realmconf.runtime.typed import PLAIN, adapter_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Self, Unpack

    from realmconf.domain import revision as stored
    from realmconf.domain.diff import Change
    from realmconf.domain.document import Absent, Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.write import Command, Edit, Expected
    from realmconf.runtime.arguments import WriteOptions
    from realmconf.runtime.client import Client
    from realmconf.runtime.history import Revision
    from realmconf.runtime.outcome import Answer, Committed, Pending, Void
    from realmconf.runtime.snapshot import WatchedSnapshot
    from realmconf.runtime.typed import Adapter
    from realmconf.runtime.watch import After, Subscription, Watch
    from realmconf.stores.protocol import (
        Applied,
        Head,
        ReadView,
        WorkingCopyState,
        WorkingCopyStore,
    )

ON_INVALID = ("raise", "last_good")
COMPOSITIONS_KEPT = 64
"""Snapshots a handle remembers having given out, so that a model finds the composition it came from."""
CHAIN_PAGE = 256
"""Revisions that ``verify`` reads at once."""


class Verified(Record):
    """What ``verify`` looked at, all of it intact."""

    realm: str
    revisions: int
    generation: int
    """The head's."""


class ConfigRuntime(Source[Config]):
    """
    One realm of a client: reads, writes, history, watching.

    Thread-safe, and cheap to make: it holds no connection of its own.  Every write takes the options of
    ``WriteOptions`` by keyword, returns the head after it, and either is durable on return, or raised a
    typed error and changed nothing, or raised ``OutcomeUnknown``.
    """

    __slots__ = (
        "_adapter",
        "_client",
        "_given",
        "_held",
        "_invalid_call",
        "_known",
        "_last_good",
        "_on_invalid",
        "_proved",
        "_store",
        "realm_id",
    )

    def __init__(
        self,
        client: Client,
        realm_id: RealmName,
        adapter: Adapter[Config],
        *,
        on_invalid: str,
        invalid_call: Callable[[SchemaViolation, ConfigSnapshot[Config]], object] | None,
    ) -> None:
        self.realm_id = realm_id
        self._client = client
        self._store = client.store
        self._adapter = adapter
        self._on_invalid = on_invalid
        self._invalid_call = invalid_call
        self._last_good: tuple[Config] | None = None
        self._known: tuple[Head | None, ConfigSnapshot[Config] | None] = (None, None)
        # One tuple, replaced as a whole: readers in other threads see all of the old or all of the new.
        self._held: tuple[Sequence[int], int, Config | None] = ((), 0, None)
        self._proved: tuple[Sequence[int], int, ConfigSnapshot[Config] | None] = ((), 0, None)
        self._given: dict[int, tuple[ConfigSnapshot[Config], ...]] = {}

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

    # --- reading ---------------------------------------------------------------------

    @property
    def current(self) -> Config:
        """
        The typed configuration, as ``get().config``: proved fresh by one look at memory, where the store can.

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
        snapshot = self.get()
        words, mark, proved = self._proved
        if proved is snapshot:
            self._held = (words, mark, snapshot.config)
        return snapshot.config

    @property
    def current_age(self) -> float:
        """Seconds since ``current`` was proved fresh: 0.0, since this store proves it at every use."""
        return 0.0

    def get(self) -> ConfigSnapshot[Config]:
        """The head: the newest committed state, or a cached snapshot proved unchanged."""
        words, mark, proved = self._proved
        try:
            if words[0] == mark:
                return proved  # type: ignore[return-value]
        except (IndexError, ValueError):
            # The store took the proof back.
            pass
        head = self._store.head(self.realm_id)
        known, snapshot = self._known
        if known is not head or snapshot is None:
            return self.snapshot_of(head)
        # Read again and unchanged: from now on it is worth a proof, which may cost the store a watch.
        proof = self._store.proof(self.realm_id)
        if proof is not None and proof.head is head:
            self._proved = (proof.words, proof.mark, snapshot)
        return snapshot

    def snapshot_of(self, head: Head) -> ConfigSnapshot[Config]:
        """
        The snapshot of *head*, the same one for the same head.

        Raises:
            RealmMoved: The realm lives in another store now.
        """
        known, snapshot = self._known
        if known is head and snapshot is not None:
            return snapshot
        if head.moved_to is not None:
            raise RealmMoved(head.moved_to, realm=self.realm_id)
        snapshot = ConfigSnapshot(self, self.realm_id, head.revision, head.warnings)
        self._known = (head, snapshot)
        self._remember(snapshot)
        return snapshot

    def at(self, generation: int) -> ConfigSnapshot[Config]:
        """
        The realm as it was at *generation*.

        Raises:
            RevisionNotFound: There is no such generation.
            HistoryCompacted: It was there and is gone.
        """
        wanted = arguments.generation(generation, name="generation", limits=self._client.limits)
        if wanted == 0:
            return ConfigSnapshot(self, self.realm_id, None)
        with self._store.view() as view:
            return ConfigSnapshot(self, self.realm_id, view.revision(self.realm_id, wanted))

    def history(self, *, limit: int = 50, before: int | None = None) -> list[Revision]:
        """
        Revisions, newest first, from below generation *before* on.

        Raises:
            LimitExceeded: *limit* is more than a page.
        """
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
        limits = self._client.limits
        first = arguments.generation(before, name="before", limits=limits)
        last = None if after is None else arguments.generation(after, name="after", limits=limits)
        with self._store.view() as view:
            current = view.head(self.realm_id).generation
            documents = [
                self._document_at(view, number)
                for number in (first, current if last is None else last)
            ]
        return changes(documents[0], documents[1])

    def _document_at(self, view: ReadView, generation: int) -> Document | None:
        if generation == 0:
            return None
        revision = view.revision(self.realm_id, generation)
        if revision.purged and revision.document is None:
            raise HistoryCompacted(generation, view.head(self.realm_id).floor, realm=self.realm_id)
        return revision.document

    def verify(self, *, progress: Callable[[int, int], object] | None = None) -> Verified:
        """
        Recompute every digest of the kept history; *progress* is called with revisions done and to do.

        Raises:
            StoreCorrupt: Naming the first revision that is not what was written.
        """
        with self._store.view() as view:
            head = view.head(self.realm_id)
        chain = _Chain(self.realm_id, floor=head.floor)
        position = head.floor - 1
        while position < head.generation:
            with self._store.view() as view:
                page = view.revisions(
                    self.realm_id, after=position, before=head.generation + 1, limit=CHAIN_PAGE
                )
            if not page:
                chain.refuse(head.generation, "is missing")
            for revision in page:
                chain.take(revision)
            position = page[-1].generation
            if progress is not None:
                progress(chain.seen, head.generation - head.floor + 1)
        return Verified(realm=self.realm_id, revisions=chain.seen, generation=head.generation)

    def settle(self, write_id: str, *, timeout: float | None = None) -> Committed | Void | Pending:
        """What became of *write_id*: committed, or void from now on for ever, or not to be told yet."""
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

    @property
    def policy(self) -> Policy:
        """What the realm asks of its writers."""
        record = self.get().record
        return Policy() if record is None else record.policy

    # --- writing ---------------------------------------------------------------------

    def set(self, config: object, **options: Unpack[WriteOptions]) -> WriteResult[Config]:
        """
        Write the whole own document.

        A plain mapping is stored as given.  A model, or a snapshot's ``config``, is compared with the
        composition it came from (``base``, else ``expected``, else the one this handle gave out at
        ``expected_generation``, else the head), and only what differs from that is stored, besides what the
        own document states already.

        Raises:
            InvalidArgument: An envelope of the effective view; or nobody can tell what a model came from.
            InvalidDocument: Not a document, or a model whose absences a document cannot express.
            SchemaViolation: It does not fit this handle's type.
        """
        adapter = self._adapter_of(config)
        if adapter is not None:
            return self._set_model(adapter, config, options)
        if type(config) is FrozenDict and self._adapter is PLAIN and self._gave_out(config):
            return self._set_model(PLAIN, config, options)
        return self._write(commands.set_document(config, limits=self._client.limits), options)

    def set_value(
        self, path: str | Pointer, value: object, **options: Unpack[WriteOptions]
    ) -> WriteResult[Config]:
        """Set the value at one place; missing objects on the way are made."""
        return self._write(commands.set_values({path: value}, limits=self._client.limits), options)

    def unset(self, path: str | Pointer, **options: Unpack[WriteOptions]) -> WriteResult[Config]:
        """Remove what stands at one place; that it is not there is no error."""
        return self._write(commands.unset(path), options)

    def patch(
        self, patch: Mapping[str, Any], **options: Unpack[WriteOptions]
    ) -> WriteResult[Config]:
        """Apply a merge patch (RFC 7396) to the own document."""
        return self._write(commands.merge_patch(patch, limits=self._client.limits), options)

    def json_patch(
        self, operations: Sequence[Mapping[str, Any]], **options: Unpack[WriteOptions]
    ) -> WriteResult[Config]:
        """
        Apply a JSON Patch (RFC 6902) to the own document, all of its operations or none.

        Raises:
            PatchTestFailed: A ``test`` does not hold.
            PatchInapplicable: A place is not there.
        """
        return self._write(commands.json_patch(operations, limits=self._client.limits), options)

    def delete(self, **options: Unpack[WriteOptions]) -> WriteResult[Config]:
        """Append a tombstone: the realm has no document; its numbers go on."""
        return self._write(Delete(), options)

    def rollback(self, to: int, **options: Unpack[WriteOptions]) -> WriteResult[Config]:
        """Append a new revision with the document of generation *to*."""
        return self._write(commands.rollback(to, limits=self._client.limits), options)

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
        the same store is refused.  What it raises is raised here, and nothing was changed.
        """
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

        return self._write_at(changed, options, identity=["update"], groupable=False)

    def set_policy(
        self,
        *,
        require_generation: bool | Absent = ABSENT,
        history_keep: int | Absent | None = ABSENT,
        **options: Unpack[WriteOptions],
    ) -> WriteResult[Config]:
        """Change what the realm asks of its writers; what is not named stays."""
        named: dict[str, object] = {
            "require_generation": require_generation,
            "history_keep": history_keep,
        }
        stated = {name: value for name, value in named.items() if value is not ABSENT}
        if not stated:
            raise InvalidArgument("set_policy takes require_generation or history_keep")
        return self._write(SetPolicy(changes=stated), options)

    # --- watching --------------------------------------------------------------------

    def watch(
        self, after: After = None, *, view: str = "effective", timeout: float | None = None
    ) -> Watch[Config]:
        """
        Every generation after *after* (a snapshot, etag, cursor, or number in the own view), in order, once.

        Without *after*: from now on.  Iterating blocks until the next one; ``close()`` ends it, and so do
        *timeout* seconds without any.  Where generations cannot be told (compacted, another timeline) comes
        one snapshot with ``reset``.
        """
        from realmconf.runtime.watch import Watch, parse_after

        start = parse_after(self.realm_id, after, view=view, limits=self._client.limits)
        silence = None if timeout is None else arguments.timeout_seconds(timeout, default=0.0)
        watch = Watch(self._store, self, self.realm_id, start, view=view, silence_seconds=silence)
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

    def resolve(self, config: object, **options: Unpack[WriteOptions]) -> WriteResult[Config]:
        """Settle a contested or broken working copy: *config* becomes the document, what was set aside goes."""
        store = self._working_copies()
        document = commands.whole_document(config, limits=self._client.limits)
        request = self.request(SetDocument(document=document), options)

        def resolve(judge: Callable[[ReadView], Sequence[Any]]) -> Sequence[Applied]:
            deadline = self._client.deadline(options.get("timeout"))
            return store.resolve(self.realm_id, judge, deadline=deadline)

        applied = commit(
            self._store,
            [request],
            world=self._client.world,
            limits=self._client.limits,
            deadline=self._client.deadline(options.get("timeout")),
            apply=resolve,
        )
        return self.result(request, applied[0])

    def _working_copies(self) -> WorkingCopyStore:
        if not hasattr(self._store, "working_copy"):
            raise Unsupported(f"the store {self._store.info.name} keeps no working copies")
        return self._store  # type: ignore[return-value]

    # --- how a write goes ----------------------------------------------------------------

    def _write(self, command: Command, options: WriteOptions) -> WriteResult[Config]:
        return self._carry_out(
            self.request(command, options), options, groupable=self._adapter is PLAIN
        )

    def _write_at(
        self,
        command_at: Callable[[ReadView], Command],
        options: WriteOptions,
        *,
        identity: object,
        groupable: bool,
    ) -> WriteResult[Config]:
        """Carry out a write whose command depends on the state it is decided on."""
        # Its command is not known before the state is.
        template = self._made(Delete(), options)

        def prepare(view: ReadView) -> Write:
            return template.replace(command=command_at(view))

        request = Request(
            realm=self.realm_id,
            write_id=template.write_id,
            write_id_given=template.write_id_given,
            prepare=prepare,
            identity=lambda: [identity, identity_of(template)],
            check=self._check,
        )
        return self._carry_out(request, options, groupable=groupable)

    def request(self, command: Command, options: WriteOptions) -> Request:
        """A write of *command* on its way."""
        write = self._made(command, options)
        return Request(
            realm=self.realm_id,
            write_id=write.write_id,
            write_id_given=write.write_id_given,
            prepare=lambda _: write,
            identity=lambda: identity_of(write),
            check=self._check,
            write=write,
        )

    def _made(self, command: Command, options: WriteOptions) -> Write:
        arguments.check_names(options)
        client = self._client
        return Write(
            realm=self.realm_id,
            command=command,
            **client.authorship(options),
            **arguments.preconditions(self.realm_id, options, limits=client.limits),
        )

    def _carry_out(
        self, request: Request, options: WriteOptions, *, groupable: bool
    ) -> WriteResult[Config]:
        client = self._client
        deadline = client.deadline(options.get("timeout"))
        if arguments.flag(options.get("dry_run", False), name="dry_run"):
            return self._plan(request)
        done = commit(
            self._store,
            [request],
            world=client.world,
            limits=client.limits,
            deadline=deadline,
            groupable=groupable,
        )
        return self.result(request, done[0])

    def _plan(self, request: Request) -> Plan[Config]:
        refuse_inside_change(self._store)
        judged = preview(
            self._store, [request], world=self._client.world, limits=self._client.limits
        )
        return self.plan(request, judged[0])

    def plan(self, request: Request, judged: Any) -> Plan[Config]:
        """What *request* would have done, from its judgement or the answer its write id got before."""
        from realmconf.runtime.outcome import Answer

        if isinstance(judged, Answer):
            done = self._answered(request, judged)
            return Plan(
                self,
                self.realm_id,
                done.record,
                changed=False,
                rebased_from=None,
                write_id=request.write_id,
                before=None,
            )
        decision = judged.decision
        appended = isinstance(decision, Append)
        return Plan(
            self,
            self.realm_id,
            decision.revision if appended else decision.head,
            changed=appended,
            rebased_from=decision.rebased_from,
            write_id=request.write_id,
            before=None if decision.head is None else decision.head.document,
        )

    def result(self, request: Request, done: Applied | Answer) -> WriteResult[Config]:
        """The result of a write that was applied, or whose write id was known."""
        from realmconf.runtime.outcome import Answer

        if isinstance(done, Answer):
            return self._answered(request, done)
        decision = done.decision
        head = done.head
        before = decision.head
        result = WriteResult(
            self,
            self.realm_id,
            decision.revision if isinstance(decision, Append) else before,
            head.warnings,
            changed=isinstance(decision, Append),
            rebased_from=decision.rebased_from,
            write_id=request.write_id,
            before=None if before is None else before.document,
        )
        self._remember(result)
        return result

    def _answered(self, request: Request, answer: Answer) -> WriteResult[Config]:
        """The first answer again: the revision that the write id made then, whatever came after."""
        record: stored.Revision | None = None
        before: Document | None = None
        if answer.generation:
            with self._store.view() as view:
                record, before = _revision_and_before(view, self.realm_id, answer.generation)
        return WriteResult(
            self,
            self.realm_id,
            record,
            changed=answer.changed,
            rebased_from=None,
            write_id=request.write_id,
            before=before,
        )

    # --- types -----------------------------------------------------------------------

    def typed(self, snapshot: ConfigSnapshot[Config]) -> Config:
        """
        The typed configuration of *snapshot*; with ``on_invalid="last_good"`` the last that fitted.

        Raises:
            SchemaViolation: It does not fit the type, and none has yet.
        """
        try:
            config = self._adapter.load(snapshot.composed)
        except SchemaViolation as found:
            violation = SchemaViolation(found.violations, realm=self.realm_id)
        else:
            self._last_good = (config,)
            return config
        if self._on_invalid == "last_good":
            if self._invalid_call is not None:
                self._invalid_call(violation, snapshot)
            if self._last_good is not None:
                return self._last_good[0]
        raise violation

    def _check(self, decided: Append) -> None:
        """Refuse a document that does not fit this handle's type; a tombstone or a policy is none."""
        revision = decided.revision
        if self._adapter is PLAIN or revision.document is None or revision.kind == "policy":
            return
        try:
            self._adapter.load(compose(self.realm_id, revision.document))
        except SchemaViolation as found:
            raise SchemaViolation(found.violations, realm=self.realm_id) from None

    def store_metadata(self) -> ConfigStoreMetadata:
        """Which store this is."""
        paths = self._store.paths(self.realm_id)
        return ConfigStoreMetadata(
            realm_id=self.realm_id,
            instance_id=self._client.instance_id,
            backend=self._store.info.name,
            resolved_paths=ConfigResolvedPaths(**paths) if paths else None,
        )

    # --- models on their way back --------------------------------------------------------

    def _adapter_of(self, config: object) -> Adapter[Any] | None:
        """What takes *config* apart if it is a model; an untyped handle takes models of any accepted kind."""
        if self._adapter is not PLAIN:
            return self._adapter if self._adapter.is_model(config) else None
        if isinstance(config, (dict, list, str, ConfigEnvelope)) or config is None:
            return None
        try:
            return adapter_for(type(config))
        except InvalidArgument:
            return None

    def _set_model(
        self, adapter: Adapter[Any], model: Any, options: WriteOptions
    ) -> WriteResult[Config]:
        from realmconf.runtime.difference import edit_from

        base = arguments.base(self.realm_id, options)
        expected = arguments.expected(self.realm_id, options, limits=self._client.limits)
        if base is None and expected is not None:
            base = self._given_out(expected)
        if base is not None:
            record = base.record
            return self._write(
                edit_from(
                    adapter, self.realm_id, None if record is None else record.document, model
                ),
                options,
            )

        def edit(view: ReadView) -> Edit:
            document = _document_before(
                view, self.realm_id, None if expected is None else expected.generation
            )
            return edit_from(adapter, self.realm_id, document, model)

        # It runs the caller's own validators, so in the caller's thread and alone.
        return self._write_at(
            edit, options, identity=["set model", adapter.dump(model)], groupable=False
        )

    def _given_out(self, expected: Expected) -> ConfigSnapshot[Config] | None:
        """
        The snapshot this handle gave out at a generation, if any.

        Raises:
            InvalidArgument: It gave out several different ones, and a number does not tell them apart.
        """
        found = self._given.get(expected.generation, ())
        if expected.digest is not None:
            found = tuple(each for each in found if each.digest.startswith(expected.digest))
        if len(found) > 1:
            raise InvalidArgument(
                f"generation {expected.generation} of realm {self.realm_id} has been several different ones: "
                "name the snapshot the model came from as base"
            )
        return found[0] if found else None

    def _gave_out(self, config: object) -> bool:
        given = [snapshot for snapshots in list(self._given.values()) for snapshot in snapshots]
        return any(snapshot.config is config for snapshot in given)

    def _remember(self, snapshot: ConfigSnapshot[Config]) -> None:
        given = self._given
        others = given.get(snapshot.generation)
        if others is not None:
            others = tuple(each for each in others if each.digest != snapshot.digest)
        given[snapshot.generation] = (*others, snapshot) if others else (snapshot,)
        while len(given) > COMPOSITIONS_KEPT:
            # Another thread may have taken the oldest one away already.
            given.pop(next(iter(list(given))), None)


def _document_before(view: ReadView, realm: RealmName, generation: int | None) -> Document | None:
    """The own document at *generation*, or the head's if none was named or that one is gone (a conflict anyway)."""
    head = view.head(realm)
    if generation == 0:
        return None
    if generation is not None and generation != head.generation:
        try:
            return view.revision(realm, generation).document
        except (RevisionNotFound, HistoryCompacted):
            pass
    return None if head.revision is None else head.revision.document


def _revision_and_before(
    view: ReadView, realm: RealmName, generation: int
) -> tuple[stored.Revision, Document | None]:
    try:
        revision = view.revision(realm, generation)
    except HistoryCompacted:
        return _compacted(realm, generation), None
    earlier = view.revisions(realm, before=generation, limit=1, newest_first=True)
    return revision, earlier[0].document if earlier else None


def _compacted(realm: RealmName, generation: int) -> stored.Revision:
    """
    What is left of a revision that compaction removed: its number, which the receipt still has.

    A write that was committed is never answered with an error, however late it is asked about.
    """
    from realmconf.domain.revision import Revision

    return Revision(
        realm=realm,
        generation=generation,
        kind="compacted",
        document=None,
        purged=True,
        author="",
        surface="",
        write_id="",
        created_at="",
        salt="",
        document_digest="",
        previous="",
        digest="",
    )


class _Chain:
    """The digests of one realm's history, checked one after the other."""

    def __init__(self, realm: RealmName, *, floor: int) -> None:
        self._realm = realm
        self._before: stored.Revision | None = None
        self._from_start = floor == 1
        self.seen = 0

    def take(self, revision: stored.Revision) -> None:
        """
        Check that *revision* is what was written and follows the one before.

        Raises:
            StoreCorrupt: It does not.
        """
        if not intact(revision):
            self.refuse(revision.generation, "is not what was written: its digest differs")
        before = self._before
        if before is not None and revision.previous != before.digest:
            self.refuse(
                revision.generation,
                "does not follow the one before it: the chain of digests is broken",
            )
        if (
            before is None
            and self._from_start
            and revision.generation == 1
            and revision.previous != GENESIS
        ):
            self.refuse(revision.generation, "is not the first that was written")
        self._before = revision
        self.seen += 1

    def refuse(self, generation: int, reason: str) -> None:
        raise StoreCorrupt(f"generation {generation} of realm {self._realm} {reason}")
