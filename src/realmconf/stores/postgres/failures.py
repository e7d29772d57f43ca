"""
What PostgreSQL says is wrong, as an error of ours that helps.

Decides by SQLSTATE; where there is none (nobody was reached), by what libpq knows besides.  Texts of the server are
given on without any password that was sent to it.
"""

from __future__ import annotations

from realmconf.errors import (
    LockTimeout,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from realmconf.errors import RealmconfError

MOVED = "RC001"
"""Raised by our own functions: something of what must stand does not."""
ISOLATION = "RC002"
"""Raised by our own functions: the transaction would not see what was committed while it waited."""

OVERTAKEN = frozenset((MOVED, "40001", "40P01"))
"""Nothing was changed, and it may be tried again on what stands now."""
LAYOUT = frozenset(("42P01", "42883", "42703", "3F000"))
"""A table, function, column or schema of ours is not there (any more)."""
STALE_PLAN = frozenset(("0A000", "26000"))
"""The connection has prepared what no longer fits; a new one has not."""


_OF_ANOTHER_KIND = ("session is", "standby mode")


class RefusedError(Exception):
    """PostgreSQL has refused a question: nothing of its transaction was done. Never reaches a caller."""

    def __init__(self, sqlstate: str, text: str) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate
        self.text = text


class LostError(Exception):
    """The connection is over, and what was asked last may or may not have been done. Never reaches a caller."""


class UnreachedError(Exception):
    """There is no connection, and nothing was asked. Never reaches a caller."""

    def __init__(self, text: str, *, used_password: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.used_password = used_password


def explain(
    refused: RefusedError, place: str, *, user: str, waited_seconds: float
) -> RealmconfError:
    """The error for what was refused."""
    state, text = refused.sqlstate, refused.text
    if state == "55P03":
        return LockTimeout(waited_seconds=waited_seconds)
    if state in {"53000", "53100"}:
        return StoreFull(f"{place}: no space is left for it ({text}); free some, and try again")
    if state == "53300":
        return StoreUnavailable(_too_many(place, text))
    if state == "25006":
        return StoreReadOnly(
            f"{place} can only be read: it is a standby, or made to be read only; "
            "name the primary, or several hosts with target_session_attrs=read-write"
        )
    if state == "42501":
        return StoreReadOnly(
            f"{place}: the role {user} may not do that ({text}); "
            "an administrator can grant it the rights, or it can be opened for reading only"
        )
    if state == "57014":
        return StoreUnavailable(
            f"{place} gave up on the question after its own time-out ({text}); nothing was changed"
        )
    if state in LAYOUT:
        return StoreUnavailable(
            f"{place}: the store's tables are not what they were when it was opened ({text}); "
            "was its schema dropped, or restored? open it again",
            retryable=False,
        )
    if state.startswith(("XX", "23")):
        return StoreCorrupt(f"{place}: the store's tables are damaged ({text})")
    if state == ISOLATION:
        return StoreUnavailable(
            f"{place}: transactions are not READ COMMITTED; "
            "something between here and the server has set default_transaction_isolation",
            retryable=False,
        )
    return StoreUnavailable(f"{place} refuses this: {text} (SQLSTATE {state})")


def explain_unreached(
    unreached: UnreachedError, place: str, *, secrets: Iterable[str], options: Iterable[str]
) -> StoreUnavailable:
    """The error where nobody was reached; *options* are the names of those that were given."""
    text = scrubbed(unreached.text, secrets)
    advice, is_lasting = _advice(text, unreached, set(options))
    text = f"{place} cannot be reached: {text}" + (f"; {advice}" if advice else "")
    return StoreUnavailable(text, retryable=False) if is_lasting else StoreUnavailable(text)


def _advice(text: str, unreached: UnreachedError, options: set[str]) -> tuple[str, bool]:
    """What may help, and whether trying again cannot."""
    lowered = text.lower()
    if "target_session_attrs" in options and any(one in lowered for one in _OF_ANOTHER_KIND):
        return (
            "none of the hosts is there and of the kind that target_session_attrs asks for",
            False,
        )
    if "too many clients" in lowered or "remaining connection slots" in lowered:
        return "raise its max_connections, or give stores a smaller pool_max", False
    is_without = "no password supplied" in lowered
    if is_without or "password authentication failed" in lowered:
        is_wrong = unreached.used_password and not is_without
        how = "is it the right one?" if is_wrong else "give one: user:password@host."
        return f"{how} In a URL @ / ? # of a password are written %40 %2F %3F %23", True
    if "does not exist" in lowered and "database" in lowered:
        return "make it (createdb), or name another one after the last slash", True
    if "does not exist" in lowered and "role" in lowered:
        return "make it (createuser), or name another one before the @", True
    if "pg_hba.conf" in lowered:
        return "its pg_hba.conf has no line that lets this role in from here", True
    if "starting up" in lowered or "shutting down" in lowered or "recovery" in lowered:
        return "it will be there soon", False
    if "refused" in lowered or "no such file" in lowered:
        return "is it running, and listening there?", False
    if "certificate" in lowered or "does not support ssl" in lowered:
        return "see libpq's sslmode and sslrootcert", True
    return "", False


def _too_many(place: str, text: str) -> str:
    return f"{place} takes no more connections ({text}); raise its max_connections, or give stores a smaller pool_max"


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """*text* in one line, without *secrets*."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "…")
    return " ".join(text.split())
