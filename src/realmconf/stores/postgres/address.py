"""
What a ``postgresql://`` URL says: whom to reach, as libpq's own options, and ours.

Decides which options are ours (``schema``, ``pool_max``) and which are libpq's to understand.  What is wrong with a URL
is told without quoting any of it: a part of a password may stand where nobody meant it to.
"""

from __future__ import annotations

from urllib.parse import unquote

from realmconf.domain.record import Record
from realmconf.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = "realmconf"
POOL_MAX = 16
CONNECT_SECONDS = 10.0
IDENTIFIER_BYTES_MAX = 63
"""PostgreSQL cuts a longer name off without a word, and two stores might become one."""

OPTIONS = {
    "fallback_application_name": "realmconf",
    # What is dead without a word is noticed by whoever only listens, too.
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""What is asked of libpq unless the URL says otherwise."""

PRIMARIES = frozenset({"read-write", "primary"})
STANDBYS = frozenset({"read-only", "standby", "prefer-standby"})
"""Values of ``target_session_attrs``."""


class Address(Record):
    """Whom to reach, and what of it is ours."""

    __hidden__ = frozenset({"options", "url"})

    options: Mapping[str, str]
    """libpq's, by name."""
    schema: str
    pool_max: int
    connect_seconds: float
    """For one attempt at one host."""
    url: str

    @property
    def may_be_standby(self) -> bool:
        """Whether a connection may be one to a server that follows another one."""
        kind = self.options.get("target_session_attrs", "any")
        has_several = "," in self.options.get("host", self.options.get("hostaddr", ""))
        return kind in STANDBYS or (kind not in PRIMARIES and has_several)

    def of_primary(self) -> Address:
        """The same for whoever writes: of several servers, the one that takes writes."""
        if not self.may_be_standby or "target_session_attrs" in self.options:
            return self
        return self.replace(options={**self.options, "target_session_attrs": "read-write"})

    @property
    def place(self) -> str:
        """The server and the database, for a person."""
        hosts = (self.options.get("host") or self.options.get("hostaddr") or "").split(",")
        ports = self.options.get("port", "").split(",")
        ports = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
        places = [
            f"{host}:{port}" if port and not host.startswith("/") else host
            for host, port in zip(hosts, ports, strict=True)
        ]
        database = self.options.get("dbname")
        return f"PostgreSQL at {', '.join(places) or 'this machine'}" + (
            f", database {database}" if database else ""
        )


def parse(location: str, options: Mapping[str, str]) -> Address:
    """
    Understand what stands behind ``postgresql://``: ``[user[:password]@][host[:port][,…]][/database]`` and options.

    Raises:
        InvalidArgument: It cannot be understood.
    """
    authority, _, database = location.partition("/")
    found = {**OPTIONS, "client_encoding": "UTF8"}
    credentials, at, places = authority.rpartition("@")
    if "@" in database or "/" in database:
        raise InvalidArgument(
            "the path of a postgresql:// URL is one database; in a password / is written %2F, and @ %40"
        )
    if at:
        user, colon, password = credentials.partition(":")
        found["user"] = _unquoted(user)
        if colon:
            found["password"] = _unquoted(password)
    if database:
        found["dbname"] = _unquoted(database)
    found |= _places(places)
    found |= {name: value for name, value in options.items() if name not in {"schema", "pool_max"}}
    if found.keys() - _libpqs():
        raise InvalidArgument(
            "an option of the postgresql:// URL is neither ours (schema, pool_max) nor one that libpq knows"
        )
    if any("\0" in value for value in found.values()):
        raise InvalidArgument("the postgresql:// URL has a zero byte in it")
    query = "&".join(f"{name}={_quoted(value)}" for name, value in options.items())
    return Address(
        options={name: value for name, value in found.items() if value},
        schema=_schema(options.get("schema", SCHEMA)),
        pool_max=_whole("pool_max", options.get("pool_max", str(POOL_MAX)), least=1, most=1_000),
        connect_seconds=_seconds(options.get("connect_timeout")),
        url=f"postgresql://{location}" + (f"?{query}" if query else ""),
    )


def _libpqs() -> set[str]:
    """The options that the libpq at hand knows."""
    from psycopg import pq

    return {option.keyword.decode() for option in pq.Conninfo.get_defaults()}


def _unquoted(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise InvalidArgument("the postgresql:// URL has a quoted byte that is no UTF-8") from None


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="/,:")


def _places(text: str) -> dict[str, str]:
    """Hosts and ports, in libpq's form of lists."""
    if not text:
        return {}
    hosts, ports = [], []
    for place in text.split(","):
        host, port = _place(place)
        hosts.append(host)
        ports.append(port)
    found = {"host": ",".join(hosts)} if any(hosts) else {}
    if any(ports):
        found["port"] = ",".join(ports)
    return found


def _place(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise InvalidArgument("an IPv6 address in a postgresql:// URL stands in brackets")
        port = rest[1:]
    else:
        host, _, port = text.partition(":")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise InvalidArgument(
            "a port of the postgresql:// URL is no number; in a password : is fine, and @ / ? # are written "
            "%40 %2F %3F %23"
        )
    return _unquoted(host), port


def _schema(text: str) -> str:
    if not text or "\0" in text or len(text.encode()) > IDENTIFIER_BYTES_MAX:
        raise InvalidArgument(
            f"schema= takes the name of a schema, of at most {IDENTIFIER_BYTES_MAX} bytes"
        )
    return text


def _whole(name: str, text: str, *, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise InvalidArgument(f"{name}= takes a whole number from {least} to {most}")
    return int(text)


def _seconds(text: str | None) -> float:
    """As libpq takes it: whole seconds, and nothing or 0 for none given."""
    if text is None:
        return CONNECT_SECONDS
    seconds = _whole("connect_timeout", text, least=0, most=3_600)
    return float(seconds) if seconds else CONNECT_SECONDS
