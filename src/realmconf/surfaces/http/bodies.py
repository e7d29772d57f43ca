"""
Bodies of requests: how much is read, in which media type, and what it says.

Decides that nothing is read beyond the limit nor waited for without end, that ``application/json`` is an object of
parameters, and which media types are one parameter as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from realmconf.domain.jsontext import parse_json
from realmconf.errors import InvalidArgument
from realmconf.surfaces.http.pace import PACE_BYTES, Pace
from realmconf.surfaces.http.preconditions import one_header
from realmconf.surfaces.http.problems import Problem
from realmconf.surfaces.http.replies import JSON, TOML

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.datastructures import Headers
    from starlette.types import Receive

    from realmconf.domain.names import Limits
    from realmconf.runtime.operations.table import Operation

EFFECTIVE_VIEW = "effective view"
"""How the first line of an effective configuration as TOML ends, which nobody may send back."""


async def read(
    receive: Receive, headers: Headers, *, bytes_max: int, seconds: float
) -> bytes | None:
    """
    The body of a request; None: it has none. Each part of ``PACE_BYTES`` has so many seconds.

    Raises:
        Problem: It is too large, which is said before it is read (413); or it comes too slowly (408).
        ClientGone: Whoever sent it has gone.
    """
    length = one_header(headers, "content-length")
    if length is None and "transfer-encoding" not in headers:
        return None
    if length is not None:
        # More digits than any limit has, and their leading zeros, are no number to convert.
        digits = length.strip().lstrip("0")
        size = int(digits or "0") if len(digits) < 16 and digits.isdigit() | (not digits) else None
        if size is None or size > bytes_max:
            raise _too_large(bytes_max, size)
    try:
        return await _read(Pace(receive, seconds=seconds), bytes_max)
    except TimeoutError:
        raise Problem(
            "too_slow",
            f"the body came too slowly: each {PACE_BYTES // 1_024} KiB of it, and the rest, within {seconds:.0f} s",
            headers=CLOSE,
        ) from None


def refuse(headers: Headers) -> None:
    """
    Refuse a body, where none is read.

    Raises:
        InvalidArgument: One is announced.
    """
    if "transfer-encoding" in headers or (one_header(headers, "content-length") or "0") != "0":
        raise InvalidArgument("there is no body to a request for a stream")


CLOSE = ((b"connection", b"close"),)


class ClientGoneError(Exception):
    """Whoever asked has hung up; nobody reads an answer."""


async def _read(pace: Pace, bytes_max: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await pace.next()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > bytes_max:
            raise _too_large(bytes_max, None)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _too_large(bytes_max: int, value: int | None) -> Problem:
    return Problem(
        "too_large",
        f"a request's body has at most {bytes_max} bytes",
        limit="body_bytes",
        value=value,
        maximum=bytes_max,
    )


def media_type(headers: Headers) -> str | None:
    """
    The media type of the body, in lower case and without parameters; None: it says none.

    Raises:
        Problem: It is compressed, or in another encoding than UTF-8 (415).
    """
    encoding = one_header(headers, "content-encoding")
    if encoding is not None and encoding.strip().lower() != "identity":
        raise Problem(
            "unsupported_media_type",
            "bodies are taken without Content-Encoding",
            headers=((b"accept-encoding", b"identity"),),
        )
    stated = one_header(headers, "content-type")
    if stated is None:
        return None
    media, *parameters = stated.split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip(' \t"').lower() not in (
            "utf-8",
            "utf8",
            "us-ascii",
        ):
            raise Problem("unsupported_media_type", "bodies are taken in UTF-8")
    return media.strip().lower()


def accepted_by(operations: Sequence[Operation]) -> tuple[str, ...]:
    """The media types that a body for one of *operations* may have."""
    bare = [
        media
        for operation in operations
        if operation.route is not None
        for media, _ in operation.route.bare
    ]
    return (*bare, JSON)


def choose(
    operations: Sequence[Operation], body: bytes | None, headers: Headers, *, limits: Limits
) -> tuple[Operation, dict[str, Any]]:
    """
    Which of *operations*, all of one route, is meant, and the arguments that the body has.

    Raises:
        Problem: None of them takes such a body (415).
        InvalidArgument, InvalidDocument, LimitExceeded: It does not say what it should.
    """
    media = media_type(headers)
    if not body and media is None:
        return operations[0], {}
    for operation in operations:
        route = operation.route
        assert route is not None
        for taken, parameter in route.bare:
            if taken == media:
                whole = parse(body or b"", media, limits=limits)
                if whole is None:
                    # A member that is null is not given; a body that is null is.
                    raise InvalidArgument(f"the body is null, which is no {parameter}")
                return operation, {parameter: whole}
    if media != JSON:
        raise _unsupported(operations, media)
    wrapped = parse(body or b"", media, limits=limits)
    if not isinstance(wrapped, dict):
        raise InvalidArgument("the body is not an object of parameters")
    _refuse_unwrapped(operations, wrapped)
    return _of_members(operations, wrapped), wrapped


def _refuse_unwrapped(operations: Sequence[Operation], body: dict[str, Any]) -> None:
    """
    Say how to send it, where a body is plainly what should have been wrapped.

    Raises:
        InvalidArgument: It is.
    """
    bare = [
        one
        for operation in operations
        if operation.route is not None
        for one in operation.route.bare
    ]
    names = {one.name for operation in operations for one in operation.parameters}
    if not bare or not body or body.keys() & names:
        return
    media, name = bare[0]
    raise InvalidArgument(
        f'{JSON} is an object of parameters: wrap it, {{"{name}": {{…}}}}, or send it as {media}'
    )


def parse(body: bytes, media: str, *, limits: Limits) -> Any:
    """
    What a body says.

    Raises:
        InvalidDocument, LimitExceeded: It is not what its media type says, or too much of it.
        InvalidArgument: It is an effective view.
    """
    if media != TOML:
        return parse_json(body, limits=limits)
    from realmconf.domain.toml import parse_toml

    first = body.partition(b"\n")[0].strip()
    if first.startswith(b"#") and first.endswith(EFFECTIVE_VIEW.encode()):
        raise InvalidArgument(
            "this is an effective view: stored, it would copy every inherited value down"
        )
    return parse_toml(body, limits=limits).document


def _of_members(operations: Sequence[Operation], wrapped: dict[str, Any]) -> Operation:
    """The operation that has a parameter of each name; the first, which will name what it lacks, if none does."""
    for operation in operations:
        names = {parameter.name for parameter in operation.parameters}
        if wrapped.keys() <= names:
            return operation
    return operations[0]


def _unsupported(operations: Sequence[Operation], media: str | None) -> Problem:
    *others, last = accepted_by(operations)
    accepted = ", ".join((*others, last))
    shown = f"{', '.join(others)} or {last}" if others else last
    route = operations[0].route
    assert route is not None
    name = b"accept-patch" if route.method == "PATCH" else b"accept"
    said = "the body has no Content-Type" if media is None else "this media type is not taken here"
    return Problem(
        "unsupported_media_type",
        f"{said}; send it as {shown}",
        headers=((name, accepted.encode()),),
    )
