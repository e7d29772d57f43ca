"""
A store in a stream of NATS JetStream: ``nats://user:password@host1,host2/stream?replicas=3``.

Everything is in one stream: for each realm what was said of it, in order, and beside that receipts, names and schemas
(``layout``).  A write waits for what it was judged on (``writing``): the row of its realm by that subject's last
sequence, other rows by the stream's last sequence, or in a batch by theirs, which the server puts down whole or not at
all.  So the fence against a late write is its own row: whoever has looked what became of it writes on, and then it does
not stand any more.  What is read is the newest (``reading``), and what is heard only wakes (``listening``).

Decides how the URL becomes a store; everything that all engines have in common is ``stores.engine``'s.
"""

from __future__ import annotations

from realmconf.stores.engine import EngineStore
from realmconf.stores.engine.known import Known
from realmconf.stores.nats import address as addresses
from realmconf.stores.nats.ledger import NatsLedger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from realmconf.domain.names import Limits


def open_store(
    location: str,
    *,
    options: Mapping[str, str],
    read_only: bool,
    limits: Limits,
    recover: bool = False,
) -> EngineStore:
    """
    A handle on the store that *location* and *options* name; it is made where it is not there yet.

    Raises:
        InvalidArgument: The URL cannot be understood.
        StoreUnavailable, StoreReadOnly, StoreTooNew: It cannot be reached, made or read.
    """
    address = addresses.parse(location, options)
    known = Known()
    ledger = NatsLedger(address, known, limits=limits, read_only=read_only)
    return EngineStore(ledger, known, limits=limits, read_only=read_only)
