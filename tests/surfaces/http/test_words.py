"""What the server says to people: in titles and meanings of problems, in refusals, on its page."""

from __future__ import annotations

import pytest


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
