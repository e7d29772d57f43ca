"""
One request as its handlers see it: headers, the query, what came from the path.

Decides that a query states each parameter once, by a name that is known, in UTF-8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from starlette.datastructures import Headers

from realmconf.errors import InvalidArgument
from realmconf.runtime.operations.kinds import KINDS, from_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import Receive, Scope, Send

    from realmconf.runtime.operations.table import Operation
    from realmconf.surfaces.http.access import Caller

QUERY_FIELDS_MAX = 128
LISTS = frozenset(name for name, kind in KINDS.items() if kind.schema.get("type") == "array")
"""Kinds of parameters that are lists: each of their elements is a parameter of the query."""


class Incoming:
    """A request whose name and origin were checked."""

    __slots__ = ("caller", "headers", "is_long", "method", "receive", "route", "scope", "send")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.method: str = scope["method"]
        self.headers = Headers(scope=scope)
        self.route = ""
        """The template of its path, for counts."""
        self.caller: Caller | None = None
        """Who asks; None on routes that are open to everybody."""
        self.is_long = False
        """Whether it is a stream, or waits on purpose."""

    def from_path(self, name: str) -> str:
        """
        What the path has in the place of *name*.

        Raises:
            InvalidArgument: It is not UTF-8.
        """
        try:
            return unquote(self.scope["path_params"][name], errors="strict")
        except UnicodeDecodeError:
            raise InvalidArgument(f"{name} in the path is not UTF-8") from None

    def query(self) -> list[tuple[str, str]]:
        """
        The parameters of the query, in their order.

        Raises:
            InvalidArgument: It cannot be read.
        """
        raw: bytes = self.scope["query_string"]
        if not raw:
            return []
        try:
            return parse_qsl(
                raw.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=True,
                errors="strict",
                max_num_fields=QUERY_FIELDS_MAX,
            )
        except ValueError:
            # UnicodeDecodeError is one too.
            raise InvalidArgument(f"the query cannot be read: {_fault(raw)}") from None

    def query_of(self, operation: Operation, names: Collection[str]) -> dict[str, Any]:
        """
        The arguments of *operation* among *names* that the query states.

        Raises:
            InvalidArgument: One is unknown, stated twice, or not of its kind.
        """
        found: dict[str, Any] = {}
        for name, text in self.query():
            if name not in names:
                raise InvalidArgument(f"the query has no parameter {name[:100]!a} here")
            parameter = operation.parameter(name)
            if parameter.kind in LISTS:
                found.setdefault(name, []).append(text)
                continue
            if name in found:
                raise InvalidArgument(f"the query has {name} twice")
            found[name] = from_text(parameter, text)
        return found

    def refuse_query(self) -> None:
        """
        Refuse any parameter, where none is known.

        Raises:
            InvalidArgument: There is one.
        """
        for name, _ in self.query():
            raise InvalidArgument(f"the query has no parameter {name[:100]!a} here")


def _fault(raw: bytes) -> str:
    """What is wrong with a query that cannot be read."""
    parts = raw.split(b"&")
    if len(parts) > QUERY_FIELDS_MAX:
        return f"it has more than {QUERY_FIELDS_MAX} parameters"
    for part in parts:
        if b"=" not in part:
            name = unquote(part[:100].decode("latin-1"))
            return f"{name!a} has no value (name=value)" if part else "a parameter is empty"
    return "it is name=value&name=value in UTF-8"
