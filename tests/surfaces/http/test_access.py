"""Who is let in, from where, and by which name."""

from __future__ import annotations

import pytest

from realmconf.runtime.sessions import SESSIONS_OF_ONE_MAX
from realmconf.surfaces.http.app import App
from realmconf.surfaces.http.dispatch import operations_by_path
from realmconf.surfaces.http.ordinary import GUARDED, OPEN
from realmconf.surfaces.http.settings import Mount

CONFIG = "/v1/realms/team/config"
MCP = Mount(path="/mcp", make="realmconf.surfaces.mcp.http:asgi_app", extra="mcp")
VALUES = {"realm": "team", "generation": "1", "write_id": "w", "id": "t", "name": "defect"}


def routes(kinds):
    """Every method and path of these routes, with values in the place of names."""
    return [
        (method, path.format(**VALUES)) for path, methods in kinds.items() for method in methods
    ]


GUARDED_ROUTES = [
    one for one in routes({**operations_by_path(), **GUARDED}) if one != ("DELETE", "/v1/session")
]
ALL_ROUTES = [
    *routes(OPEN),
    *routes(operations_by_path()),
    *routes(GUARDED),
    ("POST", "/mcp"),
    ("GET", "/mcp"),
    ("GET", "/nothing"),
    ("GET", "/v1/store/nothing"),
]


@pytest.fixture
def server(start_server):
    running = start_server(
        mounts=(MCP,), hosts=("conf.example.org",), origins=("https://console.example.org",)
    )
    running.client.realm("team").set({"a": 1})
    return running


def ask(http, method, path, **options):
    """Ask, and hang up once the answer has begun: some are streams."""
    with http.stream(method, path, **options) as answer:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return answer, ""
        answer.read()
        return answer, answer.text


def test_every_route_needs_a_token(server):
    """Without a token there is nothing but what is open to everybody: 401, and how to ask."""
    with server.http(None) as http:
        for method, path in [
            *GUARDED_ROUTES,
            ("POST", "/mcp"),
            ("GET", "/v1/store/x"),
            ("HEAD", CONFIG),
            ("OPTIONS", CONFIG),
        ]:
            answer, _ = ask(http, method, path)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")
        for method, path in routes(OPEN):
            assert ask(http, method, path)[0].status_code == 200


@pytest.mark.parametrize(
    "stated",
    [
        "",
        "Bearer",
        "Bearer rc_",
        "Basic dTpw",
        "rc_x",
        "bearer rc_" + "A" * 43,
        "Bearer rc_" + "A" * 44,
        "Bearer \xff",
        "Bearer a b",
    ],
)
def test_what_is_no_token(server, stated):
    """Whatever is no token of this store is 401, on the route that is asked most too."""
    with server.http(None) as http:
        for path in (CONFIG, "/v1/realms"):
            answer = http.get(path, headers={"Authorization": stated.encode("latin-1")})
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_roles(server):
    """A role does what its row of the table asks for, and no more, whether or not there is such a realm."""
    writes = {"json": {"config": {"a": 2}}}
    cases = [
        ("GET", CONFIG, {}, "read"),
        ("GET", "/v1/realms/none/config", {}, "read"),
        ("PUT", CONFIG, writes, "write"),
        ("PUT", "/v1/realms/none/config", writes, "write"),
        ("GET", "/v1/realms/team/commits/w", {}, "write"),
        ("PUT", "/v1/realms/team/policy", {"json": {"policy": {"history_keep": 9}}}, "admin"),
        ("DELETE", "/v1/realms/team/schema", {}, "admin"),
        ("GET", "/v1/tokens", {}, "admin"),
        ("GET", "/metrics", {}, "read"),
    ]
    order = ["reader", "writer", "admin"]
    needed = {"read": "reader", "write": "writer", "admin": "admin"}
    for method, path, options, role in cases:
        for caller in order:
            with server.http(caller) as http:
                answer = http.request(method, path, **options)
            if order.index(caller) >= order.index(needed[role]):
                assert answer.status_code < 400 or answer.status_code == 404, (method, path, caller)
            else:
                assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")


def test_realms_of_others(server):
    """A token for some realms is told nothing of others, not even whether they are there."""
    server.client.realm("acme").set({"a": 1})
    text = server.mint("admin", realms="acme*")
    with server.http(
        None,
    ) as http:
        http.headers["Authorization"] = f"Bearer {text}"
        assert http.get("/v1/realms/acme/config").status_code == 200
        there = http.get("/v1/realms/team/config")
        absent = http.get("/v1/realms/tean/config")
        assert there.status_code == absent.status_code == 403
        assert there.text.replace("team", "tean") == absent.text
        assert [one["realm"] for one in http.get("/v1/realms").json()["realms"]] == ["acme"]
        assert http.get("/metrics").status_code == 403
        (own,) = http.get("/v1/tokens").json()
        assert own["realms"] == ["acme*"]


def test_a_revoked_token_is_refused_by_the_next_request(server):
    """Revoking a token ends it for every connection that was open."""
    text = server.mint("read", name="short")
    with server.http(None) as http, server.http("admin") as admin:
        http.headers["Authorization"] = f"Bearer {text}"
        for _ in range(5):
            assert http.get(CONFIG).status_code == 200
        (token,) = [one for one in admin.get("/v1/tokens").json() if one["name"] == "short"]
        admin.delete(f"/v1/tokens/{token['id']}")
        assert http.get(CONFIG).status_code == 401


def test_an_expired_token_is_refused(start_server, monkeypatch):
    """A token is good until its time is over, also where its caller's answers were at hand."""
    from realmconf.runtime.world import World

    nanoseconds = [1_800_000_000_000_000_000]
    world = World(time_nanoseconds=lambda: nanoseconds[0])
    monkeypatch.setattr("realmconf.runtime.client.WORLD", world)
    monkeypatch.setattr(
        "realmconf.runtime.client.connect.__kwdefaults__",
        {**__import__("realmconf").connect.__kwdefaults__, "world": world},
    )
    server = start_server()
    server.client.realm("team").set({"a": 1})
    text = server.mint("read", expires_seconds=60)
    with server.http(None) as http:
        http.headers["Authorization"] = f"Bearer {text}"
        for _ in range(3):
            assert http.get(CONFIG).status_code == 200
        nanoseconds[0] += 61_000_000_000
        assert http.get(CONFIG).status_code == 401


# --- browsers -----------------------------------------------------------------------------------


def test_a_session_of_a_browser(server):
    """A token is exchanged for a cookie that scripts cannot read and that other sites do not send."""
    with server.http("admin") as http:
        answer = http.post("/v1/session")
        assert answer.status_code == 204
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "Path=/" in cookie
        assert http.get("/v1/session").json()["roles"] == ["admin", "read", "write"]
    pair = cookie.partition(";")[0]
    with server.http(None, headers={"Cookie": f"theme=dark; {pair}"}) as browser:
        assert browser.get(CONFIG).status_code == 200
        assert browser.head(CONFIG).status_code == 200
        assert browser.get("/v1/tokens").status_code == 200
        assert ask(browser, "GET", "/v1/realms/team/watch")[0].status_code == 200
        ended = browser.delete("/v1/session")
        assert ended.status_code == 204
        assert "Max-Age=0" in ended.headers["set-cookie"]
        assert browser.get(CONFIG).status_code == 401


def test_a_cookie_is_not_the_token(server):
    """What a browser has is another secret than the token, and no token: whoever sees it cannot write with it."""
    with server.http("admin") as http:
        text = http.post("/v1/session").headers["set-cookie"].partition(";")[0].partition("=")[2]
        assert text != server.tokens["admin"]
        http.headers["Authorization"] = f"Bearer {text}"
        assert http.get(CONFIG).status_code == 401
        assert http.put(CONFIG, json={"config": {}}).status_code == 401
    with server.http(
        None, headers={"Cookie": f"realmconf_session={server.tokens['admin']}"}
    ) as http:
        assert http.get(CONFIG).status_code == 401


def test_sessions_of_one_token_are_bounded(server):
    """A token has so many sessions; another one ends the oldest."""
    with server.http("reader") as http, server.http(None) as browser:
        cookies = [
            http.post("/v1/session").headers["set-cookie"].partition(";")[0]
            for _ in range(SESSIONS_OF_ONE_MAX + 1)
        ]
        found = [
            browser.get(CONFIG, headers={"Cookie": one}).status_code
            for one in (cookies[0], cookies[1], cookies[-1])
        ]
    assert found == [401, 200, 200]


def test_cookies_behind_https(start_server):
    """A server that is told that others reach it over HTTPS gives cookies for that alone."""
    server = start_server(is_public_https=True)
    with server.http("admin") as http:
        assert "; Secure" in http.post("/v1/session").headers["set-cookie"]
    # What a request says of it is its own word.
    server = start_server()
    with server.http("admin", headers={"X-Forwarded-Proto": "https"}) as http:
        assert "; Secure" not in http.post("/v1/session").headers["set-cookie"]


def test_a_cookie_never_writes(server):
    """Whatever changes something needs the token itself: a cookie is sent by browsers unasked."""
    with server.http("admin") as http:
        pair = http.post("/v1/session").headers["set-cookie"].partition(";")[0]
    with server.http(None, headers={"Cookie": pair}) as browser:
        for method, path in [*GUARDED_ROUTES, ("POST", "/mcp")]:
            if method != "GET":
                assert ask(browser, method, path)[0].status_code == 401, (method, path)
        assert browser.get("/v1/realms/team/commits/x").status_code == 403
        assert browser.post("/v1/session").status_code == 401
    assert server.client.realm("team").get().generation == 1


def test_a_cookie_dies_with_its_token(server):
    """A session is of a token: without that it is worth nothing."""
    text = server.mint("read", name="short")
    with server.http("admin") as admin, server.http(None) as browser:
        pair = browser.post("/v1/session", headers={"Authorization": f"Bearer {text}"}).headers[
            "set-cookie"
        ]
        browser.headers["Cookie"] = pair.partition(";")[0]
        assert browser.get(CONFIG).status_code == 200
        (token,) = [one for one in admin.get("/v1/tokens").json() if one["name"] == "short"]
        admin.delete(f"/v1/tokens/{token['id']}")
        assert browser.get(CONFIG).status_code == 401
        for forged in ("realmconf_session=", "realmconf_session=1", pair.replace("rs_", "rs-")):
            browser.headers["Cookie"] = forged.partition(";")[0]
            assert browser.get(CONFIG).status_code == 401


# --- names and origins ------------------------------------------------------------------------------


def test_names(server):
    """A request that names another server is 421 on every route, also on loopback and with a token."""
    with server.http("admin") as http:
        for method, path in ALL_ROUTES:
            for host in (
                "evil.test",
                f"evil.test:{server.port}",
                "127.0.0.1.evil.test",
                "localhost.evil",
                "10.1.2.3",
            ):
                answer, _ = ask(http, method, path, headers={"Host": host})
                assert (answer.status_code, answer.headers["content-type"]) == (
                    421,
                    "application/problem+json",
                ), (method, path, host)
        for host in (
            f"localhost:{server.port}",
            "127.0.0.1",
            "[::1]:80",
            "LOCALHOST",
            "conf.example.org",
            "conf.example.org:443",
        ):
            assert http.get(CONFIG, headers={"Host": host}).status_code == 200, host
        for host in (
            "",
            "localhost:x",
            "[::1",
            "localhost, evil.test",
            "localhost:80:80",
            "user@localhost",
        ):
            assert http.get(CONFIG, headers={"Host": host}).status_code in (400, 421), host


def test_origins(server):
    """A page of another origin is 403 on every route, and so is one of none."""
    with server.http("admin") as http:
        for method, path in ALL_ROUTES:
            for origin in (
                "http://evil.test",
                "null",
                "https://console.example.org.evil.test",
                "http://localhost:1",
                "",
            ):
                answer, _ = ask(http, method, path, headers={"Origin": origin})
                assert answer.status_code == 403, (method, path, origin)
                assert "access-control-allow-origin" not in answer.headers
        for origin in (server.url, f"http://127.0.0.1:{server.port}"):
            assert http.get(CONFIG, headers={"Origin": origin}).status_code == 200
    assert server.client.realm("team").get().generation == 1


def test_pages_that_are_let_in(server):
    """An allowed origin gets what CORS asks for, and answers to its preflights without a token; cookies stay out."""
    origin = {"Origin": "https://console.example.org"}
    with server.http("admin") as http:
        for answer in (http.get(CONFIG, headers=origin), http.get("/nothing", headers=origin)):
            assert answer.headers["access-control-allow-origin"] == origin["Origin"]
            assert "ETag" in answer.headers["access-control-expose-headers"]
            assert "Origin" in ", ".join(answer.headers.get_list("vary"))
            assert "access-control-allow-credentials" not in answer.headers
    with server.http(None) as http:
        preflight = http.options(
            CONFIG,
            headers={
                **origin,
                "Access-Control-Request-Method": "PATCH",
                "Access-Control-Request-Headers": "if-match",
            },
        )
        assert preflight.status_code == 204
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        assert "If-Match" in preflight.headers["access-control-allow-headers"]
        foreign = {"Origin": "http://evil.test", "Access-Control-Request-Method": "PATCH"}
        assert http.options(CONFIG, headers=foreign).status_code == 403


def test_no_cors_without_being_asked(start_server):
    """Unless an origin is allowed there are no CORS headers, and even a preflight of our own page has none."""
    server = start_server()
    with server.http("admin") as http:
        answer = http.get(CONFIG, headers={"Origin": server.url})
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_page(server):
    """``/`` is a page that runs nothing, shows itself in no frame, and links to the API."""
    with server.http(None) as http:
        answer = http.get("/", headers={"Accept": "text/html"})
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "/openapi.json" in answer.text
        assert "<script" not in answer.text


def test_agents_come_through_the_same_door(server):
    """``/mcp`` is answered behind the same checks, for whoever has a token."""
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        },
    }
    headers = {"Accept": "application/json, text/event-stream"}
    with server.http("reader") as http:
        answer = http.post("/mcp", json=call, headers=headers)
        assert answer.status_code == 200
        assert answer.json()["result"]["serverInfo"]


def test_counts(server):
    """``/metrics`` counts requests by route, method and status, and tells no realm, token or value."""
    with server.http("admin") as http:
        http.get("/v1/realms/SECRETREALM/config")
        http.get("/v1/realms/team/config")
        http.request("FROBNICATE", "/v1/realms")
        text = http.get("/metrics").text
    assert (
        'realmconf_http_requests_total{method="GET",route="/v1/realms/{realm}/config",status="404"} 1.0'
        in text
    )
    assert "SECRETREALM" not in text
    assert "team" not in text
    assert "rc_" not in text
    assert "FROBNICATE" not in text
    assert "realmconf_http_streams 0.0" in text


def test_the_application_is_asgi(server):
    """A server's application is an ASGI application, which refuses what is no HTTP."""
    import asyncio

    sent = []

    async def run():
        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message)

        await server.process.app({"type": "websocket"}, receive, send)

    asyncio.run(run())
    assert isinstance(server.process.app, App)
    assert sent == [{"type": "websocket.close", "code": 1008}]
