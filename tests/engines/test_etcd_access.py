"""Who gets into etcd: users and passwords, rights, tokens that expire, certificates, and what is said in the clear."""

from __future__ import annotations

import subprocess
import time

import pytest
from tests.engines.servers.etcd import Etcd, ask, coded, new_prefix

from realmconf.domain.names import LIMITS
from realmconf.errors import StoreReadOnly, StoreUnavailable
from realmconf.runtime.client import connect
from realmconf.stores.etcd import ledger
from realmconf.stores.registry import open_store, public_url
from realmconf.testing.conformance.base import ONE, append, soon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from realmconf.stores.protocol import Store

pytestmark = pytest.mark.engines

PASSWORD = "p@ss/w:rd? #1"


@pytest.fixture
def opened() -> Iterator[Callable[..., Store]]:
    """Opens stores, and closes them at the end."""
    stores: list[Store] = []

    def open_one(url: str, **more: Any) -> Store:
        store = open_store(url, limits=LIMITS, **more)
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        store.close()


# --- who may what ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded() -> Iterator[Etcd]:
    """A server that asks who comes: ``ada`` may everything under two prefixes, ``reader`` only read there."""
    server = Etcd()
    try:
        _guard(server)
        yield server
    finally:
        server.close()


def _guard(server: Etcd, *, seconds: int = 300) -> None:
    def do(path: str, **fields: Any) -> None:
        answer = ask(server.place, f"/v3/auth/{path}", fields)
        assert "header" in answer, answer

    for name, password in (
        ("root", "root's"), ("ada", PASSWORD), ("reader", "reads"), ("nobody", "nothing")
    ):  # fmt: skip
        do("user/add", name=name, password=password)
    do("role/add", name="root")
    do("user/grant", user="root", role="root")
    for user, right in (("ada", "READWRITE"), ("reader", "READ")):
        do("role/add", name=user)
        permission = {"permType": right, "key": coded("guarded"), "range_end": coded("guardee")}
        do("role/grant", name=user, perm=permission)
        do("user/grant", user=user, role=user)
    do("enable")


def test_who_may_come_in(guarded: Etcd, opened) -> None:
    """A password may have anything in it; a wrong one, or none, is told as such, and never repeated."""
    store = opened(guarded.url("guarded1", user="ada", password=PASSWORD))
    assert append(store, ONE, {"n": 1}).generation == 1
    assert "p%40ss" not in public_url(store.url)
    for url, said in (
        (guarded.url("guarded1", user="ada", password="wr0ng"), "does not let us in"),
        (guarded.url("guarded1", user="nobody-at-all", password="wr0ng"), "does not let us in"),
        (guarded.url("guarded1"), "give user and password"),
    ):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match=said) as refused:
            opened(url)
        assert not refused.value.retryable
        assert time.monotonic() - began < 5
        for secret in (PASSWORD, "wr0ng", "p%40ss"):
            assert secret not in str(refused.value)
            assert secret not in repr(refused.value)


def test_a_user_who_may_only_read(guarded: Etcd, opened) -> None:
    """Such a user reads and hears of writes, and is told that it may not write; nothing is changed."""
    writer = opened(guarded.url("guarded2", user="ada", password=PASSWORD))
    append(writer, ONE, {"n": 1})
    reader = opened(guarded.url("guarded2", user="reader", password="reads"))
    signal = reader.signal([ONE])
    append(writer, ONE, {"n": 2})
    while reader.head(ONE).generation < 2:
        assert signal.wait(20)
    with pytest.raises(StoreReadOnly, match="may not write under this prefix"):
        append(reader, ONE, {"n": 3})
    assert writer.head(ONE).generation == 2
    with pytest.raises(StoreReadOnly, match="grant-permission"):
        opened(guarded.url("guarded3", user="reader", password="reads"))


def test_a_user_who_may_nothing(guarded: Etcd, opened) -> None:
    """A user without rights is told which one is missing, at once."""
    with pytest.raises(StoreUnavailable, match="may not read under this prefix") as refused:
        opened(guarded.url("guarded1", user="nobody", password="nothing"))
    assert not refused.value.retryable
    assert "nothing" not in str(refused.value)


def test_a_user_where_nobody_is_asked(etcd: Etcd, opened) -> None:
    """A user and a password do no harm at a server that asks nobody who comes."""
    assert append(opened(etcd.url(user="ada", password="x")), ONE, {"n": 1}).generation == 1


def test_a_token_that_has_expired(guarded: Etcd, opened) -> None:
    """
    A token that the server knows no more is renewed in the middle of reads, writes and watches: here the server has
    forgotten all of them in a restart.
    """
    url = guarded.url("guarded4", user="ada", password=PASSWORD)
    with connect(url) as mine, connect(url) as theirs:
        heard: list[int] = []
        handle = theirs.realm("watched").on_change(lambda one: heard.append(one.generation))
        for number in range(1, 4):
            mine.realm("watched").set({"n": number})
            guarded.stop()
            guarded.start()
            assert theirs.realm("watched").get().generation == number
        deadline = soon()
        while not heard or heard[-1] < 3:
            assert time.monotonic() < deadline, heard
            time.sleep(0.01)
        handle.cancel()


def test_a_server_that_begins_to_ask_who_comes(opened) -> None:
    """
    Clients with a user that were there before a server asked who comes go on, reading, writing and hearing of writes,
    once it does: they say it then.
    """
    server = Etcd()
    try:
        url = server.url("guarded5", user="ada", password=PASSWORD)
        with connect(url) as mine, connect(url) as theirs:
            heard: list[int] = []
            mine.realm("watched").set({"n": 1})
            assert theirs.realm("watched").get().generation == 1
            handle = theirs.realm("watched").on_change(lambda one: heard.append(one.generation))
            stranger = opened(server.url("guarded5"))
            _guard(server)
            mine.realm("watched").set({"n": 2})
            assert theirs.realm("watched").get().generation == 2
            deadline = soon()
            while not heard or heard[-1] < 2:
                assert time.monotonic() < deadline, heard
                time.sleep(0.01)
            handle.cancel()
            with pytest.raises(StoreUnavailable, match="give user and password"):
                stranger.head(ONE)
    finally:
        server.close()


# --- encryption --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority of the test's own, a server's certificate by it, and a client's."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
        "-days", "7", "-subj", "/CN=authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", f"/CN={name}",
        )  # fmt: skip
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", f"{name}.pem", "-days", "7", "-extfile", "names",
        )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def encrypted(certificates: Path) -> Iterator[Etcd]:
    """A server that speaks to nobody in the clear."""
    files = (f"--cert-file={certificates}/server.pem", f"--key-file={certificates}/server.key")
    server = Etcd(*files, is_encrypted=True)
    yield server
    server.close()


@pytest.fixture(scope="module")
def particular(certificates: Path) -> Iterator[Etcd]:
    """A server that asks who comes for a certificate, too."""
    server = Etcd(
        f"--cert-file={certificates}/server.pem",
        f"--key-file={certificates}/server.key",
        "--client-cert-auth",
        f"--trusted-ca-file={certificates}/ca.pem",
        is_encrypted=True,
    )
    yield server
    server.close()


def test_an_encrypted_server(
    encrypted: Etcd, certificates: Path, opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server is believed if it has a certificate of the authority that is named, and else nothing is said to it."""
    prefix = new_prefix()
    with connect(encrypted.url(prefix, ca=certificates / "ca.pem")) as client:
        heard: list[int] = []
        handle = client.realm("watched").on_change(lambda one: heard.append(one.generation))
        for number in range(1, 6):
            client.realm("watched").set({"n": number, "text": "x" * 50_000})
        deadline = soon()
        while not heard or heard[-1] < 5:
            assert time.monotonic() < deadline, heard
            time.sleep(0.01)
        handle.cancel()
    with monkeypatch.context() as patched:
        patched.setattr(ledger, "OPEN_SECONDS", 1.0)
        with pytest.raises(StoreUnavailable, match=r"give \?tls=yes"):
            opened(encrypted.url(prefix))
    for url, said in (
        (encrypted.url(prefix, tls="yes"), "certificate is not trusted"),
        (
            encrypted.url(prefix, host="localhost", ca=certificates / "ca.pem"),
            "certificate is not trusted",
        ),
    ):
        with pytest.raises(StoreUnavailable, match=said) as refused:
            opened(url)
        assert not refused.value.retryable


def test_a_server_that_asks_for_a_certificate(particular: Etcd, certificates: Path, opened) -> None:
    """Whoever has one is let in; whoever has none is told how to name one."""
    prefix = new_prefix()
    cert, key = certificates / "client.pem", certificates / "client.key"
    store = opened(particular.url(prefix, ca=certificates / "ca.pem", cert=cert, key=key))
    assert append(store, ONE, {"n": 1}).generation == 1
    with pytest.raises(StoreUnavailable, match=r"\?cert=FILE&key=FILE") as refused:
        opened(particular.url(prefix, ca=certificates / "ca.pem"))
    assert not refused.value.retryable


def test_encryption_that_nobody_offers(etcd: Etcd, certificates: Path, opened) -> None:
    """Whoever asks for encryption is never served in the clear; and files that cannot be read are named."""
    with pytest.raises(StoreUnavailable, match="no encrypted connection came about") as refused:
        opened(etcd.url(ca=certificates / "ca.pem"))
    assert not refused.value.retryable
    for name in ("none", "names", "."):
        with pytest.raises(StoreUnavailable, match="cannot be read as what it is to be"):
            opened(etcd.url(ca=certificates / name))
