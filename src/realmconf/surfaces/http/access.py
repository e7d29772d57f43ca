"""
Who asks, from where, and by which name: before anything else of a request is looked at.

Decides that a page of somebody else gets nothing (names and origins are checked on every route, also on loopback),
and for whom a request is done.  What a caller may do is for the table of operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from realmconf.errors import InvalidArgument, NotPermitted, Unauthenticated
from realmconf.runtime.operations.session import Session
from realmconf.runtime.sessions import Sessions
from realmconf.surfaces.http.preconditions import one_header
from realmconf.surfaces.http.problems import Problem

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Scope

    from realmconf.runtime.access import Grant
    from realmconf.runtime.client import Client
    from realmconf.runtime.operations.table import Operation
    from realmconf.runtime.tokens import Tokens
    from realmconf.surfaces.http.settings import Settings

LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
COOKIE = "realmconf_session"
READING_METHODS = ("GET", "HEAD")
SESSIONS_KEPT = 4_096


class Caller:
    """Who asks: a session, what was shown for it, and whether that was in a cookie."""

    __slots__ = ("by_cookie", "session", "shown")

    def __init__(self, session: Session, shown: str, *, by_cookie: bool) -> None:
        self.session = session
        self.shown = shown
        self.by_cookie = by_cookie

    def require_for(self, operation: Operation) -> None:
        """
        Go on only if a caller of this kind may do *operation*: a cookie, which browsers send unasked, only reads.

        Raises:
            NotPermitted: It writes, or needs the right to.
        """
        if self.by_cookie and (operation.writes or operation.role == "write"):
            raise NotPermitted(f"{operation.name} with a cookie: send the token")


class Access:
    """The names, origins and tokens that one server knows."""

    def __init__(self, client: Client, tokens: Tokens, settings: Settings) -> None:
        self._client = client
        self._tokens = tokens
        self.browsers = Sessions(client, tokens)
        self._hosts = LOOPBACK | {_bare(settings.host), *map(_bare, settings.hosts)}
        self._origins = frozenset(one.rstrip("/").lower() for one in settings.origins)
        self._exposes_paths = settings.exposes_paths
        self._sessions: dict[str, tuple[Grant, Session]] = {}

    # --- where a request comes from --------------------------------------------------------

    def check_host(self, scope: Scope, headers: Headers) -> str:
        """
        The name by which the server was reached.

        Raises:
            InvalidArgument: There is none, or several.
            Problem: It is not one of its own (421).
        """
        host = one_header(headers, "host")
        if host is None or not host.strip():
            raise InvalidArgument("a request names its Host")
        name = _name_of(host)
        served = scope.get("server")
        if name not in self._hosts and not (served and name == served[0]):
            raise Problem("misdirected", "this server is not known by that name (--allow-host)")
        return host.strip().lower()

    def check_origin(self, headers: Headers, host: str) -> str | None:
        """
        The foreign origin that asks and may; None for the server's own pages, and for programs.

        Raises:
            Problem: It may not (403).
        """
        origin = one_header(headers, "origin")
        if origin is None:
            return None
        stated = origin.strip().lower()
        if stated in (f"http://{host}", f"https://{host}"):
            return None
        if stated in self._origins:
            return origin.strip()
        raise Problem("foreign_origin", "pages of this origin are not let in (--allow-origin)")

    # --- who it is from ----------------------------------------------------------------------

    def caller(self, headers: Headers, *, method: str) -> Caller:
        """
        Who asks.

        Raises:
            Unauthenticated: Nobody can tell.
        """
        stated = headers.getlist("authorization")
        if stated:
            text = _bearer(stated)
            return Caller(self.session(text), text, by_cookie=False)
        cookie = cookie_of(headers)
        if cookie is None:
            raise Unauthenticated
        if method not in READING_METHODS:
            raise Unauthenticated("the cookie is good for reading only")
        return Caller(self._session_of_cookie(cookie), cookie, by_cookie=True)

    def again(self, caller: Caller) -> Session:
        """
        The session of a *caller* who has waited.

        Raises:
            Unauthenticated: What was shown is not good any more.
        """
        if caller.by_cookie:
            return self._session_of_cookie(caller.shown)
        return self.session(caller.shown)

    def _session_of_cookie(self, text: str) -> Session:
        grant = self.browsers.grant_of(text)
        if grant is None:
            raise Unauthenticated("this session is over")
        return self._session_of(grant)

    def session(self, token: str) -> Session:
        """
        The session of whoever shows *token*: the same one as long as its rights are the same.

        Raises:
            Unauthenticated: It is none, or not any more.
        """
        grant = self._tokens.grant_of(token)
        if grant is None:
            raise Unauthenticated("this is no token, or not any more")
        return self._session_of(grant)

    def _session_of(self, grant: Grant) -> Session:
        kept, session = self._sessions.get(grant.id, (None, None))
        if session is None or (kept is not grant and kept != grant):
            if len(self._sessions) >= SESSIONS_KEPT:
                self._sessions.clear()
            session = Session(self._client, grant, surface="http", shows_paths=self._exposes_paths)
        elif kept is grant:
            return session
        self._sessions[grant.id] = (grant, session)
        return session


def _bearer(stated: list[str]) -> str:
    if len(stated) > 1:
        raise InvalidArgument(f"Authorization is there {len(stated)} times")
    scheme, _, text = stated[0].partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("only bearer tokens are taken")
    return text.strip(" ")


def cookie_of(headers: Headers) -> str | None:
    """
    What a browser shows.

    Raises:
        InvalidArgument: It shows several.
    """
    found = [
        value.strip()
        for line in headers.getlist("cookie")
        for name, equals, value in (one.partition("=") for one in line.split(";"))
        if equals and name.strip() == COOKIE
    ]
    if len(found) > 1:
        raise InvalidArgument(f"the cookie {COOKIE} is there {len(found)} times")
    return found[0] if found else None


def set_cookie(text: str, *, secure: bool) -> tuple[bytes, bytes]:
    """The header that gives a browser *text* as its session; without a text it takes it away."""
    ends = "" if text else "; Max-Age=0"
    guarded = "; Secure" if secure else ""
    value = f"{COOKIE}={text}; Path=/; HttpOnly; SameSite=Strict{guarded}{ends}"
    return (b"set-cookie", value.encode())


def _name_of(host: str) -> str:
    """The name in a ``Host`` header, without its port; empty if it is none."""
    text = host.strip().lower()
    if text.startswith("["):
        name, bracket, port = text[1:].partition("]")
        return name if bracket and _is_port(port) else ""
    name, colon, port = text.partition(":")
    return name if _is_port(colon + port) else ""


def _is_port(text: str) -> bool:
    return not text or (text[0] == ":" and text[1:].isascii() and text[1:].isdigit())


def _bare(host: str) -> str:
    """A name that was given to the server, with or without a port; of an IPv6 address with or without brackets."""
    return _name_of(host) or host.strip().lower()
