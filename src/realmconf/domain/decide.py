"""
May this write happen, and what does it become?

The only place that answers.  Judges a write against the head and its history at one
point: preconditions first, then the command, then what the result may be.  Knows
nothing of stores, schemas and lineage; whether the append is exclusive is the
store's to ensure.
"""

from __future__ import annotations

from realmconf.domain.diff import changes
from realmconf.domain.document import canonical_bytes, check_document, same
from realmconf.domain.edit import transformed
from realmconf.domain.lineage import as_named
from realmconf.domain.marks import (
    MARK_BYTES,
    refuse_reading,
    stated_secrets,
    unmark,
    without_marks,
)
from realmconf.domain.names import LIMITS
from realmconf.domain.patch import merge
from realmconf.domain.rebase import onto_head
from realmconf.domain.record import Record
from realmconf.domain.revision import GENESIS, Policy, seal
from realmconf.domain.schemas.shape import NOTHING
from realmconf.domain.scope import PLACE, refuse_command, refuse_result, refuse_stated
from realmconf.domain.write import (
    Append,
    Delete,
    Edit,
    JsonPatch,
    MergePatch,
    Place,
    Rollback,
    SetDocument,
    SetPolicy,
    SetSchema,
    Unchanged,
)
from realmconf.errors import (
    GenerationConflict,
    GenerationRequired,
    HistoryCompacted,
    InvalidArgument,
    LimitExceeded,
    RealmMoved,
    RealmNotFound,
    RevisionNotFound,
    SecretWithheld,
    TimelineChanged,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    from realmconf.domain.diff import Change
    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.revision import Revision
    from realmconf.domain.schemas.shape import Shape
    from realmconf.domain.secrets import Secrecy
    from realmconf.domain.write import Command, Expected, Write

    class HeadLike(Protocol):
        """The newest state of one realm."""

        @property
        def revision(self) -> Revision | None: ...
        @property
        def generation(self) -> int: ...
        @property
        def floor(self) -> int: ...
        @property
        def moved_to(self) -> str | None: ...

    class History(Protocol):
        """What a decision may look at; every method answers from the same point."""

        def head(self, realm: RealmName, /) -> HeadLike: ...
        def revision(self, realm: RealmName, generation: int, /) -> Revision: ...
        def revisions(self, realm: RealmName, /, *, after: int = 0) -> Sequence[Revision]: ...


_UNASKED_KINDS = frozenset(("adopt", "restore", "import", "migrate"))
"""Kinds of ``SetDocument`` that no policy asks for a generation: nobody has read one to make them."""


class _Next(Record):
    """What a command makes of the head, before it is known whether that is anything new."""

    document: Document | None
    kind: str
    policy: Policy
    restores: int | None = None
    reverts: tuple[str, ...] = ()
    schema_digest: str | None = None
    schemas: Mapping[str, Document] = {}


def decide(
    write: Write,
    view: History,
    *,
    created_at: str,
    salt: str,
    limits: Limits = LIMITS,
    secrecy: Callable[[], Secrecy] | None = None,
    shape: Callable[[], Shape] | None = None,
    is_tried: bool = False,
) -> Append | Unchanged:
    """
    The revision that *write* becomes at the head of *view*, or that it changes nothing.

    *created_at* and *salt* go into the revision as they are.  A precondition is judged
    before anything else, also of a write that would change nothing.  *secrecy*, that of the realm, is
    asked for where the write sends a mark back, or may not see secrets; *shape*, what schemas say of the
    realm's root, where it is rebased.

    Who may not see secrets may state one, and is told nothing by that of the one that is stored: it is a change
    whatever stands there, it meets every other change of its place, and a write that *is_tried* only is refused.

    Raises:
        NotPermitted: The write reaches further than its author may.
        RealmMoved: The realm lives in another store now.
        GenerationConflict: The precondition does not hold, and a rebase was not asked for
            or would overlap with what was changed since.
        TimelineChanged: The expected digest is of another history.
        GenerationRequired: The realm's policy asks for a precondition.
        RealmNotFound, RevisionNotFound, HistoryCompacted: The command needs what is not there.
        PatchTestFailed, PatchInapplicable, InvalidDocument, InvalidArgument: The command does not fit the head.
        SecretMarkMisplaced: A mark does not stand for what is stored where it stands.
        SecretWithheld: The command reads a secret, or tries one, and its author has no right to.
        LimitExceeded: The result, a label, or the generation would pass a limit.
    """
    _check_labels(write, limits)
    if write.scope is not None:
        refuse_command(write.scope, write.command, realm=write.realm)
    head = view.head(write.realm)
    if head.moved_to is not None:
        raise RealmMoved(head.moved_to, realm=write.realm)
    outdated = _check_expected(write, head)
    _check_presence(write, head)
    _check_policy(write, head)
    rebased_from = None
    stated: frozenset[Pointer] = frozenset()
    if secrecy is not None and not write.sees_secrets:
        refuse_reading(write.command, _document(head.revision) or {}, secrecy, limits=limits)
        if write.may_guess:
            stated = _stated(write, head, secrecy(), limits, is_tried=is_tried)
    if outdated is not None:
        if secrecy is not None:
            base = _document_at(view, write.realm, outdated.generation)
            write = write.replace(command=unmark(write.command, base, secrecy))
        command = onto_head(
            write,
            outdated,
            head,
            view,
            limits=limits,
            shape=NOTHING if shape is None else shape(),
            guarded=stated,
        )
        rebased_from = outdated.generation
    elif secrecy is not None and isinstance(write.command, JsonPatch):
        # A mark that it tests for never gets into the document.
        command = unmark(write.command, _document(head.revision) or {}, secrecy)
    else:
        command = write.command
    upcoming = _next(write.realm, command, head, view, limits)
    canonical = None if upcoming.document is None else _within_limits(upcoming.document, limits)
    if canonical is not None and MARK_BYTES in canonical:
        upcoming = upcoming.replace(
            document=without_marks(upcoming.document, _document(head.revision) or {}, secrecy)
        )
        canonical = _within_limits(upcoming.document or {}, limits)
    if not stated and _changes_nothing(command, head.revision, upcoming):
        return Unchanged(head=head.revision, rebased_from=rebased_from)
    if write.scope is not None:
        refuse_result(
            write.scope,
            head.revision,
            upcoming.document,
            realm=write.realm,
            secrecy=secrecy,
            previous=command.previous if isinstance(command, Place) else None,
        )
    revision = _sealed(
        write, head, upcoming, canonical, created_at=created_at, salt=salt, limits=limits
    )
    return Append(
        revision=revision,
        rebased_from=rebased_from,
        canonical=canonical,
        head=head.revision,
        schemas=upcoming.schemas,
    )


def diff_of(decision: Append | Unchanged) -> tuple[Change, ...]:
    """The leaves that a decision changes in the realm's own document."""
    if isinstance(decision, Unchanged):
        return ()
    return changes(_document(decision.head), decision.revision.document)


def _document(revision: Revision | None) -> Document | None:
    return None if revision is None else revision.document


def _document_at(view: History, realm: RealmName, generation: int) -> Document:
    """What stood at a generation, as far as that can be told."""
    try:
        return _document(view.revision(realm, generation)) or {}
    except (HistoryCompacted, RevisionNotFound):
        return {}


def _stated(
    write: Write, head: HeadLike, secrecy: Secrecy, limits: Limits, *, is_tried: bool
) -> frozenset[Pointer]:
    """Where a writer that may not see secrets states one, if it may; judged before anything is compared."""
    places = stated_secrets(write.command, _document(head.revision) or {}, secrecy, limits=limits)
    # What stands at /realm itself is refused whatever it is.
    places -= {PLACE}
    if places and write.scope is not None:
        refuse_stated(write.scope, places, realm=write.realm)
    is_told = write.scope is None or not write.scope.tries_secrets
    if places and is_tried and is_told:
        raise SecretWithheld(
            pointer=str(min(places)),
            realm=write.realm,
            because="a dry run would tell whether the value that was sent is the stored one",
        )
    return places


# --- preconditions -------------------------------------------------------------------


def _check_labels(write: Write, limits: Limits) -> None:
    for name, text, chars_max in (
        ("message_chars", write.message, limits.message_chars),
        ("author_chars", write.author, limits.author_chars),
        ("write_id_chars", write.write_id, limits.write_id_chars),
    ):
        if len(text) > chars_max:
            raise LimitExceeded(name, len(text), maximum=chars_max)
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                label = name.removesuffix("_chars").replace("_", " ")
                raise InvalidArgument(
                    f"the {label} is not text: it has half a surrogate pair"
                ) from None


def _check_expected(write: Write, head: HeadLike) -> Expected | None:
    """The expectation to rebase from, or None if there is none or it holds."""
    expected = write.expected
    if expected is None:
        return None
    accepted = (expected, *write.or_expected)
    digest = GENESIS if head.revision is None else head.revision.digest
    of_this_number = [one for one in accepted if one.generation == head.generation]
    if any(one.digest is None or digest.startswith(one.digest) for one in of_this_number):
        return None
    older = [one for one in accepted if one.generation < head.generation]
    if write.on_conflict == "rebase" and older:
        return max(older, key=lambda one: one.generation)
    if of_this_number:
        raise TimelineChanged(realm=write.realm, generation=head.generation)
    raise GenerationConflict(expected.generation, head.generation, realm=write.realm)


def _check_presence(write: Write, head: HeadLike) -> None:
    exists = _document(head.revision) is not None
    if write.create and exists:
        raise GenerationConflict(
            0, head.generation, realm=write.realm, reason="the realm has a document already"
        )
    if write.must_exist and not exists:
        raise GenerationConflict(
            max(head.generation, 1),
            head.generation,
            realm=write.realm,
            reason="the realm has no document",
        )


def _check_policy(write: Write, head: HeadLike) -> None:
    if head.revision is None or not head.revision.policy.require_generation:
        return
    if write.expected is not None or write.create or isinstance(write.command, Place):
        return
    if isinstance(write.command, SetDocument) and write.command.kind in _UNASKED_KINDS:
        return
    raise GenerationRequired(realm=write.realm, current=head.generation)


# --- commands ------------------------------------------------------------------------


def _next(
    realm: RealmName, command: Command, head: HeadLike, view: History, limits: Limits
) -> _Next:
    """What the command makes of the head."""
    revision = head.revision
    if isinstance(command, Place):
        return _placed(command, revision)
    standing = _Next(
        document=_document(revision),
        kind="",
        policy=Policy() if revision is None else revision.policy,
        schema_digest=None if revision is None else revision.schema_digest,
    )
    if isinstance(command, Rollback):
        target = view.revision(realm, command.to)
        if target.purged:
            raise HistoryCompacted(command.to, head.floor, realm=realm, purged=True)
        return standing.replace(
            document=as_named(target, realm), kind="rollback", restores=command.to
        )
    if isinstance(command, SetSchema):
        return _with_schema(command, standing)
    if isinstance(command, (Delete, SetPolicy)):
        if revision is None:
            raise RealmNotFound(realm=realm)
        if isinstance(command, Delete):
            return standing.replace(document=None, kind="delete")
        return standing.replace(kind="policy", policy=_changed_policy(standing.policy, command))
    result = transformed(command, standing.document or {}, limits=limits)
    if isinstance(command, SetDocument):
        return standing.replace(
            document=result,
            kind=command.kind,
            restores=command.restores,
            reverts=command.reverts,
        )
    if isinstance(command, Edit):
        kind = command.kind
    else:
        kind = "json_patch" if isinstance(command, JsonPatch) else "patch"
    return standing.replace(document=result, kind=kind)


def _placed(command: Place, head: Revision | None) -> _Next:
    policy = Policy() if head is None else head.policy
    digest = command.schema_digest
    if command.policy is not None:
        policy = command.policy
    elif head is None and command.previous is not None:
        policy = command.previous.policy
    if digest is None and command.previous is not None:
        digest = command.previous.schema_digest
    if digest is None and command.document is None and head is not None:
        # Where a realm is left, what it had stays beside its numbers.
        digest = head.schema_digest
    return _Next(
        document=command.document,
        kind=command.kind,
        policy=policy,
        restores=command.restores,
        schema_digest=digest,
        schemas=command.schemas,
    )


def _with_schema(command: SetSchema, standing: _Next) -> _Next:
    document = standing.document
    if command.digest is not None:
        # A realm that only governs others states nothing itself.
        document = document or {}
    if command.patch is not None:
        document = merge(document or {}, command.patch)
    known = {} if command.digest is None else {command.digest: command.schema or {}}
    return standing.replace(
        document=document, kind="schema", schema_digest=command.digest, schemas=known
    )


def _changed_policy(policy: Policy, command: SetPolicy) -> Policy:
    for name, value in command.changes.items():
        if name == "require_generation":
            if not isinstance(value, bool):
                raise InvalidArgument("policy require_generation is true or false")
        elif name == "history_keep":
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int) or value < 1
            ):
                raise InvalidArgument(
                    "policy history_keep is a positive number of revisions, or absent for all"
                )
        else:
            raise InvalidArgument(
                f"there is no policy {name[:100]!a}; there are require_generation and history_keep"
            )
    return policy.replace(**command.changes)


# --- the result ------------------------------------------------------------------------


def _changes_nothing(command: Command, head: Revision | None, upcoming: _Next) -> bool:
    if isinstance(command, Place) and (
        command.previous is not None
        or command.generation_min > (0 if head is None else head.generation)
    ):
        # A history that goes on elsewhere, or steps over lost numbers, is told by a revision of its own.
        return False
    if head is None and upcoming.document is None and isinstance(command, SetSchema):
        return True
    if upcoming.schema_digest != (None if head is None else head.schema_digest):
        return False
    if head is not None and upcoming.policy != head.policy:
        return False
    document = _document(head)
    if document is None and isinstance(command, (MergePatch, JsonPatch, Edit)):
        # Such a command changes what is there. Where nothing is, and nothing comes of it,
        # it does not call an empty document into being; only ``set`` does.
        return not upcoming.document
    if head is None:
        return False
    if document is None or upcoming.document is None:
        return document is upcoming.document
    return same(document, upcoming.document)


def _sealed(
    write: Write,
    at: HeadLike,
    upcoming: _Next,
    canonical: bytes | None,
    *,
    created_at: str,
    salt: str,
    limits: Limits,
) -> Revision:
    head = previous = at.revision
    # A realm never written begins at its floor: 1, or above what a lost history may have used.
    generation = at.floor if head is None else head.generation + 1
    if isinstance(write.command, Place):
        generation = max(generation, write.command.generation_min)
        if write.command.previous is not None:
            previous = write.command.previous
            generation = max(generation, previous.generation + 1)
    if generation > limits.generation:
        raise LimitExceeded("generation", generation, maximum=limits.generation)
    return seal(
        canonical=canonical,
        realm=write.realm,
        generation=generation,
        kind=upcoming.kind,
        document=upcoming.document,
        tombstone=upcoming.document is None,
        policy=upcoming.policy,
        schema_digest=upcoming.schema_digest,
        author=write.author,
        surface=write.surface,
        message=write.message,
        write_id=write.write_id,
        created_at=created_at,
        reverts=upcoming.reverts,
        restores=upcoming.restores,
        salt=salt,
        previous=GENESIS if previous is None else previous.digest,
    )


def _within_limits(document: Document, limits: Limits) -> bytes:
    """
    The canonical bytes of a document, if it is within the limits that only the whole can pass.

    Its parts were checked, each for the depth at which it stands, when the command was made.
    The bytes are needed for the digest anyway, and count the keys from above.
    """
    canonical = canonical_bytes(document)
    if len(canonical) > limits.document_bytes:
        raise LimitExceeded("document_bytes", len(canonical), maximum=limits.document_bytes)
    if canonical.count(b'":') > limits.keys:
        check_document(document, limits=limits)
    return canonical
