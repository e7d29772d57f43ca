"""
Where a server is, from its URL.

Decides which URLs name a server: a host and a port and nothing else, since whatever else is in one ends up in logs.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from realmconf.domain.record import Record
from realmconf.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORTS = {"http": 80, "https": 443}


class Address(Record):
    """A server."""

    scheme: str
    host: str
    port: int
    authorities: str | None = None
    """A file of certificates."""

    @classmethod
    def parse(cls, scheme: str, location: str, options: Mapping[str, str]) -> Address:
        """
        Raises:
            InvalidArgument: It names no server, or says more than that.
        """
        allowed = {"ca"} if scheme == "https" else set()
        unknown = sorted(set(options) - allowed)
        if unknown:
            raise InvalidArgument(f"a server's URL has no option {unknown[0][:40]!a}")
        try:
            parts = urlsplit(f"{scheme}://{location}")
            port = parts.port
        except ValueError:
            raise InvalidArgument("the server's URL cannot be understood") from None
        if "@" in location:
            raise InvalidArgument(
                "a server's URL has no user and no token: put the token into REALMCONF_TOKEN, or into "
                "credentials.toml"
            )
        if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise InvalidArgument(
                f"a server is named by host and port alone, as in {scheme}://host:7411"
            )
        if not parts.hostname.isascii() or not parts.hostname.isprintable():
            raise InvalidArgument("the server's name is written in ASCII")
        return cls(
            scheme=scheme,
            host=parts.hostname,
            port=DEFAULT_PORTS[scheme] if port is None else port,
            authorities=options.get("ca"),
        )

    @property
    def origin(self) -> str:
        """``scheme://host:port``; the port is left out where it is the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def url(self) -> str:
        """What opens this store again."""
        if self.authorities is None:
            return self.origin
        from urllib.parse import quote

        return f"{self.origin}?ca={quote(self.authorities)}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def origin_of(url: str) -> str | None:
    """The origin of the server that *url* names, however its usual port is written; None if it names none."""
    scheme, _, location = url.strip().partition("://")
    if scheme.lower() not in DEFAULT_PORTS:
        return None
    try:
        return Address.parse(scheme.lower(), location, {}).origin
    except InvalidArgument:
        return None
