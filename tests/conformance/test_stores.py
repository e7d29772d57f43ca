"""The conformance suite on the stores that the library brings."""

from __future__ import annotations

import itertools

import pytest

from realmconf.testing.conformance import ConformanceSuite

_names = itertools.count()


class TestMemoryStore(ConformanceSuite):
    @pytest.fixture
    def store_url(self) -> str:
        return f"memory://conformance-{next(_names)}"
