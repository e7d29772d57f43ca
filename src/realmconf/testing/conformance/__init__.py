"""
The contract of a store, sentence by sentence: one suite that every store passes.

The author of a store writes one class in a pytest module; nothing else::

    import pytest
    from realmconf.testing.conformance import ConformanceSuite

    class TestMyStore(ConformanceSuite):
        @pytest.fixture
        def store_url(self, tmp_path):
            return f"mystore://{tmp_path}"

``store_url`` names a store that holds nothing, a new one for each test; two handles on
one URL reach the same store.  A store that no URL opens overrides ``open`` too.  Where a store is
weaker than the embedded one it says so in its ``StoreInfo``; the suite reads the declaration
and holds the store to it.  It skips nothing and asks no store what it is.
"""

from __future__ import annotations

import pytest

# Before the modules are imported, so that a failed assertion shows its values.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{part}"
        for part in (
            "base",
            "reading",
            "writing",
            "keeping",
            "kinship",
            "moving",
            "order",
            "client",
        )
    )
)

from realmconf.testing.conformance.client import ClientSuite  # noqa: E402
from realmconf.testing.conformance.keeping import KeepingSuite  # noqa: E402
from realmconf.testing.conformance.kinship import KinshipSuite  # noqa: E402
from realmconf.testing.conformance.moving import MovingSuite  # noqa: E402
from realmconf.testing.conformance.order import OrderSuite  # noqa: E402
from realmconf.testing.conformance.reading import ReadingSuite  # noqa: E402
from realmconf.testing.conformance.writing import WritingSuite  # noqa: E402

__all__ = ["ConformanceSuite"]


class ConformanceSuite(
    ReadingSuite, WritingSuite, KeepingSuite, KinshipSuite, MovingSuite, OrderSuite, ClientSuite
):
    """Every claim that the contract of ``stores.protocol`` makes, and the client's over the store."""
