"""The operations about tokens. Nobody gives more than they have."""

from __future__ import annotations

from realmconf.errors import NotPermitted
from realmconf.runtime import arguments
from realmconf.runtime.access import check_pattern, check_roles, matches
from realmconf.runtime.tokens import Tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.tokens import EndedToken, NewToken, Token


def create(
    session: Session,
    *,
    realms: Sequence[str],
    roles: Sequence[str],
    paths: Sequence[str] = (),
    name: str | None = None,
    expires: float | None = None,
) -> NewToken:
    """Make one."""
    grant = session.grant
    places = arguments.pointers(list(paths), name="paths")
    for role in check_roles(roles):
        # Whoever has the store in hand has its secrets too.
        if role not in grant.effective_roles and grant.id:
            raise NotPermitted(f"giving the role {role}, which the giver does not have")
    for pattern in realms:
        # A pattern taken as a name: if that matches, so does every name that it stands for.
        if not any(matches(own, check_pattern(pattern)) for own in grant.realms):
            raise NotPermitted(f"giving rights for {pattern}")
    if grant.paths and (
        not places or not all(any(place.within(own) for own in grant.paths) for place in places)
    ):
        raise NotPermitted("giving the right to write elsewhere")
    tokens = Tokens(session.client)
    if (
        grant.expires_at is not None
        and expires is not None
        and tokens.expiry(expires) > grant.expires_at
    ):
        raise NotPermitted(f"giving rights beyond {grant.expires_at}, when the giver's own end")
    return tokens.create(
        realms=realms,
        roles=roles,
        paths=places,
        name=name,
        expires_seconds=expires,
        maker=grant,
        author=_author(session),
        surface=session.surface,
    )


def listed(session: Session) -> list[Token]:
    """All that the caller may end."""
    return Tokens(session.client).all(asker=session.grant)


def revoke(session: Session, *, id: str) -> EndedToken:  # noqa: A002 - the parameter's name in the table
    """End one, and what was made with it."""
    return Tokens(session.client).revoke(
        id, asker=session.grant, author=_author(session), surface=session.surface
    )


def _author(session: Session) -> str:
    author: str = session.client.authorship({})["author"]
    return author
