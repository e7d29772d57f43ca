"""
From a URL to a store: one table, and nothing imported before it is needed.

Decides which implementation a URL means; knows nothing of environment variables
or default folders (``runtime.locate`` does).
"""

from __future__ import annotations

from realmconf.errors import InvalidArgument, StoreNotInstalled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from realmconf.domain.names import Limits
    from realmconf.stores.protocol import Store

    Factory = Callable[..., Store]
    """``factory(location, *, options, read_only, limits) -> Store``"""

FACTORIES = {
    "memory": "realmconf.stores.memory:open_store",
    "meerkat": "realmconf.stores.meerkat:open_store",
    "sqlite": "realmconf.stores.embedded:open_store",
    "etcd": "realmconf.stores.etcd:open_store",
    "nats": "realmconf.stores.nats:open_store",
    "postgresql": "realmconf.stores.postgres:open_store",
    "postgres": "realmconf.stores.postgres:open_store",
    "http": "realmconf.stores.remote:open_plain",
    "https": "realmconf.stores.remote:open_encrypted",
}
"""Scheme -> ``module:factory``."""

EXTRAS = {"http": "client", "https": "client", "postgresql": "postgres"}
"""What to install for a scheme, where it is not called like it."""

WITH_TOKENS = frozenset(("http", "https"))
"""Schemes of stores that ask who comes."""

QUOTED = frozenset(("postgresql", "postgres", "etcd", "nats"))
"""Schemes whose locations are given on as they stand: a password in one may hold what would part it otherwise."""

FOLDER_SCHEME = "sqlite"
"""What a plain folder path means."""


def open_store(
    url: str,
    *,
    limits: Limits,
    read_only: bool = False,
    recover: bool = False,
    token_for: Callable[[str], str | None] | None = None,
) -> Store:
    """
    Open the store that *url* names: a folder path, or ``scheme://location[?option=value&…]``.

    *recover* starts a new record in a root that has lost its own, or never had one (a fresh clone).  *token_for* gives
    the token for a server, by its origin (``https://host:port``).

    Raises:
        InvalidArgument: No such scheme, or a URL that cannot be understood.
        StoreNotInstalled: The store needs a package that is not there.
        StoreError: It cannot be opened.
    """
    scheme, location, options = split_url(url)
    factory = _load(scheme)
    if scheme in WITH_TOKENS:
        return factory(
            location, options=options, read_only=read_only, limits=limits, token_for=token_for
        )
    return factory(location, options=options, read_only=read_only, limits=limits, recover=recover)


def split_url(url: str) -> tuple[str, str, dict[str, str]]:
    """
    Scheme, location and options of *url*; a location of ``sqlite`` is a path, one of a database still quoted.

    The URL itself is never quoted in an error: it may hold a password.
    """
    if not url or "\0" in url:
        raise InvalidArgument("a store is named by a folder path or a URL")
    scheme, separator, rest = url.partition("://")
    if not separator:
        if url.partition(":")[0] in FACTORIES and ":" in url:
            raise InvalidArgument(
                "a store's URL has two slashes after the colon, and a third before an absolute path; "
                "a folder of this name is ./name"
            )
        return FOLDER_SCHEME, url, {}
    if scheme not in FACTORIES:
        known = ", ".join(f"{name}://" for name in sorted(FACTORIES))
        shown = scheme if scheme.isalnum() and len(scheme) <= 32 else "…"
        raise InvalidArgument(f"no store is known for {shown}://; known are a folder path, {known}")
    location, _, query = rest.partition("?")
    options = _options(query)
    if "%" in location and scheme not in QUOTED:
        from urllib.parse import unquote

        location = unquote(location)
    if scheme == FOLDER_SCHEME and not location.startswith("/"):
        raise InvalidArgument(
            "sqlite:// takes an absolute path, as in sqlite:///srv/realms; or give the folder alone"
        )
    if scheme == FOLDER_SCHEME:
        # A fourth slash, as other libraries write it, leads to no other place.
        location = "/" + location.lstrip("/")
    return scheme, location, options


def _options(query: str) -> dict[str, str]:
    if not query:
        return {}
    from urllib.parse import parse_qsl

    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise InvalidArgument(
            "the options of the store's URL are not of the form name=value&name=value"
        ) from None
    options = dict(pairs)
    if len(options) != len(pairs):
        raise InvalidArgument("an option of the store's URL is given twice")
    return options


_SECRET_OPTIONS = frozenset(("password", "passwd", "token", "secret"))


def public_url(url: str) -> str:
    """*url* without what nobody else may learn: a password before the host, or among the options."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    location, _, query = rest.partition("?")
    host, slash, path = location.partition("/")
    credentials, at, host = host.rpartition("@")
    kept = [
        option
        for option in query.split("&")
        if option and option.partition("=")[0].lower() not in _SECRET_OPTIONS
    ]
    user = credentials.partition(":")[0]
    shown = f"{user}{at if user else ''}{host}{slash}{path}"
    return f"{scheme}://{shown}" + (f"?{'&'.join(kept)}" if kept else "")


def server_origin(url: str) -> str | None:
    """The origin (scheme, host, port if it is not the usual one) of the server that *url* names; None if it is none."""
    origin: str | None = _named("realmconf.stores.remote.address:origin_of")(url)
    return origin


def _named(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(":")
    # As import_module would, which a read would load for this line alone.
    found: Callable[..., Any] = getattr(__import__(module, fromlist=[name]), name)
    return found


def _load(scheme: str) -> Factory:
    try:
        return _named(FACTORIES[scheme])
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] == "realmconf":
            raise
        raise StoreNotInstalled(
            f"the store {scheme}://", extra=EXTRAS.get(scheme, scheme)
        ) from missing
