"""The methods of the system that this one replaces: their parameters unchanged, and what was read wrongly."""

from __future__ import annotations

import pytest

BEFORE = {"agent": {"model": "sonnet"}, "keep": True}


@pytest.fixture
def rpc(rpc):
    rpc.call("config/set", config=BEFORE)
    return rpc


def test_direct_set(rpc):
    """An object that is not wrapped is the document."""
    receipt = rpc.call("config/set", {"agent": {"max_turns": 12}, "max_tokens": 16384})
    assert receipt["config"] == {"agent": {"max_turns": 12}, "max_tokens": 16384}


def test_direct_patch(rpc):
    """An object that is not wrapped is the patch; null removes."""
    receipt = rpc.call("config/patch", {"agent": {"max_turns": 12}, "keep": None})
    assert receipt["config"] == {"agent": {"model": "sonnet", "max_turns": 12}}


def test_wrapped(rpc):
    """An object with a member ``config`` or ``patch`` is wrapped, with or without an expected generation."""
    assert (
        rpc.call("config/patch", {"patch": {"b": 1}, "expected_generation": 1})["generation"] == 2
    )
    assert rpc.call("config/patch", {"patch": {"b": 2}})["generation"] == 3
    assert rpc.call("config/set", {"config": {"c": 1}, "expected_generation": 3})["generation"] == 4
    assert rpc.call("config/set", {"config": {}})["config"] == {}


def test_realm_in_the_direct_form(rpc):
    """A text at ``realm`` names the realm, which no document has there; what a document has there is its own."""
    assert rpc.call("config/set", {"realm": "other", "a": 1})["config"] == {"a": 1}
    assert rpc.call("config/get", realm="other")["config"] == {"a": 1}
    document = {"realm": {"team": {"parent": "other"}}, "b": 2}
    assert rpc.call("config/set", document)["config"] == document
    assert rpc.call("config/get", view="effective")["config"] == {"a": 1, "b": 2}
    assert rpc.call("config/patch", {"realm": None})["config"] == {"b": 2}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("config/set", {"config": {"agent": 7}, "expected_generation": "5"}),
        ("config/set", {"config": {}, "expected_generation": -1}),
        ("config/set", {"config": {}, "expected_generation": 5.0}),
        ("config/set", {"config": {}, "expected_generation": True}),
        ("config/set", {"config": None, "expected_generation": 1}),
        ("config/set", {"config": "text"}),
        ("config/set", {"config": [], "a": 1}),
        ("config/set", {"config": {}, "a": 1}),
        ("config/set", {"a": 1, "expected_generation": 1}),
        ("config/set", {"expected_generation": 1}),
        ("config/set", {"a": 1, "expected_generation": None}),
        ("config/set", {"patch": {"a": 1}}),
        ("config/set", {"a": 1, "dry_run": True}),
        ("config/set", {}),
        ("config/set", {"realm": "team"}),
        ("config/set", None),
        ("config/patch", {"patch": {"a": 1}, "expected_generation": "5"}),
        ("config/patch", {"patch": None, "expected_generation": 5}),
        ("config/patch", {"patch": [], "expected_generation": 5}),
        ("config/patch", {"a": 1, "expected_generation": 1}),
        ("config/patch", {"config": {"a": 1}}),
        ("config/patch", {"a": 1, "write_id": "w"}),
        ("config/patch", {}),
        ("schema/set", {"schema": None}),
        ("schema/set", {"type": "object", "patch": {}}),
        ("config/json_patch", {"op": "remove", "path": "/a"}),
        ("config/set_value", {"agent.model": "opus"}),
    ],
)
def test_what_is_neither(rpc, method, params):
    """A malformed wrapped body is refused, never read as direct; so is a direct one that names an argument."""
    refused = rpc.refused(method, params)
    assert (refused.code, refused.data["code"]) == (-32602, "invalid_argument")
    head = rpc.call("config/get")
    assert (head["config"], head["generation"]) == (BEFORE, 1)


@pytest.mark.parametrize(
    ("method", "params", "meant"),
    [
        ("config/set", {"confg": {"a": 1}}, "config"),
        ("config/set", {"expected_generaton": 1}, "expected_generation"),
        ("config/set", {"realm": "team", "Config": {}, "expected_generation_": 1}, "config"),
        ("config/patch", {"patches": {"a": 1}}, "patch"),
    ],
)
def test_a_slip_of_the_pen_is_no_document(rpc, method, params, meant):
    """What is nearly the name of what wraps a document is refused with that name; wrapped, it is a key as any other."""
    refused = rpc.refused(method, params)
    assert (refused.code, refused.data["code"]) == (-32602, "invalid_argument")
    assert f'did you mean "{meant}"?' in refused.data["message"]
    head = rpc.call("config/get")
    assert (head["config"], head["generation"]) == (BEFORE, 1)
    assert rpc.call("config/set", config={"configs": 1})["config"] == {"configs": 1}


def test_direct_schema(rpc):
    """A schema may stand for itself too, like everything that HTTP takes as a whole body."""
    assert rpc.call("schema/set", {"type": "object", "required": ["agent"]})["generation"] == 2
    assert rpc.call("schema/get") == {"type": "object", "required": ["agent"]}
    assert rpc.refused("config/set", {"a": 1}).code == -32044


def test_validate_is_not_direct(rpc):
    """Where a whole is optional it is given by name: without it something else is asked for."""
    assert rpc.call("config/validate") == {"valid": True, "violations": []}
    assert rpc.refused("config/validate", {"a": 1}).code == -32602
