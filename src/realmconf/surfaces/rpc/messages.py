"""
What messages look like: a request as it comes, an answer or a notification as it goes.

Decides what JSON-RPC 2.0 asks of a request's form, and how each failure is told: code and text by the one table of
errors, with the error object as ``data``; for what JSON-RPC itself refuses, in the same shape.
"""

from __future__ import annotations

import json

from realmconf.domain.jsontext import parse_json
from realmconf.domain.record import Record
from realmconf.errors import InvalidDocument, RealmconfError
from realmconf.surfaces.defects import plea
from realmconf.surfaces.envelope import answer_to, error_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INTERNAL_ERROR = -32700, -32600, -32601, -32603
CANCELLED = -32062
"""In the range that is left to servers, beside those of the table."""

MEMBERS = ("jsonrpc", "id", "method", "params")
NAME_CHARS_SHOWN = 100


class ProtocolError(Exception):
    """What JSON-RPC refuses before any operation is asked for."""

    def __init__(self, rpc: int, code: str, message: str) -> None:
        super().__init__(message)
        self.rpc = rpc
        self.code = code


class Request(Record):
    """One call of a method."""

    method: str
    params: Any
    """As it came; None: there are none."""
    id: Any = None
    is_notification: bool = False
    """Whether nobody waits for an answer."""


def read(raw: bytes) -> Any:
    """
    The JSON value of a message.

    Raises:
        ProtocolError: It is not JSON.
        InvalidDocument, LimitExceeded: It is JSON of a kind that is not taken: a repeated key, a number too large.
    """
    try:
        return parse_json(raw)
    except InvalidDocument as refusal:
        if _is_json(raw):
            raise
        raise ProtocolError(PARSE_ERROR, "parse_error", refusal.reason) from None


def _is_json(raw: bytes) -> bool:
    """Whether *raw*, which is not nested too deep, is JSON at all."""
    try:
        # Numbers stay text: how large they are is not the question, and takes time to tell.
        json.loads(raw.decode(), parse_int=str, parse_float=str, parse_constant=_refuse)
    except ValueError:
        return False
    return True


def _refuse(name: str) -> None:
    raise ValueError(name)


def id_of(value: Any) -> Any:
    """The id that *value*, which should be a request, states; None if it is none that can be given back."""
    found = value.get("id") if isinstance(value, dict) else None
    return found if is_id(found) else None


def is_id(value: Any) -> bool:
    """Whether JSON-RPC takes *value* as an id."""
    return value is None or (isinstance(value, (str, int, float)) and not isinstance(value, bool))


def request_of(value: Any) -> Request:
    """
    The request that *value* is.

    Raises:
        ProtocolError: It is none.
    """
    if not isinstance(value, dict):
        raise _invalid("a request is an object")
    unknown = [name for name in value if name not in MEMBERS]
    if unknown:
        # A precondition that was put beside the parameters must not be passed over.
        raise _invalid(
            f"a request has no member {unknown[0][:NAME_CHARS_SHOWN]!a}; it has {', '.join(MEMBERS)}"
        )
    if value.get("jsonrpc") != "2.0":
        raise _invalid('jsonrpc must be "2.0"')
    if not is_id(value.get("id")):
        raise _invalid("id must be a string, a number or null")
    if not isinstance(value.get("method"), str):
        raise _invalid("method must be a string")
    return Request(
        method=value["method"],
        params=value.get("params"),
        id=value.get("id"),
        is_notification="id" not in value,
    )


def _invalid(reason: str) -> ProtocolError:
    return ProtocolError(INVALID_REQUEST, "invalid_request", reason)


def unknown_method(name: str) -> ProtocolError:
    """There is no method of this name."""
    return ProtocolError(
        METHOD_NOT_FOUND,
        "method_not_found",
        f"there is no method {name[:NAME_CHARS_SHOWN]!a}; rpc/methods lists those that there are",
    )


def cancelled() -> ProtocolError:
    """The request was withdrawn before anything was done for it but to wait."""
    return ProtocolError(CANCELLED, "cancelled", "cancelled before anything was done for it")


# --- what goes out ---------------------------------------------------------------------


def answered(identity: Any, result: Any) -> bytes:
    """The answer to the request of this id."""
    return encoded({"jsonrpc": "2.0", "id": identity, "result": result})


def failed(identity: Any, failure: BaseException) -> bytes:
    """The answer that tells why there is none."""
    data = data_of(failure)
    error = {"code": _code_of(failure), "message": data["message"], "data": data}
    return encoded({"jsonrpc": "2.0", "id": identity, "error": error})


def notified(method: str, params: Any) -> bytes:
    """A notification to whoever listens."""
    return encoded({"jsonrpc": "2.0", "method": method, "params": params})


def data_of(failure: BaseException) -> dict[str, Any]:
    """The error object: ``code``, ``message``, ``retryable`` and what else the error has."""
    if isinstance(failure, RealmconfError):
        return error_object(failure)
    if isinstance(failure, ProtocolError):
        return {"code": failure.code, "message": str(failure), "retryable": False}
    return {"code": "defect", "message": plea(failure), "retryable": False}


def _code_of(failure: BaseException) -> int:
    if isinstance(failure, ProtocolError):
        return failure.rpc
    if isinstance(failure, RealmconfError):
        return answer_to(failure).rpc or INTERNAL_ERROR
    return INTERNAL_ERROR


def encoded(message: Any) -> bytes:
    """*message* as one line."""
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Only the name of a file may have halves of surrogate pairs: bytes that are not UTF-8.
    return text.encode(errors="replace")
