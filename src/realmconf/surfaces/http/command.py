"""
``realmconf serve``: the store that was named or found, over HTTP.

Decides what the options of the command mean, and which token opens a server that has just been started.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING

from realmconf.domain.names import RealmName
from realmconf.errors import InvalidArgument, RealmconfError, TokenNotFound
from realmconf.runtime.held import RENEW_SECONDS, hold, prolong
from realmconf.runtime.server import refuse_server
from realmconf.runtime.tokens import NAME_CHARS_MAX, Tokens
from realmconf.surfaces.http.server import made
from realmconf.surfaces.http.serving import listen, serve_here, serve_with_workers
from realmconf.surfaces.http.settings import Mount, Settings

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from typing import Any, Protocol

    from realmconf.runtime.client import Client
    from realmconf.runtime.locate import Located
    from realmconf.runtime.tokens import NewToken

    class Call(Protocol):
        """What this needs of a call of the command line."""

        @property
        def request(self) -> Any: ...
        @property
        def json(self) -> bool: ...
        @property
        def located(self) -> Located: ...
        @property
        def client(self) -> Client: ...
        def print(self, *lines: str) -> None: ...
        def print_json_line(self, value: object) -> None: ...
        def flush(self) -> None: ...
        def say(self, *lines: str) -> None: ...


REVOKE_SECONDS = 5.0
RETRY_SECONDS = 60.0
"""Until a token that could not be prolonged is tried again."""
AGENTS = "/mcp"
AGENTS_MADE_BY = "realmconf.surfaces.mcp.http:asgi_app"
SIGNAL_EXIT = 128
WORKERS_MAX = 64


def serve(call: Call) -> int:
    """
    Serve until a signal comes; the exit code tells which.

    Raises:
        InvalidArgument: An option makes no sense, the address cannot be had, or nobody could ask there.
    """
    request = call.request
    client = call.client
    refuse_server(
        client,
        what="serve wants a store that it has in hand",
        instead="ask that one, or serve its store on its own machine",
    )
    workers = _workers(request, call.located.store)
    mount = _agents(request)
    if dict(mount.options).keys() - {"expose_paths"}:
        # What agents may do is refused now, not when the first one comes.
        made(mount, client)
    tokens = Tokens(client)
    with _listening(request) as listening:
        host, port = listening.getsockname()[:2]
        is_local = ip_address(host).is_loopback
        if not is_local and not tokens.all():
            raise InvalidArgument(
                f"at {host} only stored tokens are taken, and there are none: make one with realmconf token create"
            )
        url = f"http://{_shown(request.host)}:{port}/"
        with _token(call, tokens, wanted=is_local) as token, _metrics_folder(workers) as folder:
            settings = Settings(
                host=request.host,
                hosts=(*(request.allow_host or ()), *_public(request.public_url)),
                origins=tuple(map(_origin, request.allow_origin or ())),
                meerkat_realm=None
                if request.meerkat_realm is None
                else RealmName(request.meerkat_realm),
                meerkat_sessions=_sessions(request.meerkat_realm),
                is_public_https=(request.public_url or "").startswith("https:"),
                exposes_paths=bool(request.expose_paths),
                mounts=(mount,),
                metrics_folder=folder,
            )
            _announce(call, url, token)
            if workers == 1:
                number = serve_here(client, settings, listening)
            else:
                store = call.located.store
                number = serve_with_workers(store, settings, listening, workers=workers)
    return SIGNAL_EXIT + number if number else 0


def _sessions(meerkat_realm: str | None) -> str | None:
    """Where a process of Meerkat's in this one's place would have its sessions."""
    if meerkat_realm is None:
        return None
    import os

    from realmconf.meerkat.answers import sessions_folder

    return sessions_folder(os.getcwd(), os.environ)


def _announce(call: Call, url: str, token: NewToken | None) -> None:
    if call.json:
        call.print_json_line({"url": url, "token": None if token is None else token.text})
        return
    call.print(url if token is None else f"{url}#token={token.text}")
    call.flush()
    if token is None:
        call.say("whoever asks needs a token (realmconf token create); nothing is encrypted here")
    call.say("serving until Ctrl-C")


def _workers(request: Any, store: str) -> int:
    workers: int = request.workers
    if workers > WORKERS_MAX:
        raise InvalidArgument(f"at most {WORKERS_MAX} workers")
    if workers > 1 and store.startswith("memory:"):
        raise InvalidArgument("a store in memory is in one process: it has one worker")
    return workers


def _agents(request: Any) -> Mount:
    options: dict[str, object] = {}
    if request.allow_write:
        options["allow_write"] = True
    if request.expose_paths:
        options["expose_paths"] = True
    for name in ("allow_path", "allow_realm"):
        given = getattr(request, name, None)
        if given:
            options[name] = tuple(map(str, given))
    return Mount(path=AGENTS, make=AGENTS_MADE_BY, extra="mcp", options=tuple(options.items()))


def _origin(text: str) -> str:
    """
    Raises:
        InvalidArgument: It is no origin: a scheme, a name, perhaps a port, and nothing else.
    """
    scheme, separator, rest = text.rstrip("/").partition("://")
    if not separator or scheme not in ("http", "https") or not rest or set(rest) & set("/?#@ *"):
        raise InvalidArgument("an origin is written https://console.example.org")
    return text


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@contextmanager
def _listening(request: Any) -> Iterator[socket.socket]:
    try:
        found = listen(request.host, request.port)
    except OSError as error:
        reason = (error.strerror or os.strerror(error.errno or 0)).lower()
        raise InvalidArgument(
            f"cannot listen at {request.host}, port {request.port}: {reason}"
        ) from None
    with found:
        yield found


@contextmanager
def _token(call: Call, tokens: Tokens, *, wanted: bool) -> Iterator[NewToken | None]:
    """A token that is good as long as the server runs."""
    if not wanted:
        yield None
        return
    author = call.client.authorship({})["author"]
    token = hold(tokens, author=author, name=author[:NAME_CHARS_MAX], surface="http")
    ended = threading.Event()
    renewing = threading.Thread(
        target=_renew, args=(call, tokens, token, author, ended), name="token", daemon=True
    )
    renewing.start()
    try:
        yield token
    finally:
        ended.set()
        renewing.join()
        try:
            tokens.revoke(token.token.id, author=author, surface="http", timeout=REVOKE_SECONDS)
        except TokenNotFound:
            # Somebody was quicker.
            pass
        except RealmconfError as failure:
            call.say(f"warning: the token {token.token.id} could not be revoked: {failure}")


def _renew(
    call: Call, tokens: Tokens, token: NewToken, author: str, ended: threading.Event
) -> None:
    """Prolong the printed token until the server ends."""
    wait_seconds = RENEW_SECONDS
    while not ended.wait(wait_seconds):
        try:
            prolong(
                tokens,
                token.token.id,
                author=author,
                surface="http",
                deadline=call.client.deadline(REVOKE_SECONDS),
            )
        except RealmconfError as failure:
            call.say(f"warning: the token {token.token.id} could not be prolonged: {failure}")
            wait_seconds = RETRY_SECONDS
        else:
            wait_seconds = RENEW_SECONDS


def _public(url: str | None) -> tuple[str, ...]:
    """
    The name in the address by which others reach the server; none: they reach it as it is.

    Raises:
        InvalidArgument: It is no such address.
    """
    if url is None:
        return ()
    try:
        host = _origin(url).partition("://")[2]
    except InvalidArgument:
        raise InvalidArgument(
            "a public URL is written https://conf.example.org, without a path"
        ) from None
    return (host,)


@contextmanager
def _metrics_folder(workers: int) -> Iterator[str | None]:
    """Where several processes count together."""
    if workers == 1:
        yield None
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="realmconf-metrics-") as folder:
        yield folder
