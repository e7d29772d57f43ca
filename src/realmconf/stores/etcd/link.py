"""
How a ledger's questions reach a cluster: which member is asked, with which token, and what is asked again.

Decides that a question goes to the next member where one does not answer in time, and that a write never goes twice
unless it was surely not carried out.  Holds no lock while it waits for anybody.

A connection that is made after another one failed begins an *era*: whoever answers now may be a server that was set
back, whose numbers are given again, and what was seen in an earlier era proves nothing any more.
"""

from __future__ import annotations

import json
import random
import threading
import time

from realmconf.errors import StoreUnavailable
from realmconf.stores.etcd import failures
from realmconf.stores.etcd.entering import check_version, encryption
from realmconf.stores.etcd.failures import (
    LostError,
    RefusedError,
    RenewedError,
    UnsentError,
    refusal_in,
)
from realmconf.stores.etcd.wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from typing import Any

    from realmconf.stores.etcd.address import Address

CONNECT_SECONDS = 5.0
"""For one attempt at one server."""
TRY_SECONDS = 2.0
"""How long an answer to something that may be asked again is waited for, until it is asked elsewhere."""
ANSWER_SECONDS = 5.0
"""How long the answer to a write is waited for; then it is looked what became of it."""
PAUSE_SECONDS = 0.02
PAUSE_SECONDS_MAX = 0.25
IDLE_MAX = 16


class Link:
    """The connections of one ledger.  Thread-safe; begins anew in a child of a fork."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._context: ssl.SSLContext | None = None
        self._is_closed = False
        self._has_failed = False
        self.era = 0
        self.place = address.place
        self._begin()

    def _begin(self) -> None:
        self._guard = threading.Lock()
        self._idle: list[Wire] = []
        self._lent: set[Wire] = set()
        self._token: str | None = None
        self._newest = 0
        self._cluster = ""
        self._next = random.randrange(len(self._address.servers))

    # --- asking --------------------------------------------------------------------------------

    def ask(self, path: str, body: bytes, *, deadline: float) -> Mapping[str, Any]:
        """
        The answer to what may be asked more than once: asked again, elsewhere if need be, up to *deadline*.

        Raises:
            RefusedError: It is refused.
            StoreUnavailable: There was no answer in time.
        """
        pause = PAUSE_SECONDS
        while True:
            wire = self._wire(deadline)
            newest, asked_at = self._newest, time.monotonic()
            try:
                answer = self._asked(wire, path, body, min(deadline, asked_at + TRY_SECONDS))
                self._check_time(answer, newest)
                return answer
            except (LostError, UnsentError) as lost:
                if time.monotonic() - asked_at >= TRY_SECONDS:
                    self._distrust(wire)
                reason = str(lost)
            except RefusedError as refused:
                if not refused.may_pass:
                    raise
                self._distrust(wire)
                reason = refused.text
            if self._is_closed:
                raise self.closed_error()
            if time.monotonic() + pause >= deadline:
                raise StoreUnavailable(f"{self.place} gave no answer in time: {reason}")
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    def send(
        self, path: str, body: bytes, *, deadline: float, era: int | None = None
    ) -> Mapping[str, Any]:
        """
        The answer to a write, which is sent again only if it was surely not carried out; in no other *era* than that.

        Raises:
            RefusedError: It is refused; ``is_undone`` says whether nothing was done.
            LostError: It was sent, and no answer came; or it was carried out in another history than was known.
            RenewedError: The era is over, and it was not sent.
            StoreUnavailable: It could not be sent in time.
        """
        pause = PAUSE_SECONDS
        while True:
            wire = self._wire(deadline)
            if era is not None and self.era != era:
                self._return(wire)
                raise RenewedError
            newest, sent_at = self._newest, time.monotonic()
            try:
                answer = self._asked(wire, path, body, min(deadline, sent_at + ANSWER_SECONDS))
                self._check_write_time(answer, newest)
                return answer
            except LostError:
                if time.monotonic() - sent_at >= ANSWER_SECONDS:
                    self._distrust(wire)
                raise
            except UnsentError as unsent:
                reason = str(unsent)
            except RefusedError as refused:
                if not refused.is_busy:
                    raise
                self._distrust(wire)
                reason = refused.text
            if self._is_closed:
                raise self.closed_error()
            if time.monotonic() + pause >= deadline:
                raise StoreUnavailable(
                    f"{self.place} did not take it in time: {reason}; nothing was changed"
                )
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    def _asked(self, wire: Wire, path: str, body: bytes, deadline: float) -> Mapping[str, Any]:
        """One question on *wire*, which is given back; again, once, with a new token where the old one is stale."""
        try:
            for is_last in (False, True):
                token = self._token_for(wire, deadline)
                answer = wire.ask(path, body, deadline=deadline, token=token)
                found = _parsed(answer.body)
                if answer.status == 200 and isinstance(found, dict):
                    return found
                refused = refusal_in(answer.status, found)
                if is_last or not (refused.is_stale_token and self._address.user):
                    raise refused
                self._forget_token(token)
            raise AssertionError
        finally:
            self._return(wire)

    def _check_time(self, answer: Mapping[str, Any], newest: int) -> None:
        """
        Raises:
            StoreUnavailable: It is another cluster, or an older state of it, than the one that was asked before.
        """
        header = answer.get("header")
        if header is None:
            return
        revision, cluster = int(header.get("revision", 0)), header.get("cluster_id", "")
        # What came before this was asked is in it: a serializable read is never asked for.
        if (self._cluster and cluster != self._cluster) or revision < newest:
            raise StoreUnavailable(
                f"{self.place} has another history than it had: was it restored from a copy? open the store again",
                retryable=False,
            )
        self._cluster = cluster
        if revision > self._newest:
            with self._guard:
                self._newest = max(self._newest, revision)

    def _check_write_time(self, answer: Mapping[str, Any], newest: int) -> None:
        """
        As ``_check_time``.

        Raises:
            LostError: And the write was carried out there, which no error may deny.
        """
        try:
            self._check_time(answer, newest)
        except StoreUnavailable as failure:
            if answer.get("succeeded"):
                raise LostError(str(failure)) from None
            raise

    # --- who we are ------------------------------------------------------------------------------

    def _token_for(self, wire: Wire, deadline: float) -> str | None:
        address = self._address
        if address.user is None:
            return None
        token = self._token
        if token is None:
            body = json.dumps({"name": address.user, "password": address.password}).encode()
            try:
                answer = wire.ask("/v3/auth/authenticate", body, deadline=deadline)
            except LostError as lost:
                # What was to be asked was not sent yet.
                raise UnsentError(str(lost)) from None
            found = _parsed(answer.body)
            if answer.status != 200 or not isinstance(found, dict):
                refused = refusal_in(answer.status, found)
                if refused.code != failures.NOT_ENABLED:
                    raise refused
                # It asks nobody who comes.
                found = {}
            token = str(found.get("token", ""))
            self._token = token
        return token

    def _forget_token(self, token: str | None) -> None:
        with self._guard:
            if self._token == token:
                self._token = None

    # --- connections -----------------------------------------------------------------------------

    def _wire(self, deadline: float) -> Wire:
        """
        A connection for one question.

        Raises:
            StoreUnavailable: There is none in time, or what answers is nothing that can be used.
        """
        while True:
            with self._guard:
                if self._is_closed:
                    raise self.closed_error()
                wire = self._idle.pop() if self._idle else None
                if wire is not None:
                    self._lent.add(wire)
            if wire is None:
                break
            if wire.is_good():
                return wire
            self._return(wire, is_kept=False)
        return self._made(deadline)

    def _made(self, deadline: float) -> Wire:
        wire = self.connected(deadline)
        with self._guard:
            self._lent.add(wire)
        if self._is_closed:
            self._return(wire)
            raise self.closed_error()
        return wire

    def connected(self, deadline: float) -> Wire:
        """A new connection, to whichever member lets us in; the caller's own."""
        servers = self._address.servers
        pause = PAUSE_SECONDS
        while True:
            reasons: list[str] = []
            for done in range(len(servers)):
                number = self._next
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                # One that never answers must leave time for the others.
                share = min(left / (len(servers) - done), CONNECT_SECONDS)
                until = time.monotonic() + share
                server = servers[number % len(servers)]
                try:
                    wire = Wire.connected(server, self._encryption(), deadline=until)
                    check_version(wire, self.place, until)
                except (UnsentError, LostError) as failure:
                    reasons.append(str(failure))
                    self._pass_over(number)
                else:
                    self._begin_era()
                    return wire
            unreached = failures.explain_unreached(reasons, self.place)
            if not unreached.retryable or time.monotonic() + pause >= deadline:
                raise unreached
            if self._is_closed:
                raise self.closed_error()
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    def _encryption(self) -> ssl.SSLContext | None:
        if self._context is None:
            self._context = encryption(self._address)
        return self._context

    def _return(self, wire: Wire, *, is_kept: bool = True) -> None:
        with self._guard:
            self._lent.discard(wire)
            self._has_failed |= wire.is_over or not is_kept
            is_kept = (
                is_kept
                and not wire.is_over
                and not self._is_closed
                and len(self._idle) < IDLE_MAX
                and wire.server == self._server
            )
            if is_kept:
                self._idle.append(wire)
        if not is_kept:
            wire.close()

    @property
    def _server(self) -> tuple[str, int]:
        servers = self._address.servers
        return servers[self._next % len(servers)]

    def _distrust(self, wire: Wire) -> None:
        """Ask another member than that of *wire* from now on."""
        with self._guard:
            if self._server != wire.server:
                return
            self._next += 1
            self._has_failed = True
            ended, self._idle = self._idle, []
        for one in (*ended, wire):
            one.close()

    def _pass_over(self, number: int) -> None:
        with self._guard:
            self._has_failed = True
            if self._next == number:
                self._next += 1

    def _begin_era(self) -> None:
        with self._guard:
            if self._has_failed:
                self._has_failed = False
                self.era += 1

    def pass_over(self, wire: Wire) -> None:
        """The member of *wire* has nothing to say: the next connection goes to another one."""
        self._distrust(wire)

    def token(self, wire: Wire, deadline: float) -> str | None:
        """What shows who we are, for a question of the caller's own on *wire*."""
        return self._token_for(wire, deadline)

    def forget_token(self, token: str | None) -> None:
        """It is not taken any more."""
        self._forget_token(token)

    # --- the end, and forks ----------------------------------------------------------------------

    @staticmethod
    def closed_error() -> StoreUnavailable:
        """The error of whoever asks after the end."""
        return StoreUnavailable("this client is closed", retryable=False)

    def close(self) -> None:
        """Wake whoever waits, with an error. Idempotent."""
        with self._guard:
            self._is_closed = True
            ended, self._idle = self._idle, []
            waited_for = list(self._lent)
        for wire in ended:
            wire.close()
        for wire in waited_for:
            wire.shut()

    def after_fork_in_child(self) -> None:
        """Begin anew: what is connected belongs to the parent."""
        for wire in (*self._idle, *self._lent):
            wire.close()
        self._begin()


def _parsed(body: bytes) -> Any:
    try:
        # As text: a look for other encodings takes longer than the rest.
        return json.loads(body.decode())
    except ValueError:
        return None
