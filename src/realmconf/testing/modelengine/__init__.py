"""
A database engine in this process's memory, for testing what is built on engines: exact, and as unkind as is asked for.

Decides nothing about stores: it is a ledger (``stores.engine.ledger``) in dictionaries.  What goes wrong is the
``Weather``'s to say; what must be true then is for whoever tests::

    engine = ModelEngine()
    store = engine.open()                                  # as one process has it
    other = engine.open(weather=Storm(seed=7))             # one whose answers are lost, late, or refused
"""

from __future__ import annotations

from realmconf.testing.modelengine.engine import ModelEngine
from realmconf.testing.modelengine.ledger import ModelLedger
from realmconf.testing.modelengine.weather import FATES, Storm, Weather

__all__ = ["FATES", "ModelEngine", "ModelLedger", "Storm", "Weather"]
