"""
Requests to the server, and what a failed one means.

The one place that translates failures of the connection: before anything was sent they are an outage, after that the
outcome of a write is unknown.  An answer that says what went wrong is raised as the error that it was there.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from typing import NamedTuple, TypeVar

import httpx

from realmconf.domain.failures import error_from
from realmconf.errors import (
    InvalidArgument,
    LockTimeout,
    OutcomeUnknown,
    RealmconfError,
    StoreUnavailable,
    Unauthenticated,
)
from realmconf.stores.remote.patience import until
from realmconf.stores.remote.transport import Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, NoReturn

    from realmconf.stores.remote.address import Address
    from realmconf.stores.remote.patience import Patience

Result = TypeVar("Result")

CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0
"""What an answer to a read may take."""
GRACE_SECONDS = 5.0
"""What the answer to a write may take beyond the time that the server may wait for its turn."""
TRANSFER_SECONDS = 60.0
"""What the next part of a long answer may take."""
COPYING_SECONDS = 3_600.0
"""What a server may take for a copy of its store before the first part comes."""
ANSWER_BYTES_MAX = 268_435_456
MISSHAPEN = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    IndexError,
    AssertionError,
    RecursionError,
)
"""What comes of reading an answer that is not of the shape that it should have."""
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
CREDENTIALS = "~/.config/realmconf/credentials.toml"
"""Where users keep tokens, as the documentation calls it; read by whoever opens the store."""
JSON = {"content-type": "application/json"}


class Connection:
    """The connections of one store to its server. Thread-safe."""

    def __init__(self, address: Address, *, token: str | None) -> None:
        self.address = address
        self._token = token
        self._guard = threading.Lock()
        self._client: httpx.Client | None = None
        self._closed = False
        self.requests = 0
        """How many were sent: round trips."""

    # --- connections ---------------------------------------------------------------------

    def _pool(self) -> httpx.Client:
        with self._guard:
            if self._closed:
                raise StoreUnavailable("this client is closed", retryable=False)
            if self._client is None:
                self._client = self.new_client()
            return self._client

    def new_client(self) -> httpx.Client:
        """An HTTP client for this server, which its maker closes."""
        # Nothing is to be unpacked: what an answer takes here is what came.
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token}"
        try:
            return httpx.Client(
                base_url=self.address.origin,
                headers=headers,
                transport=Transport(self.address),
                # Read there, so that what is wrong with it can be told.
                trust_env=False,
                timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            )
        except UnicodeEncodeError:
            raise InvalidArgument("the token for the server is not written in ASCII") from None

    def close(self) -> None:
        """Ask nothing more."""
        with self._guard:
            self._closed = True
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def forget(self) -> None:
        """In a child after a fork: the connections are the parent's, and so are their locks."""
        self._guard = threading.Lock()
        self._client = None

    # --- requests --------------------------------------------------------------------------

    def read(
        self,
        path: str,
        asked: Mapping[str, Any] | None = None,
        *,
        understand: Callable[[Any], Result],
        deadline: float | None = None,
    ) -> Result:
        """
        What *understand* makes of the server's answer to a question, asked again once where the connection was stale.

        Raises:
            StoreUnavailable: There is no answer, or none by the *deadline* (monotonic seconds).
            RealmconfError: As the server says.
        """
        limit = time.monotonic() + READ_SECONDS
        limit = limit if deadline is None else min(limit, deadline)
        for attempt in (1, 2):
            try:
                answer = self._send(path, asked, deadline=limit)
            except _NOT_SENT as failure:
                self._refuse_unreachable(failure)
            except httpx.TimeoutException as failure:
                self._refuse_unreachable(failure)
            except httpx.HTTPError as failure:
                if attempt == 2:
                    self._refuse_unreachable(failure)
            except _UnclearError as unclear:
                raise StoreUnavailable(str(unclear)) from None
            else:
                try:
                    return self._answer(answer, understand)
                except _UnclearError as unclear:
                    # It changed nothing: an answer that nobody understands is merely none.
                    raise StoreUnavailable(str(unclear)) from None
        raise AssertionError

    def write(
        self,
        path: str,
        asked: Mapping[str, Any],
        *,
        understand: Callable[[Any], Result],
        deadline: float,
        write_id: str | None,
        realm: str | None,
        method: str = "POST",
    ) -> Result:
        """
        What *understand* makes of the server's answer to a request that changes something; sent once.

        Raises:
            LockTimeout: The deadline is over already.
            StoreUnavailable: It could not be sent.
            OutcomeUnknown: It was sent, and nobody has said what came of it.
            RealmconfError: As the server says; nothing was changed.
        """
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise LockTimeout(waited_seconds=0.0)
        try:
            answer = self._send(
                path,
                {**asked, "timeout": seconds},
                deadline=deadline + GRACE_SECONDS,
                connect_seconds=min(seconds, CONNECT_SECONDS),
                method=method,
            )
            return self._answer(answer, understand)
        except _NOT_SENT as failure:
            self._refuse_unreachable(failure)
        except httpx.HTTPError as failure:
            raise OutcomeUnknown(
                write_id, realm=realm, reason=f"no answer came ({type(failure).__name__})"
            ) from None
        except _UnclearError as unclear:
            raise OutcomeUnknown(write_id, realm=realm, reason=str(unclear)) from None

    def operate(self, method: str, path: str, arguments: Mapping[str, Any]) -> Any:
        """
        What a public route answers.

        Raises:
            StoreUnavailable: It could not be sent, or was a question.
            OutcomeUnknown: Nobody has said what came of it.
            RealmconfError: As the server says.
        """
        try:
            answer = self._send(
                path,
                arguments if method == "POST" else None,
                deadline=time.monotonic() + READ_SECONDS,
                method=method,
            )
            return self._answer(answer, _as_it_is)
        except _NOT_SENT as failure:
            self._refuse_unreachable(failure)
        except httpx.HTTPError as failure:
            if method == "GET":
                self._refuse_unreachable(failure)
            raise OutcomeUnknown(None, reason="no answer came") from None
        except _UnclearError as unclear:
            if method == "GET":
                raise StoreUnavailable(str(unclear)) from None
            raise OutcomeUnknown(None, reason=str(unclear)) from None

    def _send(
        self,
        path: str,
        asked: Mapping[str, Any] | None,
        *,
        deadline: float,
        connect_seconds: float = CONNECT_SECONDS,
        method: str = "POST",
    ) -> Answer:
        client = self._pool()
        content = None if asked is None else _encoded(asked)
        self.requests += 1
        seconds = max(0.001, deadline - time.monotonic())
        try:
            with (
                until(deadline) as patience,
                client.stream(
                    method if asked is not None or method != "POST" else "GET",
                    path,
                    content=content,
                    headers=JSON if content is not None else None,
                    timeout=httpx.Timeout(seconds, connect=min(seconds, connect_seconds)),
                ) as response,
            ):
                return Answer(response.status_code, _content(response, patience))
        except RuntimeError:
            # httpx says so of a client that another thread has closed.
            raise StoreUnavailable("this client is closed", retryable=False) from None

    def _answer(self, answer: Answer, understand: Callable[[Any], Result]) -> Result:
        """
        Raises:
            RealmconfError: As the server says.
            _UnclearError: Nobody can tell from the answer what was done.
        """
        if answer.status_code not in (200, 201):
            raise self.failure_of(answer.status_code, answer.content)
        try:
            found = json.loads(answer.content)
        except MISSHAPEN:
            raise _UnclearError("what answers there is no realmconf server") from None
        try:
            return understand(found)
        except RealmconfError:
            raise
        except MISSHAPEN:
            raise _UnclearError("what answers there says what this release cannot read") from None

    def failure_of(self, status: int, content: bytes) -> RealmconfError:
        """The error that an answer tells of."""
        found: Any = None
        error: RealmconfError | None = None
        with suppress(*MISSHAPEN):
            found = json.loads(content)
            error = error_from(found) if isinstance(found, dict) else None
        if isinstance(error, Unauthenticated):
            return self._unknown_here()
        if error is not None:
            return error
        if status >= 500:
            return _UnclearError(f"the server at {self.address.origin} failed (status {status})")
        return StoreUnavailable(
            f"what answers at {self.address.origin} is no realmconf server that this release knows (status {status})",
            retryable=False,
        )

    def _unknown_here(self) -> Unauthenticated:
        """What the server says of headers, in the words of whoever has a token to put somewhere."""
        origin = self.address.origin
        place = f'under ["{origin}"] in {CREDENTIALS}'
        if self._token is None:
            return Unauthenticated(
                f"{origin} needs a token, and none was found for it",
                advice=f"put one into REALMCONF_TOKEN, or {place}",
            )
        return Unauthenticated(
            f"{origin} does not take the token that it was sent: it is none of that server's, or not any more",
            advice=f"put another one into REALMCONF_TOKEN, or {place}",
        )

    def _refuse_unreachable(self, failure: httpx.HTTPError) -> NoReturn:
        # Its own text may quote what is configured.
        raise StoreUnavailable(
            f"the server at {self.address.origin} cannot be reached: {_reason(failure)}"
        ) from None

    # --- long answers ------------------------------------------------------------------------

    @contextmanager
    def streamed(self, path: str, content: Any) -> Iterator[httpx.Response]:
        """
        The answer to *content* as it comes.

        Raises:
            StoreUnavailable: It cannot be had, or ends too early.
            RealmconfError: As the server says.
        """
        self.requests += 1
        timeout = httpx.Timeout(TRANSFER_SECONDS, connect=CONNECT_SECONDS, read=COPYING_SECONDS)
        try:
            with self._pool().stream("POST", path, content=content, timeout=timeout) as response:
                if response.status_code != 200:
                    raise self.failure_of(response.status_code, _content(response, None))
                # It has begun: from now on it goes on.
                response.request.extensions["timeout"]["read"] = TRANSFER_SECONDS
                yield response
        except _UnclearError as unclear:
            raise StoreUnavailable(str(unclear)) from None
        except httpx.HTTPError as failure:
            self._refuse_unreachable(failure)


class Answer(NamedTuple):
    """A whole one."""

    status_code: int
    content: bytes


def _as_it_is(found: Any) -> Any:
    return found


def _content(response: httpx.Response, patience: Patience | None) -> bytes:
    """
    Raises:
        _UnclearError: It is more than anybody has asked for.
    """
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _UnclearError("what answers there packs its answers, unasked")
    content = bytearray()
    for part in response.iter_raw():
        content += part
        if len(content) > ANSWER_BYTES_MAX:
            raise _UnclearError(f"the answer is longer than {ANSWER_BYTES_MAX:,} bytes")
        if patience is not None:
            patience.received(len(part))
    return bytes(content)


class _UnclearError(StoreUnavailable):
    """An answer that does not tell what was done."""


def _encoded(asked: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(
            asked, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        ).encode()
    except (UnicodeEncodeError, ValueError):
        raise InvalidArgument("what is to be sent holds half a surrogate pair") from None


def _reason(failure: httpx.HTTPError) -> str:
    if isinstance(failure, httpx.TimeoutException):
        return "it does not answer in time"
    if isinstance(failure, httpx.ConnectError):
        cause: BaseException | None = failure
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return f"its certificate is not trusted ({cause.verify_message})"
            if isinstance(cause, ssl.SSLError):
                return "it does not speak TLS as it should"
            cause = cause.__cause__ or cause.__context__
        return "nobody listens there"
    return f"the connection broke ({type(failure).__name__})"
