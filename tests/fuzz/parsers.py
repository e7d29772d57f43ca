"""
What reads something that others wrote: one function of bytes each, and texts that are almost right.

A function returns when what it was given is accepted, having checked that it means the same when it is written and
read again; it raises ``RealmconfError`` when it is refused. Whatever else comes out of it is a finding.
"""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from realmconf.domain.archive import header_line, read_archive, revision_line, schema_line
from realmconf.domain.document import same
from realmconf.domain.edit import edited, transformed
from realmconf.domain.jsonpatch import apply_operations, check_operations
from realmconf.domain.jsontext import parse_json
from realmconf.domain.names import LIMITS, RealmName
from realmconf.domain.patch import check_patch, derive, merge
from realmconf.domain.pointer import Pointer
from realmconf.domain.record import Record
from realmconf.domain.schemas.schema import check_schema, schema_digest, violations
from realmconf.domain.toml import parse_toml, render
from realmconf.domain.wire import command_fields, command_from, conditions_from
from realmconf.domain.workfile import Observation, judge
from realmconf.domain.write import Edit
from realmconf.errors import InvalidArgument, RealmconfError
from realmconf.meerkat.durations import format_duration, parse_duration
from realmconf.meerkat.manifest import parse_manifest
from realmconf.runtime import arguments
from realmconf.runtime.follow import parse_after
from realmconf.stores.protocol import Head
from realmconf.stores.registry import public_url, split_url
from realmconf.surfaces.cli import values
from realmconf.testing.conformance.base import next_revision

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

AGENT: dict[str, Any] = {
    "agent": {"model": "m-1", "budget": 0.8, "tools": ["a", "b"], "é ü": "naïve"},
    "retry": {"max": 3, "delay": "500ms"},
    "servers": [{"name": "one", "port": 80}, {"name": "two", "port": 443}],
    "": {"": True},
}
TOML = b"""# realmconf: team, generation 3
title = "caf\\u00e9"
'quoted key'.inner = 'raw \\ text'
when = 2026-08-07T12:00:00.5Z
date = 1979-05-27
big = 9223372036854775807
hex = 0xFF
float = -1.5e-3
list = [1, 2, # a comment
  3]
text = \"\"\"
several
lines\"\"\"

[agent]
model = "m-1"
inline = { a = 1, "b.c" = [ { d = true } ] }

[[servers]]
name = "one"
[servers.more]
port = 80

[[servers]]
name = "two"
"""
SCHEMA = {
    "$defs": {"port": {"type": "integer", "minimum": 1, "maximum": 65535}},
    "type": "object",
    "properties": {
        "agent": {
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "array"]},
        },
        "servers": {"type": "array", "items": {"properties": {"port": {"$ref": "#/$defs/port"}}}},
    },
    "patternProperties": {"^x-": {"pattern": "^[a-z]*$"}},
    "anyOf": [{"required": ["agent"]}, {"not": {"required": ["retry"]}}],
}
_HAS_PASSWORD = re.compile(r"[a-z]+://(ada:hunter2@[a-z.]|[a-z]+/v1\?token=hunter2)")


class Parser(Record):
    """One reader: a function, or what has one as long as something is open."""

    seeds: tuple[bytes, ...]
    read: Callable[[bytes], object] | None = None
    opens: Callable[[], AbstractContextManager[Callable[[bytes], object]]] | None = None
    words: tuple[bytes, ...] = ()
    """What means something there, put in at any place."""

    def opened(self) -> AbstractContextManager[Callable[[bytes], object]]:
        """The function, as long as the block runs."""
        if self.opens is not None:
            return self.opens()
        assert self.read is not None
        return nullcontext(self.read)


def _text(raw: bytes) -> str:
    # As a terminal or a socket gives it: bytes that are no text arrive as lone surrogates.
    return raw.decode("utf-8", "surrogateescape")


def _json(raw: bytes) -> Any:
    # Of whatever shape, also such as no document may have: what is behind it decides.
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise InvalidArgument("no JSON") from None


def toml(raw: bytes) -> None:
    document = parse_toml(raw).document
    written = render(document)
    assert same(parse_toml(written).document, document)


def toml_edit(raw: bytes) -> None:
    """Edit a text that others wrote; the result states what was wanted."""
    document = parse_toml(raw).document
    text = raw.decode()
    wanted = edited(
        document, Edit(assignments=((Pointer(("added",)), {"x": [1, {"y": 2}]}),), removals=())
    )
    wanted = {key: value for key, value in wanted.items() if key != min(wanted)}
    assert same(parse_toml(render(wanted, text=text)).document, wanted)


def working_copy(raw: bytes) -> None:
    judge(
        Observation(
            realm="team", text=raw, known=(), head=AGENT, head_generation=3, seen_generation=2
        ),
        lambda generation: None,
    )


def json_text(raw: bytes) -> None:
    value = parse_json(raw)
    assert same(parse_json(json.dumps(value)), value)


def merge_patch(raw: bytes) -> None:
    patch = check_patch(_json(raw))
    after = merge(AGENT, patch)
    assert same(merge(AGENT, derive(AGENT, after)), after)


def json_patch(raw: bytes) -> None:
    apply_operations(AGENT, check_operations(_json(raw)))


def pointer(raw: bytes) -> None:
    found = Pointer.parse(_text(raw))
    assert Pointer.parse_json_pointer(str(found)) == found
    if found:
        assert Pointer.parse(found.dotted) == found
    found.resolve(AGENT)


def realm_name(raw: bytes) -> None:
    name = RealmName(_text(raw))
    assert RealmName(str(name)) == name
    assert name.isascii()


def archive(raw: bytes) -> None:
    for entry in read_archive(_text(raw).splitlines()):
        assert entry.realm


def schema(raw: bytes) -> None:
    found = check_schema(_json(raw))
    violations(schema_digest(found), found, AGENT)


def command(raw: bytes) -> None:
    found = _json(raw)
    made = command_from(found, limits=LIMITS)
    conditions_from(found, limits=LIMITS)
    assert command_fields(made)["do"] == found["do"]
    transformed(made, AGENT)


def cursor(raw: bytes) -> None:
    text = _text(raw)
    _any_of(
        lambda: arguments.etag(text),
        lambda: parse_after(RealmName("team"), text, view="own", limits=LIMITS),
        lambda: parse_after(RealmName("team"), text, view="effective", limits=LIMITS),
    )


def command_line(raw: bytes) -> None:
    text = _text(raw)
    _any_of(
        *(
            lambda read=read: read(text)
            for read in (values.generation, values.port, values.seconds, values.duration)
        )
    )


def _any_of(*readers: Callable[[], object]) -> None:
    """Try each; refused is what all refuse."""
    refusals = []
    for read in readers:
        try:
            read()
        except RealmconfError as refusal:
            refusals.append(refusal)
    if len(refusals) == len(readers):
        raise refusals[0]


def url(raw: bytes) -> None:
    text = _text(raw)
    if _HAS_PASSWORD.match(text) and text.count("hunter2") == 1:
        assert "hunter2" not in public_url(text), "a password is shown"
        try:
            split_url(text)
        except RealmconfError as refusal:
            said = str(refusal)
        else:
            said = ""
        assert "hunter2" not in said, "a password is in an error"
    split_url(text)


def duration(raw: bytes) -> None:
    try:
        found = parse_duration(_text(raw))
    except ValueError as refusal:
        # As a validator of a model has it.
        raise InvalidArgument(str(refusal)) from None
    assert parse_duration(format_duration(found)) == found


def manifest(raw: bytes) -> None:
    parse_manifest(raw)


def _archive() -> bytes:
    team = RealmName("team")
    lines = [header_line(), schema_line(team, schema_digest(SCHEMA), SCHEMA)]
    head = Head(realm=team, revision=None)
    for number, document in enumerate((AGENT, {"a": 1}, None), start=1):
        revision = next_revision(head, document, write_id=f"w-{number}")
        lines.append(revision_line(team, revision))
        head = Head(realm=team, revision=revision)
    return "\n".join(lines).encode()


def _dumped(value: object) -> bytes:
    return json.dumps(value).encode()


_AGENT = _dumped(AGENT)
_JSON_WORDS = (
    b"null", b"true", b"1e999", b"-0", b"NaN", b"9223372036854775808", b'"\\ud800"', b'"\\u0000"', b"[", b"]", b"{",
    b"}", b":", b",", b'"', b"\\", b'{"a":', b"[[[[[[[[[[[[[[[[", b'"a":1,"a":2', b"1.0", b"\xff",
    b"\xef\xbb\xbf", b" " * 64,
)  # fmt: skip
_TOML_WORDS = (
    b"[[", b"]]", b"[a]\n", b"[[a]]\n", b"a.b.c = 1\n", b"'''", b'"""', b"\\u", b"\\U0010ffff", b"= {", b"}", b"inf",
    b"nan", b"0x", b"1_000", b"1979-05-27", b"T25:00:00Z", b"9" * 40, b"#", b"\r", b"\x00", b"\xff", b"\xef\xbb\xbf",
    b"a = [" * 20, b"a." * 100, b"<<<<<<< yours\n", b"=======\n", b"# realmconf: team, generation 2\n",
    b"# realmconf: team, generation 9999999999999999\n", b"\x1b[31m", b"\xe2\x80\xae",
)  # fmt: skip
_PATCH_WORDS = (
    b'{"op":"add","path":"/agent/x","value":1}', b'"op":"move","from":"/agent",', b'"path":"/servers/-"',
    b'"path":"/servers/01"', b'"path":""', b'"op":"test"', b"~2", b"~0~1", b"/-1", b"/" * 200,
)  # fmt: skip
_SCHEMA_WORDS = (
    b'"$ref":"#"', b'"$ref":"http://example.com/s"', b'"pattern":"(a+)+$"', b'"pattern":"["', b'"type":"nope"',
    b'"minimum":1e400', b'"$dynamicRef":"#x"', b'"$anchor":"x"', b'"allOf":[{"$ref":"#"}]', b'"enum":[]',
    b'"const":null',
    b'"x-realmconf-merge":"append"', b'"unevaluatedProperties":false', b'"$id":"x"', b'"$defs":{"a":true}',
)  # fmt: skip

PARSERS: dict[str, Parser] = {
    "toml": Parser(read=toml, seeds=(TOML, b"", b"a = 1\n"), words=_TOML_WORDS),
    "toml_edit": Parser(read=toml_edit, seeds=(TOML, b"a.b = [1]\n[c]\n"), words=_TOML_WORDS),
    "working_copy": Parser(
        read=working_copy,
        seeds=(TOML, b"# realmconf: team, generation 3\na = 1\n"),
        words=_TOML_WORDS,
    ),
    "json": Parser(read=json_text, seeds=(_AGENT, b"[]", b'{"a": [1, {"b": null}]}'), words=_JSON_WORDS),
    "merge_patch": Parser(
        read=merge_patch,
        seeds=(_AGENT, b'{"agent": {"model": null, "new": {"x": [1]}}, "servers": null}'),
        words=_JSON_WORDS,
    ),
    "json_patch": Parser(
        read=json_patch,
        seeds=(
            _dumped(
                [
                    {"op": "add", "path": "/servers/-", "value": {"name": "x"}},
                    {"op": "test", "path": "/retry/max", "value": 3},
                    {"op": "move", "from": "/agent/model", "path": "/m"},
                    {"op": "copy", "from": "/servers/0", "path": "/one"},
                    {"op": "remove", "path": "/agent/tools/1"},
                    {"op": "replace", "path": "/", "value": 1},
                ]
            ),
        ),
        words=(*_PATCH_WORDS, *_JSON_WORDS),
    ),
    "pointer": Parser(
        read=pointer,
        seeds=(b"/agent/tools/0", b"agent.model", b"hosts.\"a.b\".'c d'.port", b"/a~1b/~0", b""),
        words=(b"~", b"~2", b"/", b".", b'"', b"'", b"\\u00e9", b"\\ud800", b"\x00", b"/" * 300, b"a." * 300, b"-"),
    ),
    "realm_name": Parser(
        read=realm_name,
        seeds=(b"team", b"agent-7_x", b"workspace-0123456789abcdef", b"01890a5d-ac96-774b-bcce-b302099a8057"),
        words=(b"..", b"/", b"\\", b"\x00", b"CON", b"con", b"~", b"_", b"-", b"\xe2\x80\xae", b"a" * 65, b" ", b"."),
    ),
    "archive": Parser(read=archive, seeds=(_archive(),), words=(b"\n", *_JSON_WORDS)),
    "schema": Parser(
        read=schema,
        seeds=(_dumped(SCHEMA), b'{"type": "object"}', b"true"),
        words=(*_SCHEMA_WORDS, *_JSON_WORDS),
    ),
    "command": Parser(
        read=command,
        seeds=(
            _dumped(
                {
                    "do": "edit",
                    "assignments": [["/agent/model", "x"], ["/servers/-", 1]],
                    "removals": ["/retry"],
                    "kind": "set",
                }
            ),
            _dumped(
                {
                    "do": "json_patch",
                    "operations": [{"op": "remove", "path": "/agent"}],
                    "expected": [3, "0123456789abcdef"],
                }
            ),
            b'{"do": "policy", "changes": {"history_keep": 5}}',
            b'{"do": "rollback", "to": 2, "on_conflict": "rebase", "expected": [3, null], "depends_on": ["/a"]}',
        ),
        words=(b'"do":"set"', b'"document":{}', *_PATCH_WORDS, *_JSON_WORDS),
    ),
    "cursor": Parser(
        read=cursor,
        seeds=(b"5-0123456789ab", b"0-none", b"e:team@5-0123456789ab,base@2-ba9876543210", b"12"),
        words=(b"@", b",", b"-", b":", b"99999999999999999999", b"0123456789abcdef" * 4, b"\xd9\xa5", b"e:"),
    ),
    "command_line": Parser(
        read=command_line,
        seeds=(b"17", b"0.25", b"90s", b"2w", b"65535"),
        words=(b"+", b"-", b"_", b"e", b"inf", b"nan", b"\xd9\xa5", b"9" * 5_000, b" ", b"\n"),
    ),
    "url": Parser(
        read=url,
        seeds=(
            b"sqlite:///tmp/x?working_copies=off",
            b"postgresql://ada:hunter2@db.example:5432/name?prefix=x&sslmode=require",
            b"etcd://ada:hunter2@a:2379,b:2379/prefix?ca=/x",
            b"nats://ada:hunter2@[::1]:4222/bucket",
            b"https://host/v1?token=hunter2",
            b"memory://",
        ),
        words=(b"%", b"%00", b"%ff", b"://", b"//", b"?", b"&", b"=", b"#", b"[", b"]", b"\x00", b"\n"),
    ),
    "duration": Parser(
        read=duration,
        seeds=(b"500ms", b"1h 30m", b"2days 3us", b"0", b"1month"),
        words=(b"9" * 30, b"ns", b" ", b"-", b".", b"y", b"\xc2\xb5s", b"weeks"),
    ),
    "manifest": Parser(
        read=manifest,
        seeds=(b'{"realm_id": "team", "backend": "redb", "origin": "explicit", "created_at": "0"}', b'{"format": 2}'),
        words=_JSON_WORDS,
    ),
}  # fmt: skip
