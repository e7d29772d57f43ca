"""
The resources: each realm's effective configuration, under ``realmconf://{realm}/config``.

Decides the form of their addresses; what stands there, and who may read it, is told by the table's operations.
"""

from __future__ import annotations

import re

from mcp_types import (
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from realmconf.domain.names import RealmName
from realmconf.errors import InvalidArgument, LimitExceeded
from realmconf.runtime.operations.rows import BY_NAME
from realmconf.surfaces.answers import answer
from realmconf.surfaces.mcp.tools import ANSWER_BYTES_MAX, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.runtime.operations.session import Session

TEMPLATE = "realmconf://{realm}/config"
JSON = "application/json"
PAGE = 100
_FORM = re.compile(r"realmconf://([A-Za-z0-9_-]{1,64})/config")


def address_of(realm: str) -> str:
    """The URI of a realm's configuration."""
    return TEMPLATE.replace("{realm}", realm)


def realm_at(address: str) -> RealmName:
    """
    The realm whose configuration stands at *address*.

    Raises:
        InvalidArgument, InvalidRealm: None can.
    """
    found = _FORM.fullmatch(address)
    if found is None:
        raise InvalidArgument(f"a resource has the address {TEMPLATE}")
    return RealmName(found[1])


def templates() -> ListResourceTemplatesResult:
    """How addresses look."""
    return ListResourceTemplatesResult(
        resource_templates=[
            ResourceTemplate(
                name="config",
                uri_template=TEMPLATE,
                description="The configuration that applies to a realm, with all that it inherits, and its generation",
                mime_type=JSON,
            )
        ]
    )


def listed(session: Session, *, after: str | None) -> ListResourcesResult:
    """A page of the realms that the caller may read, from behind *after* on."""
    page = answer(BY_NAME["realm/list"], session, {"after": after, "limit": PAGE})
    return ListResourcesResult(
        resources=[
            Resource(name=entry["realm"], uri=address_of(entry["realm"]), mime_type=JSON)
            for entry in page["realms"]
            if entry["exists"]
        ],
        next_cursor=page["after"],
    )


def read(session: Session, address: str) -> ReadResourceResult:
    """
    The envelope of a realm's effective view.

    Raises:
        LimitExceeded: It is larger than an answer may be.
        RealmconfError: As ``config/get``.
    """
    realm = realm_at(address)
    found = answer(BY_NAME["config/get"], session, {"realm": str(realm), "view": "effective"})
    text = text_of(found)
    size = len(text.encode())
    if size > ANSWER_BYTES_MAX:
        raise LimitExceeded("answer_bytes", size, maximum=ANSWER_BYTES_MAX)
    return ReadResourceResult(
        contents=[TextResourceContents(uri=address, mime_type=JSON, text=text)]
    )
