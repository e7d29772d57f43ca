"""The conformance suite on what engines have in common, over one in memory."""

from __future__ import annotations

import itertools
from collections import defaultdict

import pytest

from realmconf.stores.engine.parting import AtOnce
from realmconf.testing.conformance import ConformanceSuite
from realmconf.testing.modelengine import ModelEngine, Storm
from realmconf.testing.modelengine.weather import (
    ANSWER_LOST,
    DOUBLED,
    ENDS,
    LATE,
    LOST,
    REFUSED,
    REQUEST_LOST,
    SILENT,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import ClassVar

    from realmconf.stores.protocol import Store

_names = itertools.count()
_engines: defaultdict[str, ModelEngine] = defaultdict(ModelEngine)


class TestEngineStore(ConformanceSuite):
    """All that an engine's store promises, on an engine that does what it should."""

    @pytest.fixture
    def store_url(self) -> str:
        return f"model://{next(_names)}"

    def open(self, url: str) -> Store:
        return _engines[url].open(name=url.removeprefix("model://"))


class TestArrivingInParts(TestEngineStore):
    """An engine that takes one revision at once of what moves there."""

    def open(self, url: str) -> Store:
        store = _engines[url].open(name=url.removeprefix("model://"))
        store._ledger.arrives_at_once = AtOnce(pieces=1, bytes=1)  # type: ignore[attr-defined]
        return store


class _InFoulWeather(TestEngineStore):
    """What may go wrong without anybody's notice, does."""

    fates: ClassVar[Mapping[str, float]] = {}
    hints: ClassVar[Mapping[str, float]] = {}

    def open(self, url: str) -> Store:
        storm = Storm(seed=next(_names), fates=self.fates, hints=self.hints)
        return _engines[url].open(name=url.removeprefix("model://"), weather=storm)


class TestAnswersLost(_InFoulWeather):
    """Every other answer is lost."""

    fates: ClassVar[Mapping[str, float]] = {ANSWER_LOST: 0.5}


class TestRequestsLost(_InFoulWeather):
    """Every other request is lost."""

    fates: ClassVar[Mapping[str, float]] = {REQUEST_LOST: 0.5}


class TestLateRequests(_InFoulWeather):
    """Every other request arrives when nobody waits for it any more, if at all."""

    fates: ClassVar[Mapping[str, float]] = {LATE: 0.5}


class TestRefusedForNothing(_InFoulWeather):
    """Every other write is refused as if something had moved, and versions are told of none."""

    fates: ClassVar[Mapping[str, float]] = {REFUSED: 0.5, SILENT: 0.5}


class TestHintsLost(_InFoulWeather):
    """Most hints are lost, come twice, or end the connection."""

    hints: ClassVar[Mapping[str, float]] = {LOST: 0.4, DOUBLED: 0.2, ENDS: 0.2}


class TestEverything(_InFoulWeather):
    """All of it at once."""

    fates: ClassVar[Mapping[str, float]] = {
        ANSWER_LOST: 0.2,
        REQUEST_LOST: 0.2,
        LATE: 0.2,
        REFUSED: 0.1,
        SILENT: 0.1,
    }
    hints: ClassVar[Mapping[str, float]] = {LOST: 0.2, DOUBLED: 0.2, ENDS: 0.1}


del _InFoulWeather
