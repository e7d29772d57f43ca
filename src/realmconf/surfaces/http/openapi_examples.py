"""
Examples in the OpenAPI document: one value of each kind that a reader may be at a loss about.

They tell of one realm, ``team``, and go together: what is sent by the examples of writing is what those of reading
find.  The check of the document against a running server begins with them.
"""

from __future__ import annotations

from typing import Any

REALM = "team"
_DOCUMENT = {"agent": {"model": "large", "tools": ["search"]}, "limits": {"tokens_per_turn": 1000}}

BY_KIND: dict[str, Any] = {
    "document": _DOCUMENT,
    "merge_patch": {"limits": {"tokens_per_turn": 2000}},
    "operations": [{"op": "add", "path": "/agent", "value": {"model": "small"}}],
    "schema": {
        "type": "object",
        "properties": {
            "limits": {"type": "object", "properties": {"tokens_per_turn": {"type": "integer"}}}
        },
    },
    "policy": {"history_keep": 1000},
    "parts": [
        {"realm": REALM, "patch": {"limits": {"tokens_per_turn": 3000}}},
        {"realm": "other-team", "set": {"agent": {"model": "small"}}},
    ],
    "patterns": ["team*"],
    "roles": ["read"],
    "revision": 1,
    "realm": REALM,
}
"""By the kinds of parameters; of those that must be given."""

TOML = '[agent]\nmodel = "large"\n\n[limits]\ntokens_per_turn = 1000\n'
"""A document as TOML."""
