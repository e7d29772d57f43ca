"""What the tests of the runtime share: a client on each kind of store that needs no server."""

from __future__ import annotations

import pytest

from realmconf.runtime.client import connect


@pytest.fixture(params=["memory", "embedded"])
def client(request, tmp_path):
    """A client; what holds on one store must hold on every other."""
    url = "memory://" if request.param == "memory" else str(tmp_path / "realms")
    with connect(url, author="tester") as opened:
        yield opened
