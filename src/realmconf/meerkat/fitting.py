"""
From a document to ``Config``, and why one does not fit.

Decides who is asked first: the schema, which knows the places and what was meant; then the models.
"""

from __future__ import annotations

from pydantic import ValidationError

from realmconf.domain.document import check_document
from realmconf.domain.pointer import Pointer
from realmconf.domain.schemas.schema import schema_digest, violations
from realmconf.errors import SchemaViolation
from realmconf.meerkat.models import Config
from realmconf.meerkat.schema import OPEN_SCHEMA, SCHEMA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

DIGEST = schema_digest(SCHEMA)
OPEN_DIGEST = schema_digest(OPEN_SCHEMA)


def fitted(document: Mapping[str, Any], model: type[Config] = Config) -> Config:
    """
    The configuration that *document* states, as a *model*, which keeps unknown keys or refuses them.

    Raises:
        SchemaViolation: It does not fit; each place is named, with what was probably meant.
        InvalidDocument, LimitExceeded: It is no document.
    """
    checked = check_document(document)
    is_open = model.model_config.get("extra") == "allow"
    found = (
        violations(OPEN_DIGEST, OPEN_SCHEMA, checked)
        if is_open
        else violations(DIGEST, SCHEMA, checked)
    )
    if found:
        raise SchemaViolation(found)
    try:
        return model.model_validate(checked)
    except ValidationError as error:
        # The library's text may quote a value.
        told = [
            {
                "pointer": str(Pointer(str(part) for part in one["loc"])),
                "keyword": "type",
                "message": _message(one["type"]),
            }
            for one in error.errors(include_url=False, include_input=False, include_context=False)
        ]
    raise SchemaViolation(told)


def _message(kind: str) -> str:
    # Whatever else the models refuse, the schema has refused before.
    return (
        "the length of time is finer than a microsecond, or too large"
        if kind == "value_error"
        else "it does not have the wanted form"
    )
