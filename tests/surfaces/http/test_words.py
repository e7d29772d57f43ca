"""What the server says to people: in titles and meanings of problems, in refusals, on its page."""

from __future__ import annotations

import pytest
from tests.surfaces.http.serving import served

from realmconf.surfaces.envelope import ANSWERS


@pytest.mark.parametrize("query", ["dry_run", "view=own&dry_run", "dry_run&view=own"])
def test_a_parameter_without_a_value_is_named(server, query):
    """A parameter of the query that has no value is 400, and named."""
    with server.http() as http:
        found = http.get(f"/v1/realms/team/config?{query}")
    assert (found.status_code, found.json()["code"]) == (400, "invalid_argument")
    assert "'dry_run' has no value" in found.json()["detail"]


def test_a_token_lasts_a_number_of_seconds(server):
    """``expires`` is a number of seconds in JSON; whatever else is refused in these words."""
    with server.http() as http:
        asked = {"realms": ["*"], "roles": ["read"]}
        refused = http.post("/v1/tokens", json={**asked, "expires": "5m"})
        assert refused.status_code == 400
        assert refused.json()["detail"] == "expires must be a number of seconds"
        assert http.post("/v1/tokens", json={**asked, "expires": 300}).status_code == 201


def test_the_page_says_how_this_server_is_asked(server):
    """The example on ``/`` is of the server that shows it, by the name that it was reached by."""
    with server.http(None) as http:
        assert f"http://127.0.0.1:{server.port}/v1/realms" in http.get("/").text
        named = http.get("/", headers={"Host": f"localhost:{server.port}"}).text
        assert f"http://localhost:{server.port}/v1/realms" in named
        odd = http.get("/", headers={"Host": 'localhost:1"<script>'})
    assert "<script" not in odd.text
    assert "{origin}" not in named


def test_titles_say_what_is_wrong(server):
    """A title tells by itself what is wrong, and what a problem means is plain text for any reader."""
    with server.http(None) as http:
        missing = http.get("/nothing").json()
        assert missing["title"] == "no such path"
        assert (
            missing["detail"] == "there is no such path; /openapi.json lists those that there are"
        )
        wrong = http.post("/healthz").json()
        assert wrong["title"] == "the path does not take this method"
        assert wrong["detail"] == "this path takes GET, HEAD, OPTIONS"
        for problem in (missing, wrong):
            found = http.get(problem["type"]).json()
            assert found["title"] == problem["title"]
        for code in sorted({error.code for error in ANSWERS}):
            found = http.get(f"/problems/{code}")
            assert found.status_code == 200, code
            assert "``" not in found.text


def test_agents_over_http_write_the_realms_that_are_named(tmp_path):
    """``serve --allow-realm`` narrows where agents write; it needs ``--allow-write``, as it does everywhere."""
    import subprocess
    import sys

    command = [sys.executable, "-m", "realmconf", "--store", str(tmp_path / "store"), "serve"]
    refused = subprocess.run(
        [*command, "--port", "0", "--allow-realm", "team-*"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 4
    assert "--allow-path and --allow-realm need --allow-write" in refused.stderr
    options = ("--allow-write", "--allow-path", "/", "--allow-realm", "team-*")
    with served(tmp_path / "store", *options) as running, running.http() as http:
        results = {}
        for number, realm in enumerate(("team-a", "other")):
            answer = http.post(
                "/mcp",
                headers={"Accept": "application/json, text/event-stream"},
                json={
                    "jsonrpc": "2.0",
                    "id": number,
                    "method": "tools/call",
                    "params": {
                        "name": "config_plan",
                        "arguments": {
                            "realm": realm,
                            "patch": {"a": 1},
                            "expected_generation": 0,
                            "reason": "to see",
                        },
                    },
                },
            )
            results[realm] = answer.json()["result"]
    assert not results["team-a"]["isError"], results
    assert results["other"]["isError"]
    assert results["other"]["structuredContent"]["code"] == "not_permitted"


def test_a_twin_is_not_named(server):
    """A name that differs from another realm's by case alone is refused, and the other one is not named."""
    server.client.realm("sEcReT-name").set({"a": 1})
    token = server.mint("write", realms="Secret-Name")
    with server.http(None, headers={"Authorization": f"Bearer {token}"}) as http:
        for query in ("", "?dry_run=true"):
            refused = http.put(f"/v1/realms/Secret-Name/config{query}", json={"config": {"a": 1}})
            assert (refused.status_code, refused.json()["code"]) == (400, "invalid_realm")
            assert "differs from this by case alone" in refused.json()["detail"]
            assert "sEcReT" not in refused.text
