"""
The libraries that read configuration files: dynaconf, OmegaConf, pydantic-settings.

Each reads the file once and serves attributes from memory; none sees another
process's change before it is told to read again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def dynaconf(path: Path) -> Any:
    """Settings of the TOML file at *path*; keys are reached as upper-case attributes."""
    from dynaconf import Dynaconf  # type: ignore[import-untyped]

    return Dynaconf(settings_files=[str(path)])


def omegaconf(document: dict[str, Any]) -> Any:
    """A configuration node with attribute access."""
    from omegaconf import OmegaConf

    return OmegaConf.create(document)


def pydantic_settings(path: Path) -> Any:
    """A settings object with an ``agent`` section from the TOML file at *path*."""
    from pydantic import BaseModel
    from pydantic_settings import (
        BaseSettings,
        PydanticBaseSettingsSource,
        SettingsConfigDict,
        TomlConfigSettingsSource,
    )

    class Agent(BaseModel):
        model: str
        max_tokens_per_turn: int

    class Settings(BaseSettings):
        model_config = SettingsConfigDict(toml_file=path, extra="ignore")
        agent: Agent

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (TomlConfigSettingsSource(settings_cls),)

    return Settings()  # type: ignore[call-arg]  # the file has the rest
