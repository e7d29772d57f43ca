"""
A store in a PostgreSQL database: ``postgresql://user:password@host/database?schema=realmconf``.

Decides how its URL becomes a store; everything that all engines have in common is ``stores.engine``'s.
"""

from __future__ import annotations

from realmconf.stores.engine import EngineStore
from realmconf.stores.engine.known import Known
from realmconf.stores.postgres import address as addresses
from realmconf.stores.postgres.ledger import PostgresLedger

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
    ledger = PostgresLedger(address, known, limits=limits, read_only=read_only)
    return EngineStore(ledger, known, limits=limits, read_only=read_only)
