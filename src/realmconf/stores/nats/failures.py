"""
What NATS says is wrong, as an error of ours that helps.

Decides by the numbers of JetStream's errors, and for what is said in words alone (authorization, permissions) by the
words; which of them mean that a conditional write did not stand, and which that it may be tried again.
"""

from __future__ import annotations

import re

from realmconf.errors import StoreFull, StoreReadOnly, StoreUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from realmconf.errors import StoreError

OVERTAKEN = frozenset((10071, 10164))
"""A sequence is not the expected one: nothing was put down."""
BUSY = frozenset((10005, 10008, 10009, 10163, 10167, 10176, 10210))
"""
No leader yet, or servers that have not found each other, too much at once, a batch that did not arrive whole: nothing
was put down; it may be sent again.
"""
FULL = frozenset((10002, 10023, 10028, 10047, 10122))
STORE_FAILED = 10077
NO_STREAM = 10059
NAME_TAKEN = 10058
NO_MESSAGE = 10037
NOT_CLUSTERED = 10074
NOT_ENABLED_HERE = 10076
NOT_ENABLED = frozenset((10035, 10039, NOT_ENABLED_HERE))

_FULL_TEXTS = re.compile(r"maximum|no space left|insufficient|resource", re.IGNORECASE)


class RefusedError(Exception):
    """JetStream has refused what was asked. Never reaches a caller."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(f"{text} ({number})")
        self.number = number
        self.text = text


class LostError(Exception):
    """Its first byte was given to the socket, and no answer came. Never reaches a caller."""


class UnsentError(Exception):
    """Nothing of it was given to the socket, or nobody was there to take it. Never reaches a caller."""


class NobodyError(UnsentError):
    """The server has nobody who takes it: no leader, no JetStream, or no stream for that subject."""


def refusal_in(answer: Mapping[str, Any]) -> RefusedError | None:
    """The error in an answer of JetStream's, if it has one."""
    error = answer.get("error")
    if not isinstance(error, dict):
        return None
    return RefusedError(
        int(error.get("err_code", 0)), str(error.get("description", "no reason given"))
    )


def is_full(refused: RefusedError) -> bool:
    """Whether there is no space left."""
    return refused.number in FULL or (
        refused.number == STORE_FAILED and _FULL_TEXTS.search(refused.text) is not None
    )


def may_be_there(refused: RefusedError) -> bool:
    """Whether what was refused may be there after all."""
    # What the server could not do is not told; it may have done a part that is there after a restart.
    return refused.number == STORE_FAILED and not is_full(refused)


def explain(refused: RefusedError, place: str) -> StoreError:
    """The error for what was refused; nothing was changed."""
    number, text = refused.number, refused.text
    if is_full(refused):
        return StoreFull(
            f"{place}: there is no space left for it ({text}); "
            "remove old revisions with compact, or raise its limits where there is no room left for that either"
        )
    if number in NOT_ENABLED:
        return StoreUnavailable(
            f"{place}: JetStream is not enabled there, or not for this account ({text}); "
            "start the server with -js, or enable it for the account",
            retryable=False,
        )
    if number == NOT_CLUSTERED:
        return StoreUnavailable(
            f"{place}: replicas= asks for a cluster, and the server is alone ({text})",
            retryable=False,
        )
    if number == NO_STREAM:
        return StoreUnavailable(
            f"{place}: there is no such stream (any more); was it deleted? open the store again",
            retryable=False,
        )
    if number in BUSY:
        return StoreUnavailable(f"{place} cannot take it now ({text})")
    return StoreUnavailable(f"{place} refuses this: {text} ({number})")


def is_denied(text: str) -> bool:
    """Whether *text*, of the server's, says that somebody may not do something."""
    return "permissions violation" in text.lower()


def explain_denied(text: str, place: str) -> StoreReadOnly | StoreUnavailable:
    """The error where the account's permissions are in the way."""
    said = re.sub(r"^nats: ?", "", text).strip("'\" ")
    if "publish" in said.lower() and "$js.api" not in said.lower():
        return StoreReadOnly(
            f"{place}: the user may not write to the stream ({said}); "
            "grant it publishing to the stream's subjects, or open the store for reading only"
        )
    return StoreUnavailable(
        f"{place}: the user may not do that ({said}); docs/nats.md lists what has to be granted",
        retryable=False,
    )


def explain_unreached(
    reasons: Iterable[str], place: str, *, has_credentials: bool
) -> StoreUnavailable:
    """The error where no server let us in; *reasons* are what each said, without anything secret."""
    text = "; ".join(dict.fromkeys(reason for reason in reasons if reason)) or "no answer in time"
    lowered = text.lower()
    if "authorization violation" in lowered or "authentication" in lowered:
        how = (
            "are user and password the right ones?"
            if has_credentials
            else "give some: nats://user:password@host, or ?creds=FILE"
        )
        return StoreUnavailable(
            f"{place}: the server does not let us in ({text}); {how} In a URL @ / ? # of a password are "
            "written %40 %2F %3F %23",
            retryable=False,
        )
    if "certificate" in lowered:
        return StoreUnavailable(
            f"{place}: the server's certificate is not trusted ({text}); name its authority with ?ca=FILE",
            retryable=False,
        )
    if "ssl" in lowered or "tls" in lowered:
        return StoreUnavailable(
            f"{place}: no encrypted connection came about ({text}); give ?tls=yes where the server asks for it, "
            "and not where it has none",
            retryable=False,
        )
    return StoreUnavailable(f"{place} cannot be reached: {text}")
