"""
What schemathesis is told besides the OpenAPI document; loaded by it, in its own environment.

Decides three things.  What no schema can say of a request is put right in one that is to be understood, so that a
refusal of such a request is always a finding.  Nobody who asks ends the token that they ask with, or waits for long.
And each answer is put down in the file that REALMCONF_CONTRACT_TALLY names.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import re
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

TALLY = Path(os.environ["REALMCONF_CONTRACT_TALLY"])
OWN_TOKEN = os.environ["REALMCONF_CONTRACT_TOKEN_ID"]
ASKING = {"Authorization": f"Bearer {os.environ['REALMCONF_CONTRACT_TOKEN']}"}
NOBODYS_TOKEN = "t-000000000000"
IF_MATCH, IF_NONE_MATCH, IDEMPOTENCY_KEY = "If-Match", "If-None-Match", "Idempotency-Key"
SECTIONS = frozenset({"agent", "tools", "limits"})
"""Some of Meerkat's: enough that direct bodies are sent too."""
SHORT_WAIT = "0.05s"
TOKEN_SECONDS_MIN = 600
PLACE = "agent.model"
TOML = "application/toml"
TOML_TEXTS = ("", "a = 1\n", 'agent = { model = "m" }\n', "[limits]\ntokens = [1, 2.5, true]\n")
UNKNOWN = "x-schemathesis-unknown-property"
NUMBERS = itertools.count()
KEY = re.compile(r"[!#-\[\]-~]{1,128}")
# Which letters a dotted path may have is a matter of Unicode, and quoted keys one of TOML's escapes.
PLAIN_PATH = re.compile(r"(/.*)?|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", re.DOTALL)


def before_call(_: Any, case: Any, **__: Any) -> None:
    """Put right what is about to be asked."""
    if case.path_parameters.get("id") == OWN_TOKEN:
        case.path_parameters["id"] = NOBODYS_TOKEN
    query = case.query
    if re.fullmatch(r"[0-9.]+[sm]?", str(query.get("wait", ""))):
        query["wait"] = SHORT_WAIT
    number = next(NUMBERS)
    is_positive = case.meta is not None and case.meta.generation.mode.is_positive
    if number % 8 or not is_positive:
        _rename(case, f"w-{number}")
    if not is_positive:
        return
    if case.media_type == TOML:
        case.body = case.body if _is_toml(case.body) else TOML_TEXTS[number % len(TOML_TEXTS)]
    elif isinstance(case.body, (dict, list)):
        case.body = _writable(case.body)
    if case.operation.path == "/config" and isinstance(case.body, dict):
        case.body = _wrapped(case.method, case.body)
    body = (
        case.body if isinstance(case.body, dict) and case.media_type == "application/json" else {}
    )
    _agree(query, case.headers, body)
    _compare(query, case.headers, body)
    _read(query, case.path_parameters)
    for place in (query, body, *_parts(body)):
        _dot(place)
        _write_whole_numbers(place)
    if isinstance(body.get("expires"), (int, float)):
        # So that a token that was just made is still there when it is asked for.
        body["expires"] = max(body["expires"], TOKEN_SECONDS_MIN)
    if "realm" in case.path_parameters and case.method != "GET" and number % 4:
        _know(case, query, body)


def filter_failure(_: Any, failure: Any, case: Any, __: Any) -> bool:
    """No token was made under the id that stands for the own one."""
    is_missed = type(failure).__name__ == "EnsureResourceAvailability"
    return not (is_missed and case.path_parameters.get("id") == NOBODYS_TOKEN)


def _rename(case: Any, write_id: str) -> None:
    """Give a write an id of its own: else each would be the retry of another request."""
    data = None if case.meta is None else case.meta.phase.data
    if getattr(data, "parameter", None) == "Authorization" or UNKNOWN in case.headers:
        # What is wrong with these is undone by any change of their headers.
        return
    stated = case.headers.get(IDEMPOTENCY_KEY, "")
    again = case.body.get("write_id") if isinstance(case.body, dict) else None
    if KEY.fullmatch(stated) and again in (None, stated):
        case.headers[IDEMPOTENCY_KEY] = write_id
        if again is not None:
            case.body["write_id"] = write_id


def _know(case: Any, query: dict[str, Any], body: dict[str, Any]) -> None:
    """Write as who has read before: what is expected is so."""
    expected = [place for place in (query, body) if place.get("expected_generation") is not None]
    tags = case.headers.get(IF_MATCH, "*") != "*"
    if not expected and not tags and body.get("expected") is None:
        return
    path = urllib.parse.quote(str(case.path_parameters["realm"]), safe="")
    asked = urllib.request.Request(
        f"{case.operation.base_url}/v1/realms/{path}/config", headers=ASKING
    )
    try:
        with urllib.request.urlopen(asked) as answer:
            etag = answer.headers["ETag"]
    except urllib.error.HTTPError as refusal:
        etag = refusal.headers["ETag"]
    found = re.match('"(([0-9]+)-[0-9a-f]+)', etag or "")
    if found is None:
        return
    if tags:
        case.headers[IF_MATCH] = etag
    if body.get("expected") is not None:
        body["expected"] = found[1]
    for place in expected:
        place["expected_generation"] = int(found[2])


def after_call(_: Any, case: Any, response: Any) -> None:
    """Put down what was answered."""
    mode = None if case.meta is None else case.meta.generation.mode.value
    phase = None if case.meta is None else case.meta.phase.name.value
    line = {
        "operation": case.operation.label,
        "method": case.method,
        "mode": mode,
        "phase": phase,
        "status": response.status_code,
    }
    if response.status_code >= 400:
        try:
            line["code"] = json.loads(response.content)["code"]
        except (ValueError, KeyError, TypeError):
            line["code"] = ""
    with TALLY.open("a", encoding="utf-8") as tally:
        tally.write(json.dumps(line) + "\n")


# --- what no schema can say -----------------------------------------------------------------------


def _agree(query: dict[str, Any], headers: Any, body: dict[str, Any]) -> None:
    """What is stated twice must agree: state it once."""
    for name in query.keys() & body.keys():
        del query[name]
    stated = {
        IDEMPOTENCY_KEY: ("write_id",),
        IF_NONE_MATCH: ("create", "must_exist"),
        IF_MATCH: ("create", "must_exist", "expected", "expected_generation"),
    }
    for header, names in stated.items():
        if header in headers:
            for name in names:
                body.pop(name, None)
                query.pop(name, None)
    if headers.get(IF_MATCH) == "*":
        headers.pop(IF_NONE_MATCH, None)
    if body.get("expected") is not None:
        body.pop("expected_generation", None)
        query.pop("expected_generation", None)


def _compare(query: dict[str, Any], headers: Any, body: dict[str, Any]) -> None:
    """Who rebases says from where, and who depends on something rebases."""
    matches = headers.get(IF_MATCH, "*") != "*"
    for part in _parts(body):
        if part.get("expected") is not None:
            part.pop("expected_generation", None)
    expects = any(
        place.get(name) is not None
        for place in (query, body)
        for name in ("expected", "expected_generation")
    )
    if not expects and not matches:
        for place in (query, body):
            place.pop("on_conflict", None)
    if "rebase" not in (query.get("on_conflict"), body.get("on_conflict")):
        for place in (query, body):
            place.pop("depends_on", None)


def _read(query: dict[str, Any], path: dict[str, Any]) -> None:
    """What is waited for is now, and a cursor is one of the realm and view that are asked for."""
    after = query.get("after")
    if after is None:
        query.pop("wait", None)
        return
    if "realm" not in path:
        return
    query.pop("at", None)
    if str(after).startswith("e:"):
        query["view"] = "effective"
        query["after"] = re.sub(r"(?<=e:)[^@]+", path["realm"], str(after))


def _wrapped(method: str, body: dict[str, Any]) -> dict[str, Any]:
    """Sent directly are only sections of Meerkat's; any other key may be one that the realm has not."""
    member = "config" if method == "PUT" else "patch"
    is_direct = not body.keys() & {member, "expected_generation"}
    return {member: body} if is_direct and body.keys() - SECTIONS else body


def _dot(place: dict[str, Any]) -> None:
    """A path is of plain keys."""
    for name in ("path", "depends_on", "paths", "unset"):
        if isinstance(place.get(name), str):
            place[name] = _plain(place[name])
        elif isinstance(place.get(name), list):
            place[name] = [_plain(one) for one in place[name]]
    if isinstance(place.get("set_value"), dict):
        place["set_value"] = {_plain(path): value for path, value in place["set_value"].items()}


def _write_whole_numbers(place: dict[str, Any]) -> None:
    """A whole number is written as one; to JSON Schema 1.0 is one too."""
    for name in ("to", "rollback", "expected_generation"):
        if isinstance(place.get(name), float):
            place[name] = int(place[name])
    policy = place.get("policy")
    if isinstance(policy, dict) and isinstance(policy.get("history_keep"), float):
        policy["history_keep"] = int(policy["history_keep"])


def _writable(value: Any) -> Any:
    """And one of more than 64 bits with an exponent."""
    if type(value) is int and not -(2**63) <= value < 2**63:
        return float(value)
    if isinstance(value, list):
        return [_writable(one) for one in value]
    if isinstance(value, dict):
        return {key: _writable(one) for key, one in value.items()}
    return value


def _is_toml(text: Any) -> bool:
    try:
        tomllib.loads(text)
    except (ValueError, TypeError):
        return False
    return True


def _plain(path: str) -> str:
    return path if PLAIN_PATH.fullmatch(path) else PLACE


def _parts(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a transaction, each of a realm of its own."""
    if not isinstance(body.get("parts"), list):
        return []
    body["parts"] = list({part["realm"].lower(): part for part in body["parts"]}.values())
    return body["parts"]  # type: ignore[no-any-return]


# --- what it cannot make up -----------------------------------------------------------------------

# It is there in its own environment alone, and has no types that a checker of this project could see.
schemathesis: Any = importlib.import_module("schemathesis")
some: Any = importlib.import_module("hypothesis.strategies")


def _matching(pattern: str) -> Any:
    return some.from_regex(pattern, fullmatch=True)


def _listed(one: Any) -> Any:
    return some.lists(one, min_size=1, max_size=3).map(", ".join)


def _as_text(_: Any, value: Any) -> bytes:
    # What is no text cannot be written as TOML; it is to be none.
    return (value if isinstance(value, str) else f"{json.dumps(value)} is no TOML").encode()


schemathesis.hook(before_call)
schemathesis.hook(after_call)
schemathesis.hook(filter_failure)
schemathesis.serializer(TOML)(_as_text)
FORMATS = {
    "entity-tags": _listed(_matching(r'(W/)?"[!#-\[\]-~]{0,12}"')),
    "own-entity-tags": _listed(_matching(r'"[1-9]-[0-9a-f]{12}(\.toml|\.schema|\.policy)?"')),
}
for name, strategy in FORMATS.items():
    schemathesis.openapi.format(name, strategy)
