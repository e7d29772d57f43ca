"""
Meerkat as realmconf knows it: its configuration, its realms' manifests, where its realms live.

Public names only, each imported when it is first used.  ``Config`` and what belongs to it need pydantic
(``pip install realmconf[pydantic]``); the schema ``SCHEMA`` does not.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.meerkat.durations import format_duration as format_duration
    from realmconf.meerkat.durations import parse_duration as parse_duration
    from realmconf.meerkat.entries import AnthropicProvider as AnthropicProvider
    from realmconf.meerkat.entries import FilesystemRepository as FilesystemRepository
    from realmconf.meerkat.entries import GeminiProvider as GeminiProvider
    from realmconf.meerkat.entries import GitRepository as GitRepository
    from realmconf.meerkat.entries import HookEntry as HookEntry
    from realmconf.meerkat.entries import HookRuntime as HookRuntime
    from realmconf.meerkat.entries import HttpRepository as HttpRepository
    from realmconf.meerkat.entries import McpHttpServer as McpHttpServer
    from realmconf.meerkat.entries import McpStdioServer as McpStdioServer
    from realmconf.meerkat.entries import OpenAIProvider as OpenAIProvider
    from realmconf.meerkat.entries import SkillAlias as SkillAlias
    from realmconf.meerkat.entries import SkillKey as SkillKey
    from realmconf.meerkat.entries import SkillLineage as SkillLineage
    from realmconf.meerkat.entries import SkillRemap as SkillRemap
    from realmconf.meerkat.entries import StdioRepository as StdioRepository
    from realmconf.meerkat.folder import realm_metadata as realm_metadata
    from realmconf.meerkat.folder import realm_paths as realm_paths
    from realmconf.meerkat.instances import Explicit as Explicit
    from realmconf.meerkat.instances import Isolated as Isolated
    from realmconf.meerkat.instances import Lease as Lease
    from realmconf.meerkat.instances import LeaseFile as LeaseFile
    from realmconf.meerkat.instances import RealmSelection as RealmSelection
    from realmconf.meerkat.instances import WorkspaceDerived as WorkspaceDerived
    from realmconf.meerkat.instances import explicit_realm as explicit_realm
    from realmconf.meerkat.instances import instance_name as instance_name
    from realmconf.meerkat.instances import read_leases as read_leases
    from realmconf.meerkat.instances import sanitised as sanitised
    from realmconf.meerkat.instances import select_realm as select_realm
    from realmconf.meerkat.instances import selection_from_dict as selection_from_dict
    from realmconf.meerkat.loading import load as load
    from realmconf.meerkat.loading import merge as merge
    from realmconf.meerkat.manifest import Manifest as Manifest
    from realmconf.meerkat.manifest import ensure_manifest as ensure_manifest
    from realmconf.meerkat.manifest import parse_manifest as parse_manifest
    from realmconf.meerkat.manifest import read_manifest as read_manifest
    from realmconf.meerkat.manifest import write_manifest as write_manifest
    from realmconf.meerkat.models import AgentConfig as AgentConfig
    from realmconf.meerkat.models import BudgetConfig as BudgetConfig
    from realmconf.meerkat.models import CommsConfig as CommsConfig
    from realmconf.meerkat.models import CompactionConfig as CompactionConfig
    from realmconf.meerkat.models import Config as Config
    from realmconf.meerkat.models import HealthThresholds as HealthThresholds
    from realmconf.meerkat.models import HooksConfig as HooksConfig
    from realmconf.meerkat.models import LimitsConfig as LimitsConfig
    from realmconf.meerkat.models import ModelDefaults as ModelDefaults
    from realmconf.meerkat.models import OutputSchema as OutputSchema
    from realmconf.meerkat.models import ProviderSettings as ProviderSettings
    from realmconf.meerkat.models import RestServerConfig as RestServerConfig
    from realmconf.meerkat.models import RetryConfig as RetryConfig
    from realmconf.meerkat.models import ShellDefaults as ShellDefaults
    from realmconf.meerkat.models import SkillsConfig as SkillsConfig
    from realmconf.meerkat.models import SkillsIdentity as SkillsIdentity
    from realmconf.meerkat.models import StorageConfig as StorageConfig
    from realmconf.meerkat.models import StoreConfig as StoreConfig
    from realmconf.meerkat.models import SubAgentsConfig as SubAgentsConfig
    from realmconf.meerkat.models import ToolsConfig as ToolsConfig
    from realmconf.meerkat.opened import OpenConfig as OpenConfig
    from realmconf.meerkat.roots import Candidates as Candidates
    from realmconf.meerkat.roots import FoundRoot as FoundRoot
    from realmconf.meerkat.roots import candidates as candidates
    from realmconf.meerkat.roots import find_root as find_root
    from realmconf.meerkat.roots import project_root as project_root
    from realmconf.meerkat.roots import single_root as single_root
    from realmconf.meerkat.roots import user_root as user_root
    from realmconf.meerkat.roots import workspace_folder as workspace_folder
    from realmconf.meerkat.rules import validate as validate
    from realmconf.meerkat.schema import OPEN_SCHEMA as OPEN_SCHEMA
    from realmconf.meerkat.schema import SCHEMA as SCHEMA
    from realmconf.meerkat.skills import SkillName as SkillName
    from realmconf.meerkat.skills import Skills as Skills
    from realmconf.meerkat.template import template as template

_HOMES = {
    "AgentConfig": "realmconf.meerkat.models",
    "AnthropicProvider": "realmconf.meerkat.entries",
    "BudgetConfig": "realmconf.meerkat.models",
    "Candidates": "realmconf.meerkat.roots",
    "candidates": "realmconf.meerkat.roots",
    "CommsConfig": "realmconf.meerkat.models",
    "CompactionConfig": "realmconf.meerkat.models",
    "Config": "realmconf.meerkat.models",
    "ensure_manifest": "realmconf.meerkat.manifest",
    "Explicit": "realmconf.meerkat.instances",
    "explicit_realm": "realmconf.meerkat.instances",
    "FilesystemRepository": "realmconf.meerkat.entries",
    "find_root": "realmconf.meerkat.roots",
    "format_duration": "realmconf.meerkat.durations",
    "FoundRoot": "realmconf.meerkat.roots",
    "GeminiProvider": "realmconf.meerkat.entries",
    "GitRepository": "realmconf.meerkat.entries",
    "HealthThresholds": "realmconf.meerkat.models",
    "HookEntry": "realmconf.meerkat.entries",
    "HookRuntime": "realmconf.meerkat.entries",
    "HooksConfig": "realmconf.meerkat.models",
    "HttpRepository": "realmconf.meerkat.entries",
    "instance_name": "realmconf.meerkat.instances",
    "Isolated": "realmconf.meerkat.instances",
    "Lease": "realmconf.meerkat.instances",
    "LeaseFile": "realmconf.meerkat.instances",
    "LimitsConfig": "realmconf.meerkat.models",
    "load": "realmconf.meerkat.loading",
    "Manifest": "realmconf.meerkat.manifest",
    "McpHttpServer": "realmconf.meerkat.entries",
    "McpStdioServer": "realmconf.meerkat.entries",
    "merge": "realmconf.meerkat.loading",
    "ModelDefaults": "realmconf.meerkat.models",
    "OPEN_SCHEMA": "realmconf.meerkat.schema",
    "OpenConfig": "realmconf.meerkat.opened",
    "OpenAIProvider": "realmconf.meerkat.entries",
    "OutputSchema": "realmconf.meerkat.models",
    "parse_duration": "realmconf.meerkat.durations",
    "parse_manifest": "realmconf.meerkat.manifest",
    "project_root": "realmconf.meerkat.roots",
    "ProviderSettings": "realmconf.meerkat.models",
    "read_leases": "realmconf.meerkat.instances",
    "read_manifest": "realmconf.meerkat.manifest",
    "realm_metadata": "realmconf.meerkat.folder",
    "realm_paths": "realmconf.meerkat.folder",
    "RealmSelection": "realmconf.meerkat.instances",
    "RestServerConfig": "realmconf.meerkat.models",
    "RetryConfig": "realmconf.meerkat.models",
    "sanitised": "realmconf.meerkat.instances",
    "SCHEMA": "realmconf.meerkat.schema",
    "select_realm": "realmconf.meerkat.instances",
    "selection_from_dict": "realmconf.meerkat.instances",
    "ShellDefaults": "realmconf.meerkat.models",
    "single_root": "realmconf.meerkat.roots",
    "SkillAlias": "realmconf.meerkat.entries",
    "SkillKey": "realmconf.meerkat.entries",
    "SkillLineage": "realmconf.meerkat.entries",
    "SkillName": "realmconf.meerkat.skills",
    "SkillRemap": "realmconf.meerkat.entries",
    "Skills": "realmconf.meerkat.skills",
    "SkillsConfig": "realmconf.meerkat.models",
    "SkillsIdentity": "realmconf.meerkat.models",
    "StdioRepository": "realmconf.meerkat.entries",
    "StorageConfig": "realmconf.meerkat.models",
    "StoreConfig": "realmconf.meerkat.models",
    "SubAgentsConfig": "realmconf.meerkat.models",
    "template": "realmconf.meerkat.template",
    "ToolsConfig": "realmconf.meerkat.models",
    "user_root": "realmconf.meerkat.roots",
    "validate": "realmconf.meerkat.rules",
    "workspace_folder": "realmconf.meerkat.roots",
    "WorkspaceDerived": "realmconf.meerkat.instances",
    "write_manifest": "realmconf.meerkat.manifest",
}
"""Public name -> the module that defines it."""

__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'realmconf.meerkat' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
