"""A method for each row of the table, with the SDK's answers and the one table's errors."""

from __future__ import annotations

import pytest
from jsonschema_rs import validator_for

from realmconf.runtime.operations.rows import OPERATIONS
from realmconf.surfaces.rpc.methods import METHODS

OF_THE_CONVERSATION = {"config/unwatch", "rpc/cancel", "rpc/methods"}


def own(client, realm="team"):
    return client.realm(realm).envelope(view="own").to_dict()


def test_methods_are_the_rows():
    """There is a method for each row that is to have one, and three of the conversation itself."""
    rows = {operation.name for operation in OPERATIONS if operation.methods}
    assert METHODS.keys() == rows | OF_THE_CONVERSATION
    assert not rows & OF_THE_CONVERSATION


def test_methods_are_listed(rpc):
    """``rpc/methods`` lists them with their summaries and the JSON Schemas of their parameters."""
    listed = {one["name"]: one for one in rpc.call("rpc/methods")["methods"]}
    assert listed.keys() == METHODS.keys()
    for one in listed.values():
        assert one["summary"]
        validator_for(one["params"])
    patch = listed["config/patch"]
    assert patch["direct"] == "patch"
    judge = validator_for(patch["params"])
    assert judge.is_valid({"realm": "a", "patch": {}, "expected_generation": 4})
    assert not judge.is_valid({"expected_generation": 4})
    assert "realm" not in listed["realm/list"]["params"]["properties"]
    assert {name for name, one in listed.items() if "direct" in one} == {
        "config/set",
        "config/patch",
        "schema/set",
    }


def test_reads_and_writes_are_those_of_the_sdk(rpc, client):
    """Result of a read is the SDK's envelope; of a write the own envelope and what became of it."""
    assert rpc.call("config/get") == own(client)
    realm = client.realm("team")
    for method, params in (
        ("config/set", {"config": {"a": {"b": 1.0}, "ü": [1, {"x": True}]}}),
        ("config/patch", {"patch": {"a": {"c": 2}}, "expected_generation": 1}),
        ("config/json_patch", {"operations": [{"op": "remove", "path": "/a/b"}]}),
        ("config/set_value", {"path": "a.d", "value": "text"}),
        ("config/unset", {"path": "/a/c"}),
        ("config/rollback", {"to": 2, "message": "as it was"}),
        ("config/delete", {}),
    ):
        before = realm.get().generation
        receipt = rpc.call(method, params)
        written = own(client)
        assert {name: receipt.pop(name) for name in written} == written
        assert written["generation"] == before + 1
        assert (receipt.pop("changed"), receipt.pop("rebased_from")) == (True, None)
        assert receipt.pop("write_id") == realm.get().revision.write_id
        assert receipt == {"warnings": []}
        assert rpc.call("config/get") == written
        assert rpc.call("config/get", view="effective") == (
            client.realm("team").envelope(view="effective").to_dict()
        )
    revision = realm.get().revision
    assert revision.surface == "rpc"
    assert [one["kind"] for one in rpc.call("config/history", limit=2)["revisions"]] == [
        "delete",
        "rollback",
    ]
    assert rpc.call("config/settle", write_id=revision.write_id)["outcome"] == "committed"


def test_errors_are_those_of_the_table(rpc, client):
    """The code is that of the error's row, the message its text, and ``data`` the error object."""
    client.realm("team").set({"a": 1})
    for method, params, code, name in (
        ("config/set", {"config": {}, "expected_generation": 7}, -32040, "generation_conflict"),
        ("config/set", {"config": {}, "expected": "1-ffffffffffff"}, -32041, "timeline_changed"),
        (
            "config/json_patch",
            {"operations": [{"op": "test", "path": "/a", "value": 2}]},
            -32043,
            "test_failed",
        ),
        (
            "config/json_patch",
            {"operations": [{"op": "remove", "path": "/b"}]},
            -32045,
            "patch_inapplicable",
        ),
        ("realm/set_parent", {"parent": "none"}, -32046, "lineage_error"),
        ("config/apply", {"plan_id": "p-none"}, -32047, "plan_invalid"),
        ("config/revision", {"generation": 9}, -32049, "revision_not_found"),
        ("config/set", {"config": {"a": None}}, -32602, "invalid_document"),
        ("config/get", {"realm": "no such realm!"}, -32602, "invalid_realm"),
        ("config/get", {"frobnicate": 1}, -32602, "invalid_argument"),
        ("config/get", {"view": "sideways"}, -32602, "invalid_argument"),
        ("config/get", {"after": 1, "wait": 61}, -32048, "limit_exceeded"),
        ("config/unwatch", {"subscription": 9}, -32602, "invalid_argument"),
        ("config/unwatch", {}, -32602, "invalid_argument"),
        ("config/unwatch", {"subscription": 1, "realm": "a"}, -32602, "invalid_argument"),
        ("rpc/cancel", {"id": []}, -32602, "invalid_argument"),
    ):
        refused = rpc.refused(method, params)
        assert (refused.code, refused.data["code"]) == (code, name), method
        assert refused.data["retryable"] is False
    conflict = rpc.refused("config/set", config={}, expected_generation=7)
    assert (conflict.data["expected"], conflict.data["current"]) == (7, 1)


def test_realm(start, client):
    """Every method takes a realm; without one it is that of the process."""
    rpc = start("--realm", "mine")
    rpc.call("config/set", config={"a": 1})
    rpc.call("config/set", config={"a": 2}, realm="other")
    assert (own(client, "mine")["config"], own(client, "other")["config"]) == ({"a": 1}, {"a": 2})
    assert rpc.call("config/get", realm="other")["config"] == {"a": 2}
    assert [one["realm"] for one in rpc.call("realm/list")["realms"]] == ["mine", "other"]


@pytest.mark.parametrize(
    ("options", "changes", "author"),
    [
        (["--author", "grace"], {"REALMCONF_AUTHOR": "lin"}, "grace"),
        ([], {"REALMCONF_AUTHOR": "lin"}, "lin"),
    ],
)
def test_author(start, client, options, changes, author):
    """Writes are by ``--author``, else as everywhere."""
    start(*options, **changes).call("config/set", config={"a": 1})
    assert client.realm("team").get().revision.author == author


def test_secrets(start, client):
    """Secrets are marks, unless ``--show-secrets`` was given; a mark that comes back keeps the secret."""
    client.realm("team").set({"api_key": "CANARY"})
    veiled = start()
    shown = veiled.call("config/get")["config"]
    assert shown["api_key"] != "CANARY"
    assert veiled.call("config/set", config={**shown, "b": 1})["generation"] == 2
    subscription = veiled.call("config/watch", after=0)["subscription"]
    told = [veiled.changed() for _ in range(2)]
    assert {one["subscription"] for one in told} == {subscription}
    assert "CANARY" not in str(told)
    veiled.end()
    assert "CANARY" not in str(veiled.rest())
    assert start("--show-secrets").call("config/get")["config"] == {"api_key": "CANARY", "b": 1}


def test_defect(start, tmp_path):
    """A defect of ours is -32603, asks for a report, tells no value, and the next request is answered."""
    (tmp_path / "sitecustomize.py").write_text(
        "import realmconf.runtime.operations.reading as reading\n"
        "def broken(session, **given):\n    raise RuntimeError('a-secret-value')\n"
        "def ended(session, **given):\n    raise SystemExit('a-secret-value')\n"
        "reading.get = broken\nreading.blame = ended\n"
    )
    rpc = start(PYTHONPATH=str(tmp_path))
    for method in ("config/get", "config/blame"):
        refused = rpc.refused(method)
        assert (refused.code, refused.data["code"]) == (-32603, "defect")
        assert "report" in str(refused)
        assert "sitecustomize.py" in str(refused)
        assert "a-secret-value" not in str(refused.data)
    assert rpc.call("config/history")["revisions"] == []
    assert rpc.finish() == 0
    assert b"a-secret-value" not in rpc.process.stderr.read()


def test_works_with_the_core_alone(start, tmp_path):
    """No optional package is loaded, nor asyncio."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in {'asyncio', 'orjson', 'mcp', 'starlette', 'pydantic', 'httpx'}:\n"
        "            raise SystemExit('loaded ' + name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )
    rpc = start(PYTHONPATH=str(tmp_path))
    rpc.call("config/set", config={"a": 1})
    rpc.call("config/watch", after=0)
    assert rpc.changed()["generation"] == 1
    assert rpc.finish() == 0
