"""
Whether a store is in hand or a server's, for what only makes sense with one in hand.

Decides nothing about rights: what a server lets its callers do is for the server.
"""

from __future__ import annotations

from realmconf.errors import InvalidArgument
from realmconf.stores.protocol import deciding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.runtime.client import Client
    from realmconf.stores.protocol import Store


def server_of(store: Store) -> str | None:
    """Where the server is whose store this is; None for a store in hand."""
    if deciding(store) is None:
        return None
    # Its options are about how it is trusted.
    return store.url.partition("?")[0]


def refuse_server(client: Client, *, instead: str, what: str) -> None:
    """
    Go on only with a store in hand; *instead* says what to do with a server's, of which ``{url}`` is the place.

    Raises:
        InvalidArgument: It is a server's; the server was not asked anything.
    """
    url = server_of(client.store)
    if url is not None:
        raise InvalidArgument(f"{what}, and {url} is a server: {instead.format(url=url)}")
