"""
The contract of a store in one process's memory: nothing durable, everything else.

What a store must do, without the machinery that durability and other processes
need.  ``memory://`` is a store of its own; ``memory://name`` is shared by all
clients of the process and lives as long as it does.
"""

from __future__ import annotations

from realmconf.errors import InvalidArgument
from realmconf.stores.memory.state import Memory
from realmconf.stores.memory.store import MemoryStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from realmconf.domain.names import Limits

__all__ = ["MemoryStore", "open_store"]

_shared: dict[str, Memory] = {}


def open_store(
    location: str,
    *,
    options: Mapping[str, str],
    limits: Limits,
    read_only: bool = False,
    recover: bool = False,
) -> MemoryStore:
    """The store called *location* in this process, or a new one of its own for an empty name."""
    if options:
        raise InvalidArgument("memory:// takes no options")
    memory = _shared.setdefault(location, Memory()) if location else Memory()
    return MemoryStore(memory, name=location, read_only=read_only, limits=limits)
