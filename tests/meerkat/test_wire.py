"""Meerkat's wire as its clients speak it: over HTTP and JSON-RPC, with real servers, on both kinds of store."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

import realmconf
from realmconf.domain.names import RealmName
from realmconf.meerkat import OPEN_SCHEMA, SCHEMA, Config, answers
from realmconf.runtime.access import OWNER
from realmconf.runtime.operations.session import Session
from realmconf.runtime.tokens import Tokens
from realmconf.surfaces import meerkat as surface

EXAMPLES = Path(__file__).parent / "examples"
REALISTIC = (EXAMPLES / "realistic.toml").read_text("utf-8")
PROGRAM = [sys.executable, "-m", "realmconf"]
PATIENCE_SECONDS = 60
ENVELOPE = {"config", "generation", "realm_id", "instance_id", "backend"}
UUID = "6f3c9a52-7c63-4c0d-9d0e-0d6a4d1f7b11"
OTHER = "0f8fad5b-d9cb-469f-a165-70867728950e"


class Refused(Exception):
    """An error that was answered: its code among ours, and the whole of it."""

    def __init__(self, error: dict[str, Any], number: int) -> None:
        super().__init__(error["message"])
        self.code = error["code"]
        self.error = error
        self.number = number
        """The status over HTTP, the code over JSON-RPC."""


class Http:
    """A client of ``realmconf serve --meerkat-realm``."""

    def __init__(self, place: Any, folder: Path, *options: str) -> None:
        self._process = started(place, folder, "serve", "--port", "0", *options)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.fullmatch(r"(http://\S+/)#token=(\S+)\n", line)
        assert found, line
        headers = {"Authorization": f"Bearer {found[2]}"}
        self.client = httpx.Client(base_url=found[1], headers=headers, timeout=PATIENCE_SECONDS)
        self.statuses: list[int] = []

    def ask(self, verb: str, body: Any = None) -> Any:
        method = {"get": "GET", "set": "PUT", "patch": "PATCH"}[verb]
        given = {} if verb == "get" else {"json": body}
        answer = self.client.request(method, "/config", **given)
        self.statuses.append(answer.status_code)
        if answer.status_code != 200:
            raise Refused(answer.json(), answer.status_code)
        return answer.json()

    def end(self) -> None:
        self.client.close()
        self._process.terminate()
        self._process.communicate(timeout=PATIENCE_SECONDS)


class Rpc:
    """A client of ``realmconf rpc --meerkat-realm``."""

    def __init__(self, place: Any, folder: Path, *options: str) -> None:
        self._process = started(place, folder, "rpc", *options)

    def ask(self, verb: str, body: Any = None) -> Any:
        return self.call(f"config/{verb}", body)

    def call(self, method: str, params: Any = None) -> Any:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        request = {"jsonrpc": "2.0", "id": 1, "method": method}
        if params is not None:
            request["params"] = params
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        if "error" in answer:
            raise Refused(answer["error"]["data"], answer["error"]["code"])
        return answer["result"]

    def end(self) -> None:
        self._process.communicate(timeout=PATIENCE_SECONDS)


def started(place: Any, folder: Path, *words: str) -> subprocess.Popen[str]:
    """A process in *folder*, for a user whose home is beside the store."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("REALMCONF_")},
        "HOME": str(place.home),
    }
    return subprocess.Popen(
        [*PROGRAM, "--store", place.url, "--realm", "other", *words, "--meerkat-realm", "team"],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.fixture
def folder(tmp_path):
    """Where the server is started: in a project of Meerkat's, two folders down."""
    found = tmp_path / "project" / "src" / "deep"
    found.mkdir(parents=True)
    (tmp_path / "project" / ".rkat").mkdir()
    return found


@pytest.fixture(params=[Http, Rpc], ids=["http", "rpc"])
def connect(request, place, folder):
    """Starts a server of each kind, and gives its client; it ends with the test."""
    made = []

    def connect(*options):
        made.append(request.param(place, folder, *options))
        return made[-1]

    yield connect
    for one in made:
        one.end()


def defaults(tmp_path: Path) -> dict[str, Any]:
    """What the original answers where nothing is stated, but for what it shows as null."""
    found = {key: value for key, value in Config().document().items() if value != {}}
    return {**found, "storage": {"directory": str(tmp_path / "project" / ".rkat" / "sessions")}}


def nulls_in(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (value is None) + sum(map(nulls_in, inner))


def differing(before: str, after: str) -> list[tuple[str, str]]:
    """The lines that differ, the first one aside, where our files have their generation."""
    pairs = zip(before.splitlines()[1:], after.splitlines()[1:], strict=True)
    return [(one, other) for one, other in pairs if one != other]


# --- answers ---------------------------------------------------------------------------------


def test_defaults_are_filled_in_without_a_schema(place, connect, tmp_path):
    """A realm that states nothing is answered with every default of the original's, none of them null."""
    place.team().set({"agent": {"model": "m"}})
    answer = connect().ask("get")
    assert answer.keys() - {"resolved_paths"} == ENVELOPE
    wanted = defaults(tmp_path)
    assert answer["config"] == {**wanted, "agent": {**wanted["agent"], "model": "m"}}
    assert nulls_in(answer["config"]) == 0
    assert (answer["generation"], answer["realm_id"]) == (1, "team")
    assert place.team().get().document == {"agent": {"model": "m"}}


def test_a_realm_never_written_is_the_defaults(place, connect, tmp_path):
    """At generation 0, as the original's; and asking makes no realm."""
    answer = connect().ask("get")
    assert (answer["generation"], answer["config"]) == (0, defaults(tmp_path))
    assert not place.config.exists()


def test_an_own_schema_decides(place, connect):
    """Where the realm has a schema its defaults are filled in, and nobody else's; its verdict holds, and no other."""
    realm = place.team()
    realm.set({"max_tokens": 0})
    said = {"type": "object", "properties": {"a": {"type": "integer", "default": 5}}}
    realm.set_schema(said)
    peer = connect()
    assert peer.ask("get")["config"] == {"a": 5, "max_tokens": 0}
    assert peer.ask("patch", {"sub_agents": {"allowed_models": {}}})["config"] == {
        "a": 5,
        "max_tokens": 0,
        "sub_agents": {"allowed_models": {}},
    }
    with pytest.raises(Refused) as refused:
        peer.ask("patch", {"a": "x"})
    assert refused.value.code == "schema_violation"


def test_meerkats_schema_knows_where_sessions_are(place, connect, tmp_path):
    """With a schema of Meerkat's attached the answers are the same, the folder of sessions included."""
    realm = place.team()
    realm.set({"max_tokens": 5})
    realm.set_schema(OPEN_SCHEMA)
    assert connect().ask("get")["config"] == {**defaults(tmp_path), "max_tokens": 5}


def test_paths_over_http_are_for_who_asked_for_them(place, folder):
    """Over JSON-RPC they are always told, to who has started it; over HTTP with ``--expose-paths``."""
    place.team().set({"max_tokens": 5})
    told = {}
    for kind, options in ((Http, ()), (Http, ("--expose-paths",)), (Rpc, ())):
        peer = kind(place, folder, *options)
        told[kind, options] = peer.ask("get").get("resolved_paths")
        peer.end()
    hidden, shown, always = told.values()
    assert hidden is None
    assert shown == always
    assert Path(shown["config_path" if place.is_meerkat else "root"]).is_relative_to(place.root)


# --- what is written -------------------------------------------------------------------------


def test_what_was_got_bakes_nothing_in(place, connect):
    """A configuration that comes back as it was answered writes nothing; one that was changed, what was changed."""
    realm = place.begin(REALISTIC)
    before = place.text(realm)
    peer = connect()
    seen = peer.ask("get")
    for body in (
        seen["config"],
        {"config": seen["config"]},
        {"config": seen["config"], "expected_generation": seen["generation"]},
    ):
        assert peer.ask("set", body)["generation"] == seen["generation"]
    assert place.text(realm) == before
    seen["config"]["agent"]["model"] = "claude-opus-4-6"
    body = {"config": seen["config"], "expected_generation": seen["generation"]}
    answer = peer.ask("set", body)
    assert (answer["config"], answer["generation"]) == (seen["config"], seen["generation"] + 1)
    assert differing(before, place.text(realm)) == [
        ('model = "claude-sonnet-4-5"', 'model = "claude-opus-4-6"')
    ]


def test_what_the_original_shows_as_null_is_unstated(place, connect):
    """A body that was got from the original, with nulls, is taken as what it means there."""
    place.team().set({"agent": {"temperature": 0.5}})
    peer = connect()
    config = peer.ask("get")["config"]
    config["agent"] |= {"temperature": None, "system_prompt": None, "max_turns": 3}
    config["storage"]["directory"] = None
    config["skills"]["repositories"] = [
        {"name": "a", "source_uuid": UUID, "type": "stdio", "command": "c", "cwd": None}
    ]
    peer.ask("set", config)
    assert place.team().get().document == {
        "agent": {"max_turns": 3},
        "skills": {
            "repositories": [{"name": "a", "source_uuid": UUID, "type": "stdio", "command": "c"}]
        },
    }
    with pytest.raises(Refused, match="/agent/model: documents have no nulls"):
        peer.ask("set", {"agent": {"model": None}})


def test_a_patch_removes_by_null(place, connect, tmp_path):
    """And what it has removed is answered as the default."""
    place.team().set({"agent": {"model": "m", "max_turns": 2}})
    answer = connect().ask("patch", {"agent": {"model": None, "max_turns": None}, "max_tokens": 7})
    assert answer["config"] == {**defaults(tmp_path), "max_tokens": 7}


def test_no_key_goes_to_another_provider(place, connect):
    """W24: a patch that names another provider leaves the key and the address of the old one behind."""
    place.team().set({"provider": {"type": "anthropic", "api_key": "k", "base_url": "u"}})
    answer = connect().ask("patch", {"provider": {"type": "gemini"}})
    assert answer["config"]["provider"] == {"type": "gemini"}
    assert place.team().get().document == {"provider": {"type": "gemini"}}


def test_no_key_goes_to_another_provider_by_a_race(place, monkeypatch):
    """W24: the provider that a patch takes the place of is the one that stands there when it is written."""
    realm = place.team("bob")
    realm.set({"provider": {"type": "gemini"}})
    stated = {"type": "anthropic", "api_key": "k"}
    other = threading.Thread(target=lambda: realm.set({"provider": stated}))
    looked = answers.without_old_key

    def overtaken(*given: Any) -> Any:
        found = looked(*given)
        if other.ident is None:
            other.start()
            # Long enough for whoever is not made to wait.
            other.join(1)
        return found

    monkeypatch.setattr(surface, "without_old_key", overtaken)
    client = place.connect()
    wire = surface.Wire(realm=RealmName("team"))
    wire.patch(
        Session(client, OWNER, surface="http", author="ada"), {"provider": {"type": "gemini"}}
    )
    other.join()
    head = realm.get()
    providers = [realm.at(number).document["provider"] for number in range(1, head.generation + 1)]
    assert stated in providers
    assert [one for one in providers if one not in (stated, {"type": "gemini"})] == []


SECRETS = {
    "provider": {"type": "anthropic", "api_key": "CANARY1"},
    "providers": {"api_keys": {"openai": "CANARY2"}},
    "tools": {
        "mcp_servers": [
            {"name": "a", "command": "c", "env": {"A_TOKEN": "CANARY3"}},
            {"name": "b", "url": "https://b.example", "headers": {"Authorization": "CANARY4"}},
        ]
    },
    "skills": {
        "repositories": [
            {
                "name": "s",
                "source_uuid": UUID,
                "type": "git",
                "url": "https://g.example",
                "auth_token": "CANARY5",
                "ssh_key": "CANARY6",
            }
        ]
    },
}


def test_secrets_are_for_who_may_see_them(place, folder):
    """
    W21, G11: without a token nothing is answered, to no origin; without the right to secrets each is a mark.

    A mark comes back as what it stands for, so that who may not see a key can write beside it.
    """
    realm = place.governed(SECRETS)
    peer = Http(place, folder)
    try:
        url, sent = peer.client.base_url, {"Origin": "https://evil.example"}
        for method in ("GET", "PUT", "PATCH"):
            answer = httpx.request(method, f"{url}config", headers=sent, timeout=PATIENCE_SECONDS)
            assert answer.status_code in (401, 403), answer.text
            assert "CANARY" not in answer.text
            assert "access-control-allow-origin" not in answer.headers
        made = Tokens(place.connect()).create(
            realms=["team"], roles=["read", "write"], author="eve", surface="sdk"
        )
        peer.client.headers["Authorization"] = f"Bearer {made.text}"
        config = peer.ask("get")["config"]
        assert "CANARY" not in json.dumps(config)
        config["agent"]["model"] = "m"
        answer = peer.ask("set", {"config": config, "expected_generation": realm.get().generation})
        assert "CANARY" not in json.dumps(answer)
    finally:
        peer.end()
    assert realm.get().document == {**SECRETS, "agent": {"model": "m"}}


# --- what is refused -------------------------------------------------------------------------

HALF = [
    ("set", {"config": {"agent": {"model": "x"}}, "expected_generation": "5"}),
    ("set", {"config": {"agent": {"model": "x"}}, "expected_generation": -1}),
    ("set", {"config": {"agent": {"model": "x"}}, "expected_generation": 5.0}),
    ("set", {"config": {"agent": {"model": "x"}}, "expected_generation": True}),
    ("set", {"config": None, "expected_generation": 1}),
    ("set", {"config": {}, "expected": 1}),
    ("set", {"expected_generation": 1, "agent": {}}),
    ("patch", {"patch": {"max_tokens": 3}, "expected_generation": "5"}),
    ("patch", {"patch": None, "expected_generation": 1}),
    ("patch", {"patch": {}, "other": 1}),
    ("patch", {"expected_generation": 1}),
]
UNFIT = [
    ("set", {"config": {"agent": {"model": 7}}, "expected_generation": 1}, "it must be text"),
    ("set", {"shell": {"security_mode": "Deny"}}, "accepted values"),
    ("set", {"max_tokens": 0}, "too small"),
    ("patch", {"max_tokens": 5.0}, "without a point"),
    ("patch", {"retry": {"max_delay": "soon"}}, "wanted form"),
    ("patch", {"sub_agents": {"allowed_models": {"gemini": None}}}, "it is required"),
    (
        "patch",
        {"sub_agents": {"default_provider": "openai", "default_model": "m"}},
        "sub_agents.default_model 'm' is not in allowed_models for provider 'openai'",
    ),
    (
        "patch",
        {
            "provider": {"type": "openai", "base_url": "a"},
            "providers": {"base_urls": {"openai": "b"}},
        },
        "provider base_url conflicts with providers.base_urls entry",
    ),
    (
        "patch",
        {
            "skills": {
                "identity": {
                    "remaps": [
                        {
                            "from": {"source_uuid": UUID, "skill_name": "a"},
                            "to": {"source_uuid": OTHER, "skill_name": "a"},
                        }
                    ]
                }
            }
        },
        f"skill remap from {UUID}/a to {OTHER}/a is not allowed by lineage",
    ),
]


def test_half_wrapped_bodies_change_nothing(place, connect):
    """W1, W2: a malformed wrapped body is refused; it is never taken for a configuration, nor for a patch."""
    realm = place.begin(REALISTIC)
    generation, before = realm.get().generation, place.text(realm)
    peer = connect()
    for verb, body in HALF:
        with pytest.raises(Refused) as refused:
            peer.ask(verb, body)
        assert refused.value.code in ("invalid_argument", "invalid_document", "invalid_patch"), body
    assert (realm.get().generation, place.text(realm)) == (generation, before)


def test_what_the_original_could_not_read_again_is_refused(place, connect):
    """W1, W20: by type and by rule, also where the realm has no schema, and nothing is changed."""
    realm = place.team()
    realm.set({"agent": {"model": "m"}, "sub_agents": {"allowed_models": {
        "anthropic": ["a"], "openai": ["o"], "gemini": ["g"]}}})  # fmt: skip
    peer = connect()
    for verb, body, words in UNFIT:
        with pytest.raises(Refused, match=re.escape(words)) as refused:
            peer.ask(verb, body)
        assert refused.value.code == "schema_violation", body
    assert realm.get().generation == 1


def test_a_typo_is_no_success_on_the_wire(place, connect):
    """W3: under Meerkat's schema, with what was meant; without it a key that nobody reads is kept, not dropped."""
    place.team().set({"max_tokens": 1})
    peer = connect()
    assert peer.ask("patch", {"agent": {"maxTurns": 3}})["config"]["agent"]["maxTurns"] == 3
    peer.ask("patch", {"agent": {"maxTurns": None}})
    place.team().set_schema(SCHEMA)
    for verb in ("patch", "set"):
        with pytest.raises(
            Refused, match=r'/agent/maxTurns: .* did you mean "max_turns"'
        ) as refused:
            peer.ask(verb, {"agent": {"maxTurns": 3}})
        assert refused.value.code == "schema_violation"
    assert place.team().get().generation == 4


STRANGE = [
    ("set", {"confg": {"agent": {"model": "x"}}}, '; did you mean "config"?'),
    ("set", {"expected_generaton": 1}, '; did you mean "expected_generation"?'),
    ("set", {"agent": {"model": "x"}, "max_tokns": 3}, '; did you mean "max_tokens"?'),
    ("set", {"patch": {"max_tokens": 3}}, "no section"),
    ("patch", {"patches": {"max_tokens": 3}}, '; did you mean "patch"?'),
    ("patch", {"expectedGeneration": 1}, '; did you mean "expected_generation"?'),
    ("patch", {"config": {"max_tokens": 3}}, "no section"),
    ("patch", {"agnet": None}, '; did you mean "agent"?'),
    ("set", {}, "nothing is given"),
    ("patch", {}, "nothing is given"),
]


def test_a_direct_body_is_a_configuration_or_refused(place, connect):
    """W1, W2: with a key that nobody knows, or with nothing in it, a body is no configuration, and wipes nothing."""
    realm = place.begin(REALISTIC)
    generation, before = realm.get().generation, place.text(realm)
    peer = connect()
    for verb, body, words in STRANGE:
        with pytest.raises(Refused, match=re.escape(words)) as refused:
            peer.ask(verb, body)
        assert refused.value.code == "invalid_argument", body
        assert refused.value.number in (400, -32602), body
    assert (realm.get().generation, place.text(realm)) == (generation, before)


def test_parameters_that_are_not_there_are_no_configuration(place, folder):
    """W1: over JSON-RPC ``config/set`` and ``config/patch`` without parameters change nothing."""
    realm = place.team()
    realm.set({"max_tokens": 3})
    peer = Rpc(place, folder)
    try:
        for method in ("config/set", "config/patch"):
            with pytest.raises(Refused, match="nothing is given") as refused:
                peer.call(method)
            assert refused.value.number == -32602
    finally:
        peer.end()
    assert (realm.get().generation, realm.get().document) == (1, {"max_tokens": 3})


def test_what_a_realm_has_comes_back_in_a_direct_body(place, connect):
    """What a realm states beside Meerkat's sections may be sent as it was got; and a new such key, wrapped."""
    realm = place.team()
    realm.set({"ours": {"a": 1}, "max_tokens": 3})
    peer = connect()
    config = peer.ask("get")["config"]
    config["ours"]["a"] = 2
    peer.ask("set", config)
    assert realm.get().document == {"ours": {"a": 2}, "max_tokens": 3}
    peer.ask("patch", {"ours": None})
    assert realm.get().document == {"max_tokens": 3}
    peer.ask("patch", {"patch": {"ours": 1}})
    peer.ask("set", {"config": {"theirs": 1}})
    assert realm.get().document == {"theirs": 1}
    peer.ask("set", {"config": {}})
    assert realm.get().document == {}


def test_a_conflict_is_told_with_both_numbers(place, connect):
    """W26: in our form, 409 over HTTP; a typed code, and who is to read again knows what to expect."""
    place.team().set({"max_tokens": 1})
    peer = connect()
    for verb, member in (("set", "config"), ("patch", "patch")):
        with pytest.raises(Refused) as refused:
            peer.ask(verb, {member: {"max_tokens": 2}, "expected_generation": 0})
        assert refused.value.code == "generation_conflict"
        assert (refused.value.error["expected"], refused.value.error["current"]) == (0, 1)
    if isinstance(peer, Http):
        assert peer.statuses[-2:] == [409, 409]
    body = {"patch": {"max_tokens": 2}, "expected_generation": 1}
    assert peer.ask("patch", body)["generation"] == 2


def test_no_verdict_is_overtaken(place, folder):
    """W20: of two writes that fit alone and not together one is refused, whoever comes first."""
    models = {"anthropic": ["a"], "openai": ["o", "p"], "gemini": ["g"]}
    whole = {"sub_agents": {"allowed_models": models}}
    writes = (
        {"sub_agents": {"default_provider": "openai", "default_model": "p"}},
        {"sub_agents": {"allowed_models": {"openai": ["o"]}}},
    )
    peer = Http(place, folder)
    try:
        for _ in range(8):
            peer.ask("set", whole)
            outcomes: list[str] = []
            ready = threading.Barrier(len(writes))

            def write(body, outcomes=outcomes, ready=ready):
                ready.wait()
                try:
                    peer.ask("patch", body)
                    outcomes.append("done")
                except Refused as refused:
                    outcomes.append(refused.code)

            threads = [threading.Thread(target=write, args=(body,)) for body in writes]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
            assert sorted(outcomes) == ["done", "schema_violation"]
    finally:
        peer.end()


# --- beside our own --------------------------------------------------------------------------


def test_who_names_a_realm_speaks_our_own(place, folder):
    """With ``--meerkat-realm`` the three methods of JSON-RPC are ours where a realm or a view is named."""
    place.team().set({"max_tokens": 1})
    peer = Rpc(place, folder)
    try:
        own = peer.call("config/get", {"realm": "team"})
        assert (own["view"], own["config"]) == ("own", {"max_tokens": 1})
        assert peer.call("config/get", {"view": "own"})["realm_id"] == "other"
        written = peer.call("config/patch", {"realm": "other", "patch": {"a": 1}})
        assert (written["realm_id"], written["changed"]) == ("other", True)
        assert "view" not in peer.call("config/patch", {"max_tokens": 2})
        assert place.connect().realm("team").get().document == {"max_tokens": 2}
    finally:
        peer.end()


def test_a_retry_gets_the_first_answer(place, folder):
    """With an ``Idempotency-Key`` a write that is sent again is the same one, whatever came between."""
    peer = Http(place, folder)
    try:
        sent: Any = {"headers": {"Idempotency-Key": "w1"}, "json": {"max_tokens": 2}}
        first = peer.client.patch("/config", **sent)
        assert (first.status_code, first.json()["generation"]) == (200, 1)
        peer.ask("patch", {"max_tokens": 3})
        again = peer.client.patch("/config", **sent)
        assert (again.status_code, again.json()["generation"]) == (200, 1)
        assert place.connect().realm("team").get().document == {"max_tokens": 3}
    finally:
        peer.end()


def test_a_retry_is_known_by_what_was_sent(place, folder):
    """W26, G6: also where it was made into something else by a head that its own first sending has changed."""
    realm = place.team()
    peer = Http(place, folder)

    def twice(write_id: str, method: str, body: Any) -> None:
        before = realm.get().generation
        for _ in range(2):
            sent: Any = {"headers": {"Idempotency-Key": write_id}, "json": body}
            answer = peer.client.request(method, "/config", **sent)
            assert (answer.status_code, answer.json().get("generation")) == (200, before + 1)
            if realm.get().generation == before + 1:
                realm.patch({"agent": {"max_turns": before + 1}})
        assert realm.get().generation == before + 2
        refused = peer.client.request(method, "/config", **{**sent, "json": {"max_tokens": 77}})
        assert refused.json()["code"] == "write_id_reused"

    try:
        twice("first", "PUT", {"config": {"max_tokens": 2}, "expected_generation": 0})
        config = peer.ask("get")["config"]
        config["max_tokens"] = 9
        config["agent"]["temperature"] = None
        twice("whole", "PUT", config)
        realm.patch({"provider": {"type": "anthropic", "api_key": "k", "base_url": "u"}})
        twice("provider", "PATCH", {"provider": {"type": "gemini"}})
        twice("number", "PATCH", {"agent": {"temperature": 1.0}})
        config = peer.ask("get")["config"]
        config["extra"] = {}
        generation = realm.get().generation
        twice("named", "PUT", {"config": config, "expected_generation": generation})
    finally:
        peer.end()
    document = realm.get().document
    assert document is not None
    assert document["provider"] == {"type": "gemini"}


def test_a_retry_that_nobody_else_can_guess(place, folder):
    """G11: who may not see secrets has its retry, and is not told by it of a write of somebody else's."""
    place.governed({"provider": {"type": "anthropic", "api_key": "CANARY"}})
    peer = Http(place, folder)
    made = Tokens(place.connect()).create(
        realms=["team"], roles=["read", "write"], author="eve", surface="sdk"
    )
    change: Any = {"provider": {"type": "gemini", "api_key": "CANARY7"}}

    def send(body: Any, token: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": "w1"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return peer.client.patch("/config", json=body, headers=headers)

    try:
        assert [send(change).status_code for _ in range(2)] == [200, 200]
        assert send(change, made.text).json()["code"] == "write_id_reused"
        guess = {"provider": {"type": "gemini", "api_key": "CANARY8"}}
        assert send(guess, made.text).json()["code"] == "write_id_reused"
    finally:
        peer.end()


def test_a_process_without_a_project_has_sessions_at_home(place, tmp_path):
    """The folder of sessions is that of the nearest ``.rkat`` above, else the user's own."""
    found = tmp_path / "nowhere"
    found.mkdir()
    peer = Rpc(place, found)
    try:
        directory = peer.ask("get")["config"]["storage"]["directory"]
    finally:
        peer.end()
    assert directory == str(place.home / ".rkat" / "sessions")


def test_the_library_reads_what_the_wire_wrote(place, connect):
    """As a model, with nothing stated but what was written."""
    connect().ask("patch", {"agent": {"max_turns": 3}})
    with realmconf.connect(place.url) as client:
        config = client.realm("team", schema=Config).get().config
    assert config.document(stated=True) == {"agent": {"max_turns": 3}}
