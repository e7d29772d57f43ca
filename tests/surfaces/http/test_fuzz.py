"""Whatever is sent, the answer is a typed one, and nothing is changed by what was refused."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realmconf.errors import SecretUnresolved
from realmconf.surfaces.envelope import ANSWERS
from realmconf.surfaces.http.dispatch import operations_by_path

from .wire import say

CODES = {error.code for error in ANSWERS} - {SecretUnresolved.code}
METHODS = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "FOO")
PATHS = (*operations_by_path(), "/v1/session", "/openapi.json", "/metrics", "/v1/store/x", "/x")
MEDIA = (
    "application/json",
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/toml",
    "application/vnd.realmconf.document+json",
    "application/schema+json",
    "text/plain",
    "application/json;charset=x",
    ";",
)
HEADERS = (
    "If-Match",
    "If-None-Match",
    "Idempotency-Key",
    "Accept",
    "Content-Encoding",
    "If-Unmodified-Since",
    "Cookie",
    "Last-Event-ID",
    "Expect",
    "Connection",
    "Upgrade",
    "Range",
    "Origin",
    "Host",
    "Authorization",
)
QUERIES = (
    "view",
    "at",
    "path",
    "after",
    "wait",
    "limit",
    "before",
    "from",
    "to",
    "expected_generation",
    "message",
    "dry_run",
    "on_conflict",
    "depends_on",
    "x",
)

printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
etags = st.sampled_from(
    ["*", '"1-abcdefabcdef"', 'W/"x"', '""', '"', "1", '"9-000000000000", *', '"e"']
)
values = st.one_of(printable, etags, st.integers(-3, 10**20).map(str))
segments = st.one_of(
    st.sampled_from(["team", "1", "0", "none", "%00", "%ff", "a%2Fb", "."]),
    printable.map(lambda text: "".join(f"%{ord(one):02x}" for one in text) or "x"),
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), printable),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(printable, inner, max_size=3)
    ),
    max_leaves=8,
)
bodies = st.one_of(
    st.just(b""),
    st.binary(max_size=60),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(
        st.sampled_from(
            [
                "config",
                "patch",
                "operations",
                "to",
                "parts",
                "realms",
                "roles",
                "policy",
                "schema",
                "x",
                *QUERIES,
                "expected",
                "create",
                "write_id",
            ]
        ),
        json_values,
        max_size=4,
    ).map(lambda value: json.dumps(value).encode()),
)


@st.composite
def requests(draw):
    method = draw(st.sampled_from(METHODS))
    path = draw(st.sampled_from(PATHS))
    for name in ("realm", "generation", "write_id", "id"):
        path = path.replace(f"{{{name}}}", draw(segments))
    query = draw(st.lists(st.tuples(st.sampled_from(QUERIES), values), max_size=3))
    if query:
        path += "?" + "&".join(
            f"{name}={''.join(f'%{ord(one):02x}' for one in value)}" for name, value in query
        )
    if draw(st.integers(0, 9)) == 0:
        path += draw(st.sampled_from(["?", "&", "#x", "%", "?%", "?=", "//", "?a&b"]))
    headers = draw(st.lists(st.tuples(st.sampled_from(HEADERS), values), max_size=3))
    media = draw(st.one_of(st.none(), st.sampled_from(MEDIA)))
    if media is not None:
        headers.append(("Content-Type", media))
    return method, path, headers, draw(bodies)


def test_any_request(server):
    """
    A request of any shape gets an answer at once: done, or a problem with a code of the table, never a 5xx.

    With the right to read nothing is changed by any of them.
    """
    team = server.client.realm("team")
    team.set({"a": 1, "b": {"c": [1, 2]}})
    before = [entry.generation for entry in server.client.realms()]
    token = server.tokens["reader"]

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(requests())
    def fuzz(request):
        _check(server.port, token, request)

    fuzz()
    assert [entry.generation for entry in server.client.realms()] == before


def test_any_write(server):
    """With every right whatever is refused has changed nothing, and whatever is answered is in the history."""
    team = server.client.realm("team")
    team.set({"a": 1, "b": {"c": [1, 2]}})
    token = server.tokens["owner"]

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(requests())
    def fuzz(request):
        before = [entry.generation for entry in server.client.realms()]
        status = _check(server.port, token, request)
        if status >= 400:
            assert [entry.generation for entry in server.client.realms()] == before

    fuzz()
    team.verify()


def _check(port, token, request):
    method, path, headers, body = request
    lines = [f"{method} {path} HTTP/1.1"]
    named = {name for name, _ in headers}
    if "Host" not in named:
        lines.append("Host: localhost")
    if "Authorization" not in named:
        lines.append(f"Authorization: Bearer {token}")
    lines += [f"{name}: {value}" for name, value in headers]
    lines.append("Accept: application/json" if "Accept" not in named else "X-Filler: x")
    if body or method in ("PUT", "PATCH", "POST"):
        lines.append(f"Content-Length: {len(body)}")
    raw = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
    answer = say(port, _impatient(raw), has_body=method != "HEAD")
    assert answer.status < 500, (request, answer)
    if answer.status >= 400 and method != "HEAD":
        assert answer.problem["code"] in CODES, (request, answer)
    return answer.status


def _impatient(raw):
    # What waits for a change, or streams, has no end of its own: that is tested elsewhere.
    return raw.replace(b"wait=", b"wail=").replace(b"/watch", b"/blame")
