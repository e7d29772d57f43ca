"""
``rpc``: the command that answers one client on standard input and output.

Decides for whom: whoever starts the process, who has the store in hand, and is shown secrets if they ask for that.
"""

from __future__ import annotations

from realmconf.surfaces.rpc.streams import take_over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.surfaces.meerkat import Wire

OUTPUT_FAILED = 6
"""As every command ends whose answer cannot be written."""


def rpc(call: Any) -> int:
    """Answer until standard input ends."""
    # Before anything that could print: a library, a program that it starts, a warning.
    streams = take_over()

    import signal

    from realmconf.runtime.access import OWNER
    from realmconf.runtime.operations.session import Session
    from realmconf.surfaces.rpc.server import Server

    shown = {"secrets"} if call.request.show_secrets else set()
    session = Session(
        call.client,
        OWNER.replace(roles=OWNER.roles | shown),
        surface="rpc",
        author=call.request.author,
        default_realm=call.located.realm,
    )
    server = Server(session, streams, wire=_wire(call.request.meerkat_realm))
    server.run()
    failure = server.output.failure
    if failure is not None and not isinstance(failure, BrokenPipeError):
        call.say(f"standard output: {failure.strerror}")
        return OUTPUT_FAILED
    if signal.SIGINT in server.signals:
        raise KeyboardInterrupt
    return 0


def _wire(meerkat_realm: str | None) -> Wire | None:
    """Meerkat's own, where a realm is named for it: who starts this process may know where the files are."""
    if meerkat_realm is None:
        return None
    import os

    from realmconf.domain.names import RealmName
    from realmconf.meerkat.answers import sessions_folder
    from realmconf.surfaces.meerkat import Wire

    sessions = sessions_folder(os.getcwd(), os.environ)
    return Wire(realm=RealmName(meerkat_realm), sessions=sessions, shows_paths=True)
