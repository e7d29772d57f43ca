"""
What a stream needs of its connection that ASGI does not tell: to end it though its peer reads nothing.

A response that ends in the usual way is first sent to its end, for which a peer that does not read is waited for,
with a file descriptor and a full buffer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from asyncio import Transport

    from starlette.types import Scope

_EXTENSION = "realmconf.connection"


class Protocol(HttpToolsProtocol):
    """uvicorn's own, which also tells each request of its connection; to be given to it as ``http``."""

    def on_message_begin(self) -> None:
        """A request has begun."""
        super().on_message_begin()
        extensions = self.scope.get("extensions") or {}
        self.scope["extensions"] = {**extensions, _EXTENSION: {"transport": self.transport}}


def transport_of(scope: Scope) -> Transport | None:
    """The connection of a request; None: another server has it."""
    found: Transport | None = scope.get("extensions", {}).get(_EXTENSION, {}).get("transport")
    return found
