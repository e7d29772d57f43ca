"""
What a ``nats://`` URL says: servers, stream, credentials and options.

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

STREAM = "realmconf"
PORT = 4222
REPLICAS = ("1", "3", "5")
OPTIONS = ("ca", "creds", "durable", "reads", "replicas", "tls")
_STREAM_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Address(Record):
    """Whom to reach, and which stream of theirs."""

    __hidden__ = frozenset({"user", "password", "token", "url"})

    servers: tuple[str, ...]
    """``host:port`` of each."""
    stream: str
    user: str | None
    password: str | None
    token: str | None
    replicas: int | None
    """For a stream that has to be made; None: as the server sees fit, which is one."""
    is_tls: bool
    authority_file: str | None
    credentials_file: str | None
    is_durable: bool
    """Whether whoever runs the servers says that they sync each write before they acknowledge it."""
    is_stale_ok: bool
    """Whether a read may take a replica's word for the newest."""
    url: str

    @property
    def place(self) -> str:
        """The servers and the stream, for a person."""
        return f"NATS at {','.join(self.servers)}, stream {self.stream}"


def parse(location: str, options: Mapping[str, str]) -> Address:
    """
    Understand what stands behind ``nats://``: ``[user:password@ | token@]host[:port][,…][/stream]`` and options.

    Raises:
        InvalidArgument: It cannot be understood.
    """
    for name in options:
        if name not in OPTIONS:
            raise InvalidArgument(
                f"an option of the nats:// URL is not known; known are {', '.join(OPTIONS)}"
            )
    authority, slash, stream = location.partition("/")
    credentials, at, places = authority.rpartition("@")
    if slash and not _STREAM_NAME.fullmatch(stream):
        raise InvalidArgument(
            "the path of a nats:// URL is the name of one stream: 1-64 letters, digits, _ and -; "
            "in a password / is written %2F, and @ %40"
        )
    user, colon, password = credentials.partition(":")
    replicas = options.get("replicas")
    if replicas is not None and replicas not in REPLICAS:
        raise InvalidArgument("replicas= takes 1, 3 or 5")
    authority_file = options.get("ca")
    query = "&".join(f"{name}={quote(value, safe='/,:')}" for name, value in options.items())
    return Address(
        servers=tuple(_place(text) for text in places.split(",")),
        stream=stream or STREAM,
        user=_unquoted(user) if at and colon else None,
        password=_unquoted(password) if at and colon else None,
        token=_unquoted(user) if at and not colon else None,
        replicas=None if replicas is None else int(replicas),
        is_tls=_word(options, "tls", "no", ("yes", "no")) == "yes" or authority_file is not None,
        authority_file=authority_file,
        credentials_file=options.get("creds"),
        is_durable=_word(options, "durable", "no", ("yes", "no")) == "yes",
        is_stale_ok=_word(options, "reads", "newest", ("newest", "stale")) == "stale",
        url=f"nats://{location}" + (f"?{query}" if query else ""),
    )


def _word(options: Mapping[str, str], name: str, default: str, known: tuple[str, ...]) -> str:
    word = options.get(name, default)
    if word not in known:
        raise InvalidArgument(f"{name}= takes {' or '.join(known)}")
    return word


def _place(text: str) -> str:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise InvalidArgument("an IPv6 address in a nats:// URL stands in brackets")
        host, port = f"[{host}]", rest[1:]
    else:
        host, _, port = text.partition(":")
    if not host or not re.fullmatch(r"[\w.:%\[\]-]+", host):
        raise InvalidArgument("a nats:// URL names a host, or several with commas between")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise InvalidArgument(
            "a port of the nats:// URL is no number; in a password : is fine, and @ / ? # are written "
            "%40 %2F %3F %23"
        )
    return f"{host}:{port or PORT}"


def _unquoted(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise InvalidArgument("the nats:// URL has a quoted byte that is no UTF-8") from None
