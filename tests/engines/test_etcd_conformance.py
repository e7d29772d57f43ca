"""The contract of a store, on etcd: on one server, and on a cluster of three."""

from __future__ import annotations

import pytest

from realmconf.testing.conformance import ConformanceSuite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.engines.servers.etcd import Cluster, Etcd

pytestmark = pytest.mark.engines


class TestEtcd(ConformanceSuite):
    """Everything, with nothing left out, on one server."""

    @pytest.fixture
    def store_url(self, etcd: Etcd) -> str:
        return etcd.url()


class TestEtcdCluster(ConformanceSuite):
    """Everything, with nothing left out, on a cluster of three."""

    @pytest.fixture
    def store_url(self, etcd_cluster: Cluster) -> str:
        return etcd_cluster.url()
