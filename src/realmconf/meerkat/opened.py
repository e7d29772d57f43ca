"""
``OpenConfig``: the same models, and what they do not know is kept.

Decides where unknown keys are kept: everywhere but where the original refuses them as well.  Everything else is for
``models``, of which these are made.
"""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from realmconf.meerkat.entries import McpHttpServer, McpStdioServer
from realmconf.meerkat.kinds import Section
from realmconf.meerkat.models import Config

CLOSED = (McpHttpServer, McpStdioServer)

_opened: dict[type[BaseModel], type[BaseModel]] = {}


def _open(model: type[BaseModel]) -> type[BaseModel]:
    """*model*, which keeps unknown keys, with open models in it."""
    if model in CLOSED:
        return model
    if model not in _opened:
        hints = get_type_hints(model, include_extras=True)
        fields = model.model_fields
        body: dict[str, Any] = {
            "__module__": __name__,
            "__doc__": model.__doc__,
            "__annotations__": {name: _open_type(hints[name]) for name in fields},
            "model_config": ConfigDict(extra="allow"),
            **{name: _open_default(field) for name, field in fields.items()},
        }
        made: Any = type(model)
        _opened[model] = made(f"Open{model.__name__}", (model,), body)
    return _opened[model]


def _open_type(hint: Any) -> Any:
    if isinstance(hint, type) and issubclass(hint, Section):
        return _open(hint)
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Annotated[(_open_type(parts[0]), *hint.__metadata__)]
    if origin in (Union, UnionType):
        return Union[tuple(map(_open_type, parts))]  # noqa: UP007 - of parts that are computed
    if origin in (list, dict):
        return origin[tuple(map(_open_type, parts))]
    return hint


def _open_default(field: FieldInfo) -> FieldInfo:
    """*field* with an open model for its default, if that is one."""
    from copy import copy

    given = field.default
    if not isinstance(given, Section) or type(given) in CLOSED:
        return field
    opened = copy(field)
    opened.default = _open(type(given)).model_validate(
        given.model_dump(by_alias=True, exclude_unset=True)
    )
    return opened


if TYPE_CHECKING:

    class OpenConfig(Config):
        """A ``Config`` that keeps unknown keys, wherever ``OPEN_SCHEMA`` does."""
else:
    OpenConfig = _open(Config)
