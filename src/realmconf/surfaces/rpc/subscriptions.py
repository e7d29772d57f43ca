"""
Who is told of changes: one follower for each subscription, which tells a step when the one before it is out.

Decides that nothing is kept for a client that does not read: its followers stand still, and history is the buffer.
"""

from __future__ import annotations

import threading

from realmconf.errors import InvalidArgument, LimitExceeded, RealmconfError
from realmconf.runtime.operations.results import Step
from realmconf.runtime.watch import RETRY_SECONDS, Watch
from realmconf.surfaces.answers import render
from realmconf.surfaces.rpc import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from realmconf.runtime.operations.results import Watching
    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.operations.table import Operation

SUBSCRIPTIONS_MAX = 64
CHANGED = "config/changed"
"""The notification: ``subscription``, and a step; or ``event`` ``end`` and why there are no more."""


class Subscription:
    """One watch of one client; begins to tell with ``start``, and subscribed before."""

    def __init__(
        self,
        number: int,
        operation: Operation,
        session: Session,
        watching: Watching,
        *,
        send: Callable[[bytes], None],
        when_ended: Callable[[Subscription], None],
    ) -> None:
        self.id = number
        self._operation = operation
        self._session = session
        self._watching = watching
        self._send = send
        self._when_ended = when_ended
        handle = session.realm(watching.realm)
        self._watch = Watch(
            session.client,
            handle.source,
            watching.realm,
            watching.start,
            view=watching.view,
            silence_seconds=None,
        )
        self._thread = threading.Thread(target=self._run, name="realmconf-rpc-watch", daemon=True)
        self._has_started = False
        self._guard = threading.Lock()

    def start(self) -> None:
        """Begin to tell, unless it was ended before."""
        with self._guard:
            if self._watch.is_closed():
                return
            self._has_started = True
            self._thread.start()

    def close(self) -> None:
        """Tell nothing more but what is on its way. Idempotent."""
        with self._guard:
            self._watch.close()
            has_started = self._has_started
        if not has_started:
            self._when_ended(self)

    def join(self) -> None:
        """Wait until what was on its way is out."""
        if self._has_started:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._follow()
        except BaseException as failure:  # noqa: BLE001 - told to the client, which would wait for ever
            self._watch.close()
            self._tell({"event": "end", "error": messages.data_of(failure)})
        finally:
            self._when_ended(self)

    def _follow(self) -> None:
        """Tell every step; one that cannot be told for now is told later, and none before it."""
        untold = None
        while not self._watch.is_closed():
            try:
                if untold is None:
                    untold = next(self._watch, None)
                if untold is None:
                    return
                step = self._step(untold)
            except RealmconfError as failure:
                if not failure.retryable:
                    raise
                self._watch.pause(RETRY_SECONDS)
                continue
            self._tell(step)
            untold = None

    def _step(self, snapshot: Any) -> dict[str, Any]:
        step = Step(
            realm=self._watching.realm,
            view=self._watching.view,
            snapshot=snapshot,
            cursor=snapshot.cursor,
        )
        shown: dict[str, Any] = render(self._operation, self._session, step)
        return shown

    def _tell(self, step: dict[str, Any]) -> None:
        self._send(messages.notified(CHANGED, {"subscription": self.id, **step}))


class Subscriptions:
    """Those of one conversation."""

    def __init__(
        self,
        session: Session,
        *,
        send: Callable[[bytes], None],
        when_ended: Callable[[], None],
    ) -> None:
        self._session = session
        self._send = send
        self._when_ended = when_ended
        self._guard = threading.Lock()
        self._known: dict[int, Subscription] = {}
        self._made = 0
        self._has_ended = False

    def __len__(self) -> int:
        return len(self._known)

    def subscribe(self, operation: Operation, watching: Watching) -> Subscription:
        """
        A new one, which is to be started when its client knows of it.

        Raises:
            LimitExceeded: There are as many as may be.
        """
        with self._guard:
            if len(self._known) >= SUBSCRIPTIONS_MAX:
                raise LimitExceeded(
                    "subscriptions", len(self._known) + 1, maximum=SUBSCRIPTIONS_MAX
                )
            self._made += 1
            made = Subscription(
                self._made,
                operation,
                self._session,
                watching,
                send=self._send,
                when_ended=self._forget,
            )
            self._known[made.id] = made
            has_ended = self._has_ended
        if has_ended:
            made.close()
        return made

    def end(self, number: int) -> None:
        """
        End one; after return nothing more comes of it.

        Raises:
            InvalidArgument: There is none of this number, or no more.
        """
        with self._guard:
            found = self._known.get(number)
        if found is None:
            raise InvalidArgument(f"there is no subscription {number}")
        found.close()
        found.join()

    def close(self) -> None:
        """End all of them, and those to come."""
        with self._guard:
            self._has_ended = True
            known = list(self._known.values())
        for one in known:
            one.close()

    def _forget(self, one: Subscription) -> None:
        with self._guard:
            self._known.pop(one.id, None)
        self._when_ended()
