"""
Writes to a store that decides by itself: sent as they are, or made here for one state and decided anew if it moved.

Decides which of the two a write is, and how one whose answer was lost gets its outcome.  What a write may do is decided
where it is sent to.
"""

from __future__ import annotations

import random

from realmconf.domain.write import Append, Delete, SetSchema, Unchanged, Write
from realmconf.errors import (
    LockTimeout,
    OutcomeUnknown,
    RateLimited,
    RealmconfError,
    StoreError,
)
from realmconf.runtime.outcome import Answer, Done, Judged, inside_change
from realmconf.stores.protocol import Applied, Decided, Head, Judgement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from realmconf.runtime.lineages import Lineages, Point
    from realmconf.runtime.outcome import Request
    from realmconf.runtime.world import World
    from realmconf.stores.protocol import ReadView, Store

PAUSE_SECONDS = 0.02
PAUSE_SECONDS_MAX = 0.5
"""Between two attempts to send a write whose answer was lost."""
OVERTAKEN_SECONDS_MAX = 0.05
"""The longest pause before a write is made anew for what others have left."""


def commit_there(
    store: Store,
    requests: Sequence[Request],
    *,
    lineages: Lineages,
    world: World,
    deadline: float,
) -> Sequence[Done]:
    """Carry *requests* out; see ``outcome.commit``."""
    sending = _Sending(store, lineages, world, deadline, dry_run=False)
    return [
        Done(what=_answer(one), point=None)
        if one.is_known
        else Done(
            what=Applied(
                write=write,
                decision=_decision(one),
                head=one.head or Head(realm=one.realm, revision=one.revision),
            ),
            point=sending.point_of(one),
            warnings=one.warnings,
        )
        for write, one in sending.decided(requests)
    ]


def preview_there(
    store: Store, requests: Sequence[Request], *, lineages: Lineages, world: World
) -> Sequence[Judged]:
    """Let *requests* be decided and nothing be appended; see ``outcome.preview``."""
    deadline = world.monotonic_seconds() + PREVIEW_SECONDS
    sending = _Sending(store, lineages, world, deadline, dry_run=True)
    return [
        Judged(what=_answer(one))
        if one.is_known
        else Judged(
            what=Judgement(write=write, decision=_decision(one)),
            point=sending.point_of(one),
            warnings=one.warnings,
            descendants=one.descendants,
        )
        for write, one in sending.decided(requests)
    ]


PREVIEW_SECONDS = 10.0


class _Sending:
    """One call of either."""

    def __init__(
        self, store: Store, lineages: Lineages, world: World, deadline: float, *, dry_run: bool
    ) -> None:
        self._store: Any = store
        self._lineages = lineages
        self._world = world
        self._deadline = deadline
        self._dry_run = dry_run

    def decided(self, requests: Sequence[Request]) -> list[tuple[Write, Decided]]:
        """What became of each."""
        writes = [request.write for request in requests if request.write is not None]
        for write in writes:
            command = write.command
            if isinstance(command, SetSchema) and command.digest is not None:
                # Of a dry run nobody has it but its caller.
                self._lineages.remember(command.digest, command.schema or {})
        if len(writes) == len(requests) and not any(request.check for request in requests):
            # Nothing of it depends on what stands there: one round trip, inside the turn over there.
            done = self._sent(writes, identities=None, standing=None)
            assert done is not None
            return list(zip(writes, done, strict=True))
        realms = [request.realm for request in requests]
        with self._store.judging_turn(realms, self._deadline) as refuse_child:
            return self._made_for_a_state(requests, refuse_child)

    def _made_for_a_state(
        self, requests: Sequence[Request], refuse_child: Callable[[], None]
    ) -> list[tuple[Write, Decided]]:
        began = self._world.monotonic_seconds()
        attempts = 0
        while True:
            attempt_began = self._world.monotonic_seconds()
            with inside_change(self._store), self._store.view() as view:
                if self._is_known(requests, view):
                    # Whatever it was made for then, it is answered as it was.
                    writes = [_nothing(request) for request in requests]
                    standing = dict.fromkeys((request.realm for request in requests), NEVER)
                else:
                    writes = [request.prepare(view) for request in requests]
                    for request in requests:
                        view.head(request.realm)
                    standing = dict(view.standing())
            refuse_child()
            done = self._for_the_state(requests, writes, standing, refuse_child)
            if done is not None:
                return list(zip(writes, done, strict=True))
            now = self._world.monotonic_seconds()
            # Of those who were overtaken at once, each comes back at another time: some attempts later.
            most = (now - attempt_began) * 2 ** min(attempts, 8)
            pause = random.uniform(0, min(most, OVERTAKEN_SECONDS_MAX))
            if now + pause > self._deadline:
                raise LockTimeout(waited_seconds=now - began)
            self._world.sleep_seconds(pause)
            attempts += 1

    def _for_the_state(
        self,
        requests: Sequence[Request],
        writes: Sequence[Write],
        standing: dict[Any, str],
        refuse_child: Callable[[], None],
    ) -> Sequence[Decided] | None:
        identities = [
            None if request.write is not None else request.identity() for request in requests
        ]
        if any(request.check for request in requests):
            # What the caller's own type says of it is asked here, of what it will be there.
            foreseen = self._once(writes, identities=identities, standing=standing, dry_run=True)
            if foreseen is None:
                return None
            for request, one in zip(requests, foreseen, strict=True):
                decision = None if one.is_known else _decision(one)
                if request.check is not None and isinstance(decision, Append):
                    point = self.point_of(one)
                    request.check(decision, point)
                    standing |= _digests(point)
            refuse_child()
            if self._dry_run:
                return foreseen
        return self._sent(writes, identities=identities, standing=standing)

    def _is_known(self, requests: Sequence[Request], view: ReadView) -> bool:
        return any(
            request.write_id_given and view.receipt(request.realm, request.write_id) is not None
            for request in requests
        )

    def _once(
        self, writes: Sequence[Write], *, dry_run: bool, **rest: Any
    ) -> Sequence[Decided] | None:
        return self._store.decide(  # type: ignore[no-any-return]
            writes, deadline=self._deadline, dry_run=dry_run, **rest
        )

    def _sent(self, writes: Sequence[Write], **rest: Any) -> Sequence[Decided] | None:
        """
        What the store has decided, asked again under the same id until an answer comes.

        Raises:
            OutcomeUnknown: None came in time.
        """
        pause = PAUSE_SECONDS
        cause: RealmconfError | None = None
        while True:
            try:
                found: Sequence[Decided] | None = self._once(writes, dry_run=self._dry_run, **rest)
            except OutcomeUnknown as unknown:
                cause = unknown
            except RealmconfError as failure:
                if cause is None:
                    raise
                if not isinstance(failure, (StoreError, LockTimeout, RateLimited)):
                    return self._settled(writes, failure)
            else:
                # Where the state has moved and the id is not known, what was sent before can never be applied either:
                # a head does not come back.
                return found
            if self._world.monotonic_seconds() + pause > self._deadline:
                raise OutcomeUnknown(
                    writes[0].write_id, realm=writes[0].realm, reason=_reason(cause)
                ) from cause
            self._world.sleep_seconds(pause)
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    def _settled(self, writes: Sequence[Write], refusal: RealmconfError) -> Sequence[Decided]:
        """
        The outcome of a write that was refused now and may still be on its way from before.

        It is made void first: what is refused never happens.
        """
        decided = []
        for write in writes:
            try:
                receipt = self._store.void(write.realm, write.write_id, deadline=self._deadline)
            except RealmconfError:
                raise OutcomeUnknown(write.write_id, realm=write.realm) from refusal
            if receipt.outcome == "void":
                raise refusal
            decided.append(
                Decided(
                    realm=write.realm,
                    generation=receipt.generation,
                    changed=receipt.outcome == "committed",
                    is_known=True,
                )
            )
        return decided

    def point_of(self, one: Decided) -> Point:
        """Where the realm stands with the write."""
        heads = {**one.members, one.realm: Head(realm=one.realm, revision=one.revision)}

        def head_of(name: Any) -> Head:
            found: Head | None = heads.get(name)
            return found or self._store.head(name)

        return self._lineages.point_of(head_of, one.realm)


NEVER = "never"
"""A digest that no head has: a write that is made for it is answered from the receipts, or not at all."""


def _nothing(request: Request) -> Write:
    return Write(
        realm=request.realm,
        command=Delete(),
        author=request.author,
        write_id=request.write_id,
        write_id_given=True,
    )


def _digests(point: Point) -> dict[Any, str]:
    return {
        name: "" if head.revision is None else head.revision.digest
        for name, head in zip(point.watched[1:], point.watched_heads[1:], strict=True)
    }


def _answer(one: Decided) -> Answer:
    return Answer(realm=one.realm, generation=one.generation, changed=one.changed)


def _decision(one: Decided) -> Append | Unchanged:
    if one.changed:
        assert one.revision is not None
        return Append(revision=one.revision, rebased_from=one.rebased_from, head=one.before)
    return Unchanged(head=one.revision, rebased_from=one.rebased_from)


def _reason(cause: RealmconfError | None) -> str:
    return getattr(cause, "reason", "") or ""
