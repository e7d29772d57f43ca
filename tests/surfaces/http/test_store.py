"""A server as a store: what it costs, who may what, what is withheld, and what a broken connection means."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import time

import pytest
from tests.surfaces.http.remote import Restarted

import realmconf
from realmconf import connect
from realmconf.domain.names import LIMITS
from realmconf.errors import (
    GenerationConflict,
    InvalidArgument,
    LineageCycle,
    NotPermitted,
    OutcomeUnknown,
    ParentNotFound,
    SchemaViolation,
    SecretWithheld,
    StoreReadOnly,
    StoreUnavailable,
    Unauthenticated,
    WriteIdReused,
)
from realmconf.runtime.client import Client
from realmconf.runtime.tokens import Tokens
from realmconf.stores.registry import open_store
from realmconf.surfaces.cli.entry import main

PATIENCE_SECONDS = 20.0


@pytest.fixture
def ask(server):
    """Opens clients of the server, each with the token of a role, or one of its own."""
    clients = []

    def ask(role="owner", *, token=None, url=None, **options):
        text = server.tokens[role] if token is None else token
        read_only = options.pop("read_only", False)
        store = open_store(
            url or server.url, limits=LIMITS, token_for=lambda _: text, read_only=read_only
        )
        clients.append(Client(store, **options))
        return clients[-1]

    yield ask
    for client in clients:
        client.close()


def trips(client):
    return client.store.connection.requests


# --- what it costs ----------------------------------------------------------------------


def test_a_read_is_one_round_trip(server, ask):
    """``get`` asks once, for the realm and all that it inherits from, and again costs once more."""
    server.client.realm("global").set({"a": 1})
    server.client.realm("org").set({"b": 1})
    server.client.realm("team").set({"c": 1})
    server.client.realm("team").set_parent("org")
    client = ask("reader")
    realm = client.realm("team")
    before = trips(client)
    first = realm.get()
    assert first.config == {"a": 1, "b": 1, "c": 1}
    assert trips(client) == before + 1
    again = realm.get()
    assert trips(client) == before + 2
    assert again is first


def test_a_write_is_one_round_trip(ask):
    """What does not depend on the state is decided by the server: one request, whatever stands there."""
    client = ask("writer")
    realm = client.realm("r")
    realm.set({"n": 0})
    before = trips(client)
    for number in range(1, 6):
        assert realm.set_value("n", number).generation == number + 1
    assert trips(client) == before + 5
    written = realm.set_value("n", 6)
    before = trips(client)
    assert (written.changed, written.rebased_from, written.warnings) == (True, None, ())
    assert (written.config, written.before.generation) == ({"n": 6}, 6)
    assert trips(client) == before


def test_an_update_is_two_round_trips(ask):
    """What the caller's code decides is read, changed here, and written to exactly what was read."""
    client = ask("writer")
    realm = client.realm("r")
    realm.set({"n": 0})
    before = trips(client)
    realm.update(lambda draft: draft.update(n=draft["n"] + 1))
    assert trips(client) == before + 2


def test_current_costs_nothing(server, ask):
    """``current`` is what was last known, without asking; its age says since when, and hints keep it up."""
    server.client.realm("r").set({"n": 1})
    client = ask("reader")
    realm = client.realm("r")
    assert realm.current == {"n": 1}
    server.client.realm("r").set({"n": 2})
    deadline = time.monotonic() + PATIENCE_SECONDS
    while realm.current != {"n": 2}:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert 0 <= realm.current_age < PATIENCE_SECONDS
    before = trips(client)
    for _ in range(1_000):
        assert realm.current == {"n": 2}
    assert trips(client) == before


# --- whose it is ------------------------------------------------------------------------


def test_authors(ask):
    """An admin may name any author; of others the history says who they are; nothing stated is the token's name."""
    for role, stated, recorded in (
        ("admin", "Zoë", "Zoë"),
        ("writer", "Zoë", "Zoë (writer)"),
        ("writer", "writer", "writer"),
        ("writer", None, "writer"),
        ("admin", None, "admin"),
    ):
        written = ask(role).realm("r").set({"n": f"{role} {stated}"}, author=stated)
        assert written.revision.author == recorded


def test_rights(server, ask):
    """A reader writes nothing, a writer no schema; what is sealed here needs every right; nobody is told more."""
    reader, writer, admin = ask("reader"), ask("writer"), ask("admin")
    server.client.realm("r").set({"n": 1})
    server.client.realm("r").set({"n": 2})
    with pytest.raises(NotPermitted):
        reader.realm("r").set({"n": 3})
    with pytest.raises(NotPermitted):
        writer.realm("r").set_schema({"type": "object"})
    for client in (writer, admin):
        with pytest.raises(NotPermitted):
            client.rename("r", "s")
        with pytest.raises(NotPermitted):
            client.compact(keep=1, realm="r")
        with pytest.raises(NotPermitted):
            client.purge("r", 1)
    with pytest.raises(Unauthenticated):
        ask(token="rc_" + "x" * 43).realm("r").get()
    with pytest.raises(StoreReadOnly):
        ask("owner", read_only=True).realm("r").set({"n": 3})
    assert server.client.realm("r").get().generation == 2


def test_realms_of_others(server, ask):
    """A token for some realms is told of those alone, in lists and by name; what they inherit comes along."""
    server.client.realm("org").set({"b": 1, "token": "CANARY"})
    server.client.realm("team-a").set({"c": 1})
    server.client.realm("team-a").set_parent("org")
    server.client.realm("other").set({"d": 1})
    client = ask(token=server.mint("write", realms="team-*"))
    assert [entry.realm for entry in client.realms()] == ["team-a"]
    snapshot = client.realm("team-a").get()
    assert snapshot.config["b"] == 1
    with pytest.raises(SecretWithheld):
        snapshot.config["token"]
    with pytest.raises(NotPermitted):
        client.realm("other").get()
    with pytest.raises(NotPermitted):
        client.realm("other").set({"n": 1})
    with pytest.raises(ParentNotFound):
        client.realm("team-b").set({"realm": {"team-b": {"parent": "other"}}})


def test_the_servers_own_records_are_nobodys(server, ask):
    """No name reaches the record of tokens, not with every right."""
    http = server.http("owner")
    for call in (
        {"call": "lineage", "realm": "_tokens"},
        {"call": "revisions", "realm": "_tokens", "after": 0},
        {"call": "steps", "after": {"_tokens": 0}, "limit": 9},
    ):
        answer = http.post("/v1/store/read", json={"at": None, "calls": [call]}).json()
        assert answer["answers"][0]["error"]["code"] == "invalid_realm"
    refused = http.post("/v1/store/void", json={"realm": "_tokens", "write_id": "x"})
    assert refused.json()["code"] == "invalid_realm"
    http.close()


# --- secrets ------------------------------------------------------------------------------


def test_what_is_withheld(server, ask):
    """G11: without the right to secrets one raises on access, never a text; sent back untouched it is kept."""
    server.client.realm("r").set({"token": "CANARY", "n": 1, "list": [{"password": "CANARY"}]})
    client = ask("writer")
    realm = client.realm("r")
    snapshot = realm.get()
    for config in (snapshot.config, snapshot.document, snapshot.document.copy()):
        assert config["n"] == 1
        assert "CANARY" not in repr(config)
        for look in (
            lambda config=config: config["token"],
            lambda config=config: config.get("token"),
            lambda config=config: dict(config),
            lambda config=config: json.dumps(config),
            lambda config=config: list(config.values()),
            lambda config=config: config["list"][0]["password"],
        ):
            with pytest.raises(SecretWithheld) as withheld:
                look()
            assert withheld.value.realm == "r"
    with pytest.raises(SecretWithheld):
        snapshot.secret("token")
    draft = snapshot.document.copy()
    draft["n"] = 2
    realm.set(draft, expected=snapshot)
    realm.update(lambda draft: draft.update(m=3))
    assert server.client.realm("r").get().document == {
        "token": "CANARY",
        "n": 2,
        "m": 3,
        "list": [{"password": "CANARY"}],
    }
    with pytest.raises(SecretWithheld):
        realm.update(lambda draft: draft.update(copied=draft["token"]))
    with pytest.raises(SecretWithheld):
        realm.verify()
    with pytest.raises(SecretWithheld):
        list(client.export())
    assert "CANARY" not in "".join(client.export(redacted=True))
    assert ask("owner").realm("r").get().config["token"] == "CANARY"


def test_a_retry_is_its_authors_own(server, ask):
    """G6: a write made for a state is answered again to its author, who may not see secrets, and to nobody else."""
    client = ask("writer", author="ada")
    realm = client.realm("r")
    realm.set({"n": 1})

    def count(draft):
        draft["n"] += 1

    first = realm.update(count, write_id="once")
    assert realm.update(count, write_id="once").generation == first.generation == 2
    with pytest.raises(WriteIdReused):
        ask("writer", author="bob").realm("r").update(count, write_id="once")
    assert server.client.realm("r").get().config == {"n": 2}


@pytest.mark.parametrize("said", [{"type": "string"}, {"pattern": "^C"}, {"minLength": 30}])
def test_what_is_withheld_is_judged_by_nobody_here(server, ask, said):
    """Whether a secret fits its schema is the server's to know; all else is told as ever."""
    realm = server.client.realm("r")
    realm.set({"token": "CANARY", "n": "x"})
    client = ask("reader").realm("r")
    for number in ({}, {"type": "integer"}):
        schema = {"properties": {"token": said, "n": number}}
        server.client.realm("global").set_schema(schema)
        wrong = ["/n"] if number else []
        assert [one["pointer"] for one in client.validate()] == wrong
        assert [one.code for one in client.get().warnings] == ["effective_invalid"] * len(wrong)


def test_nothing_withheld_is_on_the_wire(server):
    """G11: no answer to a caller without the right holds a secret, its salt, or a digest that would confirm a guess."""
    realm = server.client.realm("r")
    realm.set({"token": "CANARY", "n": 1})
    realm.set({"token": "CANARY", "n": 2})
    record = realm.get().record
    calls = [
        {"call": "lineage", "realm": "r"},
        {"call": "revision", "realm": "r", "generation": 1},
        {"call": "revisions", "realm": "r", "after": 0},
        {"call": "steps", "after": {"r": 0}, "limit": 9},
        {"call": "as_of", "realm": "r", "position": 99},
    ]
    write = {
        "writes": [{"realm": "r", "command": {"do": "patch", "patch": {"n": 3}}}],
        "write_id": "one",
        "timeout": 5,
    }
    with server.http("writer") as http:
        answers = [
            http.post("/v1/store/read", json={"at": None, "calls": calls}),
            http.post("/v1/store/write", json={**write, "dry_run": True}),
            http.post("/v1/store/write", json=write),
            http.get("/v1/store/info"),
        ]
    for answer in answers:
        assert answer.status_code == 200
        assert "error" not in answer.text
        for hidden in ("CANARY", record.salt, record.document_digest):
            assert hidden not in answer.text


def test_a_type_is_withheld_as_a_whole(server, ask):
    """A model cannot have a value that raises: reading it raises, and names the place."""
    from dataclasses import dataclass

    @dataclass
    class Settings:
        token: str = ""
        n: int = 0

    server.client.realm("r").set({"token": "CANARY", "n": 1})
    realm = ask("reader").realm("r", schema=Settings)
    with pytest.raises(SecretWithheld) as withheld:
        _ = realm.get().config
    assert withheld.value.pointer == "/token"
    assert ask("owner").realm("r", schema=Settings).get().config == Settings("CANARY", 1)


# --- decided there, and here ----------------------------------------------------------------


def test_a_type_is_checked_here(ask):
    """A handle's type refuses what does not fit it, though the server knows nothing of it."""
    from dataclasses import dataclass

    @dataclass
    class Settings:
        n: int = 0

    client = ask("writer")
    realm = client.realm("r", schema=Settings)
    realm.set(Settings(3))
    with pytest.raises(SchemaViolation):
        realm.set_value("n", "three")
    assert realm.get().config == Settings(3)


def test_errors_come_back_as_themselves(server, ask):
    """An error has its class and its fields, whichever side found it."""
    realm = ask("admin").realm("r")
    realm.set({"n": 1})
    with pytest.raises(GenerationConflict) as lost:
        realm.set({"n": 2}, expected_generation=0)
    assert (lost.value.expected, lost.value.current, lost.value.realm) == (0, 1, "r")
    realm.patch({"n": 2}, author="them", message="theirs")
    with pytest.raises(GenerationConflict) as lost:
        realm.patch({"n": 3}, expected_generation=1, on_conflict="rebase")
    assert lost.value.contested[0]["author"] == "them"
    with pytest.raises(LineageCycle) as cycle:
        realm.set_parent("r")
    assert cycle.value.chain
    with pytest.raises(ParentNotFound) as missing:
        realm.set_parent("nobody")
    assert missing.value.to_dict()["parent"] == "nobody"
    realm.set_schema({"properties": {"n": {"type": "integer"}}})
    with pytest.raises(SchemaViolation) as violation:
        realm.set_value("n", "x")
    assert violation.value.violations[0]["pointer"] == "/n"


def test_warnings_are_those_of_the_server(server, ask):
    """What a write means for those who inherit is told by the server, also to whoever may not look there."""
    server.client.realm("org").set({"n": 1})
    server.client.realm("team").set({"n": 2, "realm": {"team": {"parent": "org"}}})
    written = ask("writer").realm("org").set_value("n", 5)
    assert [one.code for one in written.warnings] == ["overridden"]
    plan = ask("writer").realm("org").set_value("m", 5, dry_run=True)
    assert plan.descendants == ("team",)
    assert [str(one.pointer) for one in plan.effective_changes] == ["/m"]


def test_a_hand_edit_is_seen(server, ask, tmp_path):
    """A file that somebody saves on the server is taken in by the next read from afar, and wakes who watches."""
    client = ask("owner")
    realm = client.realm("r")
    realm.set({"n": 1})
    server.client.publish()
    path = tmp_path / "store" / "r" / "config.toml"
    with realm.watch(timeout=PATIENCE_SECONDS) as watch:
        path.write_text(path.read_text().replace("n = 1", "n = 2"))
        assert next(watch).config == {"n": 2}
    assert realm.get().config == {"n": 2}


def test_tokens_are_the_servers(server, ask):
    """Tokens are made, listed and ended there, with the rights of whoever asks."""
    tokens = Tokens(ask("owner"))
    made = tokens.create(realms=["team-*"], roles=["write"], author="", surface="cli", name="t")
    assert made.token.name == "t"
    theirs = ask(token=made.text)
    theirs.realm("team-a").set({"n": 1})
    assert made.token in tokens.all()
    tokens.revoke(made.token.id, author="", surface="cli")
    with pytest.raises(Unauthenticated):
        theirs.realm("team-a").get()
    with pytest.raises(NotPermitted):
        Tokens(ask("writer")).all()


# --- the connection -------------------------------------------------------------------------


class Swallower:
    """A proxy that passes requests on and, while told so, no answer back."""

    def __init__(self, port):
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.swallows = 0
        self.swallowed = 0
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                taken, _ = self._listening.accept()
            except OSError:
                return
            there = socket.create_connection(("127.0.0.1", self._port))
            self._open += [taken, there]
            for source, target, is_answer in ((taken, there, False), (there, taken, True)):
                threading.Thread(
                    target=self._pump, args=(source, target, is_answer), daemon=True
                ).start()

    def _pump(self, source, target, is_answer):
        try:
            while data := source.recv(65_536):
                if is_answer and self.swallows:
                    self.swallows -= 1
                    self.swallowed += 1
                    break
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self._listening.close()
        for one in self._open:
            one.close()


@pytest.fixture
def swallower(server):
    proxy = Swallower(server.port)
    yield proxy
    proxy.close()


def test_a_lost_answer_is_asked_for_again(server, ask, swallower):
    """G6: a write whose answer was lost is sent again under its id, and happens once."""
    realm = ask("owner", url=f"http://127.0.0.1:{swallower.port}").realm("r")
    realm.set({"n": 0})

    def raise_by_one(draft):
        swallower.swallows = 2
        draft["n"] += 1

    for number in range(1, 6):
        written = realm.update(raise_by_one)
        assert (written.generation, written.document) == (number + 1, {"n": number})
        swallower.swallows = 1
        assert realm.get().generation == number + 1
        swallower.swallows = 2
        assert not realm.set({"n": number}, expected_generation=number + 1).changed
    assert swallower.swallowed == 25
    assert server.client.realm("r").get().generation == 6


def test_an_outcome_that_stays_unknown(server, ask, swallower):
    """G6: if no answer ever comes, the outcome is unknown, and is settled later over the wire."""
    client = ask("owner", url=f"http://127.0.0.1:{swallower.port}")
    realm = client.realm("r")
    realm.set({"n": 0})
    swallower.swallows = 1_000
    with pytest.raises(OutcomeUnknown) as unknown:
        realm.set({"n": 1}, timeout=2, write_id="mine")
    assert unknown.value.write_id == "mine"
    swallower.swallows = 0
    # Settled before it arrives there, it would be void.
    deadline = time.monotonic() + PATIENCE_SECONDS
    while server.client.realm("r").get().generation < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert realm.settle("mine") == realmconf.Committed(generation=2)
    assert realm.set({"n": 1}, write_id="mine").generation == 2


def test_nobody_listens():
    """A server that is not there is an outage before anything was sent: nothing was done."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with connect(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(StoreUnavailable):
            client.realm("r").get()
        with pytest.raises(StoreUnavailable):
            client.realm("r").set({"n": 1}, timeout=5)


def test_a_restart_loses_nothing(tmp_path):
    """G7: a watcher of a server that ends and comes back sees every generation, in order, once."""
    root = str(tmp_path / "root")
    server = Restarted(root)
    client = server.asked_with("read")
    seen: list[int] = []
    ended = threading.Event()

    def watch():
        after = 0
        while len(seen) < 20:
            try:
                for snapshot in client.realm("r").watch(after=after, view="own"):
                    assert not snapshot.reset
                    seen.append(snapshot.generation)
                    after = snapshot.generation
                    if len(seen) == 20:
                        break
            except StoreUnavailable:
                continue
        ended.set()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    with connect(root) as local:
        realm = local.realm("r")
        for number in range(5):
            realm.set({"n": number})
        server.stop()
        for number in range(5, 15):
            realm.set({"n": number})
        server.start()
        for number in range(15, 20):
            realm.set({"n": number})
        assert ended.wait(PATIENCE_SECONDS)
    client.close()
    watcher.join(PATIENCE_SECONDS)
    server.stop()
    assert seen == list(range(1, 21))


def test_a_child_has_connections_of_its_own(server, ask):
    """After a fork the child asks by connections of its own, and the parent's go on."""
    client = ask("owner")
    realm = client.realm("r")
    realm.set({"n": 0})
    assert realm.current == {"n": 0}
    child = os.fork()
    if child == 0:
        code = 1
        try:
            realm.update(lambda draft: draft.update(n=draft["n"] + 1))
            code = 0 if realm.get().config == realm.current == {"n": 1} else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert realm.get().config == {"n": 1}
    realm.update(lambda draft: draft.update(n=draft["n"] + 1))
    assert realm.get().config == {"n": 2}


def test_the_async_face(server):
    """``aconnect`` takes a server too: reads, writes and watches never block the loop."""

    async def run():
        os.environ["REALMCONF_TOKEN"] = server.tokens["owner"]
        try:
            client = await realmconf.aconnect(server.url)
        finally:
            del os.environ["REALMCONF_TOKEN"]
        async with client:
            realm = client.realm("r")
            seen = []

            async def watch():
                async for snapshot in realm.watch(view="own", after=0):
                    seen.append(snapshot.generation)
                    if len(seen) == 5:
                        return

            task = asyncio.create_task(watch())
            for number in range(5):
                await realm.set({"n": number})
            await asyncio.wait_for(task, PATIENCE_SECONDS)
            assert seen == [1, 2, 3, 4, 5]
            assert (await realm.get()).config == {"n": 4}

    asyncio.run(run())


# --- the command line -----------------------------------------------------------------------


@pytest.fixture
def run(server, monkeypatch, capsys):
    monkeypatch.setenv("REALMCONF_STORE", server.url)
    monkeypatch.setenv("REALMCONF_REALM", "r")
    monkeypatch.delenv("REALMCONF_AUTHOR", raising=False)

    def run(*words, role="owner"):
        monkeypatch.setenv("REALMCONF_TOKEN", server.tokens[role])
        code = main(words)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_the_command_line(server, run, tmp_path):
    """Every command works on a server as on a folder, with the same exit codes."""
    assert run("set", "agent.model", "m")[0] == 0
    code, out, _ = run("get", "agent.model")
    assert (code, out) == (0, "m\n")
    assert run("patch", "--json", '{"agent": {"n": 1}}', "--expected-generation", "1")[0] == 0
    code, _, err = run("patch", "--json", "{}", "--expected-generation", "1")
    assert (code, "generation conflict" in err) == (3, True)
    code, out, _ = run("log")
    assert code == 0
    assert "owner" in out
    assert "model" in run("explain", "agent.model")[1]
    server.client.realm("org").set({"x": 1})
    assert run("parent", "set", "org")[0] == 0
    assert run("get", "x")[1] == "1\n"
    schema = tmp_path / "schema.json"
    schema.write_text('{"properties": {"x": {"type": "integer"}}}')
    assert run("schema", "set", str(schema))[0] == 0
    assert run("set", "--text", "x", "no")[0] == 4
    assert run("verify")[0] == 0
    assert run("verify", role="admin")[0] == 9
    assert run("rename", "r", "s")[0] == 0
    assert run("--realm", "s", "get", "agent.n")[1] == "1\n"
    assert run("realms")[0] == 0
    assert run("--realm", "s", "rollback", "1", role="reader")[0] == 8
    copy = tmp_path / "copy"
    assert run("backup", str(copy))[0] == 0
    assert copy.stat().st_mode & 0o777 == 0o600
    assert run("restore", str(copy))[0] == 0
    assert run("token", "list")[0] == 0
    assert run("doctor")[0] == 0
    code, out, _ = run("-o", "json", "status")
    assert code in (0, 6)


def test_the_command_line_shows_marks(server, run):
    """Without the right to secrets the command line shows marks, and says so where a secret is asked for."""
    server.client.realm("r").set({"token": "CANARY", "n": 1})
    code, out, _ = run("get", role="reader")
    assert code == 0
    assert "CANARY" not in out
    assert "«secret:" in out
    assert run("get", "--show-secrets", role="reader")[0] == 9
    assert "CANARY" in run("get", "--show-secrets", role="owner")[1]


# --- how it is named ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "http://10.0.0.1:7411",
        "https://user:hunter2@host",
        "https://host/path",
        "https://host?x=1",
        "http://localhost:x",
        "https://",
        "http://127.0.0.1:1?ca=x",
    ],
)
def test_what_names_no_server(url):
    """http:// is for this machine alone; a URL has no user, path or token; and none of it is quoted back."""
    with pytest.raises(InvalidArgument) as refused:
        open_store(url, limits=LIMITS)
    assert "hunter2" not in str(refused.value)
