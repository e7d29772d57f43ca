"""
Live, typed, versioned configuration for programs that run as several processes.

Public names only, each imported when it is first used: a command-line read must
not pay for what it does not need.
"""

from __future__ import annotations

from realmconf.domain.release import __version__ as __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.domain.diff import Change as Change
    from realmconf.domain.document import ABSENT as ABSENT
    from realmconf.domain.metadata import ConfigResolvedPaths as ConfigResolvedPaths
    from realmconf.domain.metadata import ConfigStoreMetadata as ConfigStoreMetadata
    from realmconf.domain.names import Limits as Limits
    from realmconf.domain.pointer import Pointer as Pointer
    from realmconf.domain.revision import Policy as Policy
    from realmconf.errors import ForkedInTransaction as ForkedInTransaction
    from realmconf.errors import GenerationConflict as GenerationConflict
    from realmconf.errors import GenerationRequired as GenerationRequired
    from realmconf.errors import HistoryCompacted as HistoryCompacted
    from realmconf.errors import HistoryMissing as HistoryMissing
    from realmconf.errors import InvalidArgument as InvalidArgument
    from realmconf.errors import InvalidDocument as InvalidDocument
    from realmconf.errors import InvalidPatch as InvalidPatch
    from realmconf.errors import InvalidPointer as InvalidPointer
    from realmconf.errors import InvalidRealm as InvalidRealm
    from realmconf.errors import LimitExceeded as LimitExceeded
    from realmconf.errors import LineageCycle as LineageCycle
    from realmconf.errors import LineageError as LineageError
    from realmconf.errors import LineageTooDeep as LineageTooDeep
    from realmconf.errors import LockTimeout as LockTimeout
    from realmconf.errors import NotFound as NotFound
    from realmconf.errors import NotPermitted as NotPermitted
    from realmconf.errors import OutcomeUnknown as OutcomeUnknown
    from realmconf.errors import ParentNotFound as ParentNotFound
    from realmconf.errors import PatchInapplicable as PatchInapplicable
    from realmconf.errors import PatchTestFailed as PatchTestFailed
    from realmconf.errors import PlanInvalid as PlanInvalid
    from realmconf.errors import RateLimited as RateLimited
    from realmconf.errors import RealmBackendMismatch as RealmBackendMismatch
    from realmconf.errors import RealmconfError as RealmconfError
    from realmconf.errors import RealmMoved as RealmMoved
    from realmconf.errors import RealmNotFound as RealmNotFound
    from realmconf.errors import RealmSplitBrain as RealmSplitBrain
    from realmconf.errors import RevisionNotFound as RevisionNotFound
    from realmconf.errors import SchemaViolation as SchemaViolation
    from realmconf.errors import SecretError as SecretError
    from realmconf.errors import SecretMarkMisplaced as SecretMarkMisplaced
    from realmconf.errors import SecretUnresolved as SecretUnresolved
    from realmconf.errors import SecretWithheld as SecretWithheld
    from realmconf.errors import StoreCorrupt as StoreCorrupt
    from realmconf.errors import StoreError as StoreError
    from realmconf.errors import StoreFull as StoreFull
    from realmconf.errors import StoreNotInstalled as StoreNotInstalled
    from realmconf.errors import StoreReadOnly as StoreReadOnly
    from realmconf.errors import StoreTooNew as StoreTooNew
    from realmconf.errors import StoreUnavailable as StoreUnavailable
    from realmconf.errors import TimelineChanged as TimelineChanged
    from realmconf.errors import TokenNotFound as TokenNotFound
    from realmconf.errors import Unauthenticated as Unauthenticated
    from realmconf.errors import Unsupported as Unsupported
    from realmconf.errors import UnsupportedFilesystem as UnsupportedFilesystem
    from realmconf.errors import ValueNotFound as ValueNotFound
    from realmconf.errors import WorkingCopyBroken as WorkingCopyBroken
    from realmconf.errors import WorkingCopyContested as WorkingCopyContested
    from realmconf.errors import WorkingCopyError as WorkingCopyError
    from realmconf.errors import WorkingCopyRefused as WorkingCopyRefused
    from realmconf.errors import WriteIdReused as WriteIdReused
    from realmconf.errors import WriteIdVoid as WriteIdVoid
    from realmconf.runtime.aio import AsyncClient as AsyncClient
    from realmconf.runtime.aio import AsyncConfigRuntime as AsyncConfigRuntime
    from realmconf.runtime.aio import aconnect as aconnect
    from realmconf.runtime.client import Client as Client
    from realmconf.runtime.client import connect as connect
    from realmconf.runtime.client import open as open  # noqa: A004 - realmconf.open reads as it should
    from realmconf.runtime.envelope import ConfigEnvelope as ConfigEnvelope
    from realmconf.runtime.envelope import EnvelopePolicy as EnvelopePolicy
    from realmconf.runtime.explaining import Provenance as Provenance
    from realmconf.runtime.history import Revision as Revision
    from realmconf.runtime.outcome import Committed as Committed
    from realmconf.runtime.outcome import Pending as Pending
    from realmconf.runtime.outcome import Void as Void
    from realmconf.runtime.results import Plan as Plan
    from realmconf.runtime.results import WriteResult as WriteResult
    from realmconf.runtime.runtime import ConfigRuntime as ConfigRuntime
    from realmconf.runtime.snapshot import ConfigSnapshot as ConfigSnapshot
    from realmconf.runtime.sources import Secret as Secret
    from realmconf.runtime.sources import SecretSources as SecretSources
    from realmconf.runtime.sources import reveal as reveal
    from realmconf.stores.protocol import StoreInfo as StoreInfo
    from realmconf.stores.tagged import TaggedStore as TaggedStore

_HOMES = {
    "ABSENT": "realmconf.domain.document",
    "aconnect": "realmconf.runtime.aio",
    "AsyncClient": "realmconf.runtime.aio",
    "AsyncConfigRuntime": "realmconf.runtime.aio",
    "Change": "realmconf.domain.diff",
    "Client": "realmconf.runtime.client",
    "Committed": "realmconf.runtime.outcome",
    "ConfigEnvelope": "realmconf.runtime.envelope",
    "ConfigResolvedPaths": "realmconf.domain.metadata",
    "ConfigRuntime": "realmconf.runtime.runtime",
    "ConfigSnapshot": "realmconf.runtime.snapshot",
    "ConfigStoreMetadata": "realmconf.domain.metadata",
    "connect": "realmconf.runtime.client",
    "EnvelopePolicy": "realmconf.runtime.envelope",
    "ForkedInTransaction": "realmconf.errors",
    "GenerationConflict": "realmconf.errors",
    "GenerationRequired": "realmconf.errors",
    "HistoryCompacted": "realmconf.errors",
    "HistoryMissing": "realmconf.errors",
    "InvalidArgument": "realmconf.errors",
    "InvalidDocument": "realmconf.errors",
    "InvalidPatch": "realmconf.errors",
    "InvalidPointer": "realmconf.errors",
    "InvalidRealm": "realmconf.errors",
    "LimitExceeded": "realmconf.errors",
    "Limits": "realmconf.domain.names",
    "LineageCycle": "realmconf.errors",
    "LineageError": "realmconf.errors",
    "LineageTooDeep": "realmconf.errors",
    "LockTimeout": "realmconf.errors",
    "NotFound": "realmconf.errors",
    "NotPermitted": "realmconf.errors",
    "open": "realmconf.runtime.client",
    "OutcomeUnknown": "realmconf.errors",
    "ParentNotFound": "realmconf.errors",
    "PatchInapplicable": "realmconf.errors",
    "PatchTestFailed": "realmconf.errors",
    "Pending": "realmconf.runtime.outcome",
    "Plan": "realmconf.runtime.results",
    "PlanInvalid": "realmconf.errors",
    "Pointer": "realmconf.domain.pointer",
    "Policy": "realmconf.domain.revision",
    "Provenance": "realmconf.runtime.explaining",
    "RateLimited": "realmconf.errors",
    "RealmBackendMismatch": "realmconf.errors",
    "RealmconfError": "realmconf.errors",
    "RealmMoved": "realmconf.errors",
    "RealmNotFound": "realmconf.errors",
    "RealmSplitBrain": "realmconf.errors",
    "reveal": "realmconf.runtime.sources",
    "Revision": "realmconf.runtime.history",
    "RevisionNotFound": "realmconf.errors",
    "SchemaViolation": "realmconf.errors",
    "Secret": "realmconf.runtime.sources",
    "SecretError": "realmconf.errors",
    "SecretMarkMisplaced": "realmconf.errors",
    "SecretSources": "realmconf.runtime.sources",
    "SecretUnresolved": "realmconf.errors",
    "SecretWithheld": "realmconf.errors",
    "StoreCorrupt": "realmconf.errors",
    "StoreError": "realmconf.errors",
    "StoreFull": "realmconf.errors",
    "StoreInfo": "realmconf.stores.protocol",
    "StoreNotInstalled": "realmconf.errors",
    "StoreReadOnly": "realmconf.errors",
    "StoreTooNew": "realmconf.errors",
    "StoreUnavailable": "realmconf.errors",
    "TaggedStore": "realmconf.stores.tagged",
    "TimelineChanged": "realmconf.errors",
    "TokenNotFound": "realmconf.errors",
    "Unauthenticated": "realmconf.errors",
    "Unsupported": "realmconf.errors",
    "UnsupportedFilesystem": "realmconf.errors",
    "ValueNotFound": "realmconf.errors",
    "Void": "realmconf.runtime.outcome",
    "WorkingCopyBroken": "realmconf.errors",
    "WorkingCopyContested": "realmconf.errors",
    "WorkingCopyError": "realmconf.errors",
    "WorkingCopyRefused": "realmconf.errors",
    "WriteIdReused": "realmconf.errors",
    "WriteIdVoid": "realmconf.errors",
    "WriteResult": "realmconf.runtime.results",
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
