"""
etcd's questions as its JSON gateway takes them, and what its answers mean.

Decides nothing.  Keys and values are in base64, and whole numbers are texts, as in every JSON made of protocol buffers.
"""

from __future__ import annotations

from base64 import b64decode, b64encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, NamedTuple

    Operation = str
    Comparison = str
else:
    from typing import NamedTuple

RANGE, TRANSACTION, WATCH = "/v3/kv/range", "/v3/kv/txn", "/v3/watch"


class Found(NamedTuple):
    """One key as it was at the point that was read."""

    key: str
    value: bytes
    created: int
    """The revision of the server's at which it was put first."""
    version: int
    """The revision at which it was put last."""


class Part(NamedTuple):
    """What one operation of a transaction came to."""

    found: Sequence[Found]
    is_all: bool
    """Whether the limit left nothing out."""
    number: int
    """Of the keys that there are, or that were deleted."""


class Outcome(NamedTuple):
    """What a transaction came to."""

    revision: int
    succeeded: bool
    parts: Sequence[Part]


def coded(text: str | bytes) -> str:
    """As the gateway takes keys and values."""
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


def range_of(
    key: str,
    end: str | None = None,
    *,
    revision: int = 0,
    limit: int = 0,
    only_keys: bool = False,
    only_count: bool = False,
) -> Operation:
    """The key, or all from it up to before *end*, by name; at *revision*, or now."""
    fields = f'"key":"{coded(key)}"'
    if end is not None:
        fields += f',"range_end":"{coded(end)}"'
    if revision:
        fields += f',"revision":"{revision}"'
    if limit:
        fields += f',"limit":"{limit}"'
    if only_keys:
        fields += ',"keys_only":true'
    if only_count:
        fields += ',"count_only":true'
    return f'{{"request_range":{{{fields}}}}}'


def put_of(key: str, value: bytes) -> Operation:
    """Put *value* there."""
    return f'{{"request_put":{{"key":"{coded(key)}","value":"{coded(value)}"}}}}'


def delete_of(key: str, end: str | None = None) -> Operation:
    """Take the key away, or all from it up to before *end*."""
    more = "" if end is None else f',"range_end":"{coded(end)}"'
    return f'{{"request_delete_range":{{"key":"{coded(key)}"{more}}}}}'


def is_at(key: str, version: int) -> Comparison:
    """The key was last put at that revision; 0: it is not there."""
    return f'{{"key":"{coded(key)}","target":"MOD","mod_revision":"{version}"}}'


def is_before(key: str, end: str, version: int) -> Comparison:
    """None of the keys from *key* up to before *end* was put at that revision or later."""
    return (
        f'{{"key":"{coded(key)}","range_end":"{coded(end)}","target":"MOD","result":"LESS",'
        f'"mod_revision":"{version}"}}'
    )


def transaction(
    comparisons: Iterable[Comparison],
    success: Iterable[Operation],
    failure: Iterable[Operation] = (),
) -> bytes:
    """The question that does all of *success* if every comparison holds, else all of *failure*."""
    # As json.dumps would make it of mappings, in a fifth of the time: what is coded has nothing in it to be quoted.
    return (
        f'{{"compare":[{",".join(comparisons)}],"success":[{",".join(success)}],'
        f'"failure":[{",".join(failure)}]}}'
    ).encode()


def watch_of(key: str, end: str) -> bytes:
    """The question that is answered with whatever comes to all keys from *key* up to before *end*."""
    return f'{{"create_request":{{"key":"{coded(key)}","range_end":"{coded(end)}"}}}}'.encode()


def outcome_in(answer: Mapping[str, Any]) -> Outcome:
    """What the answer to a transaction says."""
    return Outcome(
        int(answer["header"]["revision"]),
        bool(answer.get("succeeded")),
        [_part(one) for one in answer.get("responses", ())],
    )


def _part(response: Mapping[str, Any]) -> Part:
    found = response.get("response_range")
    if found is None:
        deleted = response.get("response_delete_range") or {}
        return Part((), True, int(deleted.get("deleted", 0)))
    return Part(
        [_found(one) for one in found.get("kvs", ())],
        not found.get("more", False),
        int(found.get("count", 0)),
    )


def _found(fields: Mapping[str, Any]) -> Found:
    return Found(
        b64decode(fields["key"]).decode(),
        b64decode(fields.get("value", "")),
        int(fields["create_revision"]),
        int(fields["mod_revision"]),
    )


def size_of(operations: Iterable[Operation]) -> int:
    """About how many bytes *operations* are for the server, once nothing is in base64 any more."""
    return sum(map(len, operations)) * 3 // 4
