"""
What every engine's store makes of answers that are lost, connections that are cut and servers that come back.

Decides the claims that are one engine's as much as another's; each module adds what is its engine's alone.
"""

from __future__ import annotations

import threading
import time

import pytest
from tests.engines.proxy import HOLD_REQUEST, LOSE_ANSWER, LOSE_REQUEST
from tests.engines.watched import WATCHED, Watcher, Writer, checked

from realmconf.errors import OutcomeUnknown
from realmconf.runtime.client import connect
from realmconf.testing.conformance.base import ONE, append, appending, soon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from tests.engines.proxy import Proxy
    from tests.engines.servers.etcd import Etcd
    from tests.engines.servers.nats import Nats
    from tests.engines.servers.postgres import Postgres

    from realmconf.stores.protocol import Store

    Server: TypeAlias = Etcd | Nats | Postgres

GRACE_SECONDS = 4.0
"""What a loaded machine may take beyond a deadline; far less than any time-out that would be a fault."""
MARK = b"realmconf-test"
"""What is in a document of ``write``, and in nothing else that is said."""


def write(store: Store, n: int, *, seconds: float = 20.0, write_id: str | None = None) -> int:
    """Append a document, which a relay knows by its mark where it is sent as it is; the generation."""
    (applied,) = store.apply(
        [ONE],
        appending(ONE, {"mark": MARK.decode(), "n": n}, write_id=write_id),
        deadline=time.monotonic() + seconds,
    )
    return applied.head.generation


def kept(store: Store) -> list[int]:
    """The numbers of the documents of ``ONE``, oldest first."""
    with store.view() as view:
        return [one.document["n"] for one in view.revisions(ONE) if one.document]


class FaultSuite:
    """Subclasses say how their engine is spoken to; their modules have the fixtures ``engine`` and ``server``."""

    commit = MARK
    """What is in a write, and in nothing else that is said."""

    def url_of(self, server: Server) -> str:
        """The URL of a new store in *server*."""
        return server.url()

    def put_out(self, server: Server) -> None:
        """End *server* at once."""
        server.kill()

    # --- answers and requests that are lost ------------------------------------------------------

    @pytest.mark.parametrize("what", [LOSE_REQUEST, LOSE_ANSWER])
    @pytest.mark.parametrize("write_id", [None, "w-{:032x}", "given-{}"])
    def test_a_lost_write_is_settled(
        self, through: Store, proxy: Proxy, what: str, write_id: str | None
    ) -> None:
        """
        G6: whether the request or its answer was lost, the caller is told of one revision, and there is one: whether
        the id has a receipt of its own, or is told by the revision alone.
        """
        for number in range(1, 6):
            proxy.plan(what, matching=self.commit)
            own = None if write_id is None else write_id.format(number)
            assert write(through, number, write_id=own) == number
            proxy.wait_until_it_happened()
        assert kept(through) == [1, 2, 3, 4, 5]

    @pytest.mark.parametrize("write_id", ["w-" + "0" * 32, "mine"])
    def test_a_write_that_arrives_late_does_not_stand(
        self, through: Store, proxy: Proxy, write_id: str
    ) -> None:
        """G6: a request that was held back and given up is refused when it comes: it was sent again meanwhile."""
        assert write(through, 1) == 1
        proxy.plan(HOLD_REQUEST, matching=self.commit)
        assert write(through, 2, write_id=write_id) == 2
        proxy.release()
        assert kept(through) == [1, 2]
        assert write(through, 3) == 3
        assert through.void(ONE, write_id, deadline=soon()).generation == 2

    def test_an_outcome_that_cannot_be_found_out(self, through: Store, proxy: Proxy) -> None:
        """G6: where nobody can be reached until the deadline it is unknown, and settled once somebody can."""
        assert write(through, 1) == 1
        proxy.plan(LOSE_ANSWER, matching=self.commit)

        def refuse() -> None:
            proxy.wait_until_it_happened()
            proxy.refuse()

        refused = threading.Thread(target=refuse)
        refused.start()
        began = time.monotonic()
        try:
            # What is asked next may be faster than the cut; then it is known already.
            generation = write(through, 2, seconds=1.0, write_id="mine")
        except OutcomeUnknown as failure:
            unknown: str | None = failure.write_id
        else:
            unknown = "mine" if generation == 2 else None
        assert time.monotonic() - began < 1.0 + GRACE_SECONDS
        refused.join(20)
        proxy.passes()
        assert through.void(ONE, "mine", deadline=soon()).outcome == "committed"
        assert kept(through) == [1, 2]
        assert unknown == "mine"

    def test_a_read_is_asked_again(self, through: Store, proxy: Proxy) -> None:
        """A reader does not notice that a connection was cut between two questions, nor in one."""
        append(through, ONE, {"n": 1})
        for number in range(10):
            if number % 2:
                proxy.cut()
            else:
                proxy.plan(LOSE_ANSWER)
            assert through.head(ONE).generation == 1

    # --- a server that comes back ----------------------------------------------------------------

    @pytest.mark.timeout(240)
    def test_connections_that_are_cut_lose_no_event(self, engine: Server, proxy: Proxy) -> None:
        """G7: 200 times the connections of writers, readers and watchers are cut, and no generation is missed."""
        url = engine.url(port=proxy.port)
        with connect(url) as mine, connect(url) as theirs:
            mine.realm(WATCHED).set({"n": 0})
            watcher, writer = Watcher(theirs), Writer(mine)
            writer.start()
            cut = 0
            while cut < 200:
                cut += proxy.cut()
                # Until they are all at it again.
                writer.wait_for(2)
            writer.end()
            checked(writer, watcher, mine)
            watcher.close()

    @pytest.mark.timeout(240)
    @pytest.mark.parametrize("how", ["kill", "restart", "pause"])
    def test_a_server_that_comes_back(self, server: Server, how: str) -> None:
        """G4, G6, G7: killed, restarted or held still during writes, it has what was acknowledged, and all go on."""
        url = self.url_of(server)
        with connect(url) as mine, connect(url) as theirs:
            mine.realm(WATCHED).set({"n": 0})
            watcher, writer = Watcher(theirs), Writer(mine)
            writer.start()
            for _ in range(5):
                writer.wait_for(20)
                if how == "kill":
                    server.kill()
                    server.start()
                elif how == "restart":
                    server.stop()
                    server.start()
                else:
                    server.pause()
                    time.sleep(0.2)
                    server.resume()
            writer.end()
            checked(writer, watcher, mine)
            watcher.close()

    def test_current_is_known_to_be_old(self, server: Server) -> None:
        """While nobody answers, what was last heard of is given, and its age grows; afterwards it is kept up again."""
        url = self.url_of(server)
        with connect(url) as client:
            realm = client.realm("followed")
            realm.set({"n": 1})
            assert realm.current == {"n": 1}
            self.put_out(server)
            assert realm.current == {"n": 1}
            first = realm.current_age
            second = realm.current_age
            assert second > first
            server.start()
            with connect(url) as other:
                other.realm("followed").set({"n": 2})
            deadline = time.monotonic() + 20
            while realm.current != {"n": 2}:
                assert time.monotonic() < deadline
                time.sleep(0.01)
