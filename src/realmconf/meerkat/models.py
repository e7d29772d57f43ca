"""
Meerkat's configuration as models: ``Config`` and its sections.

Decides their keys and defaults, which are those of v0.4.1; what later releases added is kept and not looked into.  What
the original's types allow is allowed here; which of it its rules refuse is for ``validate``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from realmconf.meerkat.entries import (
    AnthropicProvider,
    HookEntry,
    McpServer,
    Provider,
    SkillAlias,
    SkillLineage,
    SkillRemap,
    SkillRepository,
)
from realmconf.meerkat.kinds import (
    U16,
    U32,
    U64,
    Duration,
    DurationOrMilliseconds,
    DurationTable,
    Key,
    Section,
)
from realmconf.meerkat.sections import ALLOWED_MODELS, HEALTH, TOKENS_DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from realmconf.domain.document import Document

_WRAPPING = frozenset(("schema", "name", "strict", "compat", "format"))


class OutputSchema(Section):
    """The form of an answer; a bare JSON Schema is read as well."""

    schema_: dict[str, Any] = Field(alias="schema")
    name: str | None = None
    strict: bool = False
    compat: Literal["lossy", "strict"] = "lossy"
    format: Literal["meerkat_v1"] = "meerkat_v1"

    @model_validator(mode="before")
    @classmethod
    def _wrapped(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        wrapped = "schema" in given and (
            given.keys() <= _WRAPPING or given.get("format") == "meerkat_v1"
        )
        return (
            {key: given[key] for key in given if key in _WRAPPING} if wrapped else {"schema": given}
        )


class AgentConfig(Section):
    """The agent."""

    system_prompt: str | None = None
    system_prompt_file: str | None = None
    tool_instructions: str | None = None
    model: str = "claude-opus-4-6"
    max_tokens_per_turn: U32 = TOKENS_DEFAULT
    temperature: float | None = None
    budget_warning_threshold: float = 0.8
    max_turns: U32 | None = None
    provider_params: Any | None = None
    output_schema: OutputSchema | None = None
    structured_output_retries: U32 = 2
    extraction_prompt: str | None = None
    max_tokens: U32 | None = Field(default=None, description="Read by nobody.")


class StorageConfig(Section):
    """Storage in files; the original's own default of ``directory`` depends on where it runs."""

    directory: str | None = None


class BudgetConfig(Section):
    """What one run may use up."""

    max_tokens: U64 | None = None
    max_duration: DurationOrMilliseconds | None = None
    max_tool_calls: U64 | None = None


class RetryConfig(Section):
    """What is done when a provider fails."""

    max_retries: U32 = 3
    initial_delay: Duration = timedelta(milliseconds=500)
    max_delay: Duration = timedelta(seconds=30)
    multiplier: float = 2.0
    call_timeout: Literal["disabled"] | Duration | None = None
    stream_inactivity_timeout: Literal["disabled"] | Duration | None = None


class ToolsConfig(Section):
    """Tools."""

    mcp_servers: list[McpServer] = Field(default=[])
    default_timeout: Duration = timedelta(minutes=10)
    tool_timeouts: dict[str, DurationTable] = Field(default={})
    max_concurrent: U64 = 10
    builtins_enabled: bool = False
    shell_enabled: bool = False
    comms_enabled: bool = False
    subagents_enabled: bool = False
    mob_enabled: bool = False
    schedule_enabled: bool | None = None
    workgraph_enabled: bool | None = None


class ModelDefaults(Section):
    """The model of each provider; models of one's own are kept."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, Any]] = Field(init=False)

    anthropic: str = "claude-opus-4-6"
    openai: str = "gpt-4.1"
    gemini: str = "gemini-1.5-pro"
    max_tokens: U32 | dict[str, Any] | None = Field(default=None, description="Read by nobody.")


class ShellDefaults(Section):
    """The shell for commands; ``allowlist`` is read as another name of ``security_patterns``."""

    program: str = "nu"
    timeout_secs: U64 = 30
    security_mode: Literal["unrestricted", "allow_list", "deny_list"] = "unrestricted"
    security_patterns: list[str] = Field(default=[])

    @model_validator(mode="before")
    @classmethod
    def _allowlist(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("allowlist") is None:
            return given
        named = {key: value for key, value in given.items() if key != "allowlist"}
        return {
            "security_mode": "allow_list",
            "security_patterns": given["allowlist"],
            **{key: value for key, value in named.items() if value is not None},
        }


class StoreConfig(Section):
    """Where state is kept."""

    sessions_path: str | None = None
    tasks_path: str | None = None
    database_dir: str | None = None


class ProviderSettings(Section):
    """Settings by provider."""

    base_urls: dict[str, str] | None = None
    api_keys: dict[str, Key] | None = Field(default=None, repr=False)


class CommsConfig(Section):
    """Messages between agents."""

    mode: Literal["inproc", "tcp", "uds"] = "inproc"
    address: str | None = None
    auth: Literal["none", "ed25519"] = "none"
    require_peer_auth: bool = True
    event_address: str | None = None
    auto_enable_for_subagents: bool = False
    advertise_address: str | None = None


class CompactionConfig(Section):
    """Long conversations made shorter."""

    auto_compact_threshold: U64 = 100_000
    recent_turn_budget: U64 = 4
    max_summary_tokens: U32 = 4_096
    min_turns_between_compactions: U32 = 3
    max_request_bytes: U64 | None = None


class LimitsConfig(Section):
    """What one session may use up."""

    budget: U64 | None = None
    max_duration: DurationOrMilliseconds | None = None
    max_sessions: U64 | None = None
    max_turn_duration: DurationOrMilliseconds | None = None


class RestServerConfig(Section):
    """The server for REST."""

    host: str = "127.0.0.1"
    port: U16 = 8080


class SubAgentsConfig(Section):
    """Agents that an agent starts."""

    default_provider: str = "inherit"
    default_model: str = "inherit"
    allowed_models: dict[str, list[str]] = ALLOWED_MODELS


class HooksConfig(Section):
    """Programs that are asked or told while an agent runs."""

    default_timeout_ms: U64 = 5_000
    payload_max_bytes: U64 = 131_072
    background_max_concurrency: U64 = 32
    entries: list[HookEntry] = Field(default=[])


class HealthThresholds(Section):
    """When a repository of skills counts as degraded or unhealthy; all four or none."""

    degraded_invalid_ratio: float
    unhealthy_invalid_ratio: float
    degraded_failure_streak: U32
    unhealthy_failure_streak: U32


class SkillsIdentity(Section):
    """What repositories and skills were before."""

    lineage: list[SkillLineage] = Field(default=[])
    remaps: list[SkillRemap] = Field(default=[])
    aliases: list[SkillAlias] = Field(default=[])


class SkillsConfig(Section):
    """Skills."""

    enabled: bool = True
    max_injection_bytes: U64 = 32_768
    inventory_threshold: U64 = 12
    repositories: list[SkillRepository] = Field(default=[])
    health_thresholds: HealthThresholds = HealthThresholds.model_validate(HEALTH)
    identity: SkillsIdentity = SkillsIdentity()


_Later = Annotated[dict[str, Any] | None, Field(description="Of a later release than v0.4.1.")]


class Config(Section):
    """
    A configuration of Meerkat's. What was stated is told from what is a default: ``document(stated=True)``.

    ``Config.model_validate`` reads a document; ``load`` and ``merge`` say better in what one does not fit.
    """

    agent: AgentConfig = AgentConfig()
    provider: Provider = AnthropicProvider(type="anthropic")
    storage: StorageConfig = StorageConfig()
    budget: BudgetConfig = BudgetConfig()
    retry: RetryConfig = RetryConfig()
    tools: ToolsConfig = ToolsConfig()
    models: ModelDefaults = ModelDefaults()
    max_tokens: U32 = TOKENS_DEFAULT
    shell: ShellDefaults = ShellDefaults()
    store: StoreConfig = StoreConfig()
    providers: ProviderSettings = ProviderSettings()
    comms: CommsConfig = CommsConfig()
    compaction: CompactionConfig = CompactionConfig()
    limits: LimitsConfig = LimitsConfig()
    rest: RestServerConfig = RestServerConfig()
    sub_agents: SubAgentsConfig = SubAgentsConfig()
    hooks: HooksConfig = HooksConfig()
    skills: SkillsConfig = SkillsConfig()
    mob_host: _Later = None
    self_hosted: _Later = None
    provider_tools: _Later = None
    model_fallback: _Later = None
    presentation: _Later = None
    realm: _Later = None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """
        The configuration that *document* states.

        Raises:
            SchemaViolation: It does not fit; each place is named, with what was probably meant.
        """
        from realmconf.meerkat.fitting import fitted

        return fitted(document, cls)  # type: ignore[return-value]

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """
        The configuration of a file with this *text*.

        Raises:
            InvalidDocument, LimitExceeded: It is no TOML, or no document.
            SchemaViolation: It does not fit.
        """
        from realmconf.domain.toml import parse_toml

        return cls.of(parse_toml(text).document)

    def to_toml(self, *, stated: bool = False) -> str:
        """
        A file that the original reads as this configuration, secrets included; *stated* as of ``document``.

        Raises:
            InvalidDocument: It holds what no file can: a null in ``provider_params``, say.
        """
        from realmconf.domain.document import check_document
        from realmconf.domain.toml import render

        return render(check_document(self.document(stated=stated)))

    def document(self, *, stated: bool = False) -> Document:
        """It as a document, secrets included; *stated* leaves out what nobody stated."""
        return self.model_dump(by_alias=True, exclude_none=True, exclude_unset=stated)
