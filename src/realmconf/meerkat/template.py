"""The text that a new ``~/.rkat/config.toml`` starts with: what Meerkat's own states, and nothing that nobody reads."""

from __future__ import annotations

_TEXT = """\
# Meerkat's configuration. What is left out has the default that stands here.

[agent]
model = "claude-opus-4-6"
max_tokens_per_turn = 16384
budget_warning_threshold = 0.8      # the part of the budget at which a warning is given

[models]
anthropic = "claude-opus-4-6"
openai = "gpt-4.1"
gemini = "gemini-1.5-pro"

[shell]
program = "nu"
timeout_secs = 30
security_mode = "unrestricted"      # or "allow_list", "deny_list", by the patterns below
security_patterns = []

[rest]
host = "127.0.0.1"
port = 8080

[sub_agents]
default_provider = "inherit"        # the parent agent's
default_model = "inherit"

[sub_agents.allowed_models]
anthropic = ["claude-opus-4-6", "claude-sonnet-4-5", "claude-opus-4-5"]
openai = ["gpt-5.2", "gpt-5.2-pro"]
gemini = ["gemini-3-flash-preview", "gemini-3-pro-preview"]

[store]
# database_dir = "/var/lib/meerkat" # where servers keep their sessions

[compaction]
auto_compact_threshold = 100000
recent_turn_budget = 4
max_summary_tokens = 4096
min_turns_between_compactions = 3

[hooks]
default_timeout_ms = 5000
payload_max_bytes = 131072
background_max_concurrency = 32
"""


def template() -> str:
    """
    A file that states the usual settings with their defaults.

    The original's has ``max_tokens = 8192`` at the end of ``[models]``, where nothing reads it and later releases
    refuse it; here it is not.
    """
    return _TEXT
