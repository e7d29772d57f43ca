"""
Realms moved from one store into another, while they are in use.

Decides the order of things, so that a realm lives in one store at any instant and a kill at any of them leaves what
the next call goes on with.  What is carried, and how, is ``carrying``'s; the marker is the stores'.

A family, those who inherit from one another, changes stores together: all of it is marked as moved in the source,
children first, and only then does any of it live in the target, parents first.  So nobody ever composes from two
stores; between the two every one of them is refused in both, for as long as a handful of commits take.
"""

from __future__ import annotations

import os
from contextlib import suppress

from realmconf.domain.lineage import parent_of
from realmconf.domain.names import GLOBAL, TOKENS, RealmName, is_system
from realmconf.domain.record import Record
from realmconf.errors import (
    HistoryCompacted,
    InvalidArgument,
    RealmconfError,
    RealmMoved,
    RealmNotFound,
    RevisionNotFound,
    StoreUnavailable,
    TimelineChanged,
    Unsupported,
)
from realmconf.runtime.carrying import Carrier
from realmconf.runtime.families import families_of
from realmconf.stores.protocol import moving
from realmconf.stores.registry import public_url, server_origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from realmconf.runtime.client import Client
    from realmconf.stores.protocol import Head, MovingStore, ReadView, Store

REST_MAX = 64
"""Revisions that a live move leaves for the turn at most, if its writers let it: they wait for no more than that."""
PASSES_MAX = 20
"""How often a live move catches up before it takes the turn all the same."""
ROUNDS_MAX = 100
"""How often families may change between a look at them and their cut-over."""


class Migrated(Record):
    """What became of one realm, or of a dry run would."""

    realm: str
    state: str
    """
    moved: by this call; arrived: an earlier one had marked it, this one let it live in the target; already: there
    was nothing to do; elsewhere: it lives in a third store.  Of a dry run ``moves`` stands for the first two, and
    ``refused`` for what would stop it.
    """
    generation: int
    """The head's."""
    revisions: int
    """Carried by this call, or still to be carried."""
    reason: str = ""
    """Why it is refused, or where it lives."""
    warnings: tuple[str, ...] = ()
    """What of hand edits could not be taken in: it stays beside the old store."""


class Migration(Record):
    """What a move came to."""

    source: str
    """The URL of the store that realms were to leave, without secrets."""
    to: str
    """The target's URL, without secrets: what whoever still asks the source is told."""
    realms: tuple[Migrated, ...]
    tokens: str
    """copied | none | kept (the target has its own) | left (only some realms were moved)"""


class _ChangedError(Exception):
    """Leaves a cut-over where a realm has got a child that nobody knew of; never reaches a caller."""


def migrate(
    source: Client,
    target: Client,
    *,
    realms: Iterable[str] | None = None,
    live: bool = False,
    dry_run: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Migration:
    """
    Move *realms* (all, if None) from the store of *source* into that of *target*, with all that is known of them.

    Numbers, history, digests, tombstones, schemas, policies and receipts are there what they were here, so etags and
    cursors hold there, and a write that is sent again is answered there as it was here.  A realm that has moved is
    refused here with ``RealmMoved``.  After an error nothing has moved of the family that it met, and what was carried
    waits in the target, closed; after a kill too, or all of it has moved: the same call goes on.

    With *live* writers go on while history is carried and wait for the last revisions only; without it those of a
    family wait from its first revision to its cut-over.  *progress* is called with revisions carried and to carry.

    Raises:
        Unsupported: A store whose realms cannot move.
        InvalidArgument: Both are one store; or *realms* leaves relatives of one behind.
        RealmNotFound: One of *realms* was never written.
        RealmMoved: One of *realms* lives in a third store.
        TimelineChanged: The target has another history under a realm's name; nothing of its family has moved.
        LimitExceeded: A document is larger than the target takes.
        LockTimeout, OutcomeUnknown, StoreError: One of the stores failed.
    """
    move = _Move(source, target, progress=progress)
    wanted = None if realms is None else _names(realms)
    if dry_run:
        return move.planned(wanted)
    return move.carried_out(wanted, live=live)


def refuse_server(url: str) -> None:
    """
    Raise for the URL of a server, before anybody asks it.

    Raises:
        Unsupported: It is one: realms are moved by whoever has their store in hand.
    """
    if server_origin(url) is not None:
        raise Unsupported(
            "the realms of a server are moved where its store is in hand: name that store instead"
        )


def family_of(client: Client, realm: str) -> list[RealmName]:
    """*realm* and all who can only move with it; itself alone, where it does not live in the store of *client*."""
    name = RealmName(realm)
    with client.store.view() as view:
        families = families_of(_living(view))
    return next((family for family in families if name in family), [name])


def _living(view: ReadView) -> dict[RealmName, RealmName | None]:
    """The realms that live in a store, and the parent of each."""
    return {
        entry.realm: entry.parent
        for entry in view.realms()
        if not is_system(entry.realm) and entry.moved_to is None
    }


def _names(realms: Iterable[str]) -> list[RealmName]:
    if isinstance(realms, (str, bytes)):
        raise InvalidArgument("realms must be a list of names")
    return [RealmName(name) for name in realms]


class _Move:
    def __init__(
        self,
        source: Client,
        target: Client,
        *,
        progress: Callable[[int, int], object] | None,
    ) -> None:
        self._source, self._target = source.store, target.store
        self._able_source = _able(self._source)
        self._able_target = _able(self._target)
        _refuse_one_store(self._source, self._target)
        self._from, self._to = public_url(self._source.url), public_url(self._target.url)
        self._progress = progress
        self._counts: dict[RealmName, int] = {}
        self._total = 0
        self._clients = (source, target)
        self._carrier = Carrier(
            self._source,
            self._target,
            able_source=self._able_source,
            able_target=self._able_target,
            source_url=self._from,
            deadline=self._deadline,
            carried=self._count,
        )

    def _deadline(self) -> float:
        return min(client.deadline(None) for client in self._clients)

    def _count(self, realm: RealmName, number: int) -> None:
        self._counts[realm] = self._counts.get(realm, 0) + number
        if self._progress is not None:
            done = sum(self._counts.values())
            self._progress(done, max(done, self._total))

    # --- what there is to do ---------------------------------------------------------------

    def _heads(self, view: ReadView, wanted: Sequence[RealmName] | None) -> dict[RealmName, Head]:
        """Every realm that is asked for, with its head in the source."""
        everybody = [entry.realm for entry in view.realms() if not is_system(entry.realm)]
        if wanted is not None:
            for realm in wanted:
                head = view.head(realm)
                if head.revision is None:
                    raise RealmNotFound(realm=realm)
                if head.moved_to not in (None, self._to):
                    raise RealmMoved(str(head.moved_to), realm=realm)
        return {realm: view.head(realm) for realm in (everybody if wanted is None else wanted)}

    def _families(
        self, view: ReadView, wanted: Sequence[RealmName] | None
    ) -> list[list[RealmName]]:
        """
        Those who live in the source, by family, children first.

        Raises:
            InvalidArgument: *wanted* has a part of one.
        """
        families = families_of(_living(view))
        if wanted is None:
            return families
        found = []
        for family in families:
            named = [realm for realm in family if realm in wanted]
            if named and len(named) < len(family):
                left = next(realm for realm in family if realm not in wanted)
                raise InvalidArgument(
                    f"realm {named[0]} and realm {left} inherit from one another, or from the same one: "
                    "they can only move together"
                )
            if named:
                found.append(family)
        return found

    def planned(self, wanted: Sequence[RealmName] | None) -> Migration:
        """What ``carried_out`` would do; changes nothing."""
        with self._source.view() as view:
            heads = self._heads(view, wanted)
            self._families(view, wanted)
            done = [self._plan(realm, head, view) for realm, head in heads.items()]
        return Migration(
            source=self._from,
            to=self._to,
            realms=tuple(done),
            tokens=self._tokens(wanted, tried=True),
        )

    def _plan(self, realm: RealmName, head: Head, view: ReadView) -> Migrated:
        told = Migrated(realm=str(realm), state="moves", generation=head.generation, revisions=0)
        if head.moved_to == self._to:
            is_there = self._target.head(realm, adopt=False).moved_to is None
            return told.replace(state="already" if is_there else "moves")
        if head.moved_to is not None:
            return told.replace(state="elsewhere", reason=head.moved_to)
        try:
            self._carrier.begin(realm, view)
        except TimelineChanged as refused:
            return told.replace(state="refused", reason=str(refused))
        return told.replace(revisions=self._carrier.rest(realm, head))

    # --- doing it --------------------------------------------------------------------------

    def carried_out(self, wanted: Sequence[RealmName] | None, *, live: bool) -> Migration:
        """Move them, family by family."""
        states = self._finished_before(wanted)
        self._begin_all(wanted)
        for _ in range(ROUNDS_MAX):
            with self._source.view() as view:
                families = self._families(view, wanted)
            if not families:
                break
            for family in families:
                with suppress(_ChangedError):
                    for head in self._moved(family, live=live):
                        states[head.realm] = self._told(head, "moved")
        else:
            raise StoreUnavailable("realms go on being made below those that move: try again later")
        return Migration(
            source=self._from,
            to=self._to,
            realms=tuple(states[realm] for realm in sorted(states)),
            tokens=self._tokens(wanted, tried=False),
        )

    def _moved(self, family: Sequence[RealmName], *, live: bool) -> Sequence[Head]:
        """Move *family*, all or none, and compare what came of it; its last heads in the source."""
        if live:
            self._catch_up(family)
        departed: list[Head] = []
        try:
            self._cut_over(family, departed)
        except BaseException:
            self._take_back(family)
            raise
        for head in reversed(departed):
            self._able_target.arrive(head.realm, digest=_digest(head), deadline=self._deadline())
        for head in departed:
            self._carrier.compare(head.realm)
        return departed

    def _told(self, head: Head, state: str) -> Migrated:
        realm = head.realm
        return Migrated(
            realm=str(realm),
            state=state,
            generation=head.generation,
            revisions=self._counts.get(realm, 0),
            reason=head.moved_to or "" if state == "elsewhere" else "",
            warnings=tuple(notice.message for notice in head.warnings),
        )

    def _finished_before(self, wanted: Sequence[RealmName] | None) -> dict[RealmName, Migrated]:
        """Let those live in the target that an earlier call had marked and did not live to see there."""
        told: dict[RealmName, Migrated] = {}
        with self._source.view() as view:
            heads = self._heads(view, wanted)
        left = {realm: head for realm, head in heads.items() if head.moved_to is not None}
        for family in families_of({realm: _parent(head) for realm, head in left.items()}):
            for realm in reversed(family):
                told[realm] = self._arrived(left[realm])
            for realm in family:
                if told[realm].state != "elsewhere":
                    # What is gone there since cannot be compared.
                    with suppress(HistoryCompacted, RevisionNotFound):
                        self._carrier.compare(realm)
        return told

    def _arrived(self, head: Head) -> Migrated:
        """Let a realm live in the target that was marked as moved there."""
        realm = head.realm
        if head.moved_to != self._to:
            return self._told(head, "elsewhere")
        there = self._target.head(realm, adopt=False)
        if there.moved_to is not None and there.moved_to != self._from:
            # From there it has moved on.
            return self._told(head.replace(moved_to=there.moved_to), "elsewhere")
        is_there = there.revision is not None and there.moved_to is None
        if not is_there:
            self._carry_the_rest(realm, head)
        self._able_target.arrive(realm, digest=_digest(head), deadline=self._deadline())
        return self._told(head, "already" if is_there else "arrived")

    def _carry_the_rest(self, realm: RealmName, head: Head) -> None:
        """Carry what an earlier call had not, before it came to its end: where the marker is nobody writes any more."""
        with self._source.view() as view:
            self._carrier.begin(realm, view)
            while self._carrier.carry_page([realm], view, until=None):
                pass
        self._carrier.carry_receipts(realm, head.generation)

    def _begin_all(self, wanted: Sequence[RealmName] | None) -> None:
        """Refuse what cannot move before anything is carried, and find out how much there is to carry."""
        with self._source.view() as view:
            for family in self._families(view, wanted):
                for realm in family:
                    self._carrier.begin(realm, view)
                    self._total += self._carrier.rest(realm, view.head(realm))

    def _catch_up(self, family: Sequence[RealmName]) -> None:
        """Carry, while others write, until there is little left or no end in sight."""
        self._close(family)
        for _ in range(PASSES_MAX):
            with self._source.view() as view:
                until = view.last_position()
            carried = 0
            while True:
                with self._source.view() as view:
                    number = self._carrier.carry_page(family, view, until=until)
                if not number:
                    break
                carried += number
            for realm in family:
                self._carrier.carry_known_receipts(realm)
            if carried <= REST_MAX:
                return

    def _close(self, family: Sequence[RealmName]) -> None:
        with self._source.view() as view:
            for realm in family:
                if not self._carrier.has_begun(realm):
                    self._carrier.begin(realm, view)
                self._carrier.close(realm, view)

    def _cut_over(self, family: Sequence[RealmName], departed: list[Head]) -> None:
        """Mark all of *family* as moved, each in the source's turn once the target has all of it."""
        self._close(family)
        for number, realm in enumerate(family):
            rest = family[number:]

            def finish(
                view: ReadView, realm: RealmName = realm, rest: Sequence[RealmName] = rest
            ) -> None:
                _refuse_new_relatives(view, realm, family)
                while self._carrier.carry_page(rest, view, until=None):
                    pass
                self._carrier.carry_receipts(realm, view.head(realm).generation)

            departed.append(
                self._able_source.depart(realm, self._to, finish=finish, deadline=self._deadline())
            )

    def _take_back(self, family: Sequence[RealmName]) -> None:
        """Let those live in the source again whose family could not follow: none of them lives in the target yet."""
        for realm in reversed(family):
            with suppress(RealmconfError):
                head = self._source.head(realm, adopt=False)
                there = self._target.head(realm, adopt=False)
                if head.moved_to == self._to and there.moved_to == self._from:
                    self._able_source.arrive(realm, digest=_digest(head), deadline=self._deadline())

    # --- tokens ----------------------------------------------------------------------------

    def _tokens(self, wanted: Sequence[RealmName] | None, *, tried: bool) -> str:
        """
        Copy the tokens where everything moves, unless the target has some of its own.

        The source keeps them: whoever still comes there must be let in to be told where to go.
        """
        if wanted is not None:
            return "left"
        with self._source.view() as view:
            if view.head(TOKENS).revision is None:
                return "none"
            try:
                self._carrier.begin(TOKENS, view)
                if tried:
                    return "copied"
                self._carrier.close(TOKENS, view)
            except TimelineChanged:
                return "kept"
            while self._carrier.carry_page([TOKENS], view, until=None):
                pass
            digest = _digest(view.head(TOKENS))
        self._able_target.arrive(TOKENS, digest=digest, deadline=self._deadline())
        return "copied"


def _able(store: Store) -> MovingStore:
    able = moving(store)
    if able is None:
        raise Unsupported(
            f"realms cannot move from or into a store of the kind {store.info.name} yet"
        )
    return able


def _refuse_one_store(source: Store, target: Store) -> None:
    one, other = public_url(source.url), public_url(target.url)
    if one == other or (
        "://" not in one + other and os.path.realpath(one) == os.path.realpath(other)
    ):
        raise InvalidArgument(
            "the two are one store, or cannot be told apart by their URLs: nothing can move"
        )


def _digest(head: Head) -> str:
    assert head.revision is not None
    return head.revision.digest


def _parent(head: Head) -> RealmName | None:
    return parent_of(head.realm, None if head.revision is None else head.revision.document)


def _refuse_new_relatives(view: ReadView, realm: RealmName, family: Sequence[RealmName]) -> None:
    """
    Raise if somebody who lives in the source would be left behind: below *realm* (those who were known have left
    before it), or above it.
    """
    heirs = (
        [entry.realm for entry in view.realms() if not is_system(entry.realm)]
        if realm == GLOBAL
        else view.children(realm)
    )
    above = [one for one in (_parent(view.head(realm)), GLOBAL) if one and one not in family]
    for one in (*heirs, *above):
        head = view.head(one)
        if one != realm and head.revision is not None and head.moved_to is None:
            raise _ChangedError
