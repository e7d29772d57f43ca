"""
Calls that wait for a change, for surfaces that wait without a thread.

Decides what such a call waits for.  When that is there, or the time is over, the same call is made again, and waits no
more: so what it answers is decided in one place, however it was waited for.
"""

from __future__ import annotations

from realmconf.domain.record import Record
from realmconf.runtime import arguments as argument
from realmconf.runtime.operations.reading import start_of, waiting_seconds
from realmconf.runtime.operations.table import prepared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.operations.table import Operation
    from realmconf.runtime.runtime import ConfigRuntime

WAIT = "wait"
"""The parameter that says for how long."""


class Wait(Record):
    """What a call waits for: the first step of *view* after *place*."""

    handle: ConfigRuntime[Any]
    place: Any
    view: str
    seconds: float
    again: Mapping[str, Any]
    """The arguments of the same call when the wait is over."""


def may_wait(operation: Operation) -> bool:
    """Whether there are calls of *operation* that wait for a change."""
    return WAIT in operation.takes


def wait_of(operation: Operation, session: Session, arguments: Mapping[str, Any]) -> Wait | None:
    """
    What a call waits for; None: it does not wait.

    Raises:
        RealmconfError: As the call itself, for what can be told before there is an answer.
    """
    if not may_wait(operation):
        return None
    given = prepared(operation, session, arguments)
    default = operation.parameter(WAIT).default
    seconds = waiting_seconds(given.get(WAIT), default=float(default or 0))  # type: ignore[arg-type]
    after, view = given.get("after"), given.get("view", "own")
    # One that waits by itself does so from now on; another for what comes after something.
    if not seconds or given.get("at") is not None or (after is None and default is None):
        return None
    if given.get("path") is not None:
        argument.pointer(given["path"])
    handle = session.realm(given["realm"])
    # A hand edit that waits is taken in here: whoever waits on an event loop takes in none.
    session.client.store.head(given["realm"])
    if after is None:
        place: Any = handle.get()
        after = place.etag if view == "own" else place.cursor
    else:
        place = start_of(handle, after, view=view)
    again = {**arguments, "after": after, WAIT: 0}
    return Wait(handle=handle, place=place, view=view, seconds=seconds, again=again)
