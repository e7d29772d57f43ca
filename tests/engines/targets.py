"""
What is tortured: an engine's server, the way to it, and what can go wrong with both.

Decides what each kind of fault is; when which comes is the run's.  A fault is over when it returns, and everything is
as it was before.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack, suppress
from functools import partial

from tests.engines import network
from tests.engines.proxy import HOLD_REQUEST, LOSE_ANSWER, LOSE_REQUEST, Proxy

TYPE_CHECKING = False
if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from typing import Protocol

    class Server(Protocol):
        """A server that a test has started."""

        def start(self) -> None: ...
        def stop(self) -> None: ...
        def kill(self) -> None: ...
        def pause(self) -> None: ...
        def resume(self) -> None: ...
        def close(self) -> None: ...

    Fault = Callable[[random.Random], bool]
    """Does what it is called, and tells whether it came to that."""

PLANNED_SECONDS = 0.5
"""How long a fault waits for a request to meet."""
WRITING = b'"last":"'
"""What stands in a request that writes a document, in whatever protocol: the mark that writers put into it."""


class Target:
    """An engine under torture: ``url`` as those who are tortured reach it, ``own_url`` past all faults."""

    def __init__(self) -> None:
        self.url = ""
        self.own_url = ""
        self.faults: dict[str, Fault] = {}
        self.enter: Callable[[], None] = _stay
        """Called by each process under torture when it begins."""
        self.partition = "none"
        """How the network is parted: by ``namespace``, or by the ``proxy``."""
        self._resources = ExitStack()

    def close(self) -> None:
        """Stop what was started."""
        self._resources.close()


def _stay() -> None:
    """Be in the network of the machine."""


def target_of(engine: str) -> Target:
    """
    The engine of that name, or a store that is there: with faults of the network alone, if it has a URL of a server.

    Raises:
        SystemExit: Nothing is known of it.
    """
    made = ENGINES.get(engine)
    if made is None:
        raise SystemExit(f"no engine is called {engine}; known are {', '.join(ENGINES)}")
    target = Target()
    try:
        made(target)
    except BaseException:
        target.close()
        raise
    return target


def _embedded(target: Target) -> None:
    folder = target._resources.enter_context(tempfile.TemporaryDirectory())
    target.url = target.own_url = f"sqlite://{folder}/root?working_copies=off"


def _postgres(target: Target) -> None:
    from tests.engines.servers.postgres import Postgres

    server = Postgres()
    target._resources.callback(server.close)
    proxy = _proxied(target, server, server.port)
    target.own_url = server.url()
    target.url = _through(proxy, target.own_url, server.port)


def _nats(target: Target) -> None:
    from tests.engines.servers.nats import Nats

    server = Nats()
    target._resources.callback(server.close)
    proxy = _proxied(target, server, server.port)
    target.own_url = server.url()
    target.url = _through(proxy, target.own_url, server.port)


def _etcd(target: Target) -> None:
    from tests.engines.servers.etcd import Etcd

    server = Etcd()
    target._resources.callback(server.close)
    # What is put is in base64 there, in which no mark can be found.
    proxy = _proxied(target, server, server.port, writing=b'"request_put"')
    target.own_url = server.url()
    target.url = _through(proxy, target.own_url, server.port)


def _nats_cluster(target: Target) -> None:
    from tests.engines.servers.nats import Cluster

    cluster = Cluster(is_synced=True, can_be_parted=True)
    target._resources.callback(cluster.close)
    url = cluster.url()
    target.own_url = url
    each = []
    host = _parted(target)
    for server in cluster.servers:
        proxy = target._resources.enter_context(Proxy("127.0.0.1", server.port, listens_on=host))
        url = _through(proxy, url, server.port)
        each.append(faults_of_server(server) | faults_of_network(proxy))
    target.url = url

    def cut_off(chance: random.Random) -> bool:
        cluster.part(chance.choice(cluster.servers))
        time.sleep(chance.uniform(0.1, 12.0))
        cluster.join()
        return True

    def of_one(kind: str, chance: random.Random) -> bool:
        return chance.choice(each)[kind](chance)

    target.faults |= {kind: partial(of_one, kind) for kind in each[0]} | {"cut_off": cut_off}


def _through(proxy: Proxy, url: str, port: int) -> str:
    """*url*, which names a server on *port* of this machine, by way of *proxy*."""
    direct = f"127.0.0.1:{port}"
    assert direct in url
    return url.replace(direct, f"{proxy.host}:{proxy.port}")


def _proxied(target: Target, server: Server, port: int, *, writing: bytes = WRITING) -> Proxy:
    """Put a proxy before *server*, and say what can go wrong with both."""
    host = _parted(target)
    proxy = target._resources.enter_context(Proxy("127.0.0.1", port, listens_on=host))
    if not target.faults:
        target.partition = "proxy"
        target.faults["partition"] = partial(_stall, proxy)
    target.faults |= faults_of_server(server) | faults_of_network(proxy, writing)
    return proxy


def _parted(target: Target) -> str:
    """Let there be a network whose cable can be pulled, where that can be; the address of its end here."""
    if not network.can_be_made():
        return "127.0.0.1"
    cable = target._resources.enter_context(network.Network())
    target.enter = cable.enter
    target.partition = "namespace"
    target.faults["partition"] = partial(_partition, cable)
    return cable.host


ENGINES: Mapping[str, Callable[[Target], None]] = {
    "embedded": _embedded,
    "etcd": _etcd,
    "nats": _nats,
    "nats-cluster": _nats_cluster,
    "postgres": _postgres,
}


# --- what goes wrong ---------------------------------------------------------------------------------


def faults_of_server(server: Server) -> dict[str, Fault]:
    """A server is killed, restarted, or stands still."""

    def kill(chance: random.Random) -> bool:
        server.kill()
        time.sleep(chance.uniform(0.0, 0.3))
        server.start()
        return True

    def restart(chance: random.Random) -> bool:
        server.stop()
        time.sleep(chance.uniform(0.0, 0.1))
        server.start()
        return True

    def stand_still(chance: random.Random) -> bool:
        server.pause()
        time.sleep(chance.uniform(0.1, 1.5))
        server.resume()
        return True

    return {"server_killed": kill, "server_restarted": restart, "server_stopped": stand_still}


def faults_of_network(proxy: Proxy, writing: bytes = WRITING) -> dict[str, Fault]:
    """Connections are cut, stand still, or lose what is on them."""

    def cut(chance: random.Random) -> bool:
        return proxy.cut() > 0

    def planned(what: str, chance: random.Random) -> bool:
        proxy.plan(what, matching=writing if chance.random() < 0.75 else b"")
        with suppress(TimeoutError):
            proxy.wait_until_it_happened(PLANNED_SECONDS)
            if what == HOLD_REQUEST:
                # Long enough for its caller to have asked what became of it, or to have sent it again.
                time.sleep(chance.uniform(0.0, 0.2))
                proxy.release()
            return True
        return False

    def slow(chance: random.Random) -> bool:
        proxy.delay(chance.uniform(0.001, 0.05))
        time.sleep(chance.uniform(0.1, 0.5))
        proxy.delay(0.0)
        return True

    def refused(chance: random.Random) -> bool:
        proxy.refuse()
        time.sleep(chance.uniform(0.0, 0.5))
        proxy.passes()
        return True

    return {
        "connections_cut": cut,
        "request_lost": partial(planned, LOSE_REQUEST),
        "answer_lost": partial(planned, LOSE_ANSWER),
        "request_late": partial(planned, HOLD_REQUEST),
        "network_slow": slow,
        "connections_refused": refused,
        "network_stalled": partial(_stall, proxy),
    }


def _stall(proxy: Proxy, chance: random.Random) -> bool:
    proxy.stall()
    time.sleep(chance.uniform(0.1, 1.5))
    proxy.passes()
    return True


def _partition(cable: network.Network, chance: random.Random) -> bool:
    cable.pull()
    time.sleep(chance.uniform(0.1, 2.0))
    cable.plug()
    return True
