"""
The measured configuration as types: pydantic models, and dataclasses with slots.

Two shapes of the same document, because what an attribute costs depends on the leaf it is read from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

Table = dict[str, Any]


class AgentModel(BaseModel):
    model: str
    max_tokens_per_turn: int
    budget_warning_threshold: float
    tool_instructions: str
    structured_output_retries: int
    seed: int | None = None


class BudgetModel(BaseModel):
    max_tokens: int
    max_duration: str
    max_tool_calls: int


class RetryModel(BaseModel):
    max_retries: int
    initial_delay: str
    max_delay: str
    multiplier: float


class ToolsModel(BaseModel):
    default_timeout: str
    max_concurrent: int
    builtins_enabled: bool
    shell_enabled: bool
    tool_timeouts: dict[str, dict[str, int]]
    mcp_servers: list[Table]


class ShellModel(BaseModel):
    program: str
    timeout_secs: int
    security_mode: str
    security_patterns: list[str]


class SubAgentsModel(BaseModel):
    default_provider: str
    default_model: str
    allowed_models: dict[str, list[str]]


class HooksModel(BaseModel):
    default_timeout_ms: int
    entries: list[Table]


class SkillsModel(BaseModel):
    inventory_threshold: int
    repositories: list[Table]


class ProfileModel(BaseModel):
    agent: AgentModel
    budget: BudgetModel
    retry: RetryModel


class Settings(BaseModel):
    """The whole document, pydantic."""

    max_tokens: int = 16384
    counter: int = 0
    agent: AgentModel
    provider: dict[str, str]
    budget: BudgetModel
    retry: RetryModel
    tools: ToolsModel
    shell: ShellModel
    providers: dict[str, dict[str, str]]
    comms: dict[str, str]
    compaction: dict[str, int]
    limits: dict[str, int]
    sub_agents: SubAgentsModel
    hooks: HooksModel
    skills: SkillsModel
    profiles: dict[str, ProfileModel] = {}


@dataclass(slots=True)
class SlottedAgent:
    model: str
    max_tokens_per_turn: int
    budget_warning_threshold: float
    tool_instructions: str
    structured_output_retries: int


@dataclass(slots=True)
class SlottedSettings:
    """The whole document, dataclasses with slots; sections that are not looked at stay mappings."""

    agent: SlottedAgent
    provider: Table
    budget: Table
    retry: Table
    tools: Table
    shell: Table
    providers: Table
    comms: Table
    compaction: Table
    limits: Table
    sub_agents: Table
    hooks: Table
    skills: Table
    max_tokens: int = 16384
    counter: int = 0
    profiles: Table = field(default_factory=dict)
