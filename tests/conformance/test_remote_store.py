"""The conformance suite on a server, over the wire: nothing is skipped, and what differs is declared."""

from __future__ import annotations

import pytest
from tests.surfaces.http.conftest import start_server  # noqa: F401 - a fixture

from realmconf.domain.names import LIMITS
from realmconf.stores.registry import open_store
from realmconf.testing.conformance import ConformanceSuite


class TestRemoteStore(ConformanceSuite):
    """A server on an embedded root, asked with a token that has every right."""

    @pytest.fixture
    def store_url(self, start_server) -> str:  # noqa: F811
        server = start_server()
        self.token = server.tokens["owner"]
        return server.url

    def open(self, url):
        return open_store(url, limits=LIMITS, token_for=lambda origin: self.token)
