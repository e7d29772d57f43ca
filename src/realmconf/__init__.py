"""
Live, typed, versioned configuration for programs that run as several processes.

Public names only, each imported when it is first used: a command-line read must
not pay for what it does not need.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.domain.diff import Change as Change
    from realmconf.domain.document import ABSENT as ABSENT
    from realmconf.domain.names import Limits as Limits
    from realmconf.domain.pointer import Pointer as Pointer
    from realmconf.domain.revision import Policy as Policy
    from realmconf.errors import GenerationConflict as GenerationConflict
    from realmconf.errors import LockTimeout as LockTimeout
    from realmconf.errors import OutcomeUnknown as OutcomeUnknown
    from realmconf.errors import RealmconfError as RealmconfError
    from realmconf.errors import SchemaViolation as SchemaViolation
    from realmconf.runtime.aio import AsyncClient as AsyncClient
    from realmconf.runtime.aio import AsyncConfigRuntime as AsyncConfigRuntime
    from realmconf.runtime.aio import aconnect as aconnect
    from realmconf.runtime.client import Client as Client
    from realmconf.runtime.client import connect as connect
    from realmconf.runtime.client import open as open  # noqa: A004 - realmconf.open reads as it should
    from realmconf.runtime.history import Revision as Revision
    from realmconf.runtime.outcome import Committed as Committed
    from realmconf.runtime.outcome import Pending as Pending
    from realmconf.runtime.outcome import Void as Void
    from realmconf.runtime.runtime import ConfigRuntime as ConfigRuntime
    from realmconf.runtime.snapshot import ConfigEnvelope as ConfigEnvelope
    from realmconf.runtime.snapshot import ConfigResolvedPaths as ConfigResolvedPaths
    from realmconf.runtime.snapshot import ConfigSnapshot as ConfigSnapshot
    from realmconf.runtime.snapshot import ConfigStoreMetadata as ConfigStoreMetadata
    from realmconf.runtime.snapshot import EnvelopePolicy as EnvelopePolicy
    from realmconf.runtime.snapshot import Plan as Plan
    from realmconf.runtime.snapshot import WriteResult as WriteResult
    from realmconf.stores.protocol import StoreInfo as StoreInfo

__version__ = "0.1.0"

_HOMES = {
    "ABSENT": "realmconf.domain.document",
    "aconnect": "realmconf.runtime.aio",
    "AsyncClient": "realmconf.runtime.aio",
    "AsyncConfigRuntime": "realmconf.runtime.aio",
    "Change": "realmconf.domain.diff",
    "Client": "realmconf.runtime.client",
    "Committed": "realmconf.runtime.outcome",
    "ConfigEnvelope": "realmconf.runtime.snapshot",
    "ConfigResolvedPaths": "realmconf.runtime.snapshot",
    "ConfigRuntime": "realmconf.runtime.runtime",
    "ConfigSnapshot": "realmconf.runtime.snapshot",
    "ConfigStoreMetadata": "realmconf.runtime.snapshot",
    "connect": "realmconf.runtime.client",
    "EnvelopePolicy": "realmconf.runtime.snapshot",
    "GenerationConflict": "realmconf.errors",
    "Limits": "realmconf.domain.names",
    "LockTimeout": "realmconf.errors",
    "open": "realmconf.runtime.client",
    "OutcomeUnknown": "realmconf.errors",
    "Pending": "realmconf.runtime.outcome",
    "Plan": "realmconf.runtime.snapshot",
    "Pointer": "realmconf.domain.pointer",
    "Policy": "realmconf.domain.revision",
    "RealmconfError": "realmconf.errors",
    "Revision": "realmconf.runtime.history",
    "SchemaViolation": "realmconf.errors",
    "StoreInfo": "realmconf.stores.protocol",
    "Void": "realmconf.runtime.outcome",
    "WriteResult": "realmconf.runtime.snapshot",
}
"""Public name -> the module that defines it."""

__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'realmconf' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
