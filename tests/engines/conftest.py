"""The servers that tests of engines run against: each is started once for all of them."""

from __future__ import annotations

import pytest
from tests.engines.proxy import Proxy

from realmconf.domain.names import LIMITS
from realmconf.stores.registry import open_store

# So that a failed assertion of what modules share shows its values.
pytest.register_assert_rewrite("tests.engines.faults", "tests.engines.watched")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engines.faults import Server
    from tests.engines.servers import etcd as etcd_servers
    from tests.engines.servers.nats import Cluster, Nats
    from tests.engines.servers.postgres import Postgres

    from realmconf.stores.protocol import Store


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


@pytest.fixture
def proxy(engine: Server) -> Iterator[Proxy]:
    """A relay before the server that a module is about."""
    with Proxy("127.0.0.1", engine.port) as proxy:
        yield proxy


@pytest.fixture
def through(engine: Server, proxy: Proxy) -> Iterator[Store]:
    """A store that is reached through the relay."""
    store = open_store(engine.url(port=proxy.port), limits=LIMITS)
    yield store
    proxy.passes()
    store.close()
