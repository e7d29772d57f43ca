"""
A store in etcd: ``etcd://user:password@host1:2379,host2:2379/prefix``.

Everything is in keys under one prefix: a row for each realm, its revisions, and beside them receipts, children and
schemas (``layout``).  A write is one transaction of comparisons and puts (``composing``, ``writing``): it stands if
each row that it was judged on was last changed at the same revision of the server's.  So the fence against a late write
is its own row: whoever has looked what became of it writes on, and then it does not stand any more.  A view reads at
one revision (``view``); what is heard only wakes (``listening``).

etcd is asked through its own JSON gateway, which every server has on its client port.  grpcio is not used: in a child
of a fork it hangs, dies, or closes what its parent is reading.

Decides how the URL becomes a store; everything that all engines have in common is ``stores.engine``'s.
"""

from __future__ import annotations

from realmconf.stores.engine import EngineStore
from realmconf.stores.engine.known import Known
from realmconf.stores.etcd import address as addresses
from realmconf.stores.etcd.ledger import EtcdLedger

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
    ledger = EtcdLedger(address, known, limits=limits, read_only=read_only)
    return EngineStore(ledger, known, limits=limits, read_only=read_only)
