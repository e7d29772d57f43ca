"""
How a server is reached: one host after the other, each for a part of the time that there is.

Decides the order and the time; libpq, which would wait without an end, is only asked whether it is there yet.
"""

from __future__ import annotations

import random
import select
import threading
import time

from psycopg import errors, pq
from psycopg.conninfo import make_conninfo

from realmconf.stores.postgres.failures import UnreachedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg.pq.abc import PGconn

    from realmconf.stores.postgres.address import Address

_EVENTS = {
    pq.PollingStatus.READING: select.POLLIN,
    pq.PollingStatus.WRITING: select.POLLOUT,
}


class Reaching:
    """Makes connections to one address. Thread-safe."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._last = 0
        """The attempt that has succeeded last; it is the first one next time."""

    def connect(self, deadline: float) -> PGconn:
        """
        A new connection.

        Raises:
            UnreachedError: There is none, by the deadline or at all.
        """
        attempts = attempts_of(self._address.options)
        first = self._last if self._last < len(attempts) else 0
        order = [first, *(number for number in range(len(attempts)) if number != first)]
        failures: list[UnreachedError] = []
        for done, number in enumerate(order):
            left = deadline - time.monotonic()
            if left <= 0:
                break
            # A host that never answers must leave time for the others.
            share = min(self._address.connect_seconds, left / (len(order) - done))
            try:
                connection = _connected(attempts[number], time.monotonic() + share)
            except UnreachedError as failed:
                failures.append(failed)
            else:
                self._last = number
                return connection
        raise UnreachedError(
            "; ".join(dict.fromkeys(failed.text.strip() for failed in failures))
            or "there was no time left for it",
            used_password=any(failed.used_password for failed in failures),
        )


def attempts_of(options: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
    """The options of each attempt: one for each host of a list, in its order unless it is to be balanced."""
    lists = {
        name: options[name].split(",") for name in ("host", "hostaddr", "port") if options.get(name)
    }
    number = max((len(found) for name, found in lists.items() if name != "port"), default=1)
    if number == 1:
        attempts = [dict(options)]
    else:
        attempts = [
            {
                **options,
                **{name: found[min(index, len(found) - 1)] for name, found in lists.items()},
            }
            for index in range(number)
        ]
    if options.get("load_balance_hosts") == "random":
        random.shuffle(attempts)
    if options.get("target_session_attrs") == "prefer-standby":
        standbys = [{**one, "target_session_attrs": "standby"} for one in attempts]
        return [*standbys, *({**one, "target_session_attrs": "any"} for one in attempts)]
    return attempts


def _connected(options: Mapping[str, str], deadline: float) -> PGconn:
    given = {name: value for name, value in options.items() if name != "load_balance_hosts"}
    host = given.get("host", "")
    if host and not host.startswith(("/", "@")) and not given.get("hostaddr"):
        addresses = _resolved(host, deadline)
        # libpq tries one after the other, and still knows the name that a certificate is to have.
        given |= {"hostaddr": ",".join(addresses), "host": ",".join([host] * len(addresses))}
    try:
        connection = pq.PGconn.connect_start(make_conninfo(**given).encode())
    except errors.Error:
        # Which may quote what it does not understand.
        raise UnreachedError("libpq does not understand an option of the URL") from None
    try:
        _wait(connection, deadline)
    except BaseException:
        connection.finish()
        raise
    return connection


def _wait(connection: PGconn, deadline: float) -> None:
    if connection.status == pq.ConnStatus.BAD:
        raise UnreachedError(connection.get_error_message())
    while True:
        status = connection.connect_poll()
        if status == pq.PollingStatus.OK:
            return
        if status == pq.PollingStatus.FAILED:
            raise UnreachedError(
                connection.get_error_message(), used_password=connection.used_password
            )
        # The socket may be another one each time.
        poll = select.poll()
        poll.register(connection.socket, _EVENTS[pq.PollingStatus(status)])
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(int(left * 1000) + 1):
            raise UnreachedError("no answer came in time")


def _resolved(host: str, deadline: float) -> list[str]:
    """The addresses of *host*; a resolver that does not answer is waited for no longer than anything else."""
    import ipaddress
    import socket

    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    found: list[str] = []
    failed: list[str] = []

    def look() -> None:
        try:
            listed = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError as failure:
            failed.append(failure.strerror or str(failure))
        except UnicodeError:
            failed.append("that is no name of a host")
        else:
            found.extend(dict.fromkeys(str(entry[4][0]) for entry in listed))

    thread = threading.Thread(target=look, name="realmconf-resolving", daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if not found:
        raise UnreachedError(
            "its host's name cannot be resolved" + (f": {failed[0]}" if failed else " in time")
        )
    return found
