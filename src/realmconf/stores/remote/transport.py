"""
The way to a server: through which proxy, and whose certificates are trusted there.

Decides it from the server's URL and from the variables that other programs go by, and says of which of them it cannot
be understood.
"""

from __future__ import annotations

import os
import socket
import ssl
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

import httpx

from realmconf.errors import InvalidArgument
from realmconf.stores.remote.patience import BoundedBackend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.stores.remote.address import Address

CONNECTIONS_MAX = 32
IDLE_SECONDS_MAX = 30.0
KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
        if hasattr(socket, name)
    ),
]
"""Of a server that has gone without a word the machine tells, also where a long silence is in order."""


class Transport(httpx.HTTPTransport):
    """As httpx has it, with an end to every wait."""

    def __init__(self, address: Address) -> None:
        proxy = proxy_of(address)
        try:
            if proxy is not None:
                # What is no host and port would be looked up as it is.
                _ = urlsplit(proxy[1]).port
            super().__init__(
                # Without encryption nobody's certificates are looked at.
                verify=False if address.scheme == "http" else _trusted(address),
                trust_env=False,
                limits=httpx.Limits(
                    max_connections=CONNECTIONS_MAX, keepalive_expiry=IDLE_SECONDS_MAX
                ),
                proxy=None if proxy is None else proxy[1],
                socket_options=KEEPALIVE,
            )
        except (ValueError, ImportError, httpx.InvalidURL):
            # Not quoted: it may hold a password.
            assert proxy is not None
            raise InvalidArgument(
                f"the proxy that {proxy[0]} names cannot be used: it takes http://host:port or https://host:port"
            ) from None
        # There is no argument for it.
        self._pool._network_backend = BoundedBackend()


def proxy_of(address: Address) -> tuple[str, str] | None:
    """The variable that names a proxy to *address*, and what it says; what is on this machine is reached by none."""
    if address.is_loopback:
        return None
    proxies = getproxies_environment()
    scheme = next((name for name in (address.scheme, "all") if proxies.get(name)), None)
    if scheme is None or _is_reached_directly(address, proxies.get("no", "")):
        return None
    name = f"{scheme}_proxy"
    if not os.environ.get(name):
        name = name.upper()
    url = proxies[scheme]
    return name, url if "://" in url else f"http://{url}"


def _is_reached_directly(address: Address, stated: str) -> bool:
    """Whether *stated*, as ``no_proxy`` has it, names the server: by its name, its domain, or with its port."""
    host = address.host.lower()
    for entry in stated.lower().split(","):
        name = entry.strip().lstrip(".")
        if name == "*" or (name and (host == name or host.endswith(f".{name}"))):
            return True
        if name == f"{host}:{address.port}":
            return True
    return False


def _trusted(address: Address) -> ssl.SSLContext:
    if address.authorities is not None:
        try:
            return ssl.create_default_context(cafile=address.authorities)
        except (OSError, ValueError):
            raise InvalidArgument(
                "the file that ca= names in the server's URL cannot be read as certificates"
            ) from None
    for name, kind in (("SSL_CERT_FILE", "cafile"), ("SSL_CERT_DIR", "capath")):
        stated = os.environ.get(name)
        if stated:
            return _trusted_there(name, kind, stated)
    return httpx.create_ssl_context(trust_env=False)


def _trusted_there(name: str, kind: str, stated: str) -> ssl.SSLContext:
    try:
        if kind == "capath" and not os.path.isdir(stated):
            raise NotADirectoryError
        return ssl.create_default_context(**{kind: stated})  # type: ignore[arg-type]
    except (OSError, ValueError):
        raise InvalidArgument(f"what {name} names cannot be read as certificates") from None
