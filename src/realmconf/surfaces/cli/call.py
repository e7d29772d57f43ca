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
    from collections.abc import Iterable, Mapping
    from typing import Any, TextIO

    from realmconf.domain.names import RealmName
    from realmconf.runtime.client import Client
    from realmconf.runtime.runtime import ConfigRuntime
    from realmconf.surfaces.cli.parsing import Request
    from realmconf.surfaces.cli.terminal import Terminal
    from realmconf.surfaces.envelope import Veil


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
        self._terminal: Terminal | None = None

    # --- what was asked

    @property
    def json(self) -> bool:
        """Whether the answer is to be one JSON value."""
        return bool(self.request.output == "json")

    @property
    def veil(self) -> Veil:
        """What may be shown: no literal that looks secret, unless ``--show-secrets`` was given."""
        from realmconf.surfaces.envelope import Veil

        return Veil(shows_secrets=bool(getattr(self.request, "show_secrets", False)))

    # --- the client

    @property
    def client(self) -> Client:
        """The client for the store that was named or located."""
        if self._client is None:
            from realmconf.runtime.client import connect
            from realmconf.runtime.locate import locate_store

            located = locate_store(self.request.store, self.environment)
            if self.request.store is None:
                self.say(f"store {located.url} ({located.reason})")
            self._client = connect(located.url, author=self.author, surface="cli")
        return self._client

    @property
    def author(self) -> str | None:
        """The author that was named, or the environment's; None leaves it to the runtime."""
        return self.request.author or self.environment.get("REALMCONF_AUTHOR") or None

    def realm_name(self) -> RealmName:
        """The realm that was named or located."""
        if self.request.realm is not None:
            named: RealmName = self.request.realm
            return named
        from realmconf.runtime.locate import locate_realm

        located = locate_realm(None, self.environment)
        self.say(f"realm {located.name} ({located.reason})")
        return located.name

    def realm(self) -> ConfigRuntime[dict[str, Any]]:
        """A handle on that realm."""
        client = self.client
        return client.realm(self.realm_name())

    def close(self) -> None:
        """End what the call has opened; working copies are published first."""
        if self._client is not None:
            self._client.close()

    # --- answers

    @property
    def terminal(self) -> Terminal:
        """How text for people looks on the output."""
        if self._terminal is None:
            from realmconf.surfaces.cli.terminal import Terminal

            self._terminal = Terminal(self._output, self.environment)
        return self._terminal

    @property
    def output(self) -> TextIO:
        """Standard output."""
        return self._output

    def print(self, *lines: str) -> None:
        """Lines of the answer."""
        for line in lines:
            self._output.write(line + "\n")

    def print_text(self, text: str) -> None:
        """A text of the answer that brings its own line ends."""
        self._output.write(text if text.endswith("\n") or not text else text + "\n")

    def print_json(self, value: object) -> None:
        """The answer as one JSON value."""
        self._output.write(json_text(value) + "\n")

    def print_json_line(self, value: object) -> None:
        """One JSON value of a stream of them, seen at once by whoever reads it."""
        self._output.write(json_line(value) + "\n")
        self._output.flush()

    def say(self, *lines: str) -> None:
        """Diagnostics: for the person, not part of the answer."""
        for line in lines:
            self._diagnostics.write(f"realmconf: {line}\n")
        self._diagnostics.flush()

    def warn(self, given: Iterable[Any]) -> None:
        """Warnings of the library, which failed nothing."""
        self.say(*(f"warning: {warning.message}" for warning in given))
