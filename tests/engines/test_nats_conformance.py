"""The contract of a store, on NATS JetStream: on one server, and on three."""

from __future__ import annotations

import pytest

from realmconf.testing.conformance import ConformanceSuite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.engines.servers.nats import Cluster, Nats

pytestmark = pytest.mark.engines


class TestNats(ConformanceSuite):
    """Everything, with nothing left out, on a stream of one server."""

    @pytest.fixture
    def store_url(self, nats: Nats) -> str:
        return nats.url()


class TestNatsCluster(ConformanceSuite):
    """Everything, with nothing left out, on a stream that three servers replicate."""

    @pytest.fixture
    def store_url(self, nats_cluster: Cluster) -> str:
        return nats_cluster.url()
