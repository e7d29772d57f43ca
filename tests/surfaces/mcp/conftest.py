"""A store with one realm, for tests of MCP."""

from __future__ import annotations

import pytest
from tests.surfaces.mcp.agents import DOCUMENT, REALM

import realmconf


@pytest.fixture
def client(tmp_path):
    with realmconf.connect(str(tmp_path / "store"), author="ada") as client:
        client.realm(REALM).set(DOCUMENT, message="the start")
        yield client


@pytest.fixture
def team(client):
    return client.realm(REALM)
