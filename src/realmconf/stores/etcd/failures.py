"""
What etcd says is wrong, as an error of ours that helps.

Decides by the codes of gRPC, and within one code by etcd's own words; which refusals mean that a write was not carried
out, and which leave that open.
"""

from __future__ import annotations

from realmconf.errors import (
    LimitExceeded,
    RealmconfError,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

INVALID, DENIED, EXHAUSTED, NOT_ENABLED, OUT_OF_RANGE = 3, 7, 8, 9, 11
UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED = 14, 15, 16
_UNDONE = frozenset((INVALID, DENIED, NOT_ENABLED, OUT_OF_RANGE, 12, UNAUTHENTICATED))
_STALE_TOKENS = (
    "invalid auth token",
    "revision of auth store is old",
    # Of whoever has a user, and came when nobody was asked who comes.
    "user name is empty",
)


class RefusedError(Exception):
    """etcd has refused what was asked. Never reaches a caller."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{text} ({code})")
        self.code = code
        self.text = text

    @property
    def is_compacted(self) -> bool:
        """Whether the revision that was to be read at is gone."""
        return "has been compacted" in self.text

    @property
    def is_stale_token(self) -> bool:
        """Whether who we are has to be proved anew, by whoever can; nothing was done."""
        return any(one in self.text for one in _STALE_TOKENS)

    @property
    def is_full(self) -> bool:
        """
        Whether there is no space left.

        The very write that fills the space is carried out and answered so, too.
        """
        return "space exceeded" in self.text

    @property
    def is_busy(self) -> bool:
        """Whether it was not begun, and may be asked again, elsewhere or later."""
        return "too many requests" in self.text or "no leader" in self.text

    @property
    def is_undone(self) -> bool:
        """Whether a write that was answered so was surely not carried out."""
        return self.is_busy or self.code in _UNDONE or self.is_too_large

    @property
    def is_too_large(self) -> bool:
        """Whether what was sent, or is to be sent back, is more than goes through at once."""
        return "too large" in self.text or "larger than max" in self.text

    @property
    def may_pass(self) -> bool:
        """Whether a question that was answered so may be asked again, elsewhere or later."""
        return self.is_busy or (
            self.code in {1, 2, 4, 10, 13, UNAVAILABLE} and not self.is_too_large
        )


class LostError(Exception):
    """It was sent, and no answer came that can be told. Never reaches a caller."""


class UnsentError(Exception):
    """It was not sent, or not as a whole. Never reaches a caller."""


class RenewedError(Exception):
    """It was not sent: what it was made of was seen before a connection failed. Never reaches a caller."""


def refusal_in(status: int, answer: Any) -> RefusedError:
    """What an answer that is none says."""
    if not isinstance(answer, dict):
        if status == 404:
            return RefusedError(12, "it has no JSON gateway (404)")
        return RefusedError(2, f"HTTP {status}")
    code = answer.get("code", answer.get("grpc_code", 2))
    text = str(answer.get("message") or answer.get("error") or "no reason given")
    return RefusedError(code if isinstance(code, int) else 2, text.removeprefix("etcdserver: "))


def explain(refused: RefusedError, place: str, *, is_write: bool = False) -> RealmconfError:
    """The error for what was refused; nothing was changed."""
    code, text = refused.code, refused.text
    if refused.is_full:
        return StoreFull(
            f"{place}: there is no space left for it ({text}); raise --quota-backend-bytes, or compact and "
            "defragment etcd, and then take the alarm back (etcdctl alarm disarm)"
        )
    if "request is too large" in text or "larger than max" in text:
        return LimitExceeded("request_bytes", REQUEST_BYTES_MAX + 1, maximum=REQUEST_BYTES_MAX)
    if "too many operations" in text:
        return LimitExceeded("operations_at_once", OPERATIONS_MAX + 1, maximum=OPERATIONS_MAX)
    if code == DENIED and is_write:
        return StoreReadOnly(
            f"{place}: the user may not write under this prefix ({text}); grant it the prefix (etcdctl role "
            "grant-permission ROLE readwrite --prefix=true PREFIX/), or open the store for reading only"
        )
    if code == DENIED:
        return StoreUnavailable(
            f"{place}: the user may not read under this prefix ({text}); grant it the prefix (etcdctl role "
            "grant-permission ROLE readwrite --prefix=true PREFIX/)",
            retryable=False,
        )
    if "user name is empty" in text or "user name not found" in text:
        return StoreUnavailable(
            f"{place}: the server asks who comes; give user and password: etcd://user:password@host",
            retryable=False,
        )
    if "invalid user ID or password" in text:
        return StoreUnavailable(
            f"{place}: the server does not let us in ({text}); are user and password the right ones? In a URL "
            "@ / ? # of a password are written %40 %2F %3F %23",
            retryable=False,
        )
    if code == DATA_LOSS or "corrupt" in text:
        return StoreCorrupt(f"{place}: etcd has found that its members differ ({text})")
    if code == 12:
        return StoreUnavailable(
            f"{place}: what answers there is no etcd that can be asked: {text}; is it the client port, and was the "
            "server started with --enable-grpc-gateway=false?",
            retryable=False,
        )
    if refused.may_pass:
        return StoreUnavailable(f"{place} cannot answer now: {text}")
    return StoreUnavailable(f"{place} refuses this: {text} ({code})", retryable=False)


def explain_unreached(reasons: Iterable[str], place: str) -> StoreUnavailable:
    """The error where no server was reached; *reasons* are what became of each attempt."""
    said = list(dict.fromkeys(reason for reason in reasons if reason))
    if said == [NO_ETCD]:
        return StoreUnavailable(f"{place}: {NO_ETCD}; is it the client port?", retryable=False)
    text = "; ".join(said) or "no answer in time"
    lowered = text.lower()
    if "certificate" in lowered and "verify failed" in lowered:
        return StoreUnavailable(
            f"{place}: the server's certificate is not trusted ({text}); name its authority with ?ca=FILE",
            retryable=False,
        )
    if "certificate" in lowered and ("required" in lowered or "bad certificate" in lowered):
        return StoreUnavailable(
            f"{place}: the server wants to see a certificate that it trusts ({text}); name one with "
            "?cert=FILE&key=FILE",
            retryable=False,
        )
    if "ssl" in lowered or "tls" in lowered:
        return StoreUnavailable(
            f"{place}: no encrypted connection came about ({text}); give ?tls=yes or ?ca=FILE where the server has "
            "TLS, and not where it has none",
            retryable=False,
        )
    if "ended the connection" in lowered:
        # It may be going down; it may also be all that a server with TLS says to who has none.
        text += "; where the server has TLS, give ?tls=yes or ?ca=FILE"
    return StoreUnavailable(f"{place} cannot be reached: {text}")


NO_ETCD = "what answers there is no etcd"
OPERATIONS_MAX = 128
"""In one transaction, unless the server was started with another --max-txn-ops."""
REQUEST_BYTES_MAX = 1_468_006
"""1.4 MiB of keys and values: the server takes 1.5 MiB with all that is around them."""
