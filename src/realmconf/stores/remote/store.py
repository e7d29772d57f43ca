"""
A server as a store: the methods of the contract, each a request.

Decides what is asked of the server and what of memory.  What a write means is decided by the server; what is decided
here all the same (a rename, an import) is sealed and sent with everything that it rests on.
"""

from __future__ import annotations

import os
import random
import time
import weakref
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar

from realmconf.domain.archive import revision_fields
from realmconf.domain.wire import write_fields
from realmconf.domain.write import Append
from realmconf.errors import (
    LockTimeout,
    NotPermitted,
    OutcomeUnknown,
    StoreReadOnly,
    StoreUnavailable,
)
from realmconf.stores.bell import Bells
from realmconf.stores.protocol import Applied, Compaction, Head
from realmconf.stores.remote import files
from realmconf.stores.remote.codec import (
    About,
    about_of,
    decided_of,
    notices_of,
    number_of,
    one_revision_of,
    receipt_of,
)
from realmconf.stores.remote.connection import Connection
from realmconf.stores.remote.heads import Heads
from realmconf.stores.remote.stream import Stream
from realmconf.stores.remote.view import View
from realmconf.stores.turns import Turns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.domain.scope import Scope
    from realmconf.domain.write import Write
    from realmconf.stores.bell import HungBell
    from realmconf.stores.followed import FollowedSight
    from realmconf.stores.protocol import (
        Decided,
        Judgement,
        Proof,
        ReadView,
        Receipt,
        Remembered,
        StoreInfo,
    )
    from realmconf.stores.remote.address import Address

    Judge = Callable[[ReadView], Sequence[Judgement]]

Result = TypeVar("Result")

PAUSE_SECONDS_MAX = 0.05
"""Between two judgements of what others have overtaken."""
_stores: weakref.WeakSet[RemoteStore] = weakref.WeakSet()


class RemoteStore:
    """One handle on a server's store; see ``stores.protocol.Store`` and ``DecidingStore`` for the contract."""

    def __init__(
        self, address: Address, *, token: str | None, limits: Limits, read_only: bool
    ) -> None:
        self._limits = limits
        self._read_only = read_only
        self._closed = False
        self.url = address.url
        self.connection = Connection(address, token=token)
        """For whoever counts round trips."""
        self._known = Heads()
        self._begin()
        self._about: About | None = None
        self._own_key = os.urandom(32)
        _stores.add(self)

    def _begin(self) -> None:
        self._turns = Turns()
        self._bells = Bells()
        self._stream = Stream(self.connection, on_hint=self._hinted, on_beat=self._look)

    # --- what it is --------------------------------------------------------------------------

    def _server(self, deadline: float | None = None) -> About:
        self._check_open()
        if self._about is None:
            self._about = self.connection.read(
                "/v1/store/info", understand=about_of, deadline=deadline
            )
        return self._about

    @property
    def info(self) -> StoreInfo:
        """What the server's store promises; asked for once."""
        return self._server().info

    def caller_name(self, *, deadline: float) -> str:
        """See ``DecidingStore``."""
        return self._server(deadline).caller_name

    def request_key(self) -> bytes:
        """See the protocol. Who may not seal revisions gets one of this handle, whose marks nobody takes back."""
        key = self._server().request_key
        return self._own_key if key is None else key

    def paths(self, realm: RealmName) -> Mapping[str, str]:
        """See the protocol: nothing of it is on this machine."""
        return {}

    def operate(self, method: str, path: str, arguments: Mapping[str, object]) -> object:
        """See ``DecidingStore``."""
        self._check_open()
        return self.connection.operate(method, path, arguments)

    # --- reading -----------------------------------------------------------------------------

    def head(self, realm: RealmName, *, adopt: bool = True) -> Head:
        """See the protocol: one request, answered with a few bytes if nothing has changed."""
        return self.lineage(realm)[realm]

    def lineage(self, realm: RealmName) -> Mapping[RealmName, Head]:
        """See ``DecidingStore``."""
        with self.view() as view:
            return view.lineages([realm])[0]

    def peek(self, realm: RealmName) -> Head | None:
        """See the protocol: from afar nothing is proved without asking."""
        return None

    def proof(self, realms: Sequence[RealmName]) -> Proof | None:
        """See the protocol: from afar nothing is proved without asking."""
        return None

    @contextmanager
    def view(self) -> Iterator[View]:
        """See the protocol; the point is that of the first question."""
        self._check_open()
        yield View(self.connection, self._known)

    def remembered(self, realm: RealmName) -> Remembered:
        """See ``DecidingStore``."""
        self._check_open()
        if not self._known.followed.follow(realm):
            # Whatever comes between this and the first hint is told by that.
            self._stream.start()
            self.lineage(realm)
        return self._known.followed.remembered(realm)

    def remembered_age_seconds(self, realm: RealmName) -> float:
        """See ``DecidingStore``."""
        self.remembered(realm)
        age_seconds = self._known.followed.age_seconds(realm)
        assert age_seconds is not None, "what a server has answered is never in doubt"
        return age_seconds

    def watched(self, realm: RealmName) -> FollowedSight:
        """See ``FarStore``."""
        self._check_open()
        self._stream.start()
        return self._known.followed.watch(realm)

    # --- writing -----------------------------------------------------------------------------

    @contextmanager
    def judging_turn(
        self, realms: Sequence[RealmName], deadline: float
    ) -> Iterator[Callable[[], None]]:
        """See ``DecidingStore``."""
        self._check_writable()
        with self._turns.held(realms, deadline) as refuse_child:
            yield refuse_child

    def decide(
        self,
        writes: Sequence[Write],
        *,
        identities: Sequence[object] | None,
        standing: Mapping[RealmName, str] | None,
        deadline: float,
        dry_run: bool,
    ) -> Sequence[Decided] | None:
        """See ``DecidingStore``."""
        self._check_writable()
        first = writes[0]
        known = [self._known.known(write.realm) for write in writes]
        named = {name: tag for one in known for name, (tag, _) in one.items()}
        asked: dict[str, Any] = {
            "writes": [write_fields(write) for write in writes],
            "author": first.author,
            "message": first.message,
            "surface": first.surface,
            "write_id": first.write_id,
            "sees_secrets": first.sees_secrets,
            "scope": None if first.scope is None else _scope(first.scope),
            "identities": None if identities is None else list(identities),
            "standing": None if standing is None else dict(standing),
            "known": named,
            "dry_run": dry_run,
        }
        everything = {name: tagged for one in known for name, tagged in one.items()}
        asked_at = time.monotonic()

        def understand(answer: Any) -> list[Decided] | None:
            if answer.get("moved"):
                return None
            return [
                self._decided(write.realm, found, everything, asked_at)
                for write, found in zip(writes, answer["decided"], strict=True)
            ]

        try:
            return self.connection.write(
                "/v1/store/write",
                asked,
                understand=understand,
                deadline=deadline,
                write_id=first.write_id,
                realm=first.realm,
            )
        except OutcomeUnknown as unknown:
            if not dry_run:
                raise
            raise StoreUnavailable(f"the server does not answer: {unknown.reason}") from None

    def _decided(
        self,
        realm: RealmName,
        found: Mapping[str, Any],
        known: Mapping[RealmName, Any],
        asked_at: float,
    ) -> Decided:
        members = self._known.heads_of(known, found.get("members", {}))
        decided = decided_of(found, realm=realm, members=members)
        position, tag = found.get("position"), found.get("tag")
        if decided.head is not None and position is not None and tag is not None:
            heads = {realm: decided.head, **members}
            self._known.note_written(realm, tag, heads, position=position, asked_at=asked_at)
        return decided

    def apply(
        self,
        realms: Sequence[RealmName],
        judge: Judge,
        *,
        deadline: float,
        groupable: bool = True,
        precheck: Callable[[ReadView], None] | None = None,
    ) -> Sequence[Applied]:
        """See the protocol: judged here on a point, and again until that is the newest; needs every right."""
        self._check_writable()
        self._require_everything(
            "writing whole revisions through a server, as a copy, an import or a restore does"
        )
        return self._append(realms, judge, deadline=deadline, renamed=None)

    def rename(
        self, old: RealmName, new: RealmName, judge: Judge, *, deadline: float
    ) -> Sequence[Applied]:
        """See the protocol; needs every right in both."""
        self._check_writable()
        self._require_everything("renaming through a server", realm=old)
        return self._append((old, new), judge, deadline=deadline, renamed=(old, new))

    def _append(
        self,
        realms: Sequence[RealmName],
        judge: Judge,
        *,
        deadline: float,
        renamed: tuple[RealmName, RealmName] | None,
    ) -> Sequence[Applied]:
        began = time.monotonic()
        pause = 0.001
        with self.judging_turn(realms, deadline) as refuse_child:
            while True:
                with self.view() as view:
                    judgements = judge(view)
                    basis = view.basis()
                refuse_child()
                first = judgements[0].write
                applied = self.connection.write(
                    "/v1/store/apply",
                    {
                        "judgements": [_judgement(one) for one in judgements],
                        "basis": basis,
                        "rename": None if renamed is None else list(renamed),
                    },
                    understand=partial(_all_applied, judgements),
                    deadline=deadline,
                    write_id=first.write_id,
                    realm=first.realm,
                )
                if applied is not None:
                    return applied
                if time.monotonic() + pause > deadline:
                    raise LockTimeout(waited_seconds=time.monotonic() - began)
                time.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, PAUSE_SECONDS_MAX)

    def _require_everything(self, action: str, *, realm: RealmName | None = None) -> None:
        """Refuse before anything is judged: on what is withheld nothing can be decided."""
        for _ in range(2):
            if self._server().roles >= {"admin", "secrets"}:
                return
            # The token may have been given more since.
            self._about = None
        raise NotPermitted(action, realm=realm, needs="the roles admin and secrets")

    def void(self, realm: RealmName, write_id: str, *, deadline: float) -> Receipt:
        """See the protocol."""
        self._check_writable()

        def understand(found: Any) -> Receipt:
            receipt = receipt_of(found, realm=realm, write_id=write_id)
            if receipt is None:
                raise TypeError
            return receipt

        return self._keep("void", deadline, realm, understand, write_id=write_id)

    # --- watching ----------------------------------------------------------------------------

    def signal(self, realms: Sequence[RealmName]) -> HungBell:
        """See the protocol: all signals of a store hang on one stream, which rings once it is connected."""
        self._check_open()
        signal = self._bells.add()
        self._stream.start()
        return signal

    def _hinted(self) -> None:
        self._refresh()
        self._bells.ring()

    def _look(self) -> None:
        """
        Ask how far the server is, for whoever reads without asking.

        What it has said by itself may be from any time: only of an answer it is known after what it was made.
        """
        if not self._known.followed.realms:
            return
        asked_at = time.monotonic()
        with suppress(Exception), self.view() as view:
            # A thread of ours: where it fails, what is remembered only gets older, which its age tells.
            if not self._known.followed.note_quiet(view.last_position(), asked_at):
                self._refresh()

    def _refresh(self) -> None:
        """Look again at whatever is kept for those who read without asking."""
        realms = self._known.followed.realms
        if not realms:
            return
        try:
            with self.view() as view:
                view.lineages(realms)
        except Exception:  # noqa: BLE001 - whatever it is, whoever asks is told
            # As above; and watchers ask for themselves.
            self._known.followed.miss(realms)

    # --- housekeeping ------------------------------------------------------------------------

    def _keep(
        self,
        what: str,
        deadline: float,
        realm: RealmName,
        understand: Callable[[Any], Result],
        *,
        write_id: str | None = None,
        **asked: Any,
    ) -> Result:
        self._check_writable()
        if write_id is not None:
            asked["write_id"] = write_id
        return self.connection.write(
            f"/v1/store/{what}",
            {"realm": realm, **asked},
            understand=understand,
            deadline=deadline,
            write_id=write_id,
            realm=realm,
        )

    def compact(self, realm: RealmName, *, floor: int, deadline: float) -> Compaction:
        """See the protocol; needs every right in the realm."""

        def understand(found: Any) -> Compaction:
            kept, removed = found
            return Compaction(realm=realm, floor=number_of(kept), removed=number_of(removed))

        return self._keep("compact", deadline, realm, understand, floor=floor)

    def purge(
        self, realm: RealmName, generation: int, *, document: object, deadline: float
    ) -> Revision:
        """See the protocol; needs every right in the realm."""
        understand = partial(one_revision_of, realm=realm)
        return self._keep(
            "purge", deadline, realm, understand, generation=generation, document=document
        )

    def backup(self, path: str) -> None:
        """See the protocol: the copy comes to this machine; needs every right in every realm."""
        self._check_open()
        files.download(self.connection, path)

    def revisions_in(self, path: str) -> Iterator[Revision]:
        """See the protocol: the server reads it; needs every right in every realm."""
        self._check_open()
        return files.revisions_in(self.connection, path)

    def schemas_in(self, path: str) -> Mapping[RealmName, Mapping[str, Document]]:
        """See the protocol: the server reads it; needs every right in every realm."""
        self._check_open()
        return files.schemas_in(self.connection, path)

    # --- the end, and forks --------------------------------------------------------------------

    def close(self) -> None:
        """See the protocol."""
        if self._closed:
            return
        self._closed = True
        self._known.followed.forget()
        self._stream.stop()
        self._bells.close()
        self.connection.close()

    def after_fork_in_child(self) -> None:
        """A new life: connections, thread and locks are the parent's."""
        self.connection.forget()
        self._turns.after_fork_in_child()
        self._known.followed.after_fork_in_child()
        self._known = Heads()
        self._begin()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("this client is closed", retryable=False)

    def _check_writable(self) -> None:
        self._check_open()
        if self._read_only:
            raise StoreReadOnly("this handle was opened for reading only")


def _judgement(one: Judgement) -> dict[str, Any]:
    write, decision = one.write, one.decision
    append = decision if isinstance(decision, Append) else None
    return {
        "realm": write.realm,
        "write_id": write.write_id,
        "write_id_given": write.write_id_given,
        "request": one.request,
        "revision": None if append is None else revision_fields(append.revision),
        "schemas": {} if append is None else dict(append.schemas),
    }


def _all_applied(judgements: Sequence[Judgement], answer: Any) -> list[Applied] | None:
    if answer.get("moved"):
        return None
    return [_applied(*one) for one in zip(judgements, answer["applied"], strict=True)]


def _applied(one: Judgement, found: Mapping[str, Any]) -> Applied:
    decision = one.decision
    return Applied(
        write=one.write,
        decision=decision,
        head=Head(
            realm=one.write.realm,
            revision=decision.revision if isinstance(decision, Append) else decision.head,
            floor=number_of(found["floor"]),
            moved_to=found["moved_to"],
            warnings=notices_of(found["warnings"]),
        ),
    )


def _scope(scope: Scope) -> dict[str, Any]:
    return {
        "below": None if scope.below is None else [str(place) for place in scope.below],
        "changes_place": scope.changes_place,
        "governs": scope.governs,
        "states_secrets": scope.states_secrets,
        "judges_secrets": scope.judges_secrets,
    }


def _after_fork_in_child() -> None:
    for store in list(_stores):
        store.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
