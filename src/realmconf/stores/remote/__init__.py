"""
A server as a store: ``http://host:port`` on this machine, ``https://host`` anywhere.

Reads are questions answered from one point, writes are decided there; nothing of it is kept here but what was last
known.  Loads an HTTP client, which is an optional package.
"""

from __future__ import annotations

from realmconf.errors import InvalidArgument
from realmconf.stores.remote.address import Address
from realmconf.stores.remote.store import RemoteStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from realmconf.domain.names import Limits

__all__ = ["RemoteStore", "open_encrypted", "open_plain"]


def open_plain(
    location: str,
    *,
    options: Mapping[str, str],
    limits: Limits,
    read_only: bool = False,
    token_for: Callable[[str], str | None] | None = None,
) -> RemoteStore:
    """
    The server at *location* of this machine.

    Raises:
        InvalidArgument: It is on another machine, where a token would travel in the open; or no server's name.
    """
    address = Address.parse("http", location, options)
    if not address.is_loopback:
        raise InvalidArgument(
            "http:// is for a server on this machine; to another one tokens and secrets travel by https:// only"
        )
    return _open(address, limits=limits, read_only=read_only, token_for=token_for)


def open_encrypted(
    location: str,
    *,
    options: Mapping[str, str],
    limits: Limits,
    read_only: bool = False,
    token_for: Callable[[str], str | None] | None = None,
) -> RemoteStore:
    """
    The server at *location*; ``?ca=FILE`` names the authorities that are trusted instead of the usual ones.

    Raises:
        InvalidArgument: No server's name, an unknown option, or no such file.
    """
    address = Address.parse("https", location, options)
    return _open(address, limits=limits, read_only=read_only, token_for=token_for)


def _open(
    address: Address,
    *,
    limits: Limits,
    read_only: bool,
    token_for: Callable[[str], str | None] | None,
) -> RemoteStore:
    token = None if token_for is None else token_for(address.origin)
    return RemoteStore(address, token=token, limits=limits, read_only=read_only)
