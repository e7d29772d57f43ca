"""
``token``: make, list and end the tokens that a server takes.

Decides how a new token is handed over: alone on standard output, so that it can be piped to where it is kept, and
never again.  What a token may be for is decided below.
"""

from __future__ import annotations

from realmconf.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.surfaces.cli.call import Call


def token(call: Call) -> None:
    """Make, list or end a token."""
    raise InvalidArgument("not yet")
