"""
The three outcomes of a write: committed, refused, unknown; and how the third becomes one of the others.

The only place where a write is retried.  Decides what makes two requests the
same, what a known write id is answered, and when an unknown outcome is given to
the caller; what a write does to a document is for ``domain.decide``.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial

from realmconf.domain import admit
from realmconf.domain.admit import Upcoming
from realmconf.domain.decide import decide
from realmconf.domain.document import canonical_bytes
from realmconf.domain.marks import stated_secrets
from realmconf.domain.names import case_twin
from realmconf.domain.record import Record
from realmconf.domain.write import Append
from realmconf.errors import (
    HistoryCompacted,
    InvalidArgument,
    LockTimeout,
    OutcomeUnknown,
    RealmconfError,
    RealmMoved,
    RevisionNotFound,
    WriteIdReused,
    WriteIdVoid,
)
from realmconf.stores.protocol import Judgement, deciding, moving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.write import Unchanged, Write
    from realmconf.runtime.lineages import Lineages, Point
    from realmconf.runtime.world import World
    from realmconf.stores.protocol import Applied, Notice, ReadView, Receipt, Store

    Judge = Callable[[ReadView], Sequence[Judgement]]

RETRIES_MAX = 2
"""How often a write of unknown outcome is sent again, under its id, before its caller is told."""
RETRY_PAUSE_SECONDS = 0.02


class Committed(Record):
    """The write was applied; *generation* is the one it made, or the head it left unchanged."""

    generation: int


class Void(Record):
    """The write was not applied and, recorded as void, never will be."""


class Pending(Record):
    """It cannot be told now: another process holds the turn, or the store cannot be reached. Ask again."""


class Request(Record):
    """One write on its way: how to build it at the state it is decided on, and what makes it the same request."""

    realm: RealmName
    write_id: str
    write_id_given: bool
    author: str
    prepare: Callable[[ReadView], Write]
    """The write, at this state; without effects, since it may be called again."""
    identity: Callable[[], object]
    """What another request under the same write id must equal: plain values."""
    check: Callable[[Append, Point], None] | None = None
    """Refuses what was decided, at the point it makes (a caller's type), by raising."""
    is_placed: bool = False
    """Whether it is decided here wherever the store is, and appended as it was made: rename, copy, import, restore."""
    blind_author: str | None = None
    """Who asks, where they may not see secrets and what makes the request the same is their word: nobody else is told
    again what came of it."""
    write: Write | None = None
    """The write itself, where it does not depend on the state: then it can be refused before it queues."""


def request_of(write: Write, *, check: Callable[[Append, Point], None] | None = None) -> Request:
    """A write that does not depend on the state, on its way."""
    return Request(
        realm=write.realm,
        write_id=write.write_id,
        write_id_given=write.write_id_given,
        author=write.author,
        prepare=lambda _: write,
        identity=lambda: identity_of(write),
        check=check,
        write=write,
    )


class Answer(Record):
    """The first answer to a write id that is known: the generation it made or left."""

    realm: RealmName
    generation: int
    changed: bool
    is_own: bool = False
    """It was found by a later attempt of the very call that asks: what it tells of was done now."""


class Done(Record):
    """What came of one request: what the store applied, or the first answer, and where the realm stood with it."""

    what: Applied | Answer
    point: Point | None = None
    """None where the write id was known: nothing was judged."""
    warnings: tuple[Notice, ...] | None = None
    """What it means for those who inherit, where the store has told."""


class Judged(Record):
    """What one request would come to, and where the realm would stand with it."""

    what: Judgement | Answer
    point: Point | None = None
    warnings: tuple[Notice, ...] | None = None
    descendants: tuple[RealmName, ...] | None = None


class _AnsweredError(Exception):
    """Leaves a judgement when the write id is known; never reaches a caller."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        super().__init__()
        self.answers = answers


_deciding = threading.local()
"""The stores in whose turn this thread runs a caller's function."""


def refuse_inside_change(store: Store) -> None:
    """
    Refuse a write from inside a function that is called in this store's turn.

    Raises:
        InvalidArgument: The turn is held by the caller itself, and waiting for it would never end.
    """
    if store in getattr(_deciding, "stores", ()):
        raise InvalidArgument(
            "a write to the same store from inside a change that is being decided"
        )


def commit(
    store: Store,
    requests: Sequence[Request],
    *,
    lineages: Lineages,
    world: World,
    limits: Limits,
    deadline: float,
    groupable: bool = True,
    apply: Callable[[Judge], Sequence[Applied]] | None = None,
) -> Sequence[Done]:
    """
    Carry *requests* (of one write id, each of another realm) out: all or none.

    What came of each is what the store applied, or the first answer if the write id is known.
    *apply* replaces ``store.apply`` where the store has an operation of its own.

    Raises:
        OutcomeUnknown: It may or may not have been applied, also after retries under the same id.
        RealmconfError: It was refused; nothing was changed, ever.
    """
    refuse_inside_change(store)
    if apply is None and decides(store, requests):
        from realmconf.runtime.delegating import commit_there

        return commit_there(store, requests, lineages=lineages, world=world, deadline=deadline)
    judging = _Judging(store, requests, lineages=lineages, world=world, limits=limits)
    realms = [request.realm for request in requests]
    while True:
        try:
            if apply is not None:
                applied = apply(judging.judge)
            else:
                applied = store.apply(
                    realms,
                    judging.judge,
                    deadline=deadline,
                    groupable=groupable,
                    precheck=judging.precheck,
                )
            return [Done(what=one, point=judging.points[one.write.realm]) for one in applied]
        except _AnsweredError as answered:
            return [Done(what=answer) for answer in answered.answers]
        except OutcomeUnknown as unknown:
            judging.unknown(unknown)
        except Exception as failure:
            # Once an attempt is unknown, only a refusal is about the write; anything else (a time-out, a
            # full disk, a failed look for the first attempt) says merely that this attempt changed nothing.
            if judging.cause is None or judging.refusal is failure:
                raise
            judging.unknown(failure)
        if (
            judging.attempts > RETRIES_MAX
            or world.monotonic_seconds() + RETRY_PAUSE_SECONDS > deadline
        ):
            raise OutcomeUnknown(
                requests[0].write_id, realm=requests[0].realm, reason=_reason(judging.cause)
            ) from judging.cause
        world.sleep_seconds(RETRY_PAUSE_SECONDS * judging.attempts)


def _reason(cause: BaseException | None) -> str:
    """What the store said of an attempt whose outcome it does not know."""
    if isinstance(cause, OutcomeUnknown):
        return cause.reason
    return str(cause) if isinstance(cause, RealmconfError) else ""


def decides(store: Store, requests: Sequence[Request]) -> bool:
    """Whether *store* decides *requests* by itself."""
    return deciding(store) is not None and not any(request.is_placed for request in requests)


@contextmanager
def inside_change(store: Store) -> Iterator[None]:
    """While a function runs that decides a write to *store*: another one from inside it is refused."""
    stores = getattr(_deciding, "stores", ())
    _deciding.stores = (*stores, store)
    try:
        yield
    finally:
        _deciding.stores = stores


def preview(
    store: Store,
    requests: Sequence[Request],
    *,
    lineages: Lineages,
    world: World,
    limits: Limits,
) -> Sequence[Judged]:
    """Judge *requests* as ``commit`` would, on one point, and append nothing."""
    if decides(store, requests):
        from realmconf.runtime.delegating import preview_there

        return preview_there(store, requests, lineages=lineages, world=world)
    judging = _Judging(
        store, requests, lineages=lineages, world=world, limits=limits, is_tried=True
    )
    with store.view() as view:
        try:
            judged = judging.judge(view)
        except _AnsweredError as answered:
            return [Judged(what=answer) for answer in answered.answers]
        _refuse_case_twins(judged, view)
    return [Judged(what=one, point=judging.points[one.write.realm]) for one in judged]


def _refuse_case_twins(judged: Sequence[Judgement], view: ReadView) -> None:
    """What stores refuse when they append: a name that differs from another one by case alone."""
    made = [
        one.write.realm
        for one in judged
        if isinstance(one.decision, Append) and one.decision.head is None
    ]
    if not made:
        return
    folded: dict[str, RealmName] = {}
    for realm in (*(entry.realm for entry in view.realms()), *made):
        other = folded.setdefault(realm.lower(), realm)
        if other != realm:
            raise case_twin(realm)


def settle(
    store: Store, realm: RealmName, write_id: str, *, deadline: float
) -> Committed | Void | Pending:
    """Find out what became of *write_id*, and if nothing did, see to it that nothing ever will."""
    refuse_inside_change(store)
    try:
        receipt = store.void(realm, write_id, deadline=deadline)
    except (LockTimeout, OutcomeUnknown):
        return Pending()
    return Void() if receipt.outcome == "void" else Committed(generation=receipt.generation)


class _Judging:
    """The judgement of one ``commit``, over all its attempts."""

    def __init__(
        self,
        store: Store,
        requests: Sequence[Request],
        *,
        lineages: Lineages,
        world: World,
        limits: Limits,
        is_tried: bool = False,
    ) -> None:
        self._store = store
        self._requests = requests
        self._is_tried = is_tried
        self._lineages = lineages
        self._world = world
        self._limits = limits
        self._salts = [world.salt() for _ in requests]
        self._tried: dict[RealmName, set[int]] = {}
        self._digest = _request_digest(store, requests) if requests[0].write_id_given else ""
        self.points: dict[RealmName, Point] = {}
        """Where each realm stands with the last judgement."""
        self.attempts = 0
        self.cause: BaseException | None = None
        self.refusal: Exception | None = None
        """What the last judgement refused the write with, knowing that no earlier attempt had applied it."""
        self._searched = False

    def unknown(self, cause: BaseException) -> None:
        """Note that an attempt ended without a known outcome."""
        self.attempts += 1
        self.cause = cause

    def judge(self, view: ReadView) -> Sequence[Judgement]:
        self._searched = False
        with inside_change(self._store):
            try:
                return self._judge(view)
            except Exception as failure:
                # A store that fails while it is asked for an earlier attempt has not said that there was none.
                if self._searched or isinstance(failure, (WriteIdReused, WriteIdVoid)):
                    self.refusal = failure
                raise

    def precheck(self, view: ReadView) -> None:
        """Raise what a judgement at this state would, if the write is stale already."""
        if any(_is_stale(request.write, view) for request in self._requests):
            self.judge(view)

    def _judge(self, view: ReadView) -> Sequence[Judgement]:
        answers = [
            answer
            for answer in map(self._known, self._requests, [view] * len(self._requests))
            if answer
        ]
        if len(answers) == len(self._requests):
            raise _AnsweredError(answers)
        if answers:
            raise WriteIdReused(realm=answers[0].realm, write_id=self._requests[0].write_id)
        self._searched = True
        for request in self._requests:
            head = view.head(request.realm)
            if head.moved_to is not None:
                # Whatever else is wrong with it: it is to be asked for where the realm lives.
                raise RealmMoved(head.moved_to, realm=request.realm)
        created_at = self._world.timestamp()
        decided: list[tuple[Request, Write, Append | Unchanged]] = []
        for request, salt in zip(self._requests, self._salts, strict=True):
            write = request.prepare(view)
            decision = decide(
                write,
                view,
                created_at=created_at,
                salt=salt,
                limits=self._limits,
                secrecy=partial(self._lineages.secrecy, request.realm, view),
                shape=partial(self._lineages.shape, request.realm, view),
                is_tried=self._is_tried,
            )
            decided.append((request, write, decision))
        # Only with all of them in place can it be told whether each may stand among its relatives.
        appends = [decision for _, _, decision in decided if isinstance(decision, Append)]
        upcoming = self._upcoming(view, appends)
        return [self._admitted(*one, view=view, upcoming=upcoming) for one in decided]

    def _upcoming(self, view: ReadView, appends: Sequence[Append]) -> Upcoming:
        for append in appends:
            for digest, schema in append.schemas.items():
                self._lineages.remember(digest, schema)
        return Upcoming(view, [append.revision for append in appends])

    def _admitted(
        self,
        request: Request,
        write: Write,
        decision: Append | Unchanged,
        *,
        view: ReadView,
        upcoming: Upcoming,
    ) -> Judgement:
        lineages = self._lineages
        realm = request.realm
        if isinstance(decision, Append):
            if write.scope is not None and not write.scope.judges_secrets:
                from realmconf.runtime.overlaying import refuse_judging

                # Before it is judged: the verdict would be the answer.
                refuse_judging(lineages, write, decision, view=view, upcoming=upcoming)
            chain = admit.check(
                decision.head,
                decision.revision,
                upcoming,
                composer=lineages.composer,
                limits=self._limits,
            )
            decision = lineages.keeping_secrets(decision, view)
            point = lineages.of_chain(chain, upcoming.head)
            if request.check is not None:
                request.check(decision, point)
            self._tried.setdefault(realm, set()).add(decision.revision.generation)
        else:
            point = lineages.point_of(upcoming.head, realm)
        self.points[realm] = point
        return Judgement(write=write, decision=decision, request=self._digest)

    def _known(self, request: Request, view: ReadView) -> Answer | None:
        if request.write_id_given or self.attempts:
            receipt = view.receipt(request.realm, request.write_id)
            if receipt is not None:
                if receipt.outcome == "void":
                    raise WriteIdVoid(realm=request.realm, write_id=request.write_id)
                # A minted id has no request digest on record; nobody else can have it.
                if receipt.request and self._digest and not self._is_same(receipt.request):
                    raise WriteIdReused(realm=request.realm, write_id=request.write_id)
                if self._may_be_guessed(request, receipt, view):
                    # That it is the same request would tell that the secret in it is.
                    raise WriteIdReused(realm=request.realm, write_id=request.write_id)
                return Answer(
                    is_own=self.attempts > 0,
                    realm=request.realm,
                    generation=receipt.generation,
                    changed=receipt.outcome == "committed",
                )
        if self.attempts:
            return self._found_in_history(request, view)
        return None

    def _is_same(self, request: str) -> bool:
        """Whether the *request* of a receipt is the one that is asked for now."""
        name, separator, digest = request.rpartition(":")
        if not separator:
            return request == self._digest
        # Of a realm that has moved here: it was made under the key of the store that took the write.
        able = moving(self._store)
        key = None if able is None else able.request_keys().get(name)
        return key is not None and digest == _digest_under(key, self._requests)

    def _may_be_guessed(self, request: Request, receipt: Receipt, view: ReadView) -> bool:
        """Whether a known id is asked about by somebody else, who states secrets that they may not see."""
        asker, write = request.blind_author, request.write
        if asker is not None and receipt.outcome == "unchanged":
            # No history shows such an id.
            return False
        if asker is None and write is not None and write.may_guess:
            head = view.head(request.realm).revision
            stated = stated_secrets(
                write.command,
                (None if head is None else head.document) or {},
                self._lineages.secrecy(request.realm, view),
                limits=self._limits,
            )
            asker = write.author if stated else None
        if asker is None:
            return False
        try:
            made = view.revision(request.realm, receipt.generation)
        except (RevisionNotFound, HistoryCompacted):
            return True
        return made.write_id != request.write_id or made.author != asker

    def _found_in_history(self, request: Request, view: ReadView) -> Answer | None:
        # An attempt can only have made a generation it was decided for.
        for generation in sorted(self._tried.get(request.realm, ())):
            try:
                revision = view.revision(request.realm, generation)
            except RevisionNotFound:
                continue
            except HistoryCompacted:
                raise OutcomeUnknown(
                    request.write_id, realm=request.realm, reason=_reason(self.cause)
                ) from self.cause
            if revision.write_id == request.write_id:
                return Answer(is_own=True, realm=request.realm, generation=generation, changed=True)
        return None


def _is_stale(write: Write | None, view: ReadView) -> bool:
    """Whether *write* is refused as things stand: then it need not queue to be told so."""
    if write is None or write.expected is None or write.on_conflict != "fail":
        return False
    generation = view.head(write.realm).generation
    return all(one.generation != generation for one in (write.expected, *write.or_expected))


# --- when two requests are the same ------------------------------------------------


def _request_digest(store: Store, requests: Sequence[Request]) -> str:
    """
    Keyed, because a bare digest of a request would confirm a guessed secret in it.

    The author and the surface are no part of it: a retry may come another way.
    """
    return _digest_under(store.request_key(), requests)


def _digest_under(key: bytes, requests: Sequence[Request]) -> str:
    from hmac import digest

    stated = [[str(request.realm), _alike(request.identity())] for request in requests]
    return digest(key, canonical_bytes(stated), "sha256").hex()


def _alike(value: Any) -> object:
    """
    *value* with numbers that are equal written alike.

    Many JSON writers turn ``1.0`` into ``1``, and what is made of a ``1`` depends on what was stored when it came:
    neither makes a retry another request.
    """
    if isinstance(value, (list, tuple)):
        return [_alike(item) for item in value]
    if isinstance(value, dict):
        return {key: _alike(item) for key, item in value.items()}
    if isinstance(value, float) and value.is_integer() and -(2.0**63) <= value < 2.0**63:
        return int(value)
    return value


def identity_of(write: Write) -> object:
    """The plain values that make *write* the request it is."""
    return [
        type(write.command).__name__,
        _plain(write.command),
        # As one without others, where there are none.
        _plain((write.expected, *write.or_expected) if write.or_expected else write.expected),
        write.create,
        write.must_exist,
        write.on_conflict,
        _plain(write.depends_on),
        write.message,
    ]


def _plain(value: Any) -> object:
    if isinstance(value, Record):
        return [[name, _plain(getattr(value, name))] for name in value.__fields__]
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value
