"""
Failures as ``application/problem+json`` (RFC 9457).

Decides the problem of each error: its status is that of the table in ``envelope``, its members are the error's own.
What only HTTP can get wrong (a path, a method, a media type, a header) has problems of its own, whose ``type`` is
more exact than their ``code``.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from realmconf.domain.record import Record
from realmconf.surfaces.envelope import answer_to, error_object
from realmconf.surfaces.http.replies import PROBLEM, Reply, json_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from realmconf.errors import RealmconfError
    from realmconf.surfaces.http.replies import Headers

TYPES = "/problems/"
"""Where what a problem means can be read, relative to the server."""
RETRY_SECONDS = 1
"""What ``Retry-After`` says where nobody knows better."""
CHALLENGE = (b"www-authenticate", b'Bearer realm="realmconf"')
DEFECT = "defect"


class Kind(Record):
    """What HTTP alone can get wrong."""

    name: str
    """The end of its ``type``."""
    status: int
    code: str
    """The nearest of the codes that all surfaces have."""
    title: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind(name="unknown_path", status=404, code="invalid_argument", title="no such path"),
        Kind(
            name="method_not_allowed",
            status=405,
            code="invalid_argument",
            title="the path does not take this method",
        ),
        Kind(
            name="not_acceptable",
            status=406,
            code="invalid_argument",
            title="the answer has no form that the request accepts",
        ),
        Kind(
            name="too_slow",
            status=408,
            code="invalid_argument",
            title="the request came too slowly",
        ),
        Kind(
            name="too_large",
            status=413,
            code="limit_exceeded",
            title="the body of the request is too large",
        ),
        Kind(
            name="unsupported_media_type",
            status=415,
            code="invalid_argument",
            title="the media type is not taken here",
        ),
        Kind(
            name="misdirected",
            status=421,
            code="not_permitted",
            title="the server is not known by that name",
        ),
        Kind(
            name="foreign_origin",
            status=403,
            code="not_permitted",
            title="pages of that origin are not let in",
        ),
        Kind(
            name="headers_too_large",
            status=431,
            code="limit_exceeded",
            title="the headers of the request are too large",
        ),
        Kind(
            name="malformed",
            status=400,
            code="invalid_argument",
            title="the request is not HTTP/1.1",
        ),
        Kind(
            name="precondition",
            status=412,
            code="generation_conflict",
            title="the precondition does not hold",
        ),
        Kind(
            name="too_busy",
            status=503,
            code="rate_limited",
            title="the server has too much to do",
        ),
        Kind(
            name="stopping",
            status=503,
            code="store_unavailable",
            title="the server is about to end",
        ),
        Kind(name=DEFECT, status=500, code=DEFECT, title="a defect of the server"),
    )
}


class Problem(Exception):
    """Raised for what HTTP alone can get wrong."""

    def __init__(self, kind: str, message: str, *, headers: Headers = (), **fields: Any) -> None:
        super().__init__(message)
        self.kind = KINDS[kind]
        self.headers = headers
        self.fields = fields

    def reply(self) -> Reply:
        """The answer."""
        shown = {"message": str(self), "retryable": self.kind.status == 503, **self.fields}
        return _reply(
            self.kind.status, self.kind.code, shown, name=self.kind.name, headers=self.headers
        )


def problem_of(
    error: RealmconfError, *, in_header: bool = False, more: Mapping[str, Any] | None = None
) -> Reply:
    """
    The answer to *error*, with *more* members.

    *in_header* says that the precondition that failed came in a header.
    """
    answer = answer_to(error)
    # What can only happen in the asking process did not come from a request.
    status = answer.status or 500
    if in_header and answer.status_for_header is not None:
        status = answer.status_for_header
    headers: Headers = (CHALLENGE,) if status == 401 else ()
    if status in (429, 503, 504):
        seconds = ceil(getattr(error, "retry_after_seconds", RETRY_SECONDS))
        headers = ((b"retry-after", str(seconds).encode()),)
    shown = {**error_object(error), **(more or {})}
    return _reply(status, shown.pop("code"), shown, name=error.code, headers=headers)


def _reply(status: int, code: str, shown: dict[str, Any], *, name: str, headers: Headers) -> Reply:
    if status in (429, 503, 504) and all(one != b"retry-after" for one, _ in headers):
        headers = (*headers, (b"retry-after", str(RETRY_SECONDS).encode()))
    body = {
        "type": TYPES + name,
        "title": title_of(name),
        "status": status,
        "detail": shown["message"],
        "code": code,
        **shown,
    }
    return Reply(status=status, headers=headers, body=json_bytes(body), media=PROBLEM)


def title_of(name: str) -> str:
    """What all problems of one type have in common, in a few words."""
    kind = KINDS.get(name)
    return kind.title if kind is not None else name.replace("_", " ")


def meaning_of(name: str) -> str | None:
    """What a problem of this type means, for people; None: there is no such type."""
    kind = KINDS.get(name)
    if kind is not None:
        return f"{kind.title} ({kind.status})"
    from inspect import getdoc

    from realmconf.surfaces.envelope import ANSWERS

    found = [getdoc(error) or "" for error in ANSWERS if error.code == name]
    # Written for Python's documentation, and read here by people and programs of any kind.
    return "\n\n".join(found).replace("``", "`") or None
