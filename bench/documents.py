"""
The configuration that is measured: a 2 KB document of an agent, and larger ones made of it.

Decides the content only.  Its shape is that of a real agent's configuration; the
values are our own.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

Document = dict[str, Any]

AGENT: Document = {
    "max_tokens": 12000,
    "agent": {
        "model": "claude-sonnet-4-5",
        "max_tokens_per_turn": 12000,
        "budget_warning_threshold": 0.75,
        "tool_instructions": "Prefer reading before editing.",
        "structured_output_retries": 3,
    },
    "provider": {
        "type": "anthropic",
        "base_url": "https://llm-proxy.internal.example/anthropic",
    },
    "budget": {"max_tokens": 400000, "max_duration": "45m", "max_tool_calls": 250},
    "retry": {
        "max_retries": 5,
        "initial_delay": "250ms",
        "max_delay": "1m 30s",
        "multiplier": 1.8,
    },
    "tools": {
        "default_timeout": "2m",
        "max_concurrent": 6,
        "builtins_enabled": True,
        "shell_enabled": True,
        "tool_timeouts": {"shell": {"secs": 90, "nanos": 0}},
        "mcp_servers": [
            {
                "name": "tickets",
                "command": "/opt/mcp/tickets",
                "args": ["--read-only"],
                "env": {"TICKETS_REGION": "eu"},
            },
            {
                "name": "wiki",
                "url": "https://wiki.example/mcp",
                "headers": {"X-Team": "platform"},
                "transport": "sse",
            },
        ],
    },
    "shell": {
        "program": "bash",
        "timeout_secs": 45,
        "security_mode": "allow_list",
        "security_patterns": ["git *", "cargo test*"],
    },
    "providers": {"api_keys": {"openai": "sk-placeholder"}},
    "comms": {"mode": "tcp", "address": "127.0.0.1:4710", "auth": "ed25519"},
    "compaction": {"auto_compact_threshold": 80000},
    "limits": {"budget": 900000, "max_duration": 7200000},
    "sub_agents": {
        "default_provider": "openai",
        "default_model": "gpt-5.2",
        "allowed_models": {
            "anthropic": ["claude-sonnet-4-5"],
            "openai": ["gpt-5.2"],
            "gemini": ["gemini-3-flash-preview"],
        },
    },
    "hooks": {
        "default_timeout_ms": 3000,
        "entries": [
            {
                "id": "deny-force-push",
                "point": "pre_tool_execution",
                "capability": "guardrail",
                "priority": 10,
                "failure_policy": "fail_closed",
                "runtime": {"type": "command", "command": "python3", "args": ["guard.py"]},
            }
        ],
    },
    "skills": {
        "inventory_threshold": 20,
        "repositories": [
            {
                "name": "team-skills",
                "source_uuid": "6f3c9a52-7c63-4c0d-9d0e-0d6a4d1f7b11",
                "type": "git",
                "url": "https://git.example/skills.git",
                "git_ref": "v3",
                "ref_type": "tag",
            }
        ],
    },
}
"""About 2 KB of canonical JSON."""

KILOBYTE = 1024
SIZES = {"2 KB": 2, "10 KB": 10, "50 KB": 50, "100 KB": 100, "1 MB": 1000}
"""Kilobytes of canonical JSON; the largest stays below the limit of 1 MiB."""


def agent(*, counter: int = 0) -> Document:
    """A copy of the 2 KB document; *counter* makes it another one."""
    document = deepcopy(AGENT)
    document["counter"] = counter
    return document


def profile(number: int) -> Document:
    """One of the parts that larger documents are made of, about 400 bytes."""
    return {
        "agent": {**AGENT["agent"], "seed": number},
        "budget": AGENT["budget"],
        "retry": AGENT["retry"],
    }


def sized(size: str, *, counter: int = 0) -> Document:
    """The agent's document with as many profiles as make it *size* (a key of ``SIZES``)."""
    return of_length(SIZES[size] * KILOBYTE, counter=counter)


def of_length(wanted: int, *, counter: int = 0) -> Document:
    """
    The agent's document with as many profiles as make it *wanted* bytes of canonical JSON, about.

    One that is to be shorter than the agent's has only the first of its sections.
    """
    document = agent(counter=counter)
    if wanted < len(as_json(document)):
        return _shortened(document, wanted)
    if wanted <= 2 * KILOBYTE:
        return document
    length = len(as_json(profile(1000))) + len('"p1000":,')
    missing = wanted - len(as_json(document)) - len('"profiles":{},')
    document["profiles"] = {f"p{1000 + n}": profile(1000 + n) for n in range(missing // length)}
    return document


def _shortened(document: Document, wanted: int) -> Document:
    short = {"counter": document.pop("counter")}
    for key, value in document.items():
        if len(as_json({**short, key: value})) <= wanted:
            short[key] = value
    return short


def as_json(document: Document) -> str:
    """Canonical JSON text: what a store writes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def as_toml(document: Document) -> str:
    """The same as TOML text, for the peers that read it."""
    import tomlrt

    return str(tomlrt.dumps(document))
