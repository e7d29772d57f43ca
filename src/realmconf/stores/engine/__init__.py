"""
What all stores on a database engine have in common: judge on a point, write only if that still stands, and try again.

An engine is a ledger (``ledger``): it reads rows at one point and has one conditional write.  Everything else, from a
judgement to a retry after a lost answer, is ``EngineStore``'s, and the same for all of them.
"""

from __future__ import annotations

from realmconf.stores.engine.store import EngineStore

__all__ = ["EngineStore"]
