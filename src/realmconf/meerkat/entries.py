"""
What stands inside Meerkat's sections, as models: providers, MCP servers, hooks, skill repositories, lineage.

Decides by which tag or key their forms are told apart.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Discriminator, Field, Tag

from realmconf.meerkat.kinds import I32, U64, Key, Section, SkillName, Uuid

# --- providers ---------------------------------------------------------------------------


class AnthropicProvider(Section):
    """Anthropic."""

    # Without a default, so that it is written also where nothing but it would be left out.
    type: Literal["anthropic"]
    api_key: Key | None = Field(default=None, repr=False)
    base_url: str | None = None


class OpenAIProvider(Section):
    """OpenAI."""

    type: Literal["openai"]
    api_key: Key | None = Field(default=None, repr=False)
    base_url: str | None = None


class GeminiProvider(Section):
    """Google's Gemini."""

    type: Literal["gemini"]
    api_key: Key | None = Field(default=None, repr=False)


Provider: TypeAlias = Annotated[
    AnthropicProvider | OpenAIProvider | GeminiProvider, Field(discriminator="type")
]

# --- MCP servers -------------------------------------------------------------------------


class McpStdioServer(Section):
    """A program that is started, and spoken with over its standard input and output."""

    name: str
    command: str
    args: list[str] = Field(default=[])
    env: dict[str, Key] = Field(default={}, repr=False)


class McpHttpServer(Section):
    """A server at an address."""

    name: str
    url: str
    headers: dict[str, Key] = Field(default={}, repr=False)
    transport: Literal["streamable-http", "sse"] | None = None


def _transport(server: Any) -> str:
    has_url = "url" in server if isinstance(server, dict) else isinstance(server, McpHttpServer)
    return "http" if has_url else "stdio"


McpServer: TypeAlias = Annotated[
    Annotated[McpHttpServer, Tag("http")] | Annotated[McpStdioServer, Tag("stdio")],
    Discriminator(_transport),
]

# --- hooks ---------------------------------------------------------------------------------

HookPoint: TypeAlias = Literal[
    "run_started",
    "run_completed",
    "run_failed",
    "pre_llm_request",
    "post_llm_response",
    "pre_tool_execution",
    "post_tool_execution",
    "turn_boundary",
]


class HookRuntime(Section):
    """What a hook calls; all but ``type`` is for the program that calls it."""

    model_config = ConfigDict(extra="allow")

    type: str

    @property
    def settings(self) -> Any:
        """All but ``type``; a member ``config`` that stands alone is meant by what it holds."""
        others = self.model_extra or {}
        return others["config"] if others.keys() == {"config"} else others


_NOOP = HookRuntime.model_validate({"type": "in_process", "name": "noop"})


class HookEntry(Section):
    """A hook."""

    id: str = "hook"
    enabled: bool = True
    point: HookPoint = "turn_boundary"
    mode: Literal["foreground", "background"] = "foreground"
    capability: Literal["observe", "guardrail", "rewrite"] = "observe"
    priority: I32 = 100
    failure_policy: Literal["fail_open", "fail_closed"] | None = None
    timeout_ms: U64 | None = None
    runtime: HookRuntime = _NOOP


# --- skills ----------------------------------------------------------------------------------


class _Repository(Section):
    name: str
    source_uuid: Uuid


class FilesystemRepository(_Repository):
    """Skills in a folder."""

    type: Literal["filesystem"]
    path: str


class StdioRepository(_Repository):
    """Skills that a program gives."""

    type: Literal["stdio"]
    command: str
    args: list[str] = Field(default=[])
    cwd: str | None = None
    env: dict[str, Key] = Field(default={}, repr=False)
    timeout_seconds: U64 = 15


class HttpRepository(_Repository):
    """Skills that a server gives."""

    type: Literal["http"]
    url: str
    auth_header: Key | None = Field(default=None, repr=False)
    auth_token: Key | None = Field(default=None, repr=False)
    refresh_seconds: U64 = 300
    timeout_seconds: U64 = 15


class GitRepository(_Repository):
    """Skills in a Git repository."""

    type: Literal["git"]
    url: str
    git_ref: str = "main"
    ref_type: Literal["branch", "tag", "commit"] = "branch"
    skills_root: str | None = None
    auth_token: Key | None = Field(default=None, repr=False)
    ssh_key: Key | None = Field(default=None, repr=False)
    refresh_seconds: U64 = 300
    depth: U64 | None = 1


SkillRepository: TypeAlias = Annotated[
    FilesystemRepository | StdioRepository | HttpRepository | GitRepository,
    Field(discriminator="type"),
]


class SkillKey(Section):
    """What a skill is known by."""

    source_uuid: Uuid
    skill_name: SkillName


class SkillRemap(Section):
    """A skill that is now another one."""

    from_: SkillKey = Field(alias="from")
    to: SkillKey
    reason: str | None = None


class SkillAlias(Section):
    """Another name of a skill."""

    alias: str
    to: SkillKey


class MovedEvent(Section):
    """A repository that has another UUID now, or another key to it."""

    event: Literal["rename_or_relocate", "rotate"]
    from_: Uuid = Field(alias="from")
    to: Uuid


class SplitEvent(Section):
    """A repository that became several."""

    event: Literal["split"]
    from_: Uuid = Field(alias="from")
    into: list[Uuid]


class MergeEvent(Section):
    """Several repositories that became one."""

    event: Literal["merge"]
    from_: list[Uuid] = Field(alias="from")
    to: Uuid


LineageEvent: TypeAlias = Annotated[
    MovedEvent | SplitEvent | MergeEvent, Field(discriminator="event")
]


class SkillLineage(Section):
    """What became of repositories, and when that was noted."""

    event_id: str
    recorded_at_unix_secs: U64
    required_from_skills: list[SkillName] = Field(default=[])
    event: LineageEvent
