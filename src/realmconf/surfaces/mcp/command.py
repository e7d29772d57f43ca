"""
``realmconf mcp``: MCP for the client that starts it.

Decides what the options of the command mean; loads the SDK only when it is run.
"""

from __future__ import annotations

from realmconf.errors import StoreNotInstalled
from realmconf.runtime.server import refuse_server
from realmconf.surfaces.mcp.rights import allowance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from realmconf.runtime.client import Client
    from realmconf.runtime.locate import Located

    class Call(Protocol):
        """What this needs of a call of the command line."""

        @property
        def request(self) -> Any: ...
        @property
        def located(self) -> Located: ...
        @property
        def client(self) -> Client: ...
        def realm(self) -> object: ...
        def say(self, *lines: str) -> None: ...


EXTRA = "mcp"
PACKAGES = frozenset(("mcp", "mcp_types", "anyio", "pydantic"))
"""What comes with the extra."""


def mcp(call: Call) -> None:
    """
    Serve until standard input ends.

    Raises:
        InvalidArgument, InvalidPointer: The options contradict each other, or allow what is never allowed.
        StoreNotInstalled: The SDK is missing.
    """
    request = call.request
    realm = call.located.realm
    allowed = allowance(
        allow_write=bool(getattr(request, "allow_write", False)),
        paths=getattr(request, "allow_path", None) or (),
        realms=getattr(request, "allow_realm", None) or (),
        default_realms=(str(realm),),
    )
    if allowed.writes:
        refuse_server(
            call.client,
            what="agents write to a store in hand, which keeps their plans",
            instead="connect them to {url}/mcp, or start this one without --allow-write",
        )
    try:
        from realmconf.surfaces.mcp.stdio import serve
    except ModuleNotFoundError as missing:
        raise not_installed(missing) from None
    if request.author is not None:
        call.say("--author is not used: writes are by mcp: and the name of the client")
    # Says which realm and store were found where none were named.
    call.realm()
    serve(call.client, allowed, default_realm=realm)


def not_installed(missing: ModuleNotFoundError) -> Exception:
    """The error that names the extra, if it is that which is *missing*."""
    if (missing.name or "").partition(".")[0] in PACKAGES:
        return StoreNotInstalled("MCP", extra=EXTRA)
    return missing
