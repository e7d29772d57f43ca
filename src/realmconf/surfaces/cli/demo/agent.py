"""The configuration that the demonstration is about: that of a coding agent."""

from __future__ import annotations

REALM = "coding-agent"

DOCUMENT_TEXT = """\
# The agent that reviews pull requests.
max_tokens = 12000

[agent]
model = "claude-sonnet-4-5"   # the larger one is for release branches
max_tokens_per_turn = 12000
budget_warning_threshold = 0.75
tool_instructions = "Prefer reading before editing."
structured_output_retries = 3

[provider]
type = "anthropic"
base_url = "https://llm-proxy.internal.example/anthropic"
api_key = "sk-demo-3f6c2b"

# A review that costs more than this waits for a person.
[budget]
max_tokens = 400000
max_duration = "45m"
max_tool_calls = 250

[retry]
max_retries = 5
initial_delay = "250ms"
max_delay = "1m 30s"
multiplier = 1.8

[usage]
tool_calls = 0
"""

COMMENTS = tuple(line[line.index("#") :] for line in DOCUMENT_TEXT.splitlines() if "#" in line)
"""What must still be in the file when everybody has written."""
