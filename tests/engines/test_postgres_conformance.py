"""The contract of a store, on PostgreSQL."""

from __future__ import annotations

import pytest

from realmconf.testing.conformance import ConformanceSuite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.engines.servers.postgres import Postgres

pytestmark = pytest.mark.engines


class TestPostgres(ConformanceSuite):
    """Everything, with nothing left out."""

    @pytest.fixture
    def store_url(self, postgres: Postgres) -> str:
        return postgres.url()
