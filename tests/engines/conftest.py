"""The servers that tests of engines run against: each is started once for all of them."""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engines.servers import etcd as etcd_servers
    from tests.engines.servers.nats import Cluster, Nats
    from tests.engines.servers.postgres import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server that no test stops; each test has a schema of its own in it."""
    from tests.engines.servers.postgres import Postgres

    server = Postgres()
    yield server
    server.close()


@pytest.fixture(scope="session")
def nats() -> Iterator[Nats]:
    """A NATS server that no test stops, and that syncs what it acknowledges; each test has its own stream."""
    from tests.engines.servers.nats import Nats

    server = Nats()
    yield server
    server.close()


@pytest.fixture(scope="session")
def nats_cluster() -> Iterator[Cluster]:
    """Three NATS servers that no test stops."""
    from tests.engines.servers.nats import Cluster

    servers = Cluster()
    yield servers
    servers.close()


@pytest.fixture(scope="session")
def etcd() -> Iterator[etcd_servers.Etcd]:
    """An etcd server that no test stops; each test has a prefix of its own in it."""
    from tests.engines.servers.etcd import Etcd

    server = Etcd()
    yield server
    server.close()


@pytest.fixture(scope="session")
def etcd_cluster() -> Iterator[etcd_servers.Cluster]:
    """Three members of one etcd that no test stops."""
    from tests.engines.servers.etcd import Cluster

    servers = Cluster()
    yield servers
    servers.close()
