"""
How a verb becomes a write, and what came of it a result.

Decides the form of requests and results of one realm; whether a write may happen
is for ``domain.decide``, and how often it is tried for ``outcome``.
"""

from __future__ import annotations

from realmconf.domain.scope import refuse_command
from realmconf.domain.write import Append, Delete, Expected, Write
from realmconf.errors import HistoryCompacted, OutcomeUnknown, RealmconfError
from realmconf.runtime import arguments
from realmconf.runtime.generic import Config, Generic
from realmconf.runtime.outcome import (
    Answer,
    Done,
    Judged,
    Request,
    commit,
    identity_of,
    preview,
    refuse_inside_change,
    request_of,
)
from realmconf.runtime.results import Plan, WriteResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.domain.write import Command
    from realmconf.runtime.arguments import WriteOptions
    from realmconf.runtime.client import Client
    from realmconf.runtime.fitting import Fitting
    from realmconf.runtime.lineages import Point
    from realmconf.runtime.origins import Origins
    from realmconf.runtime.outcome import Judge
    from realmconf.runtime.source import Source
    from realmconf.stores.protocol import Applied, Notice, ReadView


class Writing(Generic[Config]):
    """The writes of one handle."""

    __slots__ = ("_client", "_fitting", "_origins", "_realm", "_source")

    def __init__(
        self,
        client: Client,
        realm: RealmName,
        source: Source[Config],
        fitting: Fitting[Config],
        origins: Origins[Config],
    ) -> None:
        self._client = client
        self._realm = realm
        self._source = source
        self._fitting = fitting
        self._origins = origins

    # --- requests ------------------------------------------------------------------------

    def carry_out(self, command: Command, options: WriteOptions) -> WriteResult[Config]:
        """Write *command*; what a type's validators do is done in the caller's thread, and alone."""
        return self.run(self.request(command, options), options, groupable=self._fitting.is_plain)

    def carry_out_at(
        self,
        command_at: Callable[[ReadView], Command],
        options: WriteOptions,
        *,
        identity: object,
        expects_head: bool = False,
        has_seen: bool = False,
    ) -> WriteResult[Config]:
        """
        Write what *command_at*, the caller's own code, makes of the state it is decided on.

        With *expects_head* that state is also what the write was made against, unless *options* say otherwise.
        Who *has_seen* it was handed all that is stored there in this process, so that nothing is a guess.
        """
        # The command stands in for one that is not known before the state is.
        template = self._write(Delete(), options)
        if has_seen:
            template = template.replace(sees_secrets=True)

        def prepare(view: ReadView) -> Write:
            write = template.replace(command=command_at(view))
            if not expects_head or write.expected is not None:
                return write
            return write.replace(expected=Expected(generation=view.head(self._realm).generation))

        request = Request(
            realm=self._realm,
            write_id=template.write_id,
            write_id_given=template.write_id_given,
            author=template.author,
            prepare=prepare,
            identity=lambda: [identity, identity_of(template)],
            check=self._check,
        )
        return self.run(request, options, groupable=False)

    def request(self, command: Command, options: WriteOptions) -> Request:
        """A write of *command* on its way."""
        return request_of(self._write(command, options), check=self._check)

    @property
    def _check(self) -> Callable[[Append, Point], None] | None:
        """What refuses a document that does not fit this handle's type, if it has one."""
        return None if self._fitting.is_plain else self._fitting.check

    def _write(self, command: Command, options: WriteOptions) -> Write:
        arguments.check_names(options)
        client = self._client
        if client.scope is not None:
            # Refused before anything is asked of the store, its memory of write ids included.
            refuse_command(client.scope, command, realm=self._realm)
        return Write(
            realm=self._realm,
            command=command,
            **client.authorship(options),
            **arguments.preconditions(self._realm, options, limits=client.limits),
        )

    def run(
        self,
        request: Request,
        options: WriteOptions,
        *,
        groupable: bool,
        apply: Callable[[Judge, float], Sequence[Applied]] | None = None,
    ) -> WriteResult[Config]:
        """
        Commit *request*, or plan it for a dry run.

        *apply* (a judgement, a deadline) stands in for the store's own.
        """
        client = self._client
        deadline = client.deadline(options.get("timeout"))
        if arguments.flag(options.get("dry_run", False), name="dry_run"):
            refuse_inside_change(client.store)
            judged = preview(
                client.store,
                [request],
                lineages=client.lineages,
                world=client.world,
                limits=client.limits,
            )
            return self.plan(request, judged[0])
        done = commit(
            client.store,
            [request],
            lineages=client.lineages,
            world=client.world,
            limits=client.limits,
            deadline=deadline,
            groupable=groupable,
            apply=None if apply is None else lambda judge: apply(judge, deadline),
        )
        return self.result(request, done[0])

    # --- results -------------------------------------------------------------------------

    def result(self, request: Request, done: Done) -> WriteResult[Config]:
        """
        What came of a write that was applied, or whose write id was known.

        Raises:
            OutcomeUnknown: The id is known, and what it made cannot be read now.
        """
        what = done.what
        if isinstance(what, Answer):
            try:
                record, before = self._answered(what)
            except RealmconfError as failure:
                # A refusal would say that the write never happened; this says to ask again under its id.
                raise OutcomeUnknown(request.write_id, realm=self._realm) from failure
            return WriteResult(
                self._source,
                self._realm,
                record,
                _told_again(request, what),
                changed=what.changed,
                rebased_from=None,
                write_id=request.write_id,
                before=before,
            )
        decision = what.decision
        result = WriteResult(
            self._source,
            self._realm,
            decision.revision if isinstance(decision, Append) else decision.head,
            what.head.warnings,
            point=done.point,
            changed=isinstance(decision, Append),
            rebased_from=decision.rebased_from,
            write_id=request.write_id,
            before=decision.head,
            after=done.warnings,
        )
        self._origins.remember(result)
        return result

    def plan(self, request: Request, judged: Judged) -> Plan[Config]:
        """What a write would have come to; nothing, if its write id is known."""
        what = judged.what
        if isinstance(what, Answer):
            record, before = self._answered(what)
            changed, rebased_from = False, None
        else:
            decision = what.decision
            before = decision.head
            changed, rebased_from = isinstance(decision, Append), decision.rebased_from
            record = decision.revision if isinstance(decision, Append) else before
        return Plan(
            self._source,
            self._realm,
            record,
            point=judged.point,
            changed=changed,
            rebased_from=rebased_from,
            write_id=request.write_id,
            before=before,
            after=judged.warnings,
            descendants=judged.descendants,
        )

    def _answered(self, answer: Answer) -> tuple[Revision | None, Revision | None]:
        """The revision that a known write id made, whatever came after, and the one before it."""
        if not answer.generation:
            return None, None
        with self._client.store.view() as view:
            try:
                revision = view.revision(self._realm, answer.generation)
            except HistoryCompacted:
                return _compacted(self._realm, answer.generation), None
            earlier = view.revisions(
                self._realm, before=answer.generation, limit=1, newest_first=True
            )
        return revision, earlier[0] if earlier else None


def _told_again(request: Request, answer: Answer) -> tuple[Notice, ...]:
    """That nothing was written now, unless it was by an earlier attempt of this very call."""
    if answer.is_own or not request.write_id_given:
        return ()
    from realmconf.stores.protocol import Notice

    done = (
        f"already done as generation {answer.generation}" if answer.changed else "already answered"
    )
    return (Notice(code="replayed", message=f"{done}: this write id is known"),)


def _compacted(realm: RealmName, generation: int) -> Revision:
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
