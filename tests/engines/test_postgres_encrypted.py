"""A PostgreSQL server that speaks TLS: who is believed, and that nothing is missed for being encrypted."""

from __future__ import annotations

import os
import subprocess
import time

import pytest
from tests.engines.servers.postgres import Postgres

from realmconf.domain.names import LIMITS
from realmconf.errors import StoreUnavailable
from realmconf.runtime.client import connect
from realmconf.stores.registry import open_store
from realmconf.testing.conformance.base import ONE, append

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two authorities of the test's own, and a server's certificate by the first."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for name in ("authority", "stranger"):
        openssl(
            "req", "-x509", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-days", "7", "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip
    openssl("req", *new_key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(
        "x509", "-req", "-in", "server.csr", "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial",
        "-out", "server.pem", "-days", "7", "-extfile", "names",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def encrypted(certificates: Path) -> Iterator[Postgres]:
    """A server that has the certificate, and lets nobody in without encryption."""
    server = Postgres()
    try:
        # The server wants its key to be its own.
        for name in ("server.key", "server.pem"):
            place = server.folder / name
            place.write_bytes((certificates / name).read_bytes())
            place.chmod(0o600)
            if os.geteuid() == 0:
                os.chown(place, 65534, 65534)
        server.run("ALTER SYSTEM SET ssl = on")
        server.run(f"ALTER SYSTEM SET ssl_cert_file = '{server.folder}/server.pem'")
        server.run(f"ALTER SYSTEM SET ssl_key_file = '{server.folder}/server.key'")
        rules = server.folder / "data" / "pg_hba.conf"
        rules.write_text("hostssl all all 127.0.0.1/32 trust\nlocal all all trust\n")
        server.stop()
        server.start()
        yield server
    finally:
        server.close()


def test_a_server_that_is_known(encrypted: Postgres, certificates: Path) -> None:
    """With sslmode=verify-full and its authority the server is believed, and everything goes through encrypted."""
    url = encrypted.url(sslmode="verify-full", sslrootcert=certificates / "authority.pem")
    store = open_store(url, limits=LIMITS)
    try:
        assert append(store, ONE, {"n": 1}).generation == 1
        assert append(store, ONE, {"n": "x" * 200_000}).generation == 2
        assert store.head(ONE).generation == 2
        found = encrypted.run(
            "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
            "WHERE application_name = 'realmconf'"
        )
        assert found == [(True,)]
    finally:
        store.close()


@pytest.mark.parametrize(
    ("host", "authority"),
    [("127.0.0.1", "stranger"), ("127.0.0.1", "nowhere"), ("localhost", "authority")],
)
def test_a_server_that_is_not(
    encrypted: Postgres, certificates: Path, host: str, authority: str
) -> None:
    """
    A certificate by somebody else, or for another name, or an authority that is not there: it is told for good, with
    where to look, and nothing is asked.
    """
    url = encrypted.url(sslmode="verify-full", sslrootcert=certificates / f"{authority}.pem")
    with pytest.raises(StoreUnavailable, match="certificate") as refused:
        open_store(url.replace("127.0.0.1", host), limits=LIMITS)
    assert not refused.value.retryable
    assert "sslrootcert" in str(refused.value)


def test_a_server_without_encryption(postgres: Postgres) -> None:
    """Where encryption is asked for and not offered, nobody is let in without it, and that is told for good."""
    with pytest.raises(StoreUnavailable, match="sslmode") as refused:
        open_store(postgres.url(sslmode="require"), limits=LIMITS)
    assert not refused.value.retryable


def test_watchers_miss_nothing(encrypted: Postgres, certificates: Path) -> None:
    """G7: what has come in and was decrypted together with something else is told of at once, each generation once."""
    url = encrypted.url(sslmode="verify-full", sslrootcert=certificates / "authority.pem")
    with connect(url) as mine, connect(url) as theirs:
        mine.realm("watched").set({"n": 0})
        heard: list[int] = []
        handle = theirs.realm("watched").on_change(
            lambda snapshot: heard.append(snapshot.generation)
        )
        for number in range(1, 101):
            mine.realm("watched").set({"n": number})
        deadline = time.monotonic() + 20
        while len(heard) < 100:
            assert time.monotonic() < deadline, heard
            time.sleep(0.01)
        handle.cancel()
        assert heard == list(range(2, 102))
