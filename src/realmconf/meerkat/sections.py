"""
The sections of Meerkat's configuration, as v0.4.1 has them.

Decides their keys, types, ranges and defaults.  What an element of a list is stands in ``realmconf.meerkat.elements``,
what later releases added in ``realmconf.meerkat.later``.
"""

from __future__ import annotations

from realmconf.meerkat.words import (
    PROVIDERS,
    U16_MAX,
    anything,
    choice,
    duration,
    duration_or_milliseconds,
    flag,
    listed,
    mapped,
    number,
    secret,
    table,
    text,
    u32,
    u64,
    whole,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.meerkat.words import Said

TOKENS_DEFAULT = 16_384
ALLOWED_MODELS = {
    "anthropic": ["claude-opus-4-6", "claude-sonnet-4-5", "claude-opus-4-5"],
    "openai": ["gpt-5.2", "gpt-5.2-pro"],
    "gemini": ["gemini-3-flash-preview", "gemini-3-pro-preview"],
}
HEALTH = {
    "degraded_invalid_ratio": 0.05,
    "unhealthy_invalid_ratio": 0.4,
    "degraded_failure_streak": 3,
    "unhealthy_failure_streak": 10,
}
_OUTPUT_SCHEMA = ("schema", "name", "strict", "compat", "format")


def sections() -> Said:
    """The eighteen members of a configuration."""
    return {
        "agent": _agent(),
        "provider": {"$ref": "#/$defs/provider", "default": {"type": "anthropic"}},
        "storage": table(
            {"directory": text("Where files of sessions are kept.")},
            description="Storage in files.",
        ),
        "budget": table(
            {
                "max_tokens": u64("Tokens a run may use.", minimum=1),
                "max_duration": duration_or_milliseconds("How long a run may take."),
                "max_tool_calls": u64("Calls of tools a run may make."),
            },
            description="What one run may use up.",
        ),
        "retry": _retry(),
        "tools": _tools(),
        "models": _models(),
        "max_tokens": u32("Tokens of an answer.", minimum=1, default=TOKENS_DEFAULT),
        "shell": _shell(),
        "store": table(
            {
                "sessions_path": text("Where sessions are kept."),
                "tasks_path": text("Where tasks are kept."),
                "database_dir": text("Where the servers' database of sessions is kept."),
            },
            description="Where state is kept.",
        ),
        "providers": table(
            {
                "base_urls": mapped(text(), "Addresses by provider."),
                "api_keys": mapped(secret(), "Keys by provider."),
            },
            description="Settings by provider.",
        ),
        "comms": _comms(),
        "compaction": _compaction(),
        "limits": table(
            {
                "budget": u64("Tokens a session may use.", minimum=1),
                "max_duration": duration_or_milliseconds("How long a session may take."),
            },
            description="What one session may use up.",
        ),
        "rest": table(
            {
                "host": text("The address it listens at.", default="127.0.0.1"),
                "port": whole(U16_MAX, "The port it listens at.", default=8080),
            },
            description="The server for REST.",
        ),
        "sub_agents": _sub_agents(),
        "hooks": table(
            {
                "default_timeout_ms": u64("Milliseconds a hook may take.", default=5_000),
                "payload_max_bytes": u64("Bytes a hook may be given.", default=131_072),
                "background_max_concurrency": u64("Hooks in the background at a time.", default=32),
                "entries": listed(
                    {"$ref": "#/$defs/hook"},
                    "The hooks, a parent's first.",
                    default=[],
                    **{"x-merge": "append"},
                ),
            },
            description="Programs that are asked or told while an agent runs.",
        ),
        "skills": _skills(),
    }


def _agent() -> Said:
    return table(
        {
            "system_prompt": text("What stands before every conversation."),
            "system_prompt_file": text("The file that has it instead."),
            "tool_instructions": text("What is said of tools behind the system prompt."),
            "model": text("The model.", default="claude-opus-4-6"),
            "max_tokens_per_turn": u32("Tokens of one turn.", minimum=1, default=TOKENS_DEFAULT),
            "temperature": number("How varied answers are."),
            "budget_warning_threshold": number(
                "The part of the budget at which a warning is given.", default=0.8
            ),
            "max_turns": u32("Turns after which it stops."),
            "provider_params": {"description": "Whatever the provider understands."},
            "output_schema": {
                **anything("The JSON Schema of the answer, bare or with a name and a mode."),
                "x-merge": "replace",
                "if": {"required": ["schema"], "propertyNames": {"enum": list(_OUTPUT_SCHEMA)}},
                "then": {
                    "properties": {
                        "schema": {"type": "object"},
                        "name": text(),
                        "strict": flag(),
                        "compat": choice("lossy", "strict"),
                        "format": choice("meerkat_v1"),
                    }
                },
            },
            "structured_output_retries": u32(
                "Attempts more at an answer of the wanted form.", default=2
            ),
            "extraction_prompt": text("What asks for an answer of the wanted form."),
        },
        description="The agent.",
    )


def _retry() -> Said:
    return table(
        {
            "max_retries": u32("Attempts more.", default=3),
            "initial_delay": duration("The wait before the first.", default="500ms"),
            "max_delay": duration("The longest wait.", default="30s"),
            "multiplier": number("How much longer each wait is.", default=2.0),
        },
        description="What is done when a provider fails.",
    )


def _tools() -> Said:
    switches = ("builtins", "shell", "comms", "subagents", "mob")
    return table(
        {
            "mcp_servers": listed(
                {"$ref": "#/$defs/mcp_server", "x-merge": "replace"},
                "MCP servers; one of the same name replaces the inherited one.",
                default=[],
                **{"x-merge-key": "name"},
            ),
            "default_timeout": duration("How long a tool may take.", default="10m"),
            "tool_timeouts": mapped(
                {"$ref": "#/$defs/seconds_and_nanos", "x-merge": "replace"},
                "How long one tool may take, as {secs = N, nanos = N}.",
                default={},
            ),
            "max_concurrent": u64("Tools at a time.", default=10),
            **{
                f"{one}_enabled": flag(f"Whether {one} may be used.", default=False)
                for one in switches
            },
        },
        description="Tools.",
    )


def _models() -> Said:
    return table(
        {
            "anthropic": text("Anthropic's.", default="claude-opus-4-6"),
            "openai": text("OpenAI's.", default="gpt-4.1"),
            "gemini": text("Google's.", default="gemini-1.5-pro"),
        },
        description="The model of each provider.",
    )


def _shell() -> Said:
    # Filled in beside an allowlist, either would outweigh it and let every command through.
    unless = {"x-default-unless": "allowlist"}
    # A parent's mode beside a child's allowlist would let every command through.
    only_listed: Said = {
        "if": {"required": ["allowlist"]},
        "then": {"properties": {"security_mode": {"enum": ["allow_list"]}}},
    }
    return table(
        {
            "program": text("The shell.", default="nu"),
            "timeout_secs": u64("Seconds a command may take.", default=30),
            "security_mode": choice(
                "unrestricted",
                "allow_list",
                "deny_list",
                description="Which commands are let through.",
                default="unrestricted",
                **unless,
            ),
            "security_patterns": listed(
                text(),
                "Patterns of the commands that are allowed or denied.",
                default=[],
                **unless,
            ),
            "allowlist": listed(
                text(),
                "Another name of security_patterns, and allow_list where no security_mode is stated.",
            ),
        },
        description="The shell for commands.",
        **only_listed,
    )


def _comms() -> Said:
    return table(
        {
            "mode": choice(
                "inproc", "tcp", "uds", description="How agents reach each other.", default="inproc"
            ),
            "address": text("Where other agents are listened to."),
            "auth": choice(
                "none", "ed25519", description="How agents prove who they are.", default="none"
            ),
            "require_peer_auth": flag("Whether agents must prove who they are.", default=True),
            "event_address": text("Where events are listened to."),
            "auto_enable_for_subagents": flag("Whether sub-agents have it too.", default=False),
        },
        description="Messages between agents.",
    )


def _compaction() -> Said:
    return table(
        {
            "auto_compact_threshold": u64(
                "Tokens of a turn at which it starts.", minimum=1, default=100_000
            ),
            "recent_turn_budget": u64("Turns that are kept as they are.", minimum=1, default=4),
            "max_summary_tokens": u32("Tokens of the summary.", minimum=1, default=4_096),
            "min_turns_between_compactions": u32("Turns between two.", minimum=1, default=3),
        },
        description="Long conversations made shorter.",
    )


def _sub_agents() -> Said:
    models = listed({"type": "string", "not": {"const": "*"}}, minItems=1)
    return table(
        {
            "default_provider": choice(
                "inherit",
                *PROVIDERS,
                description="The provider; inherit is the parent agent's.",
                default="inherit",
            ),
            "default_model": text("The model; inherit is the parent agent's.", default="inherit"),
            "allowed_models": {
                **mapped(listed(text()), "The models that sub-agents may use, by provider."),
                "properties": dict.fromkeys(PROVIDERS, models),
                "required": list(PROVIDERS),
                "default": ALLOWED_MODELS,
                # A part of it is refused by the original, in the file of whichever realm states it.
                "x-merge": "replace",
            },
        },
        description="Agents that an agent starts.",
    )


def _skills() -> Said:
    appended = {"default": [], "x-merge": "append"}
    return table(
        {
            "enabled": flag("Whether there are any.", default=True),
            "max_injection_bytes": u64("Bytes that skills may add.", default=32_768),
            "inventory_threshold": u64("Skills that are still listed one by one.", default=12),
            "repositories": listed(
                {"$ref": "#/$defs/skill_repository", "x-merge": "replace"},
                "Where skills come from; one of the same source_uuid replaces the inherited one.",
                default=[],
                **{"x-merge-key": "source_uuid"},
            ),
            "health_thresholds": table(
                {
                    "degraded_invalid_ratio": number(),
                    "unhealthy_invalid_ratio": number(),
                    "degraded_failure_streak": u32(),
                    "unhealthy_failure_streak": u32(),
                },
                required=tuple(HEALTH),
                description="When a repository counts as degraded or unhealthy; all four or none.",
                default=HEALTH,
                **{"x-merge": "replace"},
            ),
            "identity": table(
                {
                    "lineage": listed(
                        {"$ref": "#/$defs/lineage"}, "What became of repositories.", **appended
                    ),
                    "remaps": listed(
                        {"$ref": "#/$defs/remap"}, "Skills under another key.", **appended
                    ),
                    "aliases": listed(
                        {"$ref": "#/$defs/alias"}, "Other names of skills.", **appended
                    ),
                },
                description="What repositories and skills were before.",
            ),
        },
        description="Skills.",
    )
