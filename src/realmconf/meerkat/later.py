"""
What releases of Meerkat after v0.4.1, up to v0.8, have in their configuration besides.

Decides that it is accepted and kept, so that one file serves both.  Gives no defaults: v0.4.1 shows none of it.
"""

from __future__ import annotations

from realmconf.meerkat.words import (
    PROVIDERS,
    anything,
    duration,
    flag,
    listed,
    mapped,
    table,
    text,
    u32,
    u64,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.meerkat.words import Said


def later_sections() -> Said:
    """The members that v0.4.1 has not."""
    return {
        "mob_host": anything("A host of agents."),
        "self_hosted": table(
            {
                "servers": anything("Servers of models."),
                "models": anything("Their models."),
                "default_model": text(),
            },
            description="Models on servers of one's own.",
        ),
        "provider_tools": table(
            {
                "anthropic": table({"web_search": flag()}),
                "openai": table({"web_search": flag()}),
                "gemini": table({"google_search": flag()}),
            },
            description="Tools that providers bring.",
        ),
        "model_fallback": table(
            {
                "enabled": flag(),
                "use_catalog_default_chain": flag(),
                "chain": listed(
                    table(
                        {
                            "model": text(),
                            "provider": {"description": "The model's provider."},
                            "auth_binding": {"description": "How it is reached."},
                        },
                        required=("model",),
                    )
                ),
            },
            description="Models to go on with when one fails.",
        ),
        "presentation": table(
            {"html": table({"default_template": text(), "templates": {}})},
            description="How results are shown.",
        ),
        "realm": mapped(anything(), "Credentials and parents, by realm."),
    }


def later_keys() -> dict[str, Said]:
    """The keys that sections of v0.4.1 got later, or that a template states where nobody reads them."""
    wait: Said = {"anyOf": [{"const": "disabled"}, duration()]}
    return {
        # Templates state it, that of v0.4.1 below [models] and that of v0.8 below [agent].
        "agent": {"max_tokens": u32("Read by nobody.", deprecated=True)},
        "models": {
            "max_tokens": {
                "anyOf": [u32(), anything()],
                "description": "Read by nobody, unless it is a model of one's own.",
                "deprecated": True,
            }
        },
        "tools": {"schedule_enabled": flag(), "workgraph_enabled": flag()},
        "retry": {"call_timeout": wait, "stream_inactivity_timeout": wait},
        "comms": {"advertise_address": text()},
        "compaction": {"max_request_bytes": u64(minimum=1)},
        "limits": {
            "max_sessions": u64(minimum=1),
            "max_turn_duration": {
                "$ref": "#/$defs/duration_or_milliseconds",
                "description": "How long a turn may take.",
            },
        },
    }


def custom_model() -> Said:
    """What v0.8 accepts below ``models`` by any other name than a provider's."""
    return {
        "type": "object",
        "properties": {"provider": text(f"Whose it is: {', '.join(PROVIDERS)}, or another.")},
        "required": ["provider"],
        "description": "A model of one's own.",
    }
