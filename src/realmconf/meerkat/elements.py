"""
What stands inside Meerkat's sections: providers, MCP servers, hooks, skill repositories, lineage, durations.

Decides the forms that a tag or a key tells apart.
"""

from __future__ import annotations

from realmconf.meerkat.words import (
    DURATION,
    SKILL_NAME,
    UUID,
    choice,
    flag,
    listed,
    mapped,
    secret,
    table,
    text,
    u64,
    whole,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.meerkat.words import Said

HOOK_POINTS = (
    "run_started",
    "run_completed",
    "run_failed",
    "pre_llm_request",
    "post_llm_response",
    "pre_tool_execution",
    "post_tool_execution",
    "turn_boundary",
)
HOOK_RUNTIME = {"type": "in_process", "name": "noop"}
I32_MAX = 2**31 - 1
NANOS_MAX = 2**32 - 1
"""More than a second of them are carried over."""

CLOSED = frozenset(("mcp_server", "mob_host"))
"""Where the original refuses unknown keys as well."""


def elements() -> Said:
    """What the sections refer to, by name."""
    return {
        "duration": {
            "type": "string",
            "pattern": DURATION,
            "description": "A length of time such as 500ms, 30s, 10m or 1m 30s.",
        },
        "duration_or_milliseconds": {
            "anyOf": [
                {"$ref": "#/$defs/duration"},
                u64(),
            ],
            "description": "A length of time such as 45m, or milliseconds as an integer.",
        },
        "seconds_and_nanos": table(
            {"secs": u64("Seconds."), "nanos": whole(NANOS_MAX, "Nanoseconds besides.")},
            required=("secs", "nanos"),
        ),
        "uuid": {"type": "string", "pattern": UUID, "description": "A UUID."},
        "skill_name": {
            "type": "string",
            "pattern": SKILL_NAME,
            "description": "Small letters, digits, and single dashes between them.",
        },
        "provider": _provider(),
        "mcp_server": _mcp_server(),
        "hook": _hook(),
        "skill_repository": _skill_repository(),
        **_identity(),
    }


def _tagged(
    tag: str, forms: dict[str, tuple[Said, tuple[str, ...]]], common: Said | None = None
) -> Said:
    """One of *forms*, each with its properties and the required ones, told apart by the text at *tag*."""
    shared = common or {}
    return {
        "type": "object",
        "anyOf": [
            table(
                {**shared, tag: {"const": name}, **properties},
                required=(*shared, tag, *required),
            )
            for name, (properties, required) in forms.items()
        ],
    }


def _provider() -> Said:
    key, url = secret("The key."), text("Another address than the provider's own.")
    forms: dict[str, tuple[Said, tuple[str, ...]]] = {
        "anthropic": ({"api_key": key, "base_url": url}, ()),
        "openai": ({"api_key": key, "base_url": url}, ()),
        "gemini": ({"api_key": key}, ()),
    }
    return {
        **_tagged("type", forms),
        "description": "The provider; a realm that states one takes nothing of an inherited one.",
        # A key must not come to stand beside the name of another provider than its own.
        "x-merge": "replace",
    }


def _mcp_server() -> Said:
    name = text("Its name.")
    return {
        "type": "object",
        "if": {"required": ["url"]},
        "then": table(
            {
                "name": name,
                "url": text("Its address."),
                "headers": mapped(secret(), default={}),
                "transport": choice("streamable-http", "sse"),
            },
            required=("name", "url"),
        ),
        "else": table(
            {
                "name": name,
                "command": text("The program that is started."),
                "args": listed(text(), default=[]),
                "env": mapped(secret(), default={}),
            },
            required=("name", "command"),
        ),
    }


def _hook() -> Said:
    return table(
        {
            "id": text("Its name.", default="hook"),
            "enabled": flag(default=True),
            "point": choice(
                *HOOK_POINTS, description="When it is called.", default="turn_boundary"
            ),
            "mode": choice(
                "foreground",
                "background",
                description="Whether the agent waits for it.",
                default="foreground",
            ),
            "capability": choice(
                "observe",
                "guardrail",
                "rewrite",
                description="What its answer may do.",
                default="observe",
            ),
            "priority": whole(
                I32_MAX, "The lower, the earlier.", minimum=-I32_MAX - 1, default=100
            ),
            "failure_policy": choice(
                "fail_open", "fail_closed", description="What its failure means."
            ),
            "timeout_ms": u64("Milliseconds it may take."),
            "runtime": {
                "type": "object",
                "properties": {"type": text("Of which kind: in_process, command, http.")},
                "required": ["type"],
                "description": "What is called; all but type is for the program that calls it.",
                "default": HOOK_RUNTIME,
            },
        }
    )


def _skill_repository() -> Said:
    seconds = u64("Seconds it may take.", default=15)
    refresh = u64("Seconds after which it is looked at again.", default=300)
    forms: dict[str, tuple[Said, tuple[str, ...]]] = {
        "filesystem": ({"path": text()}, ("path",)),
        "stdio": (
            {
                "command": text(),
                "args": listed(text(), default=[]),
                "cwd": text(),
                "env": mapped(secret(), default={}),
                "timeout_seconds": seconds,
            },
            ("command",),
        ),
        "http": (
            {
                "url": text(),
                "auth_header": secret(),
                "auth_token": secret(),
                "refresh_seconds": refresh,
                "timeout_seconds": seconds,
            },
            ("url",),
        ),
        "git": (
            {
                "url": text(),
                "git_ref": text(default="main"),
                "ref_type": choice("branch", "tag", "commit", default="branch"),
                "skills_root": text(),
                "auth_token": secret(),
                "ssh_key": secret(),
                "refresh_seconds": refresh,
                "depth": u64(default=1),
            },
            ("url",),
        ),
    }
    return _tagged("type", forms, {"name": text(), "source_uuid": {"$ref": "#/$defs/uuid"}})


def _identity() -> Said:
    uuid: Said = {"$ref": "#/$defs/uuid"}
    key: Said = {"$ref": "#/$defs/skill_key"}
    moved: tuple[Said, tuple[str, ...]] = ({"from": uuid, "to": uuid}, ("from", "to"))
    events: dict[str, tuple[Said, tuple[str, ...]]] = {
        "rename_or_relocate": moved,
        "rotate": moved,
        "split": ({"from": uuid, "into": listed(uuid)}, ("from", "into")),
        "merge": ({"from": listed(uuid), "to": uuid}, ("from", "to")),
    }
    return {
        "skill_key": table(
            {"source_uuid": uuid, "skill_name": {"$ref": "#/$defs/skill_name"}},
            required=("source_uuid", "skill_name"),
        ),
        "lineage": table(
            {
                "event_id": text(),
                "recorded_at_unix_secs": u64(),
                "required_from_skills": listed({"$ref": "#/$defs/skill_name"}, default=[]),
                "event": _tagged("event", events),
            },
            required=("event_id", "recorded_at_unix_secs", "event"),
        ),
        "remap": table({"from": key, "to": key, "reason": text()}, required=("from", "to")),
        "alias": table({"alias": text(), "to": key}, required=("alias", "to")),
    }
