"""
What an ``etcd://`` URL says: servers, prefix, credentials and options.

Decides which options are known and what they may be.  What is wrong with a URL is told without quoting any of it: a
part of a password may stand where nobody meant it to.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from realmconf.domain.record import Record
from realmconf.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "realmconf"
PORT = 2379
OPTIONS = ("ca", "cert", "key", "tls")
_PREFIX = re.compile(r"/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]{2,})*")
"""Parts of one letter are ours: within one store there can be no other one."""
PREFIX_CHARS_MAX = 128


class Address(Record):
    """Whom to reach, and which keys of theirs."""

    __hidden__ = frozenset({"user", "password", "url"})

    servers: tuple[tuple[str, int], ...]
    """Host and port of each; they are members of one cluster."""
    prefix: str
    """Every key of the store begins with it and a slash."""
    user: str | None
    password: str | None
    is_tls: bool
    authority_file: str | None
    certificate_file: str | None
    key_file: str | None
    url: str

    @property
    def place(self) -> str:
        """The servers and the prefix, for a person."""
        servers = ",".join(f"{_bracketed(host)}:{port}" for host, port in self.servers)
        return f"etcd at {servers}, prefix {self.prefix}"


def parse(location: str, options: Mapping[str, str]) -> Address:
    """
    Understand what stands behind ``etcd://``: ``[user:password@]host[:port][,…][/prefix]`` and options.

    Raises:
        InvalidArgument: It cannot be understood.
    """
    for name in options:
        if name not in OPTIONS:
            raise InvalidArgument(
                f"an option of the etcd:// URL is not known; known are {', '.join(OPTIONS)}"
            )
    authority, slash, prefix = location.partition("/")
    credentials, at, places = authority.rpartition("@")
    if slash and (not _PREFIX.fullmatch(prefix) or len(prefix) > PREFIX_CHARS_MAX):
        raise InvalidArgument(
            f"the path of an etcd:// URL is the prefix of all keys: up to {PREFIX_CHARS_MAX} letters, digits, _ . - "
            "and single slashes between, with two or more after each; in a password / is written %2F, and @ %40"
        )
    user, colon, password = credentials.partition(":")
    if at and (not user or not colon):
        raise InvalidArgument("an etcd:// URL has user:password before the @, or nothing")
    if ("cert" in options) != ("key" in options):
        raise InvalidArgument("cert= and key= of an etcd:// URL come together")
    tls = options.get("tls", "yes" if options else "no")
    if tls not in {"yes", "no"} or (tls == "no" and options.keys() - {"tls"}):
        raise InvalidArgument("tls= takes yes or no, and ca=, cert= and key= mean yes")
    query = "&".join(f"{name}={quote(value, safe='/,:')}" for name, value in options.items())
    return Address(
        servers=tuple(_place(text) for text in places.split(",")),
        prefix=prefix or PREFIX,
        user=_unquoted(user) if at else None,
        password=_unquoted(password) if at else None,
        is_tls=tls == "yes",
        authority_file=options.get("ca"),
        certificate_file=options.get("cert"),
        key_file=options.get("key"),
        url=f"etcd://{location}" + (f"?{query}" if query else ""),
    )


def _place(text: str) -> tuple[str, int]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise InvalidArgument("an IPv6 address in an etcd:// URL stands in brackets")
        port = rest[1:]
    else:
        host, _, port = text.partition(":")
    if not host or not re.fullmatch(r"[\w.:%-]+", host):
        raise InvalidArgument("an etcd:// URL names a host, or several with commas between")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise InvalidArgument(
            "a port of the etcd:// URL is no number; in a password : is fine, and @ / ? # are written "
            "%40 %2F %3F %23"
        )
    return host, int(port or PORT)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _unquoted(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise InvalidArgument("the etcd:// URL has a quoted byte that is no UTF-8") from None
