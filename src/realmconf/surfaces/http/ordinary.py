"""
Routes that are no operation: whether the server is well, what it speaks, its counts, a browser's session.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from realmconf.errors import Unauthenticated
from realmconf.surfaces.http import negotiation
from realmconf.surfaces.http.access import cookie_of, set_cookie
from realmconf.surfaces.http.problems import Problem, meaning_of, title_of
from realmconf.surfaces.http.replies import JSON, NO_STORE, Reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from realmconf.surfaces.http.incoming import Incoming
    from realmconf.surfaces.http.server import Server

    Handler = Callable[[Server, Incoming], Awaitable[Reply]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
PAGE = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
"""Headers of pages for browsers."""
ORIGIN = "{origin}"
"""Where the page has the server's own."""
COUNTS = "reading the counts of the server"


def _wants(incoming: Incoming, *offered: str) -> None:
    _choose(incoming, offered)
    incoming.refuse_query()


def _choose(incoming: Incoming, offered: Sequence[str]) -> str:
    return negotiation.choose(",".join(incoming.headers.getlist("accept")), offered)


async def page(server: Server, incoming: Incoming) -> Reply:
    """What this is, and how to ask it, for whoever comes with a browser."""
    from html import escape
    from importlib.resources import files

    _choose(incoming, ("text/html",))
    # Its name was checked; behind it may stand whatever a client made up.
    origin = escape(f"{incoming.scope['scheme']}://{incoming.headers['host'].strip()}")
    text = files("realmconf.surfaces.http").joinpath("page.html").read_text("utf-8")
    body = text.replace(ORIGIN, origin).encode("utf-8", "replace")
    return Reply(status=200, headers=PAGE, body=body, media="text/html; charset=utf-8")


async def healthz(server: Server, incoming: Incoming) -> Reply:
    """That the process answers."""
    _wants(incoming, JSON)
    return json_reply({"status": "ok"})


async def readyz(server: Server, incoming: Incoming) -> Reply:
    """That the store answers, and that the server is not about to end."""
    _wants(incoming, JSON)
    if server.stopping.is_set():
        raise Problem("stopping", "the server is about to end")
    await server.probe()
    return json_reply({"status": "ok"})


async def openapi(server: Server, incoming: Incoming) -> Reply:
    """The OpenAPI document."""
    from realmconf.surfaces.http.openapi import document

    _wants(incoming, JSON)
    return json_reply(document(meerkat=server.settings.meerkat_realm is not None))


async def problem(server: Server, incoming: Incoming) -> Reply:
    """What problems of one type mean."""
    _wants(incoming, JSON)
    name = incoming.from_path("name")
    meaning = meaning_of(name)
    if meaning is None:
        raise Problem("unknown_path", "there is no such type of problem")
    return json_reply({"type": f"/problems/{name}", "title": title_of(name), "meaning": meaning})


async def metrics(server: Server, incoming: Incoming) -> Reply:
    """The counts, for Prometheus."""
    caller = incoming.caller
    assert caller is not None
    caller.session.grant.require("read", None, action=COUNTS)
    incoming.refuse_query()
    text, media = await server.reading(server.metrics.text)
    return Reply(status=200, body=text, media=media)


async def session(server: Server, incoming: Incoming) -> Reply:
    """Who asks, and what they may."""
    _wants(incoming, JSON)
    caller = incoming.caller
    assert caller is not None
    grant = caller.session.grant
    return json_reply(
        {
            "id": grant.id,
            "name": grant.name,
            "roles": sorted(grant.effective_roles),
            "realms": list(grant.realms),
            "paths": [str(path) for path in grant.paths],
        }
    )


async def begin_session(server: Server, incoming: Incoming) -> Reply:
    """Give a browser a session of its own as a cookie: its pages cannot read it, and it only reads."""
    incoming.refuse_query()
    caller = incoming.caller
    if caller is None or caller.by_cookie:
        raise Unauthenticated("a session begins with the token")
    begin = partial(server.access.browsers.begin, caller.session.grant, surface="http")
    cookie = set_cookie(await server.writing(begin), secure=_is_secure(server, incoming))
    return Reply(status=204, headers=(cookie, NO_STORE))


async def end_session(server: Server, incoming: Incoming) -> Reply:
    """End the session, and take its cookie away; the token goes on."""
    incoming.refuse_query()
    text = cookie_of(incoming.headers)
    if text:
        await server.writing(partial(server.access.browsers.end, text, surface="http"))
    cookie = set_cookie("", secure=_is_secure(server, incoming))
    return Reply(status=204, headers=(cookie, NO_STORE))


def _is_secure(server: Server, incoming: Incoming) -> bool:
    """Whether browsers come over HTTPS, as far as the server was told: what a request says of that is its own word."""
    return server.settings.is_public_https or incoming.scope["scheme"] == "https"


OPEN: dict[str, dict[str, Handler]] = {
    "/": {"GET": page},
    "/healthz": {"GET": healthz},
    "/readyz": {"GET": readyz},
    "/openapi.json": {"GET": openapi},
    "/problems/{name}": {"GET": problem},
}
"""Routes that are open to everybody."""

GUARDED: dict[str, dict[str, Handler]] = {
    "/metrics": {"GET": metrics},
    "/v1/session": {"GET": session, "POST": begin_session, "DELETE": end_session},
}
"""Routes that need a token; to end a session needs none."""
UNGUARDED = frozenset((("/v1/session", "DELETE"),))
