"""
One call of the command line: what was asked, where output goes, the client behind it.

Decides that what the answer is goes to standard output and what is said about it to
standard error, and that a person is told which store and realm were taken when they named
none.  The client is opened when a command first needs it and closed when the call ends.
"""

from __future__ import annotations

from realmconf.surfaces.cli.formats import json_line, json_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, TextIO

    from realmconf.domain.names import RealmName
    from realmconf.runtime.client import Client
    from realmconf.runtime.locate import Located
    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.results import WriteResult
    from realmconf.runtime.runtime import ConfigRuntime
    from realmconf.surfaces.cli.parsing import Request
    from realmconf.surfaces.cli.terminal import Terminal
    from realmconf.surfaces.veil import Veil


FOUND_BY = {
    "project": "of this project",
    "user": "the user's own",
    "workspace": "named after this folder",
}
"""How a store or realm was found that neither an argument nor the environment named, as people say it."""


class OutputFailed(Exception):
    """The answer could not be written where it was to go: a full disk behind standard output, say."""


class Call:
    """What a command's function gets."""

    def __init__(
        self,
        request: Request,
        *,
        environment: Mapping[str, str],
        standard_input: TextIO,
        output: TextIO,
        diagnostics: TextIO,
    ) -> None:
        self.request = request
        self.environment = environment
        self.input = standard_input
        self._output = output
        self._diagnostics = diagnostics
        self._client: Client | None = None
        self._session: Session | None = None
        self._written: WriteResult[Any] | None = None
        self._located: Located | None = None
        self._store_is_announced = False
        self._realm_is_announced = False
        self._terminal: Terminal | None = None

    # --- what was asked

    @property
    def json(self) -> bool:
        """Whether the answer is to be one JSON value."""
        return bool(self.request.output == "json")

    @property
    def shows_secrets(self) -> bool:
        """Whether ``--show-secrets`` was given, which only a few commands take."""
        return bool(getattr(self.request, "show_secrets", False))

    # --- what may be shown

    @property
    def veil(self) -> Veil:
        """Over the values of the realm that was named or located: a new one, so take it once for each answer."""
        return self.veil_of(self.located.realm)

    def veil_of(self, realm: RealmName) -> Veil:
        """Over the values of *realm*: no secret is shown, unless ``--show-secrets`` was given."""
        from realmconf.surfaces.veil import Veil

        return Veil(
            shows_secrets=self.shows_secrets, secrecy=lambda: self.client.lineages.secrecy(realm)
        )

    def veil_of_plan(self, planned: Any, *, others: Sequence[RealmName] = ()) -> Veil:
        """Over what a dry run answers; *others* are realms whose values are in it too."""
        from realmconf.surfaces.veil import veil_of_plan

        return veil_of_plan(self.client, planned, shows_secrets=self.shows_secrets, others=others)

    def veil_of_step(self, snapshot: Any) -> Veil:
        """Over a step of an effective watch."""
        from realmconf.surfaces.veil import veil_of_step

        return veil_of_step(self.client, snapshot, shows_secrets=self.shows_secrets)

    # --- the client

    @property
    def client(self) -> Client:
        """The client for the store that was named or located."""
        if self._client is None:
            self._announce_store()
            self._client = self._connect()
        return self._client

    @property
    def located(self) -> Located:
        """The store and the realm that were named or found, and by which rule."""
        if self._located is None:
            from realmconf.runtime.locate import locate

            self._located = locate(
                store=self.request.store, realm=self.request.realm, environment=self.environment
            )
        return self._located

    def realm(self) -> ConfigRuntime[Mapping[str, Any]]:
        """A handle on the realm that was named or located."""
        self._announce_realm()
        return self.client.realm(self.located.realm)

    def _announce_realm(self) -> None:
        located = self.located
        if located.realm_by in FOUND_BY and not self._realm_is_announced:
            self._announce_store(f"realm {located.realm} ({FOUND_BY[located.realm_by]})")
            self._realm_is_announced = True

    # --- operations

    @property
    def session(self) -> Session:
        """Who asks: whoever has the store in hand, who is shown secrets if that was asked for."""
        if self._session is None:
            from realmconf.runtime.access import OWNER
            from realmconf.runtime.operations.session import Session

            roles = OWNER.roles | {"secrets"} if self.shows_secrets else OWNER.roles
            author = self.request.author
            self._session = Session(
                self.client, OWNER.replace(roles=roles), surface="cli", author=author
            )
        return self._session

    def ask(self, name: str, /, **arguments: Any) -> Any:
        """
        What the operation *name* answers, as a native result; of the realm that was named or located.

        An argument that is None was not given.
        """
        from realmconf.runtime.operations.rows import BY_NAME
        from realmconf.runtime.operations.table import call

        operation = BY_NAME[name]
        if operation.on == "realm" and "realm" not in arguments:
            self._announce_realm()
            arguments["realm"] = self.located.realm
        return call(operation, self.session, arguments)

    def as_json(self, name: str, found: Any) -> Any:
        """What the operation *name* has answered, as every surface shows it."""
        from realmconf.runtime.operations.rows import BY_NAME
        from realmconf.surfaces.answers import render

        return render(BY_NAME[name], self.session, found)

    def _connect(self) -> Client:
        from realmconf.runtime.client import TIMEOUT_SECONDS, connect

        timeout = self.request.timeout
        client = connect(
            self.located.store,
            author=self.request.author,
            surface="cli",
            timeout=TIMEOUT_SECONDS if timeout is None else timeout,
            # Who may print secrets may still not be made to move one by a patch of somebody else's.
            sees_secrets=False,
        )
        # By the URL: asking the store what it promises loads more than a whole read does.
        if self.located.store.startswith("memory:"):
            self.say("nothing in this store is kept after this command ends")
        return client

    def _announce_store(self, *more: str) -> None:
        """Say, once and in one line, what was found where nothing was named."""
        located = self.located
        parts = list(more)
        if located.store_by in FOUND_BY and not self._store_is_announced:
            parts.insert(0, f"store {located.store} ({FOUND_BY[located.store_by]})")
            self._store_is_announced = True
        if parts:
            self.say(", ".join(parts))

    def wrote(self, result: WriteResult[Any]) -> None:
        """Take note of what was written, whose working copy is to be there when the call ends."""
        self._written = result

    def close(self) -> None:
        """End what the call has opened; working copies are published first."""
        if self._client is None:
            return
        try:
            if self._written is not None:
                from realmconf.surfaces.cli.rendering import see_file_back

                see_file_back(self._client.realm(self._written.realm_id), self._written)
        finally:
            self._client.close()

    # --- answers

    def _write(self, text: str) -> None:
        try:
            self._output.write(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputFailed(error.strerror) from error

    @property
    def terminal(self) -> Terminal:
        """How text for people looks on the output."""
        if self._terminal is None:
            from realmconf.surfaces.cli.terminal import Terminal

            self._terminal = Terminal(self._output, self.environment)
        return self._terminal

    @property
    def interactive(self) -> bool:
        """Whether the answer goes to a terminal."""
        return self._output.isatty()

    @property
    def has_terminal(self) -> bool:
        """Whether a program that works in a terminal can be run: somebody types, and sees what comes."""
        return self.input.isatty() and self.interactive

    @property
    def diagnostics_interactive(self) -> bool:
        """Whether a person sees standard error as it comes."""
        return self._diagnostics.isatty()

    def print(self, *lines: str) -> None:
        """Lines of the answer."""
        for line in lines:
            self._write(line + "\n")

    def print_text(self, text: str) -> None:
        """A text of the answer that brings its own line ends."""
        self._write(text if text.endswith("\n") or not text else text + "\n")

    def print_json(self, value: object) -> None:
        """The answer as one JSON value."""
        self._write(json_text(value) + "\n")

    def print_json_line(self, value: object) -> None:
        """One JSON value of a stream of them, seen at once by whoever reads it."""
        self._write(json_line(value) + "\n")
        self.flush()

    def flush(self) -> None:
        """
        Let whoever reads standard output have what was written so far.

        Raises:
            OutputFailed: It cannot be written.
        """
        try:
            self._output.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputFailed(error.strerror) from error

    def say(self, *lines: str) -> None:
        """Diagnostics: for the person, not part of the answer."""
        for line in lines:
            if not line.isprintable():
                from realmconf.surfaces.cli.terminal import printable

                line = printable(line)
            self._diagnostics.write(f"realmconf: {line}\n")
        self._diagnostics.flush()

    def warn(self, given: Iterable[Any]) -> None:
        """Warnings of the library, which failed nothing."""
        self.say(*(f"warning: {warning.message}" for warning in given))
