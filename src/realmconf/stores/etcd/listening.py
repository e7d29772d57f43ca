"""
Hearing that somebody has written: a watch of the rows, of which each small one has its head with it.

etcd tells everything that comes to what is watched once, in order, and all of one revision together.

Decides how it is noticed that nothing would be heard any more.  The connection that is lost, a member that has no
leader, or one that is silent about what was read elsewhere ends the listening; whoever listens begins anew, with
another member, and looks at everything.  A compaction of etcd ends nothing: no past is asked for.
"""

from __future__ import annotations

import json
import os
import select
import time
import weakref
from base64 import b64decode
from contextlib import contextmanager

from realmconf.errors import StoreCorrupt, StoreUnavailable
from realmconf.stores.engine.ledger import News, Told
from realmconf.stores.etcd import failures
from realmconf.stores.etcd.asking import WATCH, Found, watch_of
from realmconf.stores.etcd.failures import LostError, RefusedError, UnsentError, refusal_in
from realmconf.stores.etcd.layout import after, entry_in, name_in, trusted_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from realmconf.stores.engine.ledger import Heard
    from realmconf.stores.etcd.layout import Entry
    from realmconf.stores.etcd.link import Link
    from realmconf.stores.etcd.wire import Wire

SILENCE_SECONDS = 2.0
"""How long a member may be silent about a row that was seen elsewhere until it is given up."""


class Ear:
    """Whoever of one ledger listens: one at a time. Thread-safe."""

    def __init__(self, link: Link, prefix: str, on_row: Callable[[Entry, int], None]) -> None:
        """*on_row* is told of each row under *prefix* that is put, and the era of the connection that told of it."""
        self._link = link
        self._on_row = on_row
        self._prefix = prefix
        # The end of this pipe is readable once the ledger is closed; closed itself when nobody can wait there.
        self._closing, close = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        weakref.finalize(self, os.close, self._closing)
        self._end = weakref.finalize(self, os.close, close)
        self._heard = 0
        """The newest revision of the server's that was heard of."""
        self._last: int | None = None
        """That of the last row that this watch has told of."""
        self._era = link.era
        self._seen = 0
        self._seen_at = 0.0
        self._wire: Wire | None = None
        self._part = b""
        """The beginning of an answer of which the rest has not come yet."""
        self._ready: list[bytes] = []
        """Answers that came together with the first."""

    def note_newest(self, version: int) -> None:
        """The newest row was seen at that version."""
        if version > self._seen:
            self._seen, self._seen_at = version, time.monotonic()

    @contextmanager
    def listening(self, deadline: float) -> Iterator[Callable[[float], Heard]]:
        """See ``Ledger.listening``."""
        try:
            pieces = self._begun(deadline)
            wire = self._wire
            assert wire is not None
            poll = select.poll()
            poll.register(self._closing, select.POLLIN)
            poll.register(wire.fileno(), select.POLLIN)

            def wait(seconds: float) -> Heard:
                until = time.monotonic() + seconds
                while True:
                    if not self._ready and not wire.has_something():
                        left = until - time.monotonic()
                        events = poll.poll(max(0, int(left * 1000) + 1))
                        if any(descriptor == self._closing for descriptor, _ in events):
                            raise self._link.closed_error()
                        if not events:
                            self._refuse_silence(wire)
                            return False
                    told = [news for line in self._next(pieces, wire) for news in self._told(line)]
                    if told:
                        return told

            yield wait
        except (LostError, UnsentError) as lost:
            raise StoreUnavailable(f"{self._link.place}: {lost}") from None
        finally:
            self._let_go()

    def _begun(self, deadline: float) -> Iterator[bytes]:
        """The pieces of a watch, on a connection of its own."""
        for is_last in (False, True):
            self._last, self._era = None, self._link.era
            wire = self._wire = self._link.connected(deadline)
            token = self._link.token(wire, deadline)
            wire.send(
                WATCH, watch_of(self._prefix, after(self._prefix)), deadline=deadline, token=token
            )
            status, pieces = wire.stream(deadline)
            told = _parsed(self._first(pieces))
            result = told.get("result") or {}
            if result.get("created") and not result.get("canceled"):
                self._heard = int(result["header"]["revision"])
                return pieces
            if result.get("canceled"):
                reason = str(result.get("cancel_reason") or "permission denied")
                refused = RefusedError(failures.DENIED, reason)
            else:
                refused = refusal_in(status, told.get("error", told))
            self._link.pass_over(wire)
            # One that was got where nobody was asked who comes is an empty one.
            is_stale = refused.is_stale_token or token == ""
            if is_last or token is None or not is_stale:
                raise failures.explain(refused, self._link.place)
            self._link.forget_token(token)
        raise AssertionError

    def _first(self, pieces: Iterator[bytes]) -> bytes:
        """The answer that says whether there is a watch; a refusal need be no line."""
        self._part, self._ready = b"", []
        for piece in pieces:
            self._ready = self._lines(piece)
            if self._ready:
                return self._ready.pop(0)
        return self._part

    def _next(self, pieces: Iterator[bytes], wire: Wire) -> Sequence[bytes]:
        """The answers that have come in full with the next piece."""
        if self._ready:
            ready, self._ready = self._ready, []
            return ready
        try:
            piece = next(pieces, b"")
        except (OSError, ValueError, IndexError) as failure:
            wire.close()
            raise LostError(str(failure) or "the connection was lost") from None
        if not piece:
            raise LostError("the watch has ended")
        return self._lines(piece)

    def _lines(self, piece: bytes) -> list[bytes]:
        # Each answer is a line; a long one comes in several pieces.
        *lines, self._part = (self._part + piece).split(b"\n")
        return [line for line in lines if line]

    def _told(self, line: bytes) -> Sequence[News]:
        """The writes that one answer is of."""
        told = _parsed(line)
        result = told.get("result")
        if result is None or result.get("canceled"):
            said = told.get("error", result) or {}
            reason = said.get("message") or said.get("cancel_reason") or "without a reason"
            raise LostError(f"the watch has ended: {reason}")
        self._heard = max(self._heard, int(result["header"]["revision"]))
        by_revision: dict[int, list[Mapping[str, Any]]] = {}
        for event in result.get("events", ()):
            by_revision.setdefault(int(event["kv"]["mod_revision"]), []).append(event)
        return [self._news(revision, events) for revision, events in by_revision.items()]

    def _news(self, revision: int, events: Sequence[Mapping[str, Any]]) -> News:
        names, heads = set(), {}
        for event in events:
            kept = event["kv"]
            key = b64decode(kept["key"]).decode()
            name = trusted_name(name_in(key))
            names.add(name)
            value = b64decode(kept.get("value", ""))
            try:
                entry = entry_in(Found(key, value, int(kept["create_revision"]), revision))
            except (StoreCorrupt, KeyError):
                # Whoever asks for it is told.
                continue
            self._on_row(entry, self._era)
            if entry.packed is not None and entry.moved_to is None:
                heads[name] = Told(digest=entry.digest, packed=entry.packed, floor=entry.floor)
        before, self._last = self._last, revision
        return News(realms=frozenset(names), version=revision, before=before, heads=heads)

    def _refuse_silence(self, wire: Wire) -> None:
        if self._seen > self._heard and time.monotonic() - self._seen_at > SILENCE_SECONDS:
            self._link.pass_over(wire)
            raise LostError("the watch is silent about what was written")

    def _let_go(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def abandon(self) -> None:
        """In the child of a fork: the connection is the parent's, and so is whoever waits."""
        self._let_go()
        self._end()

    def close(self) -> None:
        """Wake whoever waits, for good. Idempotent."""
        self._end()


def _parsed(piece: bytes) -> dict[str, Any]:
    try:
        found = json.loads(piece)
    except ValueError:
        raise LostError("what it tells is no JSON") from None
    if not isinstance(found, dict):
        raise LostError("what it tells is not what was asked for")
    return found
