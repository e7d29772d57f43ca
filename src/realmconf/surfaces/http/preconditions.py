"""
What a request states about the state it was made for: ``If-Match``, ``If-None-Match``, ``Idempotency-Key``.

Decides what each means for a write and for a read.  One that cannot be read, or that a write does not know, is
refused: no write is done as if its caller had not stated it.  A read leaves out what would only have spared it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from realmconf.domain.record import Record
from realmconf.errors import GenerationConflict, InvalidArgument, TimelineChanged
from realmconf.surfaces.http import etags
from realmconf.surfaces.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.datastructures import Headers

    from realmconf.errors import RealmconfError
    from realmconf.runtime.operations.table import Operation
    from realmconf.surfaces.http.etags import Tag

IF_MATCH = "If-Match"
IF_NONE_MATCH = "If-None-Match"
IDEMPOTENCY_KEY = "Idempotency-Key"
UNMODIFIED_SINCE = "If-Unmodified-Since"
"""The one condition by time that a write may be stated with (RFC 9110, 13.1.3 and 13.1.5: the others are of reads)."""


class Conditions(Record):
    """What the headers of one request state."""

    match: str | tuple[Tag, ...] | None = None
    none_match: str | tuple[Tag, ...] | None = None
    write_id: str | None = None


def one_header(headers: Headers, name: str) -> str | None:
    """
    The header *name*, which may be there once.

    Raises:
        InvalidArgument: It is there more than once.
    """
    found = headers.getlist(name)
    if len(found) > 1:
        raise InvalidArgument(f"{name} is there {len(found)} times")
    return found[0] if found else None


def read(headers: Headers) -> Conditions:
    """
    The conditions that *headers* state.

    Raises:
        InvalidArgument: One cannot be read.
    """
    match = _tags(headers, IF_MATCH)
    none_match = _tags(headers, IF_NONE_MATCH)
    return Conditions(match=match, none_match=none_match, write_id=_write_id(headers))


def _tags(headers: Headers, name: str) -> str | tuple[Tag, ...] | None:
    # As one list, however many lines it takes (RFC 9110, 5.3).
    found = headers.getlist(name)
    return etags.read_tags(",".join(found), header=name) if found else None


def _write_id(headers: Headers) -> str | None:
    found = one_header(headers, IDEMPOTENCY_KEY)
    if found is None:
        return None
    key = found.strip(" \t")
    # The draft's form is a string in quotes; the bare one is what most clients send.
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key or not key.isascii() or not key.isprintable() or '"' in key or "\\" in key:
        raise InvalidArgument(f"{IDEMPOTENCY_KEY} is a write id: printable ASCII, bare or quoted")
    return key


class Stated(Record):
    """The arguments of a write, and which of its preconditions came in headers."""

    arguments: dict[str, Any]
    candidates: tuple[str, ...] = ()
    """Etags of the own view of which one must be the realm's."""
    presence: bool = False
    """Whether a header says that there must be a document, or none."""

    def in_header(self, error: RealmconfError) -> bool:
        """Whether *error* says that a precondition that came in a header does not hold."""
        if isinstance(error, TimelineChanged):
            return bool(self.candidates)
        if not isinstance(error, GenerationConflict):
            return False
        # Only whether there is a document is told with a reason; anything else is a comparison of generations.
        reason = getattr(error, "reason", None)
        return bool(self.candidates) if reason is None else self.presence


def stated(
    operation: Operation, arguments: Mapping[str, Any], conditions: Conditions, headers: Headers
) -> Stated:
    """
    The *arguments* of a write with what headers state besides.

    Raises:
        InvalidArgument: A header contradicts an argument, or says what this operation cannot compare with.
        Problem: No write ever takes the entity-tags that are named (412).
    """
    given = dict(arguments)
    takes = operation.takes
    if UNMODIFIED_SINCE in headers:
        raise InvalidArgument(
            f"{UNMODIFIED_SINCE} cannot be compared here: state a generation or an etag"
        )
    if conditions.write_id is not None:
        _put(given, "write_id", conditions.write_id, takes, header=IDEMPOTENCY_KEY)
    presence = False
    if conditions.none_match is not None:
        if conditions.none_match != etags.ANY:
            raise InvalidArgument(f"{IF_NONE_MATCH} of a write takes * alone: there must be none")
        _put(given, "create", True, takes, header=IF_NONE_MATCH)
        presence = True
    if conditions.match == etags.ANY:
        _put(given, "must_exist", True, takes, header=IF_MATCH)
        presence = True
        return Stated(arguments=given, presence=presence)
    if conditions.match is None:
        return Stated(arguments=given, presence=presence)
    if "expected" not in takes:
        raise InvalidArgument(f"{operation.name} cannot be made to depend on {IF_MATCH}")
    return Stated(
        arguments=given, candidates=_candidates(given, conditions.match), presence=presence
    )


def _candidates(given: dict[str, Any], tags: Any) -> tuple[str, ...]:
    usable = tuple(dict.fromkeys(tag.own for tag in tags if tag.own is not None))
    if not usable:
        first = tags[0]
        raise Problem(
            "precondition",
            f"{IF_MATCH}: {first.reason}",
            reason=first.reason,
            expected=first.generation,
            current=None,
        )
    number, etag = given.get("expected_generation"), given.get("expected")
    agreeing = tuple(
        one
        for one in usable
        if (number is None or one.partition("-")[0] == str(number)) and etag in (None, one)
    )
    if not agreeing:
        raise InvalidArgument(f"{IF_MATCH} and what is expected otherwise must agree")
    return agreeing


def _put(
    given: dict[str, Any], name: str, value: Any, takes: frozenset[str], *, header: str
) -> None:
    if name not in takes:
        raise InvalidArgument(f"{header} has no meaning here")
    if given.get(name) is not None and given[name] != value:
        raise InvalidArgument(f"{header} and {name} must agree")
    given[name] = value


def refuse_ignored(conditions: Conditions) -> None:
    """
    Refuse the one condition of a read that must hold, where there is no state to compare with.

    Raises:
        InvalidArgument: ``If-Match`` is stated.
    """
    if conditions.match is not None:
        raise InvalidArgument("nothing here has an entity-tag to compare with")


def refuse_all(conditions: Conditions, headers: Headers) -> None:
    """
    Refuse whatever a write would have to hold to, where nothing can be compared.

    Raises:
        InvalidArgument: A precondition is stated.
    """
    if (
        conditions.match is not None
        or conditions.none_match is not None
        or UNMODIFIED_SINCE in headers
    ):
        raise InvalidArgument("nothing here has an entity-tag to compare with")


def refuses_read(conditions: Conditions, opaque: str) -> bool:
    """Whether ``If-Match`` of a read does not name the representation *opaque* (RFC 9110, 13.1.1)."""
    match = conditions.match
    if match is None or match == etags.ANY:
        return False
    return not any(tag.opaque == opaque and not tag.weak for tag in match)  # type: ignore[union-attr]
