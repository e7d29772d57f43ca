"""The conformance suite on the stores that the library brings."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from realmconf.testing.conformance import ConformanceSuite

_names = itertools.count()


class TestMemoryStore(ConformanceSuite):
    @pytest.fixture
    def store_url(self) -> str:
        return f"memory://conformance-{next(_names)}"


class TestEmbeddedStore(ConformanceSuite):
    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        return str(tmp_path / "root")


class TestEmbeddedStoreWithoutWorkingCopies(ConformanceSuite):
    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        return f"sqlite://{tmp_path}/root?working_copies=off"


class TestMeerkatStore(ConformanceSuite):
    """Meerkat's own files; what the format cannot give is declared."""

    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        return f"meerkat://{tmp_path}/realms?global={tmp_path}/user"
